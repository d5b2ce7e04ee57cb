//! Shared channels: one upstream connection and one conversion for all.

use super::*;

#[tokio::test]
async fn one_upstream_and_one_conversion_serve_all() {
    let origin = good(A).await;
    let gateway =
        gateway("relay: {idle_timeout: 0s}", &[live("one-for-all", "fan", &[origin.url("/")])])
            .await;
    let mut viewers = [tune(&gateway, "one-for-all").await, tune(&gateway, "one-for-all").await];
    for viewer in &mut viewers {
        viewer.play(400).await;
        viewer.report().assert_clean("shared and converted");
        assert_converted(viewer, A);
        assert_eq!(viewer.sources(), [A]);
    }
    assert_eq!((origin.total(), origin.open()), (1, 1));
    let status = status(&gateway, "one-for-all").await;
    assert_eq!((&status["state"], &status["client_count"]), (&"running".into(), &2.into()));
    assert_is_told(&status["remux"]);
    assert!(status["bytes_received"].as_u64() > Some(0), "{status}");
    for session in sessions(&gateway, "one-for-all").await {
        assert_eq!(session["way"], "shared");
        assert!(session["remux"].is_null(), "it is the relay's: {session}");
    }
    viewers.into_iter().for_each(Viewer::leave);
    origin.idle().await;
    eventually_async("the relay is over", async || {
        (super::status(&gateway, "one-for-all").await["state"] == "stopped").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_source_dies_and_nobody_notices() {
    let dies = Gate::new();
    let (first, backup) = (dies_at(&dies).await, good(B).await);
    let channel = live("fan-survives", "fan", &[first.url("/"), backup.url("/")]);
    let gateway = gateway(QUICK, &[channel]).await;
    let mut viewers = [tune(&gateway, "fan-survives").await, tune(&gateway, "fan-survives").await];
    for viewer in &mut viewers {
        viewer.play(200).await;
    }
    dies.open();
    for viewer in &mut viewers {
        viewer.play_until_source(B).await;
        viewer.play(400).await;
        assert_eq!(viewer.sources(), [A, B]);
        viewer.report().assert_only("a relay's failover", &TORN);
        assert_converted(viewer, A);
    }
    assert_eq!((first.total(), backup.total()), (1, 1), "one standby for all");
    let status = status(&gateway, "fan-survives").await;
    assert_eq!((&status["source"], &status["switches"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn a_relay_that_is_stopped_ends_its_upstream() {
    let origin = good(A).await;
    let gateway = gateway("", &[live("fan-stopped", "fan", &[origin.url("/")])]).await;
    let (code, answer) = gateway.admin_post("/api/v1/relay/fan-stopped/start", "").await;
    assert_eq!((code, &answer["outcome"]), (200, &"started".into()), "{answer}");
    let (code, answer) = gateway.admin_post("/api/v1/relay/fan-stopped/stop", "").await;
    assert_eq!((code, &answer["outcome"]), (200, &"stopped".into()), "{answer}");
    origin.idle().await;
}
