//! One figure of the table: one proxy in one scenario, once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::origin::Origin;
use crate::probe;
use crate::probe::Added;
use crate::process;
use crate::process::Cpu;
use crate::process::Proxy;
use crate::proxies::Kind;
use crate::scenario::Per;
use crate::scenario::Scenario;
use crate::swarm::Manner;
use crate::swarm::Plan;
use crate::swarm::Swarm;

/// How long all clients may take until they have their answers.
const ANSWERS: Duration = Duration::from_secs(30);

/// How long a paced scenario runs before it counts.
const SETTLE: Duration = Duration::from_millis(1500);

/// A thread with more than this share of a processor was the bottleneck.
const BUSY: f64 = 0.90;

/// With more than this share of all processors in use nobody could have been in time.
const FULL: f64 = 0.95;

/// Less than this share of what was due is too little.
const ENOUGH: f64 = 0.97;

/// What one measurement gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// CPU in the scenario's unit: all of it, and its parts.
    pub(crate) cpu: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// MiB before the first client.
    pub(crate) rest: f64,
    /// KiB that each client adds.
    pub(crate) each: f64,
    pub(crate) gbits: f64,
    pub(crate) errors: u64,
    /// Zaps or ranges a second.
    pub(crate) done: f64,
    pub(crate) added: Option<Added>,
    /// Shares of one processor.
    pub(crate) origin: f64,
    pub(crate) swarm: f64,
    /// Share of the machine that neither the proxy nor this program used.
    pub(crate) others: f64,
    /// What makes the figures doubtful.
    pub(crate) marks: Vec<Mark>,
    pub(crate) first_error: Option<String>,
}

/// Why a figure is doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The origin's thread was busy all the time, or late although the machine had time left.
    Origin,
    /// The swarm's thread was.
    Swarm,
    /// The proxy took less than was due: the origin's sends were blocked.
    Proxy,
    /// Less came than was due and no processor was idle: too much for this machine.
    Full,
    /// Less came than was sent, and nobody says why.
    Short,
}

impl Mark {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Origin => "ORIGIN WAS THE BOTTLENECK",
            Self::Swarm => "SWARM WAS THE BOTTLENECK",
            Self::Proxy => "proxy too slow",
            Self::Full => "MACHINE WAS FULL",
            Self::Short => "TOO LITTLE CAME",
        }
    }
}

/// Everything that is counted, at one moment.
struct Moment {
    at: Instant,
    cpu: Cpu,
    bytes: u64,
    done: u64,
    origin: f64,
    swarm: f64,
    pushed_back: u64,
    late: u64,
    busy: f64,
    own: f64,
}

impl Moment {
    fn now(proxy: &Proxy, origin: &Origin, swarm: &Swarm) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            at: Instant::now(),
            cpu: proxy.cpu(),
            bytes: read(&swarm.tally.bytes),
            done: read(&swarm.tally.done),
            origin: origin.thread.cpu(),
            swarm: swarm.thread.cpu(),
            pushed_back: read(&origin.tally.pushed_back),
            late: read(&origin.tally.late),
            busy: process::machine_busy().0,
            own: process::own_cpu().total(),
        }
    }
}

