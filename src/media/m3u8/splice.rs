//! One rendition as one client sees it while the source behind it changes: the client reloads the
//! same URL, and the list of another source has to continue the list it knows (8216 sections 6.2.1
//! and 6.2.2).

use std::time::Duration;

use crate::media::m3u8::Error;
use crate::media::m3u8::Media;
use crate::media::m3u8::Playlist;
use crate::media::m3u8::Segment;
use crate::media::m3u8::read;
use render::View;

#[cfg(test)]
mod model;
mod render;
#[cfg(test)]
mod tests;

/// How many segments from the beginning of a list are remembered, of all and of those shown.
const REMEMBERED: usize = 32;

/// The state of one rendition of one session. About 2 KiB.
///
/// While the source has never changed, lists pass unchanged. At a change the first segment that is
/// offered of the new source gets the number after the highest that the client has seen, parts of a
/// segment included, and EXT-X-DISCONTINUITY stands before it. Offered is
///
/// - of a live list: the last segments that make three target durations together, at least one;
/// - of a list with EXT-X-ENDLIST: what lies after the position reached, which is the sum of the
///   durations of all segments that the client was offered; the segment that has it in its first
///   half is the first, at least the last segment is offered;
/// - of a list without segments: nothing, and the next list is the change.
///
/// A source whose media sequence numbers go back has restarted, which is a change as well, unless
/// it still has a segment of before under the same number and URI: then a cache gave an old list,
/// whose segments from before the newest list's first are left out. Where the end of a list lies
/// before what the client knows as well ([`Splice::is_older`]), it is better given the newest list
/// again: to follow that once more changes nothing.
///
/// A client that has seen EXT-X-ENDLIST does not reload. One that asks all the same starts anew:
/// if the source has changed it gets the list of that unchanged, and everything begins again.
#[derive(Clone, Debug, Default)]
pub struct Splice {
    source: Option<u32>,
    run: Run,
    is_shifted: bool,
    /// A change that waits for a list with segments.
    is_due: bool,
    /// The client's numbers: the first in its list, the one after the highest it has seen.
    first: u64,
    next: u64,
    /// The highest discontinuity sequence number that the client has seen on a segment, and the
    /// one its list began with.
    discontinuity: u64,
    discontinuity_sequence: u64,
    /// What the client was offered, up to a number.
    offered: Duration,
    offered_next: u64,
    is_ended: bool,
    /// The source's own first number, and the one after its highest that was shown.
    source_first: u64,
    source_next: u64,
    remembered: Vec<Remembered>,
}

/// How numbers of the source become numbers of the client, from one segment on. The default leaves
/// them as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    source_number: u64,
    number: u64,
    source_discontinuity: u64,
    discontinuity: u64,
}

/// A segment of the list before.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    source_number: u64,
    uri: u64,
    /// As the client knows it; `None` where it was not shown.
    discontinuity: Option<u64>,
}

impl Run {
    const fn number(&self, source_number: u64) -> u64 {
        self.number.saturating_add(source_number.saturating_sub(self.source_number))
    }

    const fn discontinuity(&self, source_discontinuity: u64) -> u64 {
        let since = source_discontinuity.saturating_sub(self.source_discontinuity);
        self.discontinuity.saturating_add(since)
    }
}

impl Splice {
    /// Before the first list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the list that `source` has now and gives the one for the client. URIs may stand as the
    /// source wrote them, which is how old lists are told from restarts, or be rewritten.
    ///
    /// # Errors
    /// As [`read()`](crate::media::m3u8::read()); [`Error::NotMedia`]; [`Error::Delta`] where the
    /// list is a delta update and cannot be used. Nothing has changed then.
    pub fn follow(&mut self, playlist_text: &str, source: u32) -> Result<String, Error> {
        let Playlist::Media(media) = read(playlist_text)? else { return Err(Error::NotMedia) };
        let mut next = self.clone();
        let text = next.step(playlist_text, &media, source)?;
        *self = next;
        Ok(text)
    }

    /// Whether the list that `source` has now ends before what the client was given of that source, as
    /// one from a cache that lags does: then the client is to be given the newest list again. `false`
    /// for what [`Splice::follow`] takes for a change or a restart, for a list that has other segments
    /// under the numbers of before, of which nothing can be said, and for what is no media playlist.
    #[must_use]
    pub fn is_older(&self, playlist_text: &str, source: u32) -> bool {
        let Ok(Playlist::Media(media)) = read(playlist_text) else { return false };
        let is_same = self.source == Some(source) && !self.is_due && !self.has_restarted(&media);
        let known = self.remembered.iter().map(|one| (one.source_number, one.uri));
        is_same
            && Self::end(&media) < self.source_next
            && !media.contradicts(known, Segment::identity)
    }

    /// Whether `_HLS_skip` may be passed on, so that a delta update comes back: `false` for good
    /// once numbers are shifted. The first request to another source must never have it, nor
    /// `_HLS_msn` and `_HLS_part`.
    #[must_use]
    pub const fn may_skip(&self) -> bool {
        !self.is_shifted
    }

    /// What the client's media sequence numbers are above the source's own: `_HLS_msn` has to be
    /// lessened by it.
    #[must_use]
    pub fn shift(&self) -> i128 {
        i128::from(self.run.number) - i128::from(self.run.source_number)
    }

