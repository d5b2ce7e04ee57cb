//! Order, rounds, pauses, and the end.

use super::*;

#[test]
fn a_session_starts_at_the_first_source_and_takes_the_next_when_it_fails() {
    let mut story = opening(&[None, None, None]);
    assert_eq!(story.machine.deadline(), None);
    assert_eq!(story.tell(Event::Start), [acquire(1, 0)]);
    assert_eq!(story.tell(Event::Start), [], "once is enough");
    story.opens(1, 0);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 1)]);
    story.opens(2, 1);
    assert_eq!(story.tell(Event::Usable(2)), [join(2, Reason::Start)]);
    assert_eq!(story.active(), Some(1));
    assert!(!story.machine.status().searching);
}

#[test]
fn one_round_is_all_a_first_opening_has() {
    let mut story = opening(&[None, None]);
    story.tell(Event::Start);
    story.opens(1, 0);
    story.tell(Event::Failed(1));
    story.opens(2, 1);
    assert_eq!(story.tell(Event::Failed(2)), [Action::Exhausted]);
    assert_eq!(story.machine.deadline(), None);
    assert_eq!(story.tell(Event::Start), [acquire(3, 0)], "it may be told to begin anew");
    assert_eq!(opening(&[]).tell(Event::Start), [Action::Exhausted], "a channel without sources");
}

#[test]
fn the_order_begins_behind_the_source_that_failed_and_goes_once_around() {
    let mut story = playing(&[None; 4], 2, RULES);
    assert_eq!(story.tell(Event::Died(0, Reason::Broken)), [acquire(1, 3)]);
    story.opens(1, 3);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 0)]);
    story.opens(2, 0);
    assert_eq!(story.tell(Event::Failed(2)), [acquire(3, 1)]);
    story.opens(3, 1);
    assert_eq!(story.tell(Event::Failed(3)), [], "2 has had its entry: the round is over");
    assert_eq!(story.timer_after(1000), [acquire(4, 3)]);
    assert_eq!(story.machine.status().round, 2);
}

#[test]
fn a_source_that_cools_down_is_taken_only_when_no_other_is_left() {
    let mut story = playing(&[None; 4], 0, RULES);
    story.standing = vec![Standing::Good, Standing::Cooling, Standing::Probation, Standing::Good];
    assert_eq!(story.tell(Event::Died(0, Reason::Ended)), [acquire(1, 2)]);
    story.opens(1, 2);
    assert_eq!(story.tell(Event::Failed(1)), [acquire(2, 3)]);
    story.opens(2, 3);
    assert_eq!(story.tell(Event::Failed(2)), [acquire(3, 1)]);
}

#[test]
fn a_single_source_is_reconnected_at_once_then_with_growing_pauses_then_never() {
    let mut story = playing(&[Some(0)], 0, RULES);
    assert_eq!(story.tell(Event::Died(0, Reason::Ended)), [acquire(1, 0)]);
    story.opens(1, 0);
    assert_eq!(story.tell(Event::Failed(1)), []);
    assert_eq!(story.timer_after(1000), [acquire(2, 0)]);
    story.opens(2, 0);
    assert_eq!(story.tell(Event::Failed(2)), []);
    assert_eq!(story.timer_after(2000), [acquire(3, 0)]);
    story.opens(3, 0);
    assert_eq!(story.tell(Event::Failed(3)), [Action::Exhausted]);
}

#[test]
fn a_source_that_died_soon_after_its_join_goes_on_in_the_same_episode() {
    let mut story = playing(&[None, None], 0, RULES);
    story.tell(Event::Died(0, Reason::Broken));
    story.opens(1, 1);
    assert_eq!(story.tell(Event::Usable(1)), [join(1, Reason::Broken)]);
    story.pass(9_999);
    assert_eq!(story.tell(Event::Died(1, Reason::Short)), [], "both have had their entries");
    assert_eq!(story.timer_after(1000), [acquire(2, 0)]);
    story.opens(2, 0);
    assert_eq!(story.tell(Event::Usable(2)), [join(2, Reason::Short)]);
    assert_eq!(story.machine.status().round, 1);
    story.pass(10_000);
    assert_eq!(story.tell(Event::Died(2, Reason::Ended)), [acquire(3, 1)], "all is forgiven");
    assert_eq!(story.machine.status().round, 1);
}

