//! Sources that send the same packets: whatever one of them dies of, the client's bytes are those of
//! a stream that nothing has happened to.

use super::*;
use crate::support::content::Content;
use crate::support::ts::PACKET;

/// Packets of half a second; a random access point comes each second.
fn half() -> u64 {
    picture(A).packets_per_second() / 2
}

/// The picture from shortly behind `start` on, in half seconds, to amid a packet `life` of them later.
fn replica(start: u64, life: u64) -> Feed {
    let from = (start * half() + 40) * PACKET as u64;
    Feed::live(&picture(A)).from(from).bytes(life * half() * PACKET as u64 + 77)
}

/// Two of three replicas die one after the other amid a packet, shortly before a random access point;
/// the next one of each is half a second behind and has just had one.
async fn replicas(channel: &str, dies: fn(Script) -> Script) -> (Gateway, Viewer) {
    let first = Origin::start(move |_| {
        dies(Script::live(Feed::live(&picture(A)).bytes(3 * half() * PACKET as u64 + 77)))
    })
    .await;
    let second = Origin::start(move |_| dies(Script::live(replica(2, 3)))).await;
    let third = Origin::start(move |_| Script::live(replica(4, 40))).await;
    let sources = [first.url("/"), second.url("/"), third.url("/")];
    let gateway = gateway(QUICK, &[live(channel, &sources)]).await;
    let mut viewer = tune(&gateway, channel).await;
    let seconds = usize::try_from(half()).unwrap();
    let played = viewer.player().read_exact_body(8 * seconds * PACKET).await;
    picture(A).assert_matches(0, &played);
    (gateway, viewer)
}

fn assert_joined_at_the_byte(channel: &str) {
    let lines = log_lines(channel, &["session goes on from another source", "seam=\"byte\""]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_replicas_break() {
    let (gateway, viewer) = replicas("replicas-reset", Script::reset).await;
    assert_joined_at_the_byte("replicas-reset");
    assert_eq!(failovers(&gateway, "replicas-reset").await, "broken 2");
    viewer.leave();
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_replicas_end() {
    let (gateway, viewer) = replicas("replicas-fin", Script::close).await;
    assert_joined_at_the_byte("replicas-fin");
    assert_eq!(failovers(&gateway, "replicas-fin").await, "ended 2");
    viewer.leave();
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_replicas_fall_silent() {
    let (gateway, viewer) = replicas("replicas-stall", Script::stall).await;
    assert_joined_at_the_byte("replicas-stall");
    assert_eq!(failovers(&gateway, "replicas-stall").await, "stalled 2");
    viewer.leave();
}
