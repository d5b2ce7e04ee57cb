//! The rules of a join: where the new source begins, what it may leave out, how its clock and
//! pictures go on.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Fault;
use super::Joined;
use super::Part;
use super::Rule;
use super::item::Item;
use super::item::Unit;
use super::origin::Origin;
use super::origin::Way;
use super::stream::Before;
use super::stream::CLOCK;
use super::stream::CLOCK_STEP;
use super::stream::FAR;
use super::stream::Stream;
use super::stream::distance;
use super::tables::Kind;
use super::tables::Tables;
use super::video;
use super::video::Entry;
use crate::support::ts::NULL_PID;
use crate::support::ts::TIMESTAMPS;

mod omitted;

/// PIDs below are reserved for tables (2.4.3.3, ETSI EN 300 468 5.1.3).
const RESERVED: u16 = 0x20;
/// 250 ms of 90 kHz: how far a stream may go on beyond the gap at a join.
const STREAM_STEP: i64 = 22_500;

/// Judges all joins of a stream.
pub(super) fn judge(
    joined: &Joined<'_>,
    stream: &Stream,
    origin: &Origin,
    faults: &mut Vec<Fault>,
) {
    for (number, way) in origin.parts.iter().enumerate() {
        let part = &joined.parts[number];
        let before = number.checked_sub(1).map(|seam| &stream.befores[seam]);
        let mut seam = Judge { part, stream, way, before, first_video: None, faults };
        if before.is_some() {
            seam.tables();
            seam.places();
            seam.first_picture();
            seam.late();
            seam.jump();
        }
        seam.missing();
        seam.unfinished();
    }
}

struct Judge<'a, 'b> {
    part: &'a Part<'a>,
    stream: &'a Stream,
    way: &'a Way,
    /// What was known before the join; None for the first source.
    before: Option<&'a Before>,
    /// PID and PTS of the first picture.
    first_video: Option<(u16, u64)>,
    faults: &'b mut Vec<Fault>,
}

impl Judge<'_, '_> {
    fn fault(&mut self, rule: Rule, item: usize, what: String) {
        let pid = self.stream.items.get(item).map_or(0, |item| item.pid);
        self.faults.push(Fault { rule, item, pid, what });
    }

    fn items(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.way.items.clone().map(|number| (number, &self.stream.items[number]))
    }

    /// PES packets of the output, with their PTS.
    fn units(&self) -> impl Iterator<Item = (usize, u16, Unit)> {
        self.items().filter_map(|(number, item)| Some((number, item.pid, item.unit?)))
    }

    /// The source's tables when it sent a packet.
    fn source_tables(&self, item: usize) -> &Tables {
        self.part.source.stream().announced_at(item)
    }

    /// A source with the streams of the one before needs no new tables.
    fn tables(&mut self) {
        let Some(before) = self.before else { return };
        let old = &self.stream.tables[before.tables];
        let Some(first) = self.way.sent.iter().position(Option::is_some) else { return };
        let source = self.source_tables(first);
        let alike = !old.layout().is_empty() && old.layout() == source.layout();
        let one = |tables: &Tables| tables.programmes().count() == 1;
        if !alike || !one(old) || !one(source) {
            return;
        }
        let items = &self.part.source.items();
        let as_at_first = |number: &usize| items[*number].tables == items[first].tables;
        let sent = (first..items.len()).take_while(as_at_first).filter_map(|n| self.way.sent[n]);
        let changed = sent.map(|(item, _)| item).find(|item| {
            let now = self.stream.tables_at(&self.stream.items[*item]);
            now.programmes().next() != old.programmes().next()
        });
        if let Some(item) = changed {
            self.fault(Rule::Layout, item, "new tables for the same streams".to_owned());
        }
    }

