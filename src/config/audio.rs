//! `audio` of a profile: sound that many players do not take becomes AAC, and the pictures stay as they are.

use std::time::Duration;

use super::ffmpeg::Ffmpeg;
use super::forms::Bitrate;
use super::forms::Choice;
use super::forms::Count;
use super::forms::Form;
use super::forms::Span;
use super::forms::bounded;
use super::language;
use super::language::Language;
use super::mistake::quoted;
use super::walk::Section;
use super::walk::Walk;

/// Languages in one list.
const LANGUAGES_MAX: usize = 16;

/// Keys of `audio` that say nothing to FFmpeg.
const OF_REMUX: [&str; 4] = ["pcr_offset", "downmix_gain_db", "target_level", "encoder"];

/// Every key of `audio`.
const KEYS: [&str; 10] = [
    "codec",
    "bitrate",
    "channels",
    "languages",
    "tracks",
    "via",
    "pcr_offset",
    "downmix_gain_db",
    "target_level",
    "encoder",
];

/// How sound is converted in process: AC-3, E-AC-3, MP2 and AAC in LATM become AAC-LC, AAC passes as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// The codec. Default AAC.
    pub codec: AudioCodec,
    /// Bits per second of each track. Default 192000, 32000 to 512000.
    pub bitrate: u32,
    /// Channels of each track: 1 or 2. Default 2.
    pub channels: u8,
    /// The languages (ISO 639-2, lower case) of the tracks that are kept, the preferred one first; a programme
    /// that has none of them keeps all of its tracks. Default empty, which keeps all; at most 16 are written.
    /// A language that has two codes (`deu` and `ger`) stands here with both.
    pub languages: Vec<[u8; 3]>,
    /// How many tracks of a programme are kept at most, the preferred ones first. Default `None`: all; 1 to 16.
    pub tracks: Option<usize>,
    /// What is taken from the clock references (PCR), so that converted sound, which comes later than it did,
    /// still comes before it is needed; a strict player shows the stream so much later. Default 200ms, 0s to 1s.
    pub pcr_offset: Duration,
    /// What sound of more than two channels is made louder by once it is mixed down, in decibels. Default 6,
    /// 0 to 12.
    pub downmix_gain_db: u8,
    /// The level that dialogue of AC-3 and E-AC-3 is brought to, in dB relative to full scale. Default `None`,
    /// which leaves it; -31 to -1.
    pub target_level: Option<i8>,
    /// Whose AAC encoder is used. Default the built-in one.
    pub encoder: AudioEncoder,
}

/// The codecs that weir converts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
}

/// Whose AAC encoder is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioEncoder {
    /// The one that every build has.
    BuiltIn,
    /// libavcodec's, in a build that is linked with it; elsewhere the built-in one.
    Libavcodec,
}

/// What converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    /// weir itself.
    Remux,
    /// The `ffmpeg` program.
    Ffmpeg,
}

/// What `audio` asks for.
pub(super) enum Conversion {
    /// weir converts.
    Remux(Audio),
    /// FFmpeg does.
    Ffmpeg(Ffmpeg),
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            codec: AudioCodec::Aac,
            bitrate: 192_000,
            channels: 2,
            languages: Vec::new(),
            tracks: None,
            pcr_offset: Duration::from_millis(200),
            downmix_gain_db: 6,
            target_level: None,
            encoder: AudioEncoder::BuiltIn,
        }
    }
}

