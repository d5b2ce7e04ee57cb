//! How often a lane looks for events. A lane with a hundred streams would be woken thousands of times
//! a second, each time for a single one of them, and going to sleep and waking up costs more than
//! moving the bytes does. So a lane that has just looked rests for two milliseconds before it looks
//! again, and finds several streams ready.
//!
//! It does not rest while somebody on it is in a hurry, nor for a while after something has stirred
//! it (a new connection, bytes in bulk), nor when it is busy: then it finds enough by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two looks of a lane that rests.
const REST: Duration = Duration::from_millis(2);

/// How long something stirs a lane.
const STIR: Duration = Duration::from_millis(20);

/// Over which time it is judged whether a lane is busy.
const WINDOW: Duration = Duration::from_millis(20);

/// A lane that works for more than this part of the time is busy.
const BUSY_PERCENT: u64 = 15;

/// The pace of one lane. Times are microseconds since `epoch`, written by the lane's thread.
#[derive(Debug)]
pub struct Pace {
    /// Answers that wait for a round trip: a head, a look-up, a file that is being fetched. Written
    /// by [`Hurry`].
    hurries: AtomicUsize,
    /// Something stirred the lane since it last looked. Written by whoever does.
    stirred: AtomicBool,
    /// Until when it does not rest.
    awake: AtomicU64,
    /// When it last began to look for events, and when it last found some.
    looked: AtomicU64,
    found: AtomicU64,
    /// When the running window began, and how long the lane has worked in it.
    since: AtomicU64,
    worked: AtomicU64,
    /// Whether it was busy in the last window.
    busy: AtomicBool,
    epoch: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            hurries: AtomicUsize::new(0),
            stirred: AtomicBool::new(false),
            awake: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            found: AtomicU64::new(0),
            since: AtomicU64::new(0),
            worked: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            epoch: Instant::now(),
        }
    }

    /// Something new came from another thread. The caller wakes the lane's thread.
    pub(crate) fn stir(&self) {
        self.stirred.store(true, Ordering::Relaxed);
    }

    /// The lane has found events and goes to work. Called on its thread.
    pub(crate) fn work(&self) {
        self.found.store(self.micros(), Ordering::Relaxed);
    }

    /// The lane has nothing to do and is about to look for events: it rests first, if it looked a
    /// moment ago. Called on its thread.
    pub(crate) fn rest(&self) {
        let now = self.micros();
        self.judge(now);
        let due = self.looked.load(Ordering::Relaxed) + as_micros(REST);
        if now < due && self.may_rest(now) {
            thread::park_timeout(Duration::from_micros(due - now));
        }
        self.looked.store(self.micros(), Ordering::Relaxed);
    }

    fn may_rest(&self, now: u64) -> bool {
        if self.stirred.swap(false, Ordering::Relaxed) {
            self.awake.store(now + as_micros(STIR), Ordering::Relaxed);
        }
        self.hurries.load(Ordering::Relaxed) == 0
            && !self.busy.load(Ordering::Relaxed)
            && self.awake.load(Ordering::Relaxed) <= now
    }

    /// Keeps the account of how much of the time is work.
    fn judge(&self, now: u64) {
        let worked = now.saturating_sub(self.found.load(Ordering::Relaxed));
        let worked = self.worked.load(Ordering::Relaxed) + worked;
        let passed = now.saturating_sub(self.since.load(Ordering::Relaxed));
        if passed < as_micros(WINDOW) {
            return self.worked.store(worked, Ordering::Relaxed);
        }
        self.busy.store(worked * 100 > passed * BUSY_PERCENT, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.worked.store(0, Ordering::Relaxed);
    }

    fn micros(&self) -> u64 {
        as_micros(self.epoch.elapsed())
    }
}

/// Whether one connection is in a hurry, and with it its lane; not when dropped.
#[derive(Debug)]
pub struct Hurry {
    pace: Arc<Pace>,
    on: AtomicBool,
}

impl Hurry {
    /// Not in a hurry.
    pub(crate) fn new(pace: Arc<Pace>) -> Self {
        Self { pace, on: false.into() }
    }

    /// From now on it is, or is not.
    pub fn set(&self, on: bool) {
        match (self.on.swap(on, Ordering::Relaxed), on) {
            (false, true) => _ = self.pace.hurries.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.pace.hurries.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }

    /// More is about to come: the lane does not rest for a while.
    pub fn stir(&self) {
        self.pace.stir();
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.set(false);
    }
}

fn as_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hurry_counts_once_and_ends_with_its_connection() {
        let pace = Arc::new(Pace::new());
        let (one, two) = (Hurry::new(Arc::clone(&pace)), Hurry::new(Arc::clone(&pace)));
        assert!(pace.may_rest(0));
        one.set(true);
        one.set(true);
        two.set(true);
        two.set(false);
        two.set(false);
        assert!(!pace.may_rest(0), "one is still in a hurry");
        drop(one);
        assert!(pace.may_rest(0));
    }

    #[test]
    fn what_stirs_a_lane_keeps_it_awake_for_a_while() {
        let pace = Pace::new();
        pace.stir();
        assert!(!pace.may_rest(1_000));
        assert!(!pace.may_rest(20_999));
        assert!(pace.may_rest(21_000));
    }

    #[test]
    fn a_busy_lane_does_not_rest() {
        let pace = Pace::new();
        // Each millisecond it works so many microseconds.
        let work = |micros: u64, from: u64| {
            for now in (from..from + 100_000).step_by(1000) {
                pace.found.store(now, Ordering::Relaxed);
                pace.judge(now + micros);
            }
        };
        work(100, 0);
        assert!(pace.may_rest(0));
        work(250, 100_000);
        assert!(!pace.may_rest(0));
        work(100, 200_000);
        assert!(pace.may_rest(0));
    }
}