    /// What is on which PID, and how each PID begins.
    fn places(&mut self) {
        let mut begun = BTreeSet::new();
        let mut found = Vec::new();
        let taken: BTreeMap<usize, usize> = self
            .way
            .sent
            .iter()
            .enumerate()
            .filter_map(|(source, sent)| Some((sent.as_ref()?.0, source)))
            .collect();
        for (number, item) in self.items() {
            let tables = self.stream.tables_at(item);
            let (pid, kind) = (item.pid, tables.kind(item.pid));
            if tables.is_table(pid) || pid == NULL_PID || pid < RESERVED {
                continue;
            }
            let Some(source) = taken.get(&number) else { continue };
            let from = self.part.source.items()[*source].pid;
            let was = self.source_tables(*source).kind(from);
            if !fits(tables, kind.as_ref(), self.source_tables(*source), was.as_ref()) {
                let what = format!("listed as {kind:x?}, PID {from:#x} is listed as {was:x?}");
                found.push((Rule::Kind, number, what));
            }
            if kind.is_none() && was.is_some() && !tables.is_clock(pid) {
                found.push((Rule::Unlisted, number, format!("PID {from:#x} of the source")));
            }
            if kind.is_some() && item.has_payload && begun.insert(pid) && !item.start {
                found.push((Rule::Start, number, "the PID begins within a unit".to_owned()));
            }
        }
        found.into_iter().for_each(|(rule, item, what)| self.fault(rule, item, what));
    }

    /// The first picture decodes, and nothing comes before it.
    fn first_picture(&mut self) {
        let videos: BTreeSet<u16> = self
            .items()
            .filter(|(_, item)| item.has_payload && !item.scrambled)
            .filter(|(_, item)| self.stream.tables_at(item).is_video(item.pid))
            .map(|(_, item)| item.pid)
            .collect();
        // Of several programmes the first is the one that is joined.
        let tables = self.items().last().map(|(_, item)| self.stream.tables_at(item));
        let first = tables.and_then(|tables| {
            let streams = tables.programmes().flat_map(|programme| &programme.streams);
            streams.map(|stream| stream.pid).find(|pid| videos.contains(pid))
        });
        let Some(pid) = first else { return };
        let kind = tables.and_then(|tables| tables.stream(pid)).map_or(0, |stream| stream.kind);
        let pictures = self.access_units(pid);
        let Some((number, unit, bytes)) = pictures.first() else { return };
        if !self.part.settled {
            match video::entry(kind, bytes) {
                Entry::RandomAccess { .. } => {}
                // The end of the stream came before the picture.
                Entry::Nothing if pictures.len() == 1 => {}
                Entry::Nothing => {
                    self.fault(Rule::RandomAccess, *number, "no picture in it".to_owned());
                }
                Entry::Refused(what) => self.fault(Rule::RandomAccess, *number, what),
            }
        }
        let Some(start) = unit.pts else { return };
        self.first_video = Some((pid, start));
        let mut associated = true;
        for (index, (number, unit, bytes)) in pictures.iter().enumerate().skip(1) {
            associated &= !(kind == 0x24 && index > 0 && video::is_irap(bytes));
            if kind == 0x24 && associated && video::is_skipped_leading(bytes) {
                self.fault(Rule::Leading, *number, "RASL after the first picture".to_owned());
            }
            let early = |pts: &u64| !self.part.settled && distance(start, *pts, TIMESTAMPS) < 0;
            if let Some(pts) = unit.pts.filter(early) {
                let what = format!("PTS {pts} is before the first picture's {start}");
                self.fault(Rule::Leading, *number, what);
            }
        }
    }

    /// The PES packets of a PID: where they begin, header, elementary stream.
    fn access_units(&self, pid: u16) -> Vec<(usize, Unit, Vec<u8>)> {
        let mut units: Vec<(usize, Unit, Vec<u8>)> = Vec::new();
        for (number, item) in self.items().filter(|(_, item)| item.pid == pid) {
            // The identity of a payload is the payload, but for the stamps.
            let payload = &item.identity[item.payload..];
            if let Some(unit) = item.unit {
                let bytes = payload.get(unit.header..).unwrap_or(&[]).to_vec();
                units.push((number, unit, bytes));
            } else if let Some((_, _, bytes)) = units.last_mut().filter(|_| !item.start) {
                bytes.extend_from_slice(payload);
            }
        }
        units
    }

