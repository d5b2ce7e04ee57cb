//! How loud samples may be: what no broadcast reaches, and what an encoder takes.

use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::Damaged;
use crate::remux::codec::Pcm;

/// What a whole frame of a broadcast stays below, full scale being 1. Filters and quantization overshoot by less
/// than half, and bits that are none of a frame's decode to many times as much.
pub(super) const PLAUSIBLE: f32 = 4.0;

/// Whether every sample is a number within `limit`.
///
/// # Errors
/// [`Damaged`], and `pcm` is empty then.
pub(super) fn check(pcm: &mut Pcm, limit: f32) -> Result<(), Damaged> {
    // The comparison is false for what is no number.
    if pcm.channels.iter().flatten().all(|sample| sample.abs() <= limit) {
        return Ok(());
    }
    pcm.clear();
    Err(Damaged)
}

/// A frame as encoders take it: nothing beyond full scale, which syom refuses for good, and silence for what is no
/// number. Samples that are missing are silent.
pub(super) fn clamp(from: &[f32], into: &mut [f32; AAC_FRAME]) {
    into.fill(0.0);
    for (into, sample) in into.iter_mut().zip(from) {
        *into = if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_far_too_loud_is_damaged() {
        for (sample, limit, fine) in [
            (3.9, PLAUSIBLE, true),
            (-4.1, PLAUSIBLE, false),
            (4.1, 8.0, true),
            (f32::NAN, PLAUSIBLE, false),
            (f32::INFINITY, PLAUSIBLE, false),
            (f32::NEG_INFINITY, PLAUSIBLE, false),
        ] {
            let mut pcm = Pcm {
                rate: 48_000,
                source_channels: 2,
                channels: [vec![0.0, 0.5], vec![0.0, sample]],
            };
            assert_eq!(check(&mut pcm, limit).is_ok(), fine, "{sample}");
            assert_eq!(pcm.is_empty(), !fine, "{sample}");
        }
    }

    #[test]
    fn an_encoder_gets_full_scale_at_most() {
        let mut frame = [9.0; AAC_FRAME];
        clamp(&[0.25, 1.5, -7.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &mut frame);
        assert_eq!(frame[..7], [0.25, 1.0, -1.0, 0.0, 1.0, -1.0, 0.0]);
        assert!(frame[7..].iter().all(|sample| *sample == 0.0));
    }
}
