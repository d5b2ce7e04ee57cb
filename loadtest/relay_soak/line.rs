//! What there is to say every ten seconds, and in the end.

use std::fmt;
use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::admin;
use crate::failover::clients::judge::Faults;
use crate::process;
use crate::process::Cpu;
use crate::process::Proxy;

use super::Wish;
use super::readers::Manner;
use super::readers::Readers;
use super::readers::Seen;

/// Less than this share of what was due to those that read everything is too little.
const ENOUGH: f64 = 0.97;

/// A thread with more than this share of a processor was the bottleneck.
const BUSY: f64 = 0.90;

/// Everything that is counted, at one moment.
pub(super) struct Moment {
    at: Instant,
    cpu: Cpu,
    rss: f64,
    pss: f64,
    metrics: String,
    seen: Vec<Seen>,
    readers: f64,
    busy: f64,
    own: f64,
}

impl Moment {
    pub(super) fn now(
        process: &Proxy,
        admin: SocketAddr,
        readers: &Readers,
    ) -> Result<Self, String> {
        Ok(Self {
            at: Instant::now(),
            cpu: process.cpu(),
            rss: process.rss(),
            pss: process.pss(),
            metrics: admin::metrics(admin)?,
            seen: readers.take(),
            readers: readers.thread.cpu(),
            busy: process::machine_busy().0,
            own: process::own_cpu().total(),
        })
    }

    fn metric(&self, name: &str, label: &str) -> f64 {
        admin::sum(&self.metrics, name, label)
    }
}

/// Ten seconds.
#[derive(Debug)]
pub(super) struct Line {
    second: u64,
    /// CPU seconds of weir in each second.
    cpu: f64,
    /// Share that came of what was due to those that read everything.
    share: f64,
    /// KiB in the end.
    rss: f64,
    pss: f64,
    buffer: f64,
    /// What happened meanwhile: clients that skipped, that were dropped because they took nothing, and that
    /// were dropped because they were behind.
    skips: f64,
    drops: f64,
    too_slow: f64,
    /// Clients that came again, of those that read nothing or half.
    again: u64,
    /// Of those that read everything, in milliseconds.
    gap: f64,
    faults: Faults,
    /// Connections of those that read everything that ended.
    lost: u64,
    error: Option<String>,
    /// Of those that read half. Their times go on by what they skip.
    faults_slow: Faults,
    /// Share of a processor that this program's clients used.
    readers: f64,
    /// Share of the machine that neither weir nor this program used.
    others: f64,
}

impl Line {
    pub(super) fn between(began: Instant, from: &Moment, to: &Moment, wish: &Wish) -> Self {
        let seconds = (to.at - from.at).as_secs_f64();
        let cpu = to.cpu.since(from.cpu).total();
        let more = |name, label| to.metric(name, label) - from.metric(name, label);
        let of = |manner| to.seen.iter().filter(move |seen| seen.manner == manner);
        let sum = |manner| {
            let mut faults = Faults::default();
            of(manner).for_each(|seen| faults.add(&seen.faults));
            faults
        };
        let due = seconds * (wish.mbit * 125_000) as f64 * wish.clients as f64;
        let bytes: u64 = of(Manner::All).map(|seen| seen.bytes).sum();
        let ours = cpu + to.own - from.own;
        let processors = process::machine_busy().1;
        Self {
            second: (to.at - began).as_secs(),
            cpu: cpu / seconds,
            share: bytes as f64 / due.max(1.0),
            rss: to.rss,
            pss: to.pss,
            buffer: to.metric("weir_relay_buffer_bytes", "") / 1024.0,
            skips: more("weir_relay_skips_total", ""),
            drops: more("weir_sessions_total", "end=\"client_timeout\""),
            too_slow: more("weir_relay_dropped_total", ""),
            again: of(Manner::Nothing).chain(of(Manner::Half)).map(|seen| seen.lost).sum(),
            gap: of(Manner::All).map(|seen| seen.gap).max().unwrap_or(0) as f64 / 1e6,
            faults: sum(Manner::All),
            lost: of(Manner::All).map(|seen| seen.lost).sum(),
            error: of(Manner::All).find_map(|seen| seen.error.clone()),
            faults_slow: sum(Manner::Half),
            readers: (to.readers - from.readers) / seconds,
            others: ((to.busy - from.busy - ours) / seconds / processors).max(0.0),
        }
    }

    fn count(&self) -> u64 {
        self.faults.all().iter().sum()
    }

    /// What must not befall a client that skips either.
    fn count_slow(&self) -> u64 {
        let Faults { sync, continuity, psi, layout, .. } = self.faults_slow;
        sync + continuity + psi + layout
    }
}

