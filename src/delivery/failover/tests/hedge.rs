//! An active that falls silent: who brings usable bytes first wins.

use super::*;

#[test]
fn a_standby_that_is_usable_before_the_active_speaks_takes_over() {
    let mut story = playing(&[None, None], 0, RULES);
    assert_eq!(story.tell(Event::Quiet(0)), [acquire(1, 1)]);
    story.opens(1, 1);
    assert_eq!(story.active(), Some(0), "it is still listened to");
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Silent)]);
}

#[test]
fn an_active_that_speaks_first_keeps_its_place_and_nobody_has_failed() {
    let mut story = playing(&[None, None], 0, RULES);
    for generation in 1..4 {
        assert_eq!(story.tell(Event::Quiet(0)), [acquire(generation, 1)], "its entry is not used");
        story.opens(generation, 1);
        assert_eq!(story.tell(Event::Quiet(0)), []);
        assert_eq!(story.tell(Event::Heard(0)), [close(generation)]);
        assert_eq!(story.tell(Event::Usable(generation)), [], "too late");
        assert!(!story.machine.status().searching);
    }
}

#[test]
fn one_failure_consumes_one_entry_however_many_events_tell_of_it() {
    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(Event::Quiet(0));
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), []);
    assert_eq!(story.tell(Event::Died(0, Reason::Broken)), []);
    assert_eq!(story.machine.episode.consumed(), [0, 1]);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Stalled)]);
}

#[test]
fn a_hedge_that_found_nothing_rests_until_the_stall_and_then_does_not_ask_again() {
    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(Event::Quiet(0));
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 2)]);
    story.opens(2, 2);
    assert_eq!(story.tell(Event::Failed(2)), []);
    assert_eq!(story.machine.deadline(), None);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), []);
    assert_eq!(story.timer_after(1000), [acquire(3, 1)]);
}

#[test]
fn a_hedge_takes_no_slot_from_the_active() {
    let mut story = playing(&[Some(0), Some(0), Some(1)], 0, RULES);
    assert_eq!(story.tell(Event::Quiet(0)), [acquire(1, 1)]);
    assert_eq!(story.tell(Event::NoSlot(1)), [acquire(2, 2)], "of another provider");
    assert_eq!(story.tell(Event::NoSlot(2)), [], "and nothing is waited for");
    assert_eq!(story.machine.deadline(), None);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), [acquire(3, 1)], "now it is due");
    assert_eq!(story.tell(Event::NoSlot(3)), [close(0), acquire(3, 1)]);
}

#[test]
fn a_stalled_active_that_speaks_before_the_standby_is_usable_is_taken_back() {
    let mut story = playing(&[None, None], 0, RULES);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), [acquire(1, 1)]);
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Heard(0)), [close(1)]);
    assert_eq!(story.machine.status().standby, None);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), [acquire(2, 1)], "the next stall");
    // It may come back in the pause between two rounds, too.
    story.opens(2, 1);
    assert_eq!(story.tell(Event::Failed(2)), []);
    assert!(story.machine.deadline().is_some());
    assert_eq!(story.tell(Event::Heard(0)), []);
    assert_eq!(story.machine.deadline(), None);
}

#[test]
fn bytes_of_an_active_that_is_no_good_do_not_save_it() {
    let mut story = playing(&[None, None], 0, RULES);
    story.tell(Event::Doomed(0, Reason::Scrambled));
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Heard(0)), []);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Scrambled)]);
}

#[test]
fn a_single_source_is_not_hedged_and_neither_is_one_whose_rules_forbid_it() {
    let mut story = playing(&[None], 0, RULES);
    assert_eq!(story.tell(Event::Quiet(0)), []);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), [acquire(1, 0)]);
    let mut story = playing(&[None, None], 0, Rules { hedge: false, ..RULES });
    assert_eq!(story.tell(Event::Quiet(0)), []);
    assert_eq!(story.tell(Event::Heard(0)), []);
}

#[test]
fn what_is_made_is_no_hedge_and_takes_over_from_a_source_that_is_lost() {
    let mut story = playing(&[None, None], 0, RULES);
    story.machine.places[1].is_made = true;
    assert_eq!(story.tell(Event::Quiet(0)), [], "it would always win");
    assert_eq!(story.tell(Event::Heard(0)), []);
    story.tell(Event::Quiet(0));
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), [acquire(1, 1)]);
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Stalled)]);
}
