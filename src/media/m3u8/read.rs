//! What decisions need to know of a playlist; the text itself stays the truth. Tolerant: unknown
//! tags and attributes are passed over, numbers that make no sense are as good as absent.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::ops::Range;
use std::time::Duration;

use crate::media::m3u8::Error;
use crate::media::m3u8::attributes::Attributes;
use crate::media::m3u8::line::Lines;
use crate::media::m3u8::tag::Tag;

mod media;
mod multivariant;
mod number;
#[cfg(test)]
mod tests;

/// A playlist that has been read. Borrows from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist<'a> {
    /// Names other playlists.
    Multivariant(Multivariant<'a>),
    /// Names segments.
    Media(Media<'a>),
}

/// A multivariant playlist (8216bis section 4.4.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multivariant<'a> {
    /// EXT-X-STREAM-INF with the URI lines behind them, in their order.
    pub variants: Vec<Variant<'a>>,
    /// EXT-X-MEDIA, in their order.
    pub renditions: Vec<Rendition<'a>>,
}

/// A variant stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Where its media playlist is, as written.
    pub uri: &'a str,
    /// Peak bit rate, in bits per second.
    pub bandwidth: Option<u64>,
    /// Average bit rate, in bits per second.
    pub average_bandwidth: Option<u64>,
    /// Width and height in pixels.
    pub resolution: Option<(u64, u64)>,
    /// RFC 6381 names, separated by commas.
    pub codecs: Option<&'a str>,
    /// The group of its audio renditions.
    pub audio: Option<&'a str>,
    /// The group of its video renditions.
    pub video: Option<&'a str>,
    /// The group of its subtitles.
    pub subtitles: Option<&'a str>,
}

/// A rendition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendition<'a> {
    /// `AUDIO`, `VIDEO`, `SUBTITLES` or `CLOSED-CAPTIONS`.
    pub kind: &'a str,
    /// GROUP-ID.
    pub group: &'a str,
    /// NAME.
    pub name: &'a str,
    /// An RFC 5646 tag.
    pub language: Option<&'a str>,
    /// Where its media playlist is; without one it is in the variants' own streams.
    pub uri: Option<&'a str>,
    /// Whether players choose it unasked.
    pub is_default: bool,
}

/// A media playlist (8216bis sections 4.4.3 to 4.4.5). About 120 bytes for each segment, so 12 MB
/// at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media<'a> {
    /// EXT-X-TARGETDURATION; where there is none, the longest segment.
    pub target_duration: Duration,
    /// PART-TARGET.
    pub part_target: Option<Duration>,
    /// The number of the first segment, skipped ones included; 0 where the list does not say.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE; 0 where the list does not say.
    pub discontinuity_sequence: u64,
    /// Whether nothing will be added: EXT-X-ENDLIST.
    pub is_ended: bool,
    /// EXT-X-PLAYLIST-TYPE.
    pub kind: Option<Kind>,
    /// Segments that a delta update leaves out before those in it: EXT-X-SKIP.
    pub skipped: u64,
    /// Whether the server holds a reload back until it has what was asked for.
    pub can_block_reload: bool,
    /// CAN-SKIP-UNTIL: the server gives delta updates.
    pub can_skip_until: Option<Duration>,
    /// How far from the end playback should stay.
    pub hold_back: Option<Duration>,
    /// The same for low latency.
    pub part_hold_back: Option<Duration>,
    /// Whether parts of a segment that is not complete stand at the end.
    pub has_partial_segment: bool,
    /// The segments, in their order.
    pub segments: Vec<Segment<'a>>,
    /// EXT-X-DISCONTINUITY after the last segment.
    pub(super) last_discontinuities: u64,
    /// The keys in force at the end of the list.
    last_keys: usize,
    keys: Vec<Key<'a>>,
    key_sets: Vec<KeySet>,
    maps: Vec<Map<'a>>,
}

/// EXT-X-PLAYLIST-TYPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Segments are only ever added.
    Event,
    /// Never changes.
    Vod,
}