#[test]
fn the_first_failure_of_a_session_begins_an_episode_however_soon_it_comes() {
    for (providers, source) in [(&[None][..], 0), (&[None, None][..], 1)] {
        let mut story = playing(providers, 0, RULES);
        story.now -= Duration::from_secs(60);
        assert_eq!(story.tell(Event::Died(0, Reason::Ended)), [acquire(1, source)]);
    }
}

#[test]
fn three_sources_that_play_for_a_moment_each_are_tried_for_ever_with_a_pause_after_each_round() {
    let mut story = playing(&[None; 3], 0, RULES);
    let mut actions = story.tell(Event::Died(0, Reason::Ended));
    let (mut joins, mut pauses) = (0, Vec::new());
    while joins < 2 + 3 * 10 {
        let [Action::Acquire { generation, source }] = actions[..] else {
            let began = story.now;
            story.now = story.machine.deadline().unwrap();
            pauses.push((story.now - began).as_secs());
            actions = story.tell(Event::Timer);
            continue;
        };
        story.opens(generation, source);
        story.tell(Event::Usable(generation));
        joins += 1;
        actions = story.tell(Event::Died(generation, Reason::Ended));
    }
    assert_eq!(pauses, [1; 10], "the active that died had the first entry");
    // Once nothing plays any more the rounds are counted.
    let mut rounds = 1;
    while actions != [Action::Exhausted] {
        if let [Action::Acquire { generation, source }] = actions[..] {
            story.opens(generation, source);
            actions = story.tell(Event::Failed(generation));
        } else {
            rounds += 1;
            story.now = story.machine.deadline().unwrap();
            actions = story.tell(Event::Timer);
        }
    }
    assert_eq!(rounds, 1 + 3, "the one in which they played, and three in vain");
}

#[test]
fn what_comes_late_changes_nothing() {
    let mut story = playing(&[None, None], 0, RULES);
    story.tell(Event::Died(0, Reason::Broken));
    story.opens(1, 1);
    let before = story.machine.status();
    let late = [
        Event::Slot(1, 1),
        Event::NoSlot(1),
        Event::Quiet(1),
        Event::Heard(1),
        Event::Doomed(1, Reason::Scrambled),
        Event::Died(0, Reason::Ended),
        Event::Heard(0),
        Event::Usable(0),
        Event::Usable(2),
        Event::Failed(7),
        Event::Timer,
    ];
    for event in late {
        assert_eq!(story.tell(event), [], "{event:?}");
        assert_eq!(story.machine.status(), before, "{event:?}");
    }
}

#[test]
fn a_doomed_active_that_still_sends_is_better_than_nothing_but_a_stalled_one_is_not() {
    let rules = Rules { rounds: 1, ..RULES };
    for (reason, end) in
        [(Reason::NullPackets, vec![]), (Reason::Stalled, vec![close(0), Action::Exhausted])]
    {
        let mut story = playing(&[None, None], 0, rules);
        assert_eq!(story.tell(Event::Doomed(0, reason)), [acquire(1, 1)]);
        assert_eq!(story.tell(Event::Doomed(0, Reason::FrozenClock)), [], "known");
        story.opens(1, 1);
        assert_eq!(story.tell(Event::Failed(1)), end);
        assert!(!story.machine.status().searching);
    }
}

#[test]
fn a_doomed_active_that_stays_is_left_in_peace_until_it_has_proven_itself_again() {
    let mut story = playing(&[None, None], 0, Rules { rounds: 1, ..RULES });
    story.tell(Event::Doomed(0, Reason::Scrambled));
    story.opens(1, 1);
    story.tell(Event::Failed(1));
    assert_eq!(story.tell(Event::Doomed(0, Reason::Scrambled)), []);
    assert_eq!(story.active(), Some(0));
    story.pass(10_000);
    assert_eq!(story.tell(Event::Doomed(0, Reason::Scrambled)), [acquire(2, 1)]);
}

#[test]
fn a_new_episode_does_not_begin_while_the_last_search_is_hardly_over() {
    for (millis, asked) in [(999, vec![]), (1000, vec![acquire(2, 1)])] {
        let mut story = playing(&[None, None], 0, RULES);
        story.tell(Event::Doomed(0, Reason::Stalled));
        story.opens(1, 1);
        story.tell(Event::Failed(1));
        assert_eq!(story.tell(Event::Heard(0)), []);
        story.pass(millis);
        assert_eq!(story.tell(Event::Died(0, Reason::Broken)), asked);
        assert_eq!(story.machine.deadline().is_some(), asked.is_empty());
    }
}
