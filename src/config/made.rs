//! Sources that weir makes itself: a test pattern, a message, an image.

use std::fs::File;
use std::io::ErrorKind;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use super::forms::Choice;
use super::forms::FilePath;
use super::forms::Text;
use super::mistake::quoted;
use super::walk::Section;
use super::walk::Walk;

/// The keys that name what is made; a source has one of them.
pub(super) const KEYS: [&str; 3] = ["pattern", "message", "image"];

/// Largest image file, in bytes.
const IMAGE_BYTES_MAX: u64 = 16 << 20;

/// Longest message, in characters.
pub const MESSAGE_MAX: usize = 300;

/// Longest title, in characters.
pub const TITLE_MAX: usize = 100;

/// What weir makes a stream of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A picture to adjust a screen by, and a tone.
    Pattern(Pattern),
    /// A text, in silence.
    Message {
        /// At most 300 characters.
        text: String,
        /// The line above it. Default the channel's name; at most 100 characters.
        title: Option<String>,
    },
    /// An image, in silence.
    Image {
        /// A PNG or JPEG file, which was one when the configuration was read; at most 16 MiB.
        path: PathBuf,
        /// Shown where the image cannot be. Default the channel's name; at most 100 characters.
        title: Option<String>,
    },
}

/// A test pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Colour bars, a running clock and a tone.
    Bars,
}

impl Pattern {
    /// Every pattern by its name.
    pub const ALL: [(&str, Self); 1] = [("bars", Self::Bars)];
}

impl Made {
    /// The key that names it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pattern(_) => "pattern",
            Self::Message { .. } => "message",
            Self::Image { .. } => "image",
        }
    }
}

/// Whether a source says that it is made.
pub(super) fn is_made(section: &Section<'_>) -> bool {
    KEYS.iter().any(|key| section.has(key))
}

/// Reads a source by `pattern`, `message` or `image`.
pub(super) fn read(section: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Made> {
    let others = ["url", "receiver", "service"];
    if KEYS.iter().chain(&others).filter(|key| section.has(key)).count() > 1 {
        let text = "a source has one of `url`, `receiver` with `service`, `pattern`, `message`, \
                    `image`; keep one";
        walk.mistake(&section.origin, &section.path, text);
        section.know(&KEYS);
        section.know(&others);
        section.know(&["title", "provider", "user_agent", "headers"]);
        return None;
    }
    if section.has("pattern") {
        let patterns = Choice(&Pattern::ALL);
        let pattern = section.optional(walk, "pattern", &patterns).map(|(pattern, _)| pattern);
        missing(section, walk, "pattern", pattern.is_none(), "name a pattern, as `bars`");
        return pattern.map(Made::Pattern);
    }
    let title = section.optional(walk, "title", &Text { max: TITLE_MAX }).map(|(title, _)| title);
    if section.has("message") {
        let text = section.optional(walk, "message", &Text { max: MESSAGE_MAX });
        missing(section, walk, "message", text.is_none(), "write the text to be shown");
        return text.map(|(text, _)| Made::Message { text, title });
    }
    let form = FilePath { base: walk.base.clone() };
    let image = section.optional(walk, "image", &form);
    missing(section, walk, "image", image.is_none(), "write the path of a PNG or JPEG file");
    let (path, origin) = image?;
    if let Err(text) = check_image(&path) {
        walk.mistake(&origin, &section.path.key("image"), text);
        return None;
    }
    Some(Made::Image { path, title })
}

/// Notes a key that has no value, unless its value was read and is a mistake already.
fn missing(section: &Section<'_>, walk: &mut Walk<'_>, key: &str, is_missing: bool, text: &str) {
    if is_missing && !section.written_badly(key) {
        section.missing(walk, key, text);
    }
}

/// Whether there is an image that can be shown.
fn check_image(path: &Path) -> Result<(), String> {
    const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";
    const JPEG: &[u8] = b"\xFF\xD8\xFF";
    // The whole path may be longer than a message shows.
    let name = path.file_name().unwrap_or(path.as_os_str());
    let shown = quoted(&name.to_string_lossy());
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!(
            "there is no {shown} in {}; write the path of a PNG or JPEG file",
            path.parent().unwrap_or(Path::new("/")).display()
        ),
        kind => format!("cannot read {shown} ({kind}); write the path of a PNG or JPEG file"),
    };
    let metadata = path.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is no file; write the path of a PNG or JPEG file"));
    }
    if metadata.len() > IMAGE_BYTES_MAX {
        return Err(format!("{shown} is larger than 16MiB; save a smaller one"));
    }
    let mut first = Vec::new();
    let reading = File::open(path).and_then(|file| file.take(8).read_to_end(&mut first));
    reading.map_err(unreadable)?;
    if first.starts_with(PNG) || first.starts_with(JPEG) {
        return Ok(());
    }
    Err(format!("{shown} is neither PNG nor JPEG, whatever its name says; save it as one of them"))
}
