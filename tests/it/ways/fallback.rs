//! Where the kernel does not let bytes be spliced (a sandbox refuses the calls, no descriptor is
//! left for a pipe) they are copied, and nobody sees a difference.

use std::io::Write;
use std::path::PathBuf;

use super::Case;
use super::Framing;
use super::leaks::Open;
use super::stand::ROOM;
use super::stand::gated;
use super::stand::sessions;
use crate::command_line::process::Addresses;
use crate::command_line::process::Program;
use crate::command_line::process::Running;
use crate::command_line::process::get;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually;
use crate::support::origin::Origin;
use crate::support::player::Player;
use crate::support::player::presets;

/// Refuses one call of the kernel with EPERM, and then becomes what the rest of its arguments say.
const FILTER: &str = r#"
import ctypes, os, platform, struct, sys
CALLS = {
    "x86_64": (0xC000003E, {"splice": 275, "pipe2": 293}),
    "aarch64": (0xC00000B7, {"splice": 76, "pipe2": 59}),
}
machine = platform.machine()
if machine not in CALLS:
    sys.exit("no filter for " + machine)
architecture, numbers = CALLS[machine]
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1
code = [
    (LOAD, 0, 0, 4), (EQUAL, 0, 3, architecture),
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, numbers[sys.argv[1]]), (RETURN, 0, 0, REFUSE),
    (RETURN, 0, 0, ALLOW),
]
code = b"".join(struct.pack("HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(code, len(code))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(code) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4
if libc.prctl(38, 1, None, None, None) != 0:
    sys.exit("PR_SET_NO_NEW_PRIVS: " + os.strerror(ctypes.get_errno()))
if libc.prctl(22, 2, ctypes.addressof(program), None, None) != 0:
    sys.exit("PR_SET_SECCOMP: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// A python3 that runs in an empty environment, or None, loudly.
fn python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/bin")]);
    let runs = |python: &PathBuf| {
        let mut command = std::process::Command::new(python);
        let command = command.args(["-c", "import ctypes"]).env_clear();
        command.output().is_ok_and(|output| output.status.success())
    };
    let found = folders.map(|folder| folder.join("python3")).find(runs);
    if found.is_none() {
        let required = std::env::var("WEIR_REQUIRE_PROGRAMS").is_ok_and(|value| value == "1");
        assert!(!required, "WEIR_REQUIRE_PROGRAMS=1, and python3 is not installed");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // Past the test harness, which keeps what passing tests print to itself.
        let line = format!("SKIPPED: {test}: python3 is not installed\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}

/// Plays bodies of some sizes in the way that is expected.
async fn assert_plays(case: Case, origin: &Origin, next: &Next, at: Addresses, way: &str) {
    let mut seen = 0;
    for size in [1, 188, 65_536, (1 << 20) + 1, 20 << 20] {
        let gate = Gate::new();
        next.send_replace((case, size, gate.clone()));
        let target = format!("/stream/{}", name(case));
        let (mut player, head) =
            Player::ask(at.stream, &presets::get_keep_alive("x", &target)).await;
        assert_eq!(head.status, 200, "{case:?}");
        let lead = player.read_exact_body(case.lead()).await;
        case.content().assert_matches(0, &lead);
        let listed = sessions(get(at.admin, "/api/v1/sessions").await.text());
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["way"], way, "{case:?}");
        gate.open();
        let body = player.read_to_end().await;
        assert!(body.is_complete(), "{case:?}, {size}: {:?}", body.ending);
        case.content().assert_matches(case.lead() as u64, &body.bytes);
        assert_eq!(body.bytes.len() as u64, size, "{case:?}");
        player.close();
        origin.idle().await;
        seen += 1;
    }
    assert_eq!(seen, 5);
}

type Next = tokio::sync::watch::Sender<(Case, u64, Gate)>;

fn name(case: Case) -> String {
    format!("{case:?}").to_lowercase()
}

/// An origin that plays what the test says next.
async fn origin() -> (Origin, Next) {
    let (next, current) = tokio::sync::watch::channel((Case::Film, 0, Gate::new()));
    let origin = Origin::start(move |_| {
        let (case, size, gate) = current.borrow().clone();
        gated(case, Framing::Close, size, &gate)
    })
    .await;
    (origin, next)
}

/// A configuration with a channel for each case.
fn yaml(origin: &Origin, settings: &str) -> String {
    let channels = Case::ALL.iter().map(|case| {
        let entry = case.entry(&origin.url(&format!("/{}", name(*case))));
        format!("  {}: {entry}\n", name(*case))
    });
    format!("{ROOM}{settings}channels:\n{}", channels.collect::<String>())
}

/// Lines of the log about bodies that are not spliced.
fn news(running: &Running) -> Vec<String> {
    let log = running.err();
    let lines = log.lines().filter(|line| line.contains("copied, not spliced"));
    lines.map(str::to_owned).collect()
}

async fn refused(call: &str) {
    let Some(python) = python() else { return };
    let (origin, next) = origin().await;
    let mut seen = 0;
    for settings in ["", "failover: {rounds: 0, join: raw}\n"] {
        let program = Program::serving(&yaml(&origin, settings)).file("filter.py", FILTER);
        let script = program.folder().join("filter.py");
        let under = [python.to_str().unwrap(), script.to_str().unwrap(), call];
        let running = program.under(&under).start();
        let at = running.ready().await;
        for case in Case::ALL {
            let way = if case.is_chunked() { "framed" } else { "watched" };
            assert_plays(case, &origin, &next, at, way).await;
            seen += 1;
        }
        let news = news(&running);
        assert_eq!(news.len(), 1, "{}", running.err());
        assert!(news[0].contains("INFO") && news[0].contains(call), "{news:?}");
        assert_eq!(running.stopped().await.code, Some(0));
    }
    assert_eq!(seen, 12);
}

#[tokio::test]
async fn where_splice_is_refused_bodies_are_copied() {
    refused("splice").await;
}

#[tokio::test]
async fn where_pipes_are_refused_bodies_are_copied() {
    refused("pipe2").await;
}

#[tokio::test]
async fn where_nothing_is_refused_nothing_is_said_of_it() {
    let (origin, next) = origin().await;
    let running = Program::serving(&yaml(&origin, "")).start();
    let at = running.ready().await;
    assert_plays(Case::Film, &origin, &next, at, "spliced").await;
    assert_eq!(news(&running), [] as [String; 0]);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn without_a_descriptor_for_a_pipe_bytes_are_copied() {
    const SIZE: u64 = 30 << 20;
    let (origin, next) = origin().await;
    // Two sockets for each viewer, and a crowd that takes all that is left.
    let running =
        Program::serving(&yaml(&origin, "")).under(&["prlimit", "--nofile=40:40"]).start();
    let at = running.ready().await;
    let gate = Gate::new();
    let mut viewers = Vec::new();
    for case in [Case::Film, Case::Radio, Case::Film] {
        next.send_replace((case, SIZE, gate.clone()));
        let request = presets::get_keep_alive("x", &format!("/stream/{}", name(case)));
        let (mut player, head) = Player::ask(at.stream, &request).await;
        assert_eq!(head.status, 200);
        case.content().assert_matches(0, &player.read_exact_body(case.lead()).await);
        viewers.push((case, player));
    }
    let listed = sessions(get(at.admin, "/api/v1/sessions").await.text());
    let ways: Vec<_> = listed.iter().map(|session| session["way"].as_str()).collect();
    assert_eq!(ways, [Some("spliced"); 3]);
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(Player::connect(at.admin).await);
    }
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    // A pipe takes two.
    eventually("no descriptor is left", || (descriptors() >= 39).then_some(())).await;
    let pipes = Open::of(&running).pipes;
    gate.open();
    for (case, player) in &mut viewers {
        let first = player.read_exact_body(4 << 20).await;
        case.content().assert_matches(case.lead() as u64, &first);
    }
    assert_eq!(Open::of(&running).pipes, pipes, "there was none to be had");
    for (case, player) in &mut viewers {
        let rest = player.read_to_end().await;
        assert!(rest.is_complete(), "{case:?}: {:?}", rest.ending);
        let at = case.lead() as u64 + (4 << 20);
        case.content().assert_matches(at, &rest.bytes);
        assert_eq!(rest.bytes.len() as u64, SIZE - (4 << 20));
    }
    drop(crowd);
    assert_eq!(running.stopped().await.code, Some(0));
}
