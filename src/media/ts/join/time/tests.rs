//! The rules one by one, then any times.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// 40 ms.
const PICTURE: u64 = 3600;

/// A stream whose last picture was due at `dts`, with its clock `lead` ticks of 90 kHz before.
fn due(dts: u64, lead: u64) -> Due {
    let last = Pcr::from(Pts::new(dts.wrapping_sub(PICTURE + lead)));
    let clock = Clock { last: Some(last), step: PICTURE * 300 };
    Due { dts: Some(Pts::new(dts)), pts: Some(Pts::new(dts)), clock }
}

fn first(dts: u64, lead: u64) -> First {
    let pcr = Pcr::from(Pts::new(dts.wrapping_sub(lead)));
    First { dts: Some(Pts::new(dts)), pts: Some(Pts::new(dts)), pcr: Some(pcr) }
}

/// Where the first picture and the first PCR go, from where they are due on, and whether PCR jumps.
fn outcome(due: &Due, first: &First, gap: Duration) -> (i64, i64, bool) {
    let shift = shift(due, first, gap);
    let pcr = first.pcr.unwrap();
    let pcr_shift = pcr_shift(due.clock, pcr, shift, false, gap);
    let dts = first.dts.unwrap().wrapping_add(shift);
    let pcr_step = pcr.wrapping_add(pcr_shift.ticks).since(due.clock.last.unwrap());
    (dts.since(due.dts.unwrap()), pcr_step / PCR_TICKS, pcr_shift.jumps)
}

#[test]
fn streams_alike_go_on_as_one() {
    for (dts, other) in [(1 << 32, 5), (0, (1 << 33) - 1), (3, 3), ((1 << 33) - 1, 900_000)] {
        let found = outcome(&due(dts, 45_000), &first(other, 45_000), Duration::ZERO);
        assert_eq!(found, (0, 3600, false), "{dts} {other}");
    }
}

#[test]
fn a_standby_that_sends_early_moves_everything_forward() {
    // 300 ms earlier: PCR would go back by 260 ms.
    let found = outcome(&due(1 << 32, 45_000), &first(77, 72_000), Duration::ZERO);
    assert_eq!(found, (27_000, 3600, false));
    // 30 ms earlier: it rises by 10 ms, which is a step.
    let found = outcome(&due(1 << 32, 45_000), &first(77, 47_700), Duration::ZERO);
    assert_eq!(found, (0, 900, false));
}

#[test]
fn behind_a_standby_that_sends_late_only_the_clock_lags() {
    // 50 ms later: PCR rises by 90 ms.
    let found = outcome(&due(1 << 32, 45_000), &first(77, 40_500), Duration::ZERO);
    assert_eq!(found, (0, 8100, false));
    // 300 ms later.
    let found = outcome(&due(1 << 32, 45_000), &first(77, 18_000), Duration::ZERO);
    assert_eq!(found, (0, 3600, false));
    // The time without data may be made up for.
    let found = outcome(&due(1 << 32, 45_000), &first(77, 18_000), Duration::from_millis(250));
    assert_eq!(found, (0, 30_600, false));
    let found = outcome(&due(1 << 32, 45_000), &first(77, 18_000), Duration::from_millis(100));
    assert_eq!(found, (0, 3600 + 9000, false));
}

#[test]
fn what_was_shown_is_not_shown_again() {
    // Two pictures of the active were sent before their time, those before them never came.
    let mut due = due(1 << 32, 45_000);
    due.pts = Some(Pts::new((1 << 32) + 2 * PICTURE));
    assert_eq!(outcome(&due, &first(77, 45_000), Duration::ZERO).0, 7200);
    let later = First { pts: Some(Pts::new(77 + 3 * PICTURE)), ..first(77, 45_000) };
    assert_eq!(outcome(&due, &later, Duration::ZERO).0, 0);
    due.pts = Some(Pts::new((1 << 32) + 100 * PICTURE));
    assert_eq!(outcome(&due, &first(77, 45_000), Duration::ZERO).0, 0);
}

