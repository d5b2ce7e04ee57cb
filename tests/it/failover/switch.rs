//! Switching by hand: the running player's bytes come from the other source, and everybody is told
//! the truth about it.

use super::*;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::ts::PACKET;

/// A channel with the sources A, B and C.
async fn three(channel: &str) -> (Vec<Origin>, Gateway) {
    let origins = vec![good(A).await, good(B).await, good(C).await];
    let sources: Vec<String> = origins.iter().map(|origin| origin.url("/")).collect();
    let gateway = gateway(QUICK, &[live(channel, &sources)]).await;
    (origins, gateway)
}

/// Switches while the viewer watches, who sees `seed` then.
async fn switch(gateway: &Gateway, path: &str, body: &str, viewer: &mut Viewer, seed: u32) {
    let switching = gateway.admin_post(path, body);
    let ((status, answer), ()) = tokio::join!(switching, viewer.play_until_source(seed));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["clients"][0]["outcome"], "switched", "{answer}");
}

#[tokio::test]
async fn without_a_wish_all_clients_go_over_to_the_next_source() {
    let (origins, gateway) = three("all-clients").await;
    let mut one = tune(&gateway, "all-clients").await;
    let mut two = tune(&gateway, "all-clients").await;
    one.play(20).await;
    two.play(20).await;
    let paths = ["/api/v1/channels/all-clients/failover", "/streams/all-clients/failover"];
    let rounds = [(paths[0], "", B), (paths[1], "{}", C), (paths[0], " \n", A)];
    for (round, (path, body, seed)) in (1_u64..).zip(rounds) {
        let switching = gateway.admin_post(path, body);
        let ((status, answer), ..) =
            tokio::join!(switching, one.play_until_source(seed), two.play_until_source(seed));
        assert_eq!((status, &answer["channel"]), (200, &"all-clients".into()), "{answer}");
        let clients = answer["clients"].as_array().unwrap();
        assert_eq!(clients.len(), 2);
        for client in clients {
            let (from, to) = (client["from"].as_u64(), client["to"].as_u64());
            assert_eq!(client["outcome"], "switched");
            assert_eq!((from, to), (Some((round - 1) % 3), Some(round % 3)), "{answer}");
        }
        for session in sessions(&gateway, "all-clients").await {
            let (source, switches) = (&session["source"], &session["switches"]);
            assert_eq!((source, switches), (&(round % 3).into(), &round.into()));
        }
    }
    for viewer in [&mut one, &mut two] {
        viewer.play(100).await;
        assert_eq!(viewer.sources(), [A, B, C, A]);
        assert_joined(viewer, "three switches");
    }
    assert_eq!(failovers(&gateway, "all-clients").await, "manual 6");
    let gaps = "weir_failover_gap_seconds_count{reason=\"manual\"}";
    assert_eq!(gateway.metric(gaps).await, 6.0);
    origins[1].idle().await;
    origins[2].idle().await;
    assert_eq!(origins.iter().map(Origin::open).collect::<Vec<_>>(), [2, 0, 0]);
    let channels = gateway.admin_get("/api/v1/channels").await;
    assert!(!channels.contains("cooling"), "a switch is no failure: {channels}");
}

#[tokio::test]
async fn a_source_may_be_named() {
    let (_origins, gateway) = three("named").await;
    let mut viewer = tune(&gateway, "named").await;
    viewer.play(20).await;
    let path = "/streams/named/failover";
    switch(&gateway, path, "{\"source\": 2}", &mut viewer, C).await;
    let id = sessions(&gateway, "named").await[0]["id"].clone();
    let body = format!("{{\"client_id\": \"{id}\", \"source\": 1}}");
    switch(&gateway, path, &body, &mut viewer, B).await;
    let same = gateway.admin_post(path, "{\"source\": 1}");
    let ((status, answer), ()) = tokio::join!(same, viewer.play(20));
    assert_eq!((status, &answer["clients"][0]["outcome"]), (200, &"already_there".into()));
    assert_eq!(viewer.sources(), [A, C, B]);
    assert_joined(&viewer, "to and fro");
    assert_eq!(sessions(&gateway, "named").await[0]["switches"], 2);
}

