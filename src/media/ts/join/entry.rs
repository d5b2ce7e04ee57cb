//! Where a client can begin with a stream that runs: [`Entries`] follows it packet by packet and tells
//! each random access point once it is known to be one.

use std::sync::Arc;

use crate::media::ts::join::access::Verdict;
use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::lead::Lead;
use crate::media::ts::join::lead::Look;
use crate::media::ts::join::program::Heard;
use crate::media::ts::join::program::Program;
use crate::media::ts::kind::Kind;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;

#[cfg(test)]
mod tests;

/// A longer step of the clock says nothing about its speed: 500 ms in ticks of 27 MHz.
const STEP_MAX: u64 = Pcr::HZ / 2;

/// Bytes of a section that fit in one packet, behind the pointer field (ISO/IEC 13818-1, 2.4.4.1).
const SECTION_ROOM: usize = LEN - 4;

/// Follows a stream; see the module.
///
/// Memory: what `Program` and `Lead` hold, and 4 bytes for each PID twice: 3 KiB for a usual stream,
/// 100 KiB at most.
pub struct Entries {
    program: Program,
    tables: Option<Arc<Tables>>,
    lead: Option<Lead>,
    counters: Sequence,
    clock: Clock,
    /// Packets so far.
    packets: u64,
    /// The picture that is looked at.
    candidate: Option<Candidate>,
    is_settled: bool,
}

/// What a client that begins is told first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pat: Vec<u8>,
    pmt_pid: Pid,
    pmt: Vec<u8>,
    /// Video and sound.
    pub(super) streams: Vec<Pid>,
    pub(super) pcr_pid: Pid,
}

/// The clock of a programme, by the number of the packet: where it was last, and how fast it is.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    last: Option<(u64, Pcr)>,
    /// Ticks in so many packets.
    step: (u64, u64),
}

/// Where a picture began.
struct Candidate {
    packet: u64,
    counters: Sequence,
    clock: Option<Pcr>,
}

/// A place to begin: at a random access point of the video, of radio at any frame. Memory: 4 bytes for
/// each PID, 32 KiB at most; the tables are shared.
#[derive(Clone, Debug)]
pub struct Entry {
    packet: u64,
    pub(super) tables: Arc<Tables>,
    /// The counters before it.
    pub(super) counters: Sequence,
    /// What the clock says there, as far as it is known.
    pub(super) clock: Option<Pcr>,
}

