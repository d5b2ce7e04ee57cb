//! `profiles`: how a channel is delivered.

use std::collections::BTreeSet;
use std::fmt;

use super::effective::MASK;
use super::forms::Bitrate;
use super::forms::Choice;
use super::forms::Count;
use super::forms::Form;
use super::forms::check_name;
use super::mistake::Origin;
use super::walk::Named;
use super::walk::Section;
use super::walk::Walk;

/// The profile that always exists: direct, nothing touched.
pub const PASSTHROUGH: &str = "passthrough";
/// Profiles of one configuration.
const PROFILES_MAX: usize = 1000;
/// Arguments of one FFmpeg command.
const ARGUMENTS_MAX: usize = 256;
/// Words in the name of an FFmpeg option whose value is likely secret.
const SECRET_OPTIONS: [&str; 7] = ["header", "cookie", "_key", "pass", "token", "auth", "user"];

/// How a channel is delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// One upstream connection a client, or one for all. Default `direct`.
    pub delivery: Delivery,
    /// Sound converted in process; only with `delivery: shared`.
    pub audio: Option<Audio>,
    /// Arguments of FFmpeg, `{input_url}` and `{output}` replaced; only with `delivery: shared`, never with `audio`.
    pub ffmpeg: Option<Vec<String>>,
}

/// How many clients share one upstream connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One upstream connection for each client.
    Direct,
    /// One for all clients of the channel.
    Shared,
    /// Direct while the provider has a free connection, else shared.
    Auto,
}

/// Sound that weir converts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audio {
    /// The codec. Default AAC.
    pub codec: AudioCodec,
    /// Bits per second. Default 192000, 32000 to 512000.
    pub bitrate: u32,
    /// Channels: 1 or 2. Default 2.
    pub channels: u8,
}

/// The codecs that weir converts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
}

impl Default for Profile {
    fn default() -> Self {
        Self { name: PASSTHROUGH.to_owned(), delivery: Delivery::Direct, audio: None, ffmpeg: None }
    }
}

impl Default for Audio {
    fn default() -> Self {
        Self { codec: AudioCodec::Aac, bitrate: 192_000, channels: 2 }
    }
}

impl fmt::Debug for Profile {
    /// Arguments may carry headers and keys, so the likely ones are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, delivery, audio, ffmpeg } = self;
        let ffmpeg = ffmpeg.as_ref().map(|arguments| mask_arguments(arguments));
        f.debug_struct("Profile")
            .field("name", name)
            .field("delivery", delivery)
            .field("audio", audio)
            .field("ffmpeg", &ffmpeg)
            .finish()
    }
}

