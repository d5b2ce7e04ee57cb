//! The judge of transport streams: sync, continuity, tables, clocks and timestamps by ISO/IEC
//! 13818-1, limits by ETSI TR 101 290. It trusts nothing of what made the stream.

use std::collections::BTreeMap;

use super::NULL_PID;
use super::PACKET;
use super::SYNC;
use super::psi::Sections;
use super::psi::Table;
use continuity::Continuity;
use continuity::Step;
use packet::Packet;
use pes::Pes;

pub(crate) mod continuity;
pub(crate) mod packet;
mod pes;
mod report;
#[cfg(test)]
mod tests;

pub(crate) use report::Fault;
pub(crate) use report::TsReport;

/// Values of a PCR: 33 bits of 90 kHz times 300.
const CLOCK: u64 = super::TIMESTAMPS * 300;
/// Largest distance of two PCRs (TR 101 290 2.3b): 100 ms of 27 MHz.
const PCR_STEP_MAX: u64 = 2_700_000;
/// Bytes that show sync again after a loss: three packet starts.
const LOCK: usize = 2 * PACKET + 1;

/// Reads a transport stream in any split and counts what is wrong with it. Memory: one packet and
/// a little state for each PID.
#[derive(Clone, Debug)]
pub(crate) struct TsCheck {
    pending: Vec<u8>,
    synced: bool,
    pids: BTreeMap<u16, PidState>,
    pcr_pids: Vec<u16>,
    /// Grows with every signalled time base: timestamps compare within one only.
    time_base: u64,
    last_pcr: Option<u64>,
    report: TsReport,
}

#[derive(Clone, Debug, Default)]
struct PidState {
    continuity: Continuity,
    sections: Option<Sections>,
    last_table: Option<Vec<u8>>,
    pes: Pes,
    last_pcr: Option<u64>,
    /// PCRs of the present time base.
    pcrs: u64,
}

impl TsCheck {
    /// A judge who expects the first byte to be a sync byte.
    pub(crate) fn new() -> Self {
        let tables = PidState { sections: Some(Sections::default()), ..PidState::default() };
        Self {
            pending: Vec::new(),
            synced: true,
            pids: BTreeMap::from([(0, tables)]),
            pcr_pids: Vec::new(),
            time_base: 0,
            last_pcr: None,
            report: TsReport::default(),
        }
    }

    /// The verdict over a whole stream.
    pub(crate) fn of(bytes: &[u8]) -> TsReport {
        let mut check = Self::new();
        check.feed(bytes);
        check.finish()
    }

