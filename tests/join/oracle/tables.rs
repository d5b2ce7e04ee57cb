//! The tables in force at a place of a stream, and the rules for the tables themselves: CRC, and a
//! version that changes if and only if the content does (2.4.4.3, 2.4.4.9).

use std::collections::BTreeMap;

use super::Rule;
use crate::support::ts::check::packet::Packet;
use crate::support::ts::psi::Programme;
use crate::support::ts::psi::Sections;
use crate::support::ts::psi::Stream;
use crate::support::ts::psi::Table;

/// PAT and PMTs at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// program_number and PID of its PMT, in the order of the PAT.
    pub(crate) pat: Vec<(u16, u16)>,
    /// PMTs by their PID and program_number.
    pub(crate) pmts: BTreeMap<(u16, u16), Programme>,
}

/// What a stream is to a player.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// How it is coded: the stream_type, or one that stands for it.
    pub(crate) coding: u8,
    /// The descriptors that tell what is in it, where the stream_type does not.
    tags: Vec<u8>,
    /// ISO 639 code, and the type of teletext or subtitles.
    pub(crate) language: Vec<u8>,
}

/// stream_type values of video.
const VIDEO: [u8; 5] = [0x01, 0x02, 0x10, 0x1b, 0x24];
/// stream_type values whose payload is sections.
const SECTIONS: [u8; 9] = [0x05, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x14, 0x16, 0x86];

impl Tables {
    /// The stream that a PMT of the PAT lists with `pid`.
    pub(crate) fn stream(&self, pid: u16) -> Option<&Stream> {
        self.programmes().flat_map(|programme| &programme.streams).find(|stream| stream.pid == pid)
    }

    /// The programmes that the PAT names, in its order, as far as their PMTs are known.
    pub(crate) fn programmes(&self) -> impl Iterator<Item = &Programme> {
        self.pat.iter().filter_map(|(number, pid)| self.pmts.get(&(*pid, *number)))
    }

    /// Whether `pid` carries the PAT or a PMT that it names.
    pub(crate) fn is_table(&self, pid: u16) -> bool {
        pid == 0 || self.pat.iter().any(|(number, pmt)| *pmt == pid && *number != 0)
    }

    /// Whether `pid` is the PCR_PID of a programme.
    pub(crate) fn is_clock(&self, pid: u16) -> bool {
        self.programmes().any(|programme| programme.pcr_pid == pid)
    }

    /// Which clock a PCR on `pid` belongs to: the number of the programme.
    pub(crate) fn clock(&self, pid: u16) -> Option<u16> {
        let clock = |(number, pmt): &(u16, u16)| {
            let programme = self.pmts.get(&(*pmt, *number))?;
            (programme.pcr_pid == pid).then_some(*number)
        };
        self.pat.iter().find_map(clock)
    }

    /// What `pid` is to a player.
    pub(crate) fn kind(&self, pid: u16) -> Option<Kind> {
        self.stream(pid).map(kind)
    }

    /// Whether a programme has `pid` as splice information.
    pub(crate) fn is_splice(&self, pid: u16) -> bool {
        self.stream(pid).is_some_and(|stream| stream.kind == 0x86)
    }

    /// Whether a programme has `pid` as video.
    pub(crate) fn is_video(&self, pid: u16) -> bool {
        self.stream(pid).is_some_and(|stream| VIDEO.contains(&stream.kind))
    }

    /// Whether `pid` is listed and its payload is PES packets.
    pub(crate) fn is_pes(&self, pid: u16) -> bool {
        self.stream(pid).is_some_and(|stream| !SECTIONS.contains(&stream.kind))
    }

    /// Whether `pid` is listed as private data that is no sound: teletext, subtitles.
    pub(crate) fn is_data(&self, pid: u16) -> bool {
        self.kind(pid).is_some_and(|kind| kind.coding == 6)
    }

    /// As [`is_pes`](Self::is_pes), of the first programme alone.
    pub(crate) fn is_pes_of_first(&self, pid: u16) -> bool {
        let mut streams = self.programmes().take(1).flat_map(|programme| &programme.streams);
        streams.any(|stream| stream.pid == pid) && self.is_pes(pid)
    }

    /// All streams of a coding.
    pub(crate) fn alike(&self, kind: &Kind) -> Vec<Kind> {
        let kinds = self.programmes().flat_map(|programme| &programme.streams).map(self::kind);
        kinds.filter(|other| other.decodes(kind)).collect()
    }

    /// The streams of the first programme, whatever their PIDs and order, each with whether it
    /// carries the PCR.
    pub(crate) fn layout(&self) -> Vec<(Kind, bool)> {
        let Some(programme) = self.programmes().next() else { return vec![] };
        let streams = programme.streams.iter();
        let mut kinds: Vec<_> =
            streams.map(|stream| (kind(stream), stream.pid == programme.pcr_pid)).collect();
        kinds.sort();
        kinds
    }
}

