//! Sound that is encoded here, decoded by FFmpeg.

use weir::remux::Codecs;
use weir::remux::codec::AAC_FRAME;
use weir::remux::codec::BuiltIn;
use weir::remux::codec::EncodeOptions;
use weir::remux::codec::Encoder;

use crate::bench::Bench;
use crate::bench::signal_to_noise;

/// The access units of a sound as ADTS (ISO/IEC 13818-7, 6.2) at 48 kHz, and how many bits a second they are.
fn adts(options: EncodeOptions, sound: &[Vec<f32>; 2]) -> (Vec<u8>, f64) {
    let mut encoder = BuiltIn.encoder(options).unwrap();
    let mut stream = Vec::new();
    let (mut units, mut bits) = (0, 0);
    for (left, right) in
        sound[0].as_chunks::<AAC_FRAME>().0.iter().zip(sound[1].as_chunks::<AAC_FRAME>().0)
    {
        let mut unit = Vec::new();
        if !encoder.encode([left, right], &mut unit).unwrap() {
            continue;
        }
        let length = unit.len() + 7;
        let channels = options.channels << 6 | (length >> 11) as u8;
        stream.extend([
            0xff,
            0xf1,
            0x4c,
            channels,
            (length >> 3) as u8,
            (length << 5) as u8 | 0x1f,
            0xfc,
        ]);
        stream.extend(&unit);
        units += 1;
        bits += unit.len() * 8;
    }
    (stream, bits as f64 * f64::from(options.rate) / f64::from(units * AAC_FRAME as u32))
}

#[test]
fn ffmpeg_hears_aac_a_frame_later_and_finds_nothing_wrong() {
    let Some(bench) = Bench::new("aac") else { return };
    let sound = bench.sound();
    for encoder in [Encoder::BuiltIn, Encoder::Libavcodec] {
        for (channels, bitrate) in [(2, 192_000), (2, 128_000), (1, 96_000)] {
            let (stream, rate) =
                adts(EncodeOptions { rate: 48_000, channels, bitrate, encoder }, &sound);
            assert!(
                (rate / f64::from(bitrate) - 1.0).abs() < 0.1,
                "{encoder:?}: {rate} of {bitrate}"
            );
            let heard = bench.decoded(&stream, &["-f", "aac"], channels.into());
            for (sound, heard) in sound.iter().zip(&heard) {
                let [early, there, late] = [AAC_FRAME - 1, AAC_FRAME, AAC_FRAME + 1].map(|delay| {
                    signal_to_noise(&sound[..sound.len() - AAC_FRAME], &heard[delay..])
                });
                assert!(
                    there > 12.0 && there > early && there > late,
                    "{encoder:?}: {early}, {there}, {late} dB"
                );
            }
        }
    }
}
