//! What is seen and heard of a source that is made.

use crate::config::Made;
use crate::config::Pattern;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::Tone;

/// Stands where an image should be.
const NO_IMAGE: &str = "An image is to be seen here.\nTo show it, weir needs FFmpeg.";

/// The scene of what is configured for the channel called `name`.
pub(super) fn of(made: &Made, name: &str) -> Scene {
    let titled = |title: &Option<String>| title.clone().unwrap_or_else(|| name.to_owned());
    match made {
        Made::Pattern(Pattern::Bars) => Scene {
            title: name.to_owned(),
            text: String::new(),
            palette: Palette::Blue,
            tone: Tone::High,
        },
        Made::Message { text, title } => Scene {
            title: titled(title),
            text: text.clone(),
            palette: Palette::Blue,
            tone: Tone::Silent,
        },
        Made::Image { title, .. } => Scene {
            title: titled(title),
            text: NO_IMAGE.to_owned(),
            palette: Palette::Grey,
            tone: Tone::Silent,
        },
    }
}
