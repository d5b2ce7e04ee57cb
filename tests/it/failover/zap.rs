//! A viewer who goes on to another channel takes the own connection along; nobody else's is taken.

use std::time::Duration;

use super::*;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Ending;
use crate::support::player::Player;

/// An account with one connection, and a wait in which nothing would come in time by itself.
const ONE: &str = "failover: {slot_wait: 15s}\nproviders: {acme: {max_connections: 1}}";
/// As [`ONE`], for those who wait in vain.
const IMPATIENT: &str = "failover: {slot_wait: 200ms}\nproviders: {acme: {max_connections: 1}}";

const VLC: &str = "VLC/3.0.20 LibVLC/3.0.20";
const KODI: &str = "Kodi/21.0";

/// The channels a and b of one account; `name` makes them this test's own.
async fn account(name: &str, head: &str) -> (Origin, Gateway) {
    let origin = Origin::start(|request| match request.path() {
        "/a" => plays(A),
        "/b" => plays(B),
        path => panic!("{path}"),
    })
    .await;
    let channels = ["a", "b"].map(|letter| {
        live(&format!("{name}-{letter}"), &[of("acme", &origin.url(&format!("/{letter}")))])
    });
    let gateway = gateway(head, &channels).await;
    (origin, gateway)
}

fn assert_full(answer: &Answer) {
    assert_eq!(answer.status(), 503, "{}", answer.text());
    let retry = answer.head.header("retry-after").map(str::parse::<u64>);
    assert!(retry.is_some_and(|seconds| seconds.is_ok_and(|seconds| seconds > 0)));
}

/// Asks and reads the whole answer, which must not be a stream.
async fn refused(gateway: &Gateway, request: &str) -> Answer {
    let (mut player, head) = Player::ask(gateway.stream, request).await;
    assert_ne!(head.status, 200, "a stream");
    Answer { head, body: player.read_to_end().await }
}

#[tokio::test]
async fn the_same_viewer_gets_the_next_channel_at_once_and_leaves_the_last() {
    let (origin, gateway) = account("zap", ONE).await;
    let mut first = tune_as(&gateway, VLC, "zap-a").await;
    first.play(40).await;
    let mut second = tune_as(&gateway, VLC, "zap-b").await;
    second.play(40).await;
    assert_eq!((first.sources(), second.sources()), (vec![A], vec![B]));
    assert!(
        matches!(first.play_to_end().await, Ending::Cut(_)),
        "its player sees an unfinished body"
    );
    assert_eq!(end_of(&gateway, "zap-a").await, "replaced 1");
    assert_eq!((origin.open_max(), origin.total()), (1, 2));
    assert_eq!(origin.seen()[1].open[..], [2], "the first was closed before the second opened");
    assert_eq!(gateway.metric("weir_takeovers_total{channel=\"zap-b\"}").await, 1.0);
    // On and on, there and back.
    for turn in 0..10 {
        let (channel, seed) = [("zap-a", A), ("zap-b", B)][turn % 2];
        let mut next = tune_as(&gateway, VLC, channel).await;
        next.play_until_source(seed).await;
        next.report().assert_clean("a fresh stream");
        second = next;
    }
    second.play(40).await;
    assert_eq!((origin.open_max(), origin.total(), origin.open()), (1, 12, 1));
    assert_eq!(gateway.metric("weir_upstream_connections{provider=\"acme\"}").await, 1.0);
}

#[tokio::test]
async fn another_viewer_waits_and_is_told_to_come_again() {
    let (origin, gateway) = account("other", IMPATIENT).await;
    let mut first = tune_as(&gateway, VLC, "other-a").await;
    first.play(20).await;
    assert_full(&refused(&gateway, &asks(KODI, "other-b")).await);
    assert_full(&refused(&gateway, &asks(KODI, "other-a")).await);
    first.play(40).await;
    first.report().assert_clean("a stream that nobody touched");
    assert_eq!((origin.total(), origin.open()), (1, 1));
    assert_eq!(ends(&gateway, "other-a").await, "");
    assert_eq!(gateway.metric("weir_takeovers_total{channel=\"other-b\"}").await, 0.0);
}

