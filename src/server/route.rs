//! What a path names. Pure.

use crate::channel::service_ref::ServiceRef;
use crate::message::is_plain_name;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// `/health`.
    Health,
    /// `/playlist.m3u`: all channels.
    Playlist,
    /// `/stream/{id}` and `/relay/channel/{id}/stream`.
    Stream(&'a str),
    /// `/hls/{id}/playlist.m3u8`.
    Hls(&'a str),
    /// `/hls/{id}/{file}`: a segment that is made here.
    HlsFile(&'a str, &'a str),
    /// `/s/{sealed}` with or without an extension.
    Sealed(&'a str),
    /// A service reference, raw as it was asked for, of a named receiver or of the first one.
    Service { receiver: Option<&'a str>, target: &'a str },
    /// Nothing here.
    Unknown,
}

/// A path, its access token taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    /// The token of a `/t/TOKEN/...` path.
    pub(super) token: Option<&'a str>,
    /// The rest.
    pub(super) target: Target<'a>,
}

/// Routes a raw path (still percent-encoded, query off).
pub(super) fn route(path: &str) -> Route<'_> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if let Some(rest) = path.strip_prefix("t/")
        && let Some((token, rest)) = rest.split_once('/')
    {
        return Route { token: Some(token), target: target(rest) };
    }
    Route { token: None, target: target(path) }
}

fn target(path: &str) -> Target<'_> {
    if ServiceRef::looks_like(path) {
        return Target::Service { receiver: None, target: path };
    }
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match (first, rest) {
        ("health", "") => Target::Health,
        ("playlist.m3u" | "playlist.m3u8", "") => Target::Playlist,
        ("stream", id) if is_id(id) => Target::Stream(id),
        ("s", sealed) if !sealed.is_empty() && !sealed.contains('/') => Target::Sealed(sealed),
        ("hls", rest) => match rest.split_once('/') {
            Some((id, "playlist.m3u8")) if is_id(id) => Target::Hls(id),
            Some((id, file)) if is_id(id) && is_file(file) => Target::HlsFile(id, file),
            _ => Target::Unknown,
        },
        ("relay", rest) => {
            let id = rest.strip_prefix("channel/").and_then(|rest| rest.strip_suffix("/stream"));
            id.filter(|id| is_id(id)).map_or(Target::Unknown, Target::Stream)
        }
        ("r", rest) => match rest.split_once('/') {
            Some((receiver, service)) if ServiceRef::looks_like(service) => {
                Target::Service { receiver: Some(receiver), target: service }
            }
            _ => Target::Unknown,
        },
        _ => Target::Unknown,
    }
}

/// Names of files as they are made here; nothing else is looked for.
fn is_file(text: &str) -> bool {
    is_plain_name(text, 128) && !text.starts_with('.')
}

/// Channel ids as the configuration allows them.
fn is_id(text: &str) -> bool {
    is_plain_name(text, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_surface_is_found() {
        let service = "1:0:19:132F:3EF:1:C00000:0:0:0:";
        let encoded = "1%3a0%3a19%3a132F%3a3EF%3a1%3aC00000%3a0%3a0%3a0%3a";
        let cases = [
            ("/health", None, Target::Health),
            ("/playlist.m3u", None, Target::Playlist),
            ("/stream/orf1", None, Target::Stream("orf1")),
            ("/relay/channel/orf1/stream", None, Target::Stream("orf1")),
            ("/hls/orf1/playlist.m3u8", None, Target::Hls("orf1")),
            ("/s/AbC-_.ts", None, Target::Sealed("AbC-_.ts")),
            (
                "/1:0:19:132F:3EF:1:C00000:0:0:0:",
                None,
                Target::Service { receiver: None, target: service },
            ),
            (
                "/1%3a0%3a19%3a132F%3a3EF%3a1%3aC00000%3a0%3a0%3a0%3a",
                None,
                Target::Service { receiver: None, target: encoded },
            ),
            (
                "/r/living-room/1:0:19:132F:3EF:1:C00000:0:0:0:",
                None,
                Target::Service { receiver: Some("living-room"), target: service },
            ),
            ("/t/abc/stream/orf1", Some("abc"), Target::Stream("orf1")),
            ("/", None, Target::Unknown),
            ("/stream/", None, Target::Unknown),
            ("/stream/a/b", None, Target::Unknown),
            ("/stream/..%2f", None, Target::Unknown),
            ("/hls/orf1/segment_001.ts", None, Target::HlsFile("orf1", "segment_001.ts")),
            ("/hls/orf1/..", None, Target::Unknown),
            ("/hls/orf1/a/b", None, Target::Unknown),
            ("/s/a/b", None, Target::Unknown),
            ("/r/x/stream", None, Target::Unknown),
            ("/t/abc", None, Target::Unknown),
        ];
        for (path, token, target) in cases {
            assert_eq!(route(path), Route { token, target }, "{path}");
        }
        assert_eq!(cases.len(), 20);
    }
}
