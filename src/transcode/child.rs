//! One process: started without a shell in a group, a folder and an environment of its own, stopped
//! with everything it has started, and waited for in every case.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use tokio::process::ChildStderr;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time::timeout;

use crate::transcode::Lease;
use crate::transcode::exec;
use crate::transcode::spawner::Spawner;
use crate::transcode::spawner::Started;

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// What is to be started.
pub(super) struct Task {
    pub(super) helper: PathBuf,
    pub(super) terms: exec::Terms,
    /// Its environment, but for what its folder gives.
    pub(super) variables: Vec<(OsString, OsString)>,
    pub(super) lease: Arc<Lease>,
}

/// A process that exists. Dropping it kills its group; who is left is waited for elsewhere, and its
/// folder stays until then.
pub(super) struct Child {
    /// `None` only while it is dropped.
    started: Option<Started>,
    pid: u32,
    /// Its end has been seen, so its number may be another one's by now.
    has_ended: bool,
    spawner: Spawner,
    lease: Arc<Lease>,
}

/// The three pipes of a process.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Child {
    /// Starts a process. Cancel safe: one that nobody waits for is killed.
    pub(super) async fn start(spawner: &Spawner, task: Task) -> io::Result<(Self, Pipes)> {
        let folder = task.lease.sandbox.path();
        let mut command = Command::new(&task.helper);
        command
            .arg0("weir")
            .args(task.terms.arguments())
            .env_clear()
            .envs(task.variables)
            // Messages that this program looks for are the same everywhere.
            .env("LANG", "C")
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut started = spawner.spawn(command, Arc::clone(&task.lease)).await?;
        let child = &mut started.child;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take(), child.id());
        let mut own = Self {
            started: Some(started),
            pid: 0,
            has_ended: false,
            spawner: spawner.clone(),
            lease: task.lease,
        };
        let (Some(stdin), Some(stdout), Some(stderr), Some(pid)) = pipes else {
            return Err(io::Error::other("a process without its pipes"));
        };
        own.pid = pid;
        Ok((own, Pipes { stdin, stdout, stderr }))
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether its end has been seen, so that its number may be another one's.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Waits until it has ended, and ends what it may have started itself. Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(started) = &mut self.started else {
            return Err(io::Error::other("the process is gone"));
        };
        let status = started.child.wait().await?;
        if !std::mem::replace(&mut self.has_ended, true) {
            // The group lives for as long as one of it does; where none is left, nobody is met: numbers
            // are given out in turn, and this one was free an instant ago.
            signal_group(self.pid, Signal::KILL);
        }
        Ok(status)
    }

    /// Asks it to end, and kills it when it has not after 2 s. Its pipes should be closed by then.
    /// Cancel safe: dropping it kills it.
    pub(super) async fn stop(&mut self) -> io::Result<ExitStatus> {
        if !self.has_ended {
            signal_group(self.pid, Signal::TERM);
        }
        if let Ok(ended) = timeout(GRACE, self.wait()).await {
            return ended;
        }
        signal_group(self.pid, Signal::KILL);
        self.wait().await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(started) = self.started.take() else { return };
        if !self.has_ended {
            kill_group(&started.child);
            self.spawner.bury(started, Arc::clone(&self.lease));
        }
    }
}

/// Kills the group of a child that nobody has waited for.
pub(super) fn kill_group(child: &tokio::process::Child) {
    if let Some(pid) = child.id() {
        signal_group(pid, Signal::KILL);
    }
}

/// A group that is gone has got what it was to get.
fn signal_group(pid: u32, signal: Signal) {
    if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        _ = kill_process_group(group, signal);
    }
}
