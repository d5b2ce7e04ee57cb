//! What a body is, from its first bytes: a stream, or one of the things that a source sends instead
//! of one with a success status.

/// Bytes that decide in every case: two transport packets and the sync byte after them.
pub const SNIFF_MAX: usize = 188 * 2 + 189;

/// Length of a transport packet (ISO 13818-1 2.4.3.2), and with the 4-byte time code of M2TS or
/// the 16 parity bytes of DVB.
const PACKET_LENGTHS: [usize; 3] = [188, 192, 204];

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough bytes to say.
    NeedMore,
    /// A stream or file of this container.
    Media(Container),
    /// Something else; the words are for a log line and an error.
    NotMedia(&'static str),
}

/// Containers that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// MPEG-2 transport stream in packets of 188 bytes.
    MpegTs,
    /// MPEG-2 transport stream whose packets have a time stamp before (192 bytes) or parity behind
    /// them (204 bytes).
    PaddedTs,
    /// An HLS playlist.
    Hls,
    /// MPEG audio with or without ID3.
    MpegAudio,
    /// AAC in ADTS.
    Adts,
    /// AC-3 or E-AC-3 elementary stream.
    Ac3,
    /// Ogg.
    Ogg,
    /// FLAC.
    Flac,
    /// ISO base media (MP4, MOV, fMP4).
    Mp4,
    /// Matroska or WebM.
    Matroska,
    /// RIFF: AVI or WAV.
    Riff,
    /// Flash video.
    Flv,
    /// ASF: WMV or WMA.
    Asf,
    /// MPEG program stream.
    MpegPs,
    /// Binary bytes of no kind known here.
    Unknown,
}

impl Container {
    /// The media type to announce when the source announces none.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::MpegTs | Self::PaddedTs => "video/mp2t",
            Self::Hls => "application/vnd.apple.mpegurl",
            Self::MpegAudio => "audio/mpeg",
            Self::Adts => "audio/aac",
            Self::Ac3 => "audio/ac3",
            Self::Ogg => "application/ogg",
            Self::Flac => "audio/flac",
            Self::Mp4 => "video/mp4",
            Self::Matroska => "video/x-matroska",
            Self::Riff => "video/x-msvideo",
            Self::Flv => "video/x-flv",
            Self::Asf => "video/x-ms-asf",
            Self::MpegPs => "video/mp2p",
            Self::Unknown => "application/octet-stream",
        }
    }

    /// Whether this is a file format that is seeked in, never an endless stream.
    #[must_use]
    pub fn is_file(self) -> bool {
        matches!(self, Self::Mp4 | Self::Matroska | Self::Riff)
    }
}

/// Judges the first bytes of a body. `ended`: there are no more than these.
#[must_use]
pub fn sniff(bytes: &[u8], ended: bool) -> Verdict {
    if bytes.is_empty() {
        return if ended { Verdict::NotMedia("an empty body") } else { Verdict::NeedMore };
    }
    match magic(bytes) {
        // Two bytes prove little: the stuffing of a table begins like sound. Packets in line say more.
        Some(found) if is_short(found) && bytes.len() < SNIFF_MAX && !ended => {
            return if bytes.starts_with(b"ID3") {
                Verdict::Media(found)
            } else {
                Verdict::NeedMore
            };
        }
        Some(found) if is_short(found) && in_line(bytes).is_some() => {}
        Some(found) => return Verdict::Media(found),
        None => {}
    }
    if is_image(bytes) {
        return Verdict::NotMedia("an image");
    }
    match transport_stream(bytes, ended) {
        Some(Some(container)) => return Verdict::Media(container),
        Some(None) => {}
        None => return Verdict::NeedMore,
    }
    if let Some(verdict) = text(bytes, ended) {
        return verdict;
    }
    if bytes.len() < SNIFF_MAX && !ended {
        Verdict::NeedMore
    } else {
        Verdict::Media(Container::Unknown)
    }
}

/// Whether the beginning of a file shows that it is none, but a page or a list sent in its place.
/// Stricter than [`sniff`]: a file may be of any kind, a key of sixteen bytes too.
#[must_use]
pub fn impostor(bytes: &[u8], media_type: Option<&str>) -> Option<&'static str> {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let starts =
        |word: &[u8]| body.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts(b"#EXTM3U") {
        return Some("a playlist");
    }
    if [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].into_iter().any(starts) {
        return Some("an HTML page");
    }
    // Servers label keys and segments text/html too, so the label alone proves nothing.
    if !begins_as_text(bytes) {
        return None;
    }
    match media_type? {
        "text/html" | "application/xhtml+xml" => Some("an HTML page"),
        "application/json" | "application/problem+json" => Some("a JSON document"),
        _ => None,
    }
}

/// Whether the beginning of a body is that of a text: UTF-8 without controls. Four bytes of a
/// transport stream may be one, 64 are not.
#[must_use]
pub fn begins_as_text(bytes: &[u8]) -> bool {
    let start = bytes.get(..64).unwrap_or(bytes);
    let valid = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let is_cut_at_end = valid.len() + 3 >= start.len();
    is_cut_at_end && !valid.chars().any(|one| one.is_control() && !one.is_ascii_whitespace())
}

