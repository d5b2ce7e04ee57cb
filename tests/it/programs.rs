//! Real programs on both sides of the gateway: nginx as a source, FFmpeg as source and player, curl,
//! and a browser that plays.
//!
//! A program that is not installed is skipped, loudly; with `WEIR_REQUIRE_PROGRAMS=1` it is missed.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ExitStatus;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::process::Command;

use crate::support::programs::programs;

pub(crate) mod browser;
mod curl;
mod demo;
pub(crate) mod ffmpeg;
pub(crate) mod nginx;

/// How long a program may run before its test fails; only met by a test that fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that serves for as long as this lives: dropping it ends it, by its process id, and
/// waits until it is gone.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it.
    pub(crate) fn start(command: &mut std::process::Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the program starts"))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("our own child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A folder for a test's files, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir-it-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder of our own");
        Self(path)
    }

    /// The path of something in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// A file for a program's output.
    pub(crate) fn file(&self, name: &str) -> File {
        File::create(self.join(name)).expect("a file in our own folder")
    }

    /// What stands in a file in it.
    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.join(name)).unwrap()).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A port that was free a moment ago, for programs that cannot pick one themselves.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a program to its end.
///
/// # Panics
/// If it does not end in time; it is killed then.
pub(crate) async fn run(command: &mut Command) -> Output {
    let what = format!("{:?}", command.as_std());
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, running).await;
    output.unwrap_or_else(|_| panic!("no end of {what}")).expect("the program starts")
}

/// Standard output of a program that succeeds without a word on standard error.
///
/// # Panics
/// With what it says there.
pub(crate) async fn run_clean(command: &mut Command) -> String {
    let what = format!("{:?}", command.as_std());
    let output = run(command).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{what}: {}\n{err}\n{out}", output.status);
    out
}

/// What a program has written, for a message.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
