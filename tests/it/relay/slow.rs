//! Clients that are slow hurt nobody: not the others, not the source, and themselves no more than they
//! must.

use std::time::Duration;

use super::*;
use crate::support::player::Player;
use crate::support::ts::TsCheck;

/// A picture of 8 Mbit/s.
fn large() -> TsPattern {
    TsPattern::new(A).video_packets(200)
}

async fn large_origin() -> Origin {
    Origin::start(|_| Script::live(&large())).await
}

async fn ask_narrow(gateway: &Gateway, channel: &str) -> Player {
    let mut player = Player::connect_narrow(gateway.stream, 16 * 1024).await;
    player.send(request(channel, "slow")).await;
    assert_eq!(player.head().await.status, 200);
    player
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go_and_the_others_do_not_notice() {
    let origin = large_origin().await;
    let gateway = gateway("relay: {client_timeout: 1s}", "stuck", &[origin.url("/")]).await;
    let mut stuck = Vec::new();
    for _ in 0..10 {
        stuck.push(ask_narrow(&gateway, "stuck").await);
    }
    let mut viewer = tune(&gateway, "stuck").await;
    eventually_async("they are let go", async || {
        viewer.play(200).await;
        let ended = gateway.figures("weir_sessions_total", "stuck").await;
        (ended == "client_timeout 10").then_some(())
    })
    .await;
    viewer.play(500).await;
    viewer.report().assert_clean("beside clients that read nothing");
    assert_eq!((origin.total(), origin.open()), (1, 1));
    assert_eq!(status(&gateway, "stuck").await["client_count"], 1);
    drop(stuck);
}

#[tokio::test]
async fn a_client_that_is_behind_skips_and_every_counter_goes_on() {
    let origin = large_origin().await;
    let head = "relay: {lag: 1s, client_timeout: 60s}";
    let gateway = gateway(head, "skips", &[origin.url("/")]).await;
    let mut quick = tune(&gateway, "skips").await;
    let mut slow = ask_narrow(&gateway, "skips").await;
    let mut check = TsCheck::new();
    check.feed(&slow.read_exact_body(188 * 2000).await);
    // It pauses for longer than it may be behind.
    eventually_async("it is far behind", async || {
        quick.play(1000).await;
        let status = status(&gateway, "skips").await;
        let clients = status["clients"].as_array().unwrap().clone();
        let slow = clients.into_iter().find(|client| client["user_agent"] == "slow").unwrap();
        (slow["lag_bytes"].as_u64().unwrap() > 3_000_000).then_some(())
    })
    .await;
    check.feed(&slow.read_exact_body(188 * 20_000).await);
    let report = check.finish();
    report.assert_clean("a client that has skipped");
    let status = status(&gateway, "skips").await;
    assert!(status.to_string().contains("\"skips\":1"), "{status}");
    assert!(gateway.metric("weir_relay_skips_total{channel=\"skips\"}").await >= 1.0);
    quick.report().assert_clean("beside a client that skips");
}

#[tokio::test]
async fn where_slow_clients_are_dropped_they_are_told_apart() {
    let origin = large_origin().await;
    let head = "relay: {lag: 1s, client_timeout: 2s, slow_clients: drop}";
    let gateway = gateway(head, "drops", &[origin.url("/")]).await;
    let mut quick = tune(&gateway, "drops").await;
    let mut slow = ask_narrow(&gateway, "drops").await;
    // It takes a little all the time, so that it is slow and not dead.
    let ended = async {
        while slow.chunk().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let watched = eventually_async("it is dropped", async || {
        quick.play(500).await;
        let ended = gateway.figures("weir_sessions_total", "drops").await;
        (ended == "too_slow 1").then_some(())
    });
    tokio::join!(ended, watched);
    assert_eq!(gateway.metric("weir_relay_dropped_total{channel=\"drops\"}").await, 1.0);
    quick.report().assert_clean("beside a client that is dropped");
}
