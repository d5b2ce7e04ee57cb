use super::*;
use crate::remux::codec::Encoder as Whose;
use crate::remux::codec::fixtures::Dice;
use crate::remux::codec::fixtures::aac_decoded;
use crate::remux::codec::fixtures::amplitude;
use crate::remux::codec::fixtures::burst;
use crate::remux::codec::fixtures::decoded;
use crate::remux::codec::fixtures::delay;
use crate::remux::codec::fixtures::encoded;
use crate::remux::codec::fixtures::survives;

const AC3: &[u8] = include_bytes!("../../../../tests/fixtures/remux/ac3-2.0.ac3");
const AC3_SURROUND: &[u8] = include_bytes!("../../../../tests/fixtures/remux/ac3-5.1.ac3");
const EAC3_MONO: &[u8] = include_bytes!("../../../../tests/fixtures/remux/eac3-1.0.eac3");
const EAC3_SURROUND: &[u8] = include_bytes!("../../../../tests/fixtures/remux/eac3-5.1.eac3");
const LATM: &[u8] = include_bytes!("../../../../tests/fixtures/remux/latm-2.0.latm");
const LATM_SURROUND: &[u8] = include_bytes!("../../../../tests/fixtures/remux/latm-5.1.latm");

/// The tones of front left, right and centre, low frequencies, surround left and right.
const TONES: [f32; 6] = [500.0, 700.0, 900.0, 60.0, 1100.0, 1300.0];

fn decoder(coding: Coding) -> Decoder {
    Decoder::new(coding, DecodeOptions { target_level: None }).unwrap()
}

/// Frames of AC-3 and E-AC-3, which are all as long as the first one, up to a bit of padding.
fn frames(stream: &[u8]) -> Vec<&[u8]> {
    let mut begins: Vec<_> = stream
        .windows(2)
        .enumerate()
        .filter(|(_, two)| *two == [0x0b, 0x77])
        .map(|(at, _)| at)
        .collect();
    begins.push(stream.len());
    begins.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect()
}

/// Elements of LOAS (ISO/IEC 14496-3, 1.7.2.1).
fn elements(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    while let [_, high, low, ..] = *stream {
        let (element, rest) =
            stream.split_at(3 + (usize::from(high & 0x1f) << 8 | usize::from(low)));
        elements.push(element);
        stream = rest;
    }
    elements
}

/// The amplitude of every tone in left and right, as parts of what it was before.
fn parts(pcm: &Pcm) -> [[f32; 6]; 2] {
    pcm.channels
        .each_ref()
        .map(|channel| TONES.map(|hertz| amplitude(channel, pcm.rate, hertz) / 0.3))
}

#[track_caller]
fn assert_parts(pcm: &Pcm, expected: [[f32; 6]; 2]) {
    let parts = parts(pcm);
    let near = parts
        .iter()
        .flatten()
        .zip(expected.iter().flatten())
        .all(|(part, expected)| (part - expected).abs() < 0.03);
    assert!(near, "{parts:?}");
}

#[test]
fn two_channels_stay_as_they_are() {
    for (coding, frames) in [(Coding::Ac3, frames(AC3)), (Coding::Latm, elements(LATM))] {
        let pcm = decoded(&mut decoder(coding), frames);
        assert_eq!((pcm.rate, pcm.source_channels), (48_000, 2));
        assert_parts(&pcm, [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]);
    }
}

#[test]
fn one_channel_stays_one() {
    let pcm = decoded(&mut decoder(Coding::Eac3), frames(EAC3_MONO));
    assert_eq!((pcm.rate, pcm.source_channels), (44_100, 1));
    assert!(pcm.channels[1].is_empty());
    assert!((amplitude(&pcm.channels[0], 44_100, 500.0) - 0.3).abs() < 0.02);
}

