use super::*;
use crate::remux::codec::Encoder as Whose;
use crate::remux::codec::fixtures::Dice;
use crate::remux::codec::fixtures::aac_decoded;
use crate::remux::codec::fixtures::burst;
use crate::remux::codec::fixtures::delay;
use crate::remux::codec::fixtures::encoded;

fn encoder(rate: u32, channels: u8, bitrate: u32) -> Encoder {
    Encoder::new(EncodeOptions { rate, channels, bitrate, encoder: Whose::BuiltIn }).unwrap()
}

#[test]
fn sound_comes_out_a_frame_later_in_each_channel() {
    for channels in [1, 2] {
        let sound = [burst(1), burst(2)];
        let units = encoded(&mut encoder(48_000, channels, 192_000), [&sound[0], &sound[1]]);
        assert_eq!(units.len(), 25);
        let heard = aac_decoded(&units, channels);
        assert_eq!(heard.len(), usize::from(channels));
        for (sound, heard) in sound.iter().zip(&heard) {
            let (late, alike) = delay(sound, heard);
            assert_eq!(late, AAC_FRAME);
            assert!(alike > 0.9, "{alike}");
        }
    }
}

#[test]
fn the_bit_rate_is_kept() {
    let mut dice = Dice(7);
    let noise: [Vec<f32>; 2] =
        std::array::from_fn(|_| (0..48_000).map(|_| 0.5 * dice.sample()).collect());
    let steps: [Vec<f32>; 2] = std::array::from_fn(|channel| {
        (0..48_000)
            .map(|at| if at / 9000 % 2 == channel { 0.5 } else { 0.02 } * (at as f32 * 0.05).sin())
            .collect()
    });
    for sound in [noise, steps] {
        for (channels, bitrate) in [(2, 192_000), (2, 128_000), (1, 48_000)] {
            let units = encoded(&mut encoder(48_000, channels, bitrate), [&sound[0], &sound[1]]);
            let bits = units.iter().map(Vec::len).sum::<usize>() as f64 * 8.0;
            let rate = bits * 48_000.0 / (units.len() * AAC_FRAME) as f64;
            assert!((rate / f64::from(bitrate) - 1.0).abs() < 0.1, "{rate} for {bitrate}");
        }
    }
}

#[test]
fn no_sample_stops_it() {
    let mut encoder = encoder(48_000, 2, 192_000);
    let wild = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        9.0,
        -1.0001,
        f32::MAX,
        f32::MIN_POSITIVE,
        -0.0,
    ];
    let mut dice = Dice(3);
    let mut units = Vec::new();
    for _ in 0..40 {
        let [left, right]: [Vec<f32>; 2] =
            std::array::from_fn(|_| (0..AAC_FRAME).map(|_| wild[dice.below(wild.len())]).collect());
        let mut unit = Vec::new();
        assert_eq!(encoder.encode([&left, &right], &mut unit), Ok(true));
        // 6144 bits for each channel.
        assert!(!unit.is_empty() && unit.len() <= 1536, "{}", unit.len());
        units.push(unit);
    }
    assert!(aac_decoded(&units, 2).iter().flatten().all(|sample| sample.is_finite()));
}

#[test]
fn a_frame_that_is_too_short_ends_in_silence() {
    let mut encoder = encoder(48_000, 2, 192_000);
    let mut unit = Vec::new();
    assert_eq!(encoder.encode([&[0.5; 100], &[]], &mut unit), Ok(true));
    assert_eq!(encoder.encode([&[0.5; 2000], &[0.5; 2000]], &mut unit), Ok(true));
}