#[tokio::test]
async fn another_viewer_gets_the_connection_when_it_comes_free_in_time() {
    let (origin, gateway) = account("free", ONE).await;
    let mut first = tune_as(&gateway, VLC, "free-a").await;
    first.play(20).await;
    let waiting = tune_as(&gateway, KODI, "free-b");
    let leaving = async {
        // Whoever waits is in the queue by then, or comes late and finds it free.
        first.play(100).await;
        first.leave();
    };
    let (mut second, ()) = tokio::join!(waiting, leaving);
    second.play(40).await;
    assert_eq!((second.sources(), origin.open_max()), (vec![B], 1));
    assert_eq!(end_of(&gateway, "free-a").await, "client_closed 1");
}

#[tokio::test]
async fn with_tokens_the_token_is_the_viewer() {
    let tokens = "access: {tokens: {tv: s3cret-of-the-tv, phone: s3cret-of-the-phone}}";
    let (origin, gateway) = account("token", &format!("{IMPATIENT}\n{tokens}")).await;
    let mut first = tune_as(&gateway, VLC, "token-a?token=s3cret-of-the-tv").await;
    first.play(20).await;
    let other = asks(VLC, "token-b?token=s3cret-of-the-phone");
    assert_full(&refused(&gateway, &other).await);
    let mut second = tune_as(&gateway, KODI, "token-b?token=s3cret-of-the-tv").await;
    second.play(20).await;
    assert!(matches!(first.play_to_end().await, Ending::Cut(_)));
    assert_eq!(end_of(&gateway, "token-a").await, "replaced 1");
    // In the path, as set-top boxes give it.
    let request =
        asks("Enigma2", "token-a").replace("GET /stream/", "GET /t/s3cret-of-the-tv/stream/");
    let mut third = Viewer::tune(gateway.stream, &request).await;
    third.play(20).await;
    assert_eq!((origin.open_max(), origin.total()), (1, 3));
    assert_eq!(end_of(&gateway, "token-b").await, "replaced 1");
}

#[tokio::test]
async fn a_viewer_with_two_connections_keeps_both_until_a_third_is_wanted() {
    let head = "failover: {slot_wait: 15s}\nproviders: {acme: {max_connections: 2}}";
    let (origin, gateway) = account("two", head).await;
    let mut one = tune_as(&gateway, VLC, "two-a").await;
    one.play(20).await;
    let mut two = tune_as(&gateway, VLC, "two-b").await;
    two.play(20).await;
    one.play(20).await;
    assert_eq!(origin.open(), 2);
    let mut three = tune_as(&gateway, VLC, "two-b").await;
    three.play(20).await;
    assert!(matches!(one.play_to_end().await, Ending::Cut(_)), "the oldest goes");
    two.play(20).await;
    assert_eq!((origin.open_max(), ends(&gateway, "two-a").await.as_str()), (2, "replaced 1"));
    assert_eq!(ends(&gateway, "two-b").await, "");
}

#[tokio::test]
async fn an_hls_session_is_taken_over_and_its_late_requests_take_nothing_over() {
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:6,\nsegment.ts\n",
        ),
        "/segment.ts" => {
            Script::head("200 OK", &[("Content-Type", "video/mp2t"), ("Content-Length", "1880000")])
                .feed(Feed::live(&picture(C)).packets(10_000))
        }
        "/a" => plays(A),
        path => panic!("{path}"),
    })
    .await;
    let hls = of("acme", &origin.url("/list.m3u8"));
    let channels = [
        live("seg-a", &[of("acme", &origin.url("/a"))]),
        format!("  seg-h: {{kind: hls, sources: [{hls}]}}\n"),
    ];
    let gateway = gateway(IMPATIENT, &channels).await;
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {VLC}\r\nConnection: close\r\n\r\n")
    };
    let playlist = Player::fetch(gateway.stream, &request("/hls/seg-h/playlist.m3u8")).await;
    assert_eq!(playlist.status(), 200);
    let uri = playlist.text().lines().find(|line| !line.starts_with('#')).unwrap();
    let segment = format!("/{}", uri.trim_start_matches("../"));
    // A segment is on its way: another viewer waits for its slot, the same one's zap ends it.
    let (mut loading, head) = Player::ask(gateway.stream, &request(&segment)).await;
    assert_eq!(head.status, 200, "{segment}");
    loading.read_exact_body(1880).await;
    assert_full(&refused(&gateway, &asks(KODI, "seg-a")).await);
    loading.read_exact_body(18_800).await;
    // What its player still asks for does not end the new stream.
    let mut viewer = tune_as(&gateway, VLC, "seg-a").await;
    viewer.play(20).await;
    assert_full(&refused(&gateway, &request(&segment)).await);
    viewer.play(40).await;
    viewer.report().assert_clean("a stream that nobody touched");
    assert_eq!(origin.open_max(), 1);
}