/// Measures `kind` in `scenario` for so long.
pub(crate) fn measure(
    kind: Kind,
    program: &Path,
    scenario: &Scenario,
    origin: &Origin,
    folder: &Path,
    seconds: f64,
) -> Result<Figures, String> {
    quiet(origin);
    let (proxy, address) = kind.start(program, folder, origin.address, scenario)?;
    std::thread::sleep(Duration::from_millis(200));
    let rest = proxy.pss();
    let path = kind.path(scenario);
    let plan = Plan { to: address, path, clients: scenario.clients, manner: scenario.manner };
    let swarm = Swarm::start(plan.clone()).map_err(|error| error.to_string())?;
    settle(scenario, origin, &swarm);
    let begin = Moment::now(&proxy, origin, &swarm);
    let added = scenario.first_byte.then(|| {
        let direct = (origin.address, scenario.path());
        probe::added(&direct, &(address, plan.path.clone()))
    });
    let left = Duration::from_secs_f64(seconds).saturating_sub(begin.at.elapsed());
    std::thread::sleep(left);
    let end = Moment::now(&proxy, origin, &swarm);
    let mut figures = figures(scenario, &begin, &end);
    figures.rest = rest / 1024.0;
    figures.each = (proxy.pss() - rest) / scenario.clients as f64;
    figures.errors = swarm.tally.errors.load(Ordering::Relaxed);
    figures.first_error = swarm.tally.first_error.lock().unwrap().clone();
    if let Some(Err(error)) = &added {
        figures.errors += 1;
        figures.first_error.get_or_insert_with(|| format!("a zap: {error}"));
    }
    figures.added = added.and_then(Result::ok);
    Ok(figures)
}

/// Waits until nothing of the measurement before is left at the origin.
fn quiet(origin: &Origin) {
    let started = Instant::now();
    while origin.tally.open.load(Ordering::Relaxed) > 0 && started.elapsed() < ANSWERS {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until every client has its answer and the streams flow as they will.
pub(crate) fn settle(scenario: &Scenario, origin: &Origin, swarm: &Swarm) {
    let started = Instant::now();
    let heads = |swarm: &Swarm| {
        let tally = &swarm.tally;
        tally.heads.load(Ordering::Relaxed) + tally.errors.load(Ordering::Relaxed)
    };
    while heads(swarm) < scenario.clients as u64 && started.elapsed() < ANSWERS {
        std::thread::sleep(Duration::from_millis(10));
    }
    if scenario.manner != Manner::Stall {
        let fast = scenario.bits == 0;
        std::thread::sleep(if fast { SETTLE / 3 } else { SETTLE });
        return;
    }
    // Until every buffer on the way is full.
    let mut sent = 0;
    while started.elapsed() < ANSWERS {
        std::thread::sleep(Duration::from_millis(300));
        let now = origin.tally.sent.load(Ordering::Relaxed);
        if now == sent {
            return;
        }
        sent = now;
    }
}

fn figures(scenario: &Scenario, begin: &Moment, end: &Moment) -> Figures {
    let seconds = (end.at - begin.at).as_secs_f64();
    let cpu = end.cpu.since(begin.cpu);
    let (bytes, done) = ((end.bytes - begin.bytes) as f64, (end.done - begin.done) as f64);
    let share = match scenario.per {
        Per::Gigabyte => 1e9 / bytes.max(1.0),
        Per::Zap => 1e3 / done.max(1.0),
        Per::Second => 1.0 / seconds,
    };
    let processors = process::machine_busy().1;
    let busy = (end.busy - begin.busy) / seconds / processors;
    let ours = (cpu.total() + end.own - begin.own) / seconds / processors;
    let mut figures = Figures {
        cpu: cpu.total() * share,
        user: cpu.user * share,
        system: cpu.system * share,
        gbits: bytes * 8.0 / seconds / 1e9,
        done: done / seconds,
        origin: (end.origin - begin.origin) / seconds,
        swarm: (end.swarm - begin.swarm) / seconds,
        others: (busy - ours).max(0.0),
        ..Figures::default()
    };
    if figures.origin > BUSY {
        figures.marks.push(Mark::Origin);
    }
    if figures.swarm > BUSY {
        figures.marks.push(Mark::Swarm);
    }
    if scenario.due(seconds).is_some_and(|due| bytes < due * ENOUGH) {
        let pushed_back = end.pushed_back - begin.pushed_back;
        let late = end.late - begin.late;
        figures.marks.push(if pushed_back > late {
            Mark::Proxy
        } else if busy > FULL {
            Mark::Full
        } else if late > 0 {
            Mark::Origin
        } else {
            Mark::Short
        });
    }
    figures.marks.dedup();
    figures
}

/// Where a proxy listens and under which path, for the probe.
pub(crate) type Place = (SocketAddr, String);
