//! Viewers of files: many, impatient, or gone for tea.

use super::film;
use super::film_with;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

const LENGTH: u64 = 1 << 30;

async fn no_session_is_left(gateway: &Gateway) {
    let look = async || {
        let running = gateway.metric("weir_sessions{channel=\"film\"}").await;
        (running == 0.0).then_some(())
    };
    eventually_async("no session is left", look).await;
}

#[tokio::test]
async fn many_clients_read_at_places_of_their_own() {
    const CLIENTS: usize = 40;
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut dice = Dice::new(40);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let place = dice.roll(LENGTH as usize / 2) as u64;
        let request = presets::vlc_from("x", "/stream/film", place);
        let (player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!((head.status, head.content_length()), (206, Some(LENGTH - place)));
        clients.push((player, place));
    }
    for round in 0..6 {
        for (player, place) in &mut clients {
            let bytes = player.read_exact_body(dice.roll(100_000)).await;
            Blob::new(1, LENGTH).assert_matches(*place, &bytes);
            *place += bytes.len() as u64;
        }
        assert_eq!(vod.open(), CLIENTS, "round {round}: one upstream connection a client");
    }
    assert_eq!(gateway.metric("weir_sessions{channel=\"film\"}").await, CLIENTS as f64);
    drop(clients);
    vod.idle().await;
    assert_eq!(vod.total(), CLIENTS);
    no_session_is_left(&gateway).await;
}

#[tokio::test]
async fn one_player_reads_several_places_at_once() {
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    // As AVPlayer and libavformat do with an index at the end: the length, the beginning, the
    // index, and the place to play from, the first left open while the others come and go.
    let probe = presets::avplayer_probe("x", "/stream/film");
    let (mut probe, head) = Player::ask(gateway.stream, &probe).await;
    let total = format!("bytes 0-1/{LENGTH}");
    assert_eq!(head.header("Content-Range"), Some(total.as_str()));
    Blob::new(1, LENGTH).assert_matches(0, &probe.read_exact_body(2).await);
    let whole = presets::avplayer("x", "/stream/film", "bytes=0-");
    let (mut whole, _) = Player::ask(gateway.stream, &whole).await;
    let mut overlapping = Vec::new();
    for first in [0, 50_000, 60_000, LENGTH - 100_000] {
        let range = format!("bytes={first}-{}", first + 99_999);
        let request = presets::avplayer("x", "/stream/film", &range);
        overlapping.push((Player::ask(gateway.stream, &request).await.0, first));
    }
    for half in [0, 50_000] {
        for (player, first) in &mut overlapping {
            let bytes = player.read_exact_body(50_000).await;
            Blob::new(1, LENGTH).assert_matches(*first + half, &bytes);
        }
        let bytes = whole.read_exact_body(50_000).await;
        Blob::new(1, LENGTH).assert_matches(half, &bytes);
    }
    for (mut player, _) in overlapping {
        assert!(player.read_to_end().await.is_complete());
    }
    // The upstream connections of finished parts are closed, the one that plays stays.
    vod.wait_for("one open connection", |vod| (vod.open() == 1).then_some(())).await;
    Blob::new(1, LENGTH).assert_matches(100_000, &whole.read_exact_body(50_000).await);
    whole.close();
    vod.idle().await;
    assert_eq!(vod.total(), 6);
}

#[tokio::test]
async fn fifty_aborted_seeks_leave_nothing_behind() {
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut dice = Dice::new(50);
    for seek in 1..=50_usize {
        let place = dice.roll(LENGTH as usize / 2) as u64;
        let request = presets::vlc_from("x", "/stream/film", place);
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 206);
        Blob::new(1, LENGTH).assert_matches(place, &player.read_exact_body(64 * 1024).await);
        match seek % 3 {
            0 => player.reset(),
            1 => player.close(),
            _ => player.finish().await,
        }
        if seek % 10 == 0 {
            vod.idle().await;
        }
    }
    let left = vod.closed(50).await;
    assert_eq!(left.len(), 50);
    assert_eq!(vod.open(), 0);
    assert_eq!(vod.total(), 50, "no connection was opened for nobody");
    no_session_is_left(&gateway).await;
    let closed =
        gateway.metric("weir_sessions_total{channel=\"film\",end=\"client_closed\"}").await;
    assert_eq!(closed, 50.0);
}