impl Conversion {
    /// Reads `audio` of a profile.
    pub(super) fn read(profile: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Self> {
        let mut section = profile.section(walk, "audio");
        if section.is_absent() {
            walk.effective.null(&section.path, &section.origin);
            section.know(&KEYS);
            section.finish(walk);
            return None;
        }
        let (audio, via) = Audio::read(&mut section, walk);
        let conversion = match via {
            Via::Remux => Self::Remux(audio),
            Via::Ffmpeg => {
                check_for_ffmpeg(&section, walk, &audio);
                Self::Ffmpeg(Ffmpeg::converting(&audio))
            }
        };
        section.finish(walk);
        Some(conversion)
    }
}

impl Audio {
    fn read(section: &mut Section<'_>, walk: &mut Walk<'_>) -> (Self, Via) {
        let default = Self::default();
        let codecs = Choice(&[("aac", AudioCodec::Aac)]);
        let bitrates = Bitrate { min: 32_000, max: 512_000 };
        let vias = Choice(&[("remux", Via::Remux), ("ffmpeg", Via::Ffmpeg)]);
        let offsets = Span { min: Duration::ZERO, max: Duration::from_secs(1) };
        let encoders = Choice(&[
            ("built-in", AudioEncoder::BuiltIn),
            ("libavcodec", AudioEncoder::Libavcodec),
        ]);
        let via = section.value(walk, "via", &vias, Via::Remux);
        let audio = Self {
            codec: section.value(walk, "codec", &codecs, default.codec),
            bitrate: section.value(walk, "bitrate", &bitrates, default.bitrate),
            channels: section.value(walk, "channels", &Count { min: 1, max: 2 }, default.channels),
            languages: read_languages(section, walk),
            tracks: section
                .optional(walk, "tracks", &Count { min: 1, max: 16 })
                .map(|(tracks, _)| tracks),
            pcr_offset: section.value(walk, "pcr_offset", &offsets, default.pcr_offset),
            downmix_gain_db: section.value(
                walk,
                "downmix_gain_db",
                &Count { min: 0, max: 12 },
                default.downmix_gain_db,
            ),
            target_level: section
                .optional(walk, "target_level", &TargetLevel)
                .map(|(level, _)| level),
            encoder: section.value(walk, "encoder", &encoders, default.encoder),
        };
        (audio, via)
    }
}

fn read_languages(section: &mut Section<'_>, walk: &mut Walk<'_>) -> Vec<[u8; 3]> {
    let languages = section.list(walk, "languages", &Language, Vec::new());
    if let Some((_, origin)) = languages.get(LANGUAGES_MAX) {
        let path = section.path.key("languages").index(LANGUAGES_MAX);
        walk.mistake(origin, &path, format!("more than {LANGUAGES_MAX} languages"));
    }
    language::with_other_codes(languages.into_iter().map(|(language, _)| language))
}

/// What FFmpeg cannot be told, or not together.
fn check_for_ffmpeg(section: &Section<'_>, walk: &mut Walk<'_>, audio: &Audio) {
    for key in OF_REMUX {
        if let Some(origin) = section.written_at(key) {
            let text = "says nothing to FFmpeg, which via: ffmpeg asks for; it has no effect";
            walk.warn(origin, &section.path.key(key), text);
        }
    }
    if let Some(origin) = section.written_at("tracks")
        && !audio.languages.is_empty()
    {
        // FFmpeg takes streams by language or by number: it has no word for the first two of a language.
        let text = "with via: ffmpeg, `tracks` and `languages` exclude each other; keep one";
        walk.mistake(origin, &section.path.key("tracks"), text);
    }
}

/// The level that dialogue is brought to, in dB relative to full scale.
struct TargetLevel;

impl Form for TargetLevel {
    type Value = i8;

    fn noun(&self) -> &'static str {
        "a whole number, as -23"
    }

    fn read(&self, text: &str) -> Result<i8, String> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_whole {
            return Err(format!("{} is not a whole number", quoted(text)));
        }
        // A number of any length stays on its side of the bounds.
        let far = if text.starts_with('-') { i64::MIN } else { i64::MAX };
        let level = bounded(text, text.parse().unwrap_or(far), &-31, &-1, i64::to_string)?;
        i8::try_from(level).map_err(|_| format!("{} is not a level", quoted(text)))
    }

    fn show(&self, value: &i8) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_level_is_below_full_scale() {
        for (text, level) in [("-31", -31), ("-23", -23), ("-1", -1)] {
            assert_eq!(TargetLevel.read(text), Ok(level));
        }
        for (text, said) in [
            ("-32", "`-32` is below the minimum of -31"),
            ("0", "`0` is above the maximum of -1"),
            ("23", "`23` is above the maximum of -1"),
            ("-99999999999999999999", "`-99999999999999999999` is below the minimum of -31"),
            ("99999999999999999999", "`99999999999999999999` is above the maximum of -1"),
            ("-23dB", "`-23dB` is not a whole number"),
            ("-", "`-` is not a whole number"),
            ("", "`` is not a whole number"),
        ] {
            assert_eq!(TargetLevel.read(text), Err(said.to_owned()));
        }
    }
}
