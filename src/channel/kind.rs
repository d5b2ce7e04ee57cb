//! What kind of stream a channel is: by its definition, then by its URL, then by what a source's
//! answer says, then by its first bytes.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::config;
use crate::message::Url;

/// How a channel is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An endless stream: no Range, no length.
    Live,
    /// A file: Range is passed on.
    Vod,
    /// HLS playlists and segments.
    Hls,
}

/// Extensions of files that players seek in.
const VOD_EXTENSIONS: [&str; 15] = [
    "mp4", "m4v", "mkv", "webm", "avi", "mov", "mpg", "mpeg", "wmv", "flv", "mp3", "m4a", "flac",
    "wav", "iso",
];

/// Media types of files that players seek in, when the answer also has a length.
const VOD_TYPES: [&str; 8] = [
    "video/mp4",
    "video/x-matroska",
    "video/webm",
    "video/x-msvideo",
    "video/quicktime",
    "audio/mp4",
    "audio/flac",
    "audio/x-wav",
];

/// Media types of HLS playlists (RFC 8216 section 4, and what servers send).
const HLS_TYPES: [&str; 4] =
    ["application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"];

impl Kind {
    /// What the definition says; `None` for `auto`.
    #[must_use]
    pub fn from_definition(kind: config::Kind) -> Option<Self> {
        match kind {
            config::Kind::Auto => None,
            config::Kind::Live => Some(Self::Live),
            config::Kind::Vod => Some(Self::Vod),
            config::Kind::Hls => Some(Self::Hls),
        }
    }

    /// What the URL says, where it says anything: the extension, or the path shapes of provider
    /// panels (`/live/`, `/movie/`, `/series/`, `/timeshift/`).
    #[must_use]
    pub fn from_url(url: &Url) -> Option<Self> {
        let extension = url.path_extension().map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("m3u8") => return Some(Self::Hls),
            Some(extension) if VOD_EXTENSIONS.contains(&extension) => return Some(Self::Vod),
            _ => {}
        }
        let path = url.path_and_query();
        let path = path.split('?').next().unwrap_or_default();
        for segment in path.split('/') {
            match segment {
                "movie" | "series" | "timeshift" => return Some(Self::Vod),
                "live" => return Some(Self::Live),
                _ => {}
            }
        }
        (extension.as_deref() == Some("ts")).then_some(Self::Live)
    }

    /// What the answer's head says. `sized`: it has a length; `ranges`: it accepts byte ranges. An
    /// endless stream has neither.
    #[must_use]
    pub fn from_answer(media_type: Option<&str>, sized: bool, ranges: bool) -> Option<Self> {
        let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
        if HLS_TYPES.contains(&media_type.as_str()) {
            return Some(Self::Hls);
        }
        let file = sized && (ranges || VOD_TYPES.contains(&media_type.as_str()));
        file.then_some(Self::Vod)
    }
}

/// A kind that is learned once and then known; shared by all sessions of a channel.
#[derive(Debug, Default)]
pub struct Learned(AtomicU8);

impl Learned {
    /// What was learned.
    #[must_use]
    pub fn get(&self) -> Option<Kind> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Kind::Live),
            2 => Some(Kind::Vod),
            3 => Some(Kind::Hls),
            _ => None,
        }
    }

    /// Learns. Two sessions that learn at once may disagree for a moment; the later one stands.
    pub fn set(&self, kind: Kind) {
        let number = match kind {
            Kind::Live => 1,
            Kind::Vod => 2,
            Kind::Hls => 3,
        };
        self.0.store(number, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn urls_tell_where_they_can() {
        let cases = [
            ("http://a/live/u/p/1.ts", Some(Kind::Live)),
            ("http://a/x.ts", Some(Kind::Live)),
            ("http://a/movie/u/p/1.mkv", Some(Kind::Vod)),
            ("http://a/movie/u/p/1.ts", Some(Kind::Vod)),
            ("http://a/film.MP4?token=x.m3u8", Some(Kind::Vod)),
            ("http://a/live/u/p/1.m3u8", Some(Kind::Hls)),
            ("http://a/play?id=7", None),
            ("http://a/u/p/1234", None),
        ];
        for (url, expected) in cases {
            assert_eq!(Kind::from_url(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn answers_tell_where_they_can() {
        let cases = [
            (Some("Application/X-MpegURL"), true, true, Some(Kind::Hls)),
            (Some("video/mp4"), true, false, Some(Kind::Vod)),
            (Some("video/mp4"), false, false, None),
            (Some("video/mp2t"), true, false, None),
            (Some("video/mp2t"), true, true, Some(Kind::Vod)),
            (None, true, true, Some(Kind::Vod)),
            (None, false, true, None),
        ];
        for (media_type, sized, ranges, expected) in cases {
            assert_eq!(Kind::from_answer(media_type, sized, ranges), expected, "{media_type:?}");
        }
    }
}
