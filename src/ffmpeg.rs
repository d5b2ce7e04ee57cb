//! FFmpeg's own language, pure text: which command lines weir accepts ([`Arguments`]), what it makes
//! of them ([`arguments::Arguments::command`], [`arguments::Arguments::software`]) and what FFmpeg says
//! about its progress ([`Progress`]). Starts nothing and opens nothing.

pub mod arguments;
pub mod command;
mod graph;
mod hardware;
mod params;
pub mod progress;
mod software;

pub use arguments::Arguments;
pub use arguments::Refusal;
pub use arguments::Target;
pub use command::Terms;
pub use hardware::Hardware;
pub use progress::Progress;
pub use software::Software;

/// Characters of a refused text that a message repeats.
const SHOWN_CHARS_MAX: usize = 40;

/// `text` in backticks for a message: shortened, control characters escaped, and hidden where it may
/// carry a credential.
fn shown(text: &str) -> String {
    if text.contains("://") || text.contains('@') {
        return "`***`".to_owned();
    }
    let mut shown: String =
        text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
