//! More than one failure: dead backups, many failovers of one session, every source dead at once,
//! sources that come back, and channels that have a single one.

use super::*;
use crate::support::origin::Refused;
use crate::support::player::Ending;

#[tokio::test]
async fn two_dead_backups_are_passed_over_for_the_third() {
    let refused = Refused::new();
    let origin = Origin::start(|request| match request.path() {
        "/a" => plays_for(A, 60).reset(),
        "/c" => Script::error("404 Not Found"),
        "/d" => plays(D),
        path => panic!("{path}"),
    })
    .await;
    let sources = [origin.url("/a"), refused.url("/b"), origin.url("/c"), origin.url("/d")];
    let gateway = gateway(QUICK, &[live("two-dead", &sources)]).await;
    let mut viewer = tune(&gateway, "two-dead").await;
    viewer.play_until_source(D).await;
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [A, D]);
    assert_joined(&viewer, "the third backup");
    assert_eq!(failovers(&gateway, "two-dead").await, "broken 1");
    let expected = "0 ok 1, 1 refused 1, 2 not_found 1, 3 ok 1";
    assert_eq!(attempts(&gateway, "two-dead").await, expected);
}

#[tokio::test]
async fn a_session_lives_through_ten_failovers() {
    // Each connection plays a picture of its own and ends; the last one stays.
    const LAST: usize = 11;
    let origin = Origin::start(|request| {
        let seed = B + u32::try_from(request.number).unwrap();
        if request.number < LAST { plays_for(seed, 40) } else { plays(seed) }
    })
    .await;
    let sources: Vec<String> = (0..6).map(|number| origin.url(&format!("/{number}"))).collect();
    let gateway = gateway(QUICK, &[live("ten-failovers", &sources)]).await;
    let mut viewer = tune(&gateway, "ten-failovers").await;
    let seeds: Vec<u32> = (1..=LAST as u32).map(|number| B + number).collect();
    viewer.play_until_source(seeds[LAST - 1]).await;
    viewer.play(150).await;
    assert_eq!(viewer.sources(), seeds);
    assert_joined(&viewer, "after ten failovers");
    assert_eq!(failovers(&gateway, "ten-failovers").await, "ended 10");
    let asked: Vec<String> = origin.seen().iter().map(|seen| seen.path().to_owned()).collect();
    let order = ["/0", "/1", "/2", "/3", "/4", "/5", "/0", "/1", "/2", "/3", "/4"];
    assert_eq!(asked, order, "each source once a round, in their order");
    assert_eq!(origin.open(), 1);
    let playing = &sessions(&gateway, "ten-failovers").await[0];
    assert_eq!((&playing["source"], &playing["switches"]), (&4.into(), &10.into()));
    assert_eq!(log_lines("ten-failovers", &[" WARN ", "session goes on"]).len(), 10);
}

/// What the viewer of a channel sees whose only stream dies so, and whose sources all stay dead.
async fn all_dead(channel: &str, first: Script) -> (Ending, String) {
    let refused = Refused::new();
    let origin = Origin::start(move |request| match (request.path(), request.attempt) {
        ("/a", 1) => first.clone(),
        ("/a", _) => Script::error("500 Internal Server Error"),
        _ => Script::error("404 Not Found"),
    })
    .await;
    let head = "failover: {stall_timeout: 500ms, hedge_after: 20s, rounds: 2}";
    let sources = [origin.url("/a"), origin.url("/b"), refused.url("/c")];
    let gateway = gateway(head, &[live(channel, &sources)]).await;
    let mut viewer = tune(&gateway, channel).await;
    let ending = viewer.play_to_end().await;
    assert_eq!(viewer.sources(), [A]);
    let tried = attempts(&gateway, channel).await;
    assert_eq!(tried, "0 ok 1, 0 server_error 1, 1 not_found 2, 2 refused 2", "{channel}");
    assert_eq!(origin.seen().len(), 4, "two rounds, and each source once in each");
    assert_eq!(failovers(&gateway, channel).await, "", "nothing took over");
    origin.idle().await;
    (ending, end_of(&gateway, channel).await)
}

