//! What to fetch, one piece after the other, to play a media playlist as one stream while it is
//! loaded again and again (8216bis sections 6.3.3 and 6.3.4).

use std::collections::VecDeque;
use std::time::Duration;

use crate::media::m3u8::ByteRange;
use crate::media::m3u8::Media;
use crate::media::m3u8::Segment;

#[cfg(test)]
mod tests;

/// Segments that were listed last and are remembered, to tell an old list from a restart.
const REMEMBERED: usize = 32;

/// Lists in a row that lie wholly before what was played, until that is taken for a restart: a cache
/// that lags is behind once in a while, not always.
const OLD_MAX: u32 = 2;

/// Segments by which one variant may be behind another: as many as are played before the end.
const LAG_MAX: u64 = 3;

/// A segment to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// As it stands in the playlist. Secret where that is not rewritten.
    pub uri: String,
    /// What of it; `None`: all.
    pub byte_range: Option<ByteRange>,
    /// Its media sequence number.
    pub number: u64,
    /// How long after the beginning of its list it begins.
    pub start: Duration,
    /// As the playlist says.
    pub duration: Duration,
    /// It does not go on where the one before ended.
    pub is_break: bool,
    /// `None` where it is clear.
    pub cipher: Option<Cipher>,
}

/// AES-128: CBC with PKCS #7 padding (8216bis section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// Where the key is, as it stands in the playlist.
    pub key: String,
    /// The initialization vector.
    pub iv: [u8; 16],
}

/// Why the segments of a playlist are no transport stream that can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// EXT-X-MAP.
    #[error("its segments are fragmented MP4")]
    FragmentedMp4,
    /// Another method than AES-128, or a key of a key system.
    #[error("its segments are encrypted, and not with AES-128")]
    Encrypted,
    /// Elementary streams of sound.
    #[error("its segments are packed audio")]
    PackedAudio,
    /// Every variant has its sound or its picture in a playlist of its own.
    #[error("its sound is in playlists of its own")]
    Apart,
}

/// Where one client is in a media playlist. Memory: what the list says of the segments that are yet
/// to be fetched, and 512 bytes.
#[derive(Clone, Debug, Default)]
pub struct Follow {
    /// The number after that of the last piece given; `None` before the first.
    next: Option<u64>,
    /// Where the first list that has ended is begun.
    position: Duration,
    waiting: VecDeque<Piece>,
    is_ended: bool,
    /// The next piece is a break, whatever it says of itself.
    breaks: bool,
    /// Numbers and names of what the last list ended with.
    remembered: VecDeque<(u64, u64)>,
    /// Lists in a row that had nothing but what is long gone.
    old: u32,
    /// By how many segments the next list may be behind.
    may_lag: u64,
}

impl Follow {
    /// Before the first list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Before the first list, which is to be gone on with: at the segment `number` if it has that one or
    /// will have it next, else so long after its beginning if it has ended.
    #[must_use]
    pub fn after(number: Option<u64>, position: Duration) -> Self {
        Self { next: number, position, breaks: true, ..Self::default() }
    }

    /// Takes the list as it is now; true if it has segments that the one before did not have.
    ///
    /// A live list begins three target durations before its end, one that has ended at its beginning.
    /// Where what comes next is in the list no longer, it goes on three target durations before the
    /// end, with a break. A list that has begun anew, which shows in numbers that go back and in other
    /// segments under them, or in numbers that stay behind, is begun like a first one. Segments of
    /// EXT-X-GAP are left out.
    ///
    /// # Errors
    /// [`Unfit`]; nothing has changed then.
    pub fn take(&mut self, media: &Media<'_>) -> Result<bool, Unfit> {
        let (Some(first), Some(last)) = (media.segments.first(), media.segments.last()) else {
            self.is_ended |= media.is_ended;
            return Ok(false);
        };
        let (first, last) = (first.number, last.number);
        let newest = self.remembered.back().map(|(number, _)| *number);
        let is_behind = newest.is_some_and(|newest| last < newest);
        let known = self.remembered.iter().copied();
        let mut restarts = is_behind && media.contradicts(known, Segment::file_identity);
        if is_behind && !restarts {
            self.old = if self.overlaps(first, last) { 0 } else { self.old + 1 };
            restarts = self.old >= OLD_MAX;
            if !restarts {
                return Ok(false);
            }
        }
        let is_known =
            |next: &u64| newest.is_some() || *next <= last.saturating_add(1 + self.may_lag);
        let next = self.next.filter(|next| !restarts && *next >= first && is_known(next));
        let from = match next {
            Some(next) => usize::try_from(next - first).unwrap_or(usize::MAX),
            None if media.is_ended && newest.is_none() => media.index_at(self.position),
            None => media.live_edge(),
        };
        self.waiting = pieces(media, from)?;
        let segments = media.segments.get(from..).unwrap_or_default();
        self.breaks |= next.is_none() && self.next.is_some();
        self.next = next.or(segments.first().map(|segment| segment.number));
        (self.is_ended, self.old, self.may_lag) = (media.is_ended, 0, 0);
        self.remember(media);
        Ok(restarts || newest.is_none_or(|newest| last > newest))
    }

