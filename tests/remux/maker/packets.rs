//! Transport packets whose counters are still to be set.

use std::collections::BTreeMap;

use crate::support::ts::NULL_PID;
use crate::support::ts::PACKET;
use crate::support::ts::SYNC;

/// What stands in the adaptation field of a first packet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field {
    /// In ticks of 27 MHz.
    pub(crate) pcr: Option<u64>,
    pub(crate) random_access: bool,
    pub(crate) discontinuity: bool,
}

impl Field {
    /// `length` bytes, or as many as it needs where that is more.
    fn bytes(self, length: usize) -> Vec<u8> {
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let flags = flag(self.discontinuity, 0x80)
            | flag(self.random_access, 0x40)
            | flag(self.pcr.is_some(), 0x10);
        if flags == 0 && length < 2 {
            return vec![0; length];
        }
        let mut field = vec![0, flags];
        if let Some(pcr) = self.pcr {
            let bits = (pcr / 300) << 15 | 0x7e00 | (pcr % 300);
            field.extend(&bits.to_be_bytes()[2..]);
        }
        field.resize(field.len().max(length), 0xff);
        field[0] = u8::try_from(field.len() - 1).expect("within a packet");
        field
    }
}

/// continuity_counter of each PID (ISO/IEC 13818-1, 2.4.3.3).
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(BTreeMap<u16, u8>);

impl Counters {
    /// The packet with its counter.
    pub(crate) fn count(&mut self, mut packet: [u8; PACKET]) -> [u8; PACKET] {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let counter = self.0.entry(pid).or_insert(15);
        if packet[3] & 0x10 != 0 && pid != NULL_PID {
            *counter = (*counter + 1) % 16;
        }
        packet[3] = packet[3] & 0xf0 | *counter;
        packet
    }
}

/// A PES packet cut into packets, stuffed at the end in the adaptation field.
pub(crate) fn cut(pid: u16, mut bytes: &[u8], field: Field) -> Vec<[u8; PACKET]> {
    let mut packets = Vec::new();
    let (mut field, mut start) = (field, 0x40);
    while !bytes.is_empty() {
        let mut adaptation = field.bytes(0);
        let room = PACKET - 4 - adaptation.len();
        if bytes.len() < room {
            adaptation = field.bytes(PACKET - 4 - bytes.len());
        }
        let (now, later) = bytes.split_at(PACKET - 4 - adaptation.len());
        packets.push(packet(pid, start, &adaptation, now));
        (bytes, field, start) = (later, Field::default(), 0);
    }
    packets
}

/// A PES packet with a PTS; `bounded` states its length.
pub(crate) fn pes(stream_id: u8, pts: u64, payload: &[u8], bounded: bool) -> Vec<u8> {
    let length = if bounded { payload.len() + 8 } else { 0 };
    let [high, low] = u16::try_from(length).expect("a few frames").to_be_bytes();
    let part = |bits: u64| ((pts >> bits & 0x7fff) << 1 | 1).to_be_bytes();
    let [.., b, c] = part(15);
    let [.., d, e] = part(0);
    let a = 0x21 | (pts >> 29 & 0xe) as u8;
    let head = [0, 0, 1, stream_id, high, low, 0x84, 0x80, 5, a, b, c, d, e];
    [&head, payload].concat()
}

/// Sections behind a pointer_field, stuffed at the end.
pub(crate) fn section(pid: u16, bytes: &[u8]) -> Vec<[u8; PACKET]> {
    let whole = bytes.chunks(PACKET - 4).enumerate();
    whole
        .map(|(number, part)| {
            let stuffed = [part, &vec![0xff; PACKET - 4 - part.len()]].concat();
            packet(pid, if number == 0 { 0x40 } else { 0 }, &[], &stuffed)
        })
        .collect()
}

/// A packet without payload.
pub(crate) fn bare(pid: u16, field: Field) -> [u8; PACKET] {
    packet(pid, 0, &field.bytes(PACKET - 4), &[])
}

/// A null packet.
pub(crate) fn stuffing() -> [u8; PACKET] {
    packet(NULL_PID, 0, &[], &[0; PACKET - 4])
}

fn packet(pid: u16, start: u8, adaptation: &[u8], payload: &[u8]) -> [u8; PACKET] {
    let control =
        if adaptation.is_empty() { 0 } else { 0x20 } | if payload.is_empty() { 0 } else { 0x10 };
    let [high, low] = pid.to_be_bytes();
    let mut packet = [0; PACKET];
    packet[..4].copy_from_slice(&[SYNC, start | high, low, control]);
    packet[4..4 + adaptation.len()].copy_from_slice(adaptation);
    packet[4 + adaptation.len()..].copy_from_slice(payload);
    packet
}
