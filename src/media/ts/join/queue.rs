//! Packets that wait because the times of a PES packet do not end within its first packet: they
//! can be moved only once all of their bytes have come. All that comes meanwhile waits behind, so
//! that the order stays.

use std::collections::VecDeque;

use crate::media::ts::packet;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::pes;
use crate::media::ts::pes::Timestamps;

/// Packets that wait at most: half a second of sound alone, 30 ms of a usual stream.
const PACKETS_MAX: usize = 256;

/// What is known of a PES packet whose beginning is at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// The rest of its times has not come.
    Open,
    /// These are its times, and its packets have been changed. `None`: it has none, or they will not
    /// come.
    Times(Option<Timestamps>),
}

/// The packets; see the module. Empty but for streams that are cut so; 48 KiB at most, and 376 bytes
/// for each PID.
#[derive(Debug, Default)]
pub(super) struct Queue {
    packets: VecDeque<Waiting>,
    /// By PID the last packet with the end of such times, as it was and as it is now: it may come
    /// again.
    changed: Vec<[[u8; LEN]; 2]>,
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) packet: [u8; LEN],
    /// Set once it has been changed: the times of the PES packet that it is part of, as they were.
    pub(super) moved: Option<Option<Timestamps>>,
}

impl Queue {
    /// Whether `packet` begins a PES packet and its times do not end within it.
    pub(super) fn is_needed(packet: Packet<'_>) -> bool {
        let payload = packet.payload().unwrap_or_default();
        packet.payload_unit_start() && payload.len() < Timestamps::end(payload)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn push(&mut self, packet: &[u8; LEN]) {
        self.packets.push_back(Waiting { packet: *packet, moved: None });
    }

    pub(super) fn front(&self) -> Option<&Waiting> {
        self.packets.front()
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.packets.pop_front()?;
        let packet = self.changed(&waiting.packet).unwrap_or(waiting.packet);
        Some(Waiting { packet, ..waiting })
    }

    /// Whether `packet` is one that was changed, again.
    pub(super) fn changed(&self, packet: &[u8; LEN]) -> Option<[u8; LEN]> {
        let mut changed = self.changed.iter();
        changed.find(|[before, _]| before == packet).map(|[_, now]| *now)
    }

    /// Looks for the times of the PES packet at the front, and adds `ticks` of 90 kHz to them.
    pub(super) fn look_ahead(&mut self, ticks: u64) -> Ahead {
        let front = self.packets.front().and_then(|front| Packet::parse(&front.packet));
        let Some(pid) = front.map(Packet::pid) else { return Ahead::Times(None) };
        let mut counter = None;
        let mut head: Vec<u8> = Vec::new();
        // Where in the queue the packets are, and where in `head` their payloads begin.
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (place, waiting) in self.packets.iter().enumerate() {
            let packet = Packet::parse(&waiting.packet).filter(|packet| packet.pid() == pid);
            let Some(packet) = packet else { continue };
            let Some(payload) = packet.payload() else { continue };
            let is_copy = counter.replace(packet.continuity_counter()) == counter;
            if packet.payload_unit_start() && place > 0 && !is_copy {
                return Ahead::Times(None);
            }
            let before = places.last().filter(|_| is_copy).map(|(_, begin)| *begin);
            places.push((place, before.unwrap_or(head.len())));
            if before.is_none() {
                head.extend_from_slice(payload);
            }
            if head.len() >= Timestamps::end(&head) {
                let times = Timestamps::parse(&head);
                pes::shift_timestamps(&mut head, ticks);
                places
                    .iter()
                    .for_each(|(place, begin)| self.change(*place, head.get(*begin..), times));
                return Ahead::Times(times);
            }
        }
        if self.packets.len() < PACKETS_MAX { Ahead::Open } else { Ahead::Times(None) }
    }

    /// Overwrites the beginning of a packet's payload.
    fn change(&mut self, place: usize, moved: Option<&[u8]>, times: Option<Timestamps>) {
        let Some(waiting) = self.packets.get_mut(place) else { return };
        let before = waiting.packet;
        let payload = packet::payload_mut(&mut waiting.packet);
        payload.iter_mut().zip(moved.unwrap_or_default()).for_each(|(to, from)| *to = *from);
        waiting.moved = Some(times);
        let now = waiting.packet;
        let pid = |[_, high, low, ..]: &[u8; LEN]| (high & 0x1F, *low);
        self.changed.retain(|[other, _]| pid(other) != pid(&before));
        self.changed.push([before, now]);
    }
}
