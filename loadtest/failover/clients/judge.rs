//! Looks at every packet that a client gets, as a strict receiver would (ISO/IEC 13818-1).

use std::sync::Arc;

use weir::media::ts::packet;
use weir::media::ts::packet::Packet;
use weir::media::ts::packet::Pcr;
use weir::media::ts::packet::Pid;
use weir::media::ts::pes::Pes;
use weir::media::ts::pes::Pts;
use weir::media::ts::psi;

use crate::clock::SECOND;
use crate::failover::source::media::Marks;
use crate::failover::source::media::random_access;

/// The greatest step of the PCR beside what time has really passed (2.7.2), in ticks of 27 MHz.
const PCR_STEP: i64 = Pcr::HZ as i64 / 10;

/// A packet is at a join if there are fewer bytes between it and the first picture.
const NEAR: u64 = 8 * packet::LEN as u64;

/// What was wrong, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// A packet did not begin with the sync byte.
    pub(crate) sync: u64,
    /// A counter was not the one due and no discontinuity was told (2.4.3.3).
    pub(crate) continuity: u64,
    /// The PCR went back, or on by more than 100 ms and the time between the two.
    pub(crate) pcr: u64,
    /// A DTS that is not after the one before it on its PID.
    pub(crate) dts: u64,
    /// A PTS that is not after the last one of its PID: the sources send no B pictures.
    pub(crate) pts: u64,
    /// A table with a wrong CRC, or one that does not parse. Not the one that was cut.
    pub(crate) psi: u64,
    /// The PMT came to name other streams than the first one did.
    pub(crate) layout: u64,
    /// Not a fault of the join: tables that were cut with their source.
    pub(crate) torn_tables: u64,
    /// Not a fault: packets with discontinuity_indicator.
    pub(crate) announced: u64,
}

impl Faults {
    pub(crate) const NAMES: [&'static str; 7] =
        ["sync", "continuity", "pcr", "dts", "pts", "psi", "layout"];

    pub(crate) fn add(&mut self, more: &Self) {
        self.sync += more.sync;
        self.continuity += more.continuity;
        self.pcr += more.pcr;
        self.dts += more.dts;
        self.pts += more.pts;
        self.psi += more.psi;
        self.layout += more.layout;
        self.torn_tables += more.torn_tables;
        self.announced += more.announced;
    }

    pub(crate) fn all(&self) -> [u64; 7] {
        [self.sync, self.continuity, self.pcr, self.dts, self.pts, self.psi, self.layout]
    }
}

/// The stream went over to another source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    /// When its first random access point was read.
    pub(crate) at: u64,
    pub(crate) source: usize,
    /// Where in the stream that begins.
    pub(crate) position: u64,
    /// From the last picture's decoding time to its own, in ticks of 90 kHz.
    pub(crate) step: i64,
}

/// See the module.
pub(crate) struct Judge {
    marks: Arc<Marks>,
    /// A packet that is not whole yet.
    torn: Vec<u8>,
    /// Bytes so far; those in `torn` count.
    position: u64,
    in_step: bool,
    pids: Vec<State>,
    pmt: Option<Pid>,
    /// Where the last table with a wrong CRC was.
    bad_table: Option<u64>,
    streams: Vec<(u8, Pid)>,
    pcr: Option<(Pcr, u64)>,
    source: Option<usize>,
    faults: Faults,
    joined: Vec<Joined>,
}

/// What is known of a PID.
struct State {
    pid: Pid,
    counter: u8,
    repeated: bool,
    dts: Option<Pts>,
    pts: Option<Pts>,
}

impl Judge {
    pub(crate) fn new(marks: Arc<Marks>) -> Self {
        Self {
            marks,
            torn: Vec::with_capacity(packet::LEN),
            position: 0,
            in_step: true,
            pids: Vec::new(),
            pmt: None,
            bad_table: None,
            streams: Vec::new(),
            pcr: None,
            source: None,
            faults: Faults::default(),
            joined: Vec::new(),
        }
    }

    /// The source that plays.
    pub(crate) fn source(&self) -> Option<usize> {
        self.source
    }

    /// What was seen since this was last called.
    pub(crate) fn take(&mut self) -> (Faults, Vec<Joined>) {
        (std::mem::take(&mut self.faults), std::mem::take(&mut self.joined))
    }

