//! PES packets cut into transport packets, whose counters are still to be set.

use crate::support::ts::PACKET;
use crate::support::ts::SYNC;

/// A PES packet to be.
#[derive(Clone, Debug)]
pub(super) struct Pes<'a> {
    pub(super) pid: u16,
    pub(super) stream_id: u8,
    pub(super) pts: Option<u64>,
    /// Where it is not the PTS.
    pub(super) dts: Option<u64>,
    /// PES_packet_length is stated.
    pub(super) bounded: bool,
    /// In ticks of 27 MHz, in the first packet.
    pub(super) pcr: Option<u64>,
    pub(super) random_access: bool,
    /// Bytes of stuffing in the first packet.
    pub(super) stuffing: usize,
    /// First bytes of the elementary stream.
    pub(super) begins: &'a [u8],
    /// Transport packets in all.
    pub(super) packets: usize,
}

/// Bytes of stuffing at the end: the last packet is never full.
const LAST_STUFFING: usize = 30;

impl Pes<'_> {
    /// The packets; `letters` fills what is left of the payload of each.
    pub(super) fn packets(&self, mut letters: impl FnMut(&mut [u8])) -> Vec<[u8; PACKET]> {
        let first = self.first_field();
        let last = if self.packets == 1 { vec![] } else { adaptation(LAST_STUFFING, None, false) };
        let room = PACKET - 4;
        let length = self.packets * room - first.len() - last.len();
        let mut bytes = self.header(length);
        bytes.extend(self.begins);
        (0..self.packets)
            .map(|number| {
                let field = match number {
                    0 => first.as_slice(),
                    _ if number + 1 == self.packets => last.as_slice(),
                    _ => &[],
                };
                let mut packet = [0; PACKET];
                let start = if number == 0 { 0x40 } else { 0 };
                let [high, low] = self.pid.to_be_bytes();
                let control = if field.is_empty() { 0x10 } else { 0x30 };
                packet[..4].copy_from_slice(&[SYNC, start | high, low, control]);
                packet[4..4 + field.len()].copy_from_slice(field);
                let payload = &mut packet[4 + field.len()..];
                let known = bytes.len().min(payload.len());
                payload[..known].copy_from_slice(&bytes[..known]);
                bytes.drain(..known);
                letters(&mut payload[known..]);
                packet
            })
            .collect()
    }

    fn first_field(&self) -> Vec<u8> {
        let least = if self.pcr.is_some() { 8 } else { 2 };
        let plain = self.pcr.is_none() && !self.random_access && self.stuffing == 0;
        let alone = if self.packets == 1 { LAST_STUFFING } else { 0 };
        if plain && alone == 0 {
            return vec![];
        }
        adaptation(least.max(self.stuffing).max(alone), self.pcr, self.random_access)
    }

    fn header(&self, length: usize) -> Vec<u8> {
        let announced = if self.bounded { length - 6 } else { 0 };
        let [high, low] = u16::try_from(announced).expect("a few packets").to_be_bytes();
        let mut header = vec![0, 0, 1, self.stream_id, high, low, 0x84];
        match (self.pts, self.dts) {
            (None, _) => header.extend([0, 0]),
            (Some(pts), None) => {
                header.extend([0x80, 5]);
                header.extend(stamp(2, pts));
            }
            (Some(pts), Some(dts)) => {
                header.extend([0xc0, 10]);
                header.extend(stamp(3, pts));
                header.extend(stamp(1, dts));
            }
        }
        header
    }
}

/// A packet without payload.
pub(super) fn bare(pid: u16, pcr: Option<u64>) -> [u8; PACKET] {
    let [high, low] = pid.to_be_bytes();
    let mut packet = [0; PACKET];
    packet[..4].copy_from_slice(&[SYNC, high, low, 0x20]);
    packet[4..].copy_from_slice(&adaptation(PACKET - 4, pcr, false));
    packet
}

/// A packet with one whole section.
pub(super) fn section(pid: u16, section: &[u8]) -> [u8; PACKET] {
    let [high, low] = pid.to_be_bytes();
    let mut packet = [0xff; PACKET];
    packet[..5].copy_from_slice(&[SYNC, 0x40 | high, low, 0x10, 0]);
    packet[5..5 + section.len()].copy_from_slice(section);
    packet
}

/// An adaptation field of `length` bytes in all, 2 or 8 and more.
fn adaptation(length: usize, pcr: Option<u64>, random_access: bool) -> Vec<u8> {
    let flags = if random_access { 0x40 } else { 0 } | if pcr.is_some() { 0x10 } else { 0 };
    let mut field = vec![u8::try_from(length - 1).expect("within a packet"), flags];
    if let Some(pcr) = pcr {
        let bits = (pcr / 300) << 15 | 0x7e00 | (pcr % 300);
        field.extend(&bits.to_be_bytes()[2..]);
    }
    field.resize(length, 0xff);
    field
}

/// A PTS or DTS behind its four-bit prefix.
fn stamp(prefix: u64, ticks: u64) -> [u8; 5] {
    let high = prefix << 4 | (ticks >> 30 & 7) << 1 | 1;
    let middle = (ticks >> 15 & 0x7fff) << 1 | 1;
    let low = (ticks & 0x7fff) << 1 | 1;
    let [_, _, _, bytes @ ..] = (high << 32 | middle << 16 | low).to_be_bytes();
    bytes
}
