//! When bytes are to be sent, so that a player gets them as fast as it plays them: segments come in
//! bursts of seconds, and what is made could come at any speed.

use std::time::Duration;

use tokio::time::Instant;

use crate::media::ts::packet::Pcr;

/// A longer step of the clock is none.
const STEP_MAX: i64 = 10 * Pcr::HZ.cast_signed();

/// Follows the clock of a stream.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How far ahead of its time everything is sent, for a player to have something in hand.
    lead: Duration,
    /// Whoever is later than that, because its client or its source paused, does not make up for it.
    late_max: Duration,
    /// When the stream would have begun had it kept to its time.
    origin: Option<Instant>,
    /// Of the stream.
    position: Duration,
    last: Option<Pcr>,
    /// Whether the clock has gone on in this segment.
    has_clock: bool,
}

impl Pace {
    /// Everything is sent `lead` ahead of its time, and what is later than `late_max` stays late.
    pub(crate) const fn new(lead: Duration, late_max: Duration) -> Self {
        let (origin, position) = (None, Duration::ZERO);
        Self { lead, late_max, origin, position, last: None, has_clock: false }
    }

    /// When bytes are to be sent whose last clock reference is `pcr`.
    pub(crate) fn due(&mut self, pcr: Option<Pcr>, now: Instant) -> Instant {
        if let Some(pcr) = pcr {
            let step = self.last.map_or(0, |last| pcr.since(last));
            self.last = Some(pcr);
            if (1..=STEP_MAX).contains(&step) {
                self.position += Duration::from_nanos(step.unsigned_abs() * 1000 / 27);
                self.has_clock = true;
            }
        }
        self.origin.get_or_insert(now);
        let due = self.time(now);
        if now.saturating_duration_since(due) > self.late_max {
            self.origin = now.checked_sub(self.position);
            return now;
        }
        due
    }

    /// When the bytes at this position are due.
    fn time(&self, now: Instant) -> Instant {
        let Some(origin) = self.origin else { return now };
        (origin + self.position).checked_sub(self.lead).unwrap_or(now).max(origin)
    }

    /// A segment of so long has ended. Where its stream has no clock, this has to do.
    pub(crate) fn segment_ends(&mut self, duration: Duration) {
        if !std::mem::take(&mut self.has_clock) {
            self.position += duration;
        }
    }

    /// By how much what is due next is late.
    pub(crate) fn late(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.time(now))
    }

    /// Everything from now on is sent later by so much.
    pub(crate) fn put_off(&mut self, by: Duration) {
        self.origin = self.origin.and_then(|origin| origin.checked_add(by));
    }

    /// Everything from now on is sent earlier by so much.
    pub(crate) fn hurry(&mut self, by: Duration) {
        self.origin = self.origin.and_then(|origin| origin.checked_sub(by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The stream's clock so many seconds before it wraps, and later.
    fn pcr(second: u64) -> Option<Pcr> {
        Some(Pcr::new(Pcr::MODULUS + second * Pcr::HZ - 3 * Pcr::HZ))
    }

    #[test]
    fn what_is_due_is_what_the_clock_says_less_what_is_sent_ahead() {
        let now = Instant::now() + seconds(3600);
        let mut pace = Pace::new(seconds(2), seconds(10));
        let due = [0, 1, 2, 3, 7].map(|second| pace.due(pcr(second), now) - now);
        assert_eq!(due, [0, 0, 0, 1, 5].map(seconds));
        pace.hurry(seconds(1));
        assert_eq!(pace.due(pcr(10), now) - now, seconds(7));
        assert_eq!(pace.due(None, now) - now, seconds(7));
        assert_eq!(pace.due(pcr(500), now) - now, seconds(7), "a jump is no step");
        assert_eq!(pace.due(pcr(501), now) - now, seconds(8));
    }

    #[test]
    fn a_little_late_is_made_up_for_and_very_late_is_not() {
        let now = Instant::now() + seconds(3600);
        let mut pace = Pace::new(seconds(0), seconds(10));
        pace.due(pcr(0), now);
        assert_eq!(pace.due(pcr(1), now + seconds(9)), now + seconds(1));
        let late = now + seconds(60);
        assert_eq!(pace.due(pcr(2), late), late);
        assert_eq!(pace.due(pcr(3), late), late + seconds(1));
    }

    #[test]
    fn what_is_put_off_is_due_later_for_good() {
        let now = Instant::now() + seconds(3600);
        let mut pace = Pace::new(seconds(2), seconds(10));
        pace.due(pcr(0), now);
        assert_eq!(pace.due(pcr(4), now + seconds(9)), now + seconds(2));
        pace.put_off(seconds(7));
        assert_eq!(pace.due(None, now + seconds(9)), now + seconds(9));
        assert_eq!(pace.due(pcr(6), now + seconds(9)), now + seconds(11));
    }

    #[test]
    fn without_a_clock_segments_are_as_long_as_their_playlist_says() {
        let now = Instant::now() + seconds(3600);
        let mut pace = Pace::new(seconds(1), seconds(10));
        assert_eq!(pace.due(None, now), now);
        pace.segment_ends(seconds(6));
        assert_eq!(pace.due(None, now), now + seconds(5));
        pace.due(pcr(0), now);
        pace.due(pcr(4), now);
        pace.segment_ends(seconds(6));
        assert_eq!(pace.due(None, now), now + seconds(9), "the clock counts");
    }
}
