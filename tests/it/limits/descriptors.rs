//! Out of descriptors, or nearly: what runs goes on, nothing spins, and it passes.

use std::net::SocketAddr;
use std::time::Duration;

use super::ask;
use super::channel;
use super::tune;
use super::tune_again;
use crate::command_line::process::Addresses;
use crate::command_line::process::Program;
use crate::command_line::process::Running;
use crate::command_line::process::get;
use crate::command_line::process::metric;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

#[tokio::test]
async fn with_256_descriptors_the_house_is_full_before_they_are() {
    let gate = Gate::new();
    let origin = quiet_origin(&gate).await;
    let running = under_limit(&origin, "256");
    let Addresses { stream, admin } = running.ready().await;
    assert!(running.err().contains("limit on open files"), "{}", running.err());
    let mut players = Vec::new();
    let refused = loop {
        let (mut player, head) = Player::ask(stream, &ask("")).await;
        if head.status != 200 {
            break head;
        }
        player.read_exact_body(PACKET * 10).await;
        players.push(player);
        assert!(players.len() < 256, "never full");
    };
    assert!(players.len() >= 32, "room for {} clients", players.len());
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    let used = descriptors(&running);
    assert!(used < 256, "{used} descriptors: some are left for what must go on");

    // Two hundred more at the door, where they wait.
    let waiting = crowd(stream, 200).await;
    assert_eq!(get(admin, "/health").await.status(), 200);
    assert_eq!(metric(admin, "weir_sessions{channel=\"one\"}").await, players.len() as f64);
    assert_no_spin(&running).await;
    assert_eq!(metric(admin, "weir_accept_errors_total").await, 0.0, "nothing failed");

    gate.open();
    for player in &mut players {
        player.read_exact_body(PACKET * 100).await;
    }
    drop(waiting);
    drop(players);
    origin.idle().await;
    let answer = eventually_async("an answer for everybody", async || {
        let answer = get(stream, "/health").await;
        (answer.status() == 200).then_some(answer)
    });
    assert_eq!(answer.await.text(), "OK\n");
    tune_again(stream).await.close();
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn out_of_descriptors_it_waits_without_spinning_and_recovers() {
    let gate = Gate::new();
    let origin = quiet_origin(&gate).await;
    // So few that the admin listener's own places are too many.
    let running = under_limit(&origin, "40");
    let Addresses { stream, admin } = running.ready().await;
    let mut players = Vec::new();
    for _ in 0..4 {
        players.push(tune(stream).await);
    }
    let crowd = crowd(admin, 64).await;
    running.line("cannot accept").await;
    eventually_async("every descriptor is in use", async || {
        (descriptors(&running) >= 39).then_some(())
    })
    .await;
    assert_no_spin(&running).await;
    let complaints = running.err().lines().filter(|line| line.contains("cannot accept")).count();
    assert!(complaints < 100, "{complaints} lines in the log");

    gate.open();
    for player in &mut players {
        player.read_exact_body(PACKET * 100).await;
    }
    drop(crowd);
    eventually_async("the admin listener answers again", async || {
        let player = Player::try_connect(admin).await.ok()?;
        drop(player);
        (get(admin, "/health").await.status() == 200).then_some(())
    })
    .await;
    assert!(metric(admin, "weir_accept_errors_total").await >= 1.0);
    tune_again(stream).await.close();
    drop(players);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn the_soft_limit_on_open_files_is_raised_to_the_hard_one() {
    let running =
        Program::serving("limits: {clients: 10}\n").under(&["prlimit", "--nofile=64:512"]).start();
    let Addresses { admin, .. } = running.ready().await;
    assert_eq!(metric(admin, "process_max_fds").await, 512.0);
    assert_eq!(running.stopped().await.code, Some(0));
}

/// Plays a little and is then silent: a stream that costs nobody any time.
async fn quiet_origin(gate: &Gate) -> Origin {
    let (gate, pattern) = (gate.clone(), TsPattern::new(1));
    Origin::start(move |_| {
        let start = Feed::of(pattern.clone()).packets(100);
        Script::live(start)
            .wait(&gate)
            .feed(Feed::of(pattern.clone()).from(18_800).packets(100))
            .stall()
    })
    .await
}

/// Descriptors that a process has open.
fn descriptors(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count()
}

/// Ticks (hundredths of a second) that a process has computed so far.
fn ticks(running: &Running) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime are fields 14 and 15 of the whole line; the state after the name is field 3.
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Asserts that the process does next to nothing for two seconds: one that spins on a failing
/// accept computes a hundred ticks in each.
async fn assert_no_spin(running: &Running) {
    let before = ticks(running);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = ticks(running) - before;
    assert!(spent <= 40, "{spent} ticks in two seconds of nothing to do");
}

fn under_limit(origin: &Origin, files: &str) -> Running {
    let yaml = format!(
        "limits: {{clients_per_ip: 1000, requests_per_second: 100000}}\n\
         failover: {{rounds: 0, response_timeout: 5m, stall_timeout: 5m}}\n{}",
        channel(origin)
    );
    Program::serving(&yaml).under(&["prlimit", &format!("--nofile={files}:{files}")]).start()
}

/// `count` connections that never ask for anything, as many of them as can be made.
async fn crowd(address: SocketAddr, count: usize) -> Vec<Player> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(Player::connect(address).await);
    }
    crowd
}
