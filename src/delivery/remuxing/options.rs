//! What a profile says of sound, as a remux is asked for it.

use crate::config;
use crate::config::AudioCodec;
use crate::config::AudioEncoder;
use crate::remux::Options;
use crate::remux::codec::Encoder;

/// The options of a profile's `audio`.
pub(super) fn of(audio: &config::Audio) -> Options {
    // Every key is named, so that one more is not forgotten here.
    let config::Audio {
        codec: AudioCodec::Aac,
        bitrate,
        channels,
        languages,
        tracks,
        pcr_offset,
        downmix_gain_db,
        target_level,
        encoder,
    } = audio;
    Options {
        bitrate: *bitrate,
        channels: *channels,
        languages: languages.clone(),
        tracks: tracks.unwrap_or(usize::MAX),
        pcr_offset: *pcr_offset,
        downmix_gain_db: f32::from(*downmix_gain_db),
        target_level: *target_level,
        encoder: match encoder {
            AudioEncoder::BuiltIn => Encoder::BuiltIn,
            AudioEncoder::Libavcodec => Encoder::Libavcodec,
        },
    }
}
