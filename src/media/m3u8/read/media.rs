//! Reading a media playlist.

use std::ops::Range;
use std::time::Duration;

use crate::media::m3u8::Error;
use crate::media::m3u8::Key;
use crate::media::m3u8::Kind;
use crate::media::m3u8::Map;
use crate::media::m3u8::Media;
use crate::media::m3u8::Segment;
use crate::media::m3u8::line::Line;
use crate::media::m3u8::line::Lines;
use crate::media::m3u8::read::FORMATS_MAX;
use crate::media::m3u8::read::KeySet;
use crate::media::m3u8::read::attribute;
use crate::media::m3u8::read::number;
use crate::media::m3u8::tag::Tag;

pub(super) fn read(lines: Lines<'_>) -> Result<Media<'_>, Error> {
    let mut reader = Reader::default();
    reader.media.key_sets.push(KeySet::default());
    for line in lines {
        let line = line?;
        if line.is_uri() {
            reader.uri(&line);
        } else if let Some(tag) = Tag::parse(line.content) {
            if reader.start.is_none() && !tag.is_of_playlist() {
                reader.start = Some(line.start);
            }
            reader.tag(&tag, line.start..line.end())?;
        }
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader<'a> {
    media: Media<'a>,
    media_sequence: Option<u64>,
    discontinuity_sequence: Option<u64>,
    target_duration: Option<Duration>,
    /// The keys in force, and whether they are the last of the sets.
    keys: KeySet,
    is_new_set: bool,
    map: Option<usize>,
    // What has been said of the next segment.
    start: Option<usize>,
    duration: Duration,
    byte_range: Option<&'a str>,
    is_gap: bool,
    discontinuities: u64,
    program_date_time: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn tag(&mut self, tag: &Tag<'a>, lines: Range<usize>) -> Result<(), Error> {
        let value = tag.value.trim();
        let media = &mut self.media;
        match tag.name {
            "EXTINF" => self.duration = number::duration(value).unwrap_or_default(),
            "EXT-X-GAP" => self.is_gap = true,
            "EXT-X-BYTERANGE" => self.byte_range = Some(value),
            "EXT-X-DISCONTINUITY" => self.discontinuities += 1,
            "EXT-X-PROGRAM-DATE-TIME" => self.program_date_time = Some(value),
            "EXT-X-KEY" => self.key(tag, lines)?,
            "EXT-X-MAP" => self.map(tag, lines),
            "EXT-X-PART" => media.has_partial_segment = true,
            "EXT-X-TARGETDURATION" => {
                self.target_duration = self.target_duration.or(number::duration(value));
            }
            "EXT-X-MEDIA-SEQUENCE" => {
                self.media_sequence = self.media_sequence.or(number::integer(value));
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.discontinuity_sequence =
                    self.discontinuity_sequence.or(number::integer(value));
            }
            "EXT-X-ENDLIST" => media.is_ended = true,
            "EXT-X-PLAYLIST-TYPE" => {
                media.kind = match value {
                    "EVENT" => Some(Kind::Event),
                    "VOD" => Some(Kind::Vod),
                    _ => media.kind,
                }
            }
            "EXT-X-SKIP" => {
                let skipped = attribute(tag, "SKIPPED-SEGMENTS").and_then(number::integer);
                media.skipped = skipped.unwrap_or_default();
            }
            "EXT-X-PART-INF" => {
                media.part_target = attribute(tag, "PART-TARGET").and_then(number::duration);
            }
            "EXT-X-SERVER-CONTROL" => {
                let duration = |name| attribute(tag, name).and_then(number::duration);
                media.can_block_reload = attribute(tag, "CAN-BLOCK-RELOAD") == Some("YES");
                media.can_skip_until = duration("CAN-SKIP-UNTIL");
                media.hold_back = duration("HOLD-BACK");
                media.part_hold_back = duration("PART-HOLD-BACK");
            }
            _ => {}
        }
        Ok(())
    }

    /// A key replaces the one of its format; METHOD=NONE ends all of them (8216 section 4.3.2.4).
    fn key(&mut self, tag: &Tag<'a>, lines: Range<usize>) -> Result<(), Error> {
        self.is_new_set = true;
        let method = attribute(tag, "METHOD").unwrap_or_default();
        if method == "NONE" {
            self.keys = KeySet::default();
            return Ok(());
        }
        let format = attribute(tag, "KEYFORMAT").unwrap_or("identity");
        let index = self.media.keys.len();
        let (uri, iv) = (attribute(tag, "URI"), attribute(tag, "IV"));
        let same = |known: &&mut usize| {
            self.media.keys.get(**known).is_some_and(|known| known.format == format)
        };
        let slots = self.keys.keys.iter_mut().take(self.keys.count);
        if let Some(slot) = slots.into_iter().find(same) {
            *slot = index;
        } else if self.keys.count < FORMATS_MAX {
            let free = self.keys.keys.iter_mut().skip(self.keys.count).take(1);
            free.for_each(|slot| *slot = index);
            self.keys.count += 1;
        } else {
            return Err(Error::TooLong);
        }
        self.media.keys.push(Key { method, uri, iv, format, lines });
        Ok(())
    }

    fn map(&mut self, tag: &Tag<'a>, lines: Range<usize>) {
        let byte_range = attribute(tag, "BYTERANGE").and_then(|text| number::byte_range(text, 0));
        let uri = attribute(tag, "URI").unwrap_or_default();
        let keys = self.key_set();
        self.map = Some(self.media.maps.len());
        self.media.maps.push(Map { uri, byte_range, lines, keys });
    }

    /// The index of the set in force.
    fn key_set(&mut self) -> usize {
        let last = self.media.key_sets.last();
        if std::mem::take(&mut self.is_new_set) && last != Some(&self.keys) {
            self.media.key_sets.push(self.keys);
        }
        self.media.key_sets.len() - 1
    }

    fn uri(&mut self, line: &Line<'a>) {
        let keys = self.key_set();
        let before = self.media.segments.last();
        let implicit = before
            .filter(|before| before.uri == line.content)
            .and_then(|before| before.byte_range)
            .map_or(0, |range| range.offset.saturating_add(range.length));
        let byte_range = self.byte_range.take();
        self.media.has_partial_segment = false;
        self.media.segments.push(Segment {
            uri: line.content,
            duration: std::mem::take(&mut self.duration),
            byte_range: byte_range.and_then(|text| number::byte_range(text, implicit)),
            number: 0,
            is_gap: std::mem::take(&mut self.is_gap),
            discontinuity: 0,
            is_discontinuous: self.discontinuities > 0,
            discontinuities: std::mem::take(&mut self.discontinuities),
            program_date_time: self.program_date_time.take(),
            lines: self.start.take().unwrap_or(line.start)..line.end(),
            keys,
            map: self.map,
        });
    }

    /// Numbers the segments: sources write what the numbers depend on anywhere.
    fn finish(mut self) -> Media<'a> {
        self.media.last_keys = self.key_set();
        self.media.last_discontinuities = self.discontinuities;
        let mut media = self.media;
        media.media_sequence = self.media_sequence.unwrap_or_default();
        media.discontinuity_sequence = self.discontinuity_sequence.unwrap_or_default();
        let mut number = media.media_sequence.saturating_add(media.skipped);
        let mut discontinuity = media.discontinuity_sequence;
        for segment in &mut media.segments {
            discontinuity = discontinuity.saturating_add(segment.discontinuities);
            segment.number = number;
            segment.discontinuity = discontinuity;
            number = number.saturating_add(1);
        }
        let longest = media.segments.iter().map(|segment| segment.duration).max();
        let target = self.target_duration.filter(|target| !target.is_zero());
        media.target_duration = target.or(longest).unwrap_or_default();
        media
    }
}