impl Profile {
    /// Reads `profiles`; `passthrough` is added when it is not written.
    pub(crate) fn read_all(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Vec<Self> {
        let mut profiles: Vec<Self> = Vec::new();
        for named in root.names(walk, "profiles", PROFILES_MAX, check_name) {
            profiles.push(Self::read(walk, named));
        }
        if !profiles.iter().any(|profile| profile.name == PASSTHROUGH) {
            profiles.insert(0, Self::default());
        }
        profiles
    }

    /// The names of `profiles`.
    pub(crate) fn names(profiles: &[Self]) -> BTreeSet<String> {
        profiles.iter().map(|profile| profile.name.clone()).collect()
    }

    fn read(walk: &mut Walk<'_>, named: Named<'_>) -> Self {
        let mistakes = walk.mistakes.len();
        let deliveries = Choice(&[
            ("direct", Delivery::Direct),
            ("shared", Delivery::Shared),
            ("auto", Delivery::Auto),
        ]);
        let mut section = Section::open(walk, Some(named.node), named.path, named.origin);
        let (delivery, origin) =
            section.placed(walk, "delivery", &deliveries, Self::default().delivery);
        let audio = Audio::read(&mut section, walk);
        let ffmpeg = read_ffmpeg(&mut section, walk);
        let origin = if origin == Origin::Default { section.origin.clone() } else { origin };
        let profile = Self { name: named.name.to_owned(), delivery, audio, ffmpeg };
        if walk.mistakes.len() == mistakes {
            let key = section.path.key("delivery");
            match (&profile.audio, &profile.ffmpeg) {
                (Some(_), Some(_)) => {
                    walk.mistake(
                        &section.origin,
                        &section.path,
                        "`audio` and `ffmpeg` exclude each other; keep one",
                    );
                }
                (None, None) => {}
                _ if named.name == PASSTHROUGH => {}
                _ if delivery == Delivery::Shared => {}
                _ => walk.mistake(
                    &origin,
                    &key,
                    "`audio` and `ffmpeg` work on a shared stream; write delivery: shared",
                ),
            }
            if named.name == PASSTHROUGH && profile != Self::default() {
                let text =
                    "`passthrough` is built in and touches nothing; give this profile another name";
                walk.mistake(named.origin, &section.path, text);
            }
        }
        section.finish(walk);
        profile
    }
}

impl Audio {
    /// Reads `audio` of a profile.
    fn read(profile: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Self> {
        let default = Self::default();
        let mut section = profile.section(walk, "audio");
        if section.is_absent() {
            walk.effective.null(&section.path, &section.origin);
            section.know(&["codec", "bitrate", "channels"]);
            section.finish(walk);
            return None;
        }
        let codecs = Choice(&[("aac", AudioCodec::Aac)]);
        let audio = Self {
            codec: section.value(walk, "codec", &codecs, default.codec),
            bitrate: section.value(
                walk,
                "bitrate",
                &Bitrate { min: 32_000, max: 512_000 },
                default.bitrate,
            ),
            channels: section.value(walk, "channels", &Count { min: 1, max: 2 }, default.channels),
        };
        section.finish(walk);
        Some(audio)
    }
}

/// Reads `ffmpeg: {args: [...]}` of a profile.
fn read_ffmpeg(profile: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Vec<String>> {
    let mut section = profile.section(walk, "ffmpeg");
    if section.is_absent() {
        walk.effective.null(&section.path, &section.origin);
        section.know(&["args"]);
        section.finish(walk);
        return None;
    }
    let mistakes = walk.mistakes.len();
    let arguments = section.list(walk, "args", &Argument, Vec::new());
    let arguments: Vec<_> = arguments.into_iter().map(|(argument, _)| argument).collect();
    let path = section.path.key("args");
    if arguments.len() > ARGUMENTS_MAX {
        walk.mistake(&section.origin, &path, format!("more than {ARGUMENTS_MAX} arguments"));
    }
    let placeholders = [
        ("{input_url}", "the URL after -i"),
        ("{output}", "what FFmpeg writes to, the last argument"),
    ];
    for (placeholder, meaning) in placeholders {
        if walk.mistakes.len() == mistakes
            && !arguments.iter().any(|argument| argument.contains(placeholder))
        {
            section.missing(
                walk,
                "args",
                &format!("no argument contains {placeholder}: {meaning}"),
            );
        }
    }
    section.finish(walk);
    Some(arguments)
}

/// One argument of a command.
struct Argument;

impl Form for Argument {
    type Value = String;

    fn noun(&self) -> &'static str {
        "an argument, as \"-c:v\""
    }

    fn read(&self, text: &str) -> Result<String, String> {
        match text {
            _ if text.contains('\0') => Err("an argument contains no zero byte".to_owned()),
            _ if text.len() > 4096 => Err("longer than 4096 bytes".to_owned()),
            _ => Ok(text.to_owned()),
        }
    }

    fn show(&self, value: &String) -> String {
        mask_arguments(std::slice::from_ref(value)).concat()
    }

    fn show_all(&self, values: &[String]) -> Vec<String> {
        mask_arguments(values)
    }
}

/// Arguments as they may be shown: those that hold a URL, a header or white space, and those after an option for
/// secrets, are masked.
fn mask_arguments(arguments: &[String]) -> Vec<String> {
    let mut after_secret = false;
    let mask = |argument: &String| {
        let option = argument.starts_with('-');
        let secret = after_secret && !option;
        after_secret = option
            && SECRET_OPTIONS.iter().any(|word| argument.to_ascii_lowercase().contains(word));
        let telling = argument.contains("://")
            || argument.contains('@')
            || argument.contains(char::is_whitespace);
        if secret || telling { MASK.to_owned() } else { argument.clone() }
    };
    arguments.iter().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_may_be_secret_are_masked() {
        let arguments = [
            "-headers",
            "canary",
            "-i",
            "{input_url}",
            "-vf",
            "a=canary b",
            "http://canary/",
            "-c:v",
            "x264",
        ];
        let arguments: Vec<_> = arguments.map(str::to_owned).to_vec();
        let shown = ["-headers", "***", "-i", "{input_url}", "-vf", "***", "***", "-c:v", "x264"];
        assert_eq!(mask_arguments(&arguments), shown);
        let profile = Profile { ffmpeg: Some(arguments), ..Profile::default() };
        assert!(!format!("{profile:?}").contains("canary"));
    }
}
