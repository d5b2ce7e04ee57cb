//! Clients with sources of their own.

use super::*;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::ts::PACKET;

#[tokio::test]
async fn each_client_has_an_upstream_and_a_conversion_of_its_own() {
    let origin = good(A).await;
    let gateway = gateway("", &[live("each-own", "own", &[origin.url("/")])]).await;
    let mut viewers = [tune(&gateway, "each-own").await, tune(&gateway, "each-own").await];
    for viewer in &mut viewers {
        viewer.play(400).await;
        viewer.report().assert_clean("converted");
        assert_eq!(viewer.sources(), [A]);
        assert_eq!(viewer.head().header("Content-Type"), Some("video/mp2t"));
        assert_converted(viewer, A);
    }
    assert_eq!((origin.total(), origin.open()), (2, 2));
    for session in sessions(&gateway, "each-own").await {
        assert_eq!((&session["way"], &session["source"]), (&"remuxed".into(), &0.into()));
        assert_is_told(&session["remux"]);
    }
    let [one, two] = viewers;
    one.leave();
    two.leave();
    origin.idle().await;
    eventually_ends(&gateway, "each-own", "client_closed 2").await;
    assert_eq!(gateway.metric("weir_sessions{channel=\"each-own\"}").await, 0.0);
    assert!(gateway.metric("weir_bytes_total{direction=\"in\"}").await > 0.0);
    assert_eq!(log_lines("each-own", &["session begins", "way=\"remuxed\""]).len(), 2);
}

#[tokio::test]
async fn a_stream_begins_with_its_tables_although_its_sound_is_looked_into_first() {
    let origin = good(A).await;
    let profiles = ["own", "fan"];
    let channels =
        profiles.map(|profile| live(&format!("begins-{profile}"), profile, &[origin.url("/")]));
    let gateway = gateway("", &channels).await;
    for profile in profiles {
        let request = presets::get_keep_alive("x", &format!("/stream/begins-{profile}"));
        let (mut player, _) = Player::ask(gateway.stream, &request).await;
        let begin = player.read_exact_body(PACKET * 40).await;
        let pid = |packet: &[u8]| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let mut pids = begin.chunks(PACKET).map(pid).filter(|pid| *pid == 0 || *pid > 0x1f);
        assert_eq!(pids.next(), Some(0), "{profile}");
    }
}

