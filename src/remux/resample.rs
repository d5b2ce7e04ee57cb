//! Sound of one sampling rate as sound of another, for streams that change theirs under way: the encoder keeps the
//! rate that it began with. A windowed sinc of 32 taps, evaluated where each sample falls.

use crate::remux::time::Flicks;

/// Samples on each side of a point that count for it.
const REACH: usize = 16;

/// Places between two samples that have coefficients of their own; between these they are interpolated.
const PHASES: usize = 256;

/// Coefficients of one phase.
type Taps = [f32; 2 * REACH];

/// Changes the rate of two channels. 40 KiB, and what it was given last.
pub(super) struct Resampler {
    from: u32,
    to: u32,
    /// One more than there are phases, so that each has a next.
    taps: Vec<Taps>,
    /// What has come, the oldest first; begins with silence.
    history: [Vec<f32>; 2],
    /// Where the next sample falls, in samples of `from` divided by `to`, from the beginning of the history.
    place: u64,
}

impl Resampler {
    pub(super) fn new(from: u32, to: u32) -> Self {
        let history = [vec![0.0; REACH - 1], vec![0.0; REACH - 1]];
        let place = (u64::try_from(REACH).unwrap_or(0) - 1) * u64::from(to);
        Self { from, to, taps: taps(from, to), history, place }
    }

    /// The rate that it changes from.
    pub(super) const fn from(&self) -> u32 {
        self.from
    }

    /// How long what it holds is: so much earlier than what was taken last what comes next begins.
    pub(super) fn held(&self) -> Flicks {
        let len = self.history.iter().map(Vec::len).min().unwrap_or(0);
        let ahead = u64::try_from(len).unwrap_or(0) * u64::from(self.to);
        let second = u64::from(self.from) * u64::from(self.to);
        Flicks::fraction(ahead.saturating_sub(self.place), second)
    }

    /// Takes the next samples, as many of each channel, and appends those that come of them. The first one stands
    /// where the first that was taken did; 16 samples wait for those behind them.
    pub(super) fn push(&mut self, samples: [&[f32]; 2], out: &mut [Vec<f32>; 2]) {
        for (history, samples) in self.history.iter_mut().zip(samples) {
            history.extend_from_slice(samples);
        }
        let len = self.history.iter().map(Vec::len).min().unwrap_or(0);
        let to = u64::from(self.to.max(1));
        let place = |at: u64| usize::try_from(at / to).unwrap_or(usize::MAX);
        while place(self.place).saturating_add(REACH) < len {
            let first = place(self.place) + 1 - REACH;
            let taps = self.between(self.place % to, to);
            for (history, out) in self.history.iter().zip(out.iter_mut()) {
                let window = history.get(first..).unwrap_or_default();
                out.push(window.iter().zip(&taps).map(|(sample, tap)| sample * tap).sum());
            }
            self.place += u64::from(self.from);
        }
        let done = place(self.place).saturating_sub(REACH).min(len);
        self.history.iter_mut().for_each(|history| _ = history.drain(..done));
        self.place -= u64::try_from(done).unwrap_or(0) * to;
    }

    /// The coefficients at `part` of `whole` between two samples.
    fn between(&self, part: u64, whole: u64) -> Taps {
        let phases = u64::try_from(PHASES).unwrap_or(1);
        let phase = usize::try_from(part * phases / whole).unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "below a sampling rate")]
        let rest = (part * phases % whole) as f32 / whole as f32;
        let mut taps = [0.0; 2 * REACH];
        let both = self.taps.get(phase).zip(self.taps.get(phase + 1));
        if let Some((here, next)) = both {
            for ((tap, here), next) in taps.iter_mut().zip(here).zip(next) {
                *tap = here + (next - here) * rest;
            }
        }
        taps
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({} -> {})", self.from, self.to)
    }
}

/// A sinc that passes what both rates can hold, in a Blackman window, each phase normalised.
#[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
fn taps(from: u32, to: u32) -> Vec<Taps> {
    use std::f64::consts::PI;
    let cutoff = f64::from(to.min(from)) / f64::from(from.max(1)) * 0.95;
    let reach = REACH as f64;
    let phase = |phase: usize| {
        let offset = phase as f64 / PHASES as f64;
        let mut taps = [0.0_f64; 2 * REACH];
        for (index, tap) in taps.iter_mut().enumerate() {
            let distance = index as f64 - (reach - 1.0) - offset;
            let x = PI * distance * cutoff;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
            let w = PI * distance / reach;
            *tap = sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos()).max(0.0);
        }
        let sum: f64 = taps.iter().sum();
        #[expect(clippy::cast_possible_truncation, reason = "a coefficient below 1")]
        taps.map(|tap| (tap / sum) as f32)
    };
    (0..=PHASES).map(phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far a tone of `hz` is from what it should be after its rate was changed, in decibels below it.
    fn error(from: u32, to: u32, hz: f64) -> f64 {
        let tone = |rate: u32, index: usize| {
            (2.0 * std::f64::consts::PI * hz * index as f64 / f64::from(rate)).sin()
        };
        #[expect(clippy::cast_possible_truncation, reason = "a sample of a tone")]
        let source: Vec<f32> = (0..from as usize).map(|index| tone(from, index) as f32).collect();
        let mut resampler = Resampler::new(from, to);
        let mut out = [Vec::new(), Vec::new()];
        for piece in source.chunks(1152) {
            resampler.push([piece, piece], &mut out);
        }
        assert_eq!(out[0], out[1]);
        let missing = to as usize - out[0].len();
        assert!(missing <= REACH * to as usize / from as usize + 2, "{missing}");
        // Not the beginning, where there was silence before.
        let (mut noise, mut power) = (0.0, 0.0);
        for (index, sample) in out[0].iter().enumerate().skip(100) {
            let due = tone(to, index);
            noise += (f64::from(*sample) - due).powi(2);
            power += due.powi(2);
        }
        10.0 * (power / noise).log10()
    }

    #[test]
    fn tones_keep_their_place_and_their_level() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100), (32_000, 48_000), (48_000, 32_000)] {
            for hz in [100.0, 1000.0, 8000.0] {
                let snr = error(from, to, hz);
                assert!(snr > 60.0, "{from} -> {to} at {hz} Hz: {snr}");
            }
        }
    }

    #[test]
    fn the_history_is_bounded() {
        let mut resampler = Resampler::new(48_000, 32_000);
        let mut out = [Vec::new(), Vec::new()];
        for _ in 0..1000 {
            resampler.push([&[0.5; 1536], &[0.5; 1536]], &mut out);
            assert!(resampler.history[0].len() < 64);
            let held = resampler.held();
            assert!(held > Flicks::ZERO && held < Flicks::millis(1), "{held:?}");
            assert!((1000..=1030).contains(&out[0].len()));
            out.iter_mut().for_each(Vec::clear);
        }
    }
}
