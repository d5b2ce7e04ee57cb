//! The judge of a converted stream. It reads what went in and what came out, and knows nothing of how the one was
//! made of the other.
//!
//! A source may break a rule by itself: packets that are passed are compared with the source's, so what is wrong
//! with them is no fault. Everything that the converter writes itself has to be right.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use weir::remux::Coding;

pub(crate) mod passed;
pub(crate) mod sound;
pub(crate) mod stream;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

use stream::Stream;
use tables::Tables;

/// What a converted stream has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Whole packets, each with its sync byte (ISO/IEC 13818-1, 2.4.3.2).
    Sync,
    /// Fields of a packet that contradict the standard.
    Malformed,
    /// A packet that is passed is one of the source's, byte for byte but for its PCR.
    Passed,
    /// Packets that are passed keep their order, over all PIDs.
    Order,
    /// None of them is missing once the tables are known.
    Missing,
    /// Payloads that are passed, put together, are the source's.
    Payload,
    /// The PAT is the source's.
    Pat,
    /// The PCR is the source's less the offset.
    Pcr,
    /// On a PID whose sound is converted the PCR stands in packets without payload, with the source's
    /// discontinuity_indicator.
    ClockPacket,
    /// continuity_counter (2.4.3.3) where the converter counts: PMT and sound. It repeats nothing.
    Continuity,
    /// A PMT has the right CRC, and its lengths agree.
    PmtCrc,
    /// A PMT is the source's but for what is converted.
    PmtForeign,
    /// Each PMT of the source comes out once.
    PmtCount,
    /// What is converted has stream_type 0x0F, and nothing else has become so.
    PmtType,
    /// No descriptor of another coding stays, and none is new.
    PmtDescriptor,
    /// The language, with its audio_type, and what else tells one track from another stay.
    PmtLanguage,
    /// Entries of anything else are as they were.
    PmtEntry,
    /// version_number changes if and only if the PMT does.
    Version,
    /// No sound before a PMT that tells of it.
    Early,
    /// Nothing is left of a track that is left out.
    Dropped,
    /// A PES packet of sound begins as it should, with a PTS.
    PesHeader,
    /// Its length is what it announces.
    PesLength,
    /// It holds one frame of ADTS, whole, and nothing else.
    AdtsFrame,
    /// The frame is AAC-LC without CRC, of the right rate and channels.
    AdtsHeader,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) rule: Rule,
    /// Number of the packet of the output.
    pub(crate) packet: usize,
    pub(crate) pid: u16,
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, packet, pid, what } = self;
        write!(f, "packet {packet} on PID {pid:#x}: {rule:?}: {what}")
    }
}

/// What was asked of the converter.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// What is taken from each PCR, in ticks of 27 MHz.
    pub(crate) pcr_offset: u64,
    /// Channels of each track.
    pub(crate) channels: u8,
    /// What can be decoded.
    pub(crate) decodes: Vec<Coding>,
    /// Languages that are kept; empty keeps all.
    pub(crate) languages: Vec<[u8; 3]>,
    /// Tracks that are kept.
    pub(crate) tracks: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            pcr_offset: 27_000 * 200,
            channels: 2,
            decodes: Coding::ALL.to_vec(),
            languages: Vec::new(),
            tracks: usize::MAX,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) faults: Vec<Fault>,
    /// Sound by PID.
    pub(crate) sound: BTreeMap<u16, sound::Track>,
    /// Packets of the source that came before the tables and are not passed.
    pub(crate) left_at_start: usize,
    /// The first packet of the source with anything but tables that is in the output.
    pub(crate) begins: usize,
    /// PIDs of the source whose sound is to be converted, with their coding.
    pub(crate) expected: BTreeMap<u16, Coding>,
    /// Scrambled packets on those PIDs that were passed.
    pub(crate) scrambled: usize,
}

impl Verdict {
    /// AAC frames of all tracks.
    pub(crate) fn aac_frames(&self) -> u64 {
        self.sound.values().map(|track| track.frames.len() as u64).sum()
    }

    /// Steps of the PTS of all tracks that are not one frame.
    pub(crate) fn breaks(&self) -> u64 {
        self.sound.values().map(|track| track.breaks().count() as u64).sum()
    }

    /// Fails the test if a rule is broken.
    ///
    /// # Panics
    /// With the first faults.
    #[track_caller]
    pub(crate) fn assert_clean(&self, what: &str) {
        assert!(self.faults.is_empty(), "{what}\n{}", list(&self.faults));
    }

    /// The rules that are broken.
    pub(crate) fn broken(&self) -> BTreeSet<Rule> {
        self.faults.iter().map(|fault| fault.rule).collect()
    }
}

/// Judges what was made of `source`, all of it.
pub(crate) fn judge(source: &[u8], output: &[u8], terms: &Terms) -> Verdict {
    let (source, output) = (Stream::read(source), Stream::read(output));
    let mut verdict = Verdict::default();
    sync(&output, &mut verdict.faults);
    let tables = Tables::compare(&source, &output, terms, &mut verdict);
    let own = passed::judge(&source, &output, &tables, terms, &mut verdict);
    sound::judge(&source, &output, &tables, &own, terms, &mut verdict);
    verdict.faults.sort_by_key(|fault| fault.packet);
    verdict
}

/// The first faults, one a line, and how many of each rule there are.
pub(crate) fn list(faults: &[Fault]) -> String {
    let mut rules: BTreeMap<Rule, usize> = BTreeMap::new();
    faults.iter().for_each(|fault| *rules.entry(fault.rule).or_default() += 1);
    let line = |fault: &Fault| fault.to_string().chars().take(240).collect::<String>();
    let lines = faults.iter().take(12).map(line).collect::<Vec<_>>().join("\n");
    format!("{rules:?}\n{lines}")
}

/// Only whole packets, one behind the other.
fn sync(output: &Stream, faults: &mut Vec<Fault>) {
    if output.junk + output.rest > 0 {
        let what = format!("{} bytes between packets, {} after the last", output.junk, output.rest);
        faults.push(Fault { rule: Rule::Sync, packet: output.items.len(), pid: 0, what });
    }
}
