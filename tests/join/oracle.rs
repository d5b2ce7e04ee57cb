//! The judge of a joined stream. It reads what a client was sent and what the sources had sent, and
//! knows nothing of how the one was made of the others.
//!
//! A source may break a rule by itself. What it does wrong at one of its own packets is no fault of
//! the join at the packet that was made of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::support::ts::check::continuity::Step;
use item::Item;
use origin::Origin;
use stream::Seam;
use stream::Stream;

pub(crate) mod item;
mod origin;
mod seam;
pub(crate) mod stream;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod video;

/// What a joined stream has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// The bytes before the cut are the first source's, every one of them.
    Prefix,
    /// The stream ends with a whole packet.
    Length,
    /// Each packet begins with the sync byte (2.4.3.2).
    Sync,
    /// Fields of a packet that contradict the standard.
    Malformed,
    /// continuity_counter (2.4.3.3), one exact copy of a packet being allowed; a copy that is cut
    /// need not be exact.
    Continuity,
    /// discontinuity_indicator as 2.4.3.5 wants it.
    Indicator,
    /// A PAT or PMT has a wrong CRC or contradicts itself, unless it was open at a cut.
    Crc,
    /// version_number changes if and only if the table does.
    Version,
    /// The PCR rises, by 100 ms at most and the gap at a join, unless discontinuity_indicator says
    /// otherwise; it never goes back at a join, said or not.
    Clock,
    /// On each PID the DTS (the PTS, where there is none) is higher than the one before, and no
    /// higher than its PTS.
    Stamps,
    /// A PES packet has the length that it announces, unless it was open at a cut.
    Unit,
    /// Where the active was finished before the join nothing is left unfinished.
    Incomplete,
    /// After a join no PTS is equal to or before the highest one sent before it on that PID; the
    /// first video PTS is after the highest video PTS whatever the PID. (Within a source the PTS
    /// of pictures go back and forth as they are reordered: that is not judged. Neither are
    /// teletext and subtitles on a time line of their own, 10 s and more behind, nor pictures where
    /// no random access point has come for too long.)
    Late,
    /// Neither the clock nor every stream steps further than it has to: either the PCR steps by
    /// 100 ms and the gap at most, or some stream goes on within 250 ms and the gap.
    Jump,
    /// A packet on a PID that no PMT sent so far lists.
    Unlisted,
    /// What is sent on a PID is coded as the PMT says, and in its language too, unless the source
    /// has nothing in that language, or the PMT none of the source's.
    Kind,
    /// Where the standby has the streams that the active had, the tables stay as they are.
    Layout,
    /// On each PID the first payload after a join begins a PES packet or section.
    Start,
    /// The first picture after a join decodes alone, unless none has come for too long.
    RandomAccess,
    /// After a join no picture is shown before the first one, and none (RASL) refers to pictures
    /// before it.
    Leading,
    /// Each packet after a join is the next one of the standby, but for PID, counter, PCR, OPCR,
    /// PTS, DTS and discontinuity_indicator, and but for the tables. A packet whose payload is left
    /// out may remain for its PCR.
    Foreign,
    /// A PID of the standby goes to one PID of the output, and no two to the same.
    Map,
    /// PTS, DTS and splice times of a standby are all moved by the same time, its PCRs too; the OPCR likewise or
    /// not at all. The clock may lag behind the stamps (the decoder then holds the data for longer)
    /// where with one and the same offset it would step too far.
    Offset,
    /// Nothing of the standby is missing after its first packet but tables, stuffing, what no PMT
    /// lists, and whole PES packets: begun before that first packet, beginning before the last one
    /// that was sent on their PID has ended, or leading pictures.
    Missing,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) rule: Rule,
    /// Number of the packet.
    pub(crate) item: usize,
    pub(crate) pid: u16,
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, item, pid, what } = self;
        write!(f, "packet {item} on PID {pid:#x}: {rule:?}: {what}")
    }
}

/// The bytes of a source, read once.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    stream: Stream,
    faults: BTreeSet<(Rule, usize)>,
}