/// A media segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// As written.
    pub uri: &'a str,
    /// EXTINF, at most a day; zero where there is none.
    pub duration: Duration,
    /// EXT-X-BYTERANGE; where that has no offset, it begins where the segment before ends.
    pub byte_range: Option<ByteRange>,
    /// Its media sequence number.
    pub number: u64,
    /// Its discontinuity sequence number.
    pub discontinuity: u64,
    /// EXT-X-GAP: it is not there and must not be asked for.
    pub is_gap: bool,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub is_discontinuous: bool,
    /// EXT-X-PROGRAM-DATE-TIME of its own.
    pub program_date_time: Option<&'a str>,
    /// Its lines in the text, in bytes: from its first own tag to its URI, line end included. What
    /// speaks of the whole playlist may stand between.
    pub lines: Range<usize>,
    /// How many EXT-X-DISCONTINUITY stand before it.
    pub(super) discontinuities: u64,
    keys: usize,
    map: Option<usize>,
}

/// Part of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
}

/// EXT-X-KEY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// Never `NONE`.
    pub method: &'a str,
    /// Where the key is.
    pub uri: Option<&'a str>,
    /// As written, with `0x`. Without it the media sequence number is the initialization vector, if
    /// the format is `identity`.
    pub iv: Option<&'a str>,
    /// KEYFORMAT; `identity` where there is none.
    pub format: &'a str,
    /// Its line in the text, in bytes.
    pub lines: Range<usize>,
}

/// EXT-X-MAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<'a> {
    /// As written.
    pub uri: &'a str,
    /// What of it.
    pub byte_range: Option<ByteRange>,
    /// Its line in the text, in bytes.
    pub lines: Range<usize>,
    keys: usize,
}

/// How much of a live list is begun with, in target durations: where players start (8216bis section
/// 6.3.3).
const TARGET_DURATIONS: u32 = 3;

/// Key formats for one segment: one is usual, four are common.
const FORMATS_MAX: usize = 8;

/// The keys in force somewhere, one for each format, as indices. The first set is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KeySet {
    keys: [usize; FORMATS_MAX],
    count: usize,
}

impl KeySet {
    fn indices(&self) -> &[usize] {
        self.keys.get(..self.count).unwrap_or_default()
    }
}

impl<'a> Media<'a> {
    /// The keys that `segment` of this playlist can be decrypted with: one for each format, none
    /// where it is clear.
    pub fn keys(&self, segment: &Segment<'a>) -> impl Iterator<Item = &Key<'a>> {
        self.keys_of_set(segment.keys)
    }

    /// The initialization section of `segment` of this playlist.
    #[must_use]
    pub fn map(&self, segment: &Segment<'a>) -> Option<&Map<'a>> {
        self.maps.get(segment.map?)
    }

    /// The keys that `map` of this playlist can be decrypted with.
    pub fn keys_of_map(&self, map: &Map<'a>) -> impl Iterator<Item = &Key<'a>> {
        self.keys_of_set(map.keys)
    }

    /// The index of the first of the segments at the end that make three target durations.
    pub(super) fn live_edge(&self) -> usize {
        let wanted = self.target_duration.saturating_mul(TARGET_DURATIONS);
        let mut duration = Duration::ZERO;
        let from_end = self.segments.iter().rev().position(|segment| {
            duration = duration.saturating_add(segment.duration);
            duration >= wanted
        });
        from_end.map_or(0, |behind| self.segments.len().saturating_sub(behind + 1))
    }

    /// The first of the segments of which at least half lies after `position`; the last where there is
    /// none.
    pub(super) fn index_at(&self, position: Duration) -> usize {
        let mut before = Duration::ZERO;
        let index = self.segments.iter().position(|segment| {
            let middle = before.saturating_add(segment.duration / 2);
            before = before.saturating_add(segment.duration);
            middle >= position
        });
        index.unwrap_or(self.segments.len().saturating_sub(1))
    }

    /// The segment with this number, if the list has it and does not skip it.
    pub(super) fn numbered(&self, number: u64) -> Option<&Segment<'a>> {
        let first = self.media_sequence.saturating_add(self.skipped);
        self.segments.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Whether segments of before, by their numbers and what `identity` said of them, stand in the list
    /// under their numbers, and all of them are others now. One that is the same shows that it is the
    /// same list.
    pub(super) fn contradicts(
        &self,
        known: impl IntoIterator<Item = (u64, u64)>,
        identity: impl Fn(&Segment<'a>) -> u64,
    ) -> bool {
        let same = |(number, known)| Some(identity(self.numbered(number)?) == known);
        let mut same = known.into_iter().filter_map(same);
        same.next().is_some_and(|is_same| !is_same && !same.any(|is_same| is_same))
    }

    /// The key whose line begins at `start`.
    pub(super) fn key_at(&self, start: usize) -> Option<&Key<'a>> {
        let index = self.keys.binary_search_by_key(&start, |key| key.lines.start).ok()?;
        self.keys.get(index)
    }

    /// The keys in force behind the last segment.
    pub(super) fn last_keys(&self) -> impl Iterator<Item = &Key<'a>> {
        self.keys_of_set(self.last_keys)
    }

    fn keys_of_set(&self, set: usize) -> impl Iterator<Item = &Key<'a>> {
        let indices = self.key_sets.get(set).map(KeySet::indices).unwrap_or_default();
        indices.iter().filter_map(|index| self.keys.get(*index))
    }
}

impl Segment<'_> {
    /// What tells a segment from others: its URI, in whose query tokens may change, and byte range.
    pub(super) fn identity(&self) -> u64 {
        self.named(self.uri.split_once('?').map_or(self.uri, |(path, _)| path))
    }

