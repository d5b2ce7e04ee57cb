//! Requests as known players send them: field for field, in their order. `host` goes into Host as it
//! is, `target` into the request line.

use std::fmt::Display;

/// A plain GET that asks for the connection's end, so that every answer ends.
pub(crate) fn get(host: impl Display, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// A plain GET on a connection that stays.
pub(crate) fn get_keep_alive(host: impl Display, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// A GET by HTTP/1.0 without Host.
pub(crate) fn get_1_0(target: &str) -> String {
    format!("GET {target} HTTP/1.0\r\n\r\n")
}

/// A HEAD on a connection that stays.
pub(crate) fn head(host: impl Display, target: &str) -> String {
    format!("HEAD {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// A GET of `range` ("bytes=0-99") on a connection that stays.
pub(crate) fn ranged(host: impl Display, target: &str, range: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nRange: {range}\r\n\r\n")
}

/// VLC 3: a range from the first byte, on live streams too, and an offer to read ICY metadata.
pub(crate) fn vlc(host: impl Display, target: &str) -> String {
    vlc_from(host, target, 0)
}

/// VLC 3 after a seek to byte `first`.
pub(crate) fn vlc_from(host: impl Display, target: &str, first: u64) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nAccept-Language: en_US\r\n\
         User-Agent: VLC/3.0.20 LibVLC/3.0.20\r\nRange: bytes={first}-\r\nIcy-MetaData: 1\r\n\r\n"
    )
}

/// Kodi: the HEAD that comes first.
pub(crate) fn kodi_head(host: impl Display, target: &str) -> String {
    kodi(&format!("HEAD {target}"), host, "")
}

/// Kodi: the GET after it.
pub(crate) fn kodi_get(host: impl Display, target: &str) -> String {
    kodi(&format!("GET {target}"), host, "Range: bytes=0-\r\n")
}

fn kodi(line: &str, host: impl Display, range: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\n{range}\
         User-Agent: Kodi/21.0 (X11; Linux x86_64) App_Bitness/64 Version/21.0\r\n\
         Accept: */*\r\nAccept-Charset: UTF-8,*;q=0.8\r\n\r\n"
    )
}

/// ExoPlayer, as in TiviMate.
pub(crate) fn exoplayer(host: impl Display, target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\n\
         User-Agent: TiviMate/5.0.4 (Linux; Android 12) ExoPlayerLib/2.18.1\r\n\
         Accept-Encoding: identity\r\nHost: {host}\r\nConnection: Keep-Alive\r\n\r\n"
    )
}

/// AVPlayer: the two bytes that it asks for first, to learn the length.
pub(crate) fn avplayer_probe(host: impl Display, target: &str) -> String {
    avplayer(host, target, "bytes=0-1")
}

/// AVPlayer: any range.
pub(crate) fn avplayer(host: impl Display, target: &str, range: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\n\
         X-Playback-Session-Id: 7F3C2C5B-2E0D-4B7C-9C53-6C9B0E0F7A11\r\nRange: {range}\r\n\
         Accept: */*\r\n\
         User-Agent: AppleCoreMedia/1.0.0.21E236 (iPhone; U; CPU OS 17_4 like Mac OS X; en_us)\r\n\
         Accept-Language: en-US,en;q=0.9\r\nAccept-Encoding: identity\r\n\
         Connection: keep-alive\r\n\r\n"
    )
}

/// libavformat, as in ffmpeg, ffprobe and (with its own User-Agent) mpv.
pub(crate) fn ffmpeg(host: impl Display, target: &str) -> String {
    lavf(host, target, "Lavf/60.16.100")
}

/// mpv.
pub(crate) fn mpv(host: impl Display, target: &str) -> String {
    lavf(host, target, "libmpv")
}

fn lavf(host: impl Display, target: &str, user_agent: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nUser-Agent: {user_agent}\r\nAccept: */*\r\nRange: bytes=0-\r\n\
         Connection: close\r\nHost: {host}\r\nIcy-MetaData: 1\r\n\r\n"
    )
}
