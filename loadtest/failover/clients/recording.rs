//! The last seconds that a client got, and the part of them that a decoder should be content with.

use std::collections::VecDeque;

use weir::media::ts::packet;
use weir::media::ts::packet::Packet;
use weir::media::ts::packet::Pid;

use crate::failover::source::media::random_access;

/// Bytes of a block, the unit in which old ones are forgotten.
const BLOCK: usize = 64 * 1024;

/// Blocks that are kept: some 15 s at 1 Mbit/s.
const BLOCKS: usize = 30;

/// Bytes before and after a join that are to be decoded: four to five seconds each.
const AROUND: usize = 550_000;

/// See the module. At most 2 MB.
#[derive(Default)]
pub(crate) struct Recording {
    blocks: VecDeque<Vec<u8>>,
    /// Where in the stream they begin.
    position: u64,
}

/// Whole packets, from a random access point's tables to the end of a picture and its sound.
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// Where in it the next source's tables and first picture begin.
    pub(crate) join: Option<usize>,
}

impl Recording {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let last = self.blocks.back_mut().filter(|last| last.len() < BLOCK);
        match last {
            Some(last) => last.extend_from_slice(bytes),
            None => self.blocks.push_back(bytes.to_vec()),
        }
        while self.blocks.len() > BLOCKS
            && let Some(old) = self.blocks.pop_front()
        {
            self.position += old.len() as u64;
        }
    }

    /// What is to be decoded, around the join at `joined` of the stream or at the end.
    pub(crate) fn part(&self, joined: Option<u64>) -> Part {
        let all: Vec<u8> = self.blocks.iter().flatten().copied().collect();
        let joined = joined.and_then(|joined| {
            let at = usize::try_from(joined.checked_sub(self.position)?).ok()?;
            (at < all.len()).then(|| tables_before(&all, at))
        });
        let middle = joined.unwrap_or(all.len().saturating_sub(AROUND));
        let until = all.len().min(middle + AROUND);
        let all = all.get(middle.saturating_sub(AROUND)..until).unwrap_or_default();
        let begin = Self::first(all, tables_of_access_point);
        let behind = all.get(begin..).unwrap_or_default();
        let bytes = behind.get(..end_of_units(behind)).unwrap_or_default().to_vec();
        let join = joined.and_then(|at| at.checked_sub(middle.saturating_sub(AROUND) + begin));
        Part { join: join.filter(|join| *join < bytes.len()), bytes }
    }

    /// The first place that is such a packet.
    fn first(bytes: &[u8], is: impl Fn(&[u8]) -> bool) -> usize {
        (0..bytes.len()).find(|at| bytes.get(*at..).is_some_and(&is)).unwrap_or(bytes.len())
    }
}

/// Whether PAT and PMT begin here and the next picture can be decoded by itself.
fn tables_of_access_point(bytes: &[u8]) -> bool {
    let packets = bytes.as_chunks::<{ packet::LEN }>().0;
    let begins = |packet: &[u8; packet::LEN]| Packet::parse(packet).map(|packet| packet.pid());
    if packets.first().and_then(begins) != Some(Pid::PAT) {
        return false;
    }
    let picture = packets.iter().take(8).find(|packet| begins_picture(packet));
    picture.and_then(random_access).is_some()
}

/// The tables that stand directly before the picture at `at`.
fn tables_before(bytes: &[u8], at: usize) -> usize {
    let is_pat = |at: &usize| {
        let packet = bytes.get(*at..).and_then(|bytes| bytes.first_chunk());
        packet.and_then(Packet::parse).is_some_and(|packet| packet.pid() == Pid::PAT)
    };
    (1..=6).filter_map(|count| at.checked_sub(count * packet::LEN)).find(is_pat).unwrap_or(at)
}

/// Where the last picture begins, before which everything is whole.
fn end_of_units(bytes: &[u8]) -> usize {
    let packets = bytes.as_chunks::<{ packet::LEN }>().0;
    packets.iter().rposition(begins_picture).unwrap_or(0) * packet::LEN
}

/// Whether a PES packet of video begins in it (table 2-22).
fn begins_picture(packet: &[u8; packet::LEN]) -> bool {
    let Some(packet) = Packet::parse(packet) else { return false };
    let payload = packet.payload().unwrap_or_default();
    packet.payload_unit_start() && matches!(payload, [0, 0, 1, 0xe0..=0xef, ..])
}
