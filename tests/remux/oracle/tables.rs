//! PAT and PMT: what the source's say, what the output's should, and whether they do.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use weir::remux::Coding;

use super::Fault;
use super::Rule;
use super::Terms;
use super::Verdict;
use super::stream::Section;
use super::stream::Stream;

mod descriptors;

/// PATs after which a converter need not wait for PMTs any more.
const PATIENCE: usize = 6;
/// stream_type of AAC in ADTS.
const AAC: u8 = 0x0f;

/// What both streams' tables say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// PIDs of PMTs, by the source's PAT.
    pub(crate) pmt_pids: BTreeSet<u16>,
    /// PIDs with sound that is converted at some time, and the packet of the output from which on.
    pub(crate) converted: BTreeMap<u16, usize>,
    /// PIDs of the source that the output's PMTs leave out.
    pub(crate) dropped: BTreeSet<u16>,
    /// Of each of these, the PCR_PID of its programme.
    pub(crate) clocks: BTreeMap<u16, u16>,
    /// PIDs with video that decoders can begin with at some pictures only.
    pub(crate) videos: BTreeSet<u16>,
    /// The packet of the source that completes its PAT and the first PMT of each programme that it has.
    pub(crate) known: usize,
    /// The packet of the source that completes so many PATs that PMTs that have not come will not.
    pub(crate) patience: usize,
    /// How many PMTs there are, by PID.
    pub(crate) counts: Vec<Count>,
    /// PIDs that PMTs of the source list.
    pub(crate) listed: BTreeSet<u16>,
}

/// PMTs on a PID: the packets that complete the source's, and those of the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) pid: u16,
    pub(crate) source: Vec<usize>,
    pub(crate) output: Vec<usize>,
}

/// A PMT taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pmt {
    pub(crate) program: u16,
    pub(crate) version: u8,
    pub(crate) current: bool,
    /// Section numbers, PCR_PID, and the descriptors of the programme, as they are on the wire.
    pub(crate) head: Vec<u8>,
    pub(crate) pcr_pid: u16,
    pub(crate) entries: Vec<Entry>,
}

/// One of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: u8,
    pub(crate) pid: u16,
    pub(crate) descriptors: Vec<u8>,
}

impl Entry {
    /// What a PMT says of sound that is not AAC in ADTS (ISO/IEC 13818-1 table 2-34, ETSI EN 300 468 annex D,
    /// ATSC A/52 annex A).
    pub(crate) fn coding(&self) -> Option<Coding> {
        let has = |tag| descriptors::all(&self.descriptors).any(|(is, _)| is == tag);
        let registered = |format: &[u8]| {
            descriptors::all(&self.descriptors)
                .any(|(tag, body)| tag == 5 && body.starts_with(format))
        };
        match self.kind {
            0x81 => Some(Coding::Ac3),
            0x84 | 0x87 => Some(Coding::Eac3),
            0x03 | 0x04 => Some(Coding::Mp2),
            0x11 => Some(Coding::Latm),
            0x06 if has(0x6a) || registered(b"AC-3") => Some(Coding::Ac3),
            0x06 if has(0x7a) || registered(b"EAC3") => Some(Coding::Eac3),
            _ => None,
        }
    }
}

impl Pmt {
    /// Reads a section whose CRC is right; `None` if it is none of a PMT or contradicts itself.
    pub(crate) fn read(section: &[u8]) -> Option<Self> {
        let (head, rest) = section.split_first_chunk::<12>()?;
        let (body, _crc) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
        if head[0] != 2 {
            return None;
        }
        let info = usize::from(head[10] & 0xf) << 8 | usize::from(head[11]);
        let (info, mut rest) = body.split_at_checked(info)?;
        let mut entries = Vec::new();
        while let Some((entry, after)) = rest.split_first_chunk::<5>() {
            let length = usize::from(entry[3] & 0xf) << 8 | usize::from(entry[4]);
            let (descriptors, after) = after.split_at_checked(length)?;
            let pid = u16::from_be_bytes([entry[1] & 0x1f, entry[2]]);
            entries.push(Entry { kind: entry[0], pid, descriptors: descriptors.to_vec() });
            rest = after;
        }
        rest.is_empty().then(|| Self {
            program: u16::from_be_bytes([head[3], head[4]]),
            version: head[5] >> 1 & 0x1f,
            current: head[5] & 1 == 1,
            head: [&head[6..12], info].concat(),
            pcr_pid: u16::from_be_bytes([head[8] & 0x1f, head[9]]),
            entries,
        })
    }
}

