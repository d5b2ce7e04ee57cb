//! How often a lane looks for events. A lane with a hundred streams would be woken thousands of times
//! a second, each time for a single one of them, and going to sleep and waking up costs more than
//! moving the bytes does. So a lane that has just looked rests for [`REST`] before it looks again,
//! and finds several streams ready, unless somebody on it is in a hurry.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two looks of a lane on which nobody is in a hurry; with the time that
/// bytes gather in a source's socket it stays below 20 ms.
const REST: Duration = Duration::from_millis(2);

/// The pace of one lane.
#[derive(Debug)]
pub struct Pace {
    /// Answers that wait for a round trip: a head, a look-up, a file that is being fetched. Written
    /// by [`Hurry`].
    hurries: AtomicUsize,
    /// When the lane last looked for events, in microseconds since `epoch`. Written by its thread.
    looked: AtomicU64,
    epoch: Instant,
    /// The lane's thread, once it runs.
    thread: OnceLock<Thread>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let (hurries, looked) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { hurries, looked, epoch: Instant::now(), thread: OnceLock::new() }
    }

    /// Somebody has something new for the lane: a rest ends now.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The lane has nothing to do and is about to look for events: it rests first, if it looked a
    /// moment ago. Called on its thread.
    pub(crate) fn rest(&self) {
        self.thread.get_or_init(thread::current);
        let now = self.micros();
        let due = self.looked.load(Ordering::Relaxed) + as_micros(REST);
        if now < due && self.hurries.load(Ordering::Relaxed) == 0 {
            thread::park_timeout(Duration::from_micros(due - now));
        }
        self.looked.store(self.micros(), Ordering::Relaxed);
    }

    fn micros(&self) -> u64 {
        as_micros(self.epoch.elapsed())
    }
}

/// Whether one connection is in a hurry, and with it its lane; not when dropped.
#[derive(Debug)]
pub struct Hurry {
    pace: std::sync::Arc<Pace>,
    on: std::sync::atomic::AtomicBool,
}

impl Hurry {
    /// Not in a hurry.
    pub(crate) fn new(pace: std::sync::Arc<Pace>) -> Self {
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_hurry_counts_once_and_ends_with_its_connection() {
        let pace = Arc::new(Pace::new());
        let hurries = || pace.hurries.load(Ordering::Relaxed);
        let (one, two) = (Hurry::new(Arc::clone(&pace)), Hurry::new(Arc::clone(&pace)));
        one.set(true);
        one.set(true);
        two.set(true);
        assert_eq!(hurries(), 2);
        two.set(false);
        two.set(false);
        assert_eq!(hurries(), 1);
        drop(one);
        assert_eq!(hurries(), 0);
    }

    #[test]
    fn a_lane_that_is_woken_does_not_rest_on() {
        let pace = Arc::new(Pace::new());
        let (resting, done) = (Arc::clone(&pace), std::sync::mpsc::channel());
        let thread = thread::spawn(move || {
            for _ in 0..100 {
                resting.rest();
            }
            done.0.send(()).unwrap();
        });
        while done.1.try_recv().is_err() {
            pace.wake();
        }
        thread.join().unwrap();
    }
}
