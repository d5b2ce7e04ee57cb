//! One connection's stream: which picture is due when, and in what pieces it is written.

use super::media::Counters;
use super::media::GROUP;
use super::media::Media;
use super::media::PICTURE;

/// Where a new connection's stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the last random access point, what is late of it at once: a server that keeps the
    /// last picture group for newcomers.
    Group,
    /// In the middle of a picture, wherever the source is: a receiver.
    Anywhere,
}

/// See the module.
pub(crate) struct Timeline {
    /// When picture 0 began.
    begun: u64,
    /// Bytes that are written at once.
    piece: usize,
    /// The picture to be made next.
    next: u64,
    /// The picture of which the beginning was left out.
    partial: Option<u64>,
    counters: Counters,
    /// What is made and not written, from `at` on.
    made: Vec<u8>,
    at: usize,
    /// Where the last picture made begins and where its video does and ends.
    last: (usize, usize, usize),
}

/// Where a stream was cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Torn {
    pub(crate) packet: bool,
    pub(crate) picture: bool,
}

impl Timeline {
    /// A stream of a channel whose picture 0 began at `begun`.
    pub(crate) fn new(media: &Media, start: Start, begun: u64, now: u64) -> Self {
        let current = now.saturating_sub(begun) / PICTURE;
        let next = if start == Start::Group { current / GROUP * GROUP } else { current };
        let mut timeline = Self {
            begun,
            piece: media.piece,
            next,
            partial: (start == Start::Anywhere).then_some(next),
            counters: Counters::default(),
            made: Vec::new(),
            at: 0,
            last: (0, 0, 0),
        };
        if start == Start::Anywhere {
            timeline.make(media);
            timeline.at = timeline.elapsed_part(now) / 188 * 188;
        }
        timeline
    }

    /// What is to be written now.
    pub(crate) fn due(&mut self, media: &Media, now: u64) -> &[u8] {
        self.forget();
        while self.time_of(self.next) <= now {
            self.make(media);
        }
        let until = self.elapsed_part(now);
        self.made.get(self.at..until).unwrap_or_default()
    }

    /// When there is more.
    pub(crate) fn next_due(&self, now: u64) -> u64 {
        let (begin, ..) = self.last;
        let pieces = (self.made.len() - begin).div_ceil(self.piece).max(1) as u64;
        let piece = PICTURE / pieces;
        let picture = self.time_of(self.next.saturating_sub(1));
        let past = now.saturating_sub(picture) / piece + 1;
        (picture + past * piece).min(self.time_of(self.next)).max(now + 1)
    }

    /// So many bytes were written.
    pub(crate) fn written(&mut self, count: usize) {
        self.at += count;
    }

    /// A part of the next piece, cut somewhere (`random` says where) before the stream breaks off.
    pub(crate) fn rest(&mut self, media: &Media, random: u64) -> &[u8] {
        self.forget();
        if self.made.is_empty() {
            self.make(media);
        }
        let count = random as usize % self.piece;
        self.made.get(self.at..self.made.len().min(self.at + count)).unwrap_or_default()
    }

    /// What is torn if nothing more is written.
    pub(crate) fn torn(&self) -> Torn {
        let (begin, video, end) = self.last;
        Torn {
            packet: (self.at.saturating_sub(begin)) % 188 != 0,
            picture: (video + 1..end).contains(&self.at),
        }
    }

    /// Whether a random access point has been written from its beginning.
    pub(crate) fn has_begun_group(&self) -> bool {
        let made = self.next.saturating_sub(1);
        made.is_multiple_of(GROUP) && Some(made) != self.partial && self.at > self.last.1
    }

    /// Forgets what is written, once all is.
    fn forget(&mut self) {
        if self.at == self.made.len() {
            self.made.clear();
            (self.at, self.last) = (0, (0, 0, 0));
        }
    }

    fn make(&mut self, media: &Media) {
        let begin = self.made.len();
        let (video, end) = media.write(self.next, &mut self.counters, &mut self.made);
        self.last = (begin, video, end);
        self.next += 1;
    }

    /// How far what is made should be written by now.
    fn elapsed_part(&self, now: u64) -> usize {
        let (begin, ..) = self.last;
        let len = self.made.len() - begin;
        let pieces = len.div_ceil(self.piece).max(1) as u64;
        let elapsed = now.saturating_sub(self.time_of(self.next.saturating_sub(1)));
        let done = (elapsed / (PICTURE / pieces) + 1).min(pieces) as usize;
        begin + len.min(done * self.piece)
    }

    fn time_of(&self, picture: u64) -> u64 {
        self.begun + picture * PICTURE
    }
}
