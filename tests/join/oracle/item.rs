//! One packet of a stream, with everything the rules ask of it, and its identity: what is left once
//! the fields that a join may rewrite are blanked.

use crate::support::ts::PACKET;
use crate::support::ts::check::continuity::Step;
use crate::support::ts::check::packet::Packet;
use crate::support::ts::crc32;

/// A packet that was read.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Offset of its first byte in the stream.
    pub(crate) at: usize,
    /// The packet without PID, counter, PCR, OPCR, discontinuity_indicator, PTS and DTS.
    pub(crate) identity: [u8; PACKET],
    pub(crate) pid: u16,
    pub(crate) error: bool,
    /// payload_unit_start_indicator.
    pub(crate) start: bool,
    pub(crate) scrambled: bool,
    pub(crate) discontinuity: bool,
    pub(crate) has_payload: bool,
    /// Offset of the payload within the packet; 188 without one.
    pub(crate) payload: usize,
    /// In ticks of 27 MHz.
    pub(crate) pcr: Option<u64>,
    /// In ticks of 27 MHz.
    pub(crate) opcr: Option<u64>,
    /// How its counter follows.
    pub(crate) step: Step,
    /// The PES packet that begins here.
    pub(crate) unit: Option<Unit>,
    /// pts_adjustment of the splice information that begins here.
    pub(crate) splice: Option<u64>,
    /// Index of the tables in force once this packet was read.
    pub(crate) tables: usize,
}

/// The header of a PES packet (2.4.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// PES_packet_length.
    pub(crate) announced: usize,
    /// Bytes up to the elementary stream.
    pub(crate) header: usize,
    pub(crate) pts: Option<u64>,
    pub(crate) dts: Option<u64>,
}

impl Unit {
    /// DTS, or PTS where there is none.
    pub(crate) fn decoded(&self) -> Option<u64> {
        self.dts.or(self.pts)
    }
}

impl Item {
    /// Takes a packet apart; the reader fills in what needs the packets before it.
    pub(crate) fn new(at: usize, packet: &Packet<'_>) -> Self {
        let mut identity = *packet.bytes;
        identity[1] &= 0xe0;
        identity[2] = 0;
        identity[3] &= 0xf0;
        let mut opcr = None;
        let adapted = identity[3] & 0x20 != 0 && identity[4] > 0 && packet.malformed.is_none();
        if adapted {
            identity[5] &= 0x7f;
            let (has_pcr, has_opcr) = (identity[5] & 0x10 != 0, identity[5] & 0x08 != 0);
            let from = if has_pcr { 12 } else { 6 };
            if has_opcr && from + 6 <= 5 + usize::from(identity[4]) {
                opcr = Some(clock(&packet.bytes[from..from + 6]));
                identity[from..from + 6].fill(0);
            }
            if has_pcr {
                identity[6..12].fill(0);
            }
        }
        Self {
            at,
            identity,
            pid: packet.pid,
            error: packet.error,
            start: packet.start,
            scrambled: packet.scrambled,
            discontinuity: packet.discontinuity,
            has_payload: packet.has_payload,
            payload: PACKET - packet.payload.len(),
            pcr: packet.pcr,
            opcr,
            step: Step::Next,
            unit: None,
            splice: None,
            tables: 0,
        }
    }

    /// Reads the splice_info_section (SCTE 35, 9.6) that lies whole in the packet: a join moves its
    /// pts_adjustment, and so its CRC. False if its CRC is wrong.
    pub(crate) fn read_splice(&mut self, packet: &Packet<'_>) -> bool {
        let [0, section @ ..] = packet.payload else { return true };
        let [0xfc, high, low, ..] = *section else { return true };
        let length = 3 + usize::from(u16::from_be_bytes([high & 0xf, low]));
        if !self.start || length < 20 || length > section.len() {
            return true;
        }
        self.splice = Some(section[4..9].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
            .map(|bits: u64| bits & 0x1_ffff_ffff);
        let from = self.payload + 1;
        self.identity[from + 4] &= 0xfe;
        self.identity[from + 5..from + 9].fill(0);
        self.identity[from + length - 4..from + length].fill(0);
        crc32(&section[..length]) == 0
    }
}

/// A PCR or OPCR (2.4.3.4), in ticks of 27 MHz.
fn clock(field: &[u8]) -> u64 {
    let bits = field.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 15) * 300 + (bits & 0x1ff)
}

/// stream_id values whose header ends after PES_packet_length (2.4.3.7).
const BARE: [u8; 8] = [0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff];

/// What the first bytes of a PES packet say.
pub(crate) enum Header {
    /// Not a PES packet.
    Foreign,
    /// More bytes are needed.
    Short,
    /// All of it.
    Whole(Unit),
}

impl Header {
    /// Reads the beginning of a PES packet.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if !bytes.starts_with(&[0, 0, 1][..bytes.len().min(3)]) {
            return Self::Foreign;
        }
        if bytes.len() < 6 {
            return Self::Short;
        }
        let announced = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        if BARE.contains(&bytes[3]) {
            return Self::Whole(Unit { announced, header: 6, pts: None, dts: None });
        }
        if bytes.len() < 9 {
            return Self::Short;
        }
        let header = 9 + usize::from(bytes[8]);
        if bytes[6] >> 6 != 2 {
            return Self::Foreign;
        }
        if bytes.len() < header {
            return Self::Short;
        }
        let stamp = |from: usize| bytes.get(from..from + 5).filter(|_| from + 5 <= header);
        let (pts, dts) = match bytes[7] >> 6 {
            2 => (stamp(9).map(ticks), None),
            3 => (stamp(9).map(ticks), stamp(14).map(ticks)),
            _ => (None, None),
        };
        Self::Whole(Unit { announced, header, pts, dts })
    }

    /// Offsets within the PES packet of the bytes of its stamps.
    pub(crate) fn stamps(unit: &Unit) -> std::ops::Range<usize> {
        match (unit.pts, unit.dts) {
            (None, _) => 0..0,
            (Some(_), None) => 9..14,
            (Some(_), Some(_)) => 9..19,
        }
    }
}

/// 33 bits behind a prefix, with marker bits between.
fn ticks(field: &[u8]) -> u64 {
    let bits = |at: usize, mask: u8| u64::from(field[at] & mask);
    bits(0, 0xe) << 29
        | bits(1, 0xff) << 22
        | bits(2, 0xfe) << 14
        | bits(3, 0xff) << 7
        | bits(4, 0xfe) >> 1
}