#[tokio::test]
async fn a_seek_before_the_answer_came_ends_the_request_upstream() {
    let origin = Origin::start(|_| Script::silent()).await;
    let gateway = film(&[origin.url("/film.mp4")]).await;
    for seek in 1..=10 {
        let mut player = Player::connect(gateway.stream).await;
        player.send(presets::vlc_from("x", "/stream/film", seek as u64)).await;
        origin.requests(seek).await;
        player.close();
        origin.closed(seek).await;
    }
    assert_eq!((origin.total(), origin.open()), (10, 0));
}

#[tokio::test]
async fn a_film_may_be_paused_for_longer_than_any_client_timeout() {
    const WHOLE: u64 = 192 << 20;
    let vod = Vod::start(VodFile::of_length(WHOLE)).await;
    let live = Origin::start(|_| Script::live(Feed::of(TsPattern::new(1)))).await;
    let sources = [live.url("/live/one.ts")];
    let gateway = Gateway::start(&format!(
        "limits: {{client_timeout: 1s}}\nchannels:\n  film: {{sources: [{:?}], kind: vod}}\n  \
         live: {{sources: {sources:?}, kind: live}}",
        vod.url("/film.mp4"),
    ))
    .await;
    let mut paused = Player::connect_narrow(gateway.stream, 16 * 1024).await;
    paused.send(presets::vlc("x", "/stream/film")).await;
    assert_eq!(paused.head().await.status, 206);
    Blob::new(1, WHOLE).assert_matches(0, &paused.read_exact_body(100_000).await);
    let mut place = 100_000;
    // Whoever pauses live television after it is let go for that: more than the time is over.
    let mut zapper = Player::connect_narrow(gateway.stream, 16 * 1024).await;
    zapper.send(presets::get_keep_alive("x", "/stream/live")).await;
    assert_eq!(zapper.head().await.status, 200);
    let dropped = async || {
        let name = "weir_sessions_total{channel=\"live\",end=\"client_timeout\"}";
        (gateway.metric(name).await == 1.0).then_some(())
    };
    eventually_async("the live client is dropped", dropped).await;
    assert_eq!(gateway.metric("weir_sessions{channel=\"film\"}").await, 1.0);
    assert!(vod.written() < WHOLE / 3, "the pause is felt by the source: {}", vod.written());
    // And plays on, to the end.
    let ending = paused
        .discard_while(|bytes| {
            Blob::new(1, WHOLE).assert_matches(place, bytes);
            place += bytes.len() as u64;
            true
        })
        .await;
    assert_eq!(ending, Some(Ending::Complete));
    assert_eq!(place, WHOLE);
    assert_eq!(vod.total(), 1, "on the one connection");
    no_session_is_left(&gateway).await;
}

#[tokio::test]
async fn a_slow_source_is_passed_at_its_own_speed() {
    let vod = Vod::start(VodFile::of_length(300_000).slow(400_000)).await;
    let gateway =
        film_with(&[vod.url("/film.mp4")], "failover: {rounds: 0, stall_timeout: 2s}").await;
    let request = presets::ranged("x", "/stream/film", "bytes=1000-");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.content_length(), Some(299_000));
    // What has come is there at once: nothing waits for a full buffer.
    let first = player.read_exact_body(1000).await;
    assert!(vod.written() < 290_000, "the source is still sending");
    Blob::new(1, 300_000).assert_matches(1000, &first);
    let rest = player.read_to_end().await;
    assert!(rest.is_complete());
    assert_eq!(rest.bytes.len(), 298_000);
    Blob::new(1, 300_000).assert_matches(2000, &rest.bytes);
}
