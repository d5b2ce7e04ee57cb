//! Packets that wait because the times of a PES packet do not end within its first packet: they
//! can be moved only once all of their bytes have come. All that comes meanwhile waits behind, so
//! that the order stays.

use std::collections::VecDeque;

use crate::media::ts::packet;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::pes;
use crate::media::ts::pes::Timestamps;

/// Packets that wait at most: 80 ms of a usual stream of 5 Mbit/s, 3 s of sound of 128 kbit/s alone.
const PACKETS_MAX: usize = 256;

/// PIDs at most of which the last packet that was changed is kept. Only as many have one at a time
/// as send the rest of such times between a packet and the next one of its PID.
const CHANGED_MAX: usize = 16;

/// What is known of a PES packet whose beginning is at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// The rest of its times has not come.
    Open,
    /// These are its times, and its packets have been changed. `None`: it has none, or they will not
    /// come.
    Times(Option<Timestamps>),
}

/// The times of the PES packet that a packet begins, where it begins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// To be read and moved in the packet itself.
    Within,
    /// They reached into packets after it, and all of them have been moved: as they were. `None`:
    /// there are none, or they did not come.
    Moved(Option<Timestamps>),
}

/// The packets; see the module. Empty but for streams that are cut so; 256 packets of 216 bytes and
/// 16 pairs of 376 at most: 60 KiB.
#[derive(Debug, Default)]
pub(super) struct Queue {
    packets: VecDeque<Waiting>,
    /// By PID the last packet with the end of such times, as it was and as it is now, until the next
    /// one comes: it may be the same again (2.4.3.3).
    changed: Vec<[[u8; LEN]; 2]>,
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) packet: [u8; LEN],
    pub(super) times: Times,
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
        self.packets.push_back(Waiting { packet: *packet, times: Times::Within });
    }

    pub(super) fn front(&self) -> Option<&Waiting> {
        self.packets.front()
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let mut waiting = self.packets.pop_front()?;
        if waiting.times == Times::Within
            && let Some(packet) = self.changed(&waiting.packet)
        {
            waiting.packet = packet;
        }
        Some(waiting)
    }

    /// What `packet` has become if it is the one that was changed before it on its PID, again. To be
    /// asked once of each packet that was not changed itself, in their order.
    pub(super) fn changed(&mut self, packet: &[u8; LEN]) -> Option<[u8; LEN]> {
        let is_before = |[before, _]: &[[u8; LEN]; 2]| pid(before) == pid(packet);
        let place = self.changed.iter().position(is_before)?;
        // A packet without payload may come between (2.4.3.3).
        Packet::parse(packet).filter(|packet| packet.has_payload())?;
        let [before, now] = self.changed.remove(place);
        (before == *packet).then_some(now)
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
        waiting.times = Times::Moved(times);
        let now = waiting.packet;
        self.changed.retain(|[other, _]| pid(other) != pid(&before));
        if self.changed.len() == CHANGED_MAX {
            self.changed.remove(0);
        }
        self.changed.push([before, now]);
    }
}

const fn pid(packet: &[u8; LEN]) -> [u8; 2] {
    [packet[1] & 0x1F, packet[2]]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::media::ts::packet::Header;
    use crate::media::ts::packet::Pid;
    use crate::media::ts::pes::Pts;

    /// A PES packet whose header is cut amid its PTS.
    fn split(pid: u16) -> [[u8; LEN]; 2] {
        let header = pes::Header {
            stream_id: pes::stream_id::AUDIO,
            data_alignment: true,
            pts: Some(Pts::new(0x1_2345)),
            dts: None,
        };
        let mut unit = Vec::new();
        header.write(100, &mut unit);
        unit.extend([0x55; 100]);
        let (head, rest) = unit.split_at(11);
        let mut out = Vec::new();
        let first = Header { payload_unit_start: true, ..Header::new(Pid::masked(pid), 3) };
        first.write(head, &mut out);
        Header::new(Pid::masked(pid), 4).write(rest, &mut out);
        out.as_chunks().0.try_into().unwrap()
    }

    /// Lets both packets through. Returns what became of the second.
    fn pass(queue: &mut Queue, [first, second]: &[[u8; LEN]; 2]) -> [u8; LEN] {
        assert!(Queue::is_needed(Packet::parse(first).unwrap()));
        queue.push(first);
        assert_eq!(queue.look_ahead(7), Ahead::Open);
        queue.push(second);
        assert!(matches!(queue.look_ahead(7), Ahead::Times(Some(_))));
        queue.pop().unwrap();
        let moved = queue.pop().unwrap();
        assert!(queue.is_empty() && moved.packet != *second);
        moved.packet
    }

    #[test]
    fn a_copy_becomes_what_the_packet_became() {
        let mut queue = Queue::default();
        let packets = split(0x100);
        let moved = pass(&mut queue, &packets);
        let mut bare = Vec::new();
        Header::new(Pid::masked(0x100), 4).write(&[], &mut bare);
        assert_eq!(queue.changed(&split(0x101)[1]), None);
        assert_eq!(queue.changed(bare.first_chunk().unwrap()), None);
        assert_eq!(queue.changed(&packets[1]), Some(moved));
        assert_eq!(queue.changed(&packets[1]), None, "a packet comes twice at most");
        pass(&mut queue, &packets);
        assert_eq!(queue.changed(&packets[0]), None);
        assert_eq!(queue.changed(&packets[1]), None, "another packet came between");
    }

    #[test]
    fn what_is_kept_of_many_pids_is_bounded() {
        let mut queue = Queue::default();
        (0x100..0x200).for_each(|pid| _ = pass(&mut queue, &split(pid)));
        assert_eq!(queue.changed.len(), CHANGED_MAX);
        assert!(queue.changed(&split(0x1FF)[1]).is_some());
    }
}