#[tokio::test]
async fn a_film_gives_its_connection_to_the_same_viewers_seek() {
    let vod = crate::support::vod::Vod::start(
        crate::support::vod::VodFile::of_length(50_000_000).slow(2_000_000),
    )
    .await;
    let film = format!("  film: {{kind: vod, sources: [{}]}}\n", of("acme", &vod.url("/film.mp4")));
    let gateway = gateway(ONE, &[film]).await;
    let mut players = Vec::new();
    for first in [0, 10_000_000, 40_000_000, 1] {
        let request = presets::vlc_from("x", "/stream/film", first);
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 206);
        let bytes = player.read_exact_body(50_000).await;
        let blob = crate::support::content::Blob::new(1, 50_000_000);
        crate::support::content::Content::assert_matches(&blob, first, &bytes);
        players.push(player);
    }
    assert_eq!((vod.open_max(), vod.open(), vod.total()), (1, 1, 4));
    let patience = Duration::from_millis(300);
    assert!(!players[3].is_quiet_for(patience).await, "the last one plays on");
    assert_eq!(end_of(&gateway, "film").await, "replaced 3");
}

#[tokio::test]
async fn a_viewer_who_zaps_amid_a_failover_gets_what_its_standby_holds() {
    let origin = Origin::start(|request| match request.path() {
        "/a" => plays_for(A, 60).reset(),
        "/slow" => Script::silent(),
        "/b" => plays(B),
        path => panic!("{path}"),
    })
    .await;
    let amid = [origin.url("/a"), of("acme", &origin.url("/slow"))];
    let channels = [live("amid-a", &amid), live("amid-b", &[of("acme", &origin.url("/b"))])];
    let head = "failover: {slot_wait: 1s, response_timeout: 30s}\n\
                providers: {acme: {max_connections: 1}}";
    let gateway = gateway(head, &channels).await;
    let mut first = tune_as(&gateway, VLC, "amid-a").await;
    first.play(20).await;
    origin.requests(2).await;
    let mut second = tune_as(&gateway, VLC, "amid-b").await;
    second.play(20).await;
    assert_eq!(second.sources(), [B]);
    assert_eq!(end_of(&gateway, "amid-a").await, "replaced 1");
    assert_eq!(origin.seen()[2].open[..], [3]);
}

#[tokio::test]
async fn a_provider_that_still_counts_the_connection_that_was_left_is_asked_again() {
    let origin = Origin::start(|request| match (request.path(), request.attempt) {
        ("/b", 1 | 2) => Script::error("458 Too Many Connections"),
        ("/b", _) => plays(B),
        _ => plays(A),
    })
    .await;
    let channels = ["a", "b"]
        .map(|name| live(&format!("lag-{name}"), &[of("acme", &origin.url(&format!("/{name}")))]));
    let gateway = gateway(ONE, &channels).await;
    let mut first = tune_as(&gateway, VLC, "lag-a").await;
    first.play(20).await;
    let mut second = tune_as(&gateway, VLC, "lag-b").await;
    second.play(20).await;
    assert_eq!((second.sources(), origin.total(), origin.open_max()), (vec![B], 4, 1));
}
