//! What the judge found: faults, which a good stream has none of, and facts, which tests compare.

use std::collections::BTreeMap;

use super::super::psi::Programme;
use crate::support::content::Digest;

/// Faults kept with their place; all are counted.
const DETAILS_MAX: usize = 64;
/// Entries of other lists that grow with the stream.
const LIST_MAX: usize = 4096;

/// A departure from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// No sync byte where a packet should begin (once for each time that sync is lost).
    SyncLoss,
    /// The stream ends within a packet.
    TornTail,
    /// transport_error_indicator is set.
    TransportError,
    /// A field contradicts the standard.
    Malformed,
    /// continuity_counter neither goes on, nor repeats, nor jumps as allowed.
    Continuity,
    /// discontinuity_indicator where or how it is forbidden.
    Discontinuity,
    /// A PAT or PMT with a wrong CRC.
    Crc,
    /// A PAT or PMT changed without a new version_number.
    TableVersion,
    /// A PCR that is not after the last one, unsignalled.
    PcrNotRising,
    /// A PCR more than 100 ms after the last one, unsignalled.
    PcrJump,
    /// A PES packet without a proper header.
    PesMalformed,
    /// A PES packet shorter or longer than announced.
    PesLength,
    /// A DTS (or PTS, where there is none) that is not after the last one.
    DtsNotRising,
    /// A PTS before its own DTS.
    PtsBeforeDts,
}

/// The verdict over a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct TsReport {
    /// Packets read.
    pub(crate) packets: u64,
    /// Bytes passed over while sync was lost.
    pub(crate) skipped_bytes: u64,
    /// Bytes after the last whole packet.
    pub(crate) tail_bytes: u64,
    /// Packets with random_access_indicator.
    pub(crate) random_access: u64,
    /// Index of the first packet with random_access_indicator.
    pub(crate) first_random_access: Option<u64>,
    /// Index of the first packet in which a video PES header was complete.
    pub(crate) first_video: Option<u64>,
    /// Index of the first packet in which an audio PES header was complete.
    pub(crate) first_audio: Option<u64>,
    /// Counter jumps that discontinuity_indicator allowed.
    pub(crate) jumps_signalled: u64,
    /// PCRs with discontinuity_indicator: new time bases.
    pub(crate) time_bases_signalled: u64,
    /// Largest distance of two PCRs on a PID, in ticks of 27 MHz.
    pub(crate) pcr_step_max: u64,
    /// PATs seen.
    pub(crate) pats: Versions,
    /// PMTs seen.
    pub(crate) pmts: Versions,
    /// The present PMT by program_number.
    pub(crate) programmes: BTreeMap<u16, Programme>,
    /// What was seen by PID.
    pub(crate) pids: BTreeMap<u16, PidReport>,
    /// All bytes, in order.
    pub(crate) whole: Digest,
    faults: BTreeMap<Fault, u64>,
    details: Vec<String>,
}

/// What was seen on one PID.
#[derive(Clone, Debug, Default)]
pub(crate) struct PidReport {
    /// stream_type of the PMT.
    pub(crate) stream_type: Option<u8>,
    /// Packets, duplicates included.
    pub(crate) packets: u64,
    /// Legal duplicates.
    pub(crate) duplicates: u64,
    /// As [`Fault::Continuity`].
    pub(crate) continuity_errors: u64,
    /// Packets whose payload is scrambled.
    pub(crate) scrambled: u64,
    /// Indices of packets with random_access_indicator.
    pub(crate) random_access: List<u64>,
    /// PCRs.
    pub(crate) pcrs: u64,
    /// PES packets begun.
    pub(crate) pes: u64,
    /// First PTS, in ticks of 90 kHz.
    pub(crate) first_pts: Option<u64>,
    /// Latest PTS.
    pub(crate) last_pts: Option<u64>,
    /// Latest DTS, or PTS where there is none.
    pub(crate) last_dts: Option<u64>,
    /// Largest step from one DTS to the next within a time base, in ticks.
    pub(crate) dts_step_max: i64,
    /// Largest step backwards from one PTS to the next, as B pictures make it, in ticks.
    pub(crate) pts_rewind_max: i64,
    /// Least distance from the latest PCR to a DTS, in ticks; negative when data come too late.
    pub(crate) lead_min: Option<i64>,
    /// Greatest distance from the latest PCR to a DTS, in ticks.
    pub(crate) lead_max: Option<i64>,
    /// Payload bytes without duplicates.
    pub(crate) payload: Digest,
    /// Elementary stream bytes: the payload without PES headers.
    pub(crate) elementary: Digest,
}

/// Tables of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    /// How many came.
    pub(crate) count: u64,
    /// Index of the packet that completed the first.
    pub(crate) first: Option<u64>,
    /// Index of the packet and version_number wherever the content changed, the first one included.
    pub(crate) changes: List<(u64, u8)>,
}

/// A list that stops growing at a bound.
#[derive(Clone, Debug)]
pub(crate) struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> List<T> {
    /// The entries.
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.0
    }

    pub(super) fn push_capped(&mut self, entry: T) {
        if self.0.len() < LIST_MAX {
            self.0.push(entry);
        }
    }
}

impl Versions {
    pub(super) fn note(&mut self, index: u64, version: u8, changed: bool) {
        self.count += 1;
        self.first.get_or_insert(index);
        if changed {
            self.changes.push_capped((index, version));
        }
    }
}

impl TsReport {
    /// How often `fault` was found.
    pub(crate) fn count(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or(0)
    }

    /// The faults found, with their number.
    pub(crate) fn faults(&self) -> &BTreeMap<Fault, u64> {
        &self.faults
    }

    /// What was seen on `pid`, if anything.
    pub(crate) fn on(&self, pid: u16) -> PidReport {
        self.pids.get(&pid).cloned().unwrap_or_default()
    }

    /// Legal duplicates on all PIDs.
    pub(crate) fn duplicates(&self) -> u64 {
        self.pids.values().map(|pid| pid.duplicates).sum()
    }

    /// Fails the test if anything is wrong with the stream, or if there is none.
    ///
    /// # Panics
    /// With the first faults and their places.
    pub(crate) fn assert_clean(&self, what: &str) {
        self.assert_only(what, &[]);
    }

    /// As [`TsReport::assert_clean`], but the faults in `allowed` may occur.
    ///
    /// # Panics
    /// With the first faults and their places.
    pub(crate) fn assert_only(&self, what: &str, allowed: &[Fault]) {
        assert!(self.packets > 0, "{what}: no packet at all");
        let bad = self.faults.keys().any(|fault| !allowed.contains(fault));
        assert!(!bad, "{what}: {:?}\n{}", self.faults, self.details.join("\n"));
    }

    pub(super) fn pid(&mut self, pid: u16) -> &mut PidReport {
        self.pids.entry(pid).or_default()
    }

    pub(super) fn fault(&mut self, fault: Fault, pid: Option<u16>, what: String) {
        *self.faults.entry(fault).or_default() += 1;
        if self.details.len() < DETAILS_MAX {
            let on = pid.map_or(String::new(), |pid| format!(" on PID {pid:#x}"));
            self.details.push(format!("packet {}{on}: {fault:?} {what}", self.packets));
        }
    }
}
