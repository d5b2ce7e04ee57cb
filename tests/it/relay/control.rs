//! Relays by hand: started, looked at, switched and stopped over the admin listener.

use super::*;
use crate::support::player::Ending;
use crate::support::player::Player;

#[tokio::test]
async fn a_relay_is_started_before_anybody_watches_and_stopped() {
    let origin = good(A).await;
    let gateway = gateway("", "hand", &[origin.url("/")]).await;
    assert_eq!(status(&gateway, "hand").await["state"], "stopped");
    let (code, answer) = gateway.admin_post("/api/v1/relay/hand/start", "").await;
    assert_eq!((code, &answer["outcome"]), (200, &"started".into()));
    let (code, answer) = gateway.admin_post("/api/v1/relay/hand/start", "").await;
    assert_eq!((code, &answer["outcome"]), (200, &"already_running".into()));
    let running = status(&gateway, "hand").await;
    assert_eq!((&running["state"], &running["client_count"]), (&"running".into(), &0.into()));
    let mut viewer = tune(&gateway, "hand").await;
    viewer.play(100).await;
    assert_eq!(origin.total(), 1);
    let health = document(&gateway, "/api/v1/relay/health").await;
    assert_eq!((&health["status"], &health["running"]), (&"healthy".into(), &1.into()));
    let one = document(&gateway, "/api/v1/relay/health/hand").await;
    assert_eq!((&one["status"], &one["clients"]), (&"healthy".into(), &1.into()));
    let figures = document(&gateway, "/api/v1/relay/metrics").await;
    assert_eq!(figures["relays"], 1);
    assert!(figures["bytes_received"].as_u64().unwrap() > 0, "{figures}");
    let (code, answer) = gateway.admin_post("/api/v1/relay/hand/stop", "").await;
    assert_eq!((code, &answer["outcome"], &answer["clients"]), (200, &"stopped".into(), &1.into()));
    assert_eq!(viewer.play_to_end().await, Ending::Complete);
    origin.idle().await;
    let (_, answer) = gateway.admin_post("/api/v1/relay/hand/stop", "").await;
    assert_eq!(answer["outcome"], "not_running");
    assert_eq!(gateway.figures("weir_sessions_total", "hand").await, "stopped 1");
}

#[tokio::test]
async fn whoever_waits_for_a_relay_that_is_stopped_is_told_so() {
    let origin = Origin::start(|_| Script::silent()).await;
    let gateway = gateway("failover: {response_timeout: 60s}", "never", &[origin.url("/")]).await;
    let asked = request("never", "one");
    let come = Player::fetch(gateway.stream, &asked);
    let stop = async {
        origin.requests(1).await;
        let (code, answer) = gateway.admin_post("/api/v1/relay/never/stop", "").await;
        assert_eq!((code, &answer["outcome"]), (200, &"stopped".into()));
    };
    let (answer, ()) = tokio::join!(come, stop);
    assert_eq!((answer.status(), origin.total()), (503, 1), "{}", answer.text());
    assert!(answer.text().contains("stopped"), "{}", answer.text());
    origin.idle().await;
}

#[tokio::test]
async fn what_is_counted_of_clients_stays_when_they_go() {
    let origin = good(A).await;
    let gateway = gateway("", "sum", &[origin.url("/")]).await;
    gateway.admin_post("/api/v1/relay/sum/start", "").await;
    let before = status(&gateway, "sum").await;
    assert_eq!((&before["clients_total"], &before["clients_at_most"]), (&0.into(), &0.into()));
    let mut viewer = tune(&gateway, "sum").await;
    viewer.play(300).await;
    viewer.leave();
    let after = eventually_async("nobody watches", async || {
        let status = status(&gateway, "sum").await;
        (status["client_count"] == 0).then_some(status)
    })
    .await;
    assert_eq!((&after["clients_total"], &after["clients_at_most"]), (&1.into(), &1.into()));
    assert!(after["bytes_served"].as_u64().unwrap() >= 300 * 188, "{after}");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let origin = Origin::start(|_| Script::error("403 Forbidden")).await;
    let direct = good(A).await;
    let gateway = Gateway::start(&format!(
        "profiles: {{fan: {{delivery: shared}}}}\nchannels:\n  \
         refused: {{kind: live, profile: fan, sources: [\"{}\"]}}\n  \
         alone: {{kind: live, sources: [\"{}\"]}}\n  \
         film: {{kind: vod, profile: fan, sources: [\"{}\"]}}\n",
        origin.url("/"),
        direct.url("/"),
        direct.url("/film")
    ))
    .await;
    let (code, answer) = gateway.admin_post("/api/v1/relay/refused/start", "").await;
    assert_eq!(code, 502);
    assert!(answer["detail"].as_str().unwrap().contains("403"), "{answer}");
    let (code, answer) = gateway.admin_post("/api/v1/relay/alone/start", "").await;
    assert_eq!(code, 409);
    assert!(answer["detail"].as_str().unwrap().contains("direct"), "{answer}");
    let (code, answer) = gateway.admin_post("/api/v1/relay/film/start", "").await;
    assert_eq!(code, 409);
    assert!(answer["detail"].as_str().unwrap().contains("file"), "{answer}");
    let (code, _) = gateway.admin_post("/api/v1/relay/nobody/start", "").await;
    assert_eq!((code, direct.total()), (404, 0));
    let (line, _) = gateway.admin_request("GET", "/api/v1/relay/alone/start").await;
    assert!(line.contains("405"), "{line}");
}

#[tokio::test]
async fn a_switch_by_hand_is_one_switch_for_all_of_a_relay() {
    let (first, second) = (good(A).await, good(B).await);
    let head = "failover: {stall_timeout: 60s, hedge_after: 20s}";
    let gateway = gateway(head, "turn", &[first.url("/"), second.url("/")]).await;
    let mut viewers = [tune(&gateway, "turn").await, tune(&gateway, "turn").await];
    for viewer in &mut viewers {
        viewer.play(100).await;
    }
    let (code, answer) = gateway.admin_post("/api/v1/channels/turn/failover", "").await;
    assert_eq!(code, 200, "{answer}");
    let clients = answer["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 2);
    for client in clients {
        let (outcome, to) = (&client["outcome"], &client["to"]);
        assert_eq!((outcome, to), (&"switched".into(), &1.into()), "{answer}");
    }
    for viewer in &mut viewers {
        viewer.play_until_source(B).await;
        viewer.play(100).await;
        viewer.report().assert_only("a switch", &[Fault::PcrJump, Fault::PesLength]);
    }
    assert_eq!((first.open(), second.total()), (0, 1));
}
