//! What is where in the generated picture: bars, title, clock, frame counter, text and a marker
//! that sweeps along its lane. Knows macroblocks, not bits.

use crate::media::synth::Scene;
use crate::media::synth::cell::Cell;
use crate::media::synth::cell::Colour;
use crate::media::synth::font;

/// Macroblocks in a row.
pub(super) const COLUMNS: usize = 40;

/// Rows of macroblocks. Only the upper half of the last row is seen.
pub(super) const ROWS: usize = 23;

/// Rows of each slice from the top. None begins with letters, whatever the number of bar rows, so
/// that plain macroblocks can be predicted from one another.
pub(super) const SLICE_ROWS: [usize; 3] = [7, 9, 7];

/// Rows of bars with text in the picture, and without.
const BAR_ROWS: usize = 5;
const BAR_ROWS_WITHOUT_TEXT: usize = 11;

// Rows below the bars.
const TITLE_ROW: usize = 1;
const CLOCK_ROW: usize = 3;
const COUNTER_ROW: usize = 6;
const TEXT_ROW: usize = 8;

const TEXT_LINES_MAX: usize = 4;
const TEXT_COLUMNS: usize = 38;
const LANE_ROW: usize = 21;

/// The look of a scene.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// Colour bars over dark blue.
    #[default]
    Blue,
    /// The same bars the other way round over dark amber.
    Amber,
    /// Steps of grey over grey, for slates.
    Grey,
}

/// The colours of a palette.
#[derive(Debug)]
struct Colours {
    bars: [Colour; 8],
    ground: Colour,
    ink: Colour,
    accent: Colour,
    lane: Colour,
}

/// One picture, changed in place from frame to frame.
#[derive(Debug)]
pub(super) struct Picture {
    /// [`ROWS`] rows of [`COLUMNS`].
    cells: Vec<Cell>,
    colours: &'static Colours,
    bar_rows: usize,
}

impl Picture {
    /// Draws all of the scene that stands still.
    pub(super) fn new(scene: &Scene) -> Self {
        let colours = scene.palette.colours();
        let lines = wrap(&scene.text);
        let bar_rows = if lines.is_empty() { BAR_ROWS_WITHOUT_TEXT } else { BAR_ROWS };
        let cells = vec![Cell::plain(colours.ground); COLUMNS * ROWS];
        let mut picture = Self { cells, colours, bar_rows };
        for row in 0..bar_rows {
            for (column, cell) in picture.row(row).iter_mut().enumerate() {
                let bar = colours.bars.get(column * colours.bars.len() / COLUMNS);
                *cell = Cell::plain(*bar.unwrap_or(&colours.ground));
            }
        }
        picture.write_centred(bar_rows + TITLE_ROW, scene.title.trim().chars(), colours.ink);
        for (index, line) in lines.iter().enumerate() {
            picture.write_centred(bar_rows + TEXT_ROW + 2 * index, line.chars(), colours.ink);
        }
        picture
    }

    /// Draws what moves as it is in `frame`.
    pub(super) fn draw(&mut self, frame: u64) {
        let colours = self.colours;
        let clock = clock(frame);
        for half in 0..2 {
            let row = self
                .row(self.bar_rows + CLOCK_ROW + half)
                .iter_mut()
                .skip((COLUMNS - clock.len()) / 2);
            for (cell, character) in row.zip(clock) {
                let dots = font::clock_digit(character).get(half).copied().unwrap_or_default();
                *cell = Cell::drawn(dots, colours.accent, colours.ground);
            }
        }
        let mut digits = [0; 20];
        let number = decimal(frame, 8, &mut digits);
        let counter = b"frame ".iter().chain(number).map(|byte| char::from(*byte));
        self.write_centred(self.bar_rows + COUNTER_ROW, counter, colours.ink);
        self.draw_marker(frame);
    }

    /// Every macroblock, rows from the top.
    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The marker is as wide as a macroblock and moves by half of one, so that no frame changes
    /// more than two: 3.2 seconds for a sweep.
    fn draw_marker(&mut self, frame: u64) {
        let Colours { accent, lane, .. } = *self.colours;
        let place = usize::try_from(frame % (2 * COLUMNS as u64)).unwrap_or(0);
        for (column, cell) in self.row(LANE_ROW).iter_mut().enumerate() {
            let row = match place.wrapping_sub(2 * column) {
                0 => 0b1111_1111,
                1 => 0b0000_1111,
                usize::MAX => 0b1111_0000,
                _ => 0,
            };
            *cell = Cell::drawn([0, row, row, row, row, row, row, 0], accent, lane);
        }
    }

    /// Clears the row and writes as many letters as it has columns into its middle.
    fn write_centred(&mut self, row: usize, text: impl Iterator<Item = char> + Clone, ink: Colour) {
        let ground = self.colours.ground;
        let margin = COLUMNS.saturating_sub(text.clone().count()) / 2;
        let cells = self.row(row);
        cells.fill(Cell::plain(ground));
        for (cell, character) in cells.iter_mut().skip(margin).zip(text) {
            *cell = Cell::drawn(font::letter(character), ink, ground);
        }
    }

    fn row(&mut self, row: usize) -> &mut [Cell] {
        self.cells.chunks_exact_mut(COLUMNS).nth(row).unwrap_or_default()
    }
}

impl Palette {
    const fn colours(self) -> &'static Colours {
        match self {
            Self::Blue => &BLUE,
            Self::Amber => &AMBER,
            Self::Grey => &GREY,
        }
    }
}

