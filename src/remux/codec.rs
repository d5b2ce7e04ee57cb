//! What decodes and encodes sound, as the remux sees it: whole frames in, samples out, and the other way
//! round. Which programs' code does it is for [`BuiltIn`]; tests bring their own.

use std::fmt;

pub use built_in::BuiltIn;

mod aac;
mod built_in;
#[cfg(feature = "libav")]
mod downmix;
#[cfg(test)]
mod fixtures;
mod level;
#[cfg(feature = "libav")]
mod libav;
mod mp2;

/// Samples of each channel in a frame of AAC-LC (ISO/IEC 14496-3, 4.5.2.1.1).
pub const AAC_FRAME: usize = 1024;

/// Most samples of each channel that one frame of any [`Coding`] holds: HE-AAC has 2048.
pub const SAMPLES_MAX: usize = 2048;

/// Sound that is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// AC-3 (ETSI TS 102 366, ATSC A/52).
    Ac3,
    /// Enhanced AC-3 (annex E there).
    Eac3,
    /// MPEG-1 layer II and its half sampling rates (ISO/IEC 11172-3, 13818-3).
    Mp2,
    /// AAC in LATM and LOAS (ISO/IEC 14496-3, 1.7).
    Latm,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ac3, Self::Eac3, Self::Mp2, Self::Latm];

    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ac3 => "AC-3",
            Self::Eac3 => "E-AC-3",
            Self::Mp2 => "MP2",
            Self::Latm => "AAC in LATM",
        }
    }

    /// As FFmpeg and metrics call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::Mp2 => "mp2",
            Self::Latm => "aac_latm",
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Decoded sound: one or two channels of `f32` of equal length, full scale from -1 to 1, which decoders may pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pcm {
    /// Samples a second of each channel.
    pub rate: u32,
    /// How many channels the sound had before it was mixed down to those that are here; 0 where nobody knows.
    pub source_channels: u8,
    /// Left and right, or the one channel and nothing.
    pub channels: [Vec<f32>; 2],
}

impl Pcm {
    /// Samples of each channel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels[0].len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the samples and keeps their memory.
    pub fn clear(&mut self) {
        self.channels.iter_mut().for_each(Vec::clear);
    }
}

/// A frame that a decoder could not make anything of. It goes on with the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Decodes one stream of frames.
///
/// More than two channels are mixed down to stereo by the levels that the bitstream states, normalised so
/// that the sum of all cannot pass full scale; the low frequency channel is left out.
pub trait Decode: Send {
    /// Decodes `frame`, one whole access unit, and replaces what is in `pcm`, of at most [`SAMPLES_MAX`]
    /// samples. `Ok` without samples: it waits for more.
    ///
    /// # Errors
    /// [`Damaged`]; `pcm` is empty then.
    fn decode(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged>;
}

/// Encodes one stream to AAC-LC.
pub trait Encode: Send {
    /// Takes the next [`AAC_FRAME`] samples of each channel, all of them within -1 to 1, and appends the access unit
    /// (`raw_data_block`, without ADTS) of the next frame that is complete to `out`: of this one, or of one before
    /// it. False where none is yet. Every frame becomes one access unit, in order; decoded, it begins
    /// [`AAC_FRAME`] samples before the frame did.
    ///
    /// # Errors
    /// When the encoder fails; it must not be used any more.
    fn encode(&mut self, frame: [&[f32]; 2], out: &mut Vec<u8>) -> Result<bool, EncodeError>;
}

/// Why an encoder fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the AAC encoder fails: {0}")]
pub struct EncodeError(pub String);

/// How sound is to be decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecodeOptions {
    /// The level that dialogue is brought to, in dB below full scale (-31 to -1), by the `dialnorm` of AC-3 and
    /// E-AC-3; `None` leaves it as it is.
    pub target_level: Option<i8>,
}

/// How sound is to be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Samples a second.
    pub rate: u32,
    /// 1 or 2. A single channel is the first of the two that [`Encode::encode`] is given.
    pub channels: u8,
    /// Bits a second, of all channels together.
    pub bitrate: u32,
    /// Whose encoder.
    pub encoder: Encoder,
}

/// Whose AAC encoder is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoder {
    /// The one in Rust, which every build has.
    #[default]
    BuiltIn,
    /// libavcodec's, in a build with the feature `libav`; elsewhere the one in Rust.
    Libavcodec,
}

/// Makes decoders and encoders.
pub trait Codecs: Send + Sync + fmt::Debug {
    /// Whether there is a decoder.
    fn decodes(&self, coding: Coding) -> bool;

    /// A decoder at the beginning of a stream. `None` where there is none, or no memory.
    fn decoder(&self, coding: Coding, options: DecodeOptions) -> Option<Box<dyn Decode>>;

    /// An encoder at the beginning of a stream.
    ///
    /// # Errors
    /// Where it does not take the options.
    fn encoder(&self, options: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError>;
}
