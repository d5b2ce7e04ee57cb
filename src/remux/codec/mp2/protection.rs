//! The checksum of a frame of layer II (ISO/IEC 11172-3, 2.4.3.1 and annex 3-B.1.1): over the last 16 bits of the
//! header, the bit allocation and the scale factor selection, which are what makes noise where they are wrong.

use crate::remux::codec::mp2::header::Header;

/// Where the bit allocation begins.
const PROTECTED_AT: usize = 6;
/// Bits that select the scale factors of a subband that has samples.
const SELECTION: u32 = 2;

/// Whether the checksum of a frame that has one is right.
pub(super) fn holds(frame: &[u8], header: &Header) -> bool {
    let [_, _, rates, mode, high, low, ..] = *frame else { return false };
    let Some(side) = side_bits(frame, header) else { return false };
    let mut crc = 0xffff;
    crc = crc16(crc, &[rates, mode], 16);
    crc = crc16(crc, frame.get(PROTECTED_AT..).unwrap_or_default(), side);
    crc == u16::from_be_bytes([high, low])
}

/// Bits of bit allocation and scale factor selection, both of which depend on the former.
fn side_bits(frame: &[u8], header: &Header) -> Option<usize> {
    let channels = usize::from(header.channels);
    let mut bits = Bits { bytes: frame.get(PROTECTED_AT..)?, at: 0 };
    let mut selections = 0;
    for (subband, width) in widths(header).enumerate() {
        let shared = subband >= header.bound;
        for _ in 0..if shared { 1 } else { channels } {
            if bits.take(width)? != 0 {
                selections += if shared { channels } else { 1 };
            }
        }
    }
    Some(bits.at + selections * SELECTION as usize)
}

/// Bits of the allocation of each subband (ISO/IEC 11172-3, tables 3-B.2; ISO/IEC 13818-3, table B.1).
fn widths(header: &Header) -> impl Iterator<Item = u32> {
    let each = header.bitrate / u32::from(header.channels);
    let runs = if header.half {
        [(4, 4), (7, 3), (19, 2)]
    } else if each <= 48_000 {
        [(2, 4), (if header.rate == 32_000 { 10 } else { 6 }, 3), (0, 2)]
    } else if each <= 80_000 || header.rate == 48_000 {
        [(11, 4), (12, 3), (4, 2)]
    } else {
        [(11, 4), (12, 3), (7, 2)]
    };
    runs.into_iter().flat_map(|(count, width)| std::iter::repeat_n(width, count))
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(bit(self.bytes, self.at)?);
            self.at += 1;
        }
        Some(value)
    }
}

fn bit(bytes: &[u8], at: usize) -> Option<bool> {
    Some(bytes.get(at / 8)? >> (7 - at % 8) & 1 == 1)
}

/// CRC-16 with the generator x^16 + x^15 + x^2 + 1 over the first `count` bits.
fn crc16(crc: u16, bytes: &[u8], count: usize) -> u16 {
    (0..count).filter_map(|at| bit(bytes, at)).fold(crc, |crc, bit| {
        let carry = crc >> 15 == 1;
        if carry == bit { crc << 1 } else { crc << 1 ^ 0x8005 }
    })
}
