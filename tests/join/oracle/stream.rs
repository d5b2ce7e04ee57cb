//! A stream read from its first byte to its last, with the rules that need nothing but the stream:
//! sync, continuity, tables, clocks, order of timestamps, lengths of PES packets.

use std::collections::BTreeMap;

use super::Fault;
use super::Rule;
use super::item::Item;
use super::origin::Feed;
use super::tables;
use super::tables::Tables;
use crate::support::ts::NULL_PID;
use crate::support::ts::PACKET;
use crate::support::ts::SYNC;
use crate::support::ts::TIMESTAMPS;
use crate::support::ts::check::continuity::Step;
use crate::support::ts::check::packet::Packet;
use units::PidState;

mod units;

/// Values of a PCR.
pub(crate) const CLOCK: u64 = TIMESTAMPS * 300;
/// 10 s of 90 kHz.
pub(crate) const FAR: i64 = 900_000;
/// Largest distance of two PCRs: 100 ms of 27 MHz (TR 101 290, 2.3b).
pub(crate) const CLOCK_STEP: i64 = 2_700_000;

/// A place where a source ended and the next began.
#[derive(Clone, Debug)]
pub(crate) struct Seam {
    /// Offset of the first byte that the join wrote.
    pub(crate) at: usize,
    /// Ticks of 27 MHz by which the clock may step beyond the usual.
    pub(crate) gap: i64,
    /// Nothing may be unfinished here.
    pub(crate) complete: bool,
    /// The packet that is cut here, if one is, was the copy of another: it cannot be made one.
    pub(crate) copy: bool,
}

/// What was known of a stream where a seam is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Index of the first packet after the seam.
    pub(crate) item: usize,
    /// Highest PTS by PID.
    pub(crate) highest: BTreeMap<u16, u64>,
    /// Last DTS by PID.
    pub(crate) decoded: BTreeMap<u16, u64>,
    /// From one DTS to the next by PID, 1 s at most: how long the last unit takes.
    pub(crate) steps: BTreeMap<u16, u64>,
    /// Last PCR of each clock.
    pub(crate) clocks: BTreeMap<u16, u64>,
    /// Tables in force.
    pub(crate) tables: usize,
}

/// A stream that was read.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) items: Vec<Item>,
    /// All states of the tables, the empty one first.
    pub(crate) tables: Vec<Tables>,
    pub(crate) befores: Vec<Before>,
    /// Where a verbatim part is out of step.
    pub(crate) junk: usize,
    pub(crate) faults: Vec<Fault>,
}

struct Reader<'a> {
    bytes: &'a [u8],
    seams: &'a [Seam],
    pids: BTreeMap<u16, PidState>,
    tables: tables::Reader,
    /// Last PCR of each clock, and whether it came since the last seam.
    clocks: BTreeMap<u16, (u64, bool)>,
    /// What is sent since the last seam is scrambled, some of it at least.
    scrambled: bool,
    read: Stream,
}

impl Stream {
    /// Reads `bytes`. Before the offset `loose` they may be out of step; from there on each packet
    /// begins where the last one ended.
    pub(crate) fn read(bytes: &[u8], loose: usize, seams: &[Seam]) -> Self {
        let read = Self {
            items: Vec::with_capacity(bytes.len() / PACKET),
            tables: vec![Tables::default()],
            befores: Vec::new(),
            junk: 0,
            faults: Vec::new(),
        };
        let mut reader = Reader {
            bytes,
            seams,
            pids: BTreeMap::new(),
            tables: tables::Reader::new(),
            clocks: BTreeMap::new(),
            scrambled: false,
            read,
        };
        reader.run(loose);
        reader.read
    }

    /// The tables in force at an item.
    pub(crate) fn tables_at(&self, item: &Item) -> &Tables {
        &self.tables[item.tables]
    }

    /// The tables when a packet was sent; what was sent before any belongs to the first ones.
    pub(crate) fn announced_at(&self, number: usize) -> &Tables {
        let known = &self.tables[self.items[number].tables..];
        known.iter().find(|tables| tables.programmes().next().is_some()).unwrap_or(&known[0])
    }

