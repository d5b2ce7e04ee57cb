//! Which units of a standby the client gets.

use crate::media::ts::join::rewrite::Rewriter;
use crate::media::ts::join::rewrite::Route;
use crate::media::ts::join::rewrite::State;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;

/// A time that lies further behind, in ticks of 90 kHz, is not late but of another time line.
const LATE_MAX: i64 = 10 * Pts::HZ.cast_signed();

/// PES packets of sound that are longer, in ticks of 90 kHz, hold several frames.
const FRAME_MAX: u64 = Pts::HZ * 6 / 100;

/// The longest time between two pictures, in ticks of 90 kHz: 24 a second, and a little.
const PICTURE_MAX: i64 = Pts::HZ.cast_signed() / 23;

/// By how much the sound of two sources may overlap rather than that a PES packet is missing, in
/// ticks of 90 kHz: less than the shortest usual frame, so that no frame is out of order.
const OVERLAP_MAX: u64 = Pts::HZ / 50;

impl Rewriter {
    /// Whether a packet is the last one again, so that it passes as that did.
    pub(super) fn is_copy(
        &self,
        route: &Route,
        counter: u8,
        times: Option<Timestamps>,
        sent: &Sent,
    ) -> bool {
        let Some(shift) = route.counter_shift else { return false };
        let moved = times.map(|times| times.moved(self.shift));
        sent.is_copy(route.way.to, counter.wrapping_add(shift) & 0x0F, moved)
    }

    /// Whether `packet` may begin a PES packet whose times can be read.
    pub(super) fn has_times(&self, route: &Route, packet: Packet<'_>) -> bool {
        let is_pes = route.way.role.kind().is_some_and(|kind| !kind.is_sections());
        is_pes && packet.scrambling() == 0 && !self.is_scrambled
    }

    /// Whether the unit that begins now is sent. `has_times`: it may be a PES packet, with `times`.
    pub(super) fn judge(
        &mut self,
        route: &Route,
        has_times: bool,
        times: Option<Timestamps>,
        sent: &mut Sent,
    ) -> State {
        if self.is_finishing {
            sent.close(route.way.to);
            return State::Dropping;
        }
        let Some(kind) = route.way.role.kind().filter(|_| has_times) else { return State::Passing };
        if self.lead == Some(route.way.from) {
            return self.judge_lead(route.state, times);
        }
        match (route.state, times) {
            (State::Waiting, Some(times)) if self.is_late(route.way.to, times, sent) => {
                State::Waiting
            }
            // What has no time belongs to what came before.
            (State::Waiting, None) if kind.is_audio() || kind.is_video() => State::Waiting,
            _ => State::Passing,
        }
    }

    /// Leaves out the pictures that come after the random access point and are shown before it: they
    /// may refer to pictures before it (RASL of HEVC, B pictures of an open GOP). Those of them that
    /// do not (RADL) are left out as well. They end with the next picture that is shown after the
    /// point. Its own second field, in a PES packet of its own, is sent before them (ISO/IEC 23008-2,
    /// 7.4.2.2; ISO/IEC 13818-2, 6.1.1.11) and is shown within the time of one picture: so may the
    /// next picture be, and then the one after it ends them.
    fn judge_lead(&mut self, state: State, times: Option<Timestamps>) -> State {
        if state == State::Waiting {
            return State::Passing;
        }
        let Some(point) = self.point else { return State::Passing };
        match times.map(|times| times.pts.since(point)) {
            None => state,
            Some(0..=PICTURE_MAX) => State::Passing,
            Some(ahead) if (-LATE_MAX..0).contains(&ahead) => State::Dropping,
            Some(_) => {
                self.point = None;
                State::Passing
            }
        }
    }

    /// Whether the client has had what is decoded or shown at `times` or after them. Of sound whose
    /// PES packets hold several frames it has had all up to the end of the last one.
    fn is_late(&self, to: Pid, times: Timestamps, sent: &Sent) -> bool {
        let Some(track) = sent.track(to) else { return false };
        let duration = track.duration();
        let end = if track.kind().is_audio() && duration > FRAME_MAX {
            duration - OVERLAP_MAX
        } else {
            1
        };
        let times = times.moved(self.shift);
        let shown = track.highest().map(|highest| highest.wrapping_add(end).since(times.pts));
        let decoded = track.last().map(|last| last.wrapping_add(1).since(times.decoding()));
        shown.into_iter().chain(decoded).any(|late| (1..LATE_MAX).contains(&late))
    }
}
