//! A decoder for just what the encoder uses, written from the standard's decoding process and not
//! from the encoder: prediction and residual are computed on samples.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

use proptest::prelude::*;

use super::*;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::picture::Picture;
use crate::media::synth::picture::ROWS;

struct Reader {
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    fn bits(&mut self, count: usize) -> u32 {
        (0..count).fold(0, |value, _| {
            let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u32::from(bit)
        })
    }

    fn zeros(&mut self) -> usize {
        (0..).find(|_| self.bits(1) == 1).unwrap()
    }

    fn ue(&mut self) -> u32 {
        let zeros = self.zeros();
        (1 << zeros) - 1 + self.bits(zeros)
    }

    fn more_data(&self) -> bool {
        let last = self.bytes.len() - 1;
        self.at < last * 8 + 7 - self.bytes[last].trailing_zeros() as usize
    }

    /// The only coefficient of a block; `context` is nC.
    fn coefficient(&mut self, context: i32) -> i32 {
        let (coded, trailing_one) = match (context, self.zeros_in_token(context)) {
            (0, 0) | (-1, 1) | (8 | 16, 4) => return 0,
            (0, 1) | (-1, 0) | (8 | 16, 5) => (true, true),
            (0 | -1, 3) => (self.bits(2) == if context == 0 { 1 } else { 3 }, false),
            (8 | 16, 6) => (true, false),
            other => panic!("coeff_token {other:?}"),
        };
        assert!(coded);
        let level = if trailing_one { 1 - 2 * self.bits(1) as i32 } else { self.level() };
        assert_eq!(self.bits(1), 1, "total_zeros");
        level
    }

    fn zeros_in_token(&mut self, context: i32) -> usize {
        if context < 8 {
            return self.zeros();
        }
        match self.bits(6) {
            0 => 6,
            1 => 5,
            3 => 4,
            other => panic!("coeff_token {other}"),
        }
    }

    fn level(&mut self) -> i32 {
        let prefix = self.zeros() as i32;
        let suffix = match prefix {
            0..14 => 0,
            14 => self.bits(4) as i32,
            _ => self.bits(prefix as usize - 3) as i32,
        };
        let code = prefix.min(15) + suffix + if prefix >= 15 { 15 } else { 0 } + 2;
        if code % 2 == 0 { (code + 2) >> 1 } else { (-code - 1) >> 1 }
    }
}

/// A plane of samples with what the slice has of it.
struct Plane {
    size: usize,
    samples: Vec<u8>,
}

impl Plane {
    fn new(size: usize) -> Self {
        Self { size, samples: vec![0; COLUMNS * ROWS * size * size] }
    }

    fn at(&mut self, macroblock: usize, x: isize, y: isize) -> &mut u8 {
        let stride = (COLUMNS * self.size) as isize;
        let left = (macroblock % COLUMNS * self.size) as isize;
        let top = (macroblock / COLUMNS * self.size) as isize;
        &mut self.samples[((top + y) * stride + left + x) as usize]
    }

    /// Predicts with the mode's number in luma and adds `residual`.
    fn predict(&mut self, macroblock: usize, mode: u32, residual: i32) {
        for y in 0..self.size as isize {
            for x in 0..self.size as isize {
                let predicted = match mode {
                    0 => *self.at(macroblock, x, -1),
                    1 => *self.at(macroblock, -1, y),
                    2 => 128,
                    _ => panic!("mode {mode}"),
                };
                let sample = (i32::from(predicted) + residual).clamp(0, 255);
                *self.at(macroblock, x, y) = sample as u8;
            }
        }
    }

    fn copy(&mut self, macroblock: usize, bytes: &[u8]) {
        for (place, byte) in bytes.iter().enumerate() {
            let (x, y) = (place % self.size, place / self.size);
            *self.at(macroblock, x as isize, y as isize) = *byte;
        }
    }
}

struct Decoder {
    planes: [Plane; 3],
    nal_types: Vec<u8>,
    frame_num: u32,
}

impl Decoder {
    fn new() -> Self {
        let planes = [16, 8, 8].map(Plane::new);
        Self { planes, nal_types: Vec::new(), frame_num: 0 }
    }

    fn decode(&mut self, access_unit: &[u8]) {
        self.nal_types.clear();
        let mut rest = access_unit.strip_prefix(&[0, 0, 0, 1]).unwrap();
        let mut macroblocks = 0;
        while !rest.is_empty() {
            let start = rest.windows(4).position(|four| four == [0, 0, 0, 1]);
            let (nal, after) = rest.split_at(start.unwrap_or(rest.len()));
            assert!(!nal.windows(3).any(|three| three < [0, 0, 3].as_slice()), "start code inside");
            self.nal_types.push(nal[0] & 0x1F);
            if [1, 5].contains(&(nal[0] & 0x1F)) {
                macroblocks = self.decode_slice(nal, macroblocks);
            }
            rest = after.get(4..).unwrap_or(&[]);
        }
        assert_eq!(macroblocks, COLUMNS * ROWS);
    }

    fn decode_slice(&mut self, nal: &[u8], first: usize) -> usize {
        let idr = nal[0] & 0x1F == 5;
        let mut reader = Reader { bytes: unescape(&nal[1..]), at: 0 };
        assert_eq!(reader.ue() as usize, first);
        assert_eq!(reader.ue(), if idr { 7 } else { 5 });
        assert_eq!(reader.ue(), 0);
        let frame_num = reader.bits(8);
        assert!(frame_num == self.frame_num || frame_num == self.frame_num + 1 || idr);
        self.frame_num = frame_num;
        if idr {
            assert_eq!((frame_num, reader.ue() < 2, reader.bits(2)), (0, true, 0));
        } else {
            assert_eq!(reader.bits(3), 0);
        }
        assert_eq!((reader.ue(), reader.ue()), (0, 1)); // QP as it was, no deblocking.
        let mut totals = Vec::new();
        loop {
            if !idr {
                totals.extend((0..reader.ue()).map(|_| 0));
                if !reader.more_data() {
                    break;
                }
            }
            let kind = reader.ue() - if idr { 0 } else { 5 };
            let total = self.decode_macroblock(&mut reader, first, &totals, kind);
            totals.push(total);
            if !reader.more_data() {
                break;
            }
        }
        first + totals.len()
    }

