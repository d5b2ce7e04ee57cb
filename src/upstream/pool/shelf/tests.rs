use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LIMITS: PoolLimits = PoolLimits { idle: 2, open: 3, idle_time: Duration::from_secs(30) };

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A shelf on which these have been put, a second apart from `now`.
fn shelf_of(now: Instant, items: &[(char, u32)]) -> Shelf<char, u32> {
    let mut shelf = Shelf::new(LIMITS);
    for (after, (key, item)) in (0..).zip(items) {
        assert_eq!(shelf.claim(None, Use::Long, false, now), Claim::Open { close: None });
        assert_eq!(shelf.put(*key, *item, Use::Long, now + second(after)), None);
    }
    shelf
}

#[test]
fn the_newest_of_the_same_key_is_used_first_and_none_of_another() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('a', 2)]);
    assert_eq!(shelf.claim(Some(&'a'), Use::Long, false, now), Claim::Reuse(2));
    assert_eq!(shelf.claim(Some(&'b'), Use::Long, false, now), Claim::Open { close: None });
    assert_eq!(shelf.claim(Some(&'a'), Use::Long, false, now), Claim::Reuse(1));
    assert_eq!((shelf.idle(), shelf.open()), (0, 3));
}

#[test]
fn the_oldest_makes_room_for_another_idle_one_and_for_another_open_one() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('b', 2)]);
    assert_eq!(shelf.claim(None, Use::Long, false, now), Claim::Open { close: None });
    assert_eq!(shelf.claim(None, Use::Long, false, now), Claim::Open { close: Some(1) });
    assert_eq!(shelf.put('c', 3, Use::Long, now), None);
    assert_eq!(shelf.put('c', 4, Use::Long, now), Some(2));
    assert_eq!((shelf.idle(), shelf.open()), (2, 2));
}

#[test]
fn what_has_been_idle_for_too_long_is_not_used_and_comes_out_to_be_closed() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('b', 2)]);
    assert_eq!(shelf.due(), Some(now + second(30)));
    assert!(shelf.expire(now + second(29)).is_empty());
    assert_eq!(
        shelf.claim(Some(&'a'), Use::Long, false, now + second(30)),
        Claim::Open { close: None },
        "it expires this second"
    );
    assert_eq!(shelf.expire(now + second(30)), [1]);
    assert_eq!(shelf.due(), Some(now + second(31)));
    assert_eq!(shelf.expire(now + second(99)), [2]);
    assert_eq!((shelf.due(), shelf.open()), (None, 1));
}

#[test]
fn who_waits_comes_before_who_comes_later() {
    let now = Instant::now();
    let mut shelf = Shelf::<char, u32>::new(LIMITS);
    for _ in 0..LIMITS.open {
        assert_eq!(shelf.claim(Some(&'a'), Use::Long, false, now), Claim::Open { close: None });
    }
    assert_eq!(shelf.claim(Some(&'a'), Use::Long, false, now), Claim::Wait);
    shelf.closed(Use::Long);
    assert_eq!(shelf.put('b', 1, Use::Long, now), None);
    assert_eq!(shelf.claim(Some(&'b'), Use::Long, false, now), Claim::Wait, "the other came first");
    assert_eq!(shelf.claim(Some(&'b'), Use::Long, true, now), Claim::Reuse(1));
    shelf.leave_queue(Use::Long);
    assert!(shelf.has_queue());
    assert_eq!(shelf.claim(Some(&'b'), Use::Long, true, now), Claim::Open { close: None });
    shelf.leave_queue(Use::Long);
    assert!(!shelf.has_queue());
    assert_eq!(shelf.claim(Some(&'b'), Use::Long, false, now), Claim::Wait);
}

#[test]
fn a_tenth_of_the_places_is_for_short_ones_and_they_go_first_though_not_for_ever() {
    let now = Instant::now();
    let mut shelf = Shelf::<char, u32>::new(PoolLimits { open: 10, ..LIMITS });
    for _ in 0..9 {
        assert_eq!(shelf.claim(None, Use::Long, false, now), Claim::Open { close: None });
    }
    assert_eq!(shelf.claim(None, Use::Long, false, now), Claim::Wait);
    assert_eq!(shelf.turn(), None, "not for a long one");
    assert_eq!(shelf.claim(None, Use::Short, false, now), Claim::Open { close: None });
    for _ in 0..=OVERTAKES_MAX {
        assert_eq!(shelf.claim(None, Use::Short, false, now), Claim::Wait);
    }
    for _ in 0..OVERTAKES_MAX {
        shelf.closed(Use::Long);
        assert_eq!(shelf.claim(None, Use::Long, true, now), Claim::Wait);
        assert_eq!(shelf.claim(None, Use::Short, true, now), Claim::Open { close: None });
        shelf.leave_queue(Use::Short);
    }
    shelf.closed(Use::Short);
    assert_eq!(shelf.turn(), Some(Use::Long), "it has waited for long enough");
    assert_eq!(shelf.claim(None, Use::Short, false, now), Claim::Wait);
    assert_eq!(shelf.claim(None, Use::Short, true, now), Claim::Wait);
    assert_eq!(shelf.claim(None, Use::Long, true, now), Claim::Open { close: None });
    shelf.leave_queue(Use::Long);
    shelf.closed(Use::Short);
    assert_eq!(shelf.turn(), Some(Use::Short));
}

