//! Switches by wish, and failback.

use super::*;

fn switched(from: usize, to: usize) -> Outcome {
    Outcome::Switched { from, to }
}

#[test]
fn a_switch_to_the_next_source_plays_on_until_it_is_usable() {
    let mut story = playing(&[Some(0), Some(1), Some(2)], 1, RULES);
    assert_eq!(story.tell(switch(5, None)), [acquire(1, 2)]);
    story.opens(1, 2);
    assert_eq!(story.tell(switch(6, None)), [answer(6, Outcome::Busy)]);
    let joined = [join(1, Reason::Manual), answer(5, switched(1, 2))];
    assert_eq!(story.tell(Event::Usable(1)), joined);
    // The second switch of a session works like the first.
    assert_eq!(story.tell(switch(7, None)), [acquire(2, 0)]);
    story.opens(2, 0);
    let joined = [join(2, Reason::Manual), answer(7, switched(2, 0))];
    assert_eq!(story.tell(Event::Usable(2)), joined);
}

#[test]
fn a_switch_to_the_next_source_goes_on_to_others_but_not_forever() {
    let mut story = playing(&[None; 3], 0, RULES);
    assert_eq!(story.tell(switch(1, None)), [acquire(1, 1)]);
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 2)]);
    story.opens(2, 2);
    assert_eq!(story.tell(Event::Failed(2)), [answer(1, Outcome::Failed)]);
    assert_eq!(story.active(), Some(0));
    assert_eq!(story.machine.deadline(), None);
}

#[test]
fn a_switch_to_a_certain_source_tries_that_one_even_while_it_cools_down_and_no_other() {
    let mut story = playing(&[None; 3], 0, RULES);
    story.standing = vec![Standing::Good, Standing::Good, Standing::Cooling];
    assert_eq!(story.tell(switch(1, Some(2))), [acquire(1, 2)]);
    story.opens(1, 2);
    assert_eq!(story.tell(Event::Failed(1)), [answer(1, Outcome::Failed)]);
    assert_eq!(story.active(), Some(0));
}

#[test]
fn a_switch_that_leads_nowhere_is_answered_at_once() {
    let mut single = playing(&[None], 0, RULES);
    for source in [None, Some(0), Some(1)] {
        assert_eq!(single.tell(switch(1, source)), [answer(1, Outcome::NothingElse)]);
    }
    let mut story = playing(&[None, None], 0, RULES);
    assert_eq!(story.tell(switch(1, Some(2))), [answer(1, Outcome::NothingElse)]);
    assert_eq!(story.tell(switch(2, Some(0))), [answer(2, Outcome::AlreadyThere)]);
    story.tell(Event::Died(0, Reason::Broken));
    assert_eq!(story.tell(switch(3, Some(1))), [answer(3, Outcome::Busy)], "a failover goes on");
    let mut story = opening(&[None, None]);
    assert_eq!(story.tell(switch(4, None)), [answer(4, Outcome::Lost)]);
}

#[test]
fn a_switch_within_one_connection_closes_the_old_source_first_and_may_go_back_to_it() {
    let mut story = playing(&[Some(0), Some(0)], 0, RULES);
    story.tell(switch(1, Some(1)));
    assert_eq!(story.tell(Event::NoSlot(1)), [close(0), acquire(1, 1)]);
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 0)], "any source is better than none");
    story.opens(2, 0);
    let back = [join(2, Reason::Manual), answer(1, Outcome::Failed)];
    assert_eq!(story.tell(Event::Usable(2)), back);
}

#[test]
fn an_active_that_dies_during_a_switch_makes_it_a_failover() {
    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(switch(1, Some(2)));
    story.opens(1, 2);
    assert_eq!(story.tell(Event::Died(0, Reason::Broken)), []);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 1)]);
    story.opens(2, 1);
    let joined = [join(2, Reason::Broken), answer(1, switched(0, 1))];
    assert_eq!(story.tell(Event::Usable(2)), joined);

    let mut story = playing(&[None; 2], 0, Rules { rounds: 1, ..RULES });
    story.tell(switch(1, None));
    story.opens(1, 1);
    story.tell(Event::Died(0, Reason::Broken));
    let lost = [answer(1, Outcome::Lost), Action::Exhausted];
    assert_eq!(story.tell(Event::Failed(1)), lost);
}

#[test]
fn a_switch_survives_a_stall_that_passes() {
    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(switch(1, Some(2)));
    story.opens(1, 2);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Stalled)), []);
    assert_eq!(story.tell(Event::Heard(0)), [], "the wish is still there");
    let joined = [join(1, Reason::Manual), answer(1, switched(0, 2))];
    assert_eq!(story.tell(Event::Usable(1)), joined);

    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(switch(1, Some(2)));
    story.opens(1, 2);
    story.tell(Event::Doomed(0, Reason::Stalled));
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 1)], "by now any source will do");
    story.opens(2, 1);
    assert_eq!(story.tell(Event::Heard(0)), [close(2), answer(1, Outcome::Failed)]);
}

