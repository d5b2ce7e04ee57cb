//! How often a process is started again, and after how long. Pure.

use std::time::Duration;

/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A process that has run for so long was a good one: what failed before it is forgotten.
const GOOD: Duration = Duration::from_secs(60);

/// Failures in a row, and how many there may be.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    restarts: u32,
    failures: u32,
}

impl Budget {
    /// For so many failures in a row that a process is started again after.
    pub(super) fn new(restarts: u32) -> Self {
        Self { restarts, failures: 0 }
    }

    /// A process that has run for `ran` has failed: how long to wait for the next one. `None` when it
    /// is given up.
    pub(super) fn failed(&mut self, ran: Duration) -> Option<Duration> {
        if ran >= GOOD {
            self.failures = 0;
        }
        let doubled = PAUSE.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        (self.failures <= self.restarts).then_some(doubled.min(PAUSE_MAX))
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit_and_then_it_is_given_up() {
        let mut budget = Budget::new(8);
        let pauses: Vec<_> = (0..8).map(|_| budget.failed(PAUSE).unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!((budget.failed(PAUSE), budget.failures()), (None, 9));
        assert_eq!(Budget::new(0).failed(PAUSE), None);
    }

    #[test]
    fn a_good_run_begins_anew() {
        let mut budget = Budget::new(2);
        budget.failed(PAUSE);
        budget.failed(PAUSE);
        assert_eq!(budget.failed(GOOD), Some(PAUSE));
        assert_eq!(budget.failures(), 1);
        let mut many = Budget::new(u32::MAX);
        assert!((0..100).all(|_| many.failed(PAUSE).is_some_and(|pause| pause <= PAUSE_MAX)));
    }
}
