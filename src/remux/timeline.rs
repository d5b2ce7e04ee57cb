//! When each frame of sound is due. Samples are counted; the times of PES packets say whether the count is right.
//! Small differences are jitter until they stay, larger ones are sound that is missing or too much, and beyond
//! [`STEP_MAX`] the clock has jumped.

use crate::media::ts::pes::Pts;
use crate::remux::time::Flicks;

/// A difference that stays is corrected once it is more than this.
const DRIFT_MAX: Flicks = Flicks::micros(500);

/// A larger difference is no jitter, as far as it can be told.
const JITTER_MAX: Flicks = Flicks::millis(10);

/// A larger difference is no missing sound but another clock.
pub(super) const STEP_MAX: Flicks = Flicks::millis(200);

/// The part of a difference that is believed at once, as a divisor.
const SMOOTHING: i64 = 8;

/// Implausible times in a row after which they are believed.
const DOUBTS_MAX: u8 = 3;

/// Where the samples of a track stand in time.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// When the next frame is due; `None` before the first time.
    next: Option<Flicks>,
    /// How much later than counted times have been of late.
    drift: Flicks,
    /// Times in a row that were not believed.
    doubts: u8,
}

/// Where the next frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Nothing is known of its time: it is left out.
    Nowhere,
    /// It follows.
    Follows,
    /// It begins so much later, or earlier, than what came before it ended.
    Moved(Flicks),
    /// The clock begins anew with it.
    Jump(Flicks),
}

impl Timeline {
    /// When the next frame is due.
    pub(super) const fn next(&self) -> Option<Flicks> {
        self.next
    }

    /// Places the next frame, whose PES packet says `pts`, if it says anything. `is_plausible`: that can be, by the
    /// clock of the programme.
    pub(super) fn place(&mut self, pts: Option<Pts>, is_plausible: bool) -> Placement {
        let Some(next) = self.next else {
            let Some(pts) = pts else { return Placement::Nowhere };
            let at = Flicks::ZERO.near(pts);
            self.next = Some(at);
            return Placement::Jump(at);
        };
        let Some(pts) = pts else { return Placement::Follows };
        let at = next.near(pts);
        let late = at.minus(next);
        if late.abs() <= JITTER_MAX {
            self.doubts = 0;
            return self.correct(late);
        }
        if !is_plausible && self.doubts < DOUBTS_MAX {
            self.doubts += 1;
            return Placement::Follows;
        }
        self.doubts = 0;
        self.drift = Flicks::ZERO;
        self.next = Some(at);
        if late.abs() > STEP_MAX { Placement::Jump(at) } else { Placement::Moved(late) }
    }

    /// Small differences: only what stays of them is corrected.
    fn correct(&mut self, late: Flicks) -> Placement {
        let step = late.minus(self.drift).0 / SMOOTHING;
        self.drift = self.drift.plus(Flicks(step));
        let drift = self.drift;
        if drift.abs() <= DRIFT_MAX {
            return Placement::Follows;
        }
        self.drift = Flicks::ZERO;
        self.next = self.next.map(|next| next.plus(drift));
        Placement::Moved(drift)
    }

    /// So much sound was appended, or left out on purpose.
    pub(super) fn advance(&mut self, by: Flicks) {
        self.next = self.next.map(|next| next.plus(by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Flicks = Flicks::ticks(2880);

    fn at(timeline: &mut Timeline, ticks: u64) -> Placement {
        let placement = timeline.place(Some(Pts::new(ticks)), true);
        timeline.advance(FRAME);
        placement
    }

    #[test]
    fn frames_follow_by_count_and_jitter_is_nothing() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place(None, true), Placement::Nowhere);
        assert_eq!(timeline.next(), None);
        assert_eq!(at(&mut timeline, 1000), Placement::Jump(Flicks::ticks(1000)));
        for (frame, jitter) in (1..200_u64).zip([0, 90, 3, 60, 1, 30, 85, 20].iter().cycle()) {
            let due = 1000 + 2880 * frame;
            let told = if frame % 2 == 0 { due + jitter } else { due - jitter };
            assert_eq!(at(&mut timeline, told), Placement::Follows, "{frame}");
        }
        assert_eq!(timeline.next(), Some(Flicks::ticks(1000 + 2880 * 200)));
    }

    #[test]
    fn what_stays_is_corrected_before_it_is_a_millisecond() {
        let mut timeline = Timeline::default();
        at(&mut timeline, 0);
        let (mut corrected, mut worst) = (0, 0);
        for frame in 1..200_000_u64 {
            // 20 ppm slower than it says.
            let told = 2880 * frame + 2880 * frame / 50_000;
            match timeline.place(Some(Pts::new(told)), true) {
                Placement::Follows => {}
                Placement::Moved(by) => {
                    assert!(by > Flicks::ZERO && by < Flicks::millis(1));
                    corrected += 1;
                }
                other => panic!("{other:?}"),
            }
            let off =
                timeline.next().unwrap().minus(Flicks::ZERO.near(Pts::new(told % Pts::MODULUS)));
            worst = worst.max(off.abs().0);
            timeline.advance(FRAME);
        }
        assert!(corrected > 100);
        assert!(worst < Flicks::micros(600).0, "{worst}");
    }

    #[test]
    fn gaps_overlaps_and_jumps_are_told() {
        let mut timeline = Timeline::default();
        at(&mut timeline, 0);
        assert_eq!(at(&mut timeline, 2880 * 2), Placement::Moved(FRAME));
        assert_eq!(at(&mut timeline, 2880 * 2), Placement::Moved(Flicks::ticks(-2880)));
        let far = 2880 * 3 + 18_001;
        assert_eq!(at(&mut timeline, far), Placement::Jump(Flicks::ticks(18_001 + 2880 * 3)));
        assert_eq!(at(&mut timeline, 5), Placement::Jump(Flicks::ticks(5)));
        // Round the wrap it is a gap all the same.
        let mut timeline = Timeline::default();
        at(&mut timeline, Pts::MODULUS - 2880);
        assert_eq!(at(&mut timeline, 2880), Placement::Moved(FRAME));
        assert_eq!(at(&mut timeline, 5760), Placement::Follows);
    }

    #[test]
    fn what_cannot_be_is_believed_only_when_it_stays() {
        let mut timeline = Timeline::default();
        at(&mut timeline, 0);
        for _ in 0..3 {
            assert_eq!(timeline.place(Some(Pts::new(9_000_000)), false), Placement::Follows);
        }
        assert!(matches!(timeline.place(Some(Pts::new(9_000_000)), false), Placement::Jump(_)));
        let mut timeline = Timeline::default();
        at(&mut timeline, 0);
        for _ in 0..10 {
            assert_eq!(timeline.place(Some(Pts::new(9_000_000)), false), Placement::Follows);
            let next = timeline.next().unwrap().pts();
            assert_eq!(timeline.place(Some(next), true), Placement::Follows);
        }
    }
}