const WHITE: Colour = Colour::rgb(235, 235, 235);

/// Colour bars of 75 %.
const BARS: [Colour; 8] = [
    Colour::rgb(191, 191, 191),
    Colour::rgb(191, 191, 0),
    Colour::rgb(0, 191, 191),
    Colour::rgb(0, 191, 0),
    Colour::rgb(191, 0, 191),
    Colour::rgb(191, 0, 0),
    Colour::rgb(0, 0, 191),
    Colour::rgb(0, 0, 0),
];

static BLUE: Colours = Colours {
    bars: BARS,
    ground: Colour::rgb(12, 24, 60),
    ink: WHITE,
    accent: Colour::rgb(255, 214, 64),
    lane: Colour::rgb(32, 56, 120),
};

static AMBER: Colours = Colours {
    bars: {
        let [a, b, c, d, e, f, g, h] = BARS;
        [h, g, f, e, d, c, b, a]
    },
    ground: Colour::rgb(72, 34, 8),
    ink: WHITE,
    accent: Colour::rgb(110, 230, 255),
    lane: Colour::rgb(130, 70, 20),
};

static GREY: Colours = Colours {
    bars: [
        Colour::rgb(40, 40, 40),
        Colour::rgb(64, 64, 64),
        Colour::rgb(88, 88, 88),
        Colour::rgb(112, 112, 112),
        Colour::rgb(136, 136, 136),
        Colour::rgb(160, 160, 160),
        Colour::rgb(184, 184, 184),
        Colour::rgb(208, 208, 208),
    ],
    ground: Colour::rgb(32, 34, 38),
    ink: WHITE,
    accent: Colour::rgb(255, 120, 90),
    lane: Colour::rgb(64, 68, 74),
};

/// The clock at `frame`: HH:MM:SS:FF, 24 hours round.
fn clock(frame: u64) -> [u8; 11] {
    let seconds = frame / 25;
    let fields = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, frame % 25];
    let mut text = *b"00:00:00:00";
    for (place, field) in text.chunks_mut(3).zip(fields) {
        decimal(field, 2, place.first_chunk_mut::<2>().unwrap_or(&mut [0; 2]));
    }
    text
}

/// `number` in at least `digits_min` digits at the end of `digits`, as far as it has room.
fn decimal(mut number: u64, digits_min: usize, digits: &mut [u8]) -> &[u8] {
    let mut first = digits.len();
    for (count, digit) in digits.iter_mut().rev().enumerate() {
        if number == 0 && count >= digits_min {
            break;
        }
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        first -= 1;
    }
    digits.get(first..).unwrap_or_default()
}

/// Breaks `text` at its line ends and between words into as many lines as there is room for; what
/// is longer is left out.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines().take(TEXT_LINES_MAX) {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > TEXT_COLUMNS {
                lines.push(std::mem::take(&mut line));
                if lines.len() >= TEXT_LINES_MAX {
                    break;
                }
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word.chars().take(TEXT_COLUMNS));
        }
        lines.push(line);
    }
    lines.truncate(TEXT_LINES_MAX);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_counts_frames_and_goes_round_at_midnight() {
        assert_eq!(&clock(0), b"00:00:00:00");
        assert_eq!(&clock(24), b"00:00:00:24");
        assert_eq!(&clock(25 * (3600 * 13 + 60 * 5 + 9) + 7), b"13:05:09:07");
        assert_eq!(&clock(25 * 86_400 - 1), b"23:59:59:24");
        assert_eq!(&clock(25 * 86_400 * 40 + 26), b"00:00:01:01");
    }

    #[test]
    fn decimal_fills_from_the_right() {
        let mut digits = [0; 20];
        assert_eq!(decimal(0, 8, &mut digits), b"00000000");
        assert_eq!(decimal(123_456_789, 8, &mut digits), b"123456789");
        assert_eq!(decimal(u64::MAX, 8, &mut digits), b"18446744073709551615");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        let sentence = "No source of this channel answers. The next attempt is made in 30 seconds.";
        let lines = wrap(sentence);
        assert_eq!(lines.join(" "), sentence);
        assert!(lines.iter().all(|line| line.len() <= TEXT_COLUMNS));
        assert_eq!(wrap("one\n\ntwo"), ["one", "", "two"]);
        assert_eq!(wrap(&"x".repeat(200)), ["x".repeat(TEXT_COLUMNS)]);
        assert_eq!(wrap(&"word ".repeat(500)).len(), TEXT_LINES_MAX);
        assert_eq!(wrap(&"\n".repeat(500)).len(), TEXT_LINES_MAX);
        assert!(wrap("").is_empty());
    }

    #[test]
    fn every_frame_differs_from_the_one_before() {
        let mut picture = Picture::new(&Scene::default());
        picture.draw(0);
        let mut frames = 0;
        for frame in 1..=200 {
            let before = picture.cells().to_vec();
            picture.draw(frame);
            let changed = before.iter().zip(picture.cells()).filter(|(a, b)| a != b).count();
            assert!((3..=20).contains(&changed), "{changed} macroblocks at {frame}");
            frames += 1;
        }
        assert_eq!(frames, 200);
    }

    #[test]
    fn slices_cover_the_picture() {
        assert_eq!(SLICE_ROWS.iter().sum::<usize>(), ROWS);
        assert_eq!(Picture::new(&Scene::default()).cells().len(), ROWS * COLUMNS);
    }
}
