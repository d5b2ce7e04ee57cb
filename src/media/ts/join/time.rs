//! How far a standby's times are moved, so that they go on where the active's ended. The rule:
//!
//! 1. One offset moves PTS, DTS and PCR. It puts the first picture's DTS one picture after the last
//!    DTS that was sent (radio: the first PTS of the sound likewise).
//! 2. If that leaves its PTS not after the highest one sent, everything moves forward until it is,
//!    by 1 s at most. Those places belong to pictures that the active never sent, so nothing more
//!    is lost. A PTS further ahead is damage and does not count.
//! 3. PCR must rise. If the offset puts the first one not after the last one sent, because the
//!    standby sends its data longer before their time than the active did, everything moves forward
//!    until it comes one usual step later: the decoder waits for as long as the data need. To move
//!    PCR alone would take that time from them.
//! 4. PCR may rise by 100 ms and the time without data (2.7.2). If it would rise by more, because
//!    the standby sends its data shorter before their time, PCR alone lags behind from then on, and
//!    the decoder keeps the data for as long as it kept the active's.
//! 5. Where PCR and DTS are more than 10 s apart from what they should be, one of the sources does
//!    not keep its own clock. Then PCR jumps, which `discontinuity_indicator` announces (2.4.3.5).

use std::time::Duration;

use crate::media::ts::packet::Pcr;
use crate::media::ts::pes::Pts;

#[cfg(test)]
mod tests;

/// Ticks of the PCR in one of a PTS.
const PCR_TICKS: i64 = 300;

/// The longest step that 2.7.2 allows, in ticks of 27 MHz.
pub(super) const PCR_STEP_MAX: u64 = Pcr::HZ / 10;

/// Beyond this, in ticks of 27 MHz, PCR and DTS do not belong together.
const FAR: i64 = 10 * Pcr::HZ.cast_signed();

/// How far before its place in decoding order a picture may be shown, in ticks of 90 kHz.
const REORDER_MAX: i64 = Pts::HZ.cast_signed();

/// Where the times that were sent go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The next decoding time.
    pub(super) dts: Option<Pts>,
    /// The first presentation time after all that were sent.
    pub(super) pts: Option<Pts>,
    pub(super) clock: Clock,
}

/// The clock references that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) last: Option<Pcr>,
    /// Ticks of 27 MHz from one to the next, at most [`PCR_STEP_MAX`].
    pub(super) step: u64,
}

impl Clock {
    /// Before the first clock reference: steps of 40 ms.
    pub(super) const fn new() -> Self {
        Self { last: None, step: Pcr::HZ / 25 }
    }

    /// Takes the next clock reference.
    pub(super) fn tick(&mut self, pcr: Pcr) {
        let step = self.last.map_or(0, |last| pcr.since(last));
        if let Some(step) =
            u64::try_from(step).ok().filter(|step| (1..=PCR_STEP_MAX).contains(step))
        {
            self.step = step;
        }
        self.last = Some(pcr);
    }
}

/// What the standby begins with, in its own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct First {
    pub(super) dts: Option<Pts>,
    pub(super) pts: Option<Pts>,
    /// The first clock reference that is sent, or if it is not known the last one before.
    pub(super) pcr: Option<Pcr>,
}

/// Ticks of 90 kHz, modulo 2^33, to be added to PTS and DTS: rules 1 to 3. `gap` is the time without
/// data. Where neither DTS nor PCR is known on both sides it is 0.
pub(super) fn shift(due: &Due, first: &First, gap: Duration) -> u64 {
    let from_pcr = || {
        let ticks = first.pcr?.since(due.clock.last?);
        let step = due.clock.step.cast_signed() + ticks_of(gap);
        Some(ceil_to_pts(step - ticks))
    };
    let from_dts = || Some(due.dts?.since(first.dts?));
    let mut shift = from_dts().or_else(from_pcr).unwrap_or(0);
    if let (Some(due), Some(first)) = (due.pts, first.pts) {
        let early = due.since(moved(first, shift));
        if (1..=REORDER_MAX).contains(&early) {
            shift += early;
        }
    }
    if let (Some(last), Some(first)) = (due.clock.last, first.pcr) {
        let ahead = moved_pcr(first, shift).since(last);
        if (-FAR..=0).contains(&ahead) {
            shift += ceil_to_pts(due.clock.step.cast_signed() - ahead);
        }
    }
    Pts::new(0).wrapping_add(shift.cast_unsigned()).ticks()
}

/// What is to be added to the standby's PCRs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PcrShift {
    /// Ticks of 27 MHz, modulo [`Pcr::MODULUS`].
    pub(super) ticks: u64,
    /// The first of them is to have the discontinuity_indicator.
    pub(super) jumps: bool,
}

/// How the first PCR of the standby, `first` in its own time, goes on: rules 4 and 5. `shift` is
/// what its PTS and DTS are moved by. Times that cannot be moved, as they are scrambled, are
/// `fixed`; then PCR cannot be moved either.
pub(super) fn pcr_shift(
    clock: Clock,
    first: Pcr,
    shift: u64,
    fixed: bool,
    gap: Duration,
) -> PcrShift {
    let natural = Pcr::from(Pts::new(shift)).ticks();
    let keep = |jumps| PcrShift { ticks: natural, jumps };
    let Some(last) = clock.last else { return keep(false) };
    let gap = ticks_of(gap);
    let ahead = first.wrapping_add(natural).since(last);
    let usual = (1..=PCR_STEP_MAX.cast_signed() + gap).contains(&ahead);
    if usual || fixed || !(-FAR..=FAR + gap).contains(&ahead) {
        return keep(!usual);
    }
    // Not after the last one only if no PCR of the standby was known when its times were moved.
    let step = clock.step.cast_signed() + if ahead > 0 { gap } else { 0 };
    let due = last.wrapping_add(step.cast_unsigned());
    PcrShift { ticks: Pcr::new(Pcr::MODULUS + due.ticks() - first.ticks()).ticks(), jumps: false }
}

/// In ticks of 27 MHz; more than an hour counts as an hour.
fn ticks_of(gap: Duration) -> i64 {
    let micros = gap.as_micros().min(3_600_000_000);
    i64::try_from(micros).unwrap_or(0) * 27 // Always fits.
}

/// In whole ticks of 90 kHz, not less.
const fn ceil_to_pts(pcr_ticks: i64) -> i64 {
    pcr_ticks.div_euclid(PCR_TICKS) + if pcr_ticks.rem_euclid(PCR_TICKS) > 0 { 1 } else { 0 }
}

const fn moved(pts: Pts, shift: i64) -> Pts {
    pts.wrapping_add(shift.cast_unsigned())
}

fn moved_pcr(pcr: Pcr, shift: i64) -> Pcr {
    pcr.wrapping_add(Pcr::from(moved(Pts::new(0), shift)).ticks())
}
