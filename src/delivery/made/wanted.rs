//! What a clip is wanted of, and what it is called in the folder: by its content, so that whatever
//! changes is rendered anew.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest;

use crate::config::Made;
use crate::media::ts::join::Codings;

/// Changes with how clips are rendered.
const VERSION: &[u8] = b"1";

/// What is to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// A text with a title.
    Text {
        /// The large line.
        title: String,
        /// Below it.
        text: String,
        /// How its picture and its sound are to be coded.
        codings: Codings,
    },
    /// An image, as its file was when it was looked at.
    Image {
        /// Where it is.
        path: PathBuf,
        /// Its length, and when it was changed.
        stamp: (u64, i64, i64),
    },
}

impl Wanted {
    /// What a clip would show better than the built-in picture of the channel called `name`.
    pub(super) fn of(made: &Made, name: &str) -> Option<Self> {
        match made {
            Made::Pattern(_) => None,
            Made::Message { text, title } => {
                let title = title.clone().unwrap_or_else(|| name.to_owned());
                Some(Self::Text { title, text: text.clone(), codings: Codings::default() })
            }
            Made::Image { path, .. } => {
                Some(Self::Image { path: path.clone(), stamp: stamp(path) })
            }
        }
    }

    /// How it is to be coded.
    pub(super) fn codings(&self) -> Codings {
        match self {
            Self::Text { codings, .. } => *codings,
            Self::Image { .. } => Codings::default(),
        }
    }

    /// For logs.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Text { .. } => "message",
            Self::Image { .. } => "image",
        }
    }

    /// Its name in the folder: 64 hexadecimal digits. Reads the image.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn name(&self) -> Result<String, io::Error> {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(VERSION);
        hash.update(self.word().as_bytes());
        match self {
            Self::Text { title, text, codings } => {
                hash.update(format!("{codings:?}").as_bytes());
                hash.update(title.as_bytes());
                hash.update(b"\n"); // Neither has one.
                hash.update(text.as_bytes());
            }
            Self::Image { path, .. } => hash.update(&std::fs::read(path)?),
        }
        Ok(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What tells whether a file has changed; zeros where there is none.
fn stamp(path: &Path) -> (u64, i64, i64) {
    let metadata = path.metadata();
    metadata.map_or((0, 0, 0), |metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_from_what_is_seen() {
        let text = |title: &str, text: &str| Wanted::Text {
            title: title.into(),
            text: text.into(),
            codings: Codings::default(),
        };
        let name = text("a", "bc").name().unwrap();
        assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(name, text("a", "bc").name().unwrap());
        assert_ne!(name, text("ab", "c").name().unwrap());
        let none = Wanted::Image { path: "/nowhere".into(), stamp: (0, 0, 0) };
        assert!(none.name().is_err());
        assert_eq!(stamp(Path::new("/nowhere")), (0, 0, 0));
    }
}
