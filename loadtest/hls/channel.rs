//! The live channel: which segments there are at a moment, what is in them, and the playlist.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::failover::source::media::GROUP;
use crate::failover::source::media::Media;

/// Duration of each segment, which is the target duration too (RFC 8216 section 4.3.3.1).
pub(crate) const TARGET: Duration = Duration::from_secs(2);

/// Segments in the playlist.
pub(crate) const WINDOW: u64 = 5;

/// The newest segment in the beginning: the first playlist is as long as any other.
pub(crate) const FIRST: u64 = 1000;

/// Pictures of a segment.
const PICTURES: u64 = TARGET.as_secs() * GROUP;

/// Length of a transport packet (ISO 13818-1 2.4.3.2).
const PACKET: usize = 188;

/// Places of the noise at which segments begin, one packet apart; more than a run has segments at a
/// time, and no multiple of anything.
const PLACES: usize = 1009;

/// One channel, which begins when it is made.
pub(crate) struct Channel {
    began: Instant,
    content: Content,
}

/// What is in the segments.
enum Content {
    /// So many bytes of transport packets of noise: what one segment has in a place, no other has there.
    Noise { length: usize, noise: Vec<u8> },
    /// A stream, of which segment n begins with picture n times `PICTURES`.
    Media(Media),
}

impl Channel {
    /// Segments of so many bytes that nothing can play.
    pub(crate) fn new(length: usize) -> Self {
        let packets = PLACES + length.div_ceil(PACKET);
        let mut noise = Vec::with_capacity(packets * PACKET);
        let mut random = Random(1);
        for _ in 0..packets {
            noise.extend([0x47, 0x01, 0x00, 0x10]);
            let words = std::iter::repeat_with(|| random.next().to_le_bytes()).flatten();
            noise.extend(words.take(PACKET - 4));
        }
        Self { began: Instant::now(), content: Content::Noise { length, noise } }
    }

    /// Segments of a stream that can be played. They are made when they are asked for, which is for
    /// sources that are asked once.
    pub(crate) fn of(media: Media) -> Self {
        Self { began: Instant::now(), content: Content::Media(media) }
    }

    /// The newest segment there is.
    pub(crate) fn newest(&self, at: Instant) -> u64 {
        FIRST + at.saturating_duration_since(self.began).as_secs() / TARGET.as_secs()
    }

    /// When a segment came to be there.
    pub(crate) fn published(&self, number: u64) -> Instant {
        let after = u32::try_from(number.saturating_sub(FIRST)).unwrap_or(u32::MAX);
        self.began + TARGET * after
    }

    /// The playlist of that moment.
    pub(crate) fn playlist(&self, at: Instant) -> String {
        let newest = self.newest(at);
        let first = newest - (WINDOW - 1);
        let seconds = TARGET.as_secs();
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{seconds}\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        );
        for number in first..=newest {
            writeln!(text, "#EXTINF:{seconds}.000,\n{number}.ts").unwrap();
        }
        text
    }

    /// The segment's bytes, if it is still there: as long as the playlist is after it was last named
    /// (RFC 8216 section 6.2.2).
    pub(crate) fn segment(&self, number: u64, at: Instant) -> Option<Cow<'_, [u8]>> {
        let newest = self.newest(at);
        (newest - 2 * WINDOW..=newest).contains(&number).then(|| self.bytes(number))
    }

    /// What is in a segment.
    pub(crate) fn bytes(&self, number: u64) -> Cow<'_, [u8]> {
        match &self.content {
            Content::Noise { length, noise } => {
                let begin = number as usize % PLACES * PACKET;
                noise.get(begin..begin + length).unwrap_or_default().into()
            }
            Content::Media(media) => {
                let first = number * PICTURES;
                let (mut counters, mut bytes) = (media.counters(first), Vec::new());
                for picture in first..first + PICTURES {
                    media.write(picture, &mut counters, &mut bytes);
                }
                bytes.into()
            }
        }
    }
}

/// SplitMix64: the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
