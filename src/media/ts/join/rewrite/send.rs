//! A packet on its way to the client: its PID, its counter, its times.

use crate::media::ts::join::queue::Times;
use crate::media::ts::join::rewrite::Rewriter;
use crate::media::ts::join::rewrite::Route;
use crate::media::ts::join::rewrite::State;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::join::splice;
use crate::media::ts::join::time;
use crate::media::ts::kind::Kind;
use crate::media::ts::packet;
use crate::media::ts::packet::Adaptation;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes;

impl Rewriter {
    /// Appends a packet with the client's PID, counter and times.
    pub(super) fn send(
        &mut self,
        route: &mut Route,
        packet: &[u8; LEN],
        times: Times,
        sent: &mut Sent,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(packet);
        let Some(copy) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) else { return };
        let Some(view) = Packet::parse(packet) else { return };
        packet::set_pid(copy, route.way.to);
        let counter = view.continuity_counter();
        let shift = route.counter_shift.unwrap_or_else(|| {
            let last = self.counters.last(route.way.to);
            let due = last.map_or(counter, |last| last + u8::from(view.has_payload()));
            due.wrapping_sub(counter)
        });
        let counter = counter.wrapping_add(shift) & 0x0F;
        packet::set_continuity_counter(copy, counter);
        if let Some(pcr) = view.pcr() {
            self.move_pcr(route.way.from, pcr, sent, copy);
        }
        let begins = view.payload_unit_start() && view.scrambling() == 0;
        if begins && times == Times::Within && !self.move_times(route, copy) {
            out.truncate(start);
            route.state = State::Dropping;
            return;
        }
        route.counter_shift = Some(shift);
        self.counters.set(route.way.to, counter);
        sent.note(copy);
    }

    fn move_pcr(&mut self, pid: Pid, pcr: Pcr, sent: &Sent, copy: &mut [u8; LEN]) {
        let is_first = self.pcr_shift.is_none() && pid == self.pcr_pid;
        let shift = self.pcr_shift.unwrap_or_else(|| {
            time::pcr_shift(sent.clock(), pcr, self.shift, self.is_scrambled, self.gap)
        });
        packet::set_pcr(copy, pcr.wrapping_add(shift.ticks));
        if is_first {
            self.pcr_shift = Some(shift);
            if shift.jumps {
                packet::set_discontinuity(copy);
            }
        }
    }

    /// False if the unit has times that cannot be moved.
    fn move_times(&self, route: &Route, copy: &mut [u8; LEN]) -> bool {
        match route.way.role.kind() {
            Some(Kind::Splice) => splice::shift(packet::payload_mut(copy), self.shift),
            Some(kind) if !kind.is_sections() => {
                pes::shift_timestamps(packet::payload_mut(copy), self.shift);
                true
            }
            _ => true,
        }
    }

    /// Sends of a packet that is left out no more than the clock.
    pub(super) fn strip(
        &mut self,
        route: &mut Route,
        packet: Packet<'_>,
        sent: &mut Sent,
        out: &mut Vec<u8>,
    ) {
        if packet.has_payload() {
            route.counter_shift = None;
        }
        let pcr = packet.pcr().filter(|_| route.way.from == self.pcr_pid && !self.is_finishing);
        let Some(pcr) = pcr else { return };
        let moved = self.pcr_shift.map(|shift| pcr.wrapping_add(shift.ticks));
        if moved.is_some() && moved == sent.clock().last {
            return; // The packet came a second time.
        }
        let discontinuity = packet.adaptation().is_some_and(Adaptation::discontinuity_indicator);
        let header = packet::Header {
            discontinuity,
            pcr: Some(pcr),
            ..packet::Header::new(route.way.from, 0)
        };
        let mut bare = Vec::with_capacity(LEN);
        header.write(&[], &mut bare);
        if let Some(bare) = bare.first_chunk() {
            route.counter_shift = None;
            self.send(route, bare, Times::Within, sent, out);
            route.counter_shift = None;
        }
    }
}
