//! The end of a session while its failover is going on: nothing stays behind.

use super::*;
use crate::support::player::Ending;

/// A channel whose source has died and whose backup has not answered.
async fn amid_failover(channel: &str) -> (Origin, Origin, Gateway, Viewer) {
    let first = Origin::start(|_| plays_for(A, 60).reset()).await;
    let backup = Origin::start(|_| Script::silent()).await;
    let head = "failover: {stall_timeout: 500ms, response_timeout: 30s}\ndrain_timeout: 1s";
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(head, &[live(channel, &sources)]).await;
    let mut viewer = tune(&gateway, channel).await;
    viewer.play(20).await;
    backup.requests(1).await;
    (first, backup, gateway, viewer)
}

#[tokio::test]
async fn a_client_that_leaves_amid_a_failover_takes_the_backup_along() {
    let (first, backup, gateway, viewer) = amid_failover("leaves-amid").await;
    viewer.leave();
    assert_eq!(backup.closed(1).await.len(), 1);
    assert_eq!(end_of(&gateway, "leaves-amid").await, "client_closed 1");
    assert_eq!((first.open(), backup.total()), (0, 1));
    assert_eq!(gateway.metric("weir_sessions{channel=\"leaves-amid\"}").await, 0.0);
    assert_eq!(failovers(&gateway, "leaves-amid").await, "");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_pause_between_two_rounds_is_noticed() {
    let origin = Origin::start(|request| match request.attempt {
        1 => plays_for(A, 60).reset(),
        _ => Script::error("500 Internal Server Error"),
    })
    .await;
    let gateway = gateway("failover: {rounds: 100}", &[live("pause", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "pause").await;
    viewer.play(20).await;
    origin.requests(2).await;
    viewer.leave();
    assert_eq!(end_of(&gateway, "pause").await, "client_closed 1");
    assert_eq!(origin.open(), 0);
}

#[tokio::test]
async fn a_reload_that_takes_the_channel_away_ends_a_failover() {
    let (_first, backup, gateway, mut viewer) = amid_failover("reloaded-amid").await;
    gateway.reload(&format!("{LIMITS}\nchannels: {{}}")).await;
    assert!(matches!(viewer.play_to_end().await, Ending::Cut(_)));
    backup.closed(1).await;
    assert_eq!(end_of(&gateway, "reloaded-amid").await, "reloaded 1");
}

#[tokio::test]
async fn a_stop_ends_a_failover_when_its_grace_is_over() {
    let (_first, backup, mut gateway, mut viewer) = amid_failover("stopped-amid").await;
    gateway.terminate().await;
    assert!(matches!(viewer.play_to_end().await, Ending::Cut(_)));
    gateway.wait().await;
    assert_eq!(backup.open(), 0);
    let lines = log_lines("stopped-amid", &["session ends", "end=\"shutdown\""]);
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn a_failover_during_the_drain_is_still_made() {
    let dies = crate::support::eventually::Gate::new();
    let gate = dies.clone();
    let first = Origin::start(move |_| Script::live(Feed::live(&picture(A)).until(&gate)).reset());
    let (first, backup) = (first.await, good(B).await);
    let sources = [first.url("/"), backup.url("/")];
    let head = format!("{QUICK}\ndrain_timeout: 20s");
    let mut gateway = gateway(&head, &[live("drains", &sources)]).await;
    let mut viewer = tune(&gateway, "drains").await;
    viewer.play(20).await;
    gateway.terminate().await;
    viewer.play(20).await;
    dies.open();
    viewer.play_until_source(B).await;
    viewer.play(60).await;
    assert_joined(&viewer, "during the drain");
    viewer.leave();
    gateway.wait().await;
    assert_eq!((first.open(), backup.open()), (0, 0));
}