    /// The next bytes, read at `now`.
    pub(crate) fn push(&mut self, bytes: &[u8], now: u64) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.torn.is_empty()
                && let Some((packet, behind)) = rest.split_first_chunk()
                && self.packet(packet, now)
            {
                self.position += packet::LEN as u64;
                rest = behind;
                continue;
            }
            let (part, behind) = rest.split_at(rest.len().min(packet::LEN - self.torn.len()));
            self.torn.extend_from_slice(part);
            self.position += part.len() as u64;
            rest = behind;
            self.whole(now);
        }
    }

    /// Takes what was torn, if it is whole now; out of step, one byte less of it.
    fn whole(&mut self, now: u64) {
        let Some(packet) = self.torn.first_chunk::<{ packet::LEN }>().copied() else { return };
        // Only the position of a packet that begins in `torn` is told from it.
        self.position -= packet::LEN as u64;
        let taken = self.packet(&packet, now);
        self.position += packet::LEN as u64;
        if taken {
            self.torn.clear();
            return;
        }
        let next = self.torn.iter().skip(1).position(|byte| *byte == packet::SYNC);
        self.torn.drain(..next.map_or(packet::LEN, |next| next + 1));
    }

    /// Judges one packet; false if it is none.
    fn packet(&mut self, bytes: &[u8; packet::LEN], now: u64) -> bool {
        let Some(packet) = Packet::parse(bytes) else {
            self.faults.sync += u64::from(std::mem::replace(&mut self.in_step, false));
            return false;
        };
        self.in_step = true;
        if packet.is_null() {
            return true;
        }
        self.counter(packet);
        self.clock(packet, now);
        let pid = packet.pid();
        if pid == Pid::PAT || Some(pid) == self.pmt {
            self.table(packet);
        } else if packet.payload_unit_start() && pid != Pid::SDT {
            let step = self.unit(packet);
            self.mark(bytes, step, now);
        }
        true
    }

    fn counter(&mut self, packet: Packet<'_>) {
        let (pid, counter) = (packet.pid(), packet.continuity_counter());
        let announced = packet.adaptation().is_some_and(|field| field.discontinuity_indicator());
        self.faults.announced += u64::from(announced);
        let Some(state) = self.pids.iter_mut().find(|state| state.pid == pid) else {
            self.pids.push(State { pid, counter, repeated: false, dts: None, pts: None });
            return;
        };
        let same = counter == state.counter;
        let right = match (packet.has_payload(), same) {
            (true, true) => !std::mem::replace(&mut state.repeated, true),
            (true, false) => {
                state.repeated = false;
                counter == (state.counter + 1) & 0x0f
            }
            (false, same) => same,
        };
        state.counter = counter;
        self.faults.continuity += u64::from(!right && !announced);
    }

    fn clock(&mut self, packet: Packet<'_>, now: u64) {
        let Some(pcr) = packet.pcr() else { return };
        if let Some((last, at)) = self.pcr.replace((pcr, now)) {
            let step = pcr.since(last);
            let passed = (now - at) * (Pcr::HZ / 1_000_000) / (SECOND / 1_000_000);
            if step < 0 || step > PCR_STEP + passed as i64 {
                self.faults.pcr += 1;
            }
        }
    }

    /// Tables of the sources fill one packet each.
    fn table(&mut self, packet: Packet<'_>) {
        // One without payload says something of the PID.
        let Some(payload) = packet.payload() else { return };
        let section = payload.split_first().and_then(|(pointer, rest)| {
            let rest = rest.get(usize::from(*pointer)..)?;
            let length = u16::from_be_bytes([*rest.get(1)? & 0x0f, *rest.get(2)?]);
            rest.get(..3 + usize::from(length))
        });
        let Some(section) = section.filter(|section| psi::crc32(section) == 0) else {
            self.faults.psi += 1;
            self.bad_table = Some(self.position);
            return;
        };
        if packet.pid() == Pid::PAT {
            let pat = psi::Pat::parse(section).ok();
            let pmt = pat.and_then(|pat| pat.programs().next()).map(|(_, pid)| pid);
            self.faults.layout += u64::from(self.pmt.is_some_and(|known| Some(known) != pmt));
            self.pmt = pmt;
            return;
        }
        let Ok(pmt) = psi::Pmt::parse(section) else {
            self.faults.psi += 1;
            return;
        };
        let streams = pmt.streams().map(|stream| (stream.stream_type, stream.pid)).collect();
        let before = std::mem::replace(&mut self.streams, streams);
        self.faults.layout += u64::from(!before.is_empty() && before != self.streams);
    }

    /// The times of a PES packet; answers how far its DTS is from the last one.
    fn unit(&mut self, packet: Packet<'_>) -> i64 {
        let Some(pes) = packet.payload().and_then(Pes::parse) else { return 0 };
        let Some(pts) = pes.pts() else { return 0 };
        let dts = pes.dts().unwrap_or(pts);
        let pid = packet.pid();
        let Some(state) = self.pids.iter_mut().find(|state| state.pid == pid) else { return 0 };
        let step = |last: Option<Pts>, now: Pts| last.map_or(1, |last| now.since(last));
        let (of_dts, of_pts) = (step(state.dts, dts), step(state.pts, pts));
        (state.dts, state.pts) = (Some(dts), Some(pts));
        self.faults.dts += u64::from(of_dts <= 0);
        self.faults.pts += u64::from(of_pts <= 0);
        of_dts
    }

    /// Which source is it?
    fn mark(&mut self, bytes: &[u8; packet::LEN], step: i64, now: u64) {
        let Some(source) = random_access(bytes).and_then(|mark| self.marks.get(mark)) else {
            return;
        };
        if self.source.replace(*source).is_some_and(|last| last != *source) {
            let position = self.position;
            // Bytes that were sent cannot be taken back.
            if self.bad_table.is_some_and(|bad| position - bad < NEAR) && self.faults.psi > 0 {
                self.faults.psi -= 1;
                self.faults.torn_tables += 1;
            }
            self.joined.push(Joined { at: now, source: *source, position, step });
        }
    }
}