#[test]
fn a_shelf_that_is_shut_keeps_nothing() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('b', 2)]);
    assert_eq!(shelf.remove(|key| *key == 'b'), [2]);
    assert_eq!(shelf.claim(None, Use::Long, false, now), Claim::Open { close: None });
    assert_eq!(shelf.shut(), [1]);
    assert_eq!(shelf.put('a', 3, Use::Long, now), Some(3));
    assert_eq!((shelf.idle(), shelf.open()), (0, 0));
}

/// What may happen to a shelf.
#[derive(Clone, Debug)]
enum Event {
    Claim {
        key: Option<u8>,
        what: Use,
        queued: bool,
    },
    /// Somebody who is queued goes away.
    Leave {
        what: Use,
    },
    Give {
        key: u8,
    },
    Close,
    Expire,
    Remove {
        key: u8,
    },
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let what = || prop_oneof![Just(Use::Short), Just(Use::Long)];
    prop_oneof![
        6 => (proptest::option::of(0..3_u8), what(), any::<bool>())
            .prop_map(|(key, what, queued)| Event::Claim { key, what, queued }),
        1 => what().prop_map(|what| Event::Leave { what }),
        3 => (0..3_u8).prop_map(|key| Event::Give { key }),
        1 => Just(Event::Close),
        1 => Just(Event::Expire),
        1 => (0..3_u8).prop_map(|key| Event::Remove { key }),
        2 => (0..20_u64).prop_map(Event::Pass),
    ]
}

/// Who uses a shelf, and all that is open because of it.
struct World {
    shelf: Shelf<u8, (u8, u32)>,
    now: Instant,
    in_use: Vec<(u32, Use)>,
    idle: HashSet<u32>,
    /// Short and long ones.
    waiting: [usize; 2],
    next: u32,
}

impl World {
    fn happen(&mut self, event: Event) {
        match event {
            Event::Claim { key, what, queued } => {
                self.claim(key, what, queued && self.waiting[what as usize] > 0);
            }
            Event::Leave { what } => {
                if self.waiting[what as usize] > 0 {
                    self.waiting[what as usize] -= 1;
                    self.shelf.leave_queue(what);
                }
            }
            Event::Give { key } => {
                if let Some((item, what)) = self.in_use.pop() {
                    self.idle.insert(item);
                    let closed = self.shelf.put(key, (key, item), what, self.now);
                    self.close(closed);
                }
            }
            Event::Close => {
                if let Some((_, what)) = self.in_use.pop() {
                    self.shelf.closed(what);
                }
            }
            Event::Expire => {
                let closed = self.shelf.expire(self.now);
                self.close(closed);
                assert!(self.shelf.due().is_none_or(|due| due > self.now));
            }
            Event::Remove { key } => {
                let closed = self.shelf.remove(|own| *own == key);
                assert!(closed.iter().all(|(own, _)| *own == key));
                self.close(closed);
            }
            Event::Pass(seconds) => self.now += second(seconds),
        }
    }

    fn claim(&mut self, key: Option<u8>, what: Use, queued: bool) {
        let has_turn = self.shelf.turn() == Some(what);
        let closed = match self.shelf.claim(key.as_ref(), what, queued, self.now) {
            Claim::Wait => {
                assert!(!(queued && has_turn), "told of a place that it does not get");
                self.waiting[what as usize] += usize::from(!queued);
                return;
            }
            Claim::Reuse((own, item)) => {
                assert_eq!(Some(own), key, "good for another");
                assert!(self.idle.remove(&item));
                self.in_use.push((item, what));
                None
            }
            Claim::Open { close } => {
                self.next += 1;
                self.in_use.push((self.next, what));
                close
            }
        };
        self.close(closed);
        if queued {
            self.waiting[what as usize] -= 1;
            self.shelf.leave_queue(what);
        }
    }

    fn check(&self, limits: PoolLimits) {
        let (shelf, [short, long]) = (&self.shelf, self.waiting);
        assert!(shelf.idle() <= limits.idle && shelf.open() <= limits.open);
        assert_eq!(shelf.idle(), self.idle.len());
        assert_eq!(shelf.open(), self.idle.len() + self.in_use.len());
        assert_eq!(shelf.queued(), short + long);
        let of_long = self.in_use.iter().filter(|(_, what)| *what == Use::Long).count();
        assert!(of_long <= limits.long());
        if shelf.turn().is_none() {
            // Nobody waits for a place that is there.
            let is_full = self.in_use.len() == limits.open;
            let is_none_for_long = short == 0 && of_long == limits.long();
            assert!(short + long == 0 || is_full || is_none_for_long);
        }
    }

    fn close(&mut self, closed: impl IntoIterator<Item = (u8, u32)>) {
        for (_, item) in closed {
            assert!(self.idle.remove(&item), "closed twice, or while in use");
        }
    }
}

proptest! {
    #[test]
    fn the_bounds_hold_and_nothing_is_lost(
        idle in 0..4_usize,
        open in prop_oneof![0..5_usize, 10..12_usize],
        events in vec(event(), 0..200),
    ) {
        let limits = PoolLimits { idle, open, idle_time: second(30) };
        let mut world = World {
            shelf: Shelf::new(limits),
            now: Instant::now(),
            in_use: Vec::new(),
            idle: HashSet::new(),
            waiting: [0; 2],
            next: 0,
        };
        for event in events {
            world.happen(event);
            world.check(limits);
        }
        let closed = world.shelf.shut();
        world.close(closed);
        prop_assert!(world.idle.is_empty());
    }
}
