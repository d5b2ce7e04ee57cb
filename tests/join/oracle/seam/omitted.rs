//! What a source sent and a client was not: the rules of what may be left out, and of how a source
//! that still runs is finished.

use std::collections::BTreeMap;

use super::Judge;
use super::RESERVED;
use crate::oracle::Rule;
use crate::oracle::item::Item;
use crate::oracle::stream::distance;
use crate::oracle::tables::Kind;
use crate::support::ts::NULL_PID;
use crate::support::ts::PACKET;
use crate::support::ts::TIMESTAMPS;
use crate::support::ts::check::continuity::Step;
use crate::support::ts::psi::Programme;

impl Judge<'_, '_> {
    /// What of the source is not in the output.
    pub(super) fn missing(&mut self) {
        let source = self.part.source.stream();
        // What was taken while the source ran; how its end is finished is another matter.
        let finish = self.part.finish.map_or(usize::MAX, |(at, _)| at);
        let taken = |sent: &Option<(usize, bool)>| {
            sent.is_some_and(|(item, _)| self.stream.items[item].at < finish)
        };
        let Some(first) = self.way.sent.iter().position(taken) else { return };
        let end = source.items.partition_point(|item| item.at + PACKET <= self.part.offered);
        // What waits when the source ends or is left has not begun for the client.
        let waits = if self.before.is_some() { source.waits_at(end) } else { end };
        let mut found = Vec::new();
        // By PID: the unit that is being left out or kept, and whether one was kept.
        let mut state: BTreeMap<u16, Fate> = BTreeMap::new();
        for (number, item) in source.items[..end].iter().enumerate() {
            let fate = state.entry(item.pid).or_default();
            let copy = item.step == Step::Duplicate;
            if item.start && item.has_payload && !copy {
                fate.may_go = number < first || number >= waits || self.may_go(item, fate);
                (fate.seen, fate.gone) = (false, false);
            }
            let sent = self.way.sent[number].is_some_and(|(_, whole)| whole);
            fate.kept |= sent && item.has_payload;
            if sent {
                if item.has_payload && fate.may_go && fate.gone {
                    found.push((number, "sent, the unit's beginning is not".to_owned()));
                }
                (fate.may_go, fate.seen, fate.gone) =
                    (fate.may_go && !item.has_payload, true, false);
                continue;
            }
            if number < first || !self.is_wanted(number) {
                continue;
            }
            if copy || (fate.may_go && !fate.seen) {
                fate.gone = true;
            } else if item.has_payload || item.pcr.is_some() {
                found.push((number, "not sent".to_owned()));
            }
        }
        let place = self.way.items.start;
        for (number, what) in found {
            let item = &source.items[number];
            let unit = source.items[..=number]
                .iter()
                .rev()
                .find(|other| other.pid == item.pid && other.start);
            let pts = unit.and_then(|item| item.unit).and_then(|unit| unit.pts);
            let moved = pts.map(|pts| (pts + self.way.stamps.unwrap_or(0)) % TIMESTAMPS);
            let what = format!(
                "packet {number} of the source, PID {:#x}: {what}; its PTS is {moved:?} in the output, on PID {:x?} of {:?}",
                item.pid,
                self.output_pids(item),
                self.before.map(|before| &before.highest)
            );
            self.fault(Rule::Missing, place, what);
        }
    }

    /// Whether a packet belongs to what is listed, tables and stuffing apart.
    fn is_wanted(&self, number: usize) -> bool {
        let item = &self.part.source.items()[number];
        let tables = self.source_tables(number);
        let table = tables.is_table(item.pid) || item.pid < RESERVED || item.pid == NULL_PID;
        // Of several programmes one is joined.
        let lists = |programme: &&Programme, pid: u16| {
            programme.pcr_pid == pid || programme.streams.iter().any(|stream| stream.pid == pid)
        };
        let mapped = |programme: &&Programme| {
            self.way.pids.keys().filter(|(pid, _)| lists(programme, *pid)).count()
        };
        let joined = tables.programmes().max_by_key(mapped).filter(|one| mapped(one) > 0);
        !table && !item.error && joined.is_some_and(|programme| lists(&programme, item.pid))
    }

