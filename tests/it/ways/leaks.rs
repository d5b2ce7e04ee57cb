//! What a gateway keeps when its clients have gone, and while they stall: no descriptor, no pipe and
//! no task of theirs. The built program, so that what is counted is its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Case;
use super::Framing;
use super::stand::ROOM;
use super::stand::gated;
use super::stand::sessions;
use crate::command_line::process::Addresses;
use crate::command_line::process::Program;
use crate::command_line::process::Running;
use crate::command_line::process::get;
use crate::command_line::process::metric;
use crate::support::content::Content;
use crate::support::eventually::DEADLINE;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::origin::Connection;
use crate::support::origin::Origin;
use crate::support::player::Player;
use crate::support::player::presets;

/// Pipes that clients who stall may hold on each thread.
const PIPES_HELD: usize = 16;

/// Pipes that a thread of the runtime may keep for the next bytes.
const PIPES_PER_THREAD: usize = 4;

/// The program with a channel for each of `cases`, named by its place, all of one origin.
async fn program(cases: &[Case], origin: SocketAddr) -> (Running, Addresses) {
    let channels = cases.iter().enumerate();
    let channels: String = channels
        .map(|(place, case)| {
            format!("  c{place}: {}\n", case.entry(&format!("http://{origin}/{place}")))
        })
        .collect();
    let settings = cases.iter().map(|case| case.settings()).find(|text| !text.is_empty());
    let settings = settings.unwrap_or_default();
    let running = Program::serving(&format!("{ROOM}{settings}channels:\n{channels}")).start();
    let addresses = running.ready().await;
    (running, addresses)
}

/// A source that does nothing but answer, so that ten thousand answers take no time: `/0` is the
/// first of its cases. A third each of its bodies fits into the gateway's first read, fits almost,
/// or does not.
struct Source {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Source {
    async fn start(cases: &[Case]) -> Self {
        let answers: Vec<_> =
            cases.iter().map(|case| SIZES.map(|size| whole(*case, size))).collect();
        let answers = Arc::new(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let running = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answers, count) = (Arc::clone(&answers), Arc::clone(&count));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let place = usize::from(request[b"GET /".len()] - b'0');
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    // Whoever leaves early fails the test on the other side.
                    stream.write_all(&answers[place][number % SIZES.len()]).await.ok();
                    stream.shutdown().await.ok();
                    stream.read_buf(&mut request).await.ok();
                });
            }
        });
        Self { address, asked, running }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.running.abort();
    }
}

const SIZES: [usize; 3] = [2000, 30_000, 60_000];

/// A whole answer.
fn whole(case: Case, size: usize) -> Vec<u8> {
    let head = case.head(Framing::Length, size as u64);
    let end: &[u8] = if case.is_chunked() { b"0\r\n\r\n" } else { b"" };
    [head.as_bytes(), &case.framed(&case.content().slice(0, size)), end].concat()
}

/// What a process has open, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    sockets: usize,
    /// Ends of pipes, two to each.
    pub(super) pipes: usize,
    others: usize,
}

impl Open {
    pub(super) fn of(running: &Running) -> Self {
        let mut open = Self { sockets: 0, pipes: 0, others: 0 };
        for entry in std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap() {
            // An error means that it was closed meanwhile.
            let Ok(target) = std::fs::read_link(entry.unwrap().path()) else { continue };
            let target = target.to_string_lossy();
            match target.split_once(':') {
                Some(("socket", _)) => open.sockets += 1,
                Some(("pipe", _)) => open.pipes += 1,
                // What a scrape of /metrics or this look itself opens for a moment.
                _ if target.starts_with("/proc/") => {}
                _ => open.others += 1,
            }
        }
        open
    }
}

/// Threads of the program's runtime.
async fn threads(at: Addresses) -> usize {
    let workers = metric(at.admin, "weir_tokio_workers").await;
    assert!(workers >= 1.0);
    workers as usize
}

