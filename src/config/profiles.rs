//! `profiles`: how a channel is delivered.

use std::collections::BTreeSet;

use super::audio::Audio;
use super::audio::Conversion;
use super::ffmpeg::Ffmpeg;
use super::forms::Choice;
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
    /// Sound converted in process, for each client of a direct delivery, once for all of a shared one.
    pub audio: Option<Audio>,
    /// The stream goes through FFmpeg, also where `audio` is written with `via: ffmpeg`; only with
    /// `delivery: shared`, never together with the other one.
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

impl Default for Profile {
    fn default() -> Self {
        Self { name: PASSTHROUGH.to_owned(), delivery: Delivery::Direct, audio: None, ffmpeg: None }
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
        let conversion = Conversion::read(&mut section, walk);
        let ffmpeg = Ffmpeg::read(&mut section, walk);
        if walk.mistakes.len() > mistakes {
            // What was read in place of a mistake is no basis for others.
        } else if named.name == PASSTHROUGH {
            if delivery != Self::default().delivery || conversion.is_some() || ffmpeg.is_some() {
                let text =
                    "`passthrough` is built in and touches nothing; give this profile another name";
                walk.mistake(named.origin, &section.path, text);
            }
        } else {
            let at = if origin == Origin::Default { &section.origin } else { &origin };
            check_together(&section, walk, (delivery, at), conversion.as_ref(), ffmpeg.as_ref());
        }
        let (audio, ffmpeg) = match conversion {
            Some(Conversion::Remux(audio)) => (Some(audio), ffmpeg),
            Some(Conversion::Ffmpeg(converting)) => (None, Some(converting)),
            None => (None, ffmpeg),
        };
        section.finish(walk);
        Self { name: named.name.to_owned(), delivery, audio, ffmpeg }
    }
}

/// Notes what cannot be had together. FFmpeg is one process for all clients of a channel, so its stream is shared.
fn check_together(
    section: &Section<'_>,
    walk: &mut Walk<'_>,
    (delivery, delivery_origin): (Delivery, &Origin),
    conversion: Option<&Conversion>,
    ffmpeg: Option<&Ffmpeg>,
) {
    let what = match (conversion, ffmpeg) {
        (Some(_), Some(_)) => {
            let text = "`audio` and `ffmpeg` exclude each other; keep one";
            return walk.mistake(&section.origin, &section.path, text);
        }
        (None, Some(_)) => "`ffmpeg`",
        (Some(Conversion::Ffmpeg(_)), None) => "`audio` with via: ffmpeg",
        (Some(Conversion::Remux(_)) | None, None) => return,
    };
    if delivery != Delivery::Shared {
        let text = format!("{what} works on a shared stream; write delivery: shared");
        walk.mistake(delivery_origin, &section.path.key("delivery"), text);
    }
}
