//! What is to be given to the client, and when: parts small enough that none of them is awaited for
//! long, and large enough that they are worth a write.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::delivery::hls::continuous::reached::End;

/// Bytes that are had before their time: a source may be slow for as long as they last. 4 s of
/// 8 Mbit/s.
const HELD_MAX: usize = 4 * 1024 * 1024;

/// The most that is given at a time: 30 ms of 8 Mbit/s.
pub(super) const PART: usize = 32 * 1024;

/// The longest stretch of the stream that is given at a time, as far as its clock tells: of radio, a
/// large part would be seconds, and a client that gets nothing for so long takes its source for dead.
const SPAN: Duration = Duration::from_millis(100);

/// What is due so soon after a part is given with it: a task that is woken for each part costs more than
/// the part.
const GATHERED: Duration = Duration::from_millis(100);

/// Bytes to be given.
pub(super) struct Ready {
    due: Instant,
    pub(super) bytes: Bytes,
    /// Of the segment that ends with them.
    pub(super) ends: Option<End>,
}

/// Parts in the order of the stream.
///
/// Memory: [`HELD_MAX`] and what is appended at once, and as much again where the parts are small or
/// fill half of their buffers.
#[derive(Default)]
pub(super) struct Queue {
    ready: VecDeque<Ready>,
    held: usize,
    /// The part that grows, when what came first in it is due, and when all of it.
    part: Vec<u8>,
    since: Option<Instant>,
    due: Option<Instant>,
    /// Parts that are due until then are given with the last one that was waited for.
    gathers: Option<Instant>,
}

impl Queue {
    /// Whether it has as much as it may.
    pub(super) fn is_full(&self) -> bool {
        self.held >= HELD_MAX
    }

    /// Whether there is nothing to be given.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.part.is_empty()
    }

    /// When the next part is due; `None`: there is none, or it is not complete.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ready.front().map(|ready| ready.due)
    }

    /// The next part, if it is due or goes with one that was.
    pub(super) fn next(&mut self, now: Instant) -> Option<Ready> {
        let until = self.gathers.map_or(now, |until| until.max(now));
        let ready = self.ready.pop_front_if(|ready| ready.due <= until)?;
        if ready.due <= now {
            self.gathers = Some(now + GATHERED);
        }
        self.held -= ready.bytes.len();
        Some(ready)
    }

    /// Where the bytes that come next are appended; [`Queue::mark`] is to follow.
    pub(super) fn part(&mut self) -> &mut Vec<u8> {
        &mut self.part
    }

    /// All that was appended is to be given at `due`.
    pub(super) fn mark(&mut self, due: Instant) {
        if self.part.is_empty() {
            return;
        }
        let since = *self.since.get_or_insert(due);
        self.due = Some(due);
        if self.part.len() >= PART || due.saturating_duration_since(since) >= SPAN {
            self.flush();
        }
    }

    /// Nothing more comes for now: what there is becomes a part.
    pub(super) fn flush(&mut self) {
        let (Some(due), false) = (self.due.take(), self.part.is_empty()) else { return };
        self.since = None;
        self.held += self.part.len();
        let bytes = if self.part.capacity() > 2 * self.part.len() {
            Bytes::copy_from_slice(&self.part)
        } else {
            // The next one will be about as large.
            let next = Vec::with_capacity(self.part.len() + self.part.len() / 8);
            Bytes::from(std::mem::replace(&mut self.part, next))
        };
        self.part.clear();
        self.ready.push_back(Ready { due, bytes, ends: None });
    }

    /// With what was appended last a segment ends. False if nothing of it is to be given any more.
    pub(super) fn ends(&mut self, end: End) -> bool {
        self.flush();
        let last = self.ready.back_mut();
        last.map(|last| last.ends = Some(end)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: End = End { source: 0, number: 7, position: Duration::ZERO };

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// When the parts of a stream are due, and how long they are, of which so many bytes are appended
    /// each so many milliseconds of its clock.
    fn parts(count: u32, bytes: usize, step: u64) -> Vec<(u64, usize)> {
        let now = Instant::now();
        let mut queue = Queue::default();
        for number in 0..count {
            queue.part().extend(vec![0x47; bytes]);
            queue.mark(now + millis(step) * number);
        }
        queue.flush();
        let parts = std::iter::from_fn(|| queue.next(now + Duration::from_secs(3600)));
        let parts: Vec<_> = parts
            .map(|part| {
                let due = u64::try_from((part.due - now).as_millis()).unwrap();
                (due, part.bytes.len())
            })
            .collect();
        assert_eq!(queue.held, 0);
        assert!(queue.is_empty());
        parts
    }

    #[test]
    fn a_part_is_as_large_as_one_may_be_or_as_long() {
        let television = parts(100, 1316, 1);
        assert!(television.iter().rev().skip(1).all(|(_, length)| *length >= PART));
        let radio = parts(100, 1316, 200);
        let radio_alone = radio.iter().take(3).copied().collect::<Vec<_>>();
        assert_eq!(radio_alone, [(200, 2632), (600, 2632), (1000, 2632)]);
        let between = parts(100, 1316, 10);
        assert_eq!(between.first(), Some(&(100, 11 * 1316)));
    }

    #[test]
    fn what_is_due_soon_is_given_with_what_is_due() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for number in 0..20 {
            queue.part().extend([0x47; PART]);
            queue.mark(now + millis(30) * number);
        }
        let mut given = |at| std::iter::from_fn(|| queue.next(now + millis(at))).count();
        assert_eq!([given(0), given(10), given(119)], [4, 0, 0]);
        assert_eq!([given(120), given(121)], [4, 0]);
    }

    #[test]
    fn what_waits_for_more_is_given_when_nothing_comes() {
        let now = Instant::now();
        let mut queue = Queue::default();
        assert!(queue.next(now).is_none() && queue.is_empty() && !queue.ends(END));
        queue.part().extend([0x47; 188]);
        queue.mark(now);
        assert!(queue.next(now).is_none() && !queue.is_empty());
        queue.flush();
        assert!(queue.next(now).is_some_and(|part| part.bytes.len() == 188 && part.ends.is_none()));
        queue.part().extend([0x47; 376]);
        queue.mark(now);
        assert!(queue.ends(END));
        assert!(queue.next(now).is_some_and(|part| part.ends.is_some_and(|end| end.number == 7)));
    }

    #[test]
    fn small_parts_are_held_in_small_buffers() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.part().extend(vec![0x47; 100_000]);
        queue.mark(now);
        while !queue.is_full() {
            queue.part().extend([0x47; 188]);
            queue.mark(now);
            queue.flush();
            assert!(queue.part.capacity() <= 100_000 * 5 / 4);
        }
        assert!(queue.held < HELD_MAX + 188);
    }
}
