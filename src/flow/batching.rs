//! How many bytes may gather in a source's socket before they are worth a wake-up. Pure: what was
//! read and when goes in, a low-water mark comes out.
//!
//! A source that sends a packet at a time would wake its stream for each of them, and at live bit
//! rates wake-ups cost more than bytes do. So bytes gather for [`GATHER`] at the rate that was last
//! seen. They never wait longer than [`LATE`]: then the mark falls to one byte at once, and a source
//! that pauses between its bursts is left in peace for longer each time.

use std::time::Duration;

use tokio::time::Instant;

/// What the mark aims at: a wake-up each so often.
const GATHER: Duration = Duration::from_millis(16);

/// The longest that a byte waits for others; the timer's millisecond and a lane's rest of two come on
/// top. Not less: many sources write every ten milliseconds, and this lets two writes gather.
pub(crate) const LATE: Duration = Duration::from_millis(19);

/// The time over which the rate is measured, from a stream's start and ever after.
const WINDOW: Duration = Duration::from_millis(250);

/// The highest mark: beyond it a wake-up is well paid for.
const MARK_MAX: u32 = 128 * 1024;

/// Below it a mark saves too little.
const MARK_MIN: u32 = 4 * 1024;

/// The longest time without a mark after one that was late, in windows.
const PENALTY_MAX: u32 = 64;

/// Decides the low-water mark of one source's socket.
#[derive(Debug)]
pub(crate) struct Batching {
    /// In force now; 1 wakes for every byte.
    mark: u32,
    /// When the running window began.
    since: Instant,
    /// Bytes read since then, and in how many reads.
    bytes: u64,
    reads: u32,
    /// Whether bytes came late in this window.
    late: bool,
    /// Windows to go without a mark.
    rest: u32,
    /// How long the next such rest will be.
    penalty: u32,
}

impl Batching {
    /// For a stream that begins: its first bytes are told of at once.
    pub(crate) fn new(now: Instant) -> Self {
        Self { mark: 1, since: now, bytes: 0, reads: 0, late: false, rest: 0, penalty: 1 }
    }

    /// The mark in force.
    pub(crate) fn mark(&self) -> u32 {
        self.mark
    }

    /// `count` bytes were read. Answers the new mark where it changes.
    pub(crate) fn read(&mut self, count: usize, now: Instant) -> Option<u32> {
        self.bytes += count as u64;
        self.reads += 1;
        let passed = now.saturating_duration_since(self.since);
        if passed < WINDOW {
            return None;
        }
        // A source that sends in bursts of its own gathers for us: a mark would only cost a timer.
        let often = GATHER * self.reads > passed * 5 / 4;
        let wanted = if often || self.mark > 1 { gathered(self.bytes, passed) } else { 1 };
        self.since = now;
        self.bytes = 0;
        self.reads = 0;
        if std::mem::take(&mut self.late) {
            self.rest = self.penalty;
            self.penalty = (self.penalty * 2).min(PENALTY_MAX);
        } else if self.rest > 0 {
            self.rest -= 1;
        } else if self.mark > 1 {
            // A whole window with a mark, and nothing late.
            self.penalty = (self.penalty / 2).max(1);
        }
        self.change(if self.rest > 0 { 1 } else { wanted })
    }

    /// Nothing was told of for [`LATE`]: what is there must not wait any longer. Answers the new
    /// mark where it changes.
    pub(crate) fn late(&mut self) -> Option<u32> {
        self.late = true;
        self.change(1)
    }

    fn change(&mut self, mark: u32) -> Option<u32> {
        // Small changes are not worth a call of the kernel.
        let near = mark > 1 && mark.abs_diff(self.mark) < self.mark / 4;
        if near || mark == self.mark {
            return None;
        }
        self.mark = mark;
        Some(mark)
    }
}

/// What gathers in [`GATHER`] at the rate of `bytes` in `passed`, as a mark.
fn gathered(bytes: u64, passed: Duration) -> u32 {
    let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX).max(1);
    let gather = GATHER.subsec_micros().into();
    let mark = bytes.saturating_mul(gather) / micros;
    let mark = u32::try_from(mark).unwrap_or(MARK_MAX).min(MARK_MAX);
    if mark < MARK_MIN { 1 } else { mark }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(batching: &mut Batching, now: &mut Instant, rate: usize, millis: u64) -> Vec<u32> {
        let mut marks = Vec::new();
        for _ in 0..millis / 10 {
            *now += Duration::from_millis(10);
            marks.extend(batching.read(rate / 100, *now));
        }
        marks
    }

    #[test]
    fn a_steady_stream_gathers_sixteen_milliseconds() {
        let mut now = Instant::now();
        let mut batching = Batching::new(now);
        assert_eq!(batching.mark(), 1);
        assert_eq!(play(&mut batching, &mut now, 1_000_000, 2_000), [16_000]);
        assert_eq!(play(&mut batching, &mut now, 1_100_000, 2_000), [] as [u32; 0], "near enough");
        assert_eq!(play(&mut batching, &mut now, 100_000_000, 2_000).last(), Some(&MARK_MAX));
        assert_eq!(play(&mut batching, &mut now, 25_000, 2_000).last(), Some(&1), "too thin");
    }

    #[test]
    fn a_source_that_sends_in_bursts_of_its_own_needs_no_mark() {
        let mut now = Instant::now();
        let mut batching = Batching::new(now);
        for _ in 0..100 {
            now += Duration::from_millis(20);
            assert_eq!(batching.read(10_000, now), None);
        }
    }

    #[test]
    fn what_comes_late_is_told_of_at_once_and_a_source_that_pauses_is_left_in_peace() {
        let mut now = Instant::now();
        let mut batching = Batching::new(now);
        let mut rests = Vec::new();
        for _ in 0..4 {
            let before = now;
            while batching.mark() == 1 {
                play(&mut batching, &mut now, 1_000_000, 10);
            }
            rests.push(now - before);
            assert_eq!(batching.late(), Some(1));
            assert_eq!(batching.late(), None);
        }
        let millis: Vec<_> = rests.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [250, 500, 750, 1250]);
        play(&mut batching, &mut now, 1_000_000, 60_000);
        assert_eq!(batching.penalty, 1, "all is forgiven after a steady minute");
    }
}