    /// The first of the packets before `end` whose PES header ends after it: who is to move its
    /// times has to wait for them, and what comes behind waits too. `end` if there is none.
    pub(crate) fn waits_at(&self, end: usize) -> usize {
        let mut open: BTreeMap<u16, usize> = BTreeMap::new();
        let payloads = self.items[..end].iter().enumerate().filter(|(_, item)| item.has_payload);
        for (number, item) in payloads.filter(|(_, item)| item.step != Step::Duplicate) {
            open.remove(&item.pid);
            if item.unit.is_some_and(|unit| PACKET - item.payload < unit.header) {
                open.insert(item.pid, number);
            }
        }
        open.into_values().min().unwrap_or(end)
    }

    /// What a packet belongs to.
    pub(crate) fn feed(&self, number: usize) -> Feed {
        let pid = self.items[number].pid;
        (pid, self.announced_at(number).kind(pid).map(|kind| kind.coding))
    }
}

impl Reader<'_> {
    fn run(&mut self, loose: usize) {
        let bytes = self.bytes;
        let mut at = 0;
        loop {
            while self.seams.get(self.read.befores.len()).is_some_and(|seam| seam.at <= at) {
                self.seam();
            }
            let Some(packet) = bytes.get(at..).and_then(|rest| rest.first_chunk::<PACKET>()) else {
                break;
            };
            if packet[0] == SYNC {
                self.packet(at, packet);
                at += PACKET;
                continue;
            }
            if at < loose {
                self.read.junk += 1;
            } else {
                self.fault(Rule::Sync, 0, format!("{:#04x} at byte {at}", packet[0]));
            }
            let in_step = |start: &usize| {
                *start == loose || (0..3).all(|n| bytes.get(start + n * PACKET) == Some(&SYNC))
            };
            let Some(next) = (at + 1..bytes.len()).find(in_step) else { return };
            at = next;
        }
        if at < bytes.len() {
            self.fault(
                Rule::Length,
                0,
                format!("{} bytes after the last packet", bytes.len() - at),
            );
        }
        while self.read.befores.len() < self.seams.len() {
            self.seam();
        }
        self.copies();
    }

    /// A copy has the identity of what it is a copy of.
    fn copies(&mut self) {
        let mut last: BTreeMap<u16, usize> = BTreeMap::new();
        for number in 0..self.read.items.len() {
            let item = &self.read.items[number];
            let before = last.insert(item.pid, number);
            if let Some(before) = before.filter(|_| item.step == Step::Duplicate) {
                self.read.items[number].identity = self.read.items[before].identity;
            }
        }
    }

    fn fault(&mut self, rule: Rule, pid: u16, what: String) {
        let item = self.read.items.len();
        self.read.faults.push(Fault { rule, item, pid, what });
    }

    /// A source has ended here.
    fn seam(&mut self) {
        let seam = &self.seams[self.read.befores.len()];
        if seam.complete {
            if let Some(pid) = self.tables.unfinished() {
                self.fault(Rule::Incomplete, pid, "a section is not finished".to_owned());
            }
            let open: Vec<_> =
                self.pids.iter().filter_map(|(pid, s)| Some((*pid, s.open?))).collect();
            for (pid, (_, announced, seen)) in open {
                if announced > 6 && announced != seen && self.tables.tables.is_pes_of_first(pid) {
                    let what = format!("a PES packet of {announced} bytes ends after {seen}");
                    self.fault(Rule::Incomplete, pid, what);
                }
            }
        }
        let stamps = |of: fn(&PidState) -> Option<u64>| {
            self.pids.iter().filter_map(|(pid, state)| Some((*pid, of(state)?))).collect()
        };
        let before = Before {
            item: self.read.items.len(),
            highest: stamps(|state| state.highest),
            decoded: stamps(|state| state.decoded),
            steps: stamps(|state| state.step),
            clocks: self.clocks.iter().map(|(clock, (pcr, _))| (*clock, *pcr)).collect(),
            tables: self.read.tables.len() - 1,
        };
        self.read.befores.push(before);
        self.clocks.values_mut().for_each(|(_, since)| *since = false);
        self.scrambled = false;
        for state in self.pids.values_mut() {
            (state.head, state.open) = (None, None);
        }
    }

    fn packet(&mut self, at: usize, bytes: &[u8; PACKET]) {
        let packet = Packet::read(bytes);
        let mut item = Item::new(at, &packet);
        let pid = item.pid;
        item.tables = self.read.tables.len() - 1;
        if let Some(what) = packet.malformed.filter(|_| !item.error) {
            self.fault(Rule::Malformed, pid, what.to_owned());
        }
        if item.error || pid == NULL_PID {
            return self.read.items.push(item);
        }
        self.scrambled |= item.scrambled;
        let mut state = self.pids.remove(&pid).unwrap_or_default();
        let clock = self.tables.tables.is_clock(pid);
        if let Some(what) = state.continuity.misuse(&packet, clock) {
            self.fault(Rule::Indicator, pid, what.to_owned());
        }
        item.step = state.continuity.step(&packet, clock);
        if self.seams.iter().any(|seam| seam.copy && cuts(seam, at)) {
            // What is cut in the middle of a copy has its header only; nobody takes it for more.
            item.step = Step::Duplicate;
        }
        if let Step::Broken { expected } = item.step {
            let what = format!("counter {} where {expected} was due", packet.counter);
            self.fault(Rule::Continuity, pid, what);
        }
        let broken = matches!(item.step, Step::Broken { .. } | Step::Jumped);
        if broken {
            state.head = None;
        }
        if item.step != Step::Duplicate {
            self.clock(&item);
            let index = self.read.items.len();
            let faults = &mut self.read.faults;
            let torn = self.seams.iter().any(|seam| cuts(seam, at));
            // What was cut within a table cannot be made right.
            let mut fault = |rule, what| {
                if !torn {
                    faults.push(Fault { rule, item: index, pid, what });
                }
            };
            if self.tables.push(&packet, broken, &mut fault) {
                item.tables = self.read.tables.len();
                self.read.tables.push(self.tables.tables.clone());
            }
        }
        if self.tables.tables.is_splice(pid) && !item.read_splice(&packet) {
            self.fault(Rule::Crc, pid, "splice information with a wrong CRC".to_owned());
        }
        let content = item.step != Step::Duplicate && !item.scrambled && item.has_payload;
        self.read.items.push(item);
        if content && !self.tables.tables.is_table(pid) {
            self.payload(&packet, &mut state);
        }
        self.pids.insert(pid, state);
    }

    /// 2.7.2: within a time base the PCR rises, by 100 ms at most.
    fn clock(&mut self, item: &Item) {
        let Some((pcr, clock)) = item.pcr.zip(self.tables.tables.clock(item.pid)) else { return };
        let last = self.clocks.insert(clock, (pcr, true));
        let Some((last, since)) = last else { return };
        let step = distance(last, pcr, CLOCK);
        let gap = match self.read.befores.len() {
            0 => 0,
            _ if since => 0,
            count => self.seams[count - 1].gap,
        };
        let ms = |ticks: i64| ticks as f64 / 27_000.0;
        if item.discontinuity && since {
            // The source's own new time base: its stamps begin anew.
            self.pids.values_mut().for_each(|state| (state.decoded, state.highest) = (None, None));
        } else if self.scrambled && item.discontinuity && !since {
            // Stamps that are scrambled cannot be moved, and the clock not without them.
        } else if step <= 0 {
            self.fault(Rule::Clock, item.pid, format!("PCR {pcr}, {} ms after {last}", ms(step)));
        } else if step > CLOCK_STEP + gap + 300 && !item.discontinuity {
            let what =
                format!("PCR {} ms after the last, unsignalled, gap {} ms", ms(step), ms(gap));
            self.fault(Rule::Clock, item.pid, what);
        }
    }
}

/// Whether the packet at an offset is cut there.
fn cuts(seam: &Seam, packet: usize) -> bool {
    (packet + 1..packet + PACKET).contains(&seam.at)
}

/// From one value of a counter modulo `modulus` to another, the short way round.
pub(crate) fn distance(from: u64, to: u64, modulus: u64) -> i64 {
    let ahead = (to + modulus - from) % modulus;
    if ahead < modulus / 2 { ahead as i64 } else { ahead as i64 - modulus as i64 }
}
