//! Rewriting an HLS playlist (RFC 8216 and its second edition) line by line: only the bytes of URIs
//! change, everything else, known or not, stays as the source wrote it.

/// Attributes whose quoted value is a URI (8216bis 4.4: KEY, MAP, MEDIA, I-FRAME-STREAM-INF,
/// SESSION-DATA, PART, PRELOAD-HINT, RENDITION-REPORT; CONTENT-STEERING; DATERANGE interstitials).
const URI_ATTRIBUTES: [&str; 4] = ["URI", "SERVER-URI", "X-ASSET-URI", "X-ASSET-LIST"];

/// Lines in one playlist: hours of two-second segments.
const LINES_MAX: usize = 100_000;

/// Where a URI stands; decides what the player expects behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A URI line after EXT-X-STREAM-INF, or a rendition: another playlist.
    Playlist,
    /// A media segment, a part, an initialization section.
    Segment,
    /// A key, a session's data or anything else.
    Other,
}

/// Why a playlist is not passed on. The original text never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first line is not `#EXTM3U`.
    #[error("not an HLS playlist")]
    NoHeader,
    /// Not UTF-8 (8216 section 4.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// More than 100,000 lines.
    #[error("too many lines")]
    TooLong,
    /// A carriage return or NUL within a line, where readers disagree on what the line is.
    #[error("a control character within a line")]
    Control,
    /// A quoted attribute without its closing quote.
    #[error("an unfinished attribute")]
    Unfinished,
    /// A URI that leads nowhere we go.
    #[error("a URI that cannot be passed on")]
    BadUri,
}

/// Rewrites every URI of `playlist` through `map`, which answers `None` for a URI that is to stay
/// (data:, a DRM scheme). A byte order mark, which 8216 section 4.1 forbids, is dropped.
///
/// # Errors
/// See [`Error`]; whatever `map` refuses is an error too.
pub fn rewrite(
    playlist: &[u8],
    mut map: impl FnMut(&str, Role) -> Result<Option<String>, Error>,
) -> Result<String, Error> {
    let text = std::str::from_utf8(playlist).map_err(|_| Error::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !is_playlist(text) {
        return Err(Error::NoHeader);
    }
    let mut output = String::with_capacity(text.len() * 2);
    let mut next = Role::Segment;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number >= LINES_MAX {
            return Err(Error::TooLong);
        }
        let content = line.trim_end_matches(['\r', '\n', ' ', '\t']);
        let ending = line.strip_prefix(content).unwrap_or_default();
        if content.contains(['\r', '\0']) {
            return Err(Error::Control);
        }
        if content.starts_with("#EXT") {
            if content.starts_with("#EXT-X-STREAM-INF") {
                next = Role::Playlist;
            }
            rewrite_tag(content, &mut output, &mut map)?;
        } else if content.is_empty() || content.starts_with('#') {
            output.push_str(content);
        } else {
            let mapped = map(content, next)?;
            output.push_str(mapped.as_deref().unwrap_or(content));
            next = Role::Segment;
        }
        output.push_str(ending);
    }
    Ok(output)
}

/// Whether the text begins as an HLS playlist must.
fn is_playlist(text: &str) -> bool {
    text.lines().next().unwrap_or_default().trim_end() == "#EXTM3U"
}

/// Copies a tag, its URI attributes mapped.
fn rewrite_tag(
    tag: &str,
    output: &mut String,
    map: &mut impl FnMut(&str, Role) -> Result<Option<String>, Error>,
) -> Result<(), Error> {
    let Some((name, attributes)) = tag.split_once(':') else {
        output.push_str(tag);
        return Ok(());
    };
    output.push_str(name);
    output.push(':');
    let role = match name {
        "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" | "#EXT-X-RENDITION-REPORT" => Role::Playlist,
        "#EXT-X-MAP" | "#EXT-X-PART" | "#EXT-X-PRELOAD-HINT" => Role::Segment,
        _ => Role::Other,
    };
    let mut rest = attributes;
    while let Some((before, after)) = rest.split_once('"') {
        let (value, tail) = after.split_once('"').ok_or(Error::Unfinished)?;
        output.push_str(before);
        output.push('"');
        let attribute = before.trim_end_matches('=').rsplit([',', ' ']).next().unwrap_or_default();
        // What an interstitial plays is a playlist (8216bis appendix D).
        let role = if attribute == "X-ASSET-URI" { Role::Playlist } else { role };
        let mapped = if before.ends_with('=') && URI_ATTRIBUTES.contains(&attribute) {
            map(value, role)?
        } else {
            None
        };
        output.push_str(mapped.as_deref().unwrap_or(value));
        output.push('"');
        rest = tail;
    }
    output.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tagged(uri: &str, role: Role) -> Result<Option<String>, Error> {
        if uri.starts_with("data:") {
            return Ok(None);
        }
        Ok(Some(format!("<{role:?} {uri}>")))
    }

    #[test]
    fn only_uris_change() {
        let playlist = "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:7\r\n# a comment http://x/\r\n\r\n\
            #EXT-X-KEY:METHOD=AES-128,URI=\"key?a=1,b\",IV=0x01\r\n\
            #EXT-X-KEY:METHOD=X,URI=\"data:text/plain;base64,AA==\"\r\n\
            #EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"10@0\"\r\n\
            #EXT-X-UNKNOWN:URI=\"u\",NAME=\"URI=\"\r\n\
            #EXTINF:4.0,Title, with \"quotes\"\r\nseg-1.ts?x=1 \r\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1\"\r\n//host/v.m3u8";
        let expected = "#EXTM3U\r\n#EXT-X-VERSION:7\r\n# a comment http://x/\r\n\r\n\
            #EXT-X-KEY:METHOD=AES-128,URI=\"<Other key?a=1,b>\",IV=0x01\r\n\
            #EXT-X-KEY:METHOD=X,URI=\"data:text/plain;base64,AA==\"\r\n\
            #EXT-X-MAP:URI=\"<Segment init.mp4>\",BYTERANGE=\"10@0\"\r\n\
            #EXT-X-UNKNOWN:URI=\"<Other u>\",NAME=\"URI=\"\r\n\
            #EXTINF:4.0,Title, with \"quotes\"\r\n<Segment seg-1.ts?x=1> \r\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1\"\r\n<Playlist //host/v.m3u8>";
        assert_eq!(rewrite(playlist.as_bytes(), tagged).unwrap(), expected);
    }

    #[test]
    fn what_is_no_playlist_is_refused() {
        assert_eq!(rewrite(b"<html>", tagged), Err(Error::NoHeader));
        assert_eq!(rewrite(b"#EXTM3U8\n", tagged), Err(Error::NoHeader));
        assert_eq!(rewrite(b"#EXTM3U\n\xff\xfe\n", tagged), Err(Error::NotUtf8));
        assert_eq!(rewrite(b"#EXTM3U\n#EXT-X-KEY:URI=\"x\n", tagged), Err(Error::Unfinished));
        for text in ["#EXTM3U\n#EXTINF:4,\rx.ts\n", "#EXTM3U\nx\ry.ts\n", "#EXTM3U\n\0x.ts\n"] {
            assert_eq!(rewrite(text.as_bytes(), tagged), Err(Error::Control), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_map_that_changes_nothing_gives_the_same_bytes(body in "[#A-Z:=\",a-z/.?\r\n \t0-9-]{0,300}") {
            let playlist = format!("#EXTM3U\n{body}");
            if let Ok(same) = rewrite(playlist.as_bytes(), |uri, _| Ok(Some(uri.to_owned()))) {
                prop_assert_eq!(same, playlist);
            }
        }
    }
}
