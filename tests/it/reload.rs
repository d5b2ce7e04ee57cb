//! Reloads: what is unchanged goes on untouched, what is changed applies at once, and a refused
//! configuration changes nothing.

use std::net::SocketAddr;

use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

/// Requests beyond the default rate are what some tests are made of.
const FAST: &str = "limits: {requests_per_second: 100000, clients_per_ip: 1000}\n";

fn channels(entries: &[(&str, String)]) -> String {
    let entries = entries.iter().map(|(id, source)| format!("  {id}: {source}\n"));
    format!("{FAST}channels:\n{}", entries.collect::<String>())
}

fn live(origin: &Origin, path: &str) -> String {
    format!("{{kind: live, sources: [\"{}\"]}}", origin.url(path))
}

async fn tune(address: SocketAddr, id: &str) -> Player {
    let request = presets::get_keep_alive("x", &format!("/stream/{id}"));
    let (mut player, head) = Player::ask(address, &request).await;
    assert_eq!(head.status, 200, "{id}");
    player.read_exact_body(PACKET * 10).await;
    player
}

async fn ended(gateway: &Gateway, id: &str, end: &str) -> f64 {
    gateway.metric(&format!("weir_sessions_total{{channel=\"{id}\",end=\"{end}\"}}")).await
}

#[tokio::test]
async fn fifty_reloads_pass_a_viewer_by() {
    let pattern = TsPattern::new(1);
    let origin = Origin::live(pattern.clone()).await;
    let other = Origin::live(TsPattern::new(2)).await;
    let one = ("one", live(&origin, "/one.ts"));
    let gateway = Gateway::start(&channels(std::slice::from_ref(&one))).await;
    let request = presets::get_keep_alive("x", "/stream/one");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    let mut place = 0;
    for number in 0..50 {
        // Each adds, changes or removes what is beside the channel.
        let neighbour = (format!("n{}", number % 3), live(&other, &format!("/{number}.ts")));
        let neighbour = (neighbour.0.as_str(), neighbour.1);
        gateway.reload(&channels(&[neighbour, one.clone()])).await;
        let bytes = player.read_exact_body(PACKET * 20).await;
        assert_eq!(pattern.mismatch(place, &bytes), None, "after reload {number}");
        place += bytes.len() as u64;
    }
    let applied = gateway.metric("weir_reloads_total{outcome=\"applied\"}").await;
    assert_eq!(applied, 50.0);
    assert_eq!((origin.total(), origin.open()), (1, 1), "on one upstream connection all the time");
    assert_eq!(gateway.metric("weir_sessions{channel=\"one\"}").await, 1.0);
    player.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_changed_and_a_removed_channel_end_their_sessions_and_a_kept_one_does_not() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let kept = ("kept", live(&origin, "/kept.ts"));
    let before = [
        kept.clone(),
        ("changed", live(&origin, "/before.ts")),
        ("gone", live(&origin, "/gone.ts")),
    ];
    let gateway = Gateway::start(&channels(&before)).await;
    let mut stays = tune(gateway.stream, "kept").await;
    let mut cut = [tune(gateway.stream, "changed").await, tune(gateway.stream, "gone").await];

    gateway.reload(&channels(&[kept, ("changed", live(&origin, "/after.ts"))])).await;
    for player in &mut cut {
        let ending = player.discard_while(|_| true).await.unwrap();
        assert!(
            matches!(ending, Ending::Cut(_)),
            "no player may take it for the whole: {ending:?}"
        );
    }
    for id in ["changed", "gone"] {
        let counted = async || (ended(&gateway, id, "reloaded").await == 1.0).then_some(());
        eventually_async("the session has ended", counted).await;
    }
    origin.closed(2).await;
    stays.read_exact_body(PACKET * 100).await;
    assert_eq!(origin.open(), 1);

    tune(gateway.stream, "changed").await.close();
    assert_eq!(origin.seen().last().unwrap().target(), "/after.ts");
    assert_eq!(Player::get(gateway.stream, "/stream/gone").await.status(), 404);
    stays.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_session_of_a_removed_channel_ends_however_fast_its_source_is() {
    // Always more to come, and a client that always has room: nobody ever waits for the source.
    let pattern = TsPattern::new(1);
    let origin = Origin::start(move |_| Script::live(Feed::of(pattern.clone()))).await;
    let gateway = Gateway::start(&channels(&[("one", live(&origin, "/one.ts"))])).await;
    let mut player = tune(gateway.stream, "one").await;
    gateway.reload(&channels(&[])).await;
    let ending = player.discard_while(|_| true).await.unwrap();
    assert!(matches!(ending, Ending::Cut(_)), "{ending:?}");
    let counted = async || (ended(&gateway, "one", "reloaded").await == 1.0).then_some(());
    eventually_async("the session has ended", counted).await;
    origin.idle().await;
}

#[tokio::test]
async fn a_paused_film_of_a_removed_channel_ends_when_its_viewer_goes_on() {
    let vod = Vod::start(VodFile::of_length(256 << 20)).await;
    let film = format!("{{kind: vod, sources: [\"{}\"]}}", vod.url("/film.mp4"));
    let gateway = Gateway::start(&channels(&[("film", film)])).await;
    let mut player = Player::connect_narrow(gateway.stream, 64 << 10).await;
    player.send(presets::get_keep_alive("x", "/stream/film")).await;
    assert_eq!(player.head().await.status, 200);
    player.read_exact_body(1 << 20).await;
    gateway.reload(&channels(&[])).await;
    let mut got = 1 << 20;
    let ending = player.discard_while(|chunk| {
        got += chunk.len();
        true
    });
    let ending = ending.await.unwrap();
    assert!(matches!(ending, Ending::Cut(_)), "{ending:?}");
    assert!(got < 256 << 20, "the film is not played to its end");
    let counted = async || (ended(&gateway, "film", "reloaded").await == 1.0).then_some(());
    eventually_async("the session has ended", counted).await;
    vod.idle().await;
}

#[tokio::test]
async fn a_new_channel_is_there_at_once_and_in_the_order_of_the_file() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let one = ("one", live(&origin, "/one.ts"));
    let gateway = Gateway::start(&channels(std::slice::from_ref(&one))).await;
    assert_eq!(Player::get(gateway.stream, "/stream/two").await.status(), 404);
    gateway.reload(&channels(&[("two", live(&origin, "/two.ts")), one])).await;
    let playlist = Player::get(gateway.stream, "/playlist.m3u").await;
    let ids: Vec<&str> = playlist
        .text()
        .lines()
        .filter_map(|line| line.rsplit_once("/stream/"))
        .map(|(_, id)| id)
        .collect();
    assert_eq!(ids, ["two", "one"]);
    tune(gateway.stream, "two").await.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn who_may_watch_changes_at_once() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let one = channels(&[("one", live(&origin, "/one.ts"))]);
    let gateway = Gateway::start(&one).await;
    let mut watching = tune(gateway.stream, "one").await;
    let status = async |target: &str| {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        Player::ask(gateway.stream, &request).await.1.status
    };
    assert_eq!(status("/stream/one").await, 200);

    gateway.reload(&format!("{one}access: {{tokens: {{anna: first-token}}}}\n")).await;
    assert_eq!(status("/stream/one").await, 401);
    assert_eq!(status("/stream/one?token=first-token").await, 200);

    gateway.reload(&format!("{one}access: {{tokens: {{anna: second-token}}}}\n")).await;
    assert_eq!(status("/stream/one?token=first-token").await, 403, "the old token is void");
    assert_eq!(status("/stream/one?token=second-token").await, 200);

    gateway.reload(&format!("{one}access: {{allow: [192.0.2.0/24]}}\n")).await;
    assert_eq!(status("/stream/one").await, 403);
    watching.read_exact_body(PACKET * 100).await;
    assert_eq!(origin.total(), 1, "who watches already is not asked again");

    gateway.reload(&format!("{one}access: {{allow: [private]}}\n")).await;
    assert_eq!(status("/stream/one").await, 200);
    watching.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn limits_change_at_once() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let one = format!("channels: {{one: {}}}\n", live(&origin, "/one.ts"));
    let with = |limits: &str| format!("limits: {{{limits}}}\n{one}");
    let gateway = Gateway::start(&with("requests_per_second: 100000")).await;
    let storm = async || {
        let mut refused = 0;
        for _ in 0..20 {
            let answer = Player::get(gateway.stream, "/playlist.m3u").await;
            refused += usize::from(answer.status() == 429);
        }
        refused
    };
    assert_eq!(storm().await, 0);
    gateway.reload(&with("requests_per_second: 1")).await;
    assert!(storm().await >= 10, "at one a second, most of a storm is refused");
    gateway.reload(&with("requests_per_second: 100000")).await;
    assert_eq!(storm().await, 0);

    let player = tune(gateway.stream, "one").await;
    gateway.reload(&with("clients: 1, requests_per_second: 100000")).await;
    assert_eq!(
        Player::get(gateway.stream, "/stream/one").await.status(),
        503,
        "one place, and taken"
    );
    gateway.reload(&with("clients: 2, requests_per_second: 100000")).await;
    tune(gateway.stream, "one").await.close();
    player.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_reload_changes_nothing() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let good = channels(&[("one", live(&origin, "/one.ts"))]);
    let gateway = Gateway::start(&good).await;
    let mut player = tune(gateway.stream, "one").await;
    let playlist = Player::get(gateway.stream, "/playlist.m3u").await.text().to_owned();
    let status = gateway.admin_get("/api/v1/channels").await;
    let bad = [
        "nonsense: 1\n".to_owned(),
        "channels: [\n".to_owned(),
        "access: {tokens: {anna: a-token}}\nlimits: {clients: 0}\n".to_owned(),
        format!("access: {{allow: [192.0.2.0/24]}}\n{good}channels: {{}}\n"),
        "channels: {one: {kind: live, sources: [{receiver: box, service: \"1:0:1:2:3:4:5:0:0:0:\"}]}}\n".to_owned(),
    ];
    let mut refused = 0.0;
    for bad in &bad {
        gateway.reload(bad).await;
        refused += 1.0;
        let counted = gateway.metric("weir_reloads_total{outcome=\"refused\"}").await;
        assert_eq!(counted, refused, "{bad}");
        assert_eq!(Player::get(gateway.stream, "/playlist.m3u").await.text(), playlist);
        player.read_exact_body(PACKET * 20).await;
    }
    assert_eq!(refused, 5.0);
    assert_eq!(gateway.metric("weir_reloads_total{outcome=\"applied\"}").await, 0.0);
    assert_eq!(gateway.admin_get("/api/v1/channels").await, status);
    assert_eq!(origin.total(), 1);
    assert!(logs().contains("reload refused"));
    player.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_budget_of_another_size_keeps_its_sessions_and_its_count() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let with = |max: usize| {
        format!(
            "failover: {{rounds: 0, slot_wait: 0s}}\nproviders: {{acme: {{max_connections: {max}}}}}\n\
             channels: {{one: {{kind: live, sources: [{{url: \"{}\", provider: acme}}]}}}}\n{FAST}",
            origin.url("/one.ts")
        )
    };
    let used = "weir_upstream_connections{provider=\"acme\"}";
    let gateway = Gateway::start(&with(2)).await;
    let mut first = tune(gateway.stream, "one").await;
    let second = tune(gateway.stream, "one").await;

    gateway.reload(&with(1)).await;
    first.read_exact_body(PACKET * 20).await;
    assert_eq!(gateway.metric(used).await, 2.0, "both go on");
    let refused = Player::get_as(gateway.stream, "/stream/one", "other").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.head.header("retry-after").is_some());

    second.close();
    origin.closed(1).await;
    eventually_async("one connection", async || (gateway.metric(used).await == 1.0).then_some(()))
        .await;
    let refused = Player::get_as(gateway.stream, "/stream/one", "other").await;
    assert_eq!(refused.status(), 503, "the one that is left fills the smaller budget");

    gateway.reload(&with(3)).await;
    let more = [tune(gateway.stream, "one").await, tune(gateway.stream, "one").await];
    assert_eq!(gateway.metric(used).await, 3.0);
    assert_eq!(
        Player::get_as(gateway.stream, "/stream/one", "other").await.status(),
        503,
        "three are three"
    );
    assert_eq!(origin.open_max(), 3);
    first.read_exact_body(PACKET * 20).await;
    more.into_iter().for_each(Player::close);
    first.close();
    origin.idle().await;
    eventually_async("no connection", async || (gateway.metric(used).await == 0.0).then_some(()))
        .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_receivers_budget_of_another_size_keeps_its_sessions_too() {
    let service = "1:0:19:132F:3EF:1:C00000:0:0:0:";
    let origin = Origin::live(TsPattern::new(1)).await;
    let with = |max: usize| {
        format!(
            "failover: {{rounds: 0, slot_wait: 0s}}\n{FAST}receivers: {{box: {{stream: \"http://{}\", max_connections: {max}}}}}\n",
            origin.authority()
        )
    };
    let gateway = Gateway::start(&with(1)).await;
    let request = presets::get_keep_alive("x", &format!("/{service}"));
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    assert_eq!(Player::get_as(gateway.stream, &format!("/{service}"), "other").await.status(), 503);
    for max in [2, 1, 2] {
        gateway.reload(&with(max)).await;
    }
    player.read_exact_body(PACKET * 50).await;
    let (second, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    assert_eq!(Player::get_as(gateway.stream, &format!("/{service}"), "other").await.status(), 503);
    // Another address is another receiver.
    let other = Origin::live(TsPattern::new(2)).await;
    let moved = with(2).replace(&origin.authority(), &other.authority());
    gateway.reload(&moved).await;
    let ending = player.discard_while(|_| true).await.unwrap();
    assert!(matches!(ending, Ending::Cut(_)), "{ending:?}");
    let both = async || (ended(&gateway, "r/box", "reloaded").await == 2.0).then_some(());
    eventually_async("both sessions have ended", both).await;
    second.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_that_waits_for_its_source_survives_a_reload_beside_it() {
    let gate = Gate::new();
    let (wait, pattern) = (gate.clone(), TsPattern::new(1));
    let origin =
        Origin::start(move |_| Script::new().wait(&wait).then_all(Script::live(&pattern))).await;
    let one = ("one", live(&origin, "/one.ts"));
    let gateway = Gateway::start(&channels(std::slice::from_ref(&one))).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get_keep_alive("x", "/stream/one")).await;
    origin.requests(1).await;
    gateway.reload(&channels(&[one, ("two", live(&origin, "/two.ts"))])).await;
    gate.open();
    assert_eq!(player.head().await.status, 200);
    player.read_exact_body(PACKET * 50).await;
    assert_eq!(origin.total(), 1);
    player.close();
    origin.idle().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_playlist_of_before_the_reload_leads_on_after_it() {
    let segment = vec![0x47_u8; PACKET * 100];
    let origin = Origin::start(move |request| match request.path() {
        "/live.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nsegment.ts\n"),
        _ => Script::whole("200 OK", "video/mp2t", &segment),
    })
    .await;
    let hls = ("hls", format!("{{kind: hls, sources: [\"{}\"]}}", origin.url("/live.m3u8")));
    let gateway = Gateway::start(&channels(std::slice::from_ref(&hls))).await;
    let playlist = Player::get(gateway.stream, "/hls/hls/playlist.m3u8").await;
    let uri = playlist.text().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    let target = format!("/{}", uri.trim_start_matches("../"));
    assert_eq!(Player::get(gateway.stream, &target).await.status(), 200);

    gateway.reload(&channels(&[hls, ("two", live(&origin, "/two.ts"))])).await;
    let answer = Player::get(gateway.stream, &target).await;
    assert_eq!((answer.status(), answer.body.bytes.len()), (200, PACKET * 100));

    gateway.reload(&channels(&[])).await;
    assert_eq!(Player::get(gateway.stream, &target).await.status(), 410, "its channel has gone");
    gateway.stop().await;
}