    /// As [`Segment::identity`], by its file's name alone: hosts and directories may hold tokens, too,
    /// that are others each time a list is loaded.
    pub(super) fn file_identity(&self) -> u64 {
        let path = self.uri.split(['?', '#']).next().unwrap_or_default();
        self.named(path.rsplit('/').next().unwrap_or_default())
    }

    fn named(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        self.byte_range.map(|range| (range.offset, range.length)).hash(&mut hasher);
        hasher.finish()
    }
}

impl Key<'_> {
    /// Whether the initialization vector is the media sequence number (8216 section 5.2).
    #[must_use]
    pub fn has_implicit_iv(&self) -> bool {
        self.iv.is_none() && self.format == "identity"
    }
}

/// Reads a playlist, rewritten or not; where not, references to variables stand as they are.
///
/// # Errors
/// [`Error::NoHeader`], [`Error::PlainList`], [`Error::TooLong`], [`Error::LineTooLong`] and
/// [`Error::Control`].
pub fn read(text: &str) -> Result<Playlist<'_>, Error> {
    if is_multivariant(Lines::new(text)?) {
        multivariant::read(Lines::new(text)?).map(Playlist::Multivariant)
    } else {
        media::read(Lines::new(text)?).map(Playlist::Media)
    }
}

/// By its tags; the standard forbids to mix them.
fn is_multivariant(lines: Lines<'_>) -> bool {
    let mut names_playlists = false;
    for tag in lines.flatten().filter_map(|line| Tag::parse(line.content)) {
        match tag.name {
            "EXT-X-STREAM-INF" => return true,
            "EXTINF" | "EXT-X-TARGETDURATION" => return false,
            "EXT-X-MEDIA"
            | "EXT-X-I-FRAME-STREAM-INF"
            | "EXT-X-IMAGE-STREAM-INF"
            | "EXT-X-SESSION-DATA"
            | "EXT-X-SESSION-KEY"
            | "EXT-X-CONTENT-STEERING" => names_playlists = true,
            _ => {}
        }
    }
    names_playlists
}

/// The value of an attribute; the first counts.
fn attribute<'a>(tag: &Tag<'a>, name: &str) -> Option<&'a str> {
    let mut attributes = Attributes::new(tag.value).flatten();
    attributes.find(|one| one.name == name).map(|one| one.value.trim())
}
