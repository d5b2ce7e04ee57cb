//! Clients that do not read are no reason for a failover, and a failover of one is none of the
//! others' business.

use std::time::Duration;

use super::*;
use crate::support::content::Content;
use crate::support::player::Player;
use crate::support::ts::PACKET;

/// Many times the stall timeout.
const A_WHILE: Duration = Duration::from_millis(1200);

/// Short, with hedging.
const NERVOUS: &str = "failover: {stall_timeout: 300ms, hedge_after: 100ms}";

/// A source as fast as it is read, a backup, and a client with little room in its socket.
async fn narrow(channel: &str) -> (Origin, Origin, Gateway, Player) {
    let fast = Origin::builder().send_buffer(16 * 1024);
    let fast = fast.start(|_| Script::live(Feed::of(picture(A)))).await;
    let backup = good(B).await;
    let gateway = gateway(NERVOUS, &[live(channel, &[fast.url("/"), backup.url("/")])]).await;
    let mut player = Player::connect_narrow(gateway.stream, 32 * 1024).await;
    player.send(presets::get_keep_alive("x", &format!("/stream/{channel}"))).await;
    assert_eq!(player.head().await.status, 200);
    (fast, backup, gateway, player)
}

#[tokio::test]
async fn a_paused_client_is_no_stall_of_its_source() {
    let (fast, backup, gateway, mut player) = narrow("paused").await;
    let before = player.read_exact_body(1000 * PACKET).await;
    tokio::time::sleep(A_WHILE).await;
    let after = player.read_exact_body(20_000 * PACKET).await;
    picture(A).assert_matches(0, &before);
    picture(A).assert_matches(before.len() as u64, &after);
    assert_eq!((fast.total(), fast.open(), backup.total()), (1, 1, 0));
    assert_eq!(failovers(&gateway, "paused").await, "");
}

#[tokio::test]
async fn a_slow_client_is_no_stall_of_its_source() {
    let (fast, backup, gateway, mut player) = narrow("slow").await;
    let mut offset = 0;
    for _ in 0..30 {
        let bytes = player.read_exact_body(100 * PACKET).await;
        picture(A).assert_matches(offset, &bytes);
        offset += bytes.len() as u64;
        tokio::time::sleep(A_WHILE / 20).await;
    }
    assert_eq!((fast.total(), fast.open(), backup.total()), (1, 1, 0));
    assert_eq!(failovers(&gateway, "slow").await, "");
}

#[tokio::test]
async fn a_source_that_dies_while_its_client_pauses_is_followed_once_the_client_reads() {
    let first = Origin::builder().send_buffer(16 * 1024);
    let first = first.start(|_| Script::live(Feed::of(picture(A)).packets(30_000))).await;
    let backup = good(B).await;
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(NERVOUS, &[live("dies-in-pause", &sources)]).await;
    let mut player = Player::connect_narrow(gateway.stream, 32 * 1024).await;
    player.send(presets::get_keep_alive("x", "/stream/dies-in-pause")).await;
    let head = player.head().await;
    tokio::time::sleep(A_WHILE).await;
    let mut viewer = Viewer::watch(player, head);
    viewer.play_until_source(B).await;
    viewer.play(100).await;
    assert_joined(&viewer, "after a pause");
    let played = viewer.trace().runs()[0];
    assert_eq!((played.seed, played.disorder), (A, 0));
    assert!(played.last > 29_000, "all of the first source was played: {played:?}");
    assert_eq!(failovers(&gateway, "dies-in-pause").await, "ended 1");
}

#[tokio::test]
async fn one_client_is_switched_and_the_others_keep_their_connections() {
    let (first, backup) = (good(A).await, good(B).await);
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(QUICK, &[live("one-of-three", &sources)]).await;
    let mut viewers = Vec::new();
    for number in 0..3 {
        viewers.push(tune(&gateway, "one-of-three").await);
        viewers[number].play(20).await;
    }
    let id = sessions(&gateway, "one-of-three").await[1]["id"].clone();
    let (path, body) = ("/streams/one-of-three/failover", format!("{{\"client_id\": {id}}}"));
    let switching = gateway.admin_post(path, &body);
    let [one, two, three] = &mut viewers[..] else { panic!("three viewers") };
    let ((status, answer), ..) =
        tokio::join!(switching, two.play_until_source(B), one.play(100), three.play(100));
    assert_eq!((status, answer["clients"].as_array().unwrap().len()), (200, 1), "{answer}");
    let left = first.closed(1).await;
    assert_eq!((left.len(), left[0].number), (1, 2), "the second client's alone");
    for viewer in [one, three] {
        viewer.play(400).await;
        assert_eq!(viewer.sources(), [A]);
        viewer.report().assert_clean("a stream that nobody touched");
        let run = viewer.trace().runs()[0];
        assert_eq!((run.disorder, run.first), (0, 2), "behind PAT and PMT");
    }
    two.play(100).await;
    assert_eq!(two.sources(), [A, B]);
    assert_joined(two, "the one that was switched");
    assert_eq!((first.total(), first.open(), backup.total()), (3, 2, 1));
    let played = sessions(&gateway, "one-of-three").await;
    let sources: Vec<u64> = played.iter().map(|one| one["source"].as_u64().unwrap()).collect();
    assert_eq!(sources, [0, 1, 0]);
}

#[tokio::test]
async fn a_dead_source_moves_all_of_its_clients_and_nobody_elses() {
    let dies = crate::support::eventually::Gate::new();
    let gate = dies.clone();
    let first = Origin::start(move |_| Script::live(Feed::live(&picture(A)).until(&gate)).reset());
    let (first, backup, other) = (first.await, good(B).await, good(C).await);
    let sources = [first.url("/"), backup.url("/")];
    let channels =
        [live("dies-for-all", &sources), live("elsewhere", &[other.url("/"), backup.url("/")])];
    let gateway = gateway(QUICK, &channels).await;
    let mut viewers = Vec::new();
    for number in 0..8 {
        viewers.push(tune(&gateway, "dies-for-all").await);
        viewers[number].play(20).await;
    }
    let mut elsewhere = tune(&gateway, "elsewhere").await;
    elsewhere.play(20).await;
    dies.open();
    for viewer in &mut viewers {
        viewer.play_until_source(B).await;
        viewer.play(60).await;
        assert_joined(viewer, "one of eight");
    }
    elsewhere.play(200).await;
    assert_eq!(elsewhere.sources(), [C]);
    elsewhere.report().assert_clean("another channel");
    assert_eq!(failovers(&gateway, "dies-for-all").await, "broken 8");
    assert_eq!((first.total(), backup.total(), other.total()), (8, 8, 1));
}

#[tokio::test]
async fn a_source_that_is_cut_off_from_the_network_is_followed_and_leaves_no_descriptor() {
    // The origin neither reads nor writes nor closes any more.
    let (first, backup) = (Origin::start(|_| plays_for(A, 60).stall()).await, good(B).await);
    let head = "failover: {stall_timeout: 300ms, hedge_after: 100ms, rounds: 1}";
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(head, &[live("cut-off", &sources)]).await;
    for number in 1..=5 {
        let mut viewer = tune(&gateway, "cut-off").await;
        viewer.play_until_source(B).await;
        viewer.play(20).await;
        viewer.leave();
        backup.closed(number).await;
    }
    first.idle().await;
    let open = "weir_upstream_connections{provider=\"\"}";
    assert_eq!(gateway.metric(open).await, 0.0, "{}", gateway.metrics().await);
}