#[tokio::test]
async fn head_opens_nothing() {
    let origin = good(A).await;
    let channels =
        [live("head-own", "own", &[origin.url("/")]), live("head-fan", "fan", &[origin.url("/")])];
    let gateway = gateway("", &channels).await;
    for channel in ["head-own", "head-fan"] {
        let request =
            format!("HEAD /stream/{channel} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let (_, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!((head.status, head.header("Content-Type")), (200, Some("video/mp2t")));
    }
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn the_stream_that_follows_a_failover_goes_through_the_same_conversion() {
    let dies = Gate::new();
    let (first, backup) = (dies_at(&dies).await, good(B).await);
    let channel = live("goes-on", "own", &[first.url("/"), backup.url("/")]);
    let gateway = gateway(QUICK, &[channel]).await;
    let mut viewer = tune(&gateway, "goes-on").await;
    viewer.play(200).await;
    dies.open();
    viewer.play_until_source(B).await;
    viewer.play(400).await;
    assert_eq!(viewer.sources(), [A, B]);
    viewer.report().assert_only("a failover", &TORN);
    assert_converted(&viewer, A);
    assert_eq!(gateway.figures("weir_failovers_total", "goes-on").await, "broken 1");
    let session = &sessions(&gateway, "goes-on").await[0];
    assert_eq!((&session["source"], &session["switches"]), (&1.into(), &1.into()));
    let tracks = session["remux"]["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), 1, "on the PID that it had: {session}");
    assert_eq!(session["remux"]["bad_frames"], 0, "{session}");
}

#[tokio::test]
async fn a_source_that_goes_silent_gives_way() {
    let silent = Origin::start(|_| Script::live(Silent::new(A).live().packets(600)).stall()).await;
    let backup = good(B).await;
    let channel = live("goes-silent", "own", &[silent.url("/"), backup.url("/")]);
    let gateway = gateway(QUICK, &[channel]).await;
    let mut viewer = tune(&gateway, "goes-silent").await;
    viewer.play_until_source(B).await;
    viewer.play(200).await;
    assert_eq!(gateway.figures("weir_failovers_total", "goes-silent").await, "stalled 1");
}

#[tokio::test]
async fn the_end_of_the_last_source_is_the_end_of_the_stream() {
    let origin = Origin::start(|_| Script::live(Silent::new(A).live().packets(600))).await;
    let gateway =
        gateway("failover: {rounds: 0}", &[live("ends", "own", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "ends").await;
    assert_eq!(viewer.play_to_end().await, Ending::Complete);
    assert!(viewer.bytes() > 300 * 188, "{}", viewer.bytes());
    eventually_ends(&gateway, "ends", "source_ended 1").await;
    let broken = Origin::start(|_| Script::live(Silent::new(A).live().packets(600)).reset()).await;
    let gateway =
        super::gateway("failover: {rounds: 0}", &[live("breaks", "own", &[broken.url("/")])]).await;
    assert_ne!(tune(&gateway, "breaks").await.play_to_end().await, Ending::Complete);
    eventually_ends(&gateway, "breaks", "source_failed 1").await;
}

#[tokio::test]
async fn a_switch_by_hand_is_made() {
    let (first, other) = (good(A).await, good(B).await);
    let channel = live("by-hand", "own", &[first.url("/"), other.url("/")]);
    let gateway = gateway(QUICK, &[channel]).await;
    let mut viewer = tune(&gateway, "by-hand").await;
    viewer.play(100).await;
    let switching = gateway.admin_post("/api/v1/channels/by-hand/failover", "");
    let ((status, answer), ()) = tokio::join!(switching, viewer.play_until_source(B));
    assert_eq!((status, &answer["clients"][0]["outcome"]), (200, &"switched".into()), "{answer}");
    viewer.play(200).await;
    assert_eq!(viewer.sources(), [A, B]);
}

#[tokio::test]
async fn the_same_viewer_takes_its_own_connection_along() {
    let origin = Origin::start(|request| plays(if request.path() == "/a" { A } else { B })).await;
    let source = |path| format!("{{url: \"{}\", provider: acme}}", origin.url(path));
    let channels =
        [live("zap-own-a", "own", &[source("/a")]), live("zap-own-b", "own", &[source("/b")])];
    let head = "failover: {slot_wait: 15s}\nproviders: {acme: {max_connections: 1}}";
    let gateway = gateway(head, &channels).await;
    let mut first = tune(&gateway, "zap-own-a").await;
    first.play(40).await;
    let mut second = tune(&gateway, "zap-own-b").await;
    second.play(40).await;
    assert!(matches!(first.play_to_end().await, Ending::Cut(_)));
    eventually_ends(&gateway, "zap-own-a", "replaced 1").await;
    assert_eq!((origin.open_max(), origin.total()), (1, 2));
}

#[tokio::test]
async fn what_weir_makes_itself_goes_through_as_well() {
    let gateway = gateway(
        "",
        &[
            "  made: {profile: own, sources: [{pattern: bars}]}\n".to_owned(),
            "  made-fan: {profile: fan, sources: [{pattern: bars}]}\n".to_owned(),
        ],
    )
    .await;
    for channel in ["made", "made-fan"] {
        let mut viewer = tune(&gateway, channel).await;
        viewer.play(400).await;
        viewer.report().assert_clean(channel);
        // AAC from the beginning.
        let all = sessions(&gateway, channel).await;
        let relay = status(&gateway, channel).await;
        let remux = if channel == "made" { &all[0]["remux"] } else { &relay["remux"] };
        assert_eq!(remux["tracks"][0]["fate"], "passed", "{remux}");
    }
}

#[tokio::test]
async fn where_no_source_plays_the_slate_is_shown() {
    let down = Origin::start(|_| Script::error("503 Service Unavailable")).await;
    let head = "failover: {rounds: 1, on_exhausted: slate}";
    let gateway = gateway(head, &[live("slate-own", "own", &[down.url("/")])]).await;
    let mut viewer = tune(&gateway, "slate-own").await;
    viewer.play(300).await;
    viewer.report().assert_clean("a slate");
    assert_eq!(sessions(&gateway, "slate-own").await[0]["way"], "slate");
}

#[tokio::test]
async fn a_reload_that_takes_the_channel_away_ends_it() {
    let origin = good(A).await;
    let gateway = gateway("", &[live("taken-away", "own", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "taken-away").await;
    viewer.play(100).await;
    gateway.reload("channels: {}").await;
    assert_ne!(viewer.play_to_end().await, Ending::Complete);
    origin.idle().await;
    eventually_ends(&gateway, "taken-away", "reloaded 1").await;
}