/// Whether the beginning of a body is that of a JSON object or array, as sources send one in place of
/// a segment.
#[must_use]
pub fn begins_as_json(bytes: &[u8]) -> bool {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    matches!(body.first(), Some(b'{' | b'[')) && begins_as_text(bytes)
}

/// Which transport stream this is, if it is one, wherever in a packet it starts; `None` until that is
/// clear.
fn transport_stream(bytes: &[u8], ended: bool) -> Option<Option<Container>> {
    let sync = |at: usize| bytes.get(at).is_some_and(|byte| *byte == 0x47);
    if sync(0) {
        // The common case: aligned, and the second packet's sync byte confirms it.
        if let Some(length) = PACKET_LENGTHS.into_iter().find(|length| sync(*length)) {
            return Some(Some(with_packets_of(length)));
        }
        if bytes.len() <= 204 {
            // A body of one whole packet is a transport stream too; `GIF` and `GET` are not.
            return ended.then(|| (bytes.len() >= 188).then_some(Container::MpegTs));
        }
    }
    if let Some(length) = in_line(bytes) {
        return Some(Some(with_packets_of(length)));
    }
    let printable = bytes.iter().take(64).all(|byte| is_text(*byte));
    if printable || ended || bytes.len() >= SNIFF_MAX { Some(None) } else { None }
}

/// The length of packets that begin somewhere in `bytes`, if three of them do.
fn in_line(bytes: &[u8]) -> Option<usize> {
    let sync = |at: usize| bytes.get(at).is_some_and(|byte| *byte == 0x47);
    (1..204).filter(|start| sync(*start)).find_map(|start| {
        let three = |length: &usize| sync(start + length) && sync(start + 2 * length);
        PACKET_LENGTHS.into_iter().find(three)
    })
}

/// Whether a format is told by two bytes.
fn is_short(container: Container) -> bool {
    matches!(container, Container::Ac3 | Container::Adts | Container::MpegAudio)
}

fn with_packets_of(length: usize) -> Container {
    if length == PACKET_LENGTHS[0] { Container::MpegTs } else { Container::PaddedTs }
}