#[test]
fn six_channels_are_mixed_by_the_levels_that_the_bitstream_states() {
    // -4.5 dB for the centre and -6 dB for surround; the sum of a side is full scale.
    let [front, centre, surround] = [1.0, 0.595, 0.5].map(|level| level / 2.095);
    let mixed =
        [[front, 0.0, centre, 0.0, surround, 0.0], [0.0, front, centre, 0.0, 0.0, surround]];
    let pcm = decoded(&mut decoder(Coding::Ac3), frames(AC3_SURROUND));
    assert_eq!((pcm.rate, pcm.source_channels), (48_000, 6));
    assert_eq!(pcm.len(), frames(AC3_SURROUND).len() * 1536);
    assert_parts(&pcm, mixed);
    // libavcodec's encoder states -4.5 dB for the centre here as well.
    let pcm = decoded(&mut decoder(Coding::Eac3), frames(EAC3_SURROUND));
    assert_eq!(pcm.source_channels, 6);
    assert_parts(&pcm, mixed);
}

#[test]
fn six_channels_of_latm_are_mixed_by_the_recommendation() {
    let front = 1.0 / (1.0 + std::f32::consts::SQRT_2);
    let other = front * std::f32::consts::FRAC_1_SQRT_2;
    let pcm = decoded(&mut decoder(Coding::Latm), elements(LATM_SURROUND));
    assert_eq!((pcm.rate, pcm.source_channels), (48_000, 6));
    assert_parts(
        &pcm,
        [[front, 0.0, other, 0.0, other, 0.0], [0.0, front, other, 0.0, 0.0, other]],
    );
}

#[test]
fn dialogue_is_brought_to_the_level_that_is_asked_for() {
    // The streams say that theirs is 31 dB below full scale.
    for (coding, stream) in [(Coding::Ac3, AC3), (Coding::Eac3, EAC3_MONO)] {
        for (level, louder) in [(-31, 1.0), (-25, 1.995), (-23, 2.512)] {
            let options = DecodeOptions { target_level: Some(level) };
            let pcm = decoded(&mut Decoder::new(coding, options).unwrap(), frames(stream));
            let part = amplitude(&pcm.channels[0], pcm.rate, 500.0) / 0.3;
            assert!((part / louder - 1.0).abs() < 0.03, "{level}: {part}");
        }
    }
}

#[test]
fn substreams_that_add_channels_are_left_out() {
    let mut dependent = frames(EAC3_MONO)[0].to_vec();
    dependent[2] |= 1 << 6;
    let plain = decoded(&mut decoder(Coding::Eac3), frames(EAC3_SURROUND));
    let units: Vec<_> =
        frames(EAC3_SURROUND).iter().map(|frame| [frame, &dependent[..]].concat()).collect();
    assert_eq!(decoded(&mut decoder(Coding::Eac3), units.iter().map(Vec::as_slice)), plain);
    assert_eq!(decoder(Coding::Eac3).decode(&dependent, &mut Pcm::default()), Err(Damaged));
}

