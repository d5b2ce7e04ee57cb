//! What a remux is asked to do.

use std::time::Duration;

use crate::remux::codec::Encoder;

/// How the sound of a stream is converted.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bits a second of each track.
    pub bitrate: u32,
    /// Channels of each track: 1 or 2.
    pub channels: u8,
    /// The languages (ISO 639-2) of the tracks that are kept, letter by letter as the stream has them but for their
    /// case, the preferred one first; empty keeps all. Where a programme has none of them it keeps all of its tracks: wrong sound is better than none.
    pub languages: Vec<[u8; 3]>,
    /// How many tracks of a programme are kept at most, the preferred ones first.
    pub tracks: usize,
    /// What is taken from every clock reference of a programme whose sound is converted, so that converted sound,
    /// which comes later than it did, still comes before a decoder needs it.
    pub pcr_offset: Duration,
    /// What more than two channels are made louder by once they are mixed down, in decibels.
    pub downmix_gain_db: f32,
    /// The level that dialogue is brought to, in dB below full scale (-31 to -1); `None` leaves it.
    pub target_level: Option<i8>,
    /// Whose AAC encoder is used.
    pub encoder: Encoder,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bitrate: 192_000,
            channels: 2,
            languages: Vec::new(),
            tracks: usize::MAX,
            pcr_offset: Duration::from_millis(200),
            downmix_gain_db: 6.0,
            target_level: None,
            encoder: Encoder::BuiltIn,
        }
    }
}
