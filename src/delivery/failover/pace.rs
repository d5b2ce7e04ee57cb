//! How long to wait before it is tried again: between rounds, and before the first source is gone
//! back to.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after a first round in which every source failed, so that none is asked more than once a
/// second.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, before its jitter.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// The shortest wait before a failback: without one it would be due for ever while it may not be.
const FAILBACK_MIN: Duration = Duration::from_secs(1);

/// The most that the wait before a failback grows by.
const FACTOR_MAX: u32 = 16;

/// The pause after this round, from 1, before its jitter: `first`, doubled each time, up to 8 s.
pub(crate) fn pause_after(round: u32, first: Duration) -> Duration {
    let doublings = round.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(PAUSE_MAX)
}

/// The pauses between rounds. They last up to a quarter longer at random, so that sessions which
/// lost the same source at once do not all come back to it at once.
#[derive(Debug)]
pub(super) struct Pauses {
    first: Duration,
    state: u64,
}

impl Pauses {
    pub(super) fn new(first: Duration, seed: u64) -> Self {
        Self { first, state: seed }
    }

    /// The pause after this round, from 1, with its jitter.
    pub(super) fn after(&mut self, round: u32) -> Duration {
        let pause = pause_after(round, self.first);
        pause + pause / 4 * self.next() / 0x1_0000
    }

    /// 16 bits of SplitMix64: any seed will do, and quality does not matter here.
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) & 0xffff).unwrap_or_default()
    }
}

/// When the first source is tried again although another one plays.
#[derive(Debug)]
pub(super) struct Failback {
    /// `None`: never.
    after: Option<Duration>,
    /// How many times as long the next wait is.
    factor: u32,
    due: Option<Instant>,
    /// Whether the first source plays because it was gone back to.
    on_trial: bool,
}

impl Failback {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self { after, factor: 1, due: None, on_trial: false }
    }

    /// When it is due, whatever else is going on.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Another source plays now and may be left for the first one.
    pub(super) fn arm(&mut self, now: Instant) {
        self.on_trial = false;
        let wait = self.after.map(|after| (after * self.factor).max(FAILBACK_MIN));
        self.due = wait.map(|wait| now + wait);
    }

    /// A source plays now that is not to be left: the first one, or one that somebody chose.
    pub(super) fn disarm(&mut self, on_trial: bool) {
        self.on_trial = on_trial;
        self.due = None;
    }

    /// The first source failed when it was tried: the next wait is twice as long.
    pub(super) fn failed(&mut self, now: Instant) {
        self.factor = (self.factor * 2).min(FACTOR_MAX);
        self.arm(now);
    }

    /// The first source was the active and failed. One that was only just gone back to has failed
    /// as a failback, too.
    pub(super) fn first_lost(&mut self, proven: bool) {
        if proven {
            self.factor = 1;
        } else if self.on_trial {
            self.factor = (self.factor * 2).min(FACTOR_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_eight_seconds_and_last_up_to_a_quarter_longer() {
        let mut seen = Vec::new();
        for seed in 0..200 {
            let mut pauses = Pauses::new(Duration::from_secs(1), seed);
            for (round, millis) in
                [(1, 1000), (2, 2000), (3, 4000), (4, 8000), (5, 8000), (99, 8000)]
            {
                let pause = pauses.after(round);
                let least = Duration::from_millis(millis);
                assert!((least..=least * 5 / 4).contains(&pause), "{seed} {round} {pause:?}");
                seen.push(pause - least);
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 1000, "jitter that is the same for all is none");
    }
}
