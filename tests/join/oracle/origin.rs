//! Which packet of which source each packet of the output was made of. Within a part the output is
//! followed from its end to its beginning, since a standby's end is never left out: two packets that
//! are alike, null packets for one, cannot be taken for one another so.

use std::collections::BTreeMap;

use super::Fault;
use super::Joined;
use super::Part;
use super::Rule;
use super::item::Item;
use super::stream::CLOCK;
use super::stream::Stream;
use crate::support::ts::NULL_PID;
use crate::support::ts::PACKET;
use crate::support::ts::TIMESTAMPS;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// For each packet of the output: part, packet of its source.
    items: Vec<Option<(usize, usize)>>,
    /// For each part.
    pub(crate) parts: Vec<Way>,
}

/// A PID of a source, and the coding of what it is listed as: another one may go elsewhere.
pub(crate) type Feed = (u16, Option<u8>);

/// How a source came into the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// Packets of the output that are this part's, a torn one at its end included.
    pub(crate) items: std::ops::Range<usize>,
    /// Stream of the source, PID of the output.
    pub(crate) pids: BTreeMap<Feed, u16>,
    /// By how much the clock is moved, in ticks of 27 MHz.
    pub(crate) clock: Option<u64>,
    /// By how much PTS and DTS are moved, in ticks of 90 kHz.
    pub(crate) stamps: Option<u64>,
    /// For each packet of the source: the one of the output, and whether it has its payload.
    pub(crate) sent: Vec<Option<(usize, bool)>>,
}

impl Origin {
    /// The source's packet of a packet of the output: part and number.
    pub(crate) fn of(&self, item: usize) -> Option<(usize, usize)> {
        *self.items.get(item)?
    }

    /// Finds them.
    pub(crate) fn find(joined: &Joined<'_>, stream: &Stream, faults: &mut Vec<Fault>) -> Self {
        let mut origin = Self { items: vec![None; stream.items.len()], parts: Vec::new() };
        let starts: Vec<usize> = stream.befores.iter().map(|before| before.item).collect();
        for (number, part) in joined.parts.iter().enumerate() {
            let from = if number == 0 { 0 } else { starts[number - 1] };
            let to = starts.get(number).copied().unwrap_or(stream.items.len());
            let sent = vec![None; part.source.items().len()];
            let way = Way { items: from..to, sent, ..Way::default() };
            let mut search = Search { part, stream, way, from: number == 0, faults };
            search.run();
            let way = search.way;
            for (item, sent) in way.sent.iter().enumerate() {
                if let Some((output, _)) = sent {
                    origin.items[*output] = Some((number, item));
                }
            }
            origin.parts.push(way);
        }
        origin
    }
}

struct Search<'a, 'b> {
    part: &'a Part<'a>,
    stream: &'a Stream,
    way: Way,
    /// The first part, whose PIDs and clocks are its own.
    from: bool,
    faults: &'b mut Vec<Fault>,
}

impl Search<'_, '_> {
    fn run(&mut self) {
        let source = self.part.source.items();
        let (mut before, range) = (source.len(), self.way.items.clone());
        let finish = self.part.finish.map_or(usize::MAX, |(at, _)| at);
        // The last packet that was offered whole.
        before = before.min(source.partition_point(|item| item.at + PACKET <= self.part.offered));
        let main = range.clone().filter(|item| self.stream.items[*item].at + PACKET <= finish);
        if self.from {
            // Verbatim: the same bytes at the same place.
            let items =
                main.clone().filter(|n| self.stream.items[*n].at + PACKET <= self.part.offered);
            for item in items {
                let at = self.stream.items[item].at;
                if let Ok(found) = source.binary_search_by_key(&at, |item| item.at) {
                    self.take(item, found, true);
                }
            }
        } else {
            self.backwards(main.clone().collect(), before);
        }
        if finish < usize::MAX {
            let rest = range.filter(|item| self.stream.items[*item].at + PACKET > finish);
            let waits = self.part.source.stream().waits_at(before);
            self.forwards(rest.collect(), waits);
        }
    }

    /// Whether a packet of the output need not be the source's: its tables are made anew.
    fn is_table(&self, item: &Item) -> bool {
        self.stream.tables_at(item).is_table(item.pid)
    }

    fn backwards(&mut self, items: Vec<usize>, end: usize) {
        let mut end = end;
        for item in items.into_iter().rev() {
            let output = &self.stream.items[item];
            if !self.from && self.is_table(output) {
                continue;
            }
            let found = (0..end).rev().find_map(|at| Some((at, self.equal(output, at)?)));
            match found {
                Some((at, whole)) => {
                    self.take(item, at, whole);
                    end = at;
                }
                None => self.foreign(item),
            }
        }
    }