#[test]
fn a_hedge_on_its_way_serves_a_switch_and_another_makes_room_for_it() {
    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(Event::Quiet(0));
    story.opens(1, 1);
    assert_eq!(story.tell(switch(1, None)), []);
    assert_eq!(story.tell(Event::Heard(0)), [], "a wish is no hedge");
    let joined = [join(1, Reason::Manual), answer(1, switched(0, 1))];
    assert_eq!(story.tell(Event::Usable(1)), joined);

    let mut story = playing(&[None; 3], 0, RULES);
    story.tell(Event::Quiet(0));
    story.opens(1, 1);
    assert_eq!(story.tell(switch(1, Some(2))), [close(1), acquire(2, 2)]);
}

#[test]
fn a_switch_waits_for_a_slot_while_the_active_plays() {
    let mut story = playing(&[Some(0), Some(1)], 0, RULES);
    story.tell(switch(1, Some(1)));
    assert_eq!(story.tell(Event::NoSlot(1)), [wait(2, &[1])]);
    assert_eq!(story.timer_after(3000), [close(2), answer(1, Outcome::Failed)]);
    assert_eq!(story.active(), Some(0));
    // If the active dies meanwhile, others are tried before it is waited again.
    story.tell(switch(2, Some(1)));
    assert_eq!(story.tell(Event::NoSlot(3)), [wait(4, &[1])]);
    let asked = [close(4), acquire(5, 1)];
    assert_eq!(story.tell(Event::Died(0, Reason::Broken)), asked);
}

#[test]
fn the_first_source_is_gone_back_to_with_the_active_untouched() {
    let failback = Rules { failback: Some(Duration::from_secs(60)), ..RULES };
    let mut story = playing(&[Some(0), Some(0)], 0, failback);
    assert_eq!(story.machine.deadline(), None, "it is there");
    story.tell(Event::Died(0, Reason::Ended));
    story.opens(1, 1);
    story.tell(Event::Usable(1));
    story.standing[0] = Standing::Cooling;
    assert_eq!(story.timer_after(60_000), [], "not while it cools down");
    story.standing[0] = Standing::Probation;
    assert_eq!(story.timer_after(60_000), [acquire(2, 0)]);
    assert_eq!(story.tell(Event::NoSlot(2)), [], "nothing is closed for it");
    assert_eq!(story.timer_after(60_000), [acquire(3, 0)]);
    story.opens(3, 0);
    assert_eq!(story.tell(Event::Failed(3)), []);
    assert_eq!(story.active(), Some(1));
    for seconds in [120, 240, 480, 960, 960] {
        let [Action::Acquire { generation, source: 0 }] = story.timer_after(seconds * 1000)[..]
        else {
            panic!("no attempt");
        };
        story.opens(generation, 0);
        assert_eq!(story.tell(Event::Failed(generation)), []);
    }
    story.timer_after(960_000);
    story.opens(9, 0);
    assert_eq!(story.tell(Event::Usable(9)), [join(9, Reason::Failback)]);
    assert_eq!(story.machine.deadline(), None);
}

#[test]
fn a_failback_that_does_not_last_makes_the_next_one_wait() {
    let failback = Rules { failback: Some(Duration::from_secs(60)), ..RULES };
    let mut story = playing(&[None, None], 1, failback);
    story.now = story.machine.deadline().unwrap();
    assert_eq!(story.tell(Event::Timer), [acquire(1, 0)]);
    story.opens(1, 0);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Failback)]);
    story.pass(1000);
    assert_eq!(story.tell(Event::Died(1, Reason::Broken)), [acquire(2, 1)], "1 has not failed");
    story.opens(2, 1);
    story.tell(Event::Usable(2));
    assert_eq!(story.timer_after(120_000), [acquire(3, 0)]);
    // An active that is lost meanwhile takes what is on its way; silence makes it a hedge.
    story.opens(3, 0);
    assert_eq!(story.tell(Event::Quiet(2)), []);
    assert_eq!(story.tell(Event::Died(2, Reason::Broken)), []);
    assert_eq!(story.tell(Event::Usable(3)), [join(3, Reason::Broken)]);
}

#[test]
fn a_source_that_somebody_chose_is_not_left_for_the_first() {
    let failback = Rules { failback: Some(Duration::from_secs(60)), ..RULES };
    let mut story = playing(&[None, None], 0, failback);
    story.tell(switch(1, Some(1)));
    story.opens(1, 1);
    story.tell(Event::Usable(1));
    assert_eq!(story.machine.deadline(), None);
}