    /// Whether the unit that begins with a packet of the source may be left out.
    fn may_go(&self, item: &Item, fate: &Fate) -> bool {
        if self.before.is_none() {
            return false;
        }
        let Some(pts) = item.unit.and_then(|unit| unit.pts) else { return !fate.kept };
        let now = (pts + self.way.stamps.unwrap_or(0)) % TIMESTAMPS;
        let ends = |pid: &u16| {
            let before = self.before?;
            Some(before.highest.get(pid)? + before.steps.get(pid).unwrap_or(&1))
        };
        let distance_to = |from: u64| distance(from % TIMESTAMPS, now, TIMESTAMPS);
        let pids = self.output_pids(item);
        let late = pids.iter().filter_map(ends).any(|end| distance_to(end) < 0);
        let leading = self
            .first_video
            .is_some_and(|(video, first)| pids.contains(&video) && distance_to(first) < 0);
        late || leading
    }

    /// The PID that a packet of the source goes to, or those that it may go to by its kind.
    fn output_pids(&self, item: &Item) -> Vec<u16> {
        let source = self.part.source.stream();
        let number = source.items.partition_point(|other| other.at < item.at);
        if let Some(pid) = self.way.pids.get(&source.feed(number)) {
            return vec![*pid];
        }
        let kind = self.source_tables(number).kind(item.pid);
        let last = self.items().last().map(|(_, item)| item.tables);
        let Some((before, last)) = self.before.zip(last) else { return vec![] };
        let listed = self.stream.tables[before.tables..=last].iter().flat_map(|tables| {
            let streams = tables.programmes().flat_map(|programme| &programme.streams);
            streams.map(|stream| (stream.pid, tables.kind(stream.pid)))
        });
        let decodes =
            |listed: Option<Kind>| listed.zip(kind.as_ref()).is_some_and(|(a, b)| a.decodes(b));
        listed.filter(|(_, kind)| decodes(kind.clone())).map(|(pid, _)| pid).collect()
    }

    /// A source that was finished has begun nothing that it did not end: on each PID of the first
    /// programme the packet that would have come next begins a unit.
    pub(super) fn unfinished(&mut self) {
        let Some((_, true)) = self.part.finish else { return };
        let source = self.part.source.stream();
        let mut last: BTreeMap<u16, usize> = BTreeMap::new();
        for (number, sent) in self.way.sent.iter().enumerate() {
            let item = &source.items[number];
            // Of a unit that is left out the clock may have been sent.
            if sent.is_some_and(|(_, whole)| whole) && item.has_payload {
                last.insert(item.pid, number);
            }
        }
        let mut found = Vec::new();
        for (pid, number) in last {
            let mut later = source.items[number + 1..].iter();
            let next = later
                .find(|item| item.pid == pid && item.has_payload && item.step != Step::Duplicate);
            let tables = source.tables_at(&source.items[number]);
            if tables.is_pes_of_first(pid) && next.is_some_and(|item| !item.start) {
                found.push(format!(
                    "PID {pid:#x} of the source ends at its packet {number}, within a PES packet"
                ));
            }
        }
        let end = self.way.items.end.saturating_sub(1);
        found.into_iter().for_each(|what| self.fault(Rule::Incomplete, end, what));
    }
}

/// What becomes of the unit that is open on a PID.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// It may be left out.
    may_go: bool,
    /// A packet of it was sent.
    seen: bool,
    /// A packet of it was left out.
    gone: bool,
    /// A packet with a payload was sent on the PID.
    kept: bool,
}

impl Default for Fate {
    /// A PID on which no unit has begun.
    fn default() -> Self {
        Self { may_go: true, seen: false, gone: false, kept: false }
    }
}
