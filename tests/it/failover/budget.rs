//! A provider's connections decide the order: with one to spare the backup plays before the old
//! connection is closed, without one the old connection is closed before the backup is asked.

use super::*;
use crate::support::eventually::Gate;

fn provider(max: usize) -> String {
    format!(
        "{QUICK}\nproviders: {{acme: {{max_connections: {max}}}, other: {{max_connections: 1}}}}"
    )
}

/// One origin for both sources, so that one book has all connections in their order.
async fn origin(first: Script) -> Origin {
    Origin::start(move |request| match request.path() {
        "/a" => first.clone(),
        "/b" => plays(B),
        "/dead" => Script::error("404 Not Found"),
        path => panic!("{path}"),
    })
    .await
}

fn sources(origin: &Origin, providers: [&str; 2]) -> Vec<String> {
    vec![of(providers[0], &origin.url("/a")), of(providers[1], &origin.url("/b"))]
}

/// Numbers of the connections that were open when a request came.
fn open_at(origin: &Origin, request: usize) -> Vec<usize> {
    origin.seen()[request - 1].open.to_vec()
}

#[tokio::test]
async fn with_a_free_slot_the_backup_plays_before_the_active_is_closed() {
    let answers = Gate::new();
    let gate = answers.clone();
    let origin = Origin::start(move |request| match request.path() {
        "/a" => plays(A),
        // A head, and no picture before the gate opens.
        _ => Script::live(Feed::of(picture(B)).bytes(0)).wait(&gate).feed(Feed::live(&picture(B))),
    })
    .await;
    let channel = live("make-first", &sources(&origin, ["acme", "acme"]));
    let gateway = gateway(&provider(2), &[channel]).await;
    let mut viewer = tune(&gateway, "make-first").await;
    viewer.play(20).await;
    let switching = gateway.admin_post("/streams/make-first/failover", "");
    let watching = async {
        origin.requests(2).await;
        viewer.play(200).await;
        assert_eq!((viewer.sources(), origin.open()), (vec![A], 2));
        answers.open();
        viewer.play_until_source(B).await;
    };
    let ((status, answer), ()) = tokio::join!(switching, watching);
    assert_eq!((status, &answer["clients"][0]["outcome"]), (200, &"switched".into()), "{answer}");
    assert_eq!(open_at(&origin, 2), [1, 2], "beside the one that played");
    assert_eq!(origin.closed(1).await[0].number, 1);
    viewer.play(100).await;
    assert_eq!((viewer.sources(), origin.open_max()), (vec![A, B], 2));
    assert_joined(&viewer, "make before break");
    assert_eq!(failovers(&gateway, "make-first").await, "manual 1");
}

#[tokio::test]
async fn with_a_free_slot_a_stalled_source_is_listened_to_until_the_backup_plays() {
    let origin = origin(plays_for(A, 60).stall()).await;
    let channel = live("stall-beside", &sources(&origin, ["acme", "acme"]));
    let gateway = gateway(&provider(2), &[channel]).await;
    let mut viewer = tune(&gateway, "stall-beside").await;
    viewer.play_until_source(B).await;
    assert_eq!(open_at(&origin, 2), [1, 2]);
    assert_eq!(origin.closed(1).await[0].number, 1);
    assert_eq!(failovers(&gateway, "stall-beside").await, "stalled 1");
}

#[tokio::test]
async fn without_a_free_slot_the_active_is_closed_before_the_backup_is_opened() {
    // By hand, by silence, by a reset: never two connections.
    let cases = [
        ("break-manual", plays(A), "manual 1"),
        ("break-stalled", plays_for(A, 60).stall(), "stalled 1"),
        ("break-reset", plays_for(A, 60).reset(), "broken 1"),
    ];
    for (channel, first, reason) in cases {
        let origin = origin(first).await;
        let line = live(channel, &sources(&origin, ["acme", "acme"]));
        let gateway = gateway(&provider(1), &[line]).await;
        let mut viewer = tune(&gateway, channel).await;
        viewer.play(20).await;
        if reason == "manual 1" {
            let path = format!("/streams/{channel}/failover");
            let switching = gateway.admin_post(&path, "");
            let ((status, answer), ()) = tokio::join!(switching, viewer.play_until_source(B));
            assert_eq!(status, 200, "{answer}");
        }
        viewer.play_until_source(B).await;
        viewer.play(100).await;
        assert_eq!(viewer.sources(), [A, B], "{channel}");
        assert_joined(&viewer, channel);
        assert_eq!(failovers(&gateway, channel).await, reason);
        assert_eq!((open_at(&origin, 2), origin.open_max()), (vec![2], 1), "{channel}");
        let used = gateway.metric("weir_upstream_connections{provider=\"acme\"}").await;
        assert_eq!(used, 1.0, "{channel}");
    }
}

#[tokio::test]
async fn a_switch_between_two_providers_always_overlaps() {
    let origin = origin(plays(A)).await;
    let channel = live("two-providers", &sources(&origin, ["acme", "other"]));
    let gateway = gateway(&provider(1), &[channel]).await;
    let mut viewer = tune(&gateway, "two-providers").await;
    viewer.play(20).await;
    for (request, seed) in [(2, B), (3, A)] {
        let switching = gateway.admin_post("/streams/two-providers/failover", "");
        let ((status, answer), ()) = tokio::join!(switching, viewer.play_until_source(seed));
        assert_eq!(status, 200, "{answer}");
        assert_eq!(open_at(&origin, request), [request - 1, request]);
        origin.closed(request - 1).await;
    }
    viewer.play(100).await;
    assert_joined(&viewer, "there and back");
    assert_eq!((viewer.sources(), origin.open_max()), (vec![A, B, A], 2));
}

