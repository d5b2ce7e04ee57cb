//! How the streams that a client gets are coded, for whoever makes something that is to follow them.

use crate::media::ts::kind::Audio;
use crate::media::ts::kind::Kind;
use crate::media::ts::kind::Video;

/// How pictures are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PictureCoding {
    /// MPEG-2 video.
    Mpeg2,
    /// H.264.
    #[default]
    H264,
    /// H.265.
    Hevc,
}

/// How sound is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SoundCoding {
    /// MPEG audio, layer 2 as a rule.
    Mpeg,
    /// AAC in ADTS.
    #[default]
    Aac,
    /// AC-3.
    Ac3,
}

/// How a client's first picture and first sound are coded; where that is in none of these ways, or there
/// are none, the default stands: H.264 and AAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Codings {
    /// The picture.
    pub picture: PictureCoding,
    /// The sound.
    pub sound: SoundCoding,
}

impl Codings {
    /// Of streams of these kinds.
    pub(super) fn of(kinds: impl Iterator<Item = Kind> + Clone) -> Self {
        let picture = kinds.clone().find_map(|kind| match kind {
            Kind::Video(Video::Mpeg2) => Some(PictureCoding::Mpeg2),
            Kind::Video(Video::H264) => Some(PictureCoding::H264),
            Kind::Video(Video::Hevc) => Some(PictureCoding::Hevc),
            _ => None,
        });
        let sound = kinds.clone().find_map(|kind| match kind {
            Kind::Audio(Audio::Mpeg) => Some(SoundCoding::Mpeg),
            Kind::Audio(Audio::AacAdts) => Some(SoundCoding::Aac),
            Kind::Audio(Audio::Ac3) => Some(SoundCoding::Ac3),
            _ => None,
        });
        Self { picture: picture.unwrap_or_default(), sound: sound.unwrap_or_default() }
    }
}
