//! What a client has been sent, as far as the next source must go on from it: the tables of its
//! programme, the clock, and of each elementary stream the times and whether a PES packet is
//! unfinished. Sees the packets as the client does.

use crate::media::ts::join::program::Announced;
use crate::media::ts::join::program::Heard;
use crate::media::ts::join::program::Program;
use crate::media::ts::join::time::Clock;
use crate::media::ts::join::time::Due;
use crate::media::ts::kind::Kind;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;
use track::Unit;

pub(super) use track::Track;

mod track;

/// Streams that are remembered after a PMT names them no longer.
const GONE_MAX: usize = 32;

/// Times of such a stream that lie further ahead of those that there are, in ticks of 90 kHz, are of
/// another time line.
const GONE_AHEAD_MAX: i64 = 10 * Pts::HZ.cast_signed();

/// Follows what one client is sent. 200 bytes and the tables (see [`Program`]), 88 bytes for each
/// stream of the PMT, which has room for 201, and for each of the last that are gone: 1 KiB for a
/// usual stream, 26 KiB for the most streams.
#[derive(Debug)]
pub(super) struct Sent {
    program: Program,
    pcr_pid: Option<Pid>,
    clock: Clock,
    tracks: Vec<Track>,
    /// The last streams that a PMT has named and names no longer.
    gone: Vec<Track>,
    /// By [`place`] of a PID: packets matter even if they begin nothing and have no adaptation
    /// field.
    awaited: u64,
}

impl Sent {
    pub(super) const fn new() -> Self {
        Self {
            program: Program::new(None),
            pcr_pid: None,
            clock: Clock::new(),
            tracks: Vec::new(),
            gone: Vec::new(),
            awaited: 0,
        }
    }

