//! What an attribute is, told by its tag and name.

use crate::media::m3u8::attributes::Attributes;
use crate::media::m3u8::rewrite::Role;
use crate::media::m3u8::tag::Tag;

/// What a value is for, and so what may become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A URI.
    Uri(Role),
    /// A name that other attributes, or readers of lists, tell things apart by.
    Name,
    /// A number, a date, a word of the standard: playback depends on it, and where it equals a
    /// secret, such as a user name of digits, that is chance.
    Format,
    /// Anything else.
    Free,
}

impl Class {
    pub(super) fn of(tag: &Tag<'_>, attribute: &str) -> Self {
        if let Some(role) = uri_role(tag, attribute) {
            return Self::Uri(role);
        }
        match attribute {
            "GROUP-ID"
            | "NAME"
            | "AUDIO"
            | "VIDEO"
            | "SUBTITLES"
            | "CLOSED-CAPTIONS"
            | "ID"
            | "DATA-ID"
            | "STABLE-VARIANT-ID"
            | "STABLE-RENDITION-ID"
            | "PATHWAY-ID" => Self::Name,
            "CODECS"
            | "SUPPLEMENTAL-CODECS"
            | "LANGUAGE"
            | "ASSOC-LANGUAGE"
            | "INSTREAM-ID"
            | "CHANNELS"
            | "CHARACTERISTICS"
            | "BYTERANGE"
            | "KEYFORMAT"
            | "KEYFORMATVERSIONS"
            | "START-DATE"
            | "END-DATE"
            | "REQ-VIDEO-LAYOUT"
            | "BANDWIDTH"
            | "AVERAGE-BANDWIDTH"
            | "SCORE"
            | "RESOLUTION"
            | "FRAME-RATE"
            | "HDCP-LEVEL"
            | "VIDEO-RANGE"
            | "PROGRAM-ID"
            | "TYPE"
            | "DEFAULT"
            | "AUTOSELECT"
            | "FORCED"
            | "BIT-DEPTH"
            | "SAMPLE-RATE"
            | "FORMAT"
            | "METHOD"
            | "IV"
            | "DURATION"
            | "PLANNED-DURATION"
            | "END-ON-NEXT"
            | "SCTE35-CMD"
            | "SCTE35-OUT"
            | "SCTE35-IN"
            | "INDEPENDENT"
            | "GAP"
            | "PART-TARGET"
            | "CAN-SKIP-UNTIL"
            | "CAN-SKIP-DATERANGES"
            | "HOLD-BACK"
            | "PART-HOLD-BACK"
            | "CAN-BLOCK-RELOAD"
            | "SKIPPED-SEGMENTS"
            | "BYTERANGE-START"
            | "BYTERANGE-LENGTH"
            | "LAST-MSN"
            | "LAST-PART"
            | "TIME-OFFSET"
            | "PRECISE"
            | "LAYOUT" => Self::Format,
            _ => Self::Free,
        }
    }
}

/// 8216bis section 4.4 and appendix D; for tags of anyone's own, what the name says.
fn uri_role(tag: &Tag<'_>, attribute: &str) -> Option<Role> {
    let ends_in = |end: &str| {
        let start = attribute.len().checked_sub(end.len());
        let own = start.and_then(|start| attribute.get(start..));
        own.is_some_and(|own| own.eq_ignore_ascii_case(end))
    };
    let is_uri = attribute.eq_ignore_ascii_case("URI") || ends_in("-URI") || ends_in("-URL");
    if !is_uri && !attribute.eq_ignore_ascii_case("X-ASSET-LIST") {
        return None;
    }
    let name = attribute.to_ascii_uppercase();
    Some(match (tag.name, name.as_str()) {
        (_, "X-ASSET-URI") => Role::Playlist,
        (_, "X-ASSET-LIST" | "SERVER-URI") => Role::Data,
        (
            "EXT-X-STREAM-INF"
            | "EXT-X-MEDIA"
            | "EXT-X-I-FRAME-STREAM-INF"
            | "EXT-X-IMAGE-STREAM-INF"
            | "EXT-X-RENDITION-REPORT",
            "URI",
        ) => Role::Playlist,
        ("EXT-X-KEY" | "EXT-X-SESSION-KEY", "URI") => Role::Key,
        ("EXT-X-MAP", "URI") => Role::Map,
        ("EXT-X-PART", "URI") => Role::Part,
        ("EXT-X-PRELOAD-HINT", "URI") if hints_at_map(tag.value) => Role::Map,
        ("EXT-X-PRELOAD-HINT", "URI") => Role::Part,
        ("EXT-X-SESSION-DATA", "URI") => Role::Data,
        _ => Role::Other,
    })
}

/// The tag has a handful of attributes: a list of thousands is not searched for each of them.
fn hints_at_map(list: &str) -> bool {
    let mut attributes = Attributes::new(list).flatten().take(16);
    attributes.any(|one| one.name == "TYPE" && one.value.trim_end() == "MAP")
}
