//! AAC-LC on its way into a transport stream: each access unit in ADTS (ISO/IEC 14496-3, 1.A.3) and in a PES packet
//! of its own, whose time it has.

use crate::media::ts::packet;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes;
use crate::media::ts::pes::Pts;

/// Bytes of an ADTS header without a checksum.
const ADTS_LEN: usize = 7;

/// Sampling rates by `sampling_frequency_index` (table 1.18).
const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/// Whether AAC has a code for this rate.
pub(super) fn has_rate(rate: u32) -> bool {
    RATES.contains(&rate)
}

/// Writes one track.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) pid: Pid,
    stream_id: u8,
    /// Of an access unit before it is in packets.
    pes: Vec<u8>,
}

impl Output {
    /// A track that is sound number `index` of its programme.
    pub(super) fn new(pid: Pid, index: usize) -> Self {
        let index = u8::try_from(index % 32).unwrap_or(0);
        Self { pid, stream_id: pes::stream_id::AUDIO + index, pes: Vec::with_capacity(2048) }
    }

    /// Appends an access unit as packets. One that ADTS cannot hold is left out, and false.
    pub(super) fn write(
        &mut self,
        unit: &[u8],
        (rate, channels): (u32, u8),
        pts: Pts,
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(adts) = adts(unit.len(), rate, channels) else { return false };
        let header = pes::Header {
            stream_id: self.stream_id,
            data_alignment: true,
            pts: Some(pts),
            dts: None,
        };
        self.pes.clear();
        header.write(adts.len() + unit.len(), &mut self.pes);
        self.pes.extend_from_slice(&adts);
        self.pes.extend_from_slice(unit);
        let mut rest = &self.pes[..];
        let mut payload_unit_start = true;
        while !rest.is_empty() {
            let header = packet::Header {
                payload_unit_start,
                ..packet::Header::new(self.pid, counter.advance())
            };
            rest = header.write(rest, out);
            payload_unit_start = false;
        }
        true
    }
}

/// The header of an access unit of so many bytes: MPEG-4, AAC-LC, no checksum, buffer fullness untold.
fn adts(len: usize, rate: u32, channels: u8) -> Option<[u8; ADTS_LEN]> {
    let index = u8::try_from(RATES.iter().position(|known| *known == rate)?).ok()?;
    let len = u16::try_from(len + ADTS_LEN).ok().filter(|len| *len < 1 << 13)?;
    let [high, low] = len.to_be_bytes();
    Some([
        0xFF,
        0xF1,
        1 << 6 | index << 2 | channels >> 2,
        channels << 6 | high >> 3,
        high << 5 | low >> 3,
        low << 5 | 0x1F,
        0xFC,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ts::packet::LEN;
    use crate::media::ts::packet::Packet;
    use crate::media::ts::pes::Pes;
    use crate::remux::header;

    #[test]
    fn a_unit_becomes_one_pes_packet_of_one_adts_frame() {
        for len in [1, 155, 156, 157, 158, 162, 163, 500, 1500, 8184] {
            let unit: Vec<u8> = (0..len).map(|index: usize| index.to_le_bytes()[0]).collect();
            let mut output = Output::new(Pid::masked(0x44), 2);
            let mut counter = ContinuityCounter::after(14);
            let mut out = Vec::new();
            assert!(output.write(&unit, (48_000, 2), Pts::new(5), &mut counter, &mut out));
            let packets = out.as_chunks::<LEN>().0;
            assert_eq!(packets.len() * LEN, out.len());
            let mut bytes = Vec::new();
            for (index, packet) in packets.iter().enumerate() {
                let packet = Packet::parse(packet).unwrap();
                assert_eq!(packet.pid(), Pid::masked(0x44));
                assert_eq!(usize::from(packet.continuity_counter()), (15 + index) % 16);
                assert_eq!(packet.payload_unit_start(), index == 0);
                bytes.extend_from_slice(packet.payload().unwrap());
            }
            let pes = Pes::parse(&bytes).unwrap();
            assert_eq!((pes.stream_id(), pes.pts()), (0xC2, Some(Pts::new(5))));
            assert!(pes.data_alignment_indicator());
            assert_eq!(usize::from(pes.packet_length().unwrap()), bytes.len() - 6);
            assert_eq!(header::adts_len(pes.payload()), Some(pes.payload().len()));
            // LC, 48 kHz, two channels.
            assert_eq!(pes.payload()[..4], [0xFF, 0xF1, 0x4C, 0x80 | pes.payload()[3] & 3]);
            assert_eq!(pes.payload()[7..], unit);
        }
        let mut counter = ContinuityCounter::default();
        let mut write = |len: usize, rate: u32| {
            let unit = vec![0; len];
            let mut output = Output::new(Pid::masked(1), 0);
            output.write(&unit, (rate, 2), Pts::new(0), &mut counter, &mut Vec::new())
        };
        assert!(!write(8185, 48_000));
        assert!(!write(100, 47_000));
        assert!(write(100, 7_350) == has_rate(7_350));
    }

    #[test]
    fn rates_and_channels_have_their_codes() {
        assert_eq!(adts(100, 44_100, 1).unwrap()[2..4], [1 << 6 | 4 << 2, 0x40]);
        assert_eq!(adts(100, 32_000, 2).unwrap()[2..4], [1 << 6 | 5 << 2, 0x80]);
    }
}
