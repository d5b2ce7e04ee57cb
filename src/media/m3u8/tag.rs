//! A tag taken apart, and what is known of the tags of both editions (8216bis section 4.4).

/// A line that begins with `#EXT`: `#`, `name`, `colon` and `value` are all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// Such as `EXT-X-KEY`.
    pub(super) name: &'a str,
    /// `:` or nothing.
    pub(super) colon: &'a str,
    /// What follows.
    pub(super) value: &'a str,
}

impl<'a> Tag<'a> {
    /// `None` for comments, URIs and blank lines.
    pub(super) fn parse(content: &'a str) -> Option<Self> {
        let text = content.strip_prefix('#').filter(|text| text.starts_with("EXT"))?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let end = text.bytes().position(|byte| !is_name(byte)).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        let value = rest.strip_prefix(':').unwrap_or(rest);
        let colon = rest.strip_suffix(value).unwrap_or_default();
        Some(Self { name, colon, value })
    }

    /// What the value is made of.
    pub(super) fn form(&self) -> Form {
        match self.name {
            "EXTINF" => Form::Info,
            "EXT-X-DEFINE" => Form::Definition,
            "EXT-X-VERSION"
            | "EXT-X-TARGETDURATION"
            | "EXT-X-MEDIA-SEQUENCE"
            | "EXT-X-DISCONTINUITY-SEQUENCE"
            | "EXT-X-PLAYLIST-TYPE"
            | "EXT-X-ALLOW-CACHE"
            | "EXT-X-BYTERANGE"
            | "EXT-X-BITRATE"
            | "EXT-X-PROGRAM-DATE-TIME" => Form::Plain,
            "EXT-X-STREAM-INF"
            | "EXT-X-I-FRAME-STREAM-INF"
            | "EXT-X-IMAGE-STREAM-INF"
            | "EXT-X-MEDIA"
            | "EXT-X-SESSION-DATA"
            | "EXT-X-SESSION-KEY"
            | "EXT-X-CONTENT-STEERING"
            | "EXT-X-START"
            | "EXT-X-KEY"
            | "EXT-X-MAP"
            | "EXT-X-DATERANGE"
            | "EXT-X-PART"
            | "EXT-X-PART-INF"
            | "EXT-X-SERVER-CONTROL"
            | "EXT-X-SKIP"
            | "EXT-X-PRELOAD-HINT"
            | "EXT-X-RENDITION-REPORT"
            | "EXT-X-TILES" => Form::List,
            _ => Form::Unknown,
        }
    }

    /// Whether the tag speaks of the whole media playlist, wherever it stands.
    pub(super) fn is_of_playlist(&self) -> bool {
        matches!(
            self.name,
            "EXTM3U"
                | "EXT-X-VERSION"
                | "EXT-X-TARGETDURATION"
                | "EXT-X-MEDIA-SEQUENCE"
                | "EXT-X-DISCONTINUITY-SEQUENCE"
                | "EXT-X-ENDLIST"
                | "EXT-X-PLAYLIST-TYPE"
                | "EXT-X-ALLOW-CACHE"
                | "EXT-X-I-FRAMES-ONLY"
                | "EXT-X-IMAGES-ONLY"
                | "EXT-X-INDEPENDENT-SEGMENTS"
                | "EXT-X-START"
                | "EXT-X-DEFINE"
                | "EXT-X-PART-INF"
                | "EXT-X-SERVER-CONTROL"
                | "EXT-X-SKIP"
                | "EXT-X-DATERANGE"
                | "EXT-X-RENDITION-REPORT"
                | "EXT-X-PRELOAD-HINT"
        )
    }
}

/// What the value of a tag is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A duration and a title.
    Info,
    /// EXT-X-DEFINE.
    Definition,
    /// A number, a date, a word.
    Plain,
    /// An attribute list (8216 section 4.2).
    List,
    /// A tag of someone's own.
    Unknown,
}
