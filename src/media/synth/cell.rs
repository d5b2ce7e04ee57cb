//! What one macroblock of the generated picture shows: a plain colour, or eight by eight dots in
//! two colours, each dot two by two luma samples and one of chroma.

use crate::media::synth::font::Dots;

/// A colour in BT.709, limited range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) y: u8,
    pub(super) cb: u8,
    pub(super) cr: u8,
}

impl Colour {
    /// From red, green and blue in full range (ITU-R BT.709-6, items 3 and 4).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "16 to 240 for any red, green and blue"
    )]
    pub(super) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        // Everything times 10 000; a half and the offset are added before the only division.
        let (red, green, blue) = (red as i64, green as i64, blue as i64);
        let luma = 2126 * red + 7152 * green + 722 * blue;
        let (cb, cr) = (10_000 * blue - luma, 10_000 * red - luma);
        Self {
            y: ((luma * 219 * 2 + 33 * 2_550_000) / (2 * 2_550_000)) as u8,
            cb: ((cb * 224 * 2 + 257 * 255 * 18_556) / (2 * 255 * 18_556)) as u8,
            cr: ((cr * 224 * 2 + 257 * 255 * 15_748) / (2 * 255 * 15_748)) as u8,
        }
    }

    /// The difference of each component to that of `other`.
    pub(super) fn minus(self, other: Self) -> [i32; 3] {
        [(self.y, other.y), (self.cb, other.cb), (self.cr, other.cr)]
            .map(|(own, other)| i32::from(own) - i32::from(other))
    }
}

/// One macroblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where `ink` is seen.
    dots: Dots,
    ink: Colour,
    ground: Colour,
}

impl Cell {
    /// One colour all over.
    pub(super) const fn plain(colour: Colour) -> Self {
        Self { dots: [0; 8], ink: colour, ground: colour }
    }

    /// `dots` in `ink`, all else in `ground`.
    pub(super) fn drawn(dots: Dots, ink: Colour, ground: Colour) -> Self {
        if dots == [0; 8] { Self::plain(ground) } else { Self { dots, ink, ground } }
    }

    /// The colour of a plain macroblock.
    pub(super) fn colour(&self) -> Option<Colour> {
        (self.dots == [0; 8]).then_some(self.ground)
    }

    /// Appends the 384 samples of 4:2:0: luma in lines from the top, then Cb, then Cr.
    pub(super) fn write_samples(&self, out: &mut Vec<u8>) {
        let line = |row: u8, sample: fn(Colour) -> u8| -> [u8; 8] {
            let (ink, ground) = (sample(self.ink), sample(self.ground));
            std::array::from_fn(|x| if row << x & 0x80 == 0 { ground } else { ink })
        };
        for row in self.dots {
            let wide = line(row, |colour| colour.y).map(|sample| [sample; 2]);
            out.extend_from_slice(wide.as_flattened());
            out.extend_from_slice(wide.as_flattened());
        }
        for row in self.dots {
            out.extend_from_slice(&line(row, |colour| colour.cb));
        }
        for row in self.dots {
            out.extend_from_slice(&line(row, |colour| colour.cr));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_bt_709() {
        assert_eq!(Colour::rgb(255, 255, 255), Colour { y: 235, cb: 128, cr: 128 });
        assert_eq!(Colour::rgb(0, 0, 0), Colour { y: 16, cb: 128, cr: 128 });
        assert_eq!(Colour::rgb(191, 0, 0), Colour { y: 51, cb: 109, cr: 212 });
        assert_eq!(Colour::rgb(0, 0, 255), Colour { y: 32, cb: 240, cr: 118 });
    }

    #[test]
    fn samples_show_the_dots() {
        let (ink, ground) = (Colour::rgb(255, 255, 255), Colour::rgb(191, 0, 0));
        let mut samples = Vec::new();
        Cell::drawn([0x80, 0, 0, 0, 0, 0, 0, 0x01], ink, ground).write_samples(&mut samples);
        assert_eq!(samples.len(), 384);
        for at in [0, 1, 16, 17, 238, 239, 254, 255, 256, 319, 320, 383] {
            assert_ne!(samples[at], [51, 109, 212][(at / 64).saturating_sub(3)], "sample {at}");
        }
        assert_eq!(samples.iter().filter(|sample| **sample == 51).count(), 256 - 8);
    }
}