    fn step(&mut self, text: &str, media: &Media<'_>, source: u32) -> Result<String, Error> {
        let is_other = self.source.is_some_and(|known| known != source);
        let is_change = is_other || self.is_due || self.has_restarted(media);
        if is_change && self.is_ended {
            *self = Self::new();
        } else if is_change {
            if media.skipped > 0 {
                return Err(Error::Delta);
            }
            self.change(media);
        }
        self.source = Some(source);
        let cut =
            if self.is_due { u64::MAX } else { self.run.source_number.max(self.source_first) };
        let shown = media.segments.iter().position(|one| one.number >= cut && !self.is_due);
        let shown = shown.unwrap_or(media.segments.len());
        if !self.is_shifted && shown == 0 {
            self.note(media, 0);
            return Ok(text.to_owned());
        }
        if media.skipped > 0 {
            return Err(Error::Delta);
        }
        let view = self.note(media, shown);
        render::render(text, media, &view)
    }

    /// Whether the numbers of the source begin anew; see the type.
    fn has_restarted(&self, media: &Media<'_>) -> bool {
        if self.source.is_none() || media.media_sequence >= self.source_first {
            return false;
        }
        let is_known = |one: &Remembered| {
            media.numbered(one.source_number).is_some_and(|segment| segment.identity() == one.uri)
        };
        !self.remembered.iter().any(is_known)
    }

    /// The number after the last segment of a list, one that is there in part included.
    fn end(media: &Media<'_>) -> u64 {
        let first = media.media_sequence.saturating_add(media.skipped);
        let next = media.segments.last().map_or(first, |last| last.number.saturating_add(1));
        next.saturating_add(u64::from(media.has_partial_segment))
    }

    /// Chooses where in the new list the client goes on.
    fn change(&mut self, media: &Media<'_>) {
        self.is_shifted = true;
        (self.source_first, self.source_next) = (0, 0);
        self.remembered.clear();
        let index = if media.is_ended { media.index_at(self.offered) } else { media.live_edge() };
        let Some(segment) = media.segments.get(index) else {
            self.is_due = true;
            return;
        };
        self.is_due = false;
        self.run = Run {
            source_number: segment.number,
            number: self.next,
            source_discontinuity: segment.discontinuity,
            discontinuity: self.discontinuity.saturating_add(segment.discontinuities.max(1)),
        };
    }

    /// Notes what the client will know once it has the segments from index `shown` on.
    fn note(&mut self, media: &Media<'_>, shown: usize) -> View {
        let segments = media.segments.get(shown..).unwrap_or_default();
        let is_joined = self.is_shifted
            && segments.first().is_some_and(|first| first.number == self.run.source_number);
        let base = segments.first().map_or(0, |first| self.discontinuity_of(first));
        let source_base = segments.first().map_or(0, |first| first.discontinuity);
        let discontinuity =
            |one: &Segment<'_>| base.saturating_add(one.discontinuity.saturating_sub(source_base));
        self.begin_list(media, segments.first(), base, is_joined);
        for segment in segments {
            let number = self.run.number(segment.number);
            if number >= self.offered_next {
                self.offered = self.offered.saturating_add(segment.duration);
                self.offered_next = number.saturating_add(1);
            }
            self.next = self.next.max(number.saturating_add(1));
            self.discontinuity = self.discontinuity.max(discontinuity(segment));
        }
        if !segments.is_empty() {
            self.source_next = self.source_next.max(Self::end(media));
        }
        if let Some(last) = segments.last().filter(|_| media.has_partial_segment) {
            self.next = self.next.max(self.run.number(last.number).saturating_add(2));
            let partial = discontinuity(last).saturating_add(media.last_discontinuities);
            self.discontinuity = self.discontinuity.max(partial);
        }
        self.source_first = self.source_first.max(media.media_sequence);
        self.is_ended = media.is_ended;
        let hidden = media.segments.iter().take(shown.min(REMEMBERED)).map(|one| (one, None));
        let known = segments.iter().take(REMEMBERED).map(|one| (one, Some(discontinuity(one))));
        let remember = |(one, discontinuity): (&Segment<'_>, _)| Remembered {
            source_number: one.number,
            uri: one.identity(),
            discontinuity,
        };
        self.remembered = hidden.chain(known).map(remember).collect();
        View {
            shown,
            media_sequence: self.first,
            discontinuity_sequence: self.discontinuity_sequence,
            is_joined,
            is_shifted: self.is_shifted,
            is_renumbered: self.shift() != 0,
        }
    }

    /// Notes the numbers that the client's list begins with.
    fn begin_list(
        &mut self,
        media: &Media<'_>,
        first: Option<&Segment<'_>>,
        discontinuity: u64,
        is_joined: bool,
    ) {
        let (number, sequence) = match first {
            Some(first) => {
                let number = self.run.number(first.number.saturating_sub(media.skipped));
                let tags = first.discontinuities.max(u64::from(is_joined));
                (number, discontinuity.saturating_sub(tags))
            }
            None if self.is_due => (self.next, self.discontinuity),
            None if media.segments.is_empty() && !self.is_shifted => {
                let partial = u64::from(media.has_partial_segment);
                self.next = self.next.max(media.media_sequence.saturating_add(partial));
                self.discontinuity = self.discontinuity.max(media.discontinuity_sequence);
                (media.media_sequence, media.discontinuity_sequence)
            }
            None => (0, 0),
        };
        self.first = self.first.max(number);
        self.discontinuity_sequence = self.discontinuity_sequence.max(sequence);
    }

    /// The discontinuity sequence number that the client knows a segment by. Sources that do not
    /// count the discontinuities that leave their list are believed for new segments only.
    fn discontinuity_of(&self, segment: &Segment<'_>) -> u64 {
        if !self.is_shifted {
            return segment.discontinuity;
        }
        let known = self.remembered.iter().find(|one| one.source_number == segment.number);
        known
            .and_then(|known| known.discontinuity)
            .unwrap_or_else(|| self.run.discontinuity(segment.discontinuity))
    }
}
