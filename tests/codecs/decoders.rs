//! Sound that FFmpeg encodes, decoded here and there.

use weir::remux::Codecs;
use weir::remux::Coding;
use weir::remux::codec::BuiltIn;
use weir::remux::codec::DecodeOptions;
use weir::remux::codec::Pcm;

use crate::bench::Bench;
use crate::bench::signal_to_noise;
use crate::frames::frames;

/// Decodes a stream that FFmpeg encodes by `encoder`, and compares with what FFmpeg's decoder, chosen by `decoder`, makes
/// of it, which has `channels`.
fn compare(bench: &Bench, coding: Coding, encoder: &[&str], decoder: &[&str], channels: usize) {
    compare_filtered(bench, coding, "anull", encoder, decoder, channels);
}

/// The same with a filter before the encoder.
fn compare_filtered(
    bench: &Bench,
    coding: Coding,
    filter: &str,
    encoder: &[&str],
    decoder: &[&str],
    channels: usize,
) {
    let stream = bench.encoded(filter, encoder);
    let theirs = bench.decoded(&stream, decoder, channels);
    let mut ours: [Vec<f32>; 2] = Default::default();
    let mut pcm = Pcm::default();
    let mut decoder = BuiltIn.decoder(coding, DecodeOptions { target_level: None }).unwrap();
    for frame in frames(coding, &stream) {
        decoder.decode(frame, &mut pcm).unwrap();
        ours.iter_mut().zip(&pcm.channels).for_each(|(all, new)| all.extend_from_slice(new));
    }
    assert_eq!(ours[1].is_empty(), channels == 1, "{encoder:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // FFmpeg's readers may want to see what follows the last frame.
        let frame = pcm.len();
        assert!(
            ours.len().abs_diff(theirs.len()) <= frame,
            "{encoder:?}: {} and {}",
            ours.len(),
            theirs.len()
        );
        let alike = signal_to_noise(theirs, ours);
        assert!(alike > 60.0, "{encoder:?}: {alike} dB");
    }
}

#[test]
fn mp2_is_decoded_as_ffmpeg_does() {
    let Some(bench) = Bench::new("mp2") else { return };
    for (rate, channels, bitrate) in [
        ("48000", 2, "192k"),
        ("48000", 2, "96k"),
        ("48000", 2, "384k"),
        ("44100", 2, "256k"),
        ("32000", 2, "128k"),
        ("48000", 1, "64k"),
        ("44100", 1, "32k"),
        ("24000", 2, "128k"),
        ("22050", 1, "64k"),
        ("16000", 2, "96k"),
    ] {
        let encoder = [
            "-ar",
            rate,
            "-ac",
            if channels == 2 { "2" } else { "1" },
            "-c:a",
            "mp2",
            "-b:a",
            bitrate,
            "-f",
            "mp2",
        ];
        compare(&bench, Coding::Mp2, &encoder, &["-f", "mp3", "-c:a", "mp2float"], channels);
    }
}

#[test]
fn mp2_of_shared_bands_and_with_checksums_is_decoded_as_ffmpeg_does() {
    let Some(bench) = Bench::new("mp2-crc") else { return };
    for (rate, mode, channels, bitrate) in [
        ("48000", "joint_stereo", 2, "96k"),
        ("48000", "joint_stereo", 2, "192k"),
        ("44100", "joint_stereo", 2, "256k"),
        ("32000", "stereo", 2, "64k"),
        ("48000", "dual_channel", 2, "192k"),
        ("48000", "mono", 1, "48k"),
        ("44100", "mono", 1, "192k"),
        ("24000", "joint_stereo", 2, "64k"),
        ("16000", "mono", 1, "32k"),
    ] {
        let encoder = [
            "-ar",
            rate,
            "-ac",
            if channels == 2 { "2" } else { "1" },
            "-c:a",
            "libtwolame",
            "-mode",
            mode,
        ];
        let encoder =
            [&encoder[..], &["-error_protection", "1", "-b:a", bitrate, "-f", "mp2"]].concat();
        compare(&bench, Coding::Mp2, &encoder, &["-f", "mp3", "-c:a", "mp2float"], channels);
    }
}

#[test]
#[cfg_attr(not(feature = "libav"), ignore = "needs the feature libav")]
fn ac3_and_eac3_are_decoded_as_ffmpeg_does() {
    let Some(bench) = Bench::new("ac3") else { return };
    let stereo = "aformat=channel_layouts=stereo";
    let mono = "aformat=channel_layouts=mono";
    let surround = "pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.1*FL|BL=0.5*FR|BR=0.5*FL";
    for (coding, name) in [(Coding::Ac3, "ac3"), (Coding::Eac3, "eac3")] {
        for (filter, channels) in [(stereo, 2), (mono, 1), (surround, 2)] {
            let encoder = ["-c:a", name, "-b:a", "256k", "-f", name];
            // FFmpeg would mix more than two channels by other levels than the bitstream's.
            let decoder = ["-downmix", "stereo", "-f", name];
            compare_filtered(&bench, coding, filter, &encoder, &decoder, channels);
        }
    }
}

#[test]
#[cfg_attr(not(feature = "libav"), ignore = "needs the feature libav")]
fn latm_is_decoded_as_ffmpeg_does() {
    let Some(bench) = Bench::new("latm") else { return };
    for (channels, count) in [(2, "2"), (1, "1")] {
        let encoder = ["-ac", count, "-c:a", "aac", "-b:a", "128k", "-f", "latm"];
        compare(&bench, Coding::Latm, &encoder, &["-f", "loas"], channels);
    }
}