    /// Nothing is shown a second time.
    fn late(&mut self) {
        let Some(before) = self.before else { return };
        let late: Vec<_> = self
            .units()
            .filter_map(|(number, pid, unit)| {
                let (pts, highest) = (unit.pts?, *before.highest.get(&pid)?);
                let step = distance(highest, pts, TIMESTAMPS);
                let tables = self.stream.tables_at(&self.stream.items[number]);
                let exempt =
                    self.part.settled && tables.is_video(pid) || step < -FAR && tables.is_data(pid);
                (step <= 0 && !exempt)
                    .then(|| (number, format!("PTS {pts}, {step} after the highest before")))
            })
            .collect();
        late.into_iter().for_each(|(number, what)| self.fault(Rule::Late, number, what));
        let old = &self.stream.tables[before.tables];
        let shown =
            before.highest.iter().filter(|(pid, _)| old.is_video(**pid)).map(|(_, pts)| *pts);
        let highest = shown.reduce(|a, b| if distance(a, b, TIMESTAMPS) > 0 { b } else { a });
        if let Some(((pid, pts), highest)) = self.first_video.zip(highest)
            && distance(highest, pts, TIMESTAMPS) <= 0
        {
            let what = format!("first picture {pts} on PID {pid:#x}, after {highest} before");
            self.fault(Rule::Late, self.way.items.start, what);
        }
    }

    /// Time goes on as soon as it can.
    fn jump(&mut self) {
        let Some(before) = self.before else { return };
        let gap = (self.part.gap.as_nanos() * 27 / 1000) as i64;
        let clock = self.items().find_map(|(_, item)| {
            let clock = self.stream.tables_at(item).clock(item.pid)?;
            Some(distance(*before.clocks.get(&clock)?, item.pcr?, CLOCK))
        });
        // A clock that lags has no reason to step far.
        let lag = self
            .way
            .clock
            .zip(self.way.stamps)
            .map_or(0, |(clock, stamps)| distance(clock, stamps * 300 % CLOCK, CLOCK));
        let step = clock.unwrap_or(0);
        if lag < 0 || lag > 0 && step + lag <= CLOCK_STEP + gap + 300 {
            let what =
                format!("the clock lags by {} ms and steps by {}", lag / 27_000, step / 27_000);
            self.fault(Rule::Offset, self.way.items.start, what);
        }
        if step <= CLOCK_STEP + gap + 300 {
            return;
        }
        let mut steps = BTreeMap::new();
        for (_, pid, unit) in self.units() {
            if let Some((dts, last)) = unit.decoded().zip(before.decoded.get(&pid)) {
                steps.entry(pid).or_insert_with(|| distance(*last, dts, TIMESTAMPS));
            }
        }
        if steps.values().min().is_some_and(|step| *step > STREAM_STEP + gap / 300) {
            let what = format!("the PCR steps by {} ms, streams by {steps:x?}", step / 27_000);
            self.fault(Rule::Jump, self.way.items.start, what);
        }
    }
}

/// Whether a stream of the source may be where the output lists `listed`.
fn fits(to: &Tables, listed: Option<&Kind>, from: &Tables, was: Option<&Kind>) -> bool {
    let Some((listed, was)) = listed.zip(was) else { return listed == was };
    let has = |tables: &Tables, language: &[u8]| {
        tables.alike(was).iter().any(|kind| kind.language == language)
    };
    let same = listed.language == was.language;
    listed.decodes(was) && (same || !has(from, &listed.language) && !has(to, &was.language))
}
