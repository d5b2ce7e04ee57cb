//! The heads of frames of sound: what begins one and how long it is. AC-3 and E-AC-3 by ETSI TS 102 366 (4.3 and
//! E.1.2), layer II by ISO/IEC 11172-3 (2.4.2.3) and 13818-3, LOAS by ISO/IEC 14496-3 (1.7.2), ADTS there (1.A.3).

use crate::remux::codec::Coding;

/// Bytes that [`read`] needs to see a frame's beginning.
pub(super) const HEAD_LEN: usize = 8;

/// What the head of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the frame, head included.
    pub(super) len: usize,
    /// Samples of each channel that it holds; 0 where its head does not say.
    pub(super) samples: usize,
    /// Samples a second; 0 where its head does not say.
    pub(super) rate: u32,
    /// Channels without the low frequency one; 0 where its head does not say.
    pub(super) channels: u8,
    /// It belongs to the frame before it (a substream of E-AC-3 that adds channels to another, or is another
    /// programme's).
    pub(super) is_addition: bool,
    /// It has a checksum over all of it.
    pub(super) is_checked: bool,
}

/// Reads the head of a frame that begins with `bytes`, of which there must be [`HEAD_LEN`]. `None`: no frame of
/// this coding begins here.
pub(super) fn read(coding: Coding, bytes: &[u8]) -> Option<Head> {
    let head: &[u8; HEAD_LEN] = bytes.first_chunk()?;
    match coding {
        Coding::Ac3 | Coding::Eac3 => ac3(*head),
        Coding::Mp2 => layer_2(*head),
        Coding::Latm => loas(*head),
    }
}

/// Fewest bytes of a block of E-AC-3.
const BLOCK_MIN: usize = 10;

