//! When sources are tried again while a slate is shown.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);

/// The longest, before its jitter.
const LONGEST: Duration = Duration::from_secs(15);

/// The pauses between searches: each is twice as long as the last, 15 s at most, and lasts up to a
/// quarter longer, by the session, so that those which lost the same source at once do not all come
/// back to it at once.
#[derive(Debug)]
pub(crate) struct Again {
    seed: u64,
    searches: u32,
    due: Option<Instant>,
}

impl Again {
    /// Nothing is to be tried again.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, searches: 0, due: None }
    }

    /// A search ended at `now` in vain: when the next one is due.
    pub(crate) fn later(&mut self, now: Instant) {
        let pause = FIRST.saturating_mul(1 << self.searches.min(8)).min(LONGEST);
        self.searches = self.searches.saturating_add(1);
        let dice = self.seed.wrapping_mul(u64::from(self.searches) + 40).wrapping_mul(7919) % 1000;
        let jitter = pause / 4 * u32::try_from(dice).unwrap_or(0) / 1000; // Always fits.
        self.due = Some(now + pause + jitter);
    }

    /// When the next search is due; `None`: one is going on, or none is needed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is due at `now`. Then it has begun.
    pub(crate) fn begins(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// A source plays.
    pub(crate) fn rest(&mut self) {
        (self.searches, self.due) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_second_to_a_quarter_of_a_minute() {
        for seed in 0..1000 {
            let now = Instant::now();
            let mut again = Again::new(seed);
            assert!(!again.begins(now));
            for millis in [1000, 2000, 4000, 8000, 15_000, 15_000] {
                again.later(now);
                let pause = again.due().unwrap() - now;
                let least = Duration::from_millis(millis);
                assert!((least..=least * 5 / 4).contains(&pause), "{seed}: {pause:?}");
                assert!(!again.begins(now + pause - Duration::from_millis(1)));
                assert!(again.begins(now + pause));
                assert_eq!(again.due(), None);
            }
            again.rest();
            again.later(now);
            assert!(again.due().unwrap() - now < Duration::from_secs(2));
        }
    }
}
