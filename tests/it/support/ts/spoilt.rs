//! A pattern that goes bad while it plays on: packets at the usual rate with nothing in them.

use super::NULL_PID;
use super::PACKET;
use super::SYNC;
use super::TsPattern;
use crate::support::content::Content;

/// What becomes of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// All of them are null packets.
    NullPackets,
    /// Every PCR is the last good one.
    FrozenClock,
    /// transport_scrambling_control says scrambled, on all PIDs but the tables'.
    Scrambled,
}

/// `pattern` up to a packet, and spoilt from there on for ever.
#[derive(Clone, Debug)]
pub(crate) struct Spoilt {
    pattern: TsPattern,
    from: u64,
    spoil: Spoil,
    /// The last PCR field before that.
    pcr: [u8; 6],
}

impl Spoilt {
    /// Packets before `from`, which is at least 10, are good.
    pub(crate) fn new(pattern: TsPattern, from: u64, spoil: Spoil) -> Self {
        let before = (0..from).rev().map(|number| pattern.packet(number));
        let pcr = before.filter_map(|packet| pcr_in(&packet)).next();
        Self { pcr: pcr.expect("a PCR before that"), pattern, from, spoil }
    }

    fn packet(&self, number: u64) -> [u8; PACKET] {
        let mut packet = self.pattern.packet(number);
        if number < self.from {
            return packet;
        }
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        match self.spoil {
            Spoil::NullPackets => {
                packet.fill(0xff);
                let [high, low] = NULL_PID.to_be_bytes();
                packet[..4].copy_from_slice(&[SYNC, high, low, 0x10]);
            }
            Spoil::FrozenClock if pcr_in(&packet).is_some() => {
                packet[6..12].copy_from_slice(&self.pcr);
            }
            Spoil::Scrambled if pid != 0 && !self.pattern.is_pmt_pid(pid) => packet[3] |= 0x80,
            Spoil::FrozenClock | Spoil::Scrambled => {}
        }
        packet
    }
}

impl Content for Spoilt {
    fn fill(&self, offset: u64, into: &mut [u8]) {
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let packet = self.packet(at / PACKET as u64);
            let from = usize::try_from(at % PACKET as u64).expect("less than a packet");
            let count = rest.len().min(PACKET - from);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&packet[from..from + count]);
            at += count as u64;
            rest = later;
        }
    }

    fn length(&self) -> Option<u64> {
        None
    }
}

/// The PCR field of a packet (ISO/IEC 13818-1 2.4.3.4).
fn pcr_in(packet: &[u8; PACKET]) -> Option<[u8; 6]> {
    let has_field = packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    has_field.then(|| [6, 7, 8, 9, 10, 11].map(|at| packet[at]))
}
