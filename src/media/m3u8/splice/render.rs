//! Writing a list of a source as the continuation of another.

use std::fmt::Write as _;

use crate::media::m3u8::Error;
use crate::media::m3u8::Key;
use crate::media::m3u8::Media;
use crate::media::m3u8::Segment;
use crate::media::m3u8::line::Line;
use crate::media::m3u8::line::Lines;
use crate::media::m3u8::tag::Tag;

/// What the client is to see of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// The index of the first segment.
    pub(super) shown: usize,
    /// The number of that, as the client knows it.
    pub(super) media_sequence: u64,
    /// The discontinuity sequence number before the first segment's own EXT-X-DISCONTINUITY.
    pub(super) discontinuity_sequence: u64,
    /// Whether a discontinuity must stand before the first segment.
    pub(super) is_joined: bool,
    /// Whether the source has ever changed.
    pub(super) is_shifted: bool,
    /// Whether the client's numbers differ from the source's.
    pub(super) is_renumbered: bool,
}

/// Writes `text`, which is `media`, as `view` has it: EXT-X-MEDIA-SEQUENCE and
/// EXT-X-DISCONTINUITY-SEQUENCE are replaced, or added behind the header; segments before the first
/// shown are left out, but not what holds on from there (KEY, MAP) or speaks of the whole playlist.
/// Initialization vectors that follow from the source's numbers are written out (8216 section 5.2).
/// Once shifted, EXT-X-PLAYLIST-TYPE, whose promise is broken, and EXT-X-RENDITION-REPORT, which
/// has other renditions' own numbers, are left out.
pub(super) fn render<'a>(text: &'a str, media: &Media<'a>, view: &View) -> Result<String, Error> {
    let end = if text.lines().next() == text.split('\n').next() { "\n" } else { "\r\n" };
    let mut writer = Writer {
        text,
        media,
        view,
        end,
        output: String::with_capacity(text.len() + 128),
        has_media_sequence: false,
        has_discontinuity_sequence: false,
        is_in_header: true,
        index: 0,
        is_begun: false,
    };
    for line in Lines::new(text)? {
        writer.line(&line?);
    }
    writer.end_header();
    Ok(writer.output)
}

struct Writer<'w, 'a> {
    text: &'a str,
    media: &'w Media<'a>,
    view: &'w View,
    /// How the list ends its lines.
    end: &'static str,
    output: String,
    has_media_sequence: bool,
    has_discontinuity_sequence: bool,
    is_in_header: bool,
    /// Of the segment that the next URI line belongs to.
    index: usize,
    /// Whether the first own line of that has been seen.
    is_begun: bool,
}

impl<'w, 'a> Writer<'w, 'a> {
    fn line(&mut self, line: &Line<'_>) {
        let tag = Tag::parse(line.content);
        let is_of_playlist = tag.is_some_and(|tag| tag.is_of_playlist());
        if tag.is_some_and(|tag| self.replace(&tag)) {
            return;
        }
        let is_own = line.is_uri() || tag.is_some() && !is_of_playlist;
        if is_own {
            self.end_header();
        }
        let segment = self.media.segments.get(self.index);
        let is_shown = match segment {
            Some(_) => self.index >= self.view.shown,
            None => self.media.segments.len() > self.view.shown,
        };
        if is_shown && is_own && !std::mem::replace(&mut self.is_begun, true) {
            self.begin(segment, line.start);
        }
        // A hint announces a part of what is not shown.
        let is_hint = tag.is_some_and(|tag| tag.name == "EXT-X-PRELOAD-HINT");
        let stays = is_shown || self.is_in_header || is_of_playlist && !is_hint;
        if stays && !tag.is_some_and(|tag| self.adapt(&tag, line, segment)) {
            self.output.push_str(line.lead);
            self.output.push_str(line.content);
            self.output.push_str(line.ending);
        }
        if line.is_uri() {
            self.index += 1;
            self.is_begun = false;
        }
    }

    /// Whether `tag` is one of those whose place is in the header, which are written here, or one
    /// that goes.
    fn replace(&mut self, tag: &Tag<'_>) -> bool {
        match tag.name {
            "EXT-X-MEDIA-SEQUENCE" => self.media_sequence(),
            "EXT-X-DISCONTINUITY-SEQUENCE" => self.discontinuity_sequence(),
            "EXT-X-PLAYLIST-TYPE" | "EXT-X-RENDITION-REPORT" => return self.view.is_shifted,
            _ => return false,
        }
        true
    }

    fn media_sequence(&mut self) {
        if !std::mem::replace(&mut self.has_media_sequence, true) {
            let (number, end) = (self.view.media_sequence, self.end);
            self.put(format_args!("#EXT-X-MEDIA-SEQUENCE:{number}{end}"));
        }
    }

