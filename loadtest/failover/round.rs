//! One round: every client's stream is broken off once, in one way, and what each of them saw.

use std::time::Duration;

use super::Kind;
use super::Spread;
use super::Start;
use super::Wish;
use super::clients::Clients;
use super::clients::Seen;
use super::clients::judge::Faults;
use super::counted::Counted;
use super::decode::Files;
use super::figures::millis;
use super::gateway::Gateway;
use super::source::Book;
use super::source::Source;
use crate::clock;
use crate::clock::SECOND;
use crate::process;
use crate::process::OwnThread;

/// Between the breaks of two clients, where they do not all break at once.
const APART: Duration = Duration::from_millis(20);

/// How long a round waits for the last client to go over, and goes on recording after that.
const AFTER: Duration = Duration::from_millis(4500);

/// From a switch to the next: longer than the 10 s after which weir takes a source for proven.
const SETTLE: Duration = Duration::from_millis(11_000);

/// After its join a client's pauses count for so long, in nanoseconds.
const TAIL: u64 = SECOND / 5;

/// Before `hedge_after` has passed, silence is no failure; weir's default.
pub(crate) const HEDGE_AFTER: f64 = 800.0;

/// What one round gave.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) kind: Kind,
    pub(crate) spread: Spread,
    /// Where the sources' streams begin.
    pub(crate) start: Start,
    pub(crate) switches: Vec<Switch>,
    pub(crate) faults: Faults,
    pub(crate) failed: usize,
    /// Clients that play from the source that was broken off, or from none.
    pub(crate) stayed: usize,
    /// Went over more than once.
    pub(crate) restless: usize,
    /// A manual switch that weir did not call one.
    pub(crate) refused: usize,
    pub(crate) counted: Counted,
    /// Share of the machine that was busy, and how much of it was neither weir's nor this
    /// program's.
    pub(crate) busy: f64,
    pub(crate) others: f64,
    /// The greatest share of a processor that one of this program's threads used.
    pub(crate) thread: f64,
    pub(crate) first_failure: Option<String>,
}

/// One client's switch, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switch {
    /// The longest pause between two reads from the break to the join.
    pub(crate) gap: f64,
    /// From the break (or the order) to the read with the next source's first picture.
    pub(crate) whole: f64,
    /// From the standby's connection to its first byte that can be joined, as the source saw it.
    pub(crate) own: f64,
    /// The step of the pictures' decoding time; 40 where nothing is missing.
    pub(crate) step: f64,
    pub(crate) torn_packet: bool,
    pub(crate) torn_picture: bool,
}

impl Switch {
    /// What the contract's 100 ms are for: without the silence before it counts as one, and without
    /// the standby's own time where there is no old stream to play meanwhile; after silence only
    /// where that time is a wait for the next picture group.
    pub(crate) fn judged(&self, kind: Kind, start: Start) -> f64 {
        match kind {
            Kind::Reset | Kind::Fin => self.gap - self.own,
            Kind::Silence if start == Start::Anywhere => self.gap - HEDGE_AFTER - self.own,
            Kind::Silence => self.gap - HEDGE_AFTER,
            Kind::Manual => self.gap,
        }
    }
}

/// Everything a round needs.
pub(crate) struct Stage<'s> {
    pub(crate) wish: &'s Wish,
    pub(crate) gateway: &'s Gateway,
    pub(crate) sources: &'s [Source; 2],
    pub(crate) clients: &'s Clients,
    pub(crate) files: &'s mut Files,
}

/// CPU seconds at one moment.
struct Busy {
    at: u64,
    machine: f64,
    ours: f64,
    threads: [f64; 3],
}

