//! A source that is silent, but not for so long that it is given up: a backup is opened beside it,
//! and whichever speaks first is played.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::ts::PACKET;

const HEDGED: &str = "failover: {stall_timeout: 10s, hedge_after: 200ms}";

/// Plays, falls silent until the gate opens, and plays on.
fn hesitates(gate: &Gate) -> Script {
    let rest = Feed::live(&picture(A)).from(60 * PACKET as u64);
    plays_for(A, 60).wait(gate).feed(rest)
}

/// Whether the viewer gets nothing for half a second.
pub(super) async fn is_silent(viewer: &mut Viewer) -> bool {
    timeout(Duration::from_millis(500), viewer.player().chunk()).await.is_err()
}

#[tokio::test]
async fn a_silent_source_that_speaks_first_stays_and_the_standby_is_closed() {
    let (speaks, answers) = (Gate::new(), Gate::new());
    let (first, second) = (speaks.clone(), answers.clone());
    let active = Origin::start(move |_| hesitates(&first)).await;
    // It answers, and no picture comes.
    let standby = Origin::start(move |_| {
        Script::live(Feed::of(picture(B)).bytes(0)).wait(&second).feed(Feed::live(&picture(B)))
    })
    .await;
    let sources = [active.url("/"), standby.url("/")];
    let gateway = gateway(HEDGED, &[live("speaks-first", &sources)]).await;
    let mut viewer = tune(&gateway, "speaks-first").await;
    let mut played = viewer.player().read_exact_body(60 * PACKET).await;
    standby.requests(1).await;
    assert_eq!(active.open(), 1, "it is still listened to");
    speaks.open();
    played.extend(viewer.player().read_exact_body(300 * PACKET).await);
    standby.closed(1).await;
    picture(A).assert_matches(0, &played);
    assert_eq!((standby.total(), active.total()), (1, 1));
    assert_eq!(failovers(&gateway, "speaks-first").await, "");
    assert_eq!(sessions(&gateway, "speaks-first").await[0]["switches"], 0);
    assert!(!attempts(&gateway, "speaks-first").await.contains("1 ok"));
    let channels = gateway.admin_get("/api/v1/channels").await;
    let channels: serde_json::Value = serde_json::from_str(&channels).unwrap();
    for source in channels[0]["sources"].as_array().unwrap() {
        assert_eq!(source["standing"], "good", "a hedge is no failure: {source}");
    }
}

#[tokio::test]
async fn a_standby_that_plays_before_the_silent_source_speaks_takes_over() {
    let speaks = Gate::new();
    let gate = speaks.clone();
    let active = Origin::start(move |_| hesitates(&gate)).await;
    let standby = good(B).await;
    let sources = [active.url("/"), standby.url("/")];
    let gateway = gateway(HEDGED, &[live("standby-first", &sources)]).await;
    let mut viewer = tune(&gateway, "standby-first").await;
    viewer.play_until_source(B).await;
    active.closed(1).await;
    speaks.open();
    viewer.play(150).await;
    assert_eq!(viewer.sources(), [A, B]);
    assert_joined(&viewer, "a hedge that won");
    assert_eq!(failovers(&gateway, "standby-first").await, "silent 1");
    assert_eq!(attempts(&gateway, "standby-first").await, "0 ok 1, 1 ok 1");
}

#[tokio::test]
async fn a_hedge_that_finds_nothing_leaves_the_source_its_time() {
    let speaks = Gate::new();
    let gate = speaks.clone();
    let active = Origin::start(move |_| hesitates(&gate)).await;
    let dead = Origin::start(|_| Script::error("500 Internal Server Error")).await;
    let sources = [active.url("/"), dead.url("/1"), dead.url("/2")];
    let gateway = gateway(HEDGED, &[live("nothing-found", &sources)]).await;
    let mut viewer = tune(&gateway, "nothing-found").await;
    let mut played = viewer.player().read_exact_body(60 * PACKET).await;
    dead.requests(2).await;
    assert!(is_silent(&mut viewer).await);
    speaks.open();
    played.extend(viewer.player().read_exact_body(100 * PACKET).await);
    picture(A).assert_matches(0, &played);
    assert_eq!((active.total(), dead.seen().len()), (1, 2), "each is asked once");
    assert_eq!(failovers(&gateway, "nothing-found").await, "");
}

#[tokio::test]
async fn a_source_that_sends_in_bursts_is_not_hedged_again_and_again() {
    // Half a second of television twice a second, all at once.
    let burst = picture(A).packets_per_second() / 2;
    let bursts = (0..6).fold(Script::live(Feed::of(picture(A)).bytes(0)), |script, number| {
        let from = number * burst * PACKET as u64;
        let feed = Feed::of(picture(A)).from(from).packets(burst);
        script.feed(feed).pause(Duration::from_millis(500))
    });
    let bursts = bursts.stall();
    let active = Origin::start(move |_| bursts.clone()).await;
    let standby = Origin::start(|_| Script::live(Feed::of(picture(B)).bytes(0)).stall()).await;
    let sources = [active.url("/"), standby.url("/")];
    let gateway = gateway(HEDGED, &[live("bursts", &sources)]).await;
    let mut viewer = tune(&gateway, "bursts").await;
    let packets = usize::try_from(6 * burst).unwrap();
    picture(A).assert_matches(0, &viewer.player().read_exact_body(packets * PACKET).await);
    let hedges = standby.seen().len();
    assert!((1..=2).contains(&hedges), "its ways are known after the first: {hedges}");
    assert_eq!(failovers(&gateway, "bursts").await, "");
}

#[tokio::test]
async fn a_silent_single_source_is_not_hedged() {
    let speaks = Gate::new();
    let gate = speaks.clone();
    let active = Origin::start(move |_| hesitates(&gate)).await;
    let gateway = gateway(HEDGED, &[live("silent-single", &[active.url("/")])]).await;
    let mut viewer = tune(&gateway, "silent-single").await;
    let mut played = viewer.player().read_exact_body(60 * PACKET).await;
    assert!(is_silent(&mut viewer).await);
    speaks.open();
    played.extend(viewer.player().read_exact_body(60 * PACKET).await);
    picture(A).assert_matches(0, &played);
    assert_eq!(active.total(), 1);
}

#[tokio::test]
async fn a_stalled_source_that_speaks_before_another_plays_stays() {
    let speaks = Gate::new();
    let gate = speaks.clone();
    let active = Origin::start(move |_| hesitates(&gate)).await;
    let silent = Origin::start(|_| Script::silent()).await;
    let head = "failover: {stall_timeout: 300ms, hedge_after: 100ms, response_timeout: 30s}";
    let sources = [active.url("/"), silent.url("/")];
    let gateway = gateway(head, &[live("stalls-a-while", &sources)]).await;
    let mut viewer = tune(&gateway, "stalls-a-while").await;
    let mut played = viewer.player().read_exact_body(60 * PACKET).await;
    assert!(is_silent(&mut viewer).await);
    speaks.open();
    played.extend(viewer.player().read_exact_body(100 * PACKET).await);
    picture(A).assert_matches(0, &played);
    silent.closed(1).await;
    assert_eq!((active.total(), active.open(), silent.total()), (1, 1, 1));
    assert_eq!(failovers(&gateway, "stalls-a-while").await, "");
}
