//! Under systemd: notifications, the watchdog, and sockets that it bound.

use std::path::Path;

use rustix::process::Signal;
use tokio::net::UnixDatagram;

use super::ASK;
use super::ask_unix;
use super::channel;
use super::watch;
use crate::command_line::process::Folder;
use crate::command_line::process::Program;
use crate::command_line::process::free_port;
use crate::command_line::process::get;
use crate::command_line::process::metric;
use crate::support::eventually::eventually_async;
use crate::support::eventually::within;
use crate::support::origin::Origin;
use crate::support::player::Player;
use crate::support::ts::TsPattern;

/// The service manager's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    folder: Folder,
}

impl Manager {
    fn new() -> Self {
        let folder = Folder::new();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    fn address(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// The next notification that is more than a status, as its lines.
    async fn told(&self) -> Vec<String> {
        loop {
            let told = self.anything().await;
            if told.iter().any(|line| !line.starts_with("STATUS=")) {
                return told;
            }
        }
    }

    /// The next notification, as its lines.
    async fn anything(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length =
            within("a notification", self.socket.recv(&mut buffer)).await.expect("a datagram");
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Everything that has come and was not asked for, but statuses.
    fn rest(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.try_recv(&mut buffer) {
            lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        lines.retain(|line| !line.starts_with("STATUS="));
        lines
    }
}

fn value<'a>(lines: &'a [String], key: &str) -> &'a str {
    let found = lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {key} in {lines:?}"))
}

#[tokio::test]
async fn the_service_manager_hears_of_ready_reload_and_stop() {
    let manager = Manager::new();
    let (stream, admin) = (free_port(), free_port());
    let yaml = format!(
        "listen: {{stream: \"127.0.0.1:{stream}\", admin: \"127.0.0.1:{admin}\"}}\ndrain_timeout: 7s\n"
    );
    let running = Program::serving(&yaml).variable("NOTIFY_SOCKET", &manager.address()).start();

    let told = manager.told().await;
    assert_eq!(told[0], "READY=1", "{told:?}");
    assert!(!value(&told, "STATUS").is_empty());
    // At this very moment both listeners answer.
    for port in [stream, admin] {
        let answer = get(([127, 0, 0, 1], port).into(), "/health").await;
        assert_eq!(answer.status(), 200);
    }

    let before = monotonic_micros();
    running.signal(Signal::HUP);
    let told = manager.told().await;
    assert_eq!(told[0], "RELOADING=1");
    let at: u64 = value(&told, "MONOTONIC_USEC").parse().unwrap();
    assert!((before..=monotonic_micros()).contains(&at), "{at} is not between asking and now");
    assert_eq!(manager.told().await[0], "READY=1", "the end of the reload");

    // A reload that is refused has an end too.
    running.folder().write("config.yaml", "nonsense: 1\n");
    running.signal(Signal::HUP);
    assert_eq!(manager.told().await[0], "RELOADING=1");
    assert_eq!(manager.told().await[0], "READY=1", "the end of the refused reload");

    running.signal(Signal::TERM);
    let told = manager.told().await;
    assert_eq!(told[0], "STOPPING=1");
    let micros: u64 = value(&told, "EXTEND_TIMEOUT_USEC").parse().unwrap();
    assert!(micros >= 7_000_000, "the grace is longer than {micros} microseconds");
    assert_eq!(running.ended().await.code, Some(0));
    assert_eq!(manager.rest(), Vec::<String>::new(), "nobody asked for a watchdog");
}

#[tokio::test]
async fn the_watchdog_is_fed_while_the_program_serves_and_drains() {
    let manager = Manager::new();
    let origin = Origin::live(TsPattern::new(1)).await;
    let running = Program::serving(&channel(&origin))
        .variable("NOTIFY_SOCKET", &manager.address())
        .variable("WATCHDOG_USEC", "400000")
        .start();
    assert_eq!(manager.told().await[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.told().await, ["WATCHDOG=1"]);
    }
    let player = watch(&running).await;
    // `systemctl status` shows who watches.
    let watched =
        async { while !manager.anything().await.iter().any(|line| line.contains("1 session")) {} };
    within("a status with the session", watched).await;
    running.signal(Signal::TERM);
    while manager.told().await[0] != "STOPPING=1" {}
    for _ in 0..3 {
        assert_eq!(manager.told().await, ["WATCHDOG=1"], "a drain is no hang");
    }
    player.close();
    assert_eq!(running.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_watchdog_of_another_process_is_not_fed() {
    let manager = Manager::new();
    let running = Program::serving("")
        .variable("NOTIFY_SOCKET", &manager.address())
        .variable("WATCHDOG_USEC", "2000")
        .variable("WATCHDOG_PID", "1")
        .start();
    assert_eq!(manager.told().await[0], "READY=1");
    for _ in 0..3 {
        running.signal(Signal::HUP);
        assert_eq!(manager.told().await[0], "RELOADING=1");
        assert_eq!(manager.told().await[0], "READY=1");
    }
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_crowd_at_the_door_does_not_get_the_program_killed() {
    let manager = Manager::new();
    let origin = Origin::live(TsPattern::new(1)).await;
    let running = Program::serving(&format!("limits: {{clients: 1}}\n{}", channel(&origin)))
        .variable("NOTIFY_SOCKET", &manager.address())
        .variable("WATCHDOG_USEC", "1000000")
        .start();
    let mut player = watch(&running).await;
    let at = running.ready().await;
    // More than there are places and refusals, and none of them ever asks for anything.
    let mut crowd = Vec::new();
    for _ in 0..120 {
        crowd.push(Player::connect(at.stream).await);
    }
    eventually_async("not a place is left", async || {
        (metric(at.admin, "weir_connections{listener=\"stream\"}").await >= 66.0).then_some(())
    })
    .await;
    manager.rest();
    let fed = async {
        for _ in 0..3 {
            assert_eq!(manager.told().await, ["WATCHDOG=1"]);
        }
    };
    tokio::select! {
        biased;
        () = fed => {}
        _ = crowd[0].left() => panic!("the watchdog went hungry until the crowd began to leave"),
    }
    player.read_exact_body(188 * 100).await;
    player.close();
    drop(crowd);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_service_manager_that_is_not_there_is_no_failure() {
    let folder = Folder::new();
    let nowhere = folder.path().join("nowhere").display().to_string();
    let running = Program::serving("").variable("NOTIFY_SOCKET", &nowhere).start();
    let at = running.ready().await;
    assert_eq!(get(at.stream, "/health").await.status(), 200);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn sockets_of_the_service_manager_are_taken_by_their_names() {
    if !has("systemd-socket-activate") {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return;
    }
    let origin = Origin::live(TsPattern::new(1)).await;
    let (stream, admin) = (free_port(), free_port());
    let own = [free_port(), free_port()];
    let yaml = format!(
        "listen: {{stream: \"127.0.0.1:{}\", admin: \"127.0.0.1:{}\"}}\n{}",
        own[0],
        own[1],
        channel(&origin)
    );
    let listen = [format!("--listen=127.0.0.1:{admin}"), format!("--listen=127.0.0.1:{stream}")];
    let running = Program::serving(&yaml)
        .under(&["systemd-socket-activate", "--fdname=admin:stream", &listen[0], &listen[1]])
        .start();
    // The first connection starts the program, and waits in the socket until it is there.
    running.line(&format!("127.0.0.1:{stream}")).await;
    let (mut player, head) = Player::ask(([127, 0, 0, 1], stream).into(), ASK).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(188 * 100).await;
    let at = running.ready().await;
    assert_eq!((at.stream.port(), at.admin.port()), (stream, admin), "the log names what is used");
    assert_eq!(get(at.admin, "/readyz").await.status(), 200);
    assert_eq!(get(at.admin, "/stream/one").await.status(), 404, "no media on the admin socket");
    for port in own {
        let refused = Player::try_connect(([127, 0, 0, 1], port).into()).await.is_err();
        assert!(refused, "nothing else is bound");
    }
    player.close();
    origin.idle().await;
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_socket_of_the_service_manager_answers_both_where_one_address_is_for_both() {
    if !has("systemd-socket-activate") {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return;
    }
    let address = format!("127.0.0.1:{}", free_port());
    let yaml = format!("listen: {{stream: \"{address}\", admin: \"{address}\"}}\n");
    let listen = format!("--listen={address}");
    let running = Program::serving(&yaml)
        .under(&["systemd-socket-activate", "--fdname=stream", &listen])
        .start();
    running.line(&address).await;
    let mut seen = 0;
    for path in ["/health", "/playlist.m3u", "/readyz", "/metrics", "/api/status"] {
        assert_eq!(get(address.parse().unwrap(), path).await.status(), 200, "{path}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn an_admin_socket_that_others_reach_needs_a_token_whoever_bound_it() {
    if !has("systemd-socket-activate") {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return;
    }
    let port = free_port();
    let listen = format!("--listen=0.0.0.0:{port}");
    let running =
        Program::serving("").under(&["systemd-socket-activate", "--fdname=admin", &listen]).start();
    running.line(&format!("0.0.0.0:{port}")).await;
    // The connection that starts it.
    let _asking = Player::connect(([127, 0, 0, 1], port).into()).await;
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(ended.err.contains("access.admin_token"), "{}", ended.err);
}

#[tokio::test]
async fn a_nameless_unix_socket_of_the_service_manager_is_the_media_listener() {
    if !has("systemd-socket-activate") {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return;
    }
    let folder = Folder::new();
    let path = folder.path().join("media");
    let listen = format!("--listen={}", path.display());
    let running = Program::serving("").under(&["systemd-socket-activate", &listen]).start();
    let answer = eventually_async("an answer on the socket", async || ask_unix(&path).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let line = running.line("ready: ").await;
    assert!(line.contains(&path.display().to_string()), "{line}");
    assert_eq!(running.stopped().await.code, Some(0));
    assert!(path.exists(), "the socket is the service manager's to remove");
}

fn monotonic_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000 + u64::try_from(now.tv_nsec).unwrap() / 1_000
}

/// Whether a program of this name is in one of the usual folders.
fn has(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}