impl Stage<'_> {
    /// Waits until every client plays and has done so for long enough.
    pub(crate) fn settle(&self) {
        self.clients.renew();
        std::thread::sleep(SETTLE);
    }

    /// Breaks all streams off and watches.
    pub(crate) fn round(
        &mut self,
        number: usize,
        kind: Kind,
        spread: Spread,
    ) -> Result<Round, String> {
        for source in self.sources {
            source.take_book();
        }
        let before = Counted::read(&self.gateway.metrics()?);
        // Which source each of them plays from; what came while it settled counts as well.
        let seen = self.clients.take();
        let of = |source: usize| -> Vec<usize> {
            let clients = (0..).zip(&seen).filter(|(_, seen)| seen.source == Some(source));
            clients.map(|(client, _)| client).collect()
        };
        let groups = [of(0), of(1)];
        let mut faults = total(&seen);
        let began = self.busy();
        let (mut breaks, refused) = self.break_off(kind, spread, &groups)?;
        std::thread::sleep(AFTER);
        let (busy, others, thread) = self.share(&began);
        let after = self.clients.take();
        let counted = Counted::read(&self.gateway.metrics()?).since(&before);
        let books: Vec<Book> = self.sources.iter().map(Source::take_book).collect();
        for source in self.sources {
            source.accept(true);
        }
        breaks.extend(books.iter().flat_map(|book| {
            book.broken.iter().map(|broken| Break {
                client: broken.client,
                at: broken.at,
                packet: broken.torn.packet,
                picture: broken.torn.picture,
            })
        }));
        add(&mut faults, &total(&after));
        let of_client = |client: usize| {
            let from = seen.get(client)?.source?;
            let seen = after.get(client)?;
            let broken = breaks.iter().find(|broken| broken.client == client)?;
            switch(broken, 1 - from, seen, &books)
        };
        let moved = |client: &usize| of_client(*client).is_some();
        let switches: Vec<Switch> = (0..after.len()).filter_map(of_client).collect();
        let ended = |seen: &&Seen| seen.ended.is_some();
        let first = after.iter().find(ended).and_then(|seen| seen.ended.clone());
        self.record(number, kind, spread, &after, moved);
        Ok(Round {
            kind,
            spread,
            start: self.wish.start,
            faults,
            failed: after.iter().filter(ended).count(),
            stayed: self.wish.clients - switches.len(),
            restless: after.iter().filter(|seen| seen.joined.len() > 1).count(),
            refused: refused.len(),
            counted,
            busy,
            others,
            thread,
            first_failure: first.map(|(_, why)| why).or_else(|| refused.first().cloned()),
            switches,
        })
    }

    /// Breaks the streams of these clients off. By hand it says itself when that was.
    fn break_off(
        &self,
        kind: Kind,
        spread: Spread,
        groups: &[Vec<usize>; 2],
    ) -> Result<(Vec<Break>, Vec<String>), String> {
        let apart = if spread == Spread::Apart { APART } else { Duration::ZERO };
        let Some(cut) = kind.cut() else {
            let all: Vec<usize> = groups.iter().flatten().copied().collect();
            let told = self.gateway.switch(&all, apart)?;
            let by_hand = |(client, at)| Break { client, at, packet: false, picture: false };
            return Ok((told.at.into_iter().map(by_hand).collect(), told.refused));
        };
        // After a round in which some did not go over, both sources are needed.
        let together = groups.iter().any(Vec::is_empty);
        for (source, clients) in self.sources.iter().zip(groups) {
            if spread == Spread::AtOnce {
                // A server that is gone takes no new connections either.
                source.accept(clients.is_empty() || !together);
                source.cut(cut, clients.clone());
                continue;
            }
            for client in clients {
                source.cut(cut, vec![*client]);
                std::thread::sleep(APART);
            }
        }
        Ok((Vec::new(), Vec::new()))
    }

    /// Keeps what some of the clients got, others in each round.
    fn record(
        &mut self,
        number: usize,
        kind: Kind,
        spread: Spread,
        after: &[Seen],
        moved: impl Fn(&usize) -> bool,
    ) {
        let moved: Vec<usize> = (0..after.len()).filter(moved).collect();
        let wanted = self.wish.decode.min(moved.len());
        let begin = number * self.wish.decode;
        let sample = moved.iter().cycle().skip(begin).take(wanted);
        let join = |client: &usize| after.get(*client)?.joined.last().map(|join| join.position);
        let sample: Vec<_> = sample.map(|client| (*client, join(client))).collect();
        let parts = self.clients.save(sample);
        self.files.keep(Some((kind, spread)), parts);
    }

    fn busy(&self) -> Busy {
        let ours = self.gateway.process.cpu().total() + process::own_cpu().total();
        let [primary, backup] = self.sources;
        let threads = [&primary.thread, &backup.thread, &self.clients.thread];
        let threads = threads.map(OwnThread::cpu);
        Busy { at: clock::now(), machine: process::machine_busy().0, ours, threads }
    }

    /// What was busy since then: the machine, others on it, one of the threads here.
    fn share(&self, began: &Busy) -> (f64, f64, f64) {
        let now = self.busy();
        let seconds = (now.at - began.at) as f64 / 1e9;
        let all = seconds * process::machine_busy().1;
        let busy = (now.machine - began.machine) / all;
        let threads = now.threads.iter().zip(began.threads).map(|(now, began)| now - began);
        let thread = threads.fold(0.0, f64::max) / seconds;
        (busy, (busy - (now.ours - began.ours) / all).max(0.0), thread)
    }
}

/// A stream that was broken off, or told to go over.
struct Break {
    client: usize,
    at: u64,
    packet: bool,
    picture: bool,
}

fn switch(broken: &Break, to: usize, seen: &Seen, books: &[Book]) -> Option<Switch> {
    let joined = seen.joined.iter().find(|joined| joined.source == to && joined.at >= broken.at)?;
    let gaps = seen.pauses.iter().filter(|(end, pause)| {
        *end >= broken.at
            && end.saturating_sub(*pause) <= joined.at + TAIL
            && *end <= joined.at + TAIL
    });
    let opened = books.get(to)?.opened.iter().rfind(|opened| opened.client == broken.client)?;
    let millis = |nanoseconds: u64| millis(nanoseconds as i64);
    Some(Switch {
        gap: gaps.map(|(_, pause)| millis(*pause)).fold(0.0, f64::max),
        whole: millis(joined.at - broken.at),
        own: millis(opened.usable.saturating_sub(opened.accepted)),
        step: joined.step as f64 / 90.0,
        torn_packet: broken.packet,
        torn_picture: broken.picture,
    })
}

/// The longest pause of each client, of those that nothing happened to.
pub(crate) fn calm(seen: &[Seen]) -> Vec<f64> {
    let longest = |seen: &Seen| seen.pauses.iter().map(|(_, pause)| *pause).max().unwrap_or(0);
    seen.iter().map(|seen| millis(longest(seen) as i64)).collect()
}

/// All clients' faults.
pub(crate) fn total(seen: &[Seen]) -> Faults {
    let mut total = Faults::default();
    for seen in seen {
        add(&mut total, &seen.faults);
    }
    total
}

pub(crate) fn add(total: &mut Faults, faults: &Faults) {
    total.sync += faults.sync;
    total.continuity += faults.continuity;
    total.pcr += faults.pcr;
    total.dts += faults.dts;
    total.pts += faults.pts;
    total.psi += faults.psi;
    total.layout += faults.layout;
    total.announced += faults.announced;
    total.torn_tables += faults.torn_tables;
}