impl Tables {
    /// Reads the tables of both and judges the output's.
    pub(crate) fn compare(
        source: &Stream,
        output: &Stream,
        terms: &Terms,
        verdict: &mut Verdict,
    ) -> Self {
        let mut tables = Self::default();
        let pats = pats(source);
        tables.known = pats.first().map_or(usize::MAX, |(at, _)| *at);
        tables.pmt_pids.extend(pats.iter().flat_map(|(_, pids)| pids));
        tables.patience = pats.get(PATIENCE).map_or(usize::MAX, |(at, _)| *at);
        let first = tables.known;
        let listed: Vec<(usize, BTreeSet<u16>)> = self::pats(output);
        let mut seen: BTreeSet<u16> = BTreeSet::new();
        for pid in tables.pmt_pids.clone() {
            let theirs = source.sections(pid);
            for (at, pmt) in intact(&theirs) {
                if pmt.current && at > first && seen.insert(pmt.program) {
                    tables.known = tables.known.max(at);
                }
                tables.listed.extend(pmt.entries.iter().map(|entry| entry.pid));
                tables.listed.insert(pmt.pcr_pid);
                let videos = pmt.entries.iter().filter(|it| matches!(it.kind, 1 | 2 | 0x1b | 0x24));
                tables.videos.extend(videos.map(|entry| entry.pid));
                for (entry, coding) in pmt.entries.iter().filter_map(|it| Some((it, it.coding()?)))
                {
                    if terms.decodes.contains(&coding) {
                        verdict.expected.insert(entry.pid, coding);
                    }
                }
            }
            let judge = Judge { source, pid, terms, theirs: intact(&theirs), listed: &listed };
            judge.pmts(&output.sections(pid), &mut tables, verdict);
        }
        tables
    }
}

/// The packets that complete a PAT, and the PIDs of the PMTs that it lists.
fn pats(stream: &Stream) -> Vec<(usize, BTreeSet<u16>)> {
    let sections = stream.sections(0).into_iter();
    let whole = sections.filter(|it| it.is_intact && it.bytes.first() == Some(&0));
    whole.map(|it| (it.item, programmes(&it.bytes).into_iter().collect())).collect()
}

/// The PIDs of the PMTs in a PAT.
fn programmes(section: &[u8]) -> Vec<u16> {
    let body = section.get(8..section.len().saturating_sub(4)).unwrap_or_default();
    let listed = body.chunks_exact(4).filter(|entry| entry[..2] != [0, 0]);
    listed.map(|entry| u16::from_be_bytes([entry[2] & 0x1f, entry[3]])).collect()
}

/// PMTs with the packets that complete them.
fn intact(sections: &[Section]) -> Vec<(usize, Pmt)> {
    let whole = sections.iter().filter(|section| section.is_intact);
    whole.filter_map(|section| Some((section.item, Pmt::read(&section.bytes)?))).collect()
}

/// Judges the PMTs on one PID.
struct Judge<'a> {
    source: &'a Stream,
    pid: u16,
    terms: &'a Terms,
    theirs: Vec<(usize, Pmt)>,
    /// What the PATs of the output list, from which packet on.
    listed: &'a [(usize, BTreeSet<u16>)],
}

