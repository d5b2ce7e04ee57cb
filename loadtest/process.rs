//! Child processes that end with this one, and what processes and threads cost, out of `/proc`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use rustix::process::set_parent_process_death_signal;
use tokio::time::Instant;

/// `/proc/PID/stat` counts in hundredths of a second on every architecture Linux has left.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a proxy may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// CPU seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }
}

/// A proxy under measurement; it ends when this value does, and when this program does.
pub(crate) struct Proxy {
    child: Child,
    log: PathBuf,
}

impl Proxy {
    /// Starts `program` in `folder`; what it says goes to a file there.
    pub(crate) fn start(program: &Path, arguments: &[OsString], folder: &Path) -> io::Result<Self> {
        let log = folder.join("output");
        let output = fs::File::create(&log)?;
        // This program runs again and becomes the proxy: it asks the kernel before that to be
        // ended with its parent, which a parent that is killed could not do for it.
        let child = Command::new(std::env::current_exe()?)
            .arg("become")
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Whether it has ended, and what it said last.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("{status}\n{}", fs::read_to_string(&self.log).unwrap_or_default()))
    }

    /// CPU time so far, of its children too.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut sum = Cpu::default();
        for pid in self.family() {
            let Some((user, system)) = stat(pid) else { continue };
            sum.user += user;
            sum.system += system;
        }
        sum
    }

    /// Proportional set size in KiB, of its children too.
    pub(crate) fn pss(&self) -> f64 {
        self.family().into_iter().filter_map(|pid| memory(pid, "Pss:")).sum()
    }

    /// Resident set size in KiB, of its children too.
    pub(crate) fn rss(&self) -> f64 {
        self.family().into_iter().filter_map(|pid| memory(pid, "Rss:")).sum()
    }

    fn family(&self) -> Vec<u32> {
        let own = self.child.id();
        let mut family = vec![own];
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            family.extend(pid.filter(|pid| parent(*pid) == Some(own)));
        }
        family
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let family = self.family();
        signal(self.child.id(), Signal::TERM);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Children first: after their parent's end they would belong to another.
        for pid in family.into_iter().rev() {
            signal(pid, Signal::KILL);
        }
        if let Err(error) = self.child.wait() {
            eprintln!("waiting for a proxy's end: {error}");
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    // A process that is gone already is what was wanted.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}

/// Becomes another program that ends with its parent; returns only if it cannot.
pub(crate) fn become_program(program: &str, arguments: impl Iterator<Item = String>) -> io::Error {
    // TERM, so that nginx ends its workers too.
    match set_parent_process_death_signal(Some(Signal::TERM)) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error.into(),
    }
}

/// CPU time of this program so far.
pub(crate) fn own_cpu() -> Cpu {
    let (user, system) = stat(std::process::id()).unwrap_or_default();
    Cpu { user, system }
}

/// CPU time of the children of this program that have ended and were waited for.
pub(crate) fn ended_children_cpu() -> Cpu {
    let fields = stat_fields(std::process::id()).unwrap_or_default();
    let seconds = |field: usize| {
        let ticks = fields.get(field).and_then(|field| field.parse::<f64>().ok());
        ticks.unwrap_or_default() / TICKS_PER_SECOND
    };
    Cpu { user: seconds(13), system: seconds(14) }
}

/// A thread of this program, whose CPU time others want to know.
#[derive(Clone, Debug)]
pub(crate) struct OwnThread(PathBuf);

impl OwnThread {
    pub(crate) fn this() -> Self {
        let link = fs::read_link("/proc/thread-self").unwrap();
        Self(Path::new("/proc").join(link).join("schedstat"))
    }

    /// CPU seconds so far; 0 when the thread has ended.
    pub(crate) fn cpu(&self) -> f64 {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let nanoseconds = text.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
        nanoseconds.unwrap_or(0.0) / 1e9
    }
}

/// Seconds all processors were busy so far, and how many processors there are.
pub(crate) fn machine_busy() -> (f64, f64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let processors = text.lines().filter(|line| line.starts_with("cpu")).count() - 1;
    let fields: Vec<f64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; guests are counted in user already.
    let busy: f64 = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|field| fields.get(field)).sum();
    (busy / TICKS_PER_SECOND, processors as f64)
}

/// The fields of `/proc/PID/stat` behind the name, which may itself contain anything.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

fn parent(pid: u32) -> Option<u32> {
    stat_fields(pid)?.get(1)?.parse().ok()
}

fn stat(pid: u32) -> Option<(f64, f64)> {
    let fields = stat_fields(pid)?;
    let seconds = |field: usize| -> Option<f64> {
        Some(fields.get(field)?.parse::<f64>().ok()? / TICKS_PER_SECOND)
    };
    Some((seconds(11)?, seconds(12)?))
}

/// A figure of `/proc/PID/smaps_rollup` in KiB, as `Pss:`.
pub(crate) fn memory(pid: u32, figure: &str) -> Option<f64> {
    kib(&format!("/proc/{pid}/smaps_rollup"), figure)
}

/// Largest resident set size so far in KiB.
pub(crate) fn peak(pid: u32) -> Option<f64> {
    kib(&format!("/proc/{pid}/status"), "VmHWM:")
}

fn kib(file: &str, figure: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(figure))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