/// Formats that begin with fixed bytes.
fn magic(bytes: &[u8]) -> Option<Container> {
    let at = |offset: usize, magic: &[u8]| {
        bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    let found = match bytes {
        _ if at(4, b"ftyp") || at(4, b"moov") || at(4, b"styp") || at(4, b"moof") => Container::Mp4,
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Container::Matroska,
        _ if at(0, b"RIFF") && !at(8, b"WEBP") => Container::Riff,
        _ if at(0, b"OggS") => Container::Ogg,
        _ if at(0, b"fLaC") => Container::Flac,
        _ if at(0, b"FLV\x01") => Container::Flv,
        _ if at(0, b"ID3") => Container::MpegAudio,
        [0x30, 0x26, 0xb2, 0x75, ..] => Container::Asf,
        [0x00, 0x00, 0x01, 0xba, ..] => Container::MpegPs,
        [0x0b, 0x77, ..] => Container::Ac3,
        // ADTS: twelve sync bits, layer 00. MPEG audio: eleven sync bits, a layer.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Container::Adts,
        [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 => Container::MpegAudio,
        _ => return None,
    };
    Some(found)
}

/// JPEG, PNG, GIF, WebP: what an "offline" notice often is.
fn is_image(bytes: &[u8]) -> bool {
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    webp || [&b"\xff\xd8\xff"[..], b"\x89PNG", b"GIF8"]
        .into_iter()
        .any(|magic| bytes.starts_with(magic))
}

/// Recognises what is sent instead of media: text of one kind or another.
fn text(bytes: &[u8], ended: bool) -> Option<Verdict> {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let starts =
        |word: &[u8]| body.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts(b"#EXTM3U") {
        return playlist(body, ended);
    }
    if starts(b"HTTP/") {
        return Some(Verdict::NotMedia("an HTTP status line in the body"));
    }
    match body.first() {
        Some(b'<') => return Some(Verdict::NotMedia("an HTML or XML page")),
        Some(b'{' | b'[') if body.iter().take(64).all(|byte| is_text(*byte)) => {
            return Some(Verdict::NotMedia("a JSON document"));
        }
        _ => {}
    }
    let enough = ended || bytes.len() >= 64;
    let printable = bytes.iter().all(|byte| is_text(*byte));
    (enough && printable).then_some(Verdict::NotMedia("text"))
}

/// An HLS playlist has a tag of its own beside `#EXTM3U`; a plain M3U is a list of streams.
fn playlist(body: &[u8], ended: bool) -> Option<Verdict> {
    let has_tag = body.windows(7).any(|window| window == b"#EXT-X-");
    if has_tag {
        return Some(Verdict::Media(Container::Hls));
    }
    (ended || body.len() >= SNIFF_MAX).then_some(Verdict::NotMedia("an M3U list"))
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(lead: usize, length: usize, packets: usize) -> Vec<u8> {
        let mut bytes = vec![0xaa; lead];
        for _ in 0..packets {
            bytes.push(0x47);
            bytes.extend(std::iter::repeat_n(0x9d, length - 1));
        }
        bytes
    }

    #[test]
    fn stuffing_is_no_sound() {
        let mut bytes = stream(100, 188, 4);
        bytes[..100].fill(0xff);
        assert_eq!(sniff(&bytes[..300], false), Verdict::NeedMore);
        assert_eq!(sniff(&bytes, false), Verdict::Media(Container::MpegTs));
    }

    #[test]
    fn transport_streams_are_seen_aligned_or_not() {
        for (lead, length) in [(0, 188), (4, 192), (0, 204), (100, 188), (187, 188), (63, 192)] {
            let bytes = stream(lead, length, 4);
            let expected = if length == 188 { Container::MpegTs } else { Container::PaddedTs };
            assert_eq!(sniff(&bytes, false), Verdict::Media(expected), "{lead} {length}");
        }
        assert_eq!(sniff(&stream(0, 188, 1), true), Verdict::Media(Container::MpegTs));
        assert_eq!(sniff(&stream(0, 188, 1), false), Verdict::NeedMore);
    }

    #[test]
    fn what_sources_send_instead_is_named() {
        let cases: [(&[u8], &str); 9] = [
            (b"<!DOCTYPE html><html><body>offline</body></html>", "an HTML or XML page"),
            (b"\r\n  <html>", "an HTML or XML page"),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?>", "an HTML or XML page"),
            (b"{\"error\":\"limit\"}", "a JSON document"),
            (b"#EXTM3U\n#EXTINF:-1,Channel\nhttp://x/y\n", "an M3U list"),
            (b"HTTP/1.0 400 Bad Request\r\n\r\n", "an HTTP status line in the body"),
            (b"Your account has expired", "text"),
            (b"GET out", "text"),
            (b"", "an empty body"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(sniff(bytes, true), Verdict::NotMedia(expected));
        }
    }

    #[test]
    fn a_file_is_any_bytes_but_a_page_or_a_list() {
        let cases: [(&[u8], Option<&str>, Option<&str>); 7] = [
            (b"<!DOCTYPE html>", None, Some("an HTML page")),
            (b"#EXTM3U\n", Some("video/mp2t"), Some("a playlist")),
            (b"{\"error\":1}", Some("application/json"), Some("a JSON document")),
            (b"{\"error\":1}", None, None),
            (b"gone", Some("text/html"), Some("an HTML page")),
            (b"\x07\x9f\x1123456789abcde", Some("text/html"), None),
            (b"plain bytes", Some("text/plain"), None),
        ];
        for (bytes, media_type, expected) in cases {
            assert_eq!(impostor(bytes, media_type), expected);
        }
        assert_eq!(sniff(b"\xff\xd8\xff\xe0\0\x10JFIF", false), Verdict::NotMedia("an image"));
    }

    #[test]
    fn a_text_is_one_by_its_first_bytes() {
        let packets = stream(0, 188, 1);
        let cases: [(&[u8], bool, bool); 9] = [
            (b"", true, false),
            (b"#EXTINF:4,\r\na.ts\n", true, false),
            (b"{\"error\":1}", true, true),
            (b"\xef\xbb\xbf \n[1]", true, true),
            ("{\"\u{fc}ber\":1}".as_bytes(), true, true),
            (b"{\x00\x01\x02", false, false),
            (b"{\xff\xff\xff\xff", false, false),
            (b"WEBVTT\n\n00:00.000 --> 00:04.000\n[music]\n", true, false),
            (&packets, false, false),
        ];
        for (bytes, is_text, is_json) in cases {
            assert_eq!((begins_as_text(bytes), begins_as_json(bytes)), (is_text, is_json));
        }
    }

    #[test]
    fn containers_are_known_by_their_first_bytes() {
        let cases: [(&[u8], Container); 9] = [
            (b"\0\0\0\x20ftypisom", Container::Mp4),
            (b"\x1a\x45\xdf\xa3\x01", Container::Matroska),
            (b"RIFF\0\0\0\0AVI ", Container::Riff),
            (b"ID3\x04\0", Container::MpegAudio),
            (b"\xff\xfb\x90\x64", Container::MpegAudio),
            (b"\xff\xf1\x50\x80", Container::Adts),
            (b"\x0b\x77\x00\x00", Container::Ac3),
            (b"OggS\0", Container::Ogg),
            (b"#EXTM3U\n#EXT-X-VERSION:3\n", Container::Hls),
        ];
        for (bytes, expected) in cases {
            assert_eq!(sniff(bytes, true), Verdict::Media(expected), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn enough_bytes_always_decide(bytes in proptest::collection::vec(any::<u8>(), SNIFF_MAX..700)) {
            prop_assert_ne!(sniff(&bytes, false), Verdict::NeedMore);
        }

        #[test]
        fn the_end_always_decides(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            prop_assert_ne!(sniff(&bytes, true), Verdict::NeedMore);
        }
    }
}