/// What stands over the lines.
pub(super) fn head() -> &'static str {
    "second  CPU s/s  % of due  RSS MiB  PSS MiB  buffer MiB  skips  drops  too slow  again  gap ms  faults  of the slow  others %"
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6} {:>8.3} {:>9.1} {:>8.1} {:>8.1} {:>11.1} {:>6} {:>6} {:>9} {:>6} {:>7.1} {:>7} {:>12} {:>9.0}",
            self.second,
            self.cpu,
            self.share * 100.0,
            self.rss / 1024.0,
            self.pss / 1024.0,
            self.buffer / 1024.0,
            self.skips,
            self.drops,
            self.too_slow,
            self.again,
            self.gap,
            self.count(),
            self.count_slow(),
            self.others * 100.0
        )
    }
}

/// What should not have happened.
pub(super) fn doubts(lines: &[Line], bound: f64) -> Vec<String> {
    let mut doubts = Vec::new();
    let most = most(lines, |line| line.pss);
    if most > bound {
        let (most, bound) = (most / 1024.0, bound / 1024.0);
        doubts.push(format!("{most:.1} MiB of memory, and {bound:.1} MiB at most were expected"));
    }
    for line in lines {
        let second = line.second;
        if line.count() > 0 {
            doubts.push(format!("{second} s: a client that reads saw {:?}", line.faults));
        }
        if line.lost > 0 {
            let error = line.error.as_deref().unwrap_or_default();
            doubts.push(format!("{second} s: {} of them were disconnected: {error}", line.lost));
        }
        if line.count_slow() > 0 {
            doubts.push(format!("{second} s: a client that skips saw {:?}", line.faults_slow));
        }
        if line.readers > BUSY {
            doubts.push(format!("{second} s: the clients of this program were the bottleneck"));
        }
        if line.share < ENOUGH {
            doubts.push(format!("{second} s: {:.1} % came of what was due", line.share * 100.0));
        }
    }
    doubts
}

/// The figures of all lines in Markdown.
pub(super) fn summary(
    facts: &[(&'static str, String)],
    wish: &Wish,
    bound: f64,
    lines: &[Line],
) -> String {
    let mut text = String::new();
    for (name, value) in facts {
        writeln!(text, "- {name}: {value}").unwrap();
    }
    let sum = |read: fn(&Line) -> f64| lines.iter().map(read).sum::<f64>();
    let (mebi, count) = (1024.0, lines.len().max(1) as f64);
    let Wish { minutes, mbit, clients, stalled, slow, .. } = wish;
    writeln!(text, "- {minutes} minutes at {mbit} Mbit/s: {clients} clients that read, {stalled} that read nothing, {slow} that read half").unwrap();
    writeln!(
        text,
        "- PSS MiB: at most {:.1}, in the end {:.1}; the formula gives {:.1}",
        most(lines, |line| line.pss) / mebi,
        lines.last().map_or(0.0, |line| line.pss) / mebi,
        bound / mebi
    )
    .unwrap();
    writeln!(
        text,
        "- {:.0} skips, {:.0} drops; CPU {:.3} s/s; others used {:.0} % of the machine",
        sum(|line| line.skips),
        sum(|line| line.drops + line.too_slow),
        sum(|line| line.cpu) / count,
        sum(|line| line.others) / count * 100.0
    )
    .unwrap();
    writeln!(
        text,
        "- those that read: largest gap {:.1} ms, {:.0} faults, {:.0} disconnected, {:.2} % of what was due",
        most(lines, |line| line.gap),
        sum(|line| line.count() as f64),
        sum(|line| line.lost as f64),
        sum(|line| line.share) / count * 100.0
    )
    .unwrap();
    text
}

fn most(lines: &[Line], read: impl Fn(&Line) -> f64) -> f64 {
    lines.iter().map(read).fold(0.0, f64::max)
}

/// Everything; `memory` is what weir took at rest and at most, in KiB.
pub(super) fn json(
    facts: &[(&'static str, String)],
    wish: &Wish,
    memory: (f64, f64),
    lines: &[Line],
    doubts: &[String],
) -> Value {
    let facts: serde_json::Map<String, Value> =
        facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "machine": facts,
        "minutes": wish.minutes,
        "mbit_per_second": wish.mbit,
        "clients": wish.clients,
        "clients_stalled": wish.stalled,
        "clients_slow": wish.slow,
        "pss_at_rest_kib": memory.0,
        "pss_bound_kib": memory.1,
        "lines": lines.iter().map(|line| json!({
            "second": line.second,
            "cpu": line.cpu,
            "share_of_due": line.share,
            "rss_kib": line.rss,
            "pss_kib": line.pss,
            "buffer_kib": line.buffer,
            "skips": line.skips,
            "drops": line.drops,
            "too_slow": line.too_slow,
            "came_again": line.again,
            "gap_ms": line.gap,
            "faults": line.faults.all(),
            "lost": line.lost,
            "faults_slow": line.faults_slow.all(),
            "clients_share": line.readers,
            "others_share": line.others,
        })).collect::<Vec<_>>(),
        "fault_names": Faults::NAMES,
        "failures": doubts,
    })
}
