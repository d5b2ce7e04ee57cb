//! HLS playlists (RFC 8216 and its second edition, draft-pantos-hls-rfc8216bis): [`rewrite()`] takes
//! every trace of the source out of one, [`read()`] gives what decisions need, [`Splice`] continues
//! one list with the lists of another source, [`Follow`] plays one segment after the other.

pub use follow::Cipher;
pub use follow::Follow;
pub use follow::Piece;
pub use follow::Unfit;
pub use read::ByteRange;
pub use read::Key;
pub use read::Kind;
pub use read::Map;
pub use read::Media;
pub use read::Multivariant;
pub use read::Playlist;
pub use read::Rendition;
pub use read::Segment;
pub use read::Variant;
pub use read::read;
pub use rewrite::Rewritten;
pub use rewrite::Role;
pub use rewrite::Scope;
pub use rewrite::rewrite;
pub use secrets::Secrets;
pub use splice::Splice;
pub use variables::Variables;

mod attributes;
mod choose;
mod follow;
mod line;
mod read;
mod rewrite;
mod secrets;
mod splice;
mod tag;
mod variables;

/// Why a playlist is not passed on. The original text never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first line is not `#EXTM3U`.
    #[error("not an HLS playlist")]
    NoHeader,
    /// A list of channels or files: `#EXTM3U`, but no `#EXT-X-` tag.
    #[error("a plain M3U list, not an HLS playlist")]
    PlainList,
    /// Not UTF-8 (8216 section 4.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// More than 100,000 lines or URIs, or more than 8 key formats for one segment.
    #[error("too many lines")]
    TooLong,
    /// A line beyond 64 KiB.
    #[error("a line is too long")]
    LineTooLong,
    /// A control character other than the tab, where readers disagree on what the line is.
    #[error("a control character within a line")]
    Control,
    /// A quoted attribute without its closing quote.
    #[error("an unfinished attribute")]
    Unfinished,
    /// A URI that leads nowhere we go.
    #[error("a URI that cannot be passed on")]
    BadUri,
    /// EXT-X-DEFINE that is malformed, declares a name twice, or takes its value from where there
    /// is none (8216bis section 4.4.2.3).
    #[error("a malformed variable definition")]
    Definition,
    /// A reference to a variable that no line before it defines (8216bis section 4.3).
    #[error("an undefined variable")]
    Undefined,
    /// More than 256 variables, a value beyond 8 KiB, or 8 MiB of replacements.
    #[error("too much variable substitution")]
    Expansion,
    /// A multivariant playlist where only a media playlist can be continued.
    #[error("not a media playlist")]
    NotMedia,
    /// A delta update where the source has changed: the whole list has to be fetched.
    #[error("a delta update of another list")]
    Delta,
}

/// Whether `text` is an HLS playlist: its first line is `#EXTM3U`, which every M3U list of channels
/// has as well, and at least one line is an `#EXT-X-` tag.
#[must_use]
pub fn is_hls(text: &str) -> bool {
    line::Lines::new(text).is_ok()
}