    fn discontinuity_sequence(&mut self) {
        if !std::mem::replace(&mut self.has_discontinuity_sequence, true) {
            let (number, end) = (self.view.discontinuity_sequence, self.end);
            self.put(format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{number}{end}"));
        }
    }

    /// Both must stand before the first segment (8216 sections 4.3.3.2 and 4.3.3.3).
    fn end_header(&mut self) {
        if std::mem::take(&mut self.is_in_header) {
            if !self.output.ends_with('\n') {
                self.output.push_str(self.end);
            }
            self.media_sequence();
            self.discontinuity_sequence();
        }
    }

    /// Before the first own line, at `start`, of a segment or of the parts behind the last one.
    fn begin(&mut self, segment: Option<&Segment<'a>>, start: usize) {
        let is_first = self.index == self.view.shown;
        if is_first && self.view.is_joined && segment.is_some_and(|one| one.discontinuities == 0) {
            let end = self.end;
            self.put(format_args!("#EXT-X-DISCONTINUITY{end}"));
        }
        if let Some(segment) = segment.filter(|_| is_first && self.index > 0) {
            self.carry(segment);
        } else if self.view.is_renumbered {
            let keys = self.keys(segment);
            let implicit = keys.into_iter().filter(|key| key.has_implicit_iv());
            for key in implicit.filter(|key| key.lines.start < start) {
                self.key(key);
            }
        }
    }

    fn keys(&self, segment: Option<&Segment<'a>>) -> Vec<&'w Key<'a>> {
        match segment {
            Some(segment) => self.media.keys(segment).collect(),
            None if self.media.has_partial_segment => self.media.last_keys().collect(),
            None => Vec::new(),
        }
    }

    /// Key and initialization section that segments left out have set.
    fn carry(&mut self, segment: &Segment<'a>) {
        let media = self.media;
        let start = segment.lines.start;
        let keys: Vec<_> = media.keys(segment).filter(|key| key.lines.start < start).collect();
        let Some(map) = media.map(segment) else {
            keys.iter().for_each(|key| self.key(key));
            return;
        };
        let of_map = media.keys_of_map(map).filter(|key| key.lines.start < start);
        let of_map: Vec<_> = of_map.collect();
        of_map.iter().for_each(|key| self.key(key));
        if map.lines.start < start {
            let line = self.text.get(map.lines.clone()).unwrap_or_default().trim();
            let end = self.end;
            self.put(format_args!("{line}{end}"));
            if keys != of_map {
                let end = self.end;
                self.put(format_args!("#EXT-X-KEY:METHOD=NONE{end}"));
                keys.iter().for_each(|key| self.key(key));
            }
        }
    }

    /// Writes a key again for the segment in hand.
    fn key(&mut self, key: &Key<'_>) {
        let line = self.text.get(key.lines.clone()).unwrap_or_default().trim();
        let (vector, end) = (self.vector(key), self.end);
        self.put(format_args!("{line}{vector}{end}"));
    }

    /// The attribute that a key lacks, with a comma before it.
    fn vector(&self, key: &Key<'_>) -> String {
        if !self.view.is_renumbered || !key.has_implicit_iv() {
            return String::new();
        }
        let number = self.media.segments.get(self.index).map(|segment| segment.number);
        let last = self.media.segments.last().map(|last| last.number.saturating_add(1));
        format!(",IV=0x{:032X}", number.or(last).unwrap_or(self.media.media_sequence))
    }

    /// Writes a line that cannot stand as it is; `false` where it can.
    fn adapt(&mut self, tag: &Tag<'_>, line: &Line<'_>, segment: Option<&Segment<'_>>) -> bool {
        let is_behind_cut = self.index > 0 && self.index == self.view.shown && segment.is_some();
        match tag.name {
            "EXT-X-KEY" => {
                let Some(key) = self.media.key_at(line.start) else { return false };
                let vector = self.vector(key);
                let (lead, content, ending) = (line.lead, line.content, line.ending);
                self.put(format_args!("{lead}{content}{vector}{ending}"));
                true
            }
            // It began where a segment that is left out ends.
            "EXT-X-BYTERANGE" if is_behind_cut && !tag.value.contains('@') => {
                let range = segment.and_then(|segment| segment.byte_range);
                let Some(range) = range else { return false };
                let (length, offset, ending) = (range.length, range.offset, line.ending);
                self.put(format_args!("#EXT-X-BYTERANGE:{length}@{offset}{ending}"));
                true
            }
            // As above; the segment has all that its parts have.
            "EXT-X-PART" => is_behind_cut,
            _ => false,
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        self.output.write_fmt(text).unwrap_or_default();
    }
}