#[tokio::test]
async fn twenty_switches_of_one_session_leave_a_stream_in_which_nothing_is_lost() {
    let (origins, gateway) = three("twenty").await;
    let mut viewer = tune(&gateway, "twenty").await;
    viewer.play(20).await;
    for turn in 1..=20 {
        let seed = [A, B, C][turn % 3];
        switch(&gateway, "/streams/twenty/failover", "", &mut viewer, seed).await;
        viewer.play(10 + turn * 3).await;
    }
    assert_joined(&viewer, "twenty switches");
    assert_eq!(viewer.trace().switches(), 20);
    assert_eq!(failovers(&gateway, "twenty").await, "manual 20");
    for origin in origins {
        assert!(origin.open_max() <= 1 && origin.open() <= 1);
    }
}

#[tokio::test]
async fn a_switch_to_a_dead_source_fails_and_the_stream_goes_on_untouched() {
    let (playing, dead) = (good(A).await, Origin::start(|_| Script::error("404 Not Found")).await);
    let lying = Origin::start(|_| Script::html("<html>")).await;
    let sources = [&playing, &dead, &lying].map(|origin| origin.url("/"));
    let gateway = gateway(QUICK, &[live("dead-target", &sources)]).await;
    let mut viewer = tune(&gateway, "dead-target").await;
    let mut played = viewer.player().read_exact_body(20 * PACKET).await;
    for body in ["{\"source\": 1}", "{\"source\": 2}", ""] {
        let switching = gateway.admin_post("/streams/dead-target/failover", body);
        let watching = viewer.player().read_exact_body(150 * PACKET);
        let ((status, answer), more) = tokio::join!(switching, watching);
        played.extend(more);
        assert_eq!((status, &answer["clients"][0]["outcome"]), (502, &"failed".into()), "{answer}");
        assert_eq!(answer["clients"][0]["from"], 0);
        assert_eq!(answer["clients"][0].get("to"), None);
    }
    picture(A).assert_matches(0, &played);
    assert_eq!((playing.total(), playing.open()), (1, 1));
    assert_eq!((dead.seen().len(), lying.seen().len()), (2, 2), "`next` tries both");
    assert_eq!(sessions(&gateway, "dead-target").await[0]["switches"], 0);
    assert_eq!(failovers(&gateway, "dead-target").await, "");
}

#[tokio::test]
async fn a_second_switch_while_one_is_on_its_way_is_told_to_wait() {
    let answers = Gate::new();
    let gate = answers.clone();
    let slow = Origin::start(move |_| Script::new().wait(&gate).then_all(plays(B))).await;
    let playing = good(A).await;
    let head = "failover: {stall_timeout: 500ms, hedge_after: 20s, response_timeout: 15s}";
    let channel = live("busy", &[playing.url("/"), slow.url("/")]);
    let gateway = gateway(head, &[channel]).await;
    let mut viewer = tune(&gateway, "busy").await;
    let path = "/streams/busy/failover";
    let first = gateway.admin_post(path, "");
    let second = async {
        slow.requests(1).await;
        let busy = gateway.admin_post(path, "").await;
        answers.open();
        busy
    };
    let (first, (status, busy), ()) = tokio::join!(first, second, viewer.play_until_source(B));
    assert_eq!((status, &busy["clients"][0]["outcome"]), (409, &"busy".into()), "{busy}");
    assert_eq!((first.0, &first.1["clients"][0]["outcome"]), (200, &"switched".into()));
    assert_eq!(slow.total(), 1);
}

#[tokio::test]
async fn whoever_has_a_single_source_is_told_that_there_is_nothing_else() {
    let origin = good(A).await;
    let gateway = gateway(QUICK, &[live("single", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "single").await;
    for body in ["", "{\"source\": 0}"] {
        let switching = gateway.admin_post("/api/v1/channels/single/failover", body);
        let ((status, answer), ()) = tokio::join!(switching, viewer.play(30));
        let outcome = answer["clients"][0]["outcome"].as_str().unwrap();
        let expected = if body.is_empty() { (409, "nothing_else") } else { (status, outcome) };
        assert_eq!((status, outcome), expected, "{answer}");
        assert!(["nothing_else", "already_there"].contains(&outcome), "{answer}");
    }
    viewer.report().assert_clean("a stream that nobody touched");
    assert_eq!((origin.total(), origin.open()), (1, 1));
}