impl Judge<'_> {
    fn pmts(&self, sections: &[Section], tables: &mut Tables, verdict: &mut Verdict) {
        let mut fault = |rule, packet, what: String| {
            verdict.faults.push(Fault { rule, packet, pid: self.pid, what });
        };
        let mut last: BTreeMap<u16, Pmt> = BTreeMap::new();
        let (mut next, mut gone) = (0_usize, Vec::new());
        for section in sections {
            // Whatever else is on the PID is passed as it is, or not.
            if section.bytes.first() != Some(&2) {
                continue;
            }
            let ours = Pmt::read(&section.bytes).filter(|_| section.is_intact);
            let Some(ours) = ours else {
                fault(Rule::PmtCrc, section.item, format!("{:02x?}", section.bytes));
                continue;
            };
            // The next of the source's that it can have been made of; the last one may come again.
            let fits = |number: &usize| self.faults(&self.theirs[*number].1, &ours).is_empty();
            let again = next.checked_sub(1);
            let found = (next..self.theirs.len()).chain(again).find(fits);
            let number = found.unwrap_or(next.min(self.theirs.len().saturating_sub(1)));
            let Some((_, theirs)) = self.theirs.get(number) else {
                fault(Rule::PmtForeign, section.item, "the source has no PMT".to_owned());
                continue;
            };
            if !self.is_listed(section.item) {
                // It is of no programme, and passed.
                next = next.max(number + 1);
                gone.push(section.item);
                continue;
            }
            for (rule, what) in self.faults(theirs, &ours) {
                fault(rule, section.item, what);
            }
            if found.is_some_and(|number| number >= next) {
                next = number + 1;
                gone.push(section.item);
            }
            note(tables, section.item, (theirs, &ours), |entry| self.must(entry));
            if let Some(before) = last.insert(ours.program, ours.clone()) {
                let same = Pmt { version: before.version, ..ours.clone() } == before;
                if same != (ours.version == before.version) {
                    let what =
                        format!("{} after {}, same content: {same}", ours.version, before.version);
                    fault(Rule::Version, section.item, what);
                }
            }
        }
        let current = self.theirs.iter().filter(|(_, pmt)| pmt.current);
        let current = current.map(|(at, _)| *at).collect();
        tables.counts.push(Count { pid: self.pid, source: current, output: gone });
    }

    /// Whether the PAT lists the PID at this packet of the output.
    fn is_listed(&self, at: usize) -> bool {
        let before = self.listed.iter().rev().find(|(from, _)| *from < at);
        before.is_none_or(|(_, pids)| pids.contains(&self.pid))
    }

    /// How `ours` differs from what it should be, having been made of `theirs`.
    fn faults(&self, theirs: &Pmt, ours: &Pmt) -> Vec<(Rule, String)> {
        let mut faults = Vec::new();
        if (ours.program, ours.current, &ours.head)
            != (theirs.program, theirs.current, &theirs.head)
        {
            faults.push((Rule::PmtForeign, "programme, PCR_PID or descriptors".to_owned()));
            return faults;
        }
        let mut rest = theirs.entries.iter();
        for entry in &ours.entries {
            // Where some tracks are asked for, sound stands in the order in which it is wanted.
            let was = if self.asked() {
                theirs.entries.iter().find(|was| was.pid == entry.pid)
            } else {
                rest.by_ref().find(|was| was.pid == entry.pid)
            };
            let Some(was) = was else {
                let what = format!("PID {:#x} is not the source's", entry.pid);
                faults.push((Rule::PmtForeign, what));
                return faults;
            };
            self.entry(was, entry, &mut faults);
        }
        let is_left_out = |was: &&Entry| !ours.entries.iter().any(|entry| entry.pid == was.pid);
        for was in theirs.entries.iter().filter(is_left_out) {
            if !self.may_drop(was) {
                faults.push((Rule::PmtEntry, format!("PID {:#x} is left out", was.pid)));
            }
        }
        faults
    }

    fn entry(&self, was: &Entry, is: &Entry, faults: &mut Vec<(Rule, String)>) {
        let what = format!("{was:02x?} has become {is:02x?}");
        let coding = was.coding();
        let Some(coding) = coding.filter(|_| is.kind == AAC || self.must(was)) else {
            if was != is {
                faults.push((Rule::PmtEntry, what));
            }
            return;
        };
        if is.kind != AAC {
            return faults.push((Rule::PmtType, format!("{coding} stays: {what}")));
        }
        if !self.terms.decodes.contains(&coding) {
            faults.push((Rule::PmtType, format!("{coding} cannot be decoded: {what}")));
        }
        let kept: Vec<_> = descriptors::all(&is.descriptors).collect();
        if descriptors::foreign(&is.descriptors) || !descriptors::is_part(&was.descriptors, &kept) {
            faults.push((Rule::PmtDescriptor, what.clone()));
        }
        let telling: Vec<_> = descriptors::telling(&was.descriptors).collect();
        if !telling.iter().all(|descriptor| kept.contains(descriptor)) {
            faults.push((Rule::PmtLanguage, what));
        }
    }

    /// Whether there is no way round converting it: sound is on the PID, as the PMT says.
    fn must(&self, entry: &Entry) -> bool {
        entry.coding().is_some_and(|coding| {
            self.terms.decodes.contains(&coding)
                && (coding != Coding::Mp2 || super::sound::is_layer_2(self.source, entry.pid))
        })
    }

    /// Only sound may be left out, and only if a choice was asked for.
    fn may_drop(&self, entry: &Entry) -> bool {
        self.asked() && (entry.coding().is_some() || entry.kind == AAC)
    }

    fn asked(&self) -> bool {
        !self.terms.languages.is_empty() || self.terms.tracks != usize::MAX
    }
}

/// What the output's PMT has to say of PIDs.
fn note(
    tables: &mut Tables,
    packet: usize,
    (theirs, ours): (&Pmt, &Pmt),
    converts: impl Fn(&Entry) -> bool,
) {
    for was in &theirs.entries {
        match ours.entries.iter().find(|entry| entry.pid == was.pid) {
            Some(entry) if entry.kind == AAC && converts(was) => {
                tables.converted.entry(was.pid).or_insert(packet);
                tables.clocks.insert(was.pid, ours.pcr_pid);
            }
            None => drop(tables.dropped.insert(was.pid)),
            Some(_) => {}
        }
    }
}
