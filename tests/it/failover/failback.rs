//! Going back to the first source: only where the channel wants it, and only when it plays.

use super::*;

/// Nothing cools down.
fn head() -> String {
    QUICK.replace('}', ", cooldown: 0s}")
}

/// A first source that dies, and is back at the next request.
async fn recovers() -> Origin {
    Origin::start(|request| match request.attempt {
        1 => plays_for(A, 60).reset(),
        _ => plays(C),
    })
    .await
}

#[tokio::test]
async fn a_channel_that_wants_it_goes_back_to_its_first_source_and_the_others_stay() {
    let (first, other, backup) = (recovers().await, recovers().await, good(B).await);
    let channels = [
        live_with("goes-back", &[first.url("/"), backup.url("/")], "failback: 1s"),
        live("stays", &[other.url("/"), backup.url("/")]),
    ];
    let gateway = gateway(&head(), &channels).await;
    let mut back = tune(&gateway, "goes-back").await;
    let mut stays = tune(&gateway, "stays").await;
    stays.play_until_source(B).await;
    back.play_until_source(B).await;
    back.play_until_source(C).await;
    back.play(300).await;
    stays.play(700).await;
    assert_eq!((back.sources(), stays.sources()), (vec![A, B, C], vec![A, B]));
    assert_joined(&back, "there and back");
    assert_joined(&stays, "there");
    assert_eq!(failovers(&gateway, "goes-back").await, "broken 1, failback 1");
    assert_eq!(failovers(&gateway, "stays").await, "broken 1");
    assert_eq!((first.total(), other.total(), first.open()), (2, 1, 1));
    assert_eq!(sessions(&gateway, "goes-back").await[0]["source"], 0);
    let lines = log_lines("goes-back", &[" WARN ", "reason=\"failback\""]);
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn a_first_source_that_is_still_dead_is_not_gone_back_to() {
    let first = Origin::start(|request| match request.attempt {
        1 => plays_for(A, 60).reset(),
        2 => Script::error("500 Internal Server Error"),
        _ => Script::silent(),
    })
    .await;
    let backup = good(B).await;
    let sources = [first.url("/"), backup.url("/")];
    let channel = live_with("still-dead", &sources, "failback: 1s");
    let gateway = gateway(&head(), &[channel]).await;
    let mut viewer = tune(&gateway, "still-dead").await;
    viewer.play_until_source(B).await;
    let (_, ()) = tokio::join!(first.requests(2), viewer.play(700));
    assert_eq!(viewer.sources(), [A, B]);
    assert_joined(&viewer, "a failback that failed");
    let run = viewer.trace().runs()[1];
    assert_eq!((run.seed, run.disorder), (B, 0));
    assert_eq!((backup.total(), backup.open()), (1, 1));
    assert_eq!(failovers(&gateway, "still-dead").await, "broken 1");
}

#[tokio::test]
async fn a_source_that_somebody_chose_is_not_left_for_the_first() {
    let (first, backup) = (good(A).await, good(B).await);
    let sources = [first.url("/"), backup.url("/")];
    let channel = live_with("chosen", &sources, "failback: 1s");
    let gateway = gateway(&head(), &[channel]).await;
    let mut viewer = tune(&gateway, "chosen").await;
    viewer.play(20).await;
    let switching = gateway.admin_post("/streams/chosen/failover", "{\"source\": 1}");
    let ((status, _), ()) = tokio::join!(switching, viewer.play_until_source(B));
    assert_eq!(status, 200);
    viewer.play(500).await;
    assert_eq!((viewer.sources(), first.total()), (vec![A, B], 1));
}
