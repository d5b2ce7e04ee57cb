//! What the tests of the codecs share: frames of `tests/fixtures/remux`, ways to damage them, and measures of sound.
#![allow(clippy::cast_possible_truncation, reason = "bytes are cut out of numbers")]

use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::BuiltIn;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::codec::Decode;
use crate::remux::codec::DecodeOptions;
use crate::remux::codec::Encode;
use crate::remux::codec::Pcm;

pub(super) const MP2: &[u8] = include_bytes!("../../../tests/fixtures/remux/mp2-48000.mp2");
pub(super) const MP2_CRC: &[u8] = include_bytes!("../../../tests/fixtures/remux/mp2-crc.mp2");
pub(super) const MP2_MONO: &[u8] =
    include_bytes!("../../../tests/fixtures/remux/mp2-24000-mono.mp2");

/// Frames of layer II, which are all as long as the first one.
pub(super) fn mp2_frames(stream: &[u8]) -> Vec<&[u8]> {
    let next = (4..stream.len())
        .find(|at| stream[*at..].starts_with(&stream[..2]) && stream.len().is_multiple_of(*at));
    stream.chunks_exact(next.unwrap()).collect()
}

/// A decoder without options.
pub(super) fn decoder(coding: Coding) -> Box<dyn Decode> {
    BuiltIn.decoder(coding, DecodeOptions { target_level: None }).unwrap()
}

/// All samples of frames none of which may be damaged, with the rate and the channels of the last one.
pub(super) fn decoded<'a>(
    decoder: &mut dyn Decode,
    frames: impl IntoIterator<Item = &'a [u8]>,
) -> Pcm {
    let mut all = Pcm::default();
    let mut pcm = Pcm::default();
    for frame in frames {
        decoder.decode(frame, &mut pcm).unwrap();
        all.rate = pcm.rate;
        all.source_channels = pcm.source_channels;
        for (all, new) in all.channels.iter_mut().zip(&pcm.channels) {
            all.extend_from_slice(new);
        }
    }
    all
}

/// The amplitude of a tone in the middle third of the samples: it begins and ends somewhere in the others.
pub(super) fn amplitude(samples: &[f32], rate: u32, hertz: f32) -> f32 {
    let samples = &samples[samples.len() / 3..samples.len() * 2 / 3];
    let step = std::f32::consts::TAU * hertz / rate as f32;
    let (sine, cosine) =
        samples.iter().enumerate().fold((0.0, 0.0), |(sine, cosine), (at, sample)| {
            let phase = step * at as f32;
            (sine + sample * phase.sin(), cosine + sample * phase.cos())
        });
    2.0 * f32::hypot(sine, cosine) / samples.len() as f32
}

/// Numbers by xorshift, the same for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// From -1 to 1.
    pub(super) fn sample(&mut self) -> f32 {
        (self.roll() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// A frame with some of its bits flipped, cut short, or with a body that is none of its own, behind a header of
/// `header` bytes that stays right in one way of it.
pub(super) fn damage(frame: &[u8], header: usize, dice: &mut Dice) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let length = frame.len();
    match dice.below(4) {
        0 => {
            for _ in 0..=dice.below(20) {
                let bit = dice.below(length * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
        1 => frame.truncate(dice.below(length)),
        way => {
            let from = if way == 2 { dice.below(length) } else { header };
            frame[from..].fill_with(|| dice.roll() as u8);
        }
    }
    frame
}

/// Decodes damaged frames, one in eight whole. Whatever they are, samples are numbers, few, and not absurdly loud, and
/// behind them whole frames decode as ever. Returns how many decoded.
pub(super) fn survives(coding: Coding, frames: &[&[u8]], header: usize, times: usize) -> usize {
    let mut decoder = decoder(coding);
    let mut dice = Dice(0x5eed_0000 + times as u64);
    let mut pcm = Pcm::default();
    let mut fine = 0;
    for _ in 0..times {
        let frame = frames[dice.below(frames.len())];
        let frame =
            if dice.below(8) == 0 { frame.to_vec() } else { damage(frame, header, &mut dice) };
        let outcome = decoder.decode(&frame, &mut pcm);
        assert!(outcome.is_ok() || pcm.is_empty());
        assert!(pcm.len() <= super::SAMPLES_MAX);
        assert!(pcm.channels[1].is_empty() || pcm.channels[1].len() == pcm.len());
        assert!(pcm.channels.iter().flatten().all(|sample| sample.abs() <= 4.0));
        fine += usize::from(outcome.is_ok() && !pcm.is_empty());
    }
    let recovered =
        frames.iter().filter(|frame| decoder.decode(frame, &mut pcm).is_ok() && !pcm.is_empty());
    assert_eq!(recovered.count(), frames.len());
    fine
}

/// Access units of `channels`, cut into frames with silence behind.
pub(super) fn encoded(encoder: &mut dyn Encode, channels: [&[f32]; 2]) -> Vec<Vec<u8>> {
    let frame = |channel: &[f32], at: usize| {
        let mut frame = vec![0.0; AAC_FRAME];
        channel.iter().skip(at * AAC_FRAME).zip(&mut frame).for_each(|(from, into)| *into = *from);
        frame
    };
    let mut units = Vec::new();
    let mut at = 0;
    // One frame more for the samples that the last one of the sound still holds.
    let wanted = channels[0].len().div_ceil(AAC_FRAME) + 1;
    while units.len() < wanted {
        let [left, right] = channels.map(|channel| frame(channel, at));
        let mut unit = Vec::new();
        if encoder.encode([&left, &right], &mut unit).unwrap() {
            units.push(unit);
        }
        at += 1;
        assert!(at <= wanted + 1, "an access unit is more than a frame late");
    }
    units
}

/// The samples of access units at 48 kHz by syom's decoder, through ADTS (ISO/IEC 13818-7, 6.2).
pub(super) fn aac_decoded(units: &[Vec<u8>], channels: u8) -> Vec<Vec<f32>> {
    let stream: Vec<u8> = units
        .iter()
        .flat_map(|unit| [adts(unit.len(), channels).to_vec(), unit.clone()].concat())
        .collect();
    let decoded = syom::decode_with(&stream, &syom::DecodeOptions::unbounded()).unwrap();
    assert_eq!(decoded.sample_rate, 48_000);
    decoded.channels
}

/// A header of AAC-LC at 48 kHz.
fn adts(unit: usize, channels: u8) -> [u8; 7] {
    let length = unit + 7;
    [
        0xff,
        0xf1,
        0x40 | 3 << 2,
        channels << 6 | (length >> 11) as u8,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1f,
        0xfc,
    ]
}

/// Half a second of noise between silences, at 48 kHz: its beginning shows where it went.
pub(super) fn burst(seed: u64) -> Vec<f32> {
    let mut dice = Dice(seed);
    (0..24_000)
        .map(|at| if (5000..17_000).contains(&at) { 0.4 * dice.sample() } else { 0.0 })
        .collect()
}

/// How many samples later than in `sound` the same is in `heard`, by correlation, and how alike they are, up to 1.
pub(super) fn delay(sound: &[f32], heard: &[f32]) -> (usize, f32) {
    let part = &sound[6000..7000];
    let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>().sqrt();
    let alike = |late: usize| {
        let there = &heard[6000 + late..7000 + late];
        let product: f32 = part.iter().zip(there).map(|(one, other)| one * other).sum();
        product / (energy(part) * energy(there))
    };
    (0..4096)
        .map(|late| (late, alike(late)))
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .unwrap()
}