    fn forwards(&mut self, items: Vec<usize>, start: usize) {
        let mut start = start;
        let end = self.part.source.items().len();
        for item in items {
            let output = &self.stream.items[item];
            if !self.from && self.is_table(output) {
                continue;
            }
            match (start..end).find_map(|at| Some((at, self.equal(output, at)?))) {
                Some((at, whole)) => {
                    self.take(item, at, whole);
                    start = at + 1;
                }
                None => self.foreign(item),
            }
        }
    }

    /// Whether a packet of the output is that one of the source, and whether with its payload.
    fn equal(&self, output: &Item, at: usize) -> Option<bool> {
        let source = &self.part.source.items()[at];
        let mapped = self.way.pids.get(&self.part.source.stream().feed(at));
        let others = || self.way.pids.iter().filter(|((from, _), _)| *from != source.pid);
        let free = || self.from || !others().any(|(_, pid)| *pid == output.pid);
        let fits = match mapped {
            Some(pid) => *pid == output.pid,
            None => (source.pid == NULL_PID) == (output.pid == NULL_PID) && free(),
        };
        if !fits {
            return None;
        }
        let moved_alike = || {
            let (pcr, of) = output.pcr.zip(source.pcr)?;
            Some(self.way.clock.is_none_or(|clock| clock == (pcr + CLOCK - of) % CLOCK))
        };
        if output.identity == source.identity {
            // Packets that hold nothing but their PCR are told apart by it.
            let told = output.has_payload || output.pcr.is_none() || moved_alike() == Some(true);
            return told.then_some(true);
        }
        let clock_alone = !output.has_payload && source.has_payload;
        (clock_alone && moved_alike()?).then_some(false)
    }

    fn take(&mut self, item: usize, at: usize, whole: bool) {
        let (output, source) = (&self.stream.items[item], &self.part.source.items()[at]);
        self.way.sent[at] = Some((item, whole));
        self.way.pids.insert(self.part.source.stream().feed(at), output.pid);
        if self.from {
            // Verbatim; but a PES header that a cut tears is completed with what is due.
            return;
        }
        let between = |to: Option<u64>, from: Option<u64>, modulus: u64| {
            Some((to? + modulus - from?) % modulus)
        };
        let mut moved = vec![];
        // On other PIDs than the PCR_PID a PCR means nothing.
        let is_clock = self.part.source.stream().tables.iter().any(|t| t.is_clock(source.pid));
        if let Some(by) = between(output.pcr, source.pcr, CLOCK).filter(|_| is_clock) {
            moved.push(("PCR", by, *self.way.clock.get_or_insert(by)));
        }
        // 2.4.3.5: the OPCR is not to be changed by anybody, so it may stay.
        if let Some(by) = between(output.opcr, source.opcr, CLOCK).filter(|by| *by != 0) {
            moved.push(("OPCR", by, *self.way.clock.get_or_insert(by)));
        }
        if let Some((to, from)) = output.unit.zip(source.unit) {
            for (what, to, from) in [("PTS", to.pts, from.pts), ("DTS", to.dts, from.dts)] {
                if let Some(by) = between(to, from, TIMESTAMPS) {
                    moved.push((what, by, *self.way.stamps.get_or_insert(by)));
                }
            }
        }
        if let Some(by) = between(output.splice, source.splice, TIMESTAMPS) {
            moved.push(("pts_adjustment", by, *self.way.stamps.get_or_insert(by)));
        }
        for (what, by, others) in moved.into_iter().filter(|(_, by, others)| by != others) {
            let what = format!("{what} is moved by {by}, others by {others}");
            self.faults.push(Fault { rule: Rule::Offset, item, pid: output.pid, what });
        }
    }

    fn foreign(&mut self, item: usize) {
        let output = &self.stream.items[item];
        let alike = |source: &&Item| source.identity == output.identity;
        let elsewhere: Vec<String> = self
            .part
            .source
            .items()
            .iter()
            .enumerate()
            .filter(|(_, source)| alike(source))
            .take(3)
            .map(|(at, source)| format!("{at} on PID {:#x}", source.pid))
            .collect();
        let rule = if elsewhere.is_empty() { Rule::Foreign } else { Rule::Map };
        let what = format!("no packet of the source in its place; it has {elsewhere:?}");
        self.faults.push(Fault { rule, item, pid: output.pid, what });
    }
}