impl Source {
    /// Reads a source.
    pub(crate) fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let stream = Stream::read(&bytes, bytes.len(), &[]);
        let faults = stream.faults.iter().map(|fault| (fault.rule, fault.item)).collect();
        Self { name: name.into(), bytes, stream, faults }
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.stream.faults
    }

    /// Its packets.
    pub(crate) fn items(&self) -> &[Item] {
        &self.stream.items
    }

    /// Its packets and tables.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }
}

/// A source's share of a joined stream.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) source: &'a Source,
    /// Bytes of the source that were watched, or listened to and passed.
    pub(crate) offered: usize,
    /// Where its first byte is in the output.
    pub(crate) begins: usize,
    /// Where in the output its end was finished, and whether it was said that nothing is left.
    pub(crate) finish: Option<(usize, bool)>,
    /// Time between the last byte of the source before and this one.
    pub(crate) gap: Duration,
    /// The first picture was taken as it came, no random access point having come.
    pub(crate) settled: bool,
}

/// A joined stream.
#[derive(Clone, Debug)]
pub(crate) struct Joined<'a> {
    pub(crate) output: Vec<u8>,
    pub(crate) parts: Vec<Part<'a>>,
}

impl Joined<'_> {
    /// Every rule that the stream breaks, the sources' own faults left out.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let first = &self.parts[0];
        let mut faults = Vec::new();
        if !self.output.starts_with(&first.source.bytes[..first.offered]) {
            let what = "the first source's bytes are not what they were".to_owned();
            faults.push(Fault { rule: Rule::Prefix, item: 0, pid: 0, what });
        }
        let seams: Vec<Seam> = self.parts.windows(2).map(seam).collect();
        let stream = Stream::read(&self.output, first.offered, &seams);
        let origin = Origin::find(self, &stream, &mut faults);
        seam::judge(self, &stream, &origin, &mut faults);
        faults.extend(stream.faults.iter().cloned());
        faults.retain(|fault| !self.is_of_source(fault, &origin));
        faults.sort_by_key(|fault| fault.item);
        faults
    }

    /// Fails the test if a rule is broken.
    ///
    /// # Panics
    /// With the first faults.
    pub(crate) fn assert_clean(&self, what: &str) {
        let faults = self.faults();
        assert!(faults.is_empty(), "{what}\n{}\n{}", self.describe(), list(&faults));
    }

    /// How it was made.
    pub(crate) fn describe(&self) -> String {
        let line = |part: &Part<'_>| {
            let Part { source, offered, begins, finish, gap, .. } = part;
            let packet = begins / 188;
            format!(
                "{}: {offered} bytes, from byte {begins} (packet {packet}) of the output on, gap \
                 {gap:?}, finished {finish:?}",
                source.name
            )
        };
        self.parts.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Whether the packet that a fault is about was wrong in the same way before the join.
    fn is_of_source(&self, fault: &Fault, origin: &Origin) -> bool {
        let found = origin.of(fault.item).or_else(|| {
            // The packet that was cut is the source's as far as it goes.
            let number = origin.parts.iter().position(|way| way.items.end == fault.item + 1)?;
            let part = &self.parts[number];
            let cut = part.source.items().partition_point(|item| item.at + 188 <= part.offered);
            Some((number, cut))
        });
        found.is_some_and(|(part, item)| {
            self.parts[part].source.faults.contains(&(fault.rule, item))
        })
    }
}

/// The first faults, one a line, and how many of each rule there are.
pub(crate) fn list(faults: &[Fault]) -> String {
    let mut rules: BTreeMap<Rule, usize> = BTreeMap::new();
    faults.iter().for_each(|fault| *rules.entry(fault.rule).or_default() += 1);
    let lines = faults.iter().take(12).map(Fault::to_string).collect::<Vec<_>>().join("\n");
    format!("{rules:?}\n{lines}")
}

/// What joins the second of two parts to the first.
fn seam(parts: &[Part<'_>]) -> Seam {
    let complete = parts[0].finish.is_some_and(|(_, complete)| complete);
    let gap = (parts[1].gap.as_nanos() * 27 / 1000) as i64;
    let items = parts[0].source.items();
    let cut = items.partition_point(|item| item.at + 188 <= parts[0].offered);
    let copy = items.get(cut).is_some_and(|item| item.step == Step::Duplicate);
    Seam { at: parts[1].begins, gap, complete, copy }
}
