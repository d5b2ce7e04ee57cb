//! Streams made for the tests, packet by packet, and what an ideal converter would make of them.

use crate::frames;
use crate::frames::AC3_SAMPLES;
use crate::support::ts::PACKET;
use crate::support::ts::TIMESTAMPS;

mod packets;
mod psi;

pub(crate) use packets::Counters;
pub(crate) use packets::Field;
pub(crate) use packets::cut;
pub(crate) use packets::pes;

/// PIDs of everything but sound.
pub(crate) const PMT: u16 = 0x100;
pub(crate) const VIDEO: u16 = 0x101;
const TELETEXT: u16 = 0x120;
const SUBTITLES: u16 = 0x121;
const AIT: u16 = 0x122;
const CUES: u16 = 0x123;
const EIT: u16 = 0x12;
/// The first PID with sound.
pub(crate) const SOUND: u16 = 0x110;
/// Ticks of 90 kHz from one picture to the next.
const PICTURE: u64 = 3600;
/// Ticks that a frame of AAC takes at 48 kHz.
const AAC: u64 = 1920;

/// How a PMT announces AC-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// stream_type 0x81, with a registration.
    Atsc,
    /// stream_type 6 with an AC-3 descriptor.
    Dvb,
    /// stream_type 0x0F: it is AAC already.
    Aac,
}

/// A track of sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track {
    pub(crate) signal: Signal,
    pub(crate) language: [u8; 3],
    pub(crate) audio_type: u8,
}

/// How a stream is made.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) tracks: Vec<Track>,
    /// AC-3 frames in a PES packet.
    pub(crate) frames: u64,
    /// The first PTS of sound.
    pub(crate) first: u64,
    /// Parts in a million by which the clock is slower than the sound.
    pub(crate) drift: u64,
    /// The PCR is on the PID of the first track.
    pub(crate) radio: bool,
    /// Teletext, subtitles, AIT, SCTE-35, EIT and stuffing.
    pub(crate) data: bool,
    /// From this picture on the PMT has another track.
    pub(crate) change: Option<u64>,
}

impl Default for Recipe {
    fn default() -> Self {
        let track = Track { signal: Signal::Dvb, language: *b"deu", audio_type: 0 };
        let (frames, first) = (5, 900_000);
        Self {
            tracks: vec![track],
            frames,
            first,
            drift: 0,
            radio: false,
            data: true,
            change: None,
        }
    }
}

/// Who renders a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Source,
    /// What a converter should make of it, in ticks of 90 kHz before which the PCR is.
    Ideal(u64),
}

/// A stream that comes piece by piece.
pub(crate) struct Maker {
    recipe: Recipe,
    who: Who,
    counters: Counters,
    picture: u64,
    /// PES packets of sound so far.
    sounds: u64,
    /// Frames of AAC so far.
    units: u64,
}

impl Maker {
    /// The source.
    pub(crate) fn source(recipe: Recipe) -> Self {
        let counters = Counters::default();
        Self { recipe, who: Who::Source, counters, picture: 0, sounds: 0, units: 0 }
    }

    /// What an ideal converter makes of it with this offset of the PCR, in ticks of 90 kHz.
    pub(crate) fn ideal(recipe: Recipe, offset: u64) -> Self {
        Self { who: Who::Ideal(offset), ..Self::source(recipe) }
    }

    /// So many pictures more.
    pub(crate) fn pictures(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        (0..count).for_each(|_| self.picture(&mut bytes));
        bytes
    }

    /// The time of frame `number` of AC-3 by the clock, in ticks of 90 kHz, not wrapped.
    pub(crate) fn time(&self, number: u64) -> u64 {
        let exact =
            u128::from(number * AC3_SAMPLES * 15) * u128::from(1_000_000 + self.recipe.drift);
        self.recipe.first + (exact / 8_000_000) as u64
    }