    /// The next segment to fetch; `None` until another list is taken.
    pub fn next_piece(&mut self) -> Option<Piece> {
        let mut piece = self.waiting.pop_front()?;
        piece.is_break |= std::mem::take(&mut self.breaks);
        self.next = Some(piece.number.saturating_add(1));
        Some(piece)
    }

    /// The last piece that was given did not come: the next one does not follow it.
    pub const fn breaks(&mut self) {
        self.breaks = true;
    }

    /// How much is listed that was not given.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.waiting.iter().map(|piece| piece.duration).sum()
    }

    /// Whether nothing will be listed any more.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// The list goes on with that of another variant, in which the same numbers are the same time: with
    /// the piece of the number `again`, which did not come, or with the one after the last.
    pub fn changes(&mut self, again: Option<u64>) {
        self.remembered.clear();
        self.waiting.clear();
        self.next = again.or(self.next);
        (self.breaks, self.old, self.may_lag) = (true, 0, LAG_MAX);
    }

    /// Whether it has a segment that is remembered.
    fn overlaps(&self, first: u64, last: u64) -> bool {
        self.remembered.iter().any(|(number, _)| (first..=last).contains(number))
    }

    fn remember(&mut self, media: &Media<'_>) {
        let from = media.segments.len().saturating_sub(REMEMBERED);
        let newest = media.segments.get(from..).unwrap_or_default();
        self.remembered =
            newest.iter().map(|segment| (segment.number, segment.file_identity())).collect();
    }
}

/// All segments from the index `from` on.
fn pieces(media: &Media<'_>, from: usize) -> Result<VecDeque<Piece>, Unfit> {
    let (before, segments) = media.segments.split_at_checked(from).unwrap_or_default();
    let mut start: Duration = before.iter().map(|segment| segment.duration).sum();
    let mut pieces = VecDeque::new();
    let mut is_behind_gap = false;
    for segment in segments {
        let begins = start;
        start = start.saturating_add(segment.duration);
        if segment.is_gap {
            is_behind_gap = true;
            continue;
        }
        if media.map(segment).is_some() {
            return Err(Unfit::FragmentedMp4);
        }
        pieces.push_back(Piece {
            uri: segment.uri.to_owned(),
            byte_range: segment.byte_range,
            number: segment.number,
            start: begins,
            duration: segment.duration,
            is_break: segment.is_discontinuous || std::mem::take(&mut is_behind_gap),
            cipher: cipher(media, segment)?,
        });
    }
    Ok(pieces)
}

/// How a segment is encrypted. One that other key systems can decrypt as well has one key for each.
fn cipher(media: &Media<'_>, segment: &Segment<'_>) -> Result<Option<Cipher>, Unfit> {
    let mut keys = media.keys(segment).peekable();
    if keys.peek().is_none() {
        return Ok(None);
    }
    let key = keys.find(|key| key.method == "AES-128" && key.format == "identity");
    let key = key.ok_or(Unfit::Encrypted)?;
    let iv = match key.iv {
        Some(iv) => vector(iv).ok_or(Unfit::Encrypted)?,
        None => u128::from(segment.number).to_be_bytes(),
    };
    Ok(Some(Cipher { key: key.uri.ok_or(Unfit::Encrypted)?.to_owned(), iv }))
}

/// A hexadecimal number of 128 bits; leading zeros may be left out.
fn vector(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    u128::from_str_radix(digits, 16)
        .ok()
        .filter(|_| !digits.starts_with('+'))
        .map(u128::to_be_bytes)
}
