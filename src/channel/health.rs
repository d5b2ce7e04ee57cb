//! How a source has fared, as far as it decides which source is tried next. Pure: results and
//! times go in, a standing comes out. One per source, shared by all sessions of its channel.
//!
//! Results come from attempts to open the source and from streams of it that died. A client that
//! leaves says nothing about its source. The transitions:
//!
//! | from | on | to |
//! |---|---|---|
//! | Good | failure | Cooling; for the configured time if Good has lasted a minute, else for twice the last time |
//! | Cooling | failure | Cooling, for its length from now; many sessions may die of one outage |
//! | Cooling | its time is over | Probation |
//! | Probation | failure | Cooling, twice as long as the last time |
//! | any | success | Good |

use std::time::Duration;

use tokio::time::Instant;

/// A source that was good for so long has its past failures forgiven. Shorter successes forgive
/// nothing, or a source that plays for a second at a time would never cool down for longer.
const FORGIVEN: Duration = Duration::from_secs(60);

/// The cooldown doubles up to `1 << STEPS_MAX` times the configured one.
const STEPS_MAX: u32 = 3;

/// Bounds of what a provider asks for with Retry-After (RFC 9110, 10.2.3).
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What a failure says about the time to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything that may be better in a moment: no connection, a server's error, a broken stream.
    Ordinary,
    /// A limit was reached (429, 456, 458, 509), with what the provider asked for in Retry-After:
    /// the source cools down for that, at least 1 s and at most 1 h.
    Limited(Option<Duration>),
    /// The credentials are refused (401, 403, 407): the longest cooldown at once.
    Credentials,
    /// The stream is not there (404, 410): the longest cooldown at once.
    Gone,
}

/// Whether a source may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known against it.
    Good,
    /// It failed a short while ago: not to be tried as long as another one is left.
    Cooling,
    /// It has cooled down and may be tried; one more failure and it cools down for twice as long.
    Probation,
}

/// One source's health; see the module. 40 bytes.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
    /// Failures that were not forgiven, those within a cooldown counted once; `STEPS_MAX + 1` at
    /// most.
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// With the time of the first success after a failure.
    Good { since: Option<Instant> },
    /// Probation once `until` has passed.
    Cooling { until: Instant },
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// A source that nothing is known of.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Good { since: None }, failures: 0 }
    }

    /// Whether it may be tried now.
    #[must_use]
    pub fn standing(&self, now: Instant) -> Standing {
        match self.state {
            State::Good { .. } => Standing::Good,
            State::Cooling { until } if now < until => Standing::Cooling,
            State::Cooling { .. } => Standing::Probation,
        }
    }

    /// An attempt failed, or a running stream died. `cooldown` is the configured one; with zero the
    /// source never cools, whatever happens.
    pub fn failed(&mut self, now: Instant, kind: Kind, cooldown: Duration) {
        if let State::Good { since: Some(since) } = self.state
            && now.saturating_duration_since(since) >= FORGIVEN
        {
            self.failures = 0;
        }
        if self.standing(now) != Standing::Cooling {
            self.failures = (self.failures + 1).min(STEPS_MAX + 1);
        }
        if cooldown.is_zero() {
            return;
        }
        let until = now + self.length(kind, cooldown);
        self.state = match self.state {
            State::Cooling { until: before } => State::Cooling { until: before.max(until) },
            State::Good { .. } => State::Cooling { until },
        };
    }

    /// An attempt brought usable bytes.
    pub fn succeeded(&mut self, now: Instant) {
        if let State::Cooling { .. } = self.state {
            self.state = State::Good { since: Some(now) };
        }
    }

    /// How long a failure of this kind is to be remembered.
    fn length(&self, kind: Kind, cooldown: Duration) -> Duration {
        let steps = match kind {
            Kind::Limited(Some(asked)) => return asked.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX),
            Kind::Ordinary | Kind::Limited(None) => self.failures.saturating_sub(1).min(STEPS_MAX),
            Kind::Credentials | Kind::Gone => STEPS_MAX,
        };
        cooldown.saturating_mul(1 << steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(30);

    /// For how many seconds from `now` the source cools down, and what it is then.
    fn cools(health: &Health, now: Instant) -> (u64, Standing) {
        let standing = |seconds| health.standing(now + Duration::from_secs(seconds));
        let end = (0..).find(|&seconds| standing(seconds) != Standing::Cooling).unwrap();
        (end, standing(end))
    }

    #[test]
    fn a_source_that_keeps_failing_is_left_alone_for_longer_each_time() {
        let mut now = Instant::now();
        let mut health = Health::new();
        assert_eq!(cools(&health, now), (0, Standing::Good));
        for seconds in [30, 60, 120, 240, 240] {
            health.failed(now, Kind::Ordinary, COOLDOWN);
            assert_eq!(cools(&health, now), (seconds, Standing::Probation));
            now += Duration::from_secs(seconds + 100);
        }
        health.succeeded(now);
        assert_eq!(health.standing(now), Standing::Good);
    }

    #[test]
    fn a_minute_of_success_forgives_and_a_moment_does_not() {
        for (seconds, expected) in [(59, 60), (60, 30)] {
            let mut now = Instant::now();
            let mut health = Health::new();
            health.failed(now, Kind::Ordinary, COOLDOWN);
            now += COOLDOWN;
            health.succeeded(now);
            health.succeeded(now + Duration::from_secs(seconds));
            now += Duration::from_secs(seconds);
            health.failed(now, Kind::Ordinary, COOLDOWN);
            assert_eq!(cools(&health, now), (expected, Standing::Probation));
        }
    }

    #[test]
    fn many_sessions_that_lose_one_source_count_as_one_failure() {
        let now = Instant::now();
        let mut health = Health::new();
        for late in 0..20 {
            health.failed(now + Duration::from_secs(late), Kind::Ordinary, COOLDOWN);
        }
        assert_eq!(cools(&health, now), (19 + 30, Standing::Probation));
    }

    #[test]
    fn what_the_source_says_decides_how_long() {
        let limited = |seconds| Kind::Limited(Some(Duration::from_secs(seconds)));
        let cases = [
            (Kind::Limited(None), 30),
            (limited(0), 1),
            (limited(77), 77),
            (limited(999_999), 3600),
            (Kind::Credentials, 240),
            (Kind::Gone, 240),
        ];
        for (kind, seconds) in cases {
            let now = Instant::now();
            let mut health = Health::new();
            health.failed(now, kind, COOLDOWN);
            health.failed(now, limited(1), COOLDOWN);
            assert_eq!(cools(&health, now).0, seconds, "{kind:?}: a shorter one takes nothing off");
            let mut health = Health::new();
            health.failed(now, kind, Duration::ZERO);
            assert_eq!(health.standing(now), Standing::Good, "{kind:?}");
        }
    }
}
