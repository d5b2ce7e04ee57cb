//! `profiles`: how a channel is delivered.

use std::collections::BTreeSet;

use super::ffmpeg::Ffmpeg;
use super::forms::Bitrate;
use super::forms::Choice;
use super::forms::Count;
use super::forms::check_name;
use super::mistake::Origin;
use super::walk::Named;
use super::walk::Section;
use super::walk::Walk;

/// The profile that always exists: direct, nothing touched.
pub const PASSTHROUGH: &str = "passthrough";
/// Profiles of one configuration.
const PROFILES_MAX: usize = 1000;

/// How a channel is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// One upstream connection a client, or one for all. Default `direct`.
    pub delivery: Delivery,
    /// Sound converted in process; only with `delivery: shared`.
    pub audio: Option<Audio>,
    /// The stream goes through FFmpeg; only with `delivery: shared`, never with `audio`.
    pub ffmpeg: Option<Ffmpeg>,
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

impl Profile {
    /// The profiles that exist without being written: `passthrough`, and six that run FFmpeg.
    pub(crate) fn built_in() -> Vec<Self> {
        let shared = |(name, ffmpeg): (&str, Ffmpeg)| Self {
            name: name.to_owned(),
            delivery: Delivery::Shared,
            audio: None,
            ffmpeg: Some(ffmpeg),
        };
        let own = std::iter::once(Self::default());
        own.chain(Ffmpeg::built_in().into_iter().map(shared)).collect()
    }

    /// Reads `profiles`. A built-in one is added when none of its name is written. These are not shown among what
    /// takes effect: nobody set them, and six commands would hide what somebody did set.
    pub(crate) fn read_all(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Vec<Self> {
        let mut profiles = Vec::new();
        for named in root.names(walk, "profiles", PROFILES_MAX, check_name) {
            profiles.push(Self::read(walk, named));
        }
        let mut all = Self::built_in();
        all.retain(|own| !profiles.iter().any(|profile| profile.name == own.name));
        all.append(&mut profiles);
        all
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
        let ffmpeg = Ffmpeg::read(&mut section, walk);
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