#[test]
fn a_frame_with_a_wrong_checksum_is_concealed() {
    for (coding, stream) in [(Coding::Ac3, AC3_SURROUND), (Coding::Eac3, EAC3_SURROUND)] {
        let mut decoder = decoder(coding);
        let frames = frames(stream);
        let mut pcm = decoded(&mut decoder, frames[..3].iter().copied());
        let mut wrong = frames[3].to_vec();
        wrong[400..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        assert_eq!(decoder.decode(&wrong, &mut pcm), Ok(()));
        assert_eq!(pcm.len(), 1536);
        assert!(pcm.channels.iter().flatten().all(|sample| sample.abs() <= 1.0));
        decoder.decode(frames[4], &mut pcm).unwrap();
    }
}

#[test]
fn latm_waits_for_its_configuration() {
    // A stream that is joined where useSameStreamMux is set: its first bit, and what follows is no matter yet.
    let mut pcm = Pcm::default();
    let mut decoder = decoder(Coding::Latm);
    assert_eq!(decoder.decode(&[0x56, 0xe0, 4, 0x80, 0, 0, 0], &mut pcm), Ok(()));
    assert!(pcm.is_empty());
    assert_eq!(decoded(&mut decoder, elements(LATM)).rate, 48_000);
}

#[test]
fn what_is_no_access_unit_is_damaged() {
    let mut pcm = Pcm { rate: 1, source_channels: 1, channels: [vec![1.0], Vec::new()] };
    let long = vec![0; ffi::UNIT_MAX + 1];
    let mut long_frame = frames(AC3)[0].to_vec();
    long_frame.resize(ffi::UNIT_MAX + 1, 0);
    for coding in [Coding::Ac3, Coding::Eac3, Coding::Latm] {
        let mut decoder = decoder(coding);
        for wrong in [&[][..], &[0], &[0x0b, 0x77], &[0; 2000], &long, &long_frame] {
            assert_eq!(
                decoder.decode(wrong, &mut pcm),
                Err(Damaged),
                "{coding}, {} bytes",
                wrong.len()
            );
            assert!(pcm.is_empty());
        }
    }
    assert!(Decoder::new(Coding::Mp2, DecodeOptions { target_level: None }).is_none());
}

#[test]
fn damaged_frames_do_no_harm() {
    for (coding, frames, header) in [
        (Coding::Ac3, [frames(AC3), frames(AC3_SURROUND)].concat(), 7),
        (Coding::Eac3, [frames(EAC3_MONO), frames(EAC3_SURROUND)].concat(), 6),
        // Only one in some of its elements has a configuration, so streams cannot be mixed.
        (Coding::Latm, elements(LATM), 3),
        (Coding::Latm, elements(LATM_SURROUND), 3),
    ] {
        let fine = survives(coding, &frames, header, 2000);
        assert!(fine > 100, "{coding}: {fine}");
    }
}

#[test]
fn decoders_may_be_used_by_any_thread() {
    let mut decoder = decoder(Coding::Ac3);
    let here = decoded(&mut decoder, frames(AC3));
    drop(decoder);
    let mut moved = Decoder::new(Coding::Ac3, DecodeOptions { target_level: None }).unwrap();
    decoded(&mut moved, frames(AC3)[..1].iter().copied());
    let there = std::thread::spawn(move || decoded(&mut moved, frames(AC3)[1..].iter().copied()));
    assert_eq!(there.join().unwrap().channels[0], here.channels[0][1536..]);
}

fn encoder(channels: u8, bitrate: u32) -> Encoder {
    Encoder::new(EncodeOptions { rate: 48_000, channels, bitrate, encoder: Whose::Libavcodec })
        .unwrap()
}

#[test]
fn sound_comes_out_a_frame_later_in_each_channel() {
    for channels in [1, 2] {
        let sound = [burst(1), burst(2)];
        let units = encoded(&mut encoder(channels, 192_000), [&sound[0], &sound[1]]);
        let heard = aac_decoded(&units, channels);
        assert_eq!(heard.len(), usize::from(channels));
        for (sound, heard) in sound.iter().zip(&heard) {
            let (late, alike) = delay(sound, heard);
            assert_eq!(late, AAC_FRAME);
            assert!(alike > 0.85, "{alike}");
        }
    }
}

#[test]
fn no_sample_stops_the_encoder() {
    let mut encoder = encoder(2, 192_000);
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 9.0, -1.0001, f32::MAX];
    let mut dice = Dice(3);
    for at in 0..40 {
        let [left, right]: [Vec<f32>; 2] =
            std::array::from_fn(|_| (0..AAC_FRAME).map(|_| wild[dice.below(wild.len())]).collect());
        let mut unit = Vec::new();
        assert_eq!(encoder.encode([&left, &right], &mut unit), Ok(at > 0));
        assert!(unit.len() <= 1536);
    }
}
