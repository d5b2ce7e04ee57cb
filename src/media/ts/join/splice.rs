//! The times in SCTE 35 splice information: `pts_adjustment` is added to every one of them, and is
//! there for those who move PTS (SCTE 35, 9.6).

use crate::media::ts::pes::Pts;
use crate::media::ts::psi;

const TABLE_ID: u8 = 0xFC;

/// Adds `ticks` of 90 kHz to the sections in `payload`, which begins with a pointer field. False
/// when one of them does not end in it; then none can be sent.
pub(super) fn shift(payload: &mut [u8], ticks: u64) -> bool {
    let Some((pointer_field, rest)) = payload.split_first_mut() else { return false };
    let Some(mut rest) = rest.get_mut(usize::from(*pointer_field)..) else { return false };
    while let Some(&[TABLE_ID, high, low]) = rest.first_chunk() {
        let len = 3 + usize::from(u16::from_be_bytes([high, low]) & 0x0FFF);
        let Some((section, behind)) = rest.split_at_mut_checked(len) else { return false };
        shift_section(section, ticks);
        rest = behind;
    }
    true
}

/// A section whose CRC is wrong, or that is too short to be one, is left as it is.
fn shift_section(section: &mut [u8], ticks: u64) {
    if psi::crc32(section) != 0 {
        return;
    }
    let Some((body, crc)) = section.split_last_chunk_mut::<4>() else { return };
    let Some(field) = body.get_mut(4..).and_then(<[u8]>::first_chunk_mut::<5>) else { return };
    let [a, b, c, d, e] = *field;
    let adjustment = u64::from_be_bytes([0, 0, 0, a & 1, b, c, d, e]);
    let [_, _, _, high, rest @ ..] = Pts::new(adjustment).wrapping_add(ticks).ticks().to_be_bytes();
    let [b, c, d, e] = rest;
    *field = [a & 0xFE | high, b, c, d, e];
    *crc = psi::crc32(body).to_be_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A splice_null, sent with a pointer field and stuffing.
    fn packet(adjustment: u64) -> Vec<u8> {
        let [_, _, _, high, b, c, d, e] = adjustment.to_be_bytes();
        let mut section = vec![TABLE_ID, 0x30, 17, 0, high | 0x7E, b, c, d, e];
        section.extend([0, 0xFF, 0xF0, 0, 0, 0, 0]);
        section.extend(psi::crc32(&section).to_be_bytes());
        [&[0], &section[..], &[0xFF; 20]].concat()
    }

    #[test]
    fn adjustment_moves_round_the_wrap_and_nothing_else() {
        let mut payload = packet((1 << 33) - 5);
        assert!(shift(&mut payload, 12));
        assert_eq!(payload, packet(7));
    }

    #[test]
    fn sections_that_are_cut_or_broken_do_not_move() {
        let mut cut = packet(0);
        cut.truncate(12);
        assert!(!shift(&mut cut, 1));
        let mut broken = packet(0);
        broken[10] ^= 1;
        let before = broken.clone();
        assert!(shift(&mut broken, 1));
        assert_eq!(broken, before);
        assert!(!shift(&mut [], 1));
        assert!(!shift(&mut [200, 0], 1));
    }
}