/// The gauges that must come back to where they were.
async fn gauges(at: Addresses) -> [f64; 3] {
    let text = get(at.admin, "/metrics").await;
    let text = text.text();
    let sum = |name: &str| -> f64 {
        let named = text.lines().filter_map(|line| line.strip_prefix(name));
        named.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    [sum("weir_sessions{"), sum("weir_upstream_connections{"), sum("weir_tokio_tasks ")]
}

/// What is open, and the gauges, once they have come to rest.
async fn at_rest(running: &Running, at: Addresses) -> (Open, [f64; 3]) {
    let (mut last, mut same) = (None, 0);
    eventually_async("the program comes to rest", async || {
        let now = (Open::of(running), gauges(at).await);
        same = if last == Some(now) { same + 1 } else { 0 };
        last = Some(now);
        (same == 10).then_some(now)
    })
    .await
}

/// Waits until nothing more is open than was before, but for a few pipes per thread.
async fn assert_as_before(running: &Running, at: Addresses, before: Open, gauges_before: [f64; 3]) {
    let kept = 2 * PIPES_PER_THREAD * threads(at).await;
    let began = Instant::now();
    eventually_async("nothing is left", async || {
        let (open, gauges) = (Open::of(running), gauges(at).await);
        let settled = open.pipes <= before.pipes + kept
            && Open { pipes: before.pipes, ..open } == before
            && gauges == gauges_before;
        let late = began.elapsed() > DEADLINE / 2;
        assert!(settled || !late, "{open:?} {gauges:?} after {before:?} {gauges_before:?}");
        settled.then_some(())
    })
    .await;
}

/// One request for channel `place`, of which the whole answer is read.
async fn ask(player: &mut Player, cases: &[Case], place: usize, keep: bool) {
    let target = format!("/stream/c{place}");
    let request =
        if keep { presets::get_keep_alive("x", &target) } else { presets::get("x", &target) };
    player.send(request).await;
    assert_eq!(player.head().await.status, 200);
    let body = player.read_to_end().await;
    assert!(body.is_complete(), "{:?}: {:?}", cases[place], body.ending);
    cases[place].content().assert_matches(0, &body.bytes);
    assert!(body.bytes.len() >= 1000, "{} bytes", body.bytes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_short_requests_leave_nothing_behind() {
    const CASES: [Case; 4] = [Case::Film, Case::Radio, Case::Television, Case::ChunkedTelevision];
    const AT_ONCE: usize = 10;
    const EACH: usize = 500;
    let source = Source::start(&CASES).await;
    let (running, at) = program(&CASES, source.address).await;
    // Once in every way, so that what is made once is there before.
    let mut player = Player::connect(at.stream).await;
    for place in 0..CASES.len() {
        ask(&mut player, &CASES, place, true).await;
    }
    player.close();
    let (before, gauges_before) = at_rest(&running, at).await;

    for keep in [true, false] {
        let mut viewers = JoinSet::new();
        for viewer in 0..AT_ONCE {
            viewers.spawn(async move {
                let mut player = Player::connect(at.stream).await;
                for number in 0..EACH {
                    if !keep && number > 0 {
                        player = Player::connect(at.stream).await;
                    }
                    ask(&mut player, &CASES, (viewer + number) % CASES.len(), keep).await;
                }
                EACH
            });
        }
        let seen: usize = viewers.join_all().await.iter().sum();
        assert_eq!(seen, 5000);
        assert_as_before(&running, at, before, gauges_before).await;
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 10_000 + CASES.len());
    let begun = |way: &str| running.err().matches(&format!("way=\"{way}\"")).count();
    let ways = [begun("spliced"), begun("watched"), begun("framed")];
    assert_eq!(ways.iter().sum::<usize>(), 10_004, "{ways:?}");
    assert!(ways.iter().all(|count| *count >= 1000), "each way was taken: {ways:?}");
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spliced_clients_that_stall_hold_few_pipes_and_get_every_byte() {
    clients_that_stall_hold_few_pipes_and_get_every_byte(Case::Film).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watched_clients_that_stall_hold_few_pipes_and_get_every_byte() {
    clients_that_stall_hold_few_pipes_and_get_every_byte(Case::Television).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn framed_clients_that_stall_hold_few_pipes_and_get_every_byte() {
    clients_that_stall_hold_few_pipes_and_get_every_byte(Case::ChunkedTelevision).await;
}

async fn clients_that_stall_hold_few_pipes_and_get_every_byte(case: Case) {
    const CLIENTS: usize = 200;
    const SIZE: u64 = 2_000_000;
    let gate = Gate::new();
    let script = gated(case, Framing::Close, SIZE, &gate);
    let origin = Origin::builder().send_buffer(16 * 1024);
    let origin = origin.start(move |_| script.clone()).await;
    let (running, at) = program(&[case], origin.address()).await;
    let (before, gauges_before) = at_rest(&running, at).await;
    let mut players = Vec::new();
    for _ in 0..CLIENTS {
        let mut player = Player::connect_narrow(at.stream, 32 * 1024).await;
        player.send(presets::get_keep_alive("x", "/stream/c0")).await;
        assert_eq!(player.head().await.status, 200);
        case.content().assert_matches(0, &player.read_exact_body(case.lead()).await);
        players.push(player);
    }
    let listed = sessions(get(at.admin, "/api/v1/sessions").await.text());
    assert_eq!(listed.len(), CLIENTS);
    assert!(listed.iter().all(|session| session["way"] == case.way()), "{:?}", listed[0]);
    gate.open();
    let (mut last, mut same) = (u64::MAX, 0);
    eventually_async("all sources stand", async || {
        metric(at.admin, "weir_tokio_workers").await;
        let now = origin.written();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == 20).then_some(())
    })
    .await;
    let unfinished = |each: &&Connection| each.written < SIZE;
    let standing = origin.connections().iter().filter(unfinished).count();
    // Of some the kernel finds room for all, the more the busier the machine is: those are no case of this.
    let kept = 2 * (PIPES_PER_THREAD + PIPES_HELD) * threads(at).await;
    assert!(standing >= CLIENTS / 2, "{standing} sources wait for their clients");
    assert!(2 * standing > kept, "a pipe for each of {standing} would be no more than may be kept");
    let open = Open::of(&running);
    assert!(open.sockets >= before.sockets + 2 * standing, "{open:?}");
    assert!(open.pipes <= before.pipes + kept, "{open:?}, {before:?}");
    let mut viewers = JoinSet::new();
    for mut player in players {
        viewers.spawn(async move {
            let body = player.read_to_end().await;
            assert!(body.is_complete(), "{case:?}: {:?}", body.ending);
            case.content().assert_matches(case.lead() as u64, &body.bytes);
            assert_eq!(body.bytes.len() as u64, SIZE);
        });
    }
    assert_eq!(viewers.join_all().await.len(), CLIENTS);
    origin.idle().await;
    assert_as_before(&running, at, before, gauges_before).await;
    assert_eq!(running.stopped().await.code, Some(0));
}
