//! A transport stream as packets and sections, wherever it comes from.

use crate::support::ts::PACKET;
use crate::support::ts::SYNC;
use crate::support::ts::check::continuity::Continuity;
use crate::support::ts::check::continuity::Step;
use crate::support::ts::check::packet::Packet;
use crate::support::ts::crc32;
use crate::support::ts::psi::Sections;

/// Packets of a stream, junk between them left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) items: Vec<Item>,
    /// Bytes passed over before and between packets.
    pub(crate) junk: usize,
    /// Bytes after the last packet.
    pub(crate) rest: usize,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) bytes: [u8; PACKET],
    pub(crate) pid: u16,
    /// In ticks of 27 MHz.
    pub(crate) pcr: Option<u64>,
}

impl Item {
    fn read(bytes: &[u8; PACKET]) -> Self {
        Self { bytes: *bytes, pid: Packet::read(bytes).pid, pcr: pcr(bytes) }
    }

    /// Taken apart.
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet::read(&self.bytes)
    }

    /// Whether it is `other` but for the PCR, and the counter if `counted`.
    pub(crate) fn is_but_for_pcr(&self, other: &Self, counted: bool) -> bool {
        let clock = self.pcr.is_some() && other.pcr.is_some();
        let plain = |item: &Self| {
            let mut bytes = item.bytes;
            if clock {
                bytes[6..12].fill(0);
            }
            if counted {
                bytes[3] &= 0xf0;
            }
            bytes
        };
        self.bytes == other.bytes || plain(self) == plain(other)
    }
}

/// The PCR in ticks of 27 MHz, also where its extension is more than it can be.
fn pcr(bytes: &[u8; PACKET]) -> Option<u64> {
    let has = bytes[3] & 0x20 != 0 && (7..=183).contains(&bytes[4]) && bytes[5] & 0x10 != 0;
    let [a, b, c, d, e, f] = bytes[6..12].try_into().expect("six bytes");
    let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    has.then_some(((bits >> 15) * 300 + (bits & 0x1ff)) % (300 << 33))
}

/// A section of a table, and the packet that completes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) item: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_intact: bool,
}

impl Stream {
    /// Out of step, three sync bytes in line make a packet; at the end as many as there is room for.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut stream = Self::default();
        let (mut at, mut synced) = (0, true);
        while let Some(packet) = bytes.get(at..).and_then(|rest| rest.first_chunk::<PACKET>()) {
            synced = packet[0] == SYNC && (synced || in_line(&bytes[at..]));
            if synced {
                stream.items.push(Item::read(packet));
                at += PACKET;
            } else {
                stream.junk += 1;
                at += 1;
            }
        }
        stream.rest = bytes.len() - at;
        stream
    }

    /// Packets on a PID, with their numbers.
    pub(crate) fn on(&self, pid: u16) -> impl Iterator<Item = (usize, &Item)> {
        self.items.iter().enumerate().filter(move |(_, item)| item.pid == pid)
    }

    /// Sections on a PID. What a lost packet belonged to is left out.
    pub(crate) fn sections(&self, pid: u16) -> Vec<Section> {
        let mut sections = Sections::default();
        let mut continuity = Continuity::default();
        let mut found = Vec::new();
        for (number, item) in self.on(pid) {
            let packet = item.packet();
            if packet.error || packet.scrambled || packet.malformed.is_some() {
                continue;
            }
            match continuity.step(&packet, false) {
                Step::Duplicate => continue,
                Step::Next => {}
                Step::Jumped | Step::Broken { .. } => sections.drop_unfinished(),
            }
            let whole = if packet.has_payload {
                sections.push(packet.payload, packet.start).unwrap_or_default()
            } else {
                Vec::new()
            };
            found.extend(whole.into_iter().map(|bytes| {
                let is_intact = crc32(&bytes) == 0;
                Section { item: number, bytes, is_intact }
            }));
        }
        found
    }
}

fn in_line(bytes: &[u8]) -> bool {
    [PACKET, 2 * PACKET].iter().all(|at| bytes.get(*at).is_none_or(|byte| *byte == SYNC))
}