#[test]
fn clocks_of_another_time_jump() {
    let (dts, _, jumps) = outcome(&due(1 << 32, 45_000), &first(77, 2_000_000), Duration::ZERO);
    assert_eq!((dts, jumps), (0, true));
    let (dts, _, jumps) = outcome(&due(1 << 32, 2_000_000), &first(77, 45_000), Duration::ZERO);
    assert_eq!((dts, jumps), (0, true));
}

#[test]
fn without_times_the_clock_says_where_to_go_on() {
    let gap = Duration::from_millis(10);
    let (due, first) = (due(1 << 32, 45_000), first(77, 45_000));
    let shift_by = |due: &Due, first: &First| shift(due, first, gap);
    let whole = shift_by(&due, &first);
    let bare = First { dts: None, pts: None, ..first };
    assert_eq!(shift_by(&due, &bare), whole + 900);
    assert_eq!(shift_by(&Due { dts: None, ..due }, &first), whole + 900);
    assert_eq!(shift_by(&due, &First { pcr: None, ..first }), whole);
    assert_eq!(shift_by(&due, &First { pcr: None, ..bare }), 0);
    let unknown = Due { dts: None, pts: None, clock: Clock::new() };
    assert_eq!(shift_by(&unknown, &first), 0);
    let free = pcr_shift(Clock::new(), Pcr::new(5), 7, false, gap);
    assert_eq!(free, PcrShift { ticks: 2100, jumps: false });
}

#[test]
fn times_that_cannot_be_moved_stay() {
    let clock = due(1 << 32, 45_000).clock;
    let here = clock.last.unwrap().wrapping_add(Pcr::HZ / 20);
    let stays = |pcr: Pcr| pcr_shift(clock, pcr, 0, true, Duration::ZERO);
    assert_eq!(stays(here), PcrShift { ticks: 0, jumps: false });
    assert_eq!(stays(here.wrapping_add(Pcr::HZ)), PcrShift { ticks: 0, jumps: true });
    assert_eq!(stays(Pcr::new(0)), PcrShift { ticks: 0, jumps: true });
}

#[test]
fn steps_are_those_of_a_clock_that_runs() {
    let mut clock = Clock::new();
    assert_eq!(clock.step, Pcr::HZ / 25);
    [0, 900_000, 1_600_000, 9_000_000, 5].into_iter().for_each(|it| clock.tick(Pcr::new(it)));
    assert_eq!(clock, Clock { last: Some(Pcr::new(5)), step: 700_000 });
}

proptest! {
    // With the reorder below the clocks are less than 10 s apart: beyond that rule 5 lets PCR jump.
    #[test]
    fn the_rule_holds_for_any_times(
        dts: u64, other: u64, lead in 0..800_000_u64, other_lead in 0..800_000_u64,
        reorder in 0..90_000_u64, other_reorder in 0..90_000_u64, gap in 0..20_000_u64,
    ) {
        let gap = Duration::from_millis(gap);
        let mut due = due(dts, lead);
        due.pts = Some(Pts::new(dts).wrapping_add(reorder));
        let mut first = first(other, other_lead);
        first.pts = Some(Pts::new(other).wrapping_add(other_reorder));
        let ticks = shift(&due, &first, gap);
        let (dts, pcr_step, jumps) = outcome(&due, &first, gap);
        prop_assert!(dts >= 0);
        prop_assert!(first.pts.unwrap().wrapping_add(ticks).since(due.pts.unwrap()) >= 0);
        prop_assert!(!jumps);
        let limit = 9000 + i64::try_from(gap.as_millis()).unwrap() * 90;
        prop_assert!((1..=limit).contains(&pcr_step), "{}", pcr_step);
        // Data never have less time than in the standby.
        let pcr = pcr_shift(due.clock, first.pcr.unwrap(), ticks, false, gap).ticks;
        prop_assert!(Pcr::new(pcr).since(Pcr::from(Pts::new(ticks))) <= 0);
    }
}