    /// Returns the coefficients that each of its blocks counts for its neighbours.
    fn decode_macroblock(
        &mut self,
        reader: &mut Reader,
        first: usize,
        totals: &[i32],
        kind: u32,
    ) -> i32 {
        let macroblock = first + totals.len();
        if kind == 25 {
            reader.at = reader.at.next_multiple_of(8);
            let bytes = &reader.bytes[reader.at / 8..][..384];
            for (plane, range) in self.planes.iter_mut().zip([0..256, 256..320, 320..384]) {
                plane.copy(macroblock, &bytes[range]);
            }
            reader.at += 384 * 8;
            return 16;
        }
        let column = macroblock % COLUMNS;
        let left = totals.last().filter(|_| column > 0);
        let above = totals.len().checked_sub(COLUMNS).map(|at| &totals[at]);
        let context = match (left, above) {
            (Some(left), Some(above)) => (left + above + 1) >> 1,
            (Some(one), None) | (None, Some(one)) => *one,
            (None, None) => 0,
        };
        let (mode, chroma_coded) = ((kind - 1) % 4, (kind - 1) / 4);
        assert!(chroma_coded < 2, "macroblock type {kind}");
        match mode {
            0 => assert!(above.is_some()),
            1 => assert!(left.is_some()),
            _ => assert!(above.is_none() && left.is_none()),
        }
        let chroma_mode = match reader.ue() {
            0 => 2,
            2 => 0,
            other => other,
        };
        assert_eq!(reader.ue(), 0, "mb_qp_delta");
        // (8-328) with qP 28, then (8-330) and (8-354) with qP 22.
        let luma = ((reader.coefficient(context) * 256 + 2) >> 2, mode);
        let mut chroma = [0; 2];
        if chroma_coded == 1 {
            chroma = chroma.map(|_| ((reader.coefficient(-1) * 256) << 3) >> 5);
        }
        let blocks = [luma, (chroma[0], chroma_mode), (chroma[1], chroma_mode)];
        for (plane, (dc, mode)) in self.planes.iter_mut().zip(blocks) {
            plane.predict(macroblock, mode, (dc + 32) >> 6);
        }
        0
    }

    fn assert_shows(&mut self, cells: &[Cell]) {
        for (macroblock, cell) in cells.iter().enumerate() {
            let mut samples = Vec::new();
            cell.write_samples(&mut samples);
            for (plane, range) in self.planes.iter_mut().zip([0..256, 256..320, 320..384]) {
                for (place, sample) in samples[range].iter().enumerate() {
                    let (x, y) = (place % plane.size, place / plane.size);
                    let decoded = *plane.at(macroblock, x as isize, y as isize);
                    assert_eq!(decoded, *sample, "macroblock {macroblock}, {x} {y}");
                }
            }
        }
    }
}

fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zeros = 0;
    for byte in nal {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        bytes.push(*byte);
    }
    bytes
}

#[test]
fn pictures_decode_to_what_was_drawn() {
    let mut seen = 0;
    for (palette, text) in [
        (Palette::Blue, ""),
        (Palette::Amber, "no text here"),
        (Palette::Grey, "No source of this channel answers.\nOne\nmore\nline"),
    ] {
        let scene =
            Scene { title: "A title".into(), text: text.into(), palette, ..Scene::default() };
        let mut picture = Picture::new(&scene);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new());
        for frame in 60..160 {
            picture.draw(frame);
            let mut unit = Vec::new();
            let keyframe = frame == 60 || frame % 25 == 0 || frame == 101;
            if keyframe {
                encoder.write_idr(picture.cells(), frame, &mut unit);
            } else {
                encoder.write_p(picture.cells(), &mut unit);
            }
            decoder.decode(&unit);
            let kinds: &[u8] = if keyframe { &[9, 7, 8, 5, 5, 5] } else { &[9, 1, 1, 1] };
            assert_eq!(decoder.nal_types, kinds);
            decoder.assert_shows(picture.cells());
            seen += 1;
        }
    }
    assert_eq!(seen, 300);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_cells_decode_to_what_was_drawn(
        palette in proptest::collection::vec(any::<[u8; 3]>(), 4),
        picks in proptest::collection::vec((0_usize..4, 0_usize..4, any::<u8>()), COLUMNS * ROWS),
        stride in 1_usize..5,
    ) {
        let colours: Vec<_> = palette.iter().map(|[y, cb, cr]| Colour { y: *y, cb: *cb, cr: *cr }).collect();
        let cells: Vec<_> = picks.iter().map(|(ink, ground, dots)| match dots % 8 {
            0 => Cell::drawn([*dots; 8], colours[*ink], colours[*ground]),
            _ => Cell::plain(colours[*ground]),
        }).collect();
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new());
        let mut unit = Vec::new();
        encoder.write_idr(&cells, 7, &mut unit);
        decoder.decode(&unit);
        decoder.assert_shows(&cells);

        let mut changed = cells.clone();
        for cell in changed.iter_mut().step_by(stride * 37) {
            *cell = Cell::plain(colours[0]);
        }
        unit.clear();
        encoder.write_p(&changed, &mut unit);
        decoder.decode(&unit);
        decoder.assert_shows(&changed);
    }
}
