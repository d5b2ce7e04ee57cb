//! Whether a decoder can begin with a picture: [`Scanner`] reads the payload of one PES packet of
//! video as it comes and gives a verdict as early as it can. A picture counts only with all
//! parameter sets before it, as a decoder that begins has none.

use crate::media::ts::kind::Video;

/// Bytes of a NAL unit that are kept: enough for a slice's type and the usual SEI messages.
const UNIT_LEN: usize = 160;

/// What can be said of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More of it is needed.
    Open,
    /// A decoder can begin here.
    Point,
    /// It cannot.
    Miss,
}

/// Reads one picture; see the module. Each byte is looked at once.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    codec: Video,
    verdict: Verdict,
    /// Zero bytes in a row that have just passed.
    zeros: u8,
    /// The unit after the last start code, without emulation prevention. Empty before the first.
    unit: Vec<u8>,
    is_in_unit: bool,
    sets: Sets,
    /// H.264: a recovery point SEI message.
    recovers: bool,
    /// H.264: there were slices, all of them intra.
    is_intra: bool,
}

/// Parameter sets that have passed. The sequence header of MPEG-2 counts as `sequence`.
#[derive(Clone, Copy, Debug, Default)]
struct Sets {
    video: bool,
    sequence: bool,
    picture: bool,
}

