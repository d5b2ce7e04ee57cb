use super::*;
use crate::remux::codec::AAC_FRAME;

fn options(rate: u32, channels: u8, bitrate: u32) -> EncodeOptions {
    EncodeOptions { rate, channels, bitrate, encoder: Encoder::BuiltIn }
}

#[test]
fn a_decoder_is_there_where_it_is_said_to_be() {
    for coding in Coding::ALL {
        let decoder = BuiltIn.decoder(coding, DecodeOptions { target_level: None });
        assert_eq!(decoder.is_some(), BuiltIn.decodes(coding), "{coding}");
        assert_eq!(
            BuiltIn.decodes(coding),
            cfg!(feature = "libav") || coding == Coding::Mp2,
            "{coding}"
        );
    }
}

#[test]
fn an_encoder_tells_what_it_cannot_do() {
    for (wrong, why) in [
        (options(47_999, 2, 192_000), "47999 Hz"),
        (options(48_000, 0, 192_000), "0 channels"),
        (options(48_000, 6, 192_000), "6 channels"),
        (options(48_000, 2, 0), "0 bit/s"),
        (options(48_000, 1, 300_000), "1 to 288000"),
    ] {
        for encoder in [Encoder::BuiltIn, Encoder::Libavcodec] {
            let error = BuiltIn.encoder(EncodeOptions { encoder, ..wrong }).err().unwrap();
            assert!(error.0.contains(why), "{error}");
        }
    }
}

#[test]
fn either_encoder_is_there_in_every_build() {
    for encoder in [Encoder::BuiltIn, Encoder::Libavcodec] {
        for (rate, channels, bitrate) in
            [(48_000, 2, 192_000), (44_100, 1, 96_000), (32_000, 2, 64_000)]
        {
            let options = EncodeOptions { encoder, ..options(rate, channels, bitrate) };
            let mut encoder = BuiltIn.encoder(options).unwrap();
            let silence = [0.0; AAC_FRAME];
            let mut came = || {
                let mut unit = Vec::new();
                encoder.encode([&silence, &silence], &mut unit).unwrap().then_some(unit)
            };
            let units = [came(), came(), came()];
            assert!(units[1..].iter().all(Option::is_some));
            let unit = units[2].as_deref().unwrap();
            // The first element of it: one channel or a pair of them (ISO/IEC 14496-3, table 4.85).
            assert_eq!(unit[0] >> 5, channels - 1);
        }
    }
}
