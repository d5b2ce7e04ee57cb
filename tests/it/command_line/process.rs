//! The built program as a child process: a folder of its own, an environment that holds only what
//! the test puts there, and an end by its own pid when the test is over.

use std::fs;
use std::io::Read;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

use crate::support::eventually::eventually;
use crate::support::player::Answer;
use crate::support::player::Player;

/// What a program needs to find nothing of the machine's: loopback, and ports that the kernel picks.
pub(crate) const LISTEN: &str = "listen: {stream: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\n";

/// A folder that is gone when the test is.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// The program before it starts.
pub(crate) struct Program {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// A program and its arguments that end in executing ours.
    under: Vec<String>,
    folder: Folder,
}

/// The program while it runs. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    folder: Folder,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Where a running program is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) stream: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-it-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it stays in the system's own temporary folder.
        fs::remove_dir_all(&self.0).ok();
    }
}

impl Program {
    /// The program with these arguments, in an empty folder.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment: Vec::new(),
            under: Vec::new(),
            folder: Folder::new(),
        }
    }

    /// `weir serve` with this `config.yaml`; `listen` and `failover: {rounds: 0}` are added unless the
    /// text has its own.
    pub(crate) fn serving(yaml: &str) -> Self {
        Self::new(&["serve"]).file("config.yaml", &with_defaults(yaml))
    }

    /// Sets a variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a file into the working folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        self.folder.write(name, text);
        self
    }

    /// Starts it through another program that executes it.
    pub(crate) fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(ToString::to_string).collect();
        self
    }

    /// The working folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let mut line = self.under;
        line.push(env!("CARGO_BIN_EXE_weir").to_owned());
        line.extend(self.arguments);
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            .env_clear()
            .envs(self.environment)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&out)),
            collect(child.stderr.take().unwrap(), Arc::clone(&err)),
        ];
        Running { child, out, err, readers, folder: self.folder }
    }

    /// Runs it to its end.
    pub(crate) async fn run(self) -> Ended {
        self.start().ended().await
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The working folder.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Standard error so far.
    pub(crate) fn err(&self) -> String {
        text(&self.err)
    }

    /// Waits until standard error has a line that contains `part`; that line.
    pub(crate) async fn line(&self, part: &str) -> String {
        let what = format!("a line with {part:?} in the log");
        eventually(&what, || {
            let err = self.err();
            // The last piece may be the beginning of a line.
            let whole = err.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().find(|line| line.contains(part)).map(str::to_owned)
        })
        .await
    }

    /// Waits until it serves, and says where: the log names what was bound.
    pub(crate) async fn ready(&self) -> Addresses {
        let line = self.line("ready: ").await;
        Addresses {
            stream: address_after(&line, "stream").unwrap_or_else(|| panic!("no stream: {line}")),
            admin: address_after(&line, "admin").unwrap_or_else(|| panic!("no admin: {line}")),
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let child = &mut self.child;
        let status = eventually("the program ends", || child.try_wait().unwrap()).await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended { code: status.code(), out: text(&self.out), err: text(&self.err) }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stopped(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is waited for, so that its pid is free.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `GET target` on a connection of its own.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Answer {
    Player::get(address, target).await
}

/// The figure of one metric, labels included; 0 when it is absent.
pub(crate) async fn metric(admin: SocketAddr, name: &str) -> f64 {
    let answer = get(admin, "/metrics").await;
    assert_eq!(answer.status(), 200, "/metrics");
    let figure = answer
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(str::to_owned);
    figure.map_or(0.0, |figure| figure.parse().unwrap())
}

/// A port of 127.0.0.1 that nothing uses, from below those that the kernel gives out by itself, so
/// that no other socket gets it meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 6000).unwrap();
    for _ in 0..6000 {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 6000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// `yaml` with addresses to listen on, and without a second look at a source that has ended, unless
/// it speaks of these itself.
pub(crate) fn with_defaults(yaml: &str) -> String {
    let listen = if yaml.contains("listen:") { "" } else { LISTEN };
    let failover = if yaml.contains("failover:") { "" } else { "failover: {rounds: 0}\n" };
    format!("{listen}{failover}{yaml}")
}

/// The first `127.0.0.1:port` after the word `key`.
fn address_after(line: &str, key: &str) -> Option<SocketAddr> {
    // The text format may colour nothing here: standard error is no terminal.
    let (_, rest) = line.split_once(key)?;
    let from = rest.find("127.0.0.1:")?;
    let digits = rest[from..].split_once(':')?.1.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((Ipv4Addr::LOCALHOST, digits.parse().ok()?).into())
}

fn collect(
    mut from: impl Read + Send + 'static,
    into: Arc<Mutex<Vec<u8>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = from.read(&mut buffer)
            && count > 0
        {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
        }
    })
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
