//! Stopping: not ready, nothing new, what runs goes on to its end or to the end of the grace.

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::eventually::within;
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
use crate::support::wire::Parting;

/// A grace that no test waits for.
const LONG: &str = "drain_timeout: 10m\n";

fn live(origin: &Origin) -> String {
    format!("channels: {{one: {{sources: [\"{}\"], kind: live}}}}\n", origin.url("/one.ts"))
}

async fn tune(gateway: &Gateway) -> Player {
    let request = presets::get_keep_alive("x", "/stream/one");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(PACKET * 10).await;
    player
}

/// Waits until nothing listens for media any more.
async fn closed(gateway: &Gateway) {
    eventually_async("the media listener is closed", async || {
        Player::try_connect(gateway.stream).await.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_draining_it_is_alive_and_not_ready_and_takes_nobody_new() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let mut gateway = Gateway::start(&format!("{LONG}{}", live(&origin))).await;
    let mut player = tune(&gateway).await;
    assert_eq!(gateway.admin_get("/readyz").await, "ready\n");

    gateway.terminate().await;
    closed(&gateway).await;
    let (head, body) = gateway.admin_request("GET", "/readyz").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, "draining\n");
    for path in ["/health", "/healthz", "/live"] {
        gateway.admin_get(path).await;
    }
    let status = gateway.admin_get("/api/status").await;
    assert!(status.contains("\"phase\":\"draining\""), "{status}");
    assert_eq!(gateway.metric("weir_sessions{channel=\"one\"}").await, 1.0);

    player.read_exact_body(PACKET * 500).await;
    assert_eq!(origin.total(), 1, "the stream goes on as if nothing were");
    player.close();
    gateway.wait().await;
    origin.idle().await;
    assert!(Player::try_connect(gateway.admin).await.is_err(), "the admin listener goes last");
}

#[tokio::test]
async fn a_download_finishes_within_the_grace() {
    let rest = Gate::new();
    let film = Blob::new(3, 2_000_000);
    let (wait, half) = (rest.clone(), film.slice(0, 1_000_000));
    let other = film.slice(1_000_000, 1_000_000);
    let origin = Origin::start(move |_| {
        let fields = [("Content-Type", "video/mp4"), ("Content-Length", "2000000")];
        Script::head("200 OK", &fields).body(&half).wait(&wait).body(&other)
    })
    .await;
    let mut gateway = Gateway::start(&format!(
        "{LONG}channels: {{film: {{sources: [\"{}\"], kind: vod}}}}\n",
        origin.url("/film.mp4")
    ))
    .await;
    let request = presets::get_keep_alive("x", "/stream/film");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    let mut got = player.read_exact_body(1_000_000).await;

    gateway.terminate().await;
    closed(&gateway).await;
    rest.open();
    let body = player.read_to_end().await;
    assert!(body.is_complete(), "{:?}", body.ending);
    got.extend(body.bytes);
    film.assert_matches(0, &got);
    assert_eq!(player.left().await, Parting::Fin, "the connection ends with its answer");
    // Long before the grace is over.
    gateway.wait().await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_the_drain_is_over() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let mut gateway = Gateway::start(&format!("{LONG}{}", live(&origin))).await;
    let mut used = Vec::new();
    for _ in 0..3 {
        let request = presets::get_keep_alive("x", "/health");
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200);
        assert!(player.read_to_end().await.is_complete());
        used.push(player);
    }
    let fresh = Player::connect(gateway.stream).await;
    let mut half = Player::connect(gateway.stream).await;
    half.send("GET /health HTTP/1.1\r\nHost:").await;
    let admin_request = presets::get_keep_alive("localhost", "/health");
    let (mut admin, _) = Player::ask(gateway.admin, &admin_request).await;
    assert!(admin.read_to_end().await.is_complete());
    eventually_async("five media connections", async || {
        (gateway.metric("weir_connections{listener=\"stream\"}").await == 5.0).then_some(())
    })
    .await;

    gateway.terminate().await;
    let mut seen = 0;
    for mut player in used.into_iter().chain([fresh, half, admin]) {
        within("the connection is closed", player.left()).await;
        seen += 1;
    }
    assert_eq!(seen, 6);
    gateway.wait().await;
}

#[tokio::test]
async fn a_request_under_way_is_still_answered() {
    let gate = Gate::new();
    let (wait, pattern) = (gate.clone(), TsPattern::new(1));
    let origin =
        Origin::start(move |_| Script::new().wait(&wait).then_all(Script::live(&pattern))).await;
    let mut gateway = Gateway::start(&format!("{LONG}{}", live(&origin))).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get_keep_alive("x", "/stream/one")).await;
    origin.requests(1).await;
    gateway.terminate().await;
    closed(&gateway).await;
    gate.open();
    assert_eq!(player.head().await.status, 200);
    player.read_exact_body(PACKET * 10).await;
    player.close();
    gateway.wait().await;
}

#[tokio::test]
async fn live_goes_on_to_the_end_of_the_grace_and_is_then_cut() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("drain_timeout: 3s\n{}", live(&origin)).replace("one:", "cut-at-the-end:");
    let mut gateway = Gateway::start(&yaml).await;
    let request = presets::get_keep_alive("x", "/stream/cut-at-the-end");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    gateway.terminate().await;
    closed(&gateway).await;
    player.read_exact_body(PACKET * 200).await;
    let ending = player.discard_while(|_| true).await.unwrap();
    assert!(matches!(ending, Ending::Cut(_)), "{ending:?}");
    gateway.wait().await;
    origin.idle().await;
    let log = logs();
    let ends = |line: &&str| line.contains("session ends") && line.contains("cut-at-the-end");
    let line = log.lines().find(ends).unwrap();
    assert!(line.contains("end=\"shutdown\"") && line.contains("side=\"weir\""), "{line}");
}

#[tokio::test]
async fn a_second_stop_cuts_at_once() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let mut gateway = Gateway::start(&format!("{LONG}{}", live(&origin))).await;
    let mut player = tune(&gateway).await;
    gateway.terminate().await;
    closed(&gateway).await;
    player.read_exact_body(PACKET * 100).await;
    gateway.terminate().await;
    gateway.wait().await;
    let ending = player.discard_while(|_| true).await.unwrap();
    assert!(matches!(ending, Ending::Cut(_)), "{ending:?}");
    origin.idle().await;
}

#[tokio::test]
async fn without_a_grace_everything_is_cut_at_once() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let mut gateway = Gateway::start(&format!("drain_timeout: 0s\n{}", live(&origin))).await;
    let mut player = tune(&gateway).await;
    gateway.terminate().await;
    gateway.wait().await;
    let ending = player.discard_while(|_| true).await.unwrap();
    assert!(matches!(ending, Ending::Cut(_)), "{ending:?}");
    origin.idle().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_does_not_hold_the_end_back() {
    let pattern = TsPattern::new(1);
    let origin = Origin::start(move |_| Script::live(Feed::of(pattern.clone()))).await;
    let mut gateway = Gateway::start(&format!("drain_timeout: 1s\n{}", live(&origin))).await;
    let mut player = Player::connect_narrow(gateway.stream, 16 << 10).await;
    player.send(presets::get_keep_alive("x", "/stream/one")).await;
    assert_eq!(player.head().await.status, 200);
    gateway.terminate().await;
    gateway.wait().await;
    origin.idle().await;
    player.close();
}
