//! The budget decides the order.

use super::*;

#[test]
fn with_a_free_slot_the_old_source_is_held_until_the_new_one_is_usable() {
    let mut story = playing(&[Some(0), Some(0)], 0, RULES);
    assert_eq!(story.tell(Event::Doomed(0, Reason::NullPackets)), [acquire(1, 1)]);
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::NullPackets)]);
}

#[test]
fn without_one_the_old_source_is_closed_first() {
    let mut story = playing(&[Some(0), Some(0)], 0, RULES);
    story.tell(Event::Doomed(0, Reason::Stalled));
    assert_eq!(story.tell(Event::NoSlot(1)), [close(0), acquire(1, 1)]);
    assert_eq!(story.active(), None);
    assert_eq!(story.tell(Event::Heard(0)), [], "too late");
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Stalled)]);
}

#[test]
fn a_single_source_with_one_connection_is_closed_and_opened_again() {
    let mut story = playing(&[Some(0)], 0, RULES);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), [acquire(1, 0)]);
    assert_eq!(story.tell(Event::NoSlot(1)), [close(0), acquire(1, 0)]);
    story.opens(1, 0);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Stalled)]);
}

#[test]
fn an_active_of_another_provider_is_not_closed_for_a_slot() {
    let mut story = playing(&[Some(0), Some(1)], 0, RULES);
    story.tell(Event::Doomed(0, Reason::FrozenClock));
    assert_eq!(story.tell(Event::NoSlot(1)), [wait(2, &[1])]);
    assert_eq!(story.active(), Some(0));
    story.pass(1000);
    story.opens(2, 1);
    assert_eq!(story.tell(Event::Usable(2)), [join(2, Reason::FrozenClock)]);
}

#[test]
fn full_providers_are_waited_for_last_and_all_of_them_at_once() {
    let mut story = opening(&[Some(0), Some(0), Some(1), None]);
    assert_eq!(story.tell(Event::Start), [acquire(1, 0)]);
    assert_eq!(story.tell(Event::NoSlot(1)), [acquire(2, 2)], "1 has the same provider");
    assert_eq!(story.tell(Event::NoSlot(2)), [acquire(3, 3)]);
    story.opens(3, 3);
    assert_eq!(story.tell(Event::Failed(3)), [wait(4, &[0, 2])]);
    story.pass(2000);
    assert_eq!(story.tell(Event::Slot(4, 1)), [], "not one of those");
    story.opens(4, 0);
    assert_eq!(story.tell(Event::Failed(4)), [acquire(5, 1)], "that slot may be free still");
    assert_eq!(story.tell(Event::NoSlot(5)), [wait(6, &[1, 2])]);
    assert_eq!(story.timer_after(1000), [close(6), Action::Exhausted], "three seconds for all");
    assert_eq!(story.tell(Event::Slot(6, 1)), []);
}

#[test]
fn a_round_that_ended_without_a_slot_is_followed_by_a_pause() {
    let mut story = playing(&[None, Some(0)], 0, RULES);
    story.tell(Event::Died(0, Reason::Broken));
    assert_eq!(story.tell(Event::NoSlot(1)), [wait(2, &[1])]);
    assert_eq!(story.timer_after(3000), [close(2)]);
    assert_eq!(story.timer_after(1000), [acquire(3, 1)]);
    assert_eq!(story.tell(Event::NoSlot(3)), [acquire(4, 0)], "the source that failed is eligible");
}

#[test]
fn a_slot_that_somebody_else_took_meanwhile_is_not_asked_for_again_and_again() {
    let mut story = playing(&[Some(0), Some(0)], 0, Rules { slot_wait: Duration::ZERO, ..RULES });
    story.tell(Event::Doomed(0, Reason::Stalled));
    assert_eq!(story.tell(Event::NoSlot(1)), [close(0), acquire(1, 1)]);
    assert_eq!(story.tell(Event::NoSlot(1)), [], "with no time to wait the round is over");
    assert_eq!(story.timer_after(1000), [acquire(2, 1)]);
}
