//! The time of sound. In flicks, of which a second has so many that a tick of 90 kHz and a sample of every rate
//! that sound comes in are whole numbers of them: no clock here ever rounds.

use std::time::Duration;

use crate::media::ts::packet::Pcr;
use crate::media::ts::pes::Pts;

/// Flicks in a second.
const HZ: i64 = 705_600_000;

/// Flicks in a tick of 90 kHz.
const TICK: i64 = HZ / 90_000;

/// A length of time, or an instant on an endless clock that begins anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flicks(pub(super) i64);

impl Flicks {
    pub(super) const ZERO: Self = Self(0);

    pub(super) const fn millis(millis: i64) -> Self {
        Self(HZ / 1000 * millis)
    }

    pub(super) const fn micros(micros: i64) -> Self {
        Self(HZ / 100_000 * micros / 10)
    }

    pub(super) const fn ticks(ticks: i64) -> Self {
        Self(ticks.saturating_mul(TICK))
    }

    /// How long so many samples are. Exact for a rate of [`is_rate`].
    pub(super) fn samples(count: usize, rate: u32) -> Self {
        let step = HZ / i64::from(rate.max(1));
        Self(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(step))
    }

    /// So many of the parts that a second is divided into.
    pub(super) fn fraction(part: u64, second: u64) -> Self {
        let flicks = i128::from(part) * i128::from(HZ) / i128::from(second.max(1));
        Self(i64::try_from(flicks).unwrap_or(i64::MAX))
    }

    /// Samples of this rate that begin within so long a time.
    pub(super) fn in_samples(self, rate: u32) -> usize {
        let step = HZ / i64::from(rate.max(1));
        usize::try_from(self.0 / step.max(1)).unwrap_or(0)
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(super) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub(super) const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// The presentation time of this instant, to the nearest tick.
    pub(super) const fn pts(self) -> Pts {
        let ticks = self.0.saturating_add(TICK / 2).div_euclid(TICK);
        Pts::new(ticks.cast_unsigned())
    }

    /// The instant of `pts` that is next to this one: presentation times begin anew every 26.5 hours.
    pub(super) const fn near(self, pts: Pts) -> Self {
        let ticks = self.0.div_euclid(TICK);
        let distance = pts.since(Pts::new(ticks.cast_unsigned()));
        Self(ticks.saturating_add(distance).saturating_mul(TICK))
    }

    pub(super) fn duration(self) -> Duration {
        let nanos = i128::from(self.0) * 10_000 / i128::from(HZ / 100_000);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

/// Whether a sample of this rate is a whole number of flicks.
pub(super) fn is_rate(rate: u32) -> bool {
    (8_000..=96_000).contains(&rate) && HZ % i64::from(rate) == 0
}

/// The presentation time that a clock reference is at.
pub(super) const fn pts_of(pcr: Pcr) -> Pts {
    Pts::new(pcr.ticks() / 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_samples_are_whole() {
        for rate in [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]
        {
            assert!(is_rate(rate), "{rate}");
            let second = Flicks::samples(usize::try_from(rate).unwrap(), rate);
            assert_eq!(second, Flicks(HZ), "{rate}");
            assert_eq!(second.in_samples(rate), usize::try_from(rate).unwrap());
        }
        assert!(!is_rate(47_999) && !is_rate(0) && !is_rate(192_000));
        assert_eq!(Flicks::ticks(90_000), Flicks(HZ));
        assert_eq!(Flicks(HZ).duration(), Duration::from_secs(1));
        assert_eq!(Flicks::micros(500).duration(), Duration::from_micros(500));
        assert_eq!(Flicks(-5).duration(), Duration::ZERO);
    }

    #[test]
    fn the_endless_clock_goes_on_where_times_begin_anew() {
        let end = Pts::new(Pts::MODULUS - 10);
        let before = Flicks::ZERO.near(end);
        assert_eq!(before, Flicks::ticks(-10));
        assert_eq!(before.pts(), end);
        let after = before.near(Pts::new(5));
        assert_eq!(after, Flicks::ticks(5));
        assert_eq!(after.minus(before), Flicks::ticks(15));
        // A fraction of a tick rounds to the nearest.
        assert_eq!(Flicks(TICK * 7 + TICK / 2).pts(), Pts::new(8));
        assert_eq!(Flicks(TICK * 7 + TICK / 2 - 1).pts(), Pts::new(7));
        assert_eq!(Flicks(TICK * 7 + 3).near(Pts::new(7)), Flicks(TICK * 7));
    }
}