impl Scanner {
    pub(super) const fn new(codec: Video) -> Self {
        Self {
            codec,
            verdict: Verdict::Open,
            zeros: 0,
            unit: Vec::new(),
            is_in_unit: false,
            sets: Sets { video: false, sequence: false, picture: false },
            recovers: false,
            is_intra: false,
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Verdict {
        for byte in bytes {
            if self.verdict != Verdict::Open {
                break;
            }
            self.take(*byte);
        }
        self.verdict
    }

    /// The picture has ended.
    pub(super) fn end(&mut self) -> Verdict {
        self.judge();
        if self.verdict == Verdict::Open {
            let is_point = self.is_intra && self.sets.sequence && self.sets.picture;
            self.verdict = if is_point { Verdict::Point } else { Verdict::Miss };
        }
        self.verdict
    }

    fn take(&mut self, byte: u8) {
        let zeros = self.zeros;
        self.zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        if zeros >= 2 && byte == 1 {
            self.judge();
            self.unit.clear();
            self.is_in_unit = true;
            return;
        }
        let is_prevention = zeros >= 2 && byte == 3 && self.codec != Video::Mpeg2;
        if self.is_in_unit && !is_prevention {
            self.unit.push(byte);
            if self.unit.len() == UNIT_LEN {
                self.judge();
            }
        }
    }

    /// Judges the unit, once.
    fn judge(&mut self) {
        if !std::mem::take(&mut self.is_in_unit) || self.verdict != Verdict::Open {
            return;
        }
        let unit = std::mem::take(&mut self.unit);
        if let Some((head, rest)) = unit.split_first() {
            self.verdict = match self.codec {
                Video::H264 => self.judge_h264(head & 0x1F, rest),
                Video::Hevc => self.judge_hevc((head >> 1) & 0x3F),
                Video::Mpeg2 => self.judge_mpeg2(*head, rest.get(1).copied().unwrap_or(0)),
                Video::Other(_) => Verdict::Miss,
            };
        }
        self.unit = unit; // For its memory.
    }

    /// ISO/IEC 14496-10, table 7-1.
    fn judge_h264(&mut self, nal_type: u8, rest: &[u8]) -> Verdict {
        let has_sets = self.sets.sequence && self.sets.picture;
        let point = if has_sets { Verdict::Point } else { Verdict::Miss };
        match nal_type {
            1 | 2 if self.recovers => return point,
            1 | 2 => match slice_type(rest) {
                // I and SI for every slice of the picture.
                Some(7 | 9) => return point,
                Some(2 | 4) => self.is_intra = true,
                _ => return Verdict::Miss,
            },
            5 => return point,
            6 => self.recovers |= has_recovery_point(rest),
            7 => self.sets.sequence = true,
            8 => self.sets.picture = true,
            // The next picture.
            9 if self.is_intra => return point,
            _ => {}
        }
        Verdict::Open
    }

    /// ISO/IEC 23008-2, table 7-1: IRAP pictures are 16 to 23, other slices below.
    const fn judge_hevc(&mut self, nal_type: u8) -> Verdict {
        match nal_type {
            0..=15 | 22..=31 => return Verdict::Miss,
            16..=21 => {
                let has_sets = self.sets.video && self.sets.sequence && self.sets.picture;
                return if has_sets { Verdict::Point } else { Verdict::Miss };
            }
            32 => self.sets.video = true,
            33 => self.sets.sequence = true,
            34 => self.sets.picture = true,
            _ => {}
        }
        Verdict::Open
    }

    /// ISO/IEC 13818-2, table 6-1 and 6.3.9: a sequence header, then an I picture.
    const fn judge_mpeg2(&mut self, start_code: u8, second: u8) -> Verdict {
        match start_code {
            0x00 if self.sets.sequence && (second >> 3) & 7 == 1 => return Verdict::Point,
            0x00 => return Verdict::Miss,
            0xB3 => self.sets.sequence = true,
            _ => {}
        }
        Verdict::Open
    }
}

/// `slice_type` of the slice header in `bytes`, behind `first_mb_in_slice`.
fn slice_type(bytes: &[u8]) -> Option<u32> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    exp_golomb(&mut bits)?;
    exp_golomb(&mut bits)
}

/// ISO/IEC 14496-10, 9.1.
fn exp_golomb(bits: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let zeros = bits.position(|bit| bit == 1)?;
    if zeros > 31 {
        return None;
    }
    let mut value: u64 = 1;
    for _ in 0..zeros {
        value = value << 1 | u64::from(bits.next()?);
    }
    u32::try_from(value - 1).ok()
}

/// Whether one of the SEI messages in `bytes` is a recovery point (ISO/IEC 14496-10, D.1.8).
fn has_recovery_point(bytes: &[u8]) -> bool {
    const RECOVERY_POINT: usize = 6;
    let mut rest = bytes;
    // Types and sizes are sums of bytes, of which all but the last are 255. The last byte but one
    // of a message is never near the end: trailing bits follow.
    let number = |rest: &mut &[u8]| {
        let ones = rest.iter().take_while(|byte| **byte == 0xFF).count();
        let last = rest.get(ones)?;
        *rest = rest.get(ones + 1..)?;
        Some(ones * 255 + usize::from(*last))
    };
    while rest.len() > 2 {
        let Some(payload_type) = number(&mut rest) else { return false };
        let Some(payload_size) = number(&mut rest) else { return false };
        if payload_type == RECOVERY_POINT {
            return true;
        }
        rest = rest.get(payload_size..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const H264_SETS: &[u8] = &[0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 0x64, 0, 0, 1, 0x68, 0xEE];

    /// The verdict on a picture, the same for any cut of it.
    fn verdict(codec: Video, parts: &[&[u8]]) -> Verdict {
        let picture = parts.concat();
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut scanner = Scanner::new(codec);
            pieces.for_each(|piece| _ = scanner.push(piece));
            scanner.end()
        };
        let whole = read(&mut std::iter::once(&picture[..]));
        assert_eq!(read(&mut picture.chunks(1)), whole);
        assert_eq!(read(&mut picture.chunks(3)), whole);
        whole
    }

    #[test]
    fn h264_begins_with_sets_and_an_intra_or_recovery_picture() {
        let (idr, p) = (&[0, 0, 1, 0x65, 0x88][..], &[0, 0, 1, 0x41, 0x9A][..]);
        // slice_type 7, 2 and 2 again for the second slice.
        let (all_i, i) = (&[0, 0, 1, 0x61, 0x88][..], &[0, 0, 1, 0x61, 0xB0][..]);
        let second_i = &[0, 0, 1, 0x61, 0x2B, 0xC0][..];
        let sei = &[0, 0, 1, 6, 1, 3, 0, 0, 3, 0, 6, 1, 0x84, 0x80][..];
        let other_sei = &[0, 0, 1, 6, 5, 2, 6, 6, 0x80][..];
        let h264 = |parts: &[&[u8]]| verdict(Video::H264, parts);
        let point = [
            &[H264_SETS, idr][..],
            &[H264_SETS, all_i],
            &[H264_SETS, i],
            &[H264_SETS, i, second_i],
            &[H264_SETS, sei, p],
        ];
        assert!(point.iter().all(|parts| h264(parts) == Verdict::Point));
        let miss = [
            &[H264_SETS, p][..],
            &[idr],
            &[H264_SETS, i, p],
            &[sei, p],
            &[H264_SETS, other_sei, p],
            &[H264_SETS],
            &[],
        ];
        assert!(miss.iter().all(|parts| h264(parts) == Verdict::Miss));
    }

    #[test]
    fn hevc_begins_with_sets_and_an_irap_picture() {
        let unit = |nal_type: u8| [0, 0, 1, nal_type << 1, 1, 0xAF];
        let sets = [unit(35), unit(32), unit(33), unit(34), unit(39)].concat();
        for nal_type in 0..24 {
            let right = (16..=21).contains(&nal_type);
            let found = verdict(Video::Hevc, &[&sets, &unit(nal_type)]);
            assert_eq!(found == Verdict::Point, right, "{nal_type}");
            let found = verdict(Video::Hevc, &[&sets[6..], &unit(nal_type)]);
            assert_eq!(found == Verdict::Point, right, "the delimiter is not needed");
            assert_eq!(verdict(Video::Hevc, &[&sets[12..], &unit(nal_type)]), Verdict::Miss);
        }
    }

    #[test]
    fn mpeg2_begins_with_a_sequence_header_and_an_i_picture() {
        let sequence = [0, 0, 1, 0xB3, 0x2D, 0x02, 0x40, 0, 0, 1, 0xB8, 0, 8];
        for coding_type in 0..8 {
            let picture = [0, 0, 1, 0, 0, coding_type << 3, 0xFF, 0xF8, 0, 0, 1, 1];
            let found = verdict(Video::Mpeg2, &[&sequence, &picture]);
            assert_eq!(found == Verdict::Point, coding_type == 1, "{coding_type}");
            assert_eq!(verdict(Video::Mpeg2, &[&picture]), Verdict::Miss);
        }
    }

    #[test]
    fn only_a_part_of_a_unit_is_kept() {
        let mut scanner = Scanner::new(Video::H264);
        assert_eq!(scanner.push(&[0, 0, 1, 6, 5]), Verdict::Open);
        (0..1000).for_each(|_| _ = scanner.push(&[0xFF; 1000]));
        assert!(scanner.unit.capacity() <= 2 * UNIT_LEN);
    }
}
