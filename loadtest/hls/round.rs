//! One measurement: one way, once.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::failover::figures::Quantiles;
use crate::failover::figures::quantiles;
use crate::process;
use crate::process::Cpu;

use super::Way;
use super::Wish;
use super::channel::TARGET;
use super::gateway::Gateway;
use super::players::Faults;
use super::players::Players;
use super::players::Seen;
use super::source::Source;

/// Target durations before it counts: the first during which the players begin, each with three
/// segments at once, and those in which that calms down.
const SETTLE: u32 = 4;

/// How often the proxy's memory is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A thread with more than this share of a processor was the bottleneck.
const BUSY: f64 = 0.90;

/// With more than this share of all processors in use nobody could have been in time.
const FULL: f64 = 0.95;

/// Less than this share of the segments that were due is too little.
const ENOUGH: f64 = 0.97;

/// What one measurement gave.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
    /// Milliseconds.
    pub(crate) playlists: Quantiles,
    pub(crate) segments: Quantiles,
    pub(crate) behind: Quantiles,
    /// Of segments, that reached the players.
    pub(crate) bytes: f64,
    /// Of the proxy; `None` where there is none.
    pub(crate) cpu: Option<Cpu>,
    /// MiB before the first player, and at most.
    pub(crate) rest: f64,
    pub(crate) peak: f64,
    /// What the source was asked for in each target duration.
    pub(crate) asked: Asked,
    /// Connections that the source accepted meanwhile, and before, since the players began.
    pub(crate) connections: u64,
    pub(crate) connections_before: u64,
    /// From the players' beginning on.
    pub(crate) faults: Faults,
    pub(crate) first_error: Option<String>,
    /// Shares of one processor.
    pub(crate) source: f64,
    pub(crate) players: f64,
    /// Shares of the machine: that was busy, and that neither the proxy nor this program used.
    pub(crate) busy: f64,
    pub(crate) others: f64,
    /// What makes the figures doubtful.
    pub(crate) marks: Vec<&'static str>,
}

/// Requests at the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) playlists: f64,
    pub(crate) segments: f64,
    /// In all, for what it does not have.
    pub(crate) missing: u64,
}

impl Round {
    pub(crate) fn requests(&self) -> f64 {
        (self.playlists.count + self.segments.count) as f64
    }

    /// CPU seconds of the proxy for each thousand requests.
    pub(crate) fn per_thousand(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.total() * 1e3 / self.requests().max(1.0))
    }

    /// CPU seconds of the proxy for each GB.
    pub(crate) fn per_gigabyte(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.total() * 1e9 / self.bytes.max(1.0))
    }
}

/// Everything that is counted, at one moment.
struct Moment {
    at: Instant,
    cpu: Option<Cpu>,
    bytes: u64,
    playlists: u64,
    segments: u64,
    missing: u64,
    connections: u64,
    source: f64,
    players: f64,
    busy: f64,
    own: f64,
}

impl Moment {
    fn now(gateway: Option<&Gateway>, source: &Source, players: &Players) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            at: Instant::now(),
            cpu: gateway.map(|gateway| gateway.process.cpu()),
            bytes: read(&players.tally.bytes),
            playlists: read(&source.tally.playlists),
            segments: read(&source.tally.segments),
            missing: read(&source.tally.missing),
            connections: read(&source.tally.connections),
            source: source.thread.cpu(),
            players: players.thread.cpu(),
            busy: process::machine_busy().0,
            own: process::own_cpu().total(),
        }
    }
}

/// Measures `way` once. The players of each round, `number`, begin at other moments.
pub(crate) fn measure(
    number: usize,
    way: Way,
    program: Option<&Path>,
    wish: &Wish,
    source: &Source,
    folder: &Path,
) -> Result<Round, String> {
    let start = |program| Gateway::start(way, program, folder, source.address, wish.clients);
    let mut gateway = program.map(start).transpose()?;
    std::thread::sleep(Duration::from_millis(200));
    let pss = |gateway: Option<&Gateway>| gateway.map_or(0.0, |own| own.process.pss() / 1024.0);
    let rest = pss(gateway.as_ref());
    let direct = format!("http://{}/live/index.m3u8", source.address);
    let playlist = gateway.as_ref().map_or(&direct, |gateway| &gateway.playlist);
    let connections = source.tally.connections.load(Ordering::Relaxed);
    let players = Players::start(playlist, wish.clients, &source.channel, number)
        .map_err(|error| error.to_string())?;
    let mut peak = rest;
    let mut wait = |until: Instant| {
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            std::thread::sleep(left.min(LOOK));
            peak = peak.max(pss(gateway.as_ref()));
        }
    };
    wait(Instant::now() + TARGET * SETTLE);
    let before = players.tally.take();
    let begin = Moment::now(gateway.as_ref(), source, &players);
    wait(begin.at + Duration::from_secs_f64(wish.seconds));
    let end = Moment::now(gateway.as_ref(), source, &players);
    let seen = players.tally.take();
    drop(players);
    if let Some(last) = gateway.as_mut().and_then(|gateway| gateway.process.ended()) {
        return Err(format!("it ended: {last}"));
    }
    let mut round = figures(&begin, &end, before, seen, wish.clients);
    (round.rest, round.peak) = (rest, peak);
    round.connections_before = begin.connections - connections;
    Ok(round)
}

fn figures(begin: &Moment, end: &Moment, before: Seen, seen: Seen, clients: usize) -> Round {
    let seconds = (end.at - begin.at).as_secs_f64();
    let targets = seconds / TARGET.as_secs_f64();
    let cpu = end.cpu.zip(begin.cpu).map(|(end, begin)| end.since(begin));
    let processors = process::machine_busy().1;
    let busy = (end.busy - begin.busy) / seconds / processors;
    let ours = cpu.map_or(0.0, Cpu::total) + end.own - begin.own;
    let mut faults = before.faults;
    faults.add(&seen.faults);
    let mut round = Round {
        seconds,
        playlists: quantiles(seen.playlists),
        segments: quantiles(seen.segments),
        behind: quantiles(seen.behind),
        bytes: (end.bytes - begin.bytes) as f64,
        cpu,
        rest: 0.0,
        peak: 0.0,
        asked: Asked {
            playlists: (end.playlists - begin.playlists) as f64 / targets,
            segments: (end.segments - begin.segments) as f64 / targets,
            missing: end.missing - begin.missing,
        },
        connections: end.connections - begin.connections,
        connections_before: 0,
        faults,
        first_error: before.first_error.or(seen.first_error),
        source: (end.source - begin.source) / seconds,
        players: (end.players - begin.players) / seconds,
        busy,
        others: (busy - ours / seconds / processors).max(0.0),
        marks: Vec::new(),
    };
    // A window that is no multiple of the target duration may hold one segment less.
    let due = targets.floor() * clients as f64;
    let is_short = (round.segments.count as f64) < due * ENOUGH;
    let marks = [
        (round.source > BUSY, "SOURCE WAS THE BOTTLENECK"),
        (round.players > BUSY, "PLAYERS WERE THE BOTTLENECK"),
        (is_short && busy > FULL, "MACHINE WAS FULL"),
        (is_short && busy <= FULL, "TOO LITTLE CAME"),
    ];
    round.marks = marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect();
    round
}
