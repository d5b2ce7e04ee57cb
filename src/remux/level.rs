//! The level of sound before it is encoded. What was mixed down is made louder and held below its ceiling by a
//! limiter that sees 64 samples ahead; other sound is only cut at full scale.

/// Samples whose peak decides about a gain.
pub(super) const BLOCK: usize = 64;

/// The ceiling of the limiter: -1 dB of full scale.
const CEILING: f32 = 0.891_250_9;

/// How much of full gain comes back in a block: all of it within 150 blocks, 200 ms at 48 kHz.
const RELEASE: f32 = 1.0 / 150.0;

/// Holds sound below its ceiling; see the module.
#[derive(Debug)]
pub(super) struct Limiter {
    /// The gain at the beginning of the next block.
    gain: f32,
}

impl Limiter {
    pub(super) const fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// Limits whole blocks of two channels in place. `ahead` is the block behind them, as far as it is known.
    pub(super) fn run(&mut self, channels: [&mut [f32]; 2], ahead: [&[f32]; 2]) {
        let [left, right] = channels;
        let mut blocks = left.chunks_mut(BLOCK).zip(right.chunks_mut(BLOCK)).peekable();
        let last = allowed(ahead);
        while let Some((left, right)) = blocks.next() {
            let own = allowed([left, right]);
            let next = blocks.peek().map_or(last, |(left, right)| allowed([left, right]));
            // Neither this block nor the next one passes the ceiling at any gain between the two ends.
            let end = own.min(next).min(self.gain + RELEASE);
            let start = self.gain.min(own);
            if start < 1.0 || end < 1.0 {
                ramp(left, start, end);
                ramp(right, start, end);
            }
            self.gain = end;
        }
    }
}

/// The gain at which a block does not pass the ceiling.
fn allowed(channels: [&[f32]; 2]) -> f32 {
    let peak = channels
        .iter()
        .flat_map(|samples| samples.iter())
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > CEILING { CEILING / peak } else { 1.0 }
}

/// Multiplies by a gain that goes evenly from `start` to `end`.
pub(super) fn ramp(samples: &mut [f32], start: f32, end: f32) {
    #[expect(clippy::cast_precision_loss, reason = "at most some thousand samples")]
    let step = (end - start) / samples.len().max(1) as f32;
    let mut gain = start;
    for sample in samples {
        *sample *= gain;
        gain += step;
    }
}

/// Multiplies by one gain.
pub(super) fn amplify(samples: &mut [f32], gain: f32) {
    samples.iter_mut().for_each(|sample| *sample *= gain);
}

/// Cuts at full scale; what is no number is silence.
pub(super) fn clamp(samples: &mut [f32]) {
    for sample in samples {
        *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) };
    }
}

/// The factor of so many decibels.
pub(super) fn factor(decibels: f32) -> f32 {
    10_f32.powf(decibels / 20.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quiet_sound_is_not_touched() {
        let quiet: Vec<f32> = (0_u8..128).map(|index| f32::from(index) / 150.0).collect();
        let (mut left, mut right) = (quiet.clone(), quiet.clone());
        Limiter::new().run([&mut left, &mut right], [&quiet[..BLOCK], &quiet[..BLOCK]]);
        assert_eq!((&left, &right), (&quiet, &quiet));
    }

    #[test]
    fn a_peak_is_met_with_a_gain_that_came_down_before_it_and_goes_back() {
        let mut limiter = Limiter::new();
        let mut left = vec![0.5_f32; 4 * BLOCK];
        left[2 * BLOCK + 10] = 2.0;
        let mut right = vec![0.5_f32; 4 * BLOCK];
        limiter.run([&mut left, &mut right], [&[0.5; BLOCK], &[0.5; BLOCK]]);
        assert!(left.iter().all(|sample| sample.abs() <= CEILING + 1e-6));
        assert_eq!(left[BLOCK - 1], 0.5);
        assert!(left[2 * BLOCK - 1] < 0.24, "{}", left[2 * BLOCK - 1]);
        assert_eq!(left[2 * BLOCK + 9], right[2 * BLOCK + 9], "both channels alike");
        for _ in 0..200 {
            limiter.run([&mut [0.1; BLOCK], &mut [0.1; BLOCK]], [&[0.1; BLOCK], &[0.1; BLOCK]]);
        }
        assert_eq!(limiter.gain, 1.0);
    }

    #[test]
    fn what_is_no_number_is_silence() {
        let mut samples = [f32::NAN, f32::INFINITY, -3.0, 0.25];
        clamp(&mut samples);
        assert_eq!(samples, [0.0, 1.0, -1.0, 0.25]);
        assert!((factor(6.0) - 1.995).abs() < 0.001);
    }

    proptest! {
        #[test]
        fn nothing_passes_the_ceiling(samples in prop::collection::vec(-4.0_f32..4.0, 5 * BLOCK)) {
            let mut limiter = Limiter::new();
            let (blocks, ahead) = samples.split_at(4 * BLOCK);
            let (mut left, mut right) = (blocks.to_vec(), vec![0.0; 4 * BLOCK]);
            limiter.run([&mut left, &mut right], [ahead, &[0.0; BLOCK]]);
            prop_assert!(left.iter().all(|sample| sample.abs() <= CEILING + 1e-5));
            let mut ahead = ahead.to_vec();
            limiter.run([&mut ahead, &mut [0.0; BLOCK]], [&[], &[]]);
            prop_assert!(ahead.iter().all(|sample| sample.abs() <= CEILING + 1e-5));
        }
    }
}
