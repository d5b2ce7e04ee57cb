//! Clients that are slow, stop reading or leave: a client that takes nothing holds up its own source
//! and nobody else, is let go after its time, and leaves nothing behind.

mod leaving;

use std::time::Duration;

use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

fn pattern() -> TsPattern {
    TsPattern::new(0x510e)
}

/// An origin that sends as fast as it is read, and feels a full connection soon.
async fn fast_origin() -> Origin {
    let builder = Origin::builder().send_buffer(16 * 1024);
    builder.start(|_| Script::live(Feed::of(pattern()))).await
}

/// Asks for a stream on a connection with a small receive buffer, so that its fullness is felt soon.
async fn ask_narrow(gateway: &Gateway, channel: &str) -> Player {
    let mut player = Player::connect_narrow(gateway.stream, 32 * 1024).await;
    player.send(presets::get_keep_alive("x", &format!("/stream/{channel}"))).await;
    assert_eq!(player.head().await.status, 200);
    player
}

/// Asks for a stream like any other player.
async fn ask(gateway: &Gateway, channel: &str) -> Player {
    let request = presets::get_keep_alive("x", &format!("/stream/{channel}"));
    let (player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player
}

async fn ended(gateway: &Gateway, channel: &str, end: &str) -> f64 {
    gateway.metric(&format!("weir_sessions_total{{channel=\"{channel}\",end=\"{end}\"}}")).await
}

#[tokio::test]
async fn a_client_that_reads_nothing_blocks_its_own_source_only() {
    let origin = fast_origin().await;
    let gateway = Gateway::start(&format!(
        "channels: {{one: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let mut paused = ask_narrow(&gateway, "one").await;
    let (mut reading, head) = Player::ask(gateway.stream, &presets::get("x", "/stream/one")).await;
    assert_eq!((head.status, origin.total()), (200, 2));
    let written = || origin.connections().iter().map(|each| each.written).collect::<Vec<_>>();
    let (mut offset, mut same, mut last) = (0, 0, u64::MAX);
    // As long as buffers fill, the paused client's source goes on; then it stands, however much the
    // other client reads.
    while same < 10 {
        let bytes = reading.read_exact_body(1 << 20).await;
        pattern().assert_matches(offset, &bytes);
        offset += bytes.len() as u64;
        assert!(offset < 2 << 30, "the source of the paused client never stands: {:?}", written());
        let now = written()[0];
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    assert!(written()[1] >= offset);
    // It waits for ever without losing a byte.
    let bytes = paused.read_exact_body(last as usize).await;
    pattern().assert_matches(0, &bytes);
    origin.wait_for("the source to go on", |_| (written()[0] > last).then_some(())).await;
    assert_eq!((origin.total(), origin.open()), (2, 2));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_after_its_time() {
    let origin = fast_origin().await;
    let gateway = Gateway::start(&format!(
        "limits: {{client_timeout: 1s}}\n\
         channels: {{takes-nothing: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let mut paused = ask_narrow(&gateway, "takes-nothing").await;
    assert_eq!(origin.closed(1).await.len(), 1, "its source is closed");
    eventually_async("the end is counted", async || {
        (ended(&gateway, "takes-nothing", "client_timeout").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(gateway.metric("weir_sessions{channel=\"takes-nothing\"}").await, 0.0);
    let log = logs();
    let ends = |line: &&str| line.contains("session ends") && line.contains("=takes-nothing ");
    let line = log.lines().find(ends).unwrap();
    assert!(line.contains("end=\"client_timeout\"") && line.contains("side=\"client\""), "{line}");
    let rest = paused.read_to_end().await;
    assert!(!rest.is_complete(), "an unfinished stream is not passed off as whole");
    pattern().assert_matches(0, &rest.bytes);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_dropped() {
    let (origin, other) = (fast_origin().await, fast_origin().await);
    let gateway = Gateway::start(&format!(
        "limits: {{client_timeout: 1s}}\n\
         channels: {{slow: {{kind: live, sources: [\"{}\"]}}, \
         paused: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/"),
        other.url("/")
    ))
    .await;
    let mut slow = ask_narrow(&gateway, "slow").await;
    let mut offset = 0;
    // Others who read nothing are dropped one after the other: so long this one lives.
    for dropped in 1..=3 {
        let _paused = ask_narrow(&gateway, "paused").await;
        while ended(&gateway, "paused", "client_timeout").await < f64::from(dropped) {
            let bytes = slow.read_exact_body(32 * 1024).await;
            pattern().assert_matches(offset, &bytes);
            offset += bytes.len() as u64;
            // A slow reader is what this is about.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(ended(&gateway, "slow", "client_timeout").await, 0.0);
    assert_eq!(gateway.metric("weir_sessions{channel=\"slow\"}").await, 1.0);
    pattern().assert_matches(offset, &slow.read_exact_body(1 << 20).await);
    assert_eq!((origin.open(), origin.total()), (1, 1));
}

#[tokio::test]
async fn a_paused_client_is_no_silence_of_its_source() {
    // Buffers as they are everywhere: tiny ones have silences of TCP's own.
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()))).await;
    let silent = Origin::start(|_| Script::live(Feed::of(pattern()).packets(20)).stall()).await;
    let gateway = Gateway::start(&format!(
        "failover: {{rounds: 0, response_timeout: 1s, stall_timeout: 1s}}\n\
         channels: {{paused: {{kind: live, sources: [\"{}\"]}}, \
         silent: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/"),
        silent.url("/")
    ))
    .await;
    let mut paused = ask(&gateway, "paused").await;
    // Meanwhile sources that are silent indeed end their sessions, one after the other.
    for _ in 0..3 {
        let answer =
            Player::fetch(gateway.stream, &presets::get_keep_alive("x", "/stream/silent")).await;
        assert_eq!(answer.body.bytes.len(), 20 * PACKET);
        assert!(!answer.body.is_complete());
    }
    let counted = async || (ended(&gateway, "silent", "source_stalled").await == 3.0).then_some(());
    eventually_async("the session has ended", counted).await;
    assert_eq!(gateway.metric("weir_sessions{channel=\"paused\"}").await, 1.0);
    let bytes = paused.read_exact_body(32 << 20).await;
    assert_eq!(ended(&gateway, "paused", "source_stalled").await, 0.0);
    assert_eq!((origin.open(), origin.total()), (1, 1));
    // Last, because it takes its time, and the origin is silent meanwhile: they share a thread.
    pattern().assert_matches(0, &bytes);
}

#[tokio::test]
async fn a_film_may_be_paused_beyond_every_limit() {
    let film = Origin::start(|_| Script::live(Feed::of(pattern()))).await;
    let tv = fast_origin().await;
    let gateway = Gateway::start(&format!(
        "limits: {{client_timeout: 1s}}\n\
         failover: {{rounds: 0, response_timeout: 1s, stall_timeout: 1s}}\n\
         channels: {{film: {{kind: vod, sources: [\"{}\"]}}, \
         tv: {{kind: live, sources: [\"{}\"]}}}}",
        film.url("/film.mp4"),
        tv.url("/")
    ))
    .await;
    let mut paused = ask(&gateway, "film").await;
    for dropped in 1..=2 {
        let _live = ask_narrow(&gateway, "tv").await;
        eventually_async("a live client is dropped", async || {
            (ended(&gateway, "tv", "client_timeout").await == f64::from(dropped)).then_some(())
        })
        .await;
    }
    let bytes = paused.read_exact_body(32 << 20).await;
    assert_eq!(gateway.metric("weir_sessions{channel=\"film\"}").await, 1.0);
    pattern().assert_matches(0, &bytes);
}

#[tokio::test]
async fn a_slow_client_of_an_ended_source_still_gets_all_of_it() {
    let ends = [
        ("in-order", Script::live(Feed::of(pattern()).packets(4000))),
        ("broken", {
            let length = [("Content-Length", "99999999")];
            Script::head("200 OK", &length).feed(Feed::of(pattern()).packets(4000)).close()
        }),
    ];
    let scripts = ends.clone();
    let origin = Origin::start(move |request| {
        let script = scripts.iter().find(|(name, _)| request.path() == format!("/{name}"));
        script.unwrap().1.clone()
    })
    .await;
    let channels: String = ends
        .iter()
        .map(|(name, _)| {
            format!(
                "  {name}: {{kind: live, sources: [\"{}\"]}}\n",
                origin.url(&format!("/{name}"))
            )
        })
        .collect();
    let gateway = Gateway::start(&format!("channels:\n{channels}")).await;
    for (name, _) in &ends {
        let mut slow = ask_narrow(&gateway, name).await;
        let body = slow.read_to_end().await;
        assert_eq!(body.is_complete(), *name == "in-order", "{name}: {:?}", body.ending);
        assert_eq!(body.bytes.len(), 4000 * PACKET, "{name}: not a byte of what came is lost");
        pattern().assert_matches(0, &body.bytes);
    }
    assert_eq!(origin.total(), 2);
}