#[tokio::test]
async fn when_every_source_is_dead_the_body_ends_and_the_session_says_why() {
    let reset = all_dead("all-dead-reset", plays_for(A, 60).reset());
    let ended = all_dead("all-dead-ended", plays_for(A, 60).close());
    let silent = all_dead("all-dead-silent", plays_for(A, 60).stall());
    let (reset, ended, silent) = tokio::join!(reset, ended, silent);
    assert!(matches!(reset.0, Ending::Cut(_)), "{reset:?}");
    assert_eq!(reset.1, "source_failed 1");
    assert_eq!(ended, (Ending::Complete, "source_ended 1".to_owned()));
    assert!(matches!(silent.0, Ending::Cut(_)), "{silent:?}");
    assert_eq!(silent.1, "source_stalled 1");
    for channel in ["all-dead-reset", "all-dead-silent"] {
        assert_eq!(log_lines(channel, &["ERROR", "session ends"]).len(), 1, "{channel}");
    }
}

#[tokio::test]
async fn a_source_that_comes_back_during_the_pause_is_taken() {
    let origin = Origin::start(|request| match (request.path(), request.attempt) {
        ("/a", 1) => plays_for(A, 60).reset(),
        ("/b", 2) => plays(B),
        _ => Script::error("500 Internal Server Error"),
    })
    .await;
    let sources = ["/a", "/b"].map(|path| origin.url(path));
    let gateway = gateway(QUICK, &[live("comes-back", &sources)]).await;
    let mut viewer = tune(&gateway, "comes-back").await;
    viewer.play_until_source(B).await;
    viewer.play(100).await;
    assert_joined(&viewer, "after a pause");
    assert_eq!(attempts(&gateway, "comes-back").await, "0 ok 1, 1 ok 1, 1 server_error 1");
    assert_eq!(failovers(&gateway, "comes-back").await, "broken 1");
    assert_eq!(origin.seen().len(), 3, "one request of each source in each round");
}

#[tokio::test]
async fn a_channel_with_one_source_reconnects() {
    let origin = Origin::start(|request| match request.attempt {
        1 => plays_for(A, 60).reset(),
        2 => Script::error("503 Service Unavailable"),
        _ => plays(B),
    })
    .await;
    let gateway = gateway(QUICK, &[live("reconnects", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "reconnects").await;
    viewer.play_until_source(B).await;
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [A, B]);
    assert_joined(&viewer, "reconnected");
    assert_eq!(failovers(&gateway, "reconnects").await, "broken 1");
    assert_eq!(attempts(&gateway, "reconnects").await, "0 ok 2, 0 server_error 1");
    assert_eq!((origin.open_max(), origin.open()), (1, 1));
    let lines = log_lines("reconnects", &[" WARN ", "session goes on from a new connection"]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[tokio::test]
async fn a_dead_single_source_is_not_asked_for_ever() {
    let origin = Origin::start(|request| match request.attempt {
        1 => plays_for(A, 60).reset(),
        _ => Script::new().reset(),
    })
    .await;
    let head = "failover: {rounds: 2, stall_timeout: 500ms}";
    let gateway = gateway(head, &[live("single-dead", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "single-dead").await;
    assert!(matches!(viewer.play_to_end().await, Ending::Cut(_)));
    assert_eq!(origin.seen().len(), 3, "once to play, once in each round");
    assert_eq!(end_of(&gateway, "single-dead").await, "source_failed 1");
}

#[tokio::test]
async fn without_rounds_nothing_is_tried_again() {
    let (dying, backup) = (Origin::start(|_| plays_for(A, 60).reset()).await, good(B).await);
    let sources = [dying.url("/"), backup.url("/")];
    let gateway = gateway("failover: {rounds: 0}", &[live("no-rounds", &sources)]).await;
    let mut viewer = tune(&gateway, "no-rounds").await;
    assert!(matches!(viewer.play_to_end().await, Ending::Cut(_)));
    assert_eq!((dying.total(), backup.total()), (1, 0));
    assert_eq!(end_of(&gateway, "no-rounds").await, "source_failed 1");
}