    fn picture(&mut self, into: &mut Vec<u8>) {
        let number = self.picture;
        self.picture += 1;
        // Pictures are shown half a second after they come; sound 100 ms after its PES packet.
        let clock = self.recipe.first + number * PICTURE - 9_000;
        if number.is_multiple_of(5) {
            self.tables(into);
        }
        if !self.recipe.radio {
            let bytes = pes(0xe0, (clock + 45_000) % TIMESTAMPS, &access_unit(number), false);
            let field =
                Field { pcr: Some(self.pcr(clock)), random_access: true, ..Field::default() };
            self.send(cut(VIDEO, &bytes, field), into);
        }
        if self.recipe.data {
            self.data(number, clock, into);
        }
        if self.recipe.radio {
            // Twice between PES packets too, with the time a little later.
            let discontinuity = number == 0;
            let field = Field { pcr: Some(self.pcr(clock)), discontinuity, ..Field::default() };
            self.send(vec![packets::bare(SOUND, field)], into);
        }
        while self.time(self.sounds * self.recipe.frames) <= clock + 9_000 {
            self.sound(into);
        }
    }

    fn pcr(&self, clock: u64) -> u64 {
        let offset = if let Who::Ideal(offset) = self.who { offset } else { 0 };
        (clock + TIMESTAMPS - offset) % TIMESTAMPS * 300 + 7
    }

    fn tables(&mut self, into: &mut Vec<u8>) {
        let changed = self.recipe.change.is_some_and(|from| from < self.picture);
        let mut pmt = psi::pmt(&self.recipe, changed, self.who != Who::Source);
        let mut pat = psi::pat();
        pmt.insert(0, 0);
        pat.insert(0, 0);
        self.send(packets::section(0, &pat), into);
        self.send(packets::section(PMT, &pmt), into);
    }

    fn data(&mut self, number: u64, clock: u64, into: &mut Vec<u8>) {
        let text = [0x10; 170];
        self.send(
            cut(TELETEXT, &pes(0xbd, clock % TIMESTAMPS, &text, false), Field::default()),
            into,
        );
        if number.is_multiple_of(10) {
            let page = vec![number as u8; 500];
            let field = Field::default();
            self.send(cut(SUBTITLES, &pes(0xbd, clock % TIMESTAMPS, &page, true), field), into);
            for (pid, table) in [(AIT, 0x74), (CUES, 0xfc), (EIT, 0x4e)] {
                self.send(packets::section(pid, &psi::other(table, number)), into);
            }
        }
        self.send(vec![packets::stuffing()], into);
    }

    /// A PES packet of each track.
    fn sound(&mut self, into: &mut Vec<u8>) {
        let first = self.sounds * self.recipe.frames;
        let numbers = first..first + self.recipe.frames;
        self.sounds += 1;
        let pts = self.time(first) % TIMESTAMPS;
        let frames: Vec<u8> = numbers.flat_map(frames::ac3).collect();
        let units = self.units;
        for (number, track) in self.recipe.tracks.clone().into_iter().enumerate() {
            let pid = SOUND + number as u16;
            if self.who == Who::Source || track.signal == Signal::Aac {
                let bytes = pes(0xbd, pts, &frames, true);
                self.send(cut(pid, &bytes, Field::default()), into);
                continue;
            }
            self.units = units;
            while (self.units + 1) * AAC
                <= self.time(first + self.recipe.frames) - self.recipe.first
            {
                let pts = (self.recipe.first + TIMESTAMPS + self.units * AAC - AAC) % TIMESTAMPS;
                let bytes = pes(0xc0, pts, &adts(self.units), true);
                self.send(cut(pid, &bytes, Field::default()), into);
                self.units += 1;
            }
        }
    }

    fn send(&mut self, packets: Vec<[u8; PACKET]>, into: &mut Vec<u8>) {
        for packet in packets {
            into.extend(self.counters.count(packet));
        }
    }
}

/// A picture that decodes alone, as far as its NAL units say.
fn access_unit(number: u64) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0a];
    bytes.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88]);
    bytes.extend((0..300).map(|at| 0x40 | (at + number) as u8 & 0x3f));
    bytes
}

/// A frame of ADTS that holds a number: MPEG-4, LC, 48 kHz, stereo, no CRC.
pub(crate) fn adts(number: u64) -> Vec<u8> {
    let unit = number.to_be_bytes();
    let length = (unit.len() + 7) as u32;
    let [_, a, b, c] = (length << 5 | 0x1f).to_be_bytes();
    let mut frame = vec![0xff, 0xf1, 0x4c, 0x80 | a & 3, b, c, 0xfc];
    frame.extend(unit);
    frame
}
