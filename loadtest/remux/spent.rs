//! What a child process took, as the kernel tells when it has ended.

use std::io;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::process;
use crate::process::Cpu;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) cpu: Cpu,
    /// Largest resident and proportional set size in KiB. The second is 0 unless it was looked at.
    pub(crate) rss: f64,
    pub(crate) pss: f64,
}

/// Runs FFmpeg to its end. `looks` at its memory meanwhile.
pub(crate) fn ffmpeg(words: &[String], looks: bool) -> Result<Spent, String> {
    let mut command = Command::new("ffmpeg");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |error: io::Error| format!("ffmpeg: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let mut told = String::new();
    let mut stderr = child.stderr.take().ok_or("ffmpeg: no standard error")?;
    let pid = child.id();
    let ended = AtomicBool::new(!looks);
    let pss = thread::scope(|scope| {
        let looking = scope.spawn(|| greatest_pss(pid, &ended));
        let read = stderr.read_to_string(&mut told);
        ended.store(true, Ordering::Relaxed);
        read.map(|_| looking.join().unwrap())
    });
    let (status, spent) = wait(&child).map_err(failed)?;
    if !status.success() || !told.is_empty() {
        return Err(format!("ffmpeg: {status}\n{told}"));
    }
    Ok(Spent { pss: pss.map_err(failed)?, ..spent })
}

/// Runs a child that is this program to its end; also what it wrote.
pub(crate) fn own(arguments: &[String]) -> Result<(Spent, String), String> {
    let failed = |error: io::Error| error.to_string();
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut told = String::new();
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    stdout.read_to_string(&mut told).map_err(failed)?;
    let (status, spent) = wait(&child).map_err(failed)?;
    if !status.success() {
        return Err(format!("{}: {status}", arguments.join(" ")));
    }
    Ok((spent, told))
}

fn greatest_pss(pid: u32, ended: &AtomicBool) -> f64 {
    let mut most = 0.0;
    while !ended.load(Ordering::Relaxed) {
        most = process::memory(pid, "Pss:").map_or(most, |pss| pss.max(most));
        thread::sleep(LOOK);
    }
    most
}

/// Waits for the end of `child`, which nobody else has waited for.
#[expect(unsafe_code, reason = "no crate in the tree has wait4")]
fn wait(child: &Child) -> io::Result<(ExitStatus, Spent)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the types that the kernel writes.
    while unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu = Cpu { user: seconds(usage.ru_utime), system: seconds(usage.ru_stime) };
    let spent = Spent { cpu, rss: usage.ru_maxrss as f64, pss: 0.0 };
    Ok((ExitStatus::from_raw(status), spent))
}

/// How busy the machine was with other things.
pub(crate) struct Machine {
    at: Instant,
    busy: f64,
    own: f64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), busy: process::machine_busy().0, own: own_and_children() }
    }

    /// The share of all processors that neither this program nor its children used since.
    pub(crate) fn others(&self) -> f64 {
        let (busy, processors) = process::machine_busy();
        let foreign = (busy - self.busy) - (own_and_children() - self.own);
        (foreign / self.at.elapsed().as_secs_f64() / processors).max(0.0)
    }
}

fn own_and_children() -> f64 {
    let (own, children) = (process::own_cpu(), process::ended_children_cpu());
    own.total() + children.total()
}
