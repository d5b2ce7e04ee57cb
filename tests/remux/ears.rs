//! Sound as it is heard: decoded by FFmpeg, put where its timestamps say, and laid over other sound.

use crate::ffmpeg::Bench;
use crate::support::ts::TICKS_PER_SECOND;
use crate::support::ts::TIMESTAMPS;

/// Samples a second of all sound that is compared.
const RATE: f64 = 48_000.0;
/// Samples of a window that is looked for: half a second.
const WINDOW: usize = 24_000;
/// Samples around its place in which a window is looked for: 64 ms.
const REACH: usize = 3_072;
/// Samples that are one in the first look.
const COARSE: usize = 6;
/// Power below which there is nothing to compare.
const SILENT: f32 = 1e-6;

/// Sound on a time line.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Seconds at which the first sample is.
    pub(crate) from: f64,
    /// Left and right at [`RATE`].
    pub(crate) channels: [Vec<f32>; 2],
    /// The greatest of all samples as they were decoded.
    pub(crate) peak: f32,
}

/// How one piece of sound lies on another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Likeness {
    /// Seconds by which it comes late.
    pub(crate) late: f64,
    /// Normalised cross-correlation at that place.
    pub(crate) correlation: f32,
}

impl Heard {
    /// Decodes the sound on a PID; `None` if there is none. `decoder` are options for the decoder.
    pub(crate) fn of(bench: &Bench, stream: &[u8], pid: u16, decoder: &[&str]) -> Option<Self> {
        let output = bench.samples(stream, pid, decoder);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let frames = said.lines().filter(|line| line.contains("Parsed_ashowinfo"));
        let field = |line: &str, name: &str| -> Option<f64> {
            let (_, rest) = line.split_once(&format!(" {name}:"))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        // Frames at the beginning may have no time.
        let frames: Vec<(Option<f64>, usize, f64)> = frames
            .filter_map(|line| {
                let samples = field(line, "nb_samples")? as usize;
                let rate = field(line, "rate")?;
                // Times of the filter are in samples; it rounds those that it tells in seconds.
                Some((field(line, "pts").map(|pts| pts / rate), samples, rate))
            })
            .collect();
        let (from, rate) = frames.iter().find_map(|(time, _, rate)| Some(((*time)?, *rate)))?;
        let values = output.stdout.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
        let mut values: std::vec::IntoIter<f32> = values.collect::<Vec<_>>().into_iter();
        let mut channels = [Vec::new(), Vec::new()];
        let mut peak = 0_f32;
        for (time, samples, _) in frames {
            let place = time.map(|time| ((time - from) * rate).round());
            if place.is_some_and(|place| !(0.0..rate * 600.0).contains(&place)) {
                return None;
            }
            for number in 0..samples {
                for channel in &mut channels {
                    let Some(value) = values.next() else { break };
                    let Some(at) = place.map(|place| place as usize + number) else { continue };
                    peak = peak.max(value.abs());
                    channel.resize(channel.len().max(at + 1), 0.0);
                    channel[at] = value;
                }
            }
        }
        let channels = channels.map(|channel| stretched(&channel, rate));
        Some(Self { from, channels, peak })
    }

    /// Seconds of sound.
    pub(crate) fn seconds(&self) -> f64 {
        self.channels[0].len() as f64 / RATE
    }

    /// How `other` lies on this, channel by channel, at so many places of the time that both have.
    pub(crate) fn likeness(&self, other: &Self, places: usize) -> Vec<Likeness> {
        let wrap = TIMESTAMPS as f64 / TICKS_PER_SECOND as f64;
        let apart = (self.from - other.from + wrap / 2.0).rem_euclid(wrap) - wrap / 2.0;
        // Where the first sample of this is in the other's.
        let shift = (apart * RATE).round() as i64;
        let rest = apart - shift as f64 / RATE;
        let first = (REACH as i64 - shift).max(0);
        let length = |heard: &Self| heard.channels[0].len() as i64;
        let last = length(self).min(length(other) - shift - REACH as i64) - WINDOW as i64;
        let mut found = Vec::new();
        for place in 0..places as i64 {
            let at = first + (last - first).max(0) * place / (places as i64 - 1).max(1);
            if last < first {
                break;
            }
            for channel in 0..2 {
                let ours = &self.channels[channel][at as usize..at as usize + WINDOW];
                let start = (at + shift) as usize - REACH;
                let theirs = &other.channels[channel][start..start + WINDOW + 2 * REACH];
                found.extend(best(ours, theirs).map(|(lag, correlation)| Likeness {
                    late: (lag as f64 - REACH as f64) / RATE - rest,
                    correlation,
                }));
            }
        }
        found
    }
}

/// The same sound at [`RATE`], straight lines between samples.
fn stretched(samples: &[f32], rate: f64) -> Vec<f32> {
    if rate == RATE {
        return samples.to_vec();
    }
    let count = (samples.len() as f64 * RATE / rate) as usize;
    let at = |place: usize| samples.get(place).copied().unwrap_or(0.0);
    (0..count)
        .map(|number| {
            let place = number as f64 * rate / RATE;
            let part = (place - place.floor()) as f32;
            at(place as usize) * (1.0 - part) + at(place as usize + 1) * part
        })
        .collect()
}

/// Where in `theirs` `ours` is most like it; `None` if it is silent.
fn best(ours: &[f32], theirs: &[f32]) -> Option<(usize, f32)> {
    if power(ours) < SILENT * ours.len() as f32 {
        return None;
    }
    let small = |samples: &[f32]| -> Vec<f32> {
        samples.chunks_exact(COARSE).map(|part| part.iter().sum()).collect()
    };
    let (few, more) = (small(ours), small(theirs));
    let (coarse, _) = search(&few, &more, 0..=more.len() - few.len());
    let middle = coarse * COARSE;
    let last = theirs.len() - ours.len();
    Some(search(ours, theirs, middle.saturating_sub(COARSE)..=(middle + COARSE).min(last)))
}

fn search(ours: &[f32], theirs: &[f32], lags: impl Iterator<Item = usize>) -> (usize, f32) {
    let own = power(ours).sqrt();
    let at = |lag: usize| {
        let part = &theirs[lag..lag + ours.len()];
        let product: f32 = ours.iter().zip(part).map(|(a, b)| a * b).sum();
        product / (own * power(part).sqrt()).max(f32::MIN_POSITIVE)
    };
    lags.map(|lag| (lag, at(lag))).fold((0, f32::MIN), |a, b| if b.1 > a.1 { b } else { a })
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

#[test]
fn sound_that_is_late_is_found_late() {
    let noise = |seed: u64| -> Vec<f32> {
        let mut dice = crate::support::content::Dice::new(seed);
        (0..60_000).map(|_| dice.roll(2000) as f32 / 1000.0 - 1.0).collect()
    };
    let ours = Heard { from: 3.0, channels: [noise(1), noise(90_000)], peak: 1.0 };
    for (late, wrapped) in [(0_usize, 0.0), (7, 0.0), (480, TIMESTAMPS as f64 / 90_000.0)] {
        let channels = [noise(1), noise(90_000)].map(|noise| [vec![0.0; late], noise].concat());
        let theirs = Heard { from: 3.0 + wrapped, channels, peak: 1.0 };
        let found = ours.likeness(&theirs, 3);
        assert_eq!(found.len(), 6);
        for likeness in &found {
            assert!((likeness.late - late as f64 / RATE).abs() < 1e-6, "{late}: {likeness:?}");
            assert!(likeness.correlation > 0.99, "{late}: {likeness:?}");
        }
        // Left and right are not the same.
        let [left, right] = theirs.channels.clone();
        let swapped = Heard { channels: [right, left], ..theirs };
        assert!(ours.likeness(&swapped, 3).iter().all(|found| found.correlation < 0.3));
    }
}
