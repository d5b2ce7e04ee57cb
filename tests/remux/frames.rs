//! Frames that have the headers and checksums of AC-3 (ETSI TS 102 366) and MPEG audio (ISO/IEC 11172-3), and hold
//! nothing but their number.

/// Samples of each channel in a frame of AC-3.
pub(crate) const AC3_SAMPLES: u64 = 1536;
/// Bytes of a frame of AC-3 at 48 kHz and 32 kbit/s, the smallest.
pub(crate) const AC3_BYTES: usize = 128;
/// Where the number stands.
const NUMBER: usize = 16;

/// A stereo frame of AC-3 at 48 kHz and 32 kbit/s.
pub(crate) fn ac3(number: u64) -> [u8; AC3_BYTES] {
    let mut frame = [0; AC3_BYTES];
    frame[..2].copy_from_slice(&[0x0b, 0x77]);
    // fscod and frmsizecod 0; bsid 8, bsmod 0; acmod 2, dsurmod 0, no lfe; dialnorm 27, nothing else.
    frame[4..9].copy_from_slice(&[0, 8 << 3, 2 << 5 | 27 >> 4, (27 << 4) as u8, 0]);
    frame[NUMBER..NUMBER + 8].copy_from_slice(&number.to_be_bytes());
    // Nothing that looks like a sync word, so that a number cannot be taken for one.
    for (at, byte) in frame.iter_mut().enumerate().skip(NUMBER + 8) {
        *byte = 0x20 | (at as u8 & 0x0f);
    }
    // crc1 makes the first five eighths divide, crc2 all (6.1.7).
    let split = AC3_BYTES * 5 / 8;
    let crc1 = back(back(0, &frame[4..split]), &[0, 0]);
    frame[2..4].copy_from_slice(&crc1.to_be_bytes());
    let crc2 = crc(0, &frame[2..AC3_BYTES - 2]);
    frame[AC3_BYTES - 2..].copy_from_slice(&crc2.to_be_bytes());
    frame
}

/// The number of a whole frame of AC-3 that [`ac3`] has made, its checksum right.
pub(crate) fn number(frame: &[u8]) -> Option<u64> {
    let whole = frame.len() == AC3_BYTES && frame[..2] == [0x0b, 0x77] && crc(0, &frame[2..]) == 0;
    whole.then(|| u64::from_be_bytes(frame[NUMBER..NUMBER + 8].try_into().expect("eight bytes")))
}

/// x^16 + x^15 + x^2 + 1.
fn crc(state: u16, bytes: &[u8]) -> u16 {
    bits(bytes).fold(state, |state, bit| {
        let carry = state >> 15 ^ bit;
        state << 1 ^ if carry == 1 { 0x8005 } else { 0 }
    })
}

/// The state that `bytes` lead from to `state`.
fn back(state: u16, bytes: &[u8]) -> u16 {
    let reversed: Vec<u16> = bits(bytes).collect();
    reversed.into_iter().rev().fold(state, |state, bit| {
        let carry = state & 1;
        let before = if carry == 1 { (state ^ 0x8005) >> 1 } else { state >> 1 };
        before | (carry ^ bit) << 15
    })
}

fn bits(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)))
}

#[test]
fn both_checksums_divide() {
    for counted in [0, 1, 77, u64::MAX] {
        let frame = ac3(counted);
        assert_eq!(crc(0, &frame[2..AC3_BYTES * 5 / 8]), 0);
        assert_eq!(crc(0, &frame[2..]), 0);
        assert_eq!(number(&frame), Some(counted));
    }
    let mut frame = ac3(7);
    frame[100] ^= 1;
    assert_eq!(number(&frame), None);
    assert_eq!(back(crc(0x1234, b"weir"), b"weir"), 0x1234);
}
