//! Who comes, whoever else is there, and who goes.

use super::*;
use crate::support::eventually::Gate;

#[tokio::test]
async fn however_many_watch_there_is_one_upstream_connection() {
    let origin = good(A).await;
    let gateway = gateway("", "many", &[origin.url("/")]).await;
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(tune(&gateway, "many").await);
    }
    for viewer in &mut viewers {
        viewer.play(300).await;
        viewer.report().assert_clean("a client of a relay");
        assert!(viewer.report().random_access >= 1, "it begins with a picture");
        assert_eq!(viewer.trace().runs()[0].disorder, 0);
    }
    assert_eq!((origin.total(), origin.open()), (1, 1));
    let status = status(&gateway, "many").await;
    assert_eq!((&status["state"], &status["client_count"]), (&"running".into(), &20.into()));
    let clients = status["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 20);
    for client in clients {
        assert_eq!(
            (&client["user_agent"], &client["client"]),
            (&"one".into(), &"127.0.0.1".into())
        );
        assert!(client["bytes"].as_u64().unwrap() > 0 && client["skips"] == 0, "{client}");
    }
    let sessions = document(&gateway, "/api/v1/sessions").await;
    assert_eq!(sessions.as_array().unwrap().len(), 20, "the relay itself is no client");
    assert!(sessions.as_array().unwrap().iter().all(|session| session["way"] == "shared"));
    assert_eq!(gateway.metric("weir_relays{channel=\"many\"}").await, 1.0);
    assert_eq!(gateway.metric("weir_sessions{channel=\"many\"}").await, 20.0);
    assert!(gateway.metric("weir_relay_buffer_bytes{channel=\"many\"}").await > 0.0);
}

#[tokio::test]
async fn bytes_are_counted_once_as_they_come_and_for_each_client_as_they_go() {
    let origin = good(A).await;
    let gateway = gateway("", "counted", &[origin.url("/")]).await;
    let mut viewers = [tune(&gateway, "counted").await, tune(&gateway, "counted").await];
    for viewer in &mut viewers {
        viewer.play(600).await;
    }
    let read = gateway.metric("weir_bytes_total{direction=\"in\"}").await;
    let given = gateway.metric("weir_bytes_total{direction=\"out\"}").await;
    assert!(given > read * 1.5, "{given} given of {read} read");
}

#[tokio::test]
async fn two_first_clients_begin_one_relay() {
    let answers = Gate::new();
    let gate = answers.clone();
    let origin = Origin::start(move |_| Script::new().wait(&gate).then_all(plays(A))).await;
    let gateway = gateway("", "two", &[origin.url("/")]).await;
    let come =
        async { tokio::join!(tune_as(&gateway, "two", "vlc"), tune_as(&gateway, "two", "kodi")) };
    let answer = async {
        eventually_async("both wait", async || {
            let status = status(&gateway, "two").await;
            (status["client_count"] == 2 && status["state"] == "starting").then_some(())
        })
        .await;
        answers.open();
    };
    let ((mut one, mut other), ()) = tokio::join!(come, answer);
    one.play(100).await;
    other.play(100).await;
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn who_comes_later_has_its_first_picture_at_once() {
    // The picture that can be begun with comes once, and never again.
    let second = picture(A).packets_per_second();
    let origin =
        Origin::start(move |_| Script::live(Feed::live(&picture(A)).packets(second - 10)).stall())
            .await;
    let head = "failover: {stall_timeout: 60s, hedge_after: 20s}";
    let gateway = gateway(head, "late", &[origin.url("/")]).await;
    let mut first = tune(&gateway, "late").await;
    first.play(usize::try_from(second).unwrap() - 10).await;
    let mut late = tune(&gateway, "late").await;
    late.play(usize::try_from(second).unwrap() - 60).await;
    assert_eq!(late.report().random_access, 1);
    late.report().assert_clean("who comes later");
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn at_the_live_edge_nothing_old_is_given() {
    let origin = good(A).await;
    let gateway = gateway("relay: {join: live}", "edge", &[origin.url("/")]).await;
    let mut first = tune(&gateway, "edge").await;
    first.play(900).await;
    let before = first.trace().runs()[0].last;
    let mut late = tune(&gateway, "edge").await;
    late.play(300).await;
    assert!(late.trace().runs()[0].first + 60 > before, "{:?}", late.trace().runs());
    late.report().assert_clean("who begins at the live edge");
}

#[tokio::test]
async fn what_a_client_is_to_have_at_once_it_has() {
    let origin = good(A).await;
    let gateway = gateway("relay: {prebuffer: 2s}", "ahead", &[origin.url("/")]).await;
    let mut first = tune(&gateway, "ahead").await;
    first.play(400).await;
    let level = status(&gateway, "ahead").await;
    assert!(level["buffer"]["seconds"].as_f64().unwrap() >= 1.9, "{level}");
    assert!(first.report().random_access >= 1);
    first.report().assert_clean("a client with a prebuffer");
}

#[tokio::test]
async fn the_last_client_leaves_and_the_relay_waits_for_another_one_and_then_ends() {
    let origin = good(A).await;
    let gateway = gateway("relay: {idle_timeout: 1s}", "idle", &[origin.url("/")]).await;
    tune(&gateway, "idle").await.leave();
    eventually_async("nobody watches", async || {
        (status(&gateway, "idle").await["client_count"] == 0).then_some(())
    })
    .await;
    let mut back = tune(&gateway, "idle").await;
    back.play(100).await;
    assert_eq!(origin.total(), 1, "the same relay");
    back.leave();
    origin.idle().await;
    let status = eventually_is(&gateway, "idle", "stopped").await;
    assert_eq!(status["client_count"], 0);
    let ended = "weir_relays_total{channel=\"idle\",end=\"idle\"}";
    eventually_async("its end is counted", async || {
        let held = gateway.metric("weir_relay_buffer_bytes{channel=\"idle\"}").await;
        (gateway.metric(ended).await > 0.5 && held < 0.5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_before_there_is_a_stream_takes_the_relay_with_it() {
    let origin = Origin::start(|_| Script::silent()).await;
    let gateway = gateway("", "unwanted", &[origin.url("/")]).await;
    let mut player = crate::support::player::Player::connect(gateway.stream).await;
    player.send(request("unwanted", "one")).await;
    origin.requests(1).await;
    player.close();
    origin.idle().await;
    eventually_is(&gateway, "unwanted", "stopped").await;
}

#[tokio::test]
async fn head_is_answered_without_a_relay() {
    let origin = good(A).await;
    let gateway = gateway("", "head", &[origin.url("/")]).await;
    let head = presets::head("x", "/stream/head");
    let answer = crate::support::player::Player::fetch(gateway.stream, &head).await;
    assert_eq!((answer.status(), origin.total()), (200, 0));
    assert_eq!(answer.head.header("content-type"), Some("video/mp2t"));
}
