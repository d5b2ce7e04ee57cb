//! One measurement: one contender with so many clients, once.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::SECOND;
use crate::failover::figures::Quantiles;
use crate::failover::figures::quantiles;
use crate::process;
use crate::process::Cpu;

use super::BITS;
use super::Through;
use super::Wish;
use super::contender::Contender;
use super::crowd::COMING;
use super::crowd::Crowd;
use super::crowd::Plan;
use super::crowd::Seen;
use super::origin::Origin;

/// How long it runs without clients: Icecast has its burst then, and weir its first picture group.
const REST: Duration = Duration::from_millis(1500);

/// How long it runs after the last client has come, before it counts.
const SETTLE: Duration = Duration::from_secs(2);

/// A thread with more than this share of a processor was the bottleneck.
const BUSY: f64 = 0.90;

/// With more than this share of all processors in use nobody could have been in time.
const FULL: f64 = 0.95;

/// Less than this share of what was due is too little.
const ENOUGH: f64 = 0.97;

/// What one measurement gave.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
    pub(crate) clients: usize,
    /// Milliseconds from before the connect to the first picture, and how old it was then.
    pub(crate) first: Quantiles,
    pub(crate) age: Quantiles,
    /// Of each client the longest time without a byte, in milliseconds.
    pub(crate) gaps: Quantiles,
    /// Bytes that came and that were due.
    pub(crate) bytes: f64,
    pub(crate) due: f64,
    pub(crate) cpu: Cpu,
    /// PSS in MiB before the first client, and in the end.
    pub(crate) rest: f64,
    pub(crate) end: f64,
    /// MiB of the stream that came into weir's buffer between the two.
    pub(crate) buffered: f64,
    /// Connections that ended, since the clients began to come.
    pub(crate) lost: u64,
    pub(crate) first_error: Option<String>,
    /// Connections at the origin, from the contender's start on.
    pub(crate) upstream: u64,
    /// Shares of one processor.
    pub(crate) origin: f64,
    pub(crate) crowd: f64,
    /// Shares of the machine: that was busy, and that neither the contender nor this program used.
    pub(crate) busy: f64,
    pub(crate) others: f64,
    pub(crate) marks: Vec<Mark>,
}

/// What there is to say about a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// This program's own threads were busy all the time.
    Crowd,
    Origin,
    /// Less came than was due, and no processor was idle.
    Full,
    /// Less came than was due although there was time: the contender does not keep up.
    Slow,
}

impl Mark {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Crowd => "CLIENTS WERE THE BOTTLENECK",
            Self::Origin => "ORIGIN WAS THE BOTTLENECK",
            Self::Full => "machine was full",
            Self::Slow => "does not keep up",
        }
    }
}

impl Round {
    /// CPU seconds of the contender for each GB that came.
    pub(crate) fn per_gigabyte(&self) -> f64 {
        self.cpu.total() * 1e9 / self.bytes.max(1.0)
    }

    /// KiB that each client adds, without what is kept of the stream for all of them.
    pub(crate) fn each(&self) -> f64 {
        (self.end - self.rest - self.buffered) * 1024.0 / self.clients as f64
    }

    /// Share of what was due that came.
    pub(crate) fn share(&self) -> f64 {
        self.bytes / self.due
    }

    pub(crate) fn gbits(&self) -> f64 {
        self.bytes * 8.0 / self.seconds / 1e9
    }
}

/// Everything that is counted, at one moment.
struct Moment {
    at: Instant,
    cpu: Cpu,
    origin: f64,
    crowd: f64,
    busy: f64,
    own: f64,
}

impl Moment {
    fn now(contender: &Contender, origin: &Origin, crowd: &Crowd) -> Self {
        Self {
            at: Instant::now(),
            cpu: contender.process.cpu(),
            origin: origin.cpu(),
            crowd: crowd.thread.cpu(),
            busy: process::machine_busy().0,
            own: process::own_cpu().total(),
        }
    }
}

/// Lets the clients come, and measures.
pub(crate) fn measure(
    mut contender: Contender,
    wish: &Wish,
    origin: &Origin,
    clients: usize,
) -> Result<Round, String> {
    std::thread::sleep(REST);
    let (rest, buffered) = (contender.process.pss() / 1024.0, contender.buffered());
    let of_segments = contender.through == Through::Nginx;
    let plan = Plan { to: contender.address, path: contender.path, of_segments, clients };
    let crowd = Crowd::start(plan).map_err(|error| error.to_string())?;
    std::thread::sleep(Duration::from_nanos(COMING) + SETTLE);
    let (from, came) = crowd.take();
    let begin = Moment::now(&contender, origin, &crowd);
    std::thread::sleep(Duration::from_secs_f64(wish.seconds));
    let (to, seen) = crowd.take();
    let end = Moment::now(&contender, origin, &crowd);
    let (at_the_end, more) = (contender.process.pss() / 1024.0, contender.buffered());
    drop(crowd);
    if let Some(last) = contender.process.ended() {
        return Err(format!("it ended: {last}"));
    }
    let mut round = figures(&begin, &end, &seen);
    let seconds = (to - from) as f64 / SECOND as f64;
    (round.seconds, round.due) = (seconds, seconds * (BITS / 8) as f64 * clients as f64);
    (round.rest, round.end) = (rest, at_the_end);
    round.buffered = (more - buffered) / f64::from(1 << 20);
    round.upstream = origin.take_connections();
    round.see(came.iter().chain(&seen), origin, of_segments);
    round.mark();
    Ok(round)
}

fn figures(begin: &Moment, end: &Moment, seen: &[Seen]) -> Round {
    let seconds = (end.at - begin.at).as_secs_f64();
    let cpu = end.cpu.since(begin.cpu);
    let processors = process::machine_busy().1;
    let busy = (end.busy - begin.busy) / seconds / processors;
    let ours = cpu.total() + end.own - begin.own;
    let gaps = seen.iter().map(|client| client.gap as f64 / 1e6).collect();
    Round {
        seconds,
        clients: seen.len(),
        first: Quantiles::default(),
        age: Quantiles::default(),
        gaps: quantiles(gaps),
        bytes: seen.iter().map(|client| client.bytes as f64).sum(),
        due: 0.0,
        cpu,
        rest: 0.0,
        end: 0.0,
        buffered: 0.0,
        lost: 0,
        first_error: None,
        upstream: 0,
        origin: (end.origin - begin.origin) / seconds,
        crowd: (end.crowd - begin.crowd) / seconds,
        busy,
        others: (busy - ours / seconds / processors).max(0.0),
        marks: Vec::new(),
    }
}

impl Round {
    /// What the clients saw from their beginning on.
    fn see<'s>(
        &mut self,
        seen: impl Iterator<Item = &'s Seen> + Clone,
        origin: &Origin,
        of_segments: bool,
    ) {
        let firsts = seen.clone().filter_map(|client| client.first);
        self.first = quantiles(firsts.clone().map(|first| first.after as f64 / 1e6).collect());
        let age = |first: super::crowd::First| origin.age(of_segments, first.clock, first.at);
        self.age = quantiles(firsts.map(age).collect());
        self.lost = seen.clone().map(|client| client.lost).sum();
        self.first_error = seen.clone().find_map(|client| client.error.clone());
    }

    fn mark(&mut self) {
        let is_short = self.share() < ENOUGH || self.first.count < self.clients;
        let marks = [
            (self.crowd > BUSY, Mark::Crowd),
            (self.origin > BUSY, Mark::Origin),
            (is_short && self.busy > FULL, Mark::Full),
            (is_short && self.busy <= FULL, Mark::Slow),
        ];
        self.marks = marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect();
    }
}
