//! The last argument: what FFmpeg writes to, and the names that it may give its files.

use crate::ffmpeg::arguments::OUTPUT;
use crate::ffmpeg::arguments::OUTPUT_PATH;
use crate::ffmpeg::arguments::Target;
use crate::ffmpeg::shown;

/// The playlist where only `{output}` is written.
const PLAYLIST: &str = "playlist.m3u8";

/// What the output `text` means, with the format that `-f` names.
pub(super) fn output(text: &str, format: Option<&str>) -> Result<Target, String> {
    let name = match text {
        OUTPUT => None,
        _ => Some(in_folder(text).map_err(|why| {
            format!("{} is no output: {why}; write {OUTPUT}, or {OUTPUT_PATH}/name", shown(text))
        })?),
    };
    let is_playlist = name.is_some_and(|name| name.ends_with(".m3u8"));
    match (format, name) {
        (Some("hls"), None) => Ok(Target::Hls { playlist: PLAYLIST.to_owned() }),
        (Some("hls") | None, Some(name)) if is_playlist => {
            Ok(Target::Hls { playlist: name.to_owned() })
        }
        (Some("hls"), Some(_)) => Err("the playlist's name must end with .m3u8".to_owned()),
        (Some(_), Some(_)) if is_playlist => {
            Err("a transport stream is no playlist: write -f hls, or another name".to_owned())
        }
        (None, Some(name)) if !name.ends_with(".ts") => {
            Err("the name does not tell the format: write -f mpegts or -f hls".to_owned())
        }
        // Whatever its name, a transport stream goes through the pipe.
        _ => Ok(Target::Ts),
    }
}

/// The name in `{output_path}/name`.
pub(super) fn in_folder(text: &str) -> Result<&str, &'static str> {
    let name = text.strip_prefix(OUTPUT_PATH).and_then(|rest| rest.strip_prefix('/'));
    let name = name.ok_or("FFmpeg writes into its own folder only")?;
    if is_name(name) {
        Ok(name)
    } else {
        Err(
            "a name is 1 to 100 letters, digits, `.`, `_` or `-`, and begins with a letter or digit",
        )
    }
}

/// The name in `{output_path}/segment_%03d.ts`: one number may stand in it.
pub(super) fn in_folder_numbered(text: &str) -> Result<(), String> {
    let name = text.strip_prefix(OUTPUT_PATH).and_then(|rest| rest.strip_prefix('/'));
    let Some(name) = name else {
        return Err(format!("segments are written as {OUTPUT_PATH}/segment_%03d.ts"));
    };
    let plain = match name.split_once('%') {
        None => name.to_owned(),
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let width = name.len() - before.len() - 1 - after.len();
            match after.strip_prefix('d') {
                Some(after) if width <= 2 => format!("{before}0{after}"),
                _ => return Err("the only pattern is a number, as %d or %03d".to_owned()),
            }
        }
    };
    if is_name(&plain) { Ok(()) } else { Err("no folder and no other sign in a name".to_owned()) }
}

/// A plain file name: no folder, nothing hidden, nothing that FFmpeg takes for an option or a protocol.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=100).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
}

/// A file name alone: it lies beside the playlist.
pub(super) fn plain_name(name: &str) -> Result<(), String> {
    if is_name(name) { Ok(()) } else { Err("a file name, without a folder".to_owned()) }
}