/// Channels of `acmod` without the low frequency one (table 4.3).
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// Kilobits a second of an AC-3 frame by its `frmsizecod` without the last bit (table 4.13).
const AC3_KILOBITS: [usize; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// AC-3, and E-AC-3 by its `bsid`: which of the two a frame is does not depend on what the PMT says.
fn ac3(head: [u8; HEAD_LEN]) -> Option<Head> {
    let [0x0B, 0x77, second, third, fourth, fifth, sixth, _] = head else { return None };
    let rates = [48_000, 44_100, 32_000];
    match fifth >> 3 {
        // Below 8 it means the same, 9 and 10 are half and a quarter of the rate.
        bsid @ 0..=10 => {
            let rate: u32 = rates.get(usize::from(fourth >> 6)).copied()?;
            let code = fourth & 0x3F;
            let kilobits = AC3_KILOBITS.get(usize::from(code >> 1)).copied()?;
            // Words of 1536 samples at this rate; at 44.1 kHz every other frame has one more.
            let words = match rate {
                48_000 => kilobits * 2,
                32_000 => kilobits * 3,
                _ => kilobits * 96_000 / 44_100 + usize::from(code & 1),
            };
            let rate = rate >> bsid.saturating_sub(8).min(2);
            let channels = channels_of(sixth >> 5);
            Some(Head {
                len: words * 2,
                samples: 1536,
                rate,
                channels,
                is_addition: false,
                is_checked: true,
            })
        }
        11..=16 => {
            let words = usize::from(u16::from_be_bytes([second & 7, third])) + 1;
            let (code, blocks) = (fourth >> 6, (fourth >> 4) & 3);
            let (rate, blocks) = match (rates.get(usize::from(code)), blocks) {
                (Some(rate), blocks) => (*rate, [1, 2, 3, 6].get(usize::from(blocks)).copied()?),
                // Half the rate, always six blocks.
                (None, half) => (rates.get(usize::from(half)).copied()? / 2, 6),
            };
            let (kind, substream) = (second >> 6, (second >> 3) & 7);
            // Frames without room for their coefficients would be much time in few bytes.
            if kind == 3 || words * 2 < BLOCK_MIN * blocks {
                return None;
            }
            let channels = channels_of((fourth >> 1) & 7);
            let is_addition = kind == 1 || substream != 0;
            Some(Head {
                len: words * 2,
                samples: blocks * 256,
                rate,
                channels,
                is_addition,
                is_checked: true,
            })
        }
        _ => None,
    }
}

fn channels_of(acmod: u8) -> u8 {
    CHANNELS.get(usize::from(acmod)).copied().unwrap_or(0)
}

/// Kilobits a second of layer II by `bitrate_index`, in MPEG-1 and at its half sampling rates. 0 is the free
/// format, of which nobody broadcasts.
const LAYER_2_KILOBITS: [[usize; 16]; 2] = [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];

fn layer_2(head: [u8; HEAD_LEN]) -> Option<Head> {
    let [0xFF, first, second, third, ..] = head else { return None };
    // Sync word, layer II.
    if first & 0xF6 != 0xF4 {
        return None;
    }
    let is_half = first & 0x08 == 0;
    let rates = [44_100_u32, 48_000, 32_000];
    let rate = rates.get(usize::from((second >> 2) & 3)).copied()? >> u32::from(is_half);
    let kilobits = LAYER_2_KILOBITS.get(usize::from(is_half))?.get(usize::from(second >> 4))?;
    let padding = usize::from((second >> 1) & 1);
    let len = 144_000 * kilobits / usize::try_from(rate).ok()?;
    let channels = if third >> 6 == 3 { 1 } else { 2 };
    (len > 0).then_some(Head {
        len: len + padding,
        samples: 1152,
        rate,
        channels,
        is_addition: false,
        is_checked: false,
    })
}

fn loas(head: [u8; HEAD_LEN]) -> Option<Head> {
    let [0x56, first, second, ..] = head else { return None };
    if first & 0xE0 != 0xE0 {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([first & 0x1F, second]));
    (len > 0).then_some(Head {
        len: 3 + len,
        samples: 0,
        rate: 0,
        channels: 0,
        is_addition: false,
        is_checked: false,
    })
}

/// Bytes of the ADTS frame that begins with `bytes`; `None` where none does.
pub(super) fn adts_len(bytes: &[u8]) -> Option<usize> {
    let &[0xFF, first, second, third, fourth, fifth, ..] = bytes else { return None };
    // Sync word, layer 0, and a sampling rate that is none of the reserved ones.
    if first & 0xF6 != 0xF0 || (second >> 2) & 0x0F > 12 {
        return None;
    }
    let len = usize::from(third & 3) << 11 | usize::from(fourth) << 3 | usize::from(fifth >> 5);
    (len > 7).then_some(len)
}

/// Whether the checksum of a whole frame of AC-3 or E-AC-3 is right: CRC-16 of all but the sync word, which is 0
/// with the one at its end (4.4.5.2).
pub(super) fn is_intact(frame: &[u8]) -> bool {
    let crc = frame.iter().skip(2).fold(0_u16, |crc, byte| {
        let [top, _] = crc.to_be_bytes();
        (crc << 8) ^ CRC_TABLE.get(usize::from(top ^ byte)).copied().unwrap_or(0) // Has all 256.
    });
    crc == 0
}

static CRC_TABLE: [u16; 256] = crc_table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the bounds")]
const fn crc_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut top = 0_u16;
    while top < 256 {
        let mut crc = top << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc >> 15 == 1 { 0x8005 } else { 0 };
            bit += 1;
        }
        table[top as usize] = crc;
        top += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ac3_head(fscod: u8, frmsizecod: u8, bsid: u8, acmod: u8) -> [u8; HEAD_LEN] {
        [0x0B, 0x77, 0, 0, fscod << 6 | frmsizecod, bsid << 3, acmod << 5, 0]
    }

    #[test]
    fn ac3_frames_have_the_lengths_of_the_table() {
        let len =
            |fscod, code| read(Coding::Ac3, &ac3_head(fscod, code, 8, 7)).map(|head| head.len);
        // Rows of table 4.13 at 48, 44.1 and 32 kHz, in words.
        for (code, words) in [(0, [64, 69, 96]), (1, [64, 70, 96]), (20, [384, 417, 576])] {
            for (fscod, words) in (0_u8..).zip(words) {
                assert_eq!(len(fscod, code), Some(words * 2), "{code} {fscod}");
            }
        }
        assert_eq!(len(1, 37), Some(1394 * 2));
        assert_eq!(len(0, 30), Some(1792), "448 kbit/s");
        assert_eq!(len(0, 38), None);
        assert_eq!(len(3, 0), None);
        let head = read(Coding::Eac3, &ac3_head(0, 30, 8, 7)).unwrap();
        assert_eq!((head.samples, head.rate, head.channels), (1536, 48_000, 5));
        assert_eq!(read(Coding::Ac3, &ac3_head(0, 0, 9, 2)).unwrap().rate, 24_000);
        assert_eq!(read(Coding::Ac3, &ac3_head(0, 0, 17, 2)), None);
        assert_eq!(read(Coding::Ac3, &[0x0B, 0x77, 0]), None);
    }

    #[test]
    fn eac3_frames_tell_their_blocks_and_whose_they_are() {
        let read = |bytes: [u8; HEAD_LEN]| read(Coding::Eac3, &bytes);
        // 512 bytes, 48 kHz, six blocks, 3/2.
        let head = read([0x0B, 0x77, 0, 255, 0x30 | 7 << 1, 16 << 3, 0, 0]).unwrap();
        assert_eq!((head.len, head.samples, head.rate), (512, 1536, 48_000));
        assert_eq!((head.channels, head.is_addition), (5, false));
        let head = read([0x0B, 0x77, 0x40, 255, 0x40, 16 << 3, 0, 0]).unwrap();
        assert_eq!((head.samples, head.rate, head.is_addition), (256, 44_100, true));
        // Half of 32 kHz, which has six blocks always.
        let head = read([0x0B, 0x77, 0, 255, 0xE0, 16 << 3, 0, 0]).unwrap();
        assert_eq!((head.samples, head.rate), (1536, 16_000));
        assert_eq!(read([0x0B, 0x77, 0, 255, 0xF0, 16 << 3, 0, 0]), None);
        assert!(read([0x0B, 0x77, 0x08, 255, 0x30, 16 << 3, 0, 0]).unwrap().is_addition);
        assert_eq!(read([0x0B, 0x77, 0xC0, 255, 0x30, 16 << 3, 0, 0]), None);
        assert_eq!(read([0x0B, 0x77, 0, 2, 0x30, 16 << 3, 0, 0]), None, "too short for its blocks");
    }

    #[test]
    fn layer_2_frames_tell_length_rate_and_channels() {
        let read_4 = |bytes: [u8; 4]| {
            let [a, b, c, d] = bytes;
            read(Coding::Mp2, &[a, b, c, d, 0, 0, 0, 0])
        };
        let head = read_4([0xFF, 0xFD, 0xA4, 0x04]).unwrap();
        assert_eq!((head.len, head.samples, head.rate, head.channels), (576, 1152, 48_000, 2));
        let head = read_4([0xFF, 0xFD, 0xA2, 0xC4]).unwrap();
        assert_eq!((head.len, head.rate, head.channels), (627, 44_100, 1));
        let head = read_4([0xFF, 0xF5, 0x84, 0x04]).unwrap();
        assert_eq!((head.len, head.rate), (384, 24_000), "64 kbit/s at half the rate");
        for wrong in [
            [0xFF, 0xFB, 0xA4, 0x04], // layer III
            [0xFF, 0xFD, 0xF4, 0x04],
            [0xFF, 0xFD, 0x04, 0x04],
            [0xFF, 0xFD, 0xAC, 0x04],
            [0xFF, 0xED, 0xA4, 0x04],
            [0xFF, 0xF1, 0x4C, 0x80],
        ] {
            assert_eq!(read_4(wrong), None, "{wrong:x?}");
        }
    }

    #[test]
    fn loas_and_adts_tell_their_lengths() {
        let loas = read(Coding::Latm, &[0x56, 0xE1, 0x02, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(loas.len, 3 + 0x102);
        assert_eq!(read(Coding::Latm, &[0x56, 0xC1, 0x02, 0, 0, 0, 0, 0]), None);
        assert_eq!(read(Coding::Latm, &[0x56, 0xE0, 0x00, 0, 0, 0, 0, 0]), None);
        assert_eq!(read(Coding::Latm, &[0x56, 0xFF, 0xFF, 0, 0, 0, 0, 0]).unwrap().len, 8194);
        assert_eq!(adts_len(&[0xFF, 0xF1, 0x4C, 0x80, 0x20, 0x1F]), Some(256));
        assert_eq!(adts_len(&[0xFF, 0xF1, 0x7C, 0x80, 0x20, 0x1F]), None, "reserved rate");
        assert_eq!(adts_len(&[0xFF, 0xFD, 0xA4, 0x04, 0, 0]), None, "layer II");
        assert_eq!(adts_len(&[0xFF, 0xF1, 0x4C, 0x80, 0, 0x1F]), None, "shorter than its head");
    }

    #[test]
    fn the_checksum_is_crc_16_over_all_but_the_sync_word() {
        let mut frame = vec![0x0B, 0x77, 1, 2, 3, 4, 5, 6];
        let crc = frame.iter().skip(2).fold(0_u16, |crc, byte| {
            (0..8).rev().fold(crc, |crc, bit| {
                let feedback = (crc >> 15) ^ u16::from(byte >> bit & 1);
                (crc << 1) ^ if feedback == 1 { 0x8005 } else { 0 }
            })
        });
        frame.extend_from_slice(&crc.to_be_bytes());
        assert!(is_intact(&frame));
        frame[4] ^= 1;
        assert!(!is_intact(&frame));
    }
}