/// See [`Kind`]. Descriptors that describe, as for registration or a bit rate, tell no streams
/// apart, and codings that have two stream types are one coding.
fn kind(stream: &Stream) -> Kind {
    let (mut tags, mut language) = (vec![], vec![]);
    let mut coding = match stream.kind {
        0x01 => 0x02,
        0x03 => 0x04,
        other => other,
    };
    let mut rest = stream.descriptors.as_slice();
    while let [tag, length, after @ ..] = rest {
        let Some((content, after)) = after.split_at_checked(usize::from(*length)) else { break };
        match tag {
            // ISO 639: the code without audio_type.
            0x0a => language = content.get(..3).unwrap_or(&[]).to_vec(),
            // Teletext, subtitles: their first language and type.
            0x56 | 0x59 => {
                tags.push(*tag);
                language = content.get(..4).unwrap_or(&[]).to_vec();
            }
            0x6a if stream.kind == 6 => coding = 0x81,
            0x7a if stream.kind == 6 => coding = 0x87,
            0x7b | 0x7c if stream.kind == 6 => tags.push(*tag),
            _ => {}
        }
        rest = after;
    }
    Kind { coding, tags, language }
}

impl Kind {
    /// Whether a decoder of one decodes the other.
    pub(crate) fn decodes(&self, other: &Self) -> bool {
        (self.coding, &self.tags) == (other.coding, &other.tags)
    }
}

/// Follows the tables of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    sections: BTreeMap<u16, Sections>,
    /// The last section of each PID, table and extension.
    last: BTreeMap<(u16, u8, u16), Vec<u8>>,
    pub(crate) tables: Tables,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            sections: BTreeMap::from([(0, Sections::default())]),
            last: BTreeMap::new(),
            tables: Tables::default(),
        }
    }

    /// Whether a table on one of these PIDs has begun and not ended.
    pub(crate) fn unfinished(&self) -> Option<u16> {
        let known = |pid: u16| self.tables.is_table(pid);
        self.sections
            .iter()
            .find(|(pid, sections)| known(**pid) && sections.is_unfinished())
            .map(|(pid, _)| *pid)
    }

    /// Takes a packet; true if the tables in force have changed.
    pub(crate) fn push(
        &mut self,
        packet: &Packet<'_>,
        broken: bool,
        fault: &mut impl FnMut(Rule, String),
    ) -> bool {
        let Some(sections) = self.sections.get_mut(&packet.pid) else { return false };
        if broken {
            sections.drop_unfinished();
        }
        if packet.payload.is_empty() || packet.scrambled {
            return false;
        }
        let Some(whole) = sections.push(packet.payload, packet.start) else {
            fault(Rule::Crc, "pointer_field points outside".to_owned());
            return false;
        };
        let mut changed = false;
        for section in whole {
            changed |= self.section(packet.pid, section, fault);
        }
        changed
    }

    fn section(
        &mut self,
        pid: u16,
        section: Vec<u8>,
        fault: &mut impl FnMut(Rule, String),
    ) -> bool {
        if section[0] != if pid == 0 { 0 } else { 2 } {
            return false;
        }
        let Some(table) = Table::read(&section) else {
            fault(Rule::Crc, format!("table {} with a wrong CRC", section[0]));
            return false;
        };
        if !table.current {
            return false;
        }
        let key = (pid, table.id, table.extension);
        let content = |section: &[u8]| section[6..section.len() - 4].to_vec();
        if let Some(last) = self.last.get(&key) {
            let version = |section: &[u8]| section[5];
            let same = (content(last) == content(&section), version(last) == version(&section));
            match same {
                (true, true) => return false,
                (false, true) => {
                    fault(Rule::Version, format!("new content in the old version of {key:x?}"))
                }
                (true, false) => {
                    fault(Rule::Version, format!("a new version of {key:x?} with the old content"))
                }
                (false, false) => {}
            }
        }
        if table.id == 0 {
            let entries = table.body.chunks_exact(4);
            let number = |entry: &[u8]| u16::from_be_bytes([entry[0], entry[1]]);
            let pid = |entry: &[u8]| u16::from_be_bytes([entry[2] & 0x1f, entry[3]]);
            let pat: Vec<_> = entries.map(|entry| (number(entry), pid(entry))).collect();
            let pat: Vec<_> = pat.into_iter().filter(|(number, _)| *number != 0).collect();
            // One that lists nothing takes nothing from a player.
            if !pat.is_empty() {
                self.tables.pat = pat;
            }
            for (_, pid) in &self.tables.pat {
                self.sections.entry(*pid).or_default();
            }
        } else if let Some(programme) = table.programme() {
            self.tables.pmts.insert((pid, table.extension), programme);
        } else {
            fault(Rule::Crc, "PMT with lengths that contradict one another".to_owned());
        }
        self.last.insert(key, section);
        true
    }
}
