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
        assert_eq!(shelf.claim(None, false, now), Claim::Open { close: None });
        assert_eq!(shelf.put(*key, *item, now + second(after)), None);
    }
    shelf
}

#[test]
fn the_newest_of_the_same_key_is_used_first_and_none_of_another() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('a', 2)]);
    assert_eq!(shelf.claim(Some(&'a'), false, now), Claim::Reuse(2));
    assert_eq!(shelf.claim(Some(&'b'), false, now), Claim::Open { close: None });
    assert_eq!(shelf.claim(Some(&'a'), false, now), Claim::Reuse(1));
    assert_eq!((shelf.idle(), shelf.open()), (0, 3));
}

#[test]
fn the_oldest_makes_room_for_another_idle_one_and_for_another_open_one() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('b', 2)]);
    assert_eq!(shelf.claim(None, false, now), Claim::Open { close: None });
    assert_eq!(shelf.claim(None, false, now), Claim::Open { close: Some(1) });
    assert_eq!(shelf.put('c', 3, now), None);
    assert_eq!(shelf.put('c', 4, now), Some(2));
    assert_eq!((shelf.idle(), shelf.open()), (2, 2));
}

#[test]
fn what_has_been_idle_for_too_long_is_not_used_and_comes_out_to_be_closed() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('b', 2)]);
    assert_eq!(shelf.due(), Some(now + second(30)));
    assert!(shelf.expire(now + second(29)).is_empty());
    assert_eq!(
        shelf.claim(Some(&'a'), false, now + second(30)),
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
        assert_eq!(shelf.claim(Some(&'a'), false, now), Claim::Open { close: None });
    }
    assert_eq!(shelf.claim(Some(&'a'), false, now), Claim::Wait);
    shelf.closed();
    assert_eq!(shelf.put('b', 1, now), None);
    assert_eq!(shelf.claim(Some(&'b'), false, now), Claim::Wait, "the other came first");
    assert_eq!(shelf.claim(Some(&'b'), true, now), Claim::Reuse(1));
    shelf.leave_queue();
    assert!(shelf.has_queue());
    assert_eq!(shelf.claim(Some(&'b'), true, now), Claim::Open { close: None });
    shelf.leave_queue();
    assert!(!shelf.has_queue());
    assert_eq!(shelf.claim(Some(&'b'), false, now), Claim::Wait);
}

#[test]
fn a_shelf_that_is_shut_keeps_nothing() {
    let now = Instant::now();
    let mut shelf = shelf_of(now, &[('a', 1), ('b', 2)]);
    assert_eq!(shelf.remove(|key| *key == 'b'), [2]);
    assert_eq!(shelf.claim(None, false, now), Claim::Open { close: None });
    assert_eq!(shelf.shut(), [1]);
    assert_eq!(shelf.put('a', 3, now), Some(3));
    assert_eq!((shelf.idle(), shelf.open()), (0, 0));
}

/// What may happen to a shelf.
#[derive(Clone, Debug)]
enum Event {
    Claim { key: Option<u8>, queued: bool },
    Give { key: u8 },
    Close,
    Expire,
    Remove { key: u8 },
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (proptest::option::of(0..3_u8), any::<bool>())
            .prop_map(|(key, queued)| Event::Claim { key, queued }),
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
    in_use: Vec<u32>,
    idle: HashSet<u32>,
    waiting: usize,
    next: u32,
}

impl World {
    fn happen(&mut self, event: Event) {
        match event {
            Event::Claim { key, queued } => self.claim(key, queued && self.waiting > 0),
            Event::Give { key } => {
                if let Some(item) = self.in_use.pop() {
                    self.idle.insert(item);
                    let closed = self.shelf.put(key, (key, item), self.now);
                    self.close(closed);
                }
            }
            Event::Close => {
                if self.in_use.pop().is_some() {
                    self.shelf.closed();
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

    fn claim(&mut self, key: Option<u8>, queued: bool) {
        let closed = match self.shelf.claim(key.as_ref(), queued, self.now) {
            Claim::Wait => {
                self.waiting += usize::from(!queued);
                return;
            }
            Claim::Reuse((own, item)) => {
                assert_eq!(Some(own), key, "good for another");
                assert!(self.idle.remove(&item));
                self.in_use.push(item);
                None
            }
            Claim::Open { close } => {
                self.next += 1;
                self.in_use.push(self.next);
                close
            }
        };
        self.close(closed);
        if queued {
            self.waiting -= 1;
            self.shelf.leave_queue();
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
        open in 0..5_usize,
        events in vec(event(), 0..200),
    ) {
        let limits = PoolLimits { idle, open, idle_time: second(30) };
        let mut world = World {
            shelf: Shelf::new(limits),
            now: Instant::now(),
            in_use: Vec::new(),
            idle: HashSet::new(),
            waiting: 0,
            next: 0,
        };
        for event in events {
            world.happen(event);
            prop_assert!(world.shelf.idle() <= idle);
            prop_assert!(world.shelf.open() <= open);
            prop_assert_eq!(world.shelf.idle(), world.idle.len());
            prop_assert_eq!(world.shelf.open(), world.idle.len() + world.in_use.len());
            prop_assert_eq!(world.shelf.has_queue(), world.waiting > 0);
        }
        let closed = world.shelf.shut();
        world.close(closed);
        prop_assert!(world.idle.is_empty());
    }
}