    /// Reads on.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.report.whole.update(bytes);
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let read = self.read(&pending);
        pending.drain(..read);
        self.pending = pending;
    }

    /// What was found so far.
    pub(crate) fn so_far(&self) -> &TsReport {
        &self.report
    }

    /// The verdict; an incomplete last packet is a fault.
    pub(crate) fn finish(mut self) -> TsReport {
        let left = self.pending.len() as u64;
        if !self.synced {
            self.report.skipped_bytes += left;
        } else if left > 0 {
            self.report.tail_bytes = left;
            self.report.fault(Fault::TornTail, None, format!("{left} bytes after the last packet"));
        }
        self.report
    }

    /// Reads packets from the front of `bytes` and returns how many bytes are done with.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(first) = bytes.get(at) {
            let rest = &bytes[at..];
            if self.synced && *first != SYNC {
                self.synced = false;
                let what = format!("{first:#04x} in place of the sync byte");
                self.report.fault(Fault::SyncLoss, None, what);
            } else if self.synced {
                let Some(packet) = rest.first_chunk::<PACKET>() else { break };
                self.packet(packet);
                at += PACKET;
            } else if rest.len() < LOCK {
                break;
            } else if [0, PACKET, 2 * PACKET].iter().all(|start| rest[*start] == SYNC) {
                self.synced = true;
            } else {
                self.report.skipped_bytes += 1;
                at += 1;
            }
        }
        at
    }

    fn packet(&mut self, bytes: &[u8; PACKET]) {
        let packet = Packet::read(bytes);
        let pid = packet.pid;
        self.report.packets += 1;
        if packet.error {
            // Nothing else in such a packet can be relied on.
            return self.report.fault(Fault::TransportError, Some(pid), String::new());
        }
        if let Some(what) = packet.malformed {
            self.report.fault(Fault::Malformed, Some(pid), what.to_owned());
        }
        let counts = self.report.pid(pid);
        counts.packets += 1;
        if pid == NULL_PID {
            // 2.4.3.3: the counter of null packets is undefined.
            return;
        }
        let mut state = self.pids.remove(&pid).unwrap_or_default();
        let clock = self.pcr_pids.contains(&pid);
        if let Some(what) = state.continuity.misuse(&packet, clock) {
            self.report.fault(Fault::Discontinuity, Some(pid), what.to_owned());
        }
        let step = state.continuity.step(&packet, clock);
        if let Step::Broken { expected } = step {
            let what = format!("counter {} where {expected} was due", packet.counter);
            self.report.fault(Fault::Continuity, Some(pid), what);
            self.report.pid(pid).continuity_errors += 1;
        }
        match step {
            Step::Broken { .. } | Step::Jumped => {
                state.sections.iter_mut().for_each(Sections::drop_unfinished);
                state.pes.lost();
                self.report.jumps_signalled += u64::from(step == Step::Jumped);
                self.content(&packet, &mut state);
            }
            Step::Duplicate => self.report.pid(pid).duplicates += 1,
            Step::Next => self.content(&packet, &mut state),
        }
        self.pids.insert(pid, state);
    }

    /// Everything about a packet that its duplicate does not repeat.
    fn content(&mut self, packet: &Packet<'_>, state: &mut PidState) {
        let pid = packet.pid;
        let index = self.report.packets - 1;
        if let Some(pcr) = packet.pcr {
            self.pcr(pid, pcr, packet.discontinuity, state);
        }
        if packet.random_access {
            self.report.random_access += 1;
            self.report.first_random_access.get_or_insert(index);
            self.report.pid(pid).random_access.push_capped(index);
        }
        if packet.payload.is_empty() {
            return;
        }
        self.report.pid(pid).payload.update(packet.payload);
        if packet.scrambled {
            self.report.pid(pid).scrambled += 1;
            return;
        }
        if let Some(sections) = &mut state.sections {
            match sections.push(packet.payload, packet.start) {
                None => self.report.fault(Fault::Malformed, Some(pid), "pointer_field".to_owned()),
                Some(whole) => whole.iter().for_each(|section| self.section(pid, section, state)),
            }
            return;
        }
        let time = pes::Time { base: self.time_base, pcr: self.last_pcr };
        state.pes.push(packet, time, &mut self.report);
    }

    fn pcr(&mut self, pid: u16, pcr: u64, discontinuity: bool, state: &mut PidState) {
        let last = state.last_pcr.replace(pcr);
        self.last_pcr = Some(pcr);
        self.report.pid(pid).pcrs += 1;
        if discontinuity {
            // 2.4.3.5: this PCR is a sample of a new time base, the last one having had two or more.
            if std::mem::replace(&mut state.pcrs, 1) == 1 {
                let what = "a time base with one PCR".to_owned();
                self.report.fault(Fault::Discontinuity, Some(pid), what);
            }
            self.time_base += 1;
            self.report.time_bases_signalled += 1;
            return;
        }
        state.pcrs += 1;
        let Some(last) = last else { return };
        let step = (pcr + CLOCK - last) % CLOCK;
        if step == 0 || step > CLOCK / 2 {
            let what = format!("PCR {pcr} after {last}");
            return self.report.fault(Fault::PcrNotRising, Some(pid), what);
        }
        self.report.pcr_step_max = self.report.pcr_step_max.max(step);
        if step > PCR_STEP_MAX {
            let what = format!("PCR {} ms after the last", step / 27_000);
            self.report.fault(Fault::PcrJump, Some(pid), what);
        }
    }

    fn section(&mut self, pid: u16, section: &[u8], state: &mut PidState) {
        let id = section[0];
        if id != if pid == 0 { 0 } else { 2 } {
            // Another table on the same PID, an NIT or SIT for one.
            return;
        }
        let Some(table) = Table::read(section) else {
            return self.report.fault(Fault::Crc, Some(pid), format!("table {id}"));
        };
        if !table.current {
            return;
        }
        let changed = state.last_table.as_deref() != Some(section);
        if let Some(last) = state.last_table.take_if(|_| changed)
            && last[3..6] == section[3..6]
        {
            let what = format!("other content in version {}", table.version);
            self.report.fault(Fault::TableVersion, Some(pid), what);
        }
        state.last_table = Some(section.to_vec());
        let index = self.report.packets - 1;
        if table.id == 0 {
            self.report.pats.note(index, table.version, changed);
            for pid in table.pmt_pids() {
                self.pids.entry(pid).or_default().sections.get_or_insert_default();
            }
            return;
        }
        self.report.pmts.note(index, table.version, changed);
        let Some(programme) = table.programme() else {
            let what = "PMT with lengths that contradict one another".to_owned();
            return self.report.fault(Fault::Malformed, Some(pid), what);
        };
        if changed {
            for stream in &programme.streams {
                self.report.pid(stream.pid).stream_type = Some(stream.kind);
            }
            self.report.programmes.insert(table.extension, programme);
            self.pcr_pids = self.report.programmes.values().map(|known| known.pcr_pid).collect();
        }
    }
}
