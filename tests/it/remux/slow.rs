//! Clients that are slow, take nothing, or leave while their bytes are with a thread.

use super::*;
use crate::support::content::Content;
use crate::support::eventually::within;
use crate::support::player::Player;

/// A source that sends as fast as it is read, and feels a full connection soon.
async fn fast() -> Origin {
    let builder = Origin::builder().send_buffer(16 * 1024);
    builder.start(|_| Script::live(Feed::of(Silent::new(A)))).await
}

/// Asks for a stream on a connection with a small receive buffer, so that its fullness is felt soon.
async fn ask_narrow(gateway: &Gateway, channel: &str) -> Player {
    let mut player = Player::connect_narrow(gateway.stream, 32 * 1024).await;
    player.send(presets::get_keep_alive("x", &format!("/stream/{channel}"))).await;
    assert_eq!(player.head().await.status, 200);
    player
}

#[tokio::test]
async fn who_reads_nothing_makes_nobody_read_its_source() {
    let origin = fast().await;
    let channels = [
        live("stands", "own", &[origin.url("/one")]),
        live("runs", "own", &[origin.url("/other")]),
    ];
    let gateway = gateway("failover: {stall_timeout: 300ms, rounds: 0}", &channels).await;
    let mut paused = ask_narrow(&gateway, "stands").await;
    let mut reading = tune(&gateway, "runs").await;
    let written = || origin.connections()[0].written;
    let (mut same, mut last, mut looks) = (0, u64::MAX, 0);
    // As long as buffers fill, the source of the one who reads nothing goes on; then it stands, however much
    // the other one reads.
    while same < 20 {
        reading.play(2000).await;
        let now = written();
        same = if now == last { same + 1 } else { 0 };
        (last, looks) = (now, looks + 1);
        assert!(looks < 2000, "it never stands: {now}");
    }
    // A client that is not ready is no silence of its source: it goes on as soon as it reads.
    within("the source goes on", async {
        while written() == last {
            paused.chunk().await.unwrap();
        }
    })
    .await;
    assert_eq!((origin.total(), origin.open()), (2, 2));
}

#[tokio::test]
async fn who_reads_nothing_is_dropped_after_its_time() {
    let origin = fast().await;
    let gateway = Gateway::start(&format!(
        "limits: {{client_timeout: 1s}}\nprofiles: {{own: {{audio: {{codec: aac}}}}}}\nchannels:\n{}",
        live("takes-nothing-own", "own", &[origin.url("/")])
    ))
    .await;
    let _paused = ask_narrow(&gateway, "takes-nothing-own").await;
    assert_eq!(origin.closed(1).await.len(), 1, "its source is closed");
    eventually_ends(&gateway, "takes-nothing-own", "client_timeout 1").await;
}

#[tokio::test]
async fn who_leaves_while_its_bytes_are_away_leaves_nothing_behind() {
    let origin = fast().await;
    let gateway = gateway("", &[live("leaves", "own", &[origin.url("/")])]).await;
    for round in 0..5 {
        let mut viewers = Vec::new();
        for _ in 0..10 {
            viewers.push(tune(&gateway, "leaves").await);
        }
        for viewer in &mut viewers {
            viewer.play(50 * (round + 1)).await;
        }
        viewers.into_iter().for_each(Viewer::leave);
        origin.idle().await;
    }
    eventually_ends(&gateway, "leaves", "client_closed 50").await;
    assert_eq!(gateway.metric("weir_sessions{channel=\"leaves\"}").await, 0.0);
    assert!(sessions(&gateway, "leaves").await.is_empty());
}

#[tokio::test]
async fn who_leaves_before_there_is_anything_leaves_nothing_behind() {
    // Tables and no more: nothing can be begun with.
    let packets = Silent::new(A).slice(188 * 2, 188 * 5);
    let origin = Origin::start(move |_| {
        let head = Script::head("200 OK", &[("Content-Type", "video/mp2t")]);
        head.body(packets.clone()).stall()
    })
    .await;
    let gateway = gateway("", &[live("leaves-early", "own", &[origin.url("/")])]).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get_keep_alive("x", "/stream/leaves-early")).await;
    origin.requests(1).await;
    player.reset();
    origin.idle().await;
    eventually_async("no session is left", async || {
        sessions(&gateway, "leaves-early").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_source_in_small_chunks_is_read_as_fast_as_it_comes() {
    let chunks = crate::support::origin::Chunks::Of(188);
    let origin =
        Origin::start(move |_| Script::live_chunked(Feed::of(Silent::new(A)), chunks)).await;
    let gateway = gateway("", &[live("chunks", "own", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "chunks").await;
    viewer.play(20_000).await;
    viewer.report().assert_clean("chunks");
}