#[tokio::test]
async fn a_switch_that_had_to_break_first_and_finds_its_target_dead_returns() {
    let origin = origin(plays(A)).await;
    let sources = [of("acme", &origin.url("/a")), of("acme", &origin.url("/dead"))];
    let gateway = gateway(&provider(1), &[live("returns", &sources)]).await;
    let mut viewer = tune(&gateway, "returns").await;
    viewer.play(60).await;
    let switching = gateway.admin_post("/streams/returns/failover", "{\"source\": 1}");
    let watching = async {
        origin.requests(3).await;
        viewer.play(400).await;
    };
    let ((status, answer), ()) = tokio::join!(switching, watching);
    assert_eq!((status, &answer["clients"][0]["outcome"]), (502, &"failed".into()), "{answer}");
    let asked: Vec<String> = origin.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!((asked, origin.open_max()), (["/a", "/dead", "/a"].map(str::to_owned).into(), 1));
    assert_joined(&viewer, "on its old source again");
    assert_eq!(sessions(&gateway, "returns").await[0]["source"], 0);
}

#[tokio::test]
async fn a_hedge_never_takes_the_last_connection_from_the_source_that_may_yet_speak() {
    let speaks = Gate::new();
    let gate = speaks.clone();
    let first = plays_for(A, 60).wait(&gate).feed(Feed::live(&picture(A)).from(60 * 188));
    let origin = origin(first).await;
    let head = "failover: {stall_timeout: 10s, hedge_after: 100ms}\n\
                providers: {acme: {max_connections: 1}}";
    let channel = live("no-hedge", &sources(&origin, ["acme", "acme"]));
    let gateway = gateway(head, &[channel]).await;
    let mut viewer = tune(&gateway, "no-hedge").await;
    viewer.play(60).await;
    assert!(hedge::is_silent(&mut viewer).await);
    speaks.open();
    viewer.play(100).await;
    viewer.report().assert_clean("its own source");
    assert_eq!((viewer.sources(), origin.total()), (vec![A], 1));
    assert_eq!(failovers(&gateway, "no-hedge").await, "");
}

/// A channel whose first source costs nothing and whose backup is of an account with one
/// connection, which another viewer has.
async fn taken(name: &str, slot_wait: &str, first: Script) -> (Origin, Gateway, Viewer, Viewer) {
    let origin = origin(first).await;
    let own = live(name, &[origin.url("/a"), of("acme", &origin.url("/b"))]);
    let others = live(&format!("{name}-other"), &[of("acme", &origin.url("/b"))]);
    let head = format!(
        "failover: {{stall_timeout: 500ms, hedge_after: 20s, slot_wait: {slot_wait}, rounds: 1}}\n\
         providers: {{acme: {{max_connections: 1}}}}"
    );
    let gateway = gateway(&head, &[own, others]).await;
    let mut other = tune_as(&gateway, "other", &format!("{name}-other")).await;
    other.play(20).await;
    let viewer = tune_as(&gateway, "own", name).await;
    (origin, gateway, viewer, other)
}

#[tokio::test]
async fn a_failover_waits_for_the_connection_of_another_viewer_who_leaves() {
    let (origin, gateway, mut viewer, mut other) =
        taken("waits-for-slot", "15s", plays_for(A, 60).reset()).await;
    viewer.play(20).await;
    let leaving = async {
        other.play(150).await;
        other.report().assert_clean("a stream that nobody touched");
        other.leave();
    };
    tokio::join!(viewer.play_until_source(B), leaving);
    viewer.play(60).await;
    assert_joined(&viewer, "after a wait");
    assert_eq!(failovers(&gateway, "waits-for-slot").await, "broken 1");
    let at_b = origin.seen().into_iter().filter(|seen| seen.path() == "/b");
    assert_eq!(at_b.map(|seen| seen.open.len()).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_switch_to_a_provider_that_another_viewer_fills_fails_and_touches_nobody() {
    let (origin, gateway, mut viewer, mut other) = taken("full-target", "200ms", plays(A)).await;
    let switching = gateway.admin_post("/streams/full-target/failover", "{\"source\": 1}");
    let ((status, answer), ..) = tokio::join!(switching, viewer.play(300), other.play(300));
    assert_eq!((status, &answer["clients"][0]["outcome"]), (502, &"failed".into()), "{answer}");
    for (viewer, seed) in [(&viewer, A), (&other, B)] {
        viewer.report().assert_clean("a stream that nobody touched");
        assert_eq!(viewer.sources(), [seed]);
    }
    assert_eq!((origin.total(), origin.open()), (2, 2));
    assert_eq!(ends(&gateway, "full-target-other").await, "");
}

#[tokio::test]
async fn a_lost_session_takes_no_connection_from_another_viewer() {
    let (_origin, gateway, mut viewer, mut other) =
        taken("full-backup", "200ms", plays_for(A, 60).close()).await;
    viewer.play_to_end().await;
    assert_eq!(end_of(&gateway, "full-backup").await, "source_ended 1");
    other.play(100).await;
    other.report().assert_clean("a stream that nobody touched");
    assert!(attempts(&gateway, "full-backup").await.starts_with("0 ok 1"));
}