impl Entries {
    /// Before the first packet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            program: Program::new(None),
            tables: None,
            lead: None,
            counters: Sequence::new(),
            clock: Clock { last: None, step: (0, 1) },
            packets: 0,
            candidate: None,
            is_settled: false,
        }
    }

    /// No random access point has come for too long: until one does, the start of any PES packet of the
    /// video is a place to begin, of a video of which nothing comes that of the first sound.
    pub fn settle(&mut self) {
        self.is_settled = true;
        if self.lead.is_none() {
            self.program.settle();
            self.lay_out();
        }
    }

    /// Whether the stream has said what it consists of.
    #[must_use]
    pub const fn has_tables(&self) -> bool {
        self.tables.is_some()
    }

    /// The place behind the last packet, where a client may begin that does not mind to wait for its
    /// first picture. `None` before the tables have come.
    #[must_use]
    pub fn here(&self) -> Option<Entry> {
        let tables = Arc::clone(self.tables.as_ref()?);
        let (packet, counters) = (self.packets, self.counters.clone());
        Some(Entry { packet, tables, counters, clock: self.clock.at(packet) })
    }

    /// Takes the next packet. The place that it makes known may lie some packets before it.
    pub fn push(&mut self, packet: &[u8; LEN]) -> Option<Entry> {
        let number = self.packets;
        self.packets += 1;
        let view = Packet::parse(packet).filter(|view| !view.transport_error() && !view.is_null());
        let found = view.and_then(|view| self.look(view, number));
        let pcr_pid = self.tables.as_ref().map(|tables| tables.pcr_pid);
        let pcr = view.filter(|view| Some(view.pid()) == pcr_pid).and_then(Packet::pcr);
        pcr.inspect(|pcr| self.clock.tick(number, *pcr));
        self.counters.note(packet);
        found
    }

    fn look(&mut self, packet: Packet<'_>, number: u64) -> Option<Entry> {
        let heard = self.program.push(packet);
        if heard == Heard::NewPmt || (self.lead.is_none() && heard == Heard::Pat) {
            self.lay_out();
        }
        let lead = self.lead.as_mut()?;
        if lead.kind.is_none() {
            // There is nothing to wait for.
            self.candidate = Some(self.candidate(number));
            return if heard >= Heard::SamePmt { self.found() } else { None };
        }
        lead.note_begun(packet, self.is_settled);
        if packet.pid() != lead.pid {
            return None;
        }
        let mut entry = None;
        if packet.payload_unit_start() && packet.has_payload() {
            let is_point = lead.ends_at_point();
            entry = self.judged(is_point);
            debug_assert!(!is_point || entry.is_some(), "a point has a beginning");
            self.candidate = Some(self.candidate(number));
        }
        let lead = self.lead.as_mut()?;
        // Also of one that is settled the pictures are looked at: a random access point may come.
        let verdict = lead.take(packet, false);
        if verdict != Verdict::Open {
            lead.look = Look::Away;
            entry = self.judged(verdict == Verdict::Point).or(entry);
        }
        entry
    }

    /// It is known whether the picture that is looked at is a random access point.
    fn judged(&mut self, is_point: bool) -> Option<Entry> {
        let will_do = is_point || self.is_settled;
        self.is_settled &= !is_point;
        let candidate = self.found();
        candidate.filter(|_| will_do)
    }

    fn found(&mut self) -> Option<Entry> {
        let Candidate { packet, counters, clock } = self.candidate.take()?;
        Some(Entry { packet, tables: Arc::clone(self.tables.as_ref()?), counters, clock })
    }

    fn candidate(&self, packet: u64) -> Candidate {
        Candidate { packet, counters: self.counters.clone(), clock: self.clock.at(packet) }
    }

    /// The tables have changed.
    fn lay_out(&mut self) {
        let Some(announced) = self.program.announced().filter(|_| self.program.is_settled()) else {
            return;
        };
        let is_of_programme = |kind: Kind| kind.is_video() || kind.is_audio();
        let streams = announced.pmt.streams();
        let streams = streams.filter(|stream| is_of_programme(Kind::of(stream)));
        let tables = Tables {
            pat: announced.pat.to_vec(),
            pmt_pid: announced.pmt_pid,
            pmt: announced.pmt_section.to_vec(),
            streams: streams.map(|stream| stream.pid).collect(),
            pcr_pid: announced.pmt.pcr_pid(),
        };
        self.clock = Clock::default();
        self.lead = Some(Lead::of(&announced.pmt));
        self.tables = Some(Arc::new(tables));
        self.candidate = None;
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// The number of the packet that it begins with, counted from 0.
    #[must_use]
    pub const fn packet(&self) -> u64 {
        self.packet
    }

    /// Memory that is its own, at least.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.counters.bytes()
    }
}

impl Clock {
    fn tick(&mut self, packet: u64, pcr: Pcr) {
        if let Some((before, last)) = self.last
            && let Ok(ticks @ 1..=STEP_MAX) = u64::try_from(pcr.since(last))
        {
            self.step = (ticks, packet.saturating_sub(before).max(1));
        }
        self.last = Some((packet, pcr));
    }

    fn at(&self, packet: u64) -> Option<Pcr> {
        let (last, pcr) = self.last?;
        let (ticks, packets) = self.step;
        let ahead = packet.saturating_sub(last).saturating_mul(ticks) / packets.max(1);
        Some(pcr.wrapping_add(ahead.min(STEP_MAX)))
    }
}

impl Tables {
    /// PIDs and sections, in the order in which they are sent.
    pub(super) fn sections(&self) -> [(Pid, &[u8]); 2] {
        [(Pid::PAT, &self.pat), (self.pmt_pid, &self.pmt)]
    }

    /// The counter before a section whose packets are to lead up to `last`, the last one that the PID
    /// has had.
    pub(super) fn before(section: &[u8], last: Option<u8>) -> u8 {
        let packets = (section.len() + 1).div_ceil(SECTION_ROOM);
        let packets = u8::try_from(packets % 16).unwrap_or(0);
        last.unwrap_or(15).wrapping_sub(packets) & 0x0F
    }

    /// Appends a section in packets whose counters follow `before`.
    pub(super) fn write(pid: Pid, section: &[u8], before: u8, out: &mut Vec<u8>) {
        psi::write_packets(pid, &mut ContinuityCounter::after(before), section, out);
    }
}