    /// PAT and PMT, once the client has both.
    pub(super) fn announced(&self) -> Option<Announced<'_>> {
        self.program.announced()
    }

    /// The last PAT, also while no PMT has come; empty before the first.
    pub(super) fn pat(&self) -> &[u8] {
        self.program.pat()
    }

    /// The number of the client's programme.
    pub(super) fn program_number(&self) -> Option<u16> {
        self.program.program_number()
    }

    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// The PIDs that the client's PMTs have named, and what it took them for last.
    pub(super) fn known(&self) -> impl DoubleEndedIterator<Item = (Pid, Kind)> + '_ {
        self.gone.iter().chain(&self.tracks).map(|track| (track.pid, track.kind))
    }

    /// What the streams are that the client's PMT names, in its order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> + Clone + '_ {
        self.tracks.iter().map(|track| track.kind)
    }

    /// How many elementary streams the client knows of.
    pub(super) const fn streams(&self) -> usize {
        self.tracks.len()
    }

    pub(super) fn track(&self, pid: Pid) -> Option<&Track> {
        self.tracks.iter().find(|track| track.pid == pid)
    }

    /// Where the times go on for a stream that goes to `pid`: those of the stream that is there,
    /// else of the first one of its sort, else of the first video or sound that has any; later where
    /// a stream that is there no longer has had later ones on `pid`.
    pub(super) fn due(&self, pid: Option<Pid>, is_video: bool) -> Due {
        let timed = || self.tracks.iter().filter(|track| track.last.is_some());
        let of_sort = |video: bool| {
            timed().find(|track| if video { track.kind.is_video() } else { track.kind.is_audio() })
        };
        let same = timed().find(|track| Some(track.pid) == pid);
        let lead = same.or_else(|| of_sort(is_video)).or_else(|| of_sort(!is_video));
        let gone = self.gone.iter().find(|track| Some(track.pid) == pid);
        let last = gone.filter(|gone| {
            let dues = gone.due().zip(lead.and_then(Track::due));
            let ahead = dues.map(|(gone, due)| gone.since(due));
            ahead.is_some_and(|ahead| (1..=GONE_AHEAD_MAX).contains(&ahead))
        });
        let last = last.or(lead);
        Due {
            dts: last.and_then(Track::due),
            pts: last.and_then(Track::due_pts),
            clock: self.clock,
        }
    }

    /// Takes the next packet, which begins with the sync byte.
    #[inline]
    pub(super) fn note(&mut self, packet: &[u8; LEN]) {
        let begins = packet[1] & 0x40 != 0;
        let has_adaptation = packet[3] & 0x20 != 0;
        let pid = Pid::masked(u16::from_be_bytes([packet[1], packet[2]]));
        if begins || has_adaptation || self.awaited >> place(pid) & 1 != 0 {
            self.note_unusual(packet);
        }
    }

    /// Whether a packet belongs to a unit that has begun, so that it is needed to complete it. The
    /// unit of a PID ends with a packet that begins the next.
    pub(super) fn needs(&mut self, packet: Packet<'_>) -> bool {
        let pid = packet.pid();
        if packet.transport_error() {
            return false;
        }
        if packet.payload_unit_start() {
            let times = packet.payload().and_then(Timestamps::parse);
            let is_copy = self.is_copy(pid, packet.continuity_counter(), times);
            if !is_copy {
                self.close(pid);
            }
            return is_copy;
        }
        self.track(pid).map_or_else(
            || self.program.amid().any(|amid| amid == pid),
            |track| track.unit != Unit::Finished,
        )
    }

    /// Whether a packet that begins a PES packet is the one that was begun last again (2.4.3.3).
    pub(super) fn is_copy(&self, pid: Pid, counter: u8, times: Option<Timestamps>) -> bool {
        self.track(pid).filter(|track| track.counter == counter).is_some_and(|track| {
            match (track.unit, times) {
                (Unit::Finished, _) => false,
                (Unit::Head, times) => times.is_none(),
                (_, times) => times.is_some_and(|times| track.last == Some(times.decoding())),
            }
        })
    }

    /// The unit that was begun on `pid` has ended, or nothing more of it will come.
    pub(super) fn close(&mut self, pid: Pid) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.pid == pid) {
            track.unit = Unit::Finished;
        } else {
            self.program.reset_on(pid);
        }
        self.look_out(pid);
    }

    /// The source has ended: nothing more of what was begun will come.
    pub(super) fn close_all(&mut self) {
        self.tracks.iter_mut().for_each(|track| track.unit = Unit::Finished);
        self.program.reset();
        self.awaited = 0;
    }

    /// Whether a PES packet of the programme's streams or one of its tables has been begun and not
    /// ended.
    pub(super) fn is_amid_unit(&self) -> bool {
        self.tracks.iter().any(|track| track.unit != Unit::Finished)
            || self.program.amid().next().is_some()
    }

    #[inline(never)]
    fn note_unusual(&mut self, bytes: &[u8; LEN]) {
        let Some(packet) = Packet::parse(bytes).filter(|packet| !packet.transport_error()) else {
            return;
        };
        let pid = packet.pid();
        if let Some(pcr) = packet.pcr()
            && self.pcr_pid.is_none_or(|pcr_pid| pcr_pid == pid)
        {
            self.clock.tick(pcr);
        }
        if let Some(track) = self.tracks.iter_mut().find(|track| track.pid == pid) {
            track.note(packet);
            self.look_out(pid);
        } else if self.program.listens_to(pid) {
            if self.program.push(packet) == Heard::NewPmt {
                self.lay_out();
            }
            self.look_out(pid);
        }
    }

    /// Follows the streams of a new PMT; those that were there before keep their times.
    fn lay_out(&mut self) {
        let Some(announced) = self.program.announced() else { return };
        let mut before = std::mem::take(&mut self.gone);
        before.append(&mut self.tracks);
        self.pcr_pid = Some(announced.pmt.pcr_pid());
        for stream in announced.pmt.streams() {
            let kind = Kind::of(&stream);
            let place = before.iter().position(|t| t.pid == stream.pid && t.kind == kind);
            self.tracks.push(match place {
                Some(place) => before.remove(place),
                // A client's clock is one, whatever was on the PID before.
                None => {
                    let other = before.iter().find(|track| track.pid == stream.pid);
                    Track::after(other, stream.pid, kind)
                }
            });
        }
        // Of each PID what was on it last.
        before.retain(|track| self.tracks.iter().all(|now| now.pid != track.pid));
        before.drain(..before.len().saturating_sub(GONE_MAX));
        before.shrink_to(GONE_MAX);
        before.iter_mut().for_each(|track| track.unit = Unit::Finished);
        self.gone = before;
    }

    /// Sets the bit of `pid`, which others may share, as it is to be now.
    fn look_out(&mut self, pid: Pid) {
        let bit = 1 << place(pid);
        let is_counted = |track: &&Track| matches!(track.unit, Unit::Left(_) | Unit::Head);
        let cut = self.tracks.iter().filter(is_counted);
        let mut awaited = cut.map(|track| track.pid).chain(self.program.amid());
        let is_awaited = awaited.any(|other| 1 << place(other) == bit);
        self.awaited = if is_awaited { self.awaited | bit } else { self.awaited & !bit };
    }
}

/// Where in 64 bits the one of a PID is. Neighbours and round numbers, which PIDs of one programme
/// are, do not share one.
const fn place(pid: Pid) -> u32 {
    (pid.value().wrapping_mul(40_503) >> 10) as u32
}
