//! Several clients that ask for the same playlist at the same time get one answer of its source.
//!
//! An answer is given to each session once: who asks again has seen it, and wants a newer one. So the
//! source is asked as often as one player would ask it, and nobody waits longer for news than its own
//! player makes it wait.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Answers that are kept at a time.
const ANSWERS_MAX: usize = 1024;

/// An answer that others may be given.
pub(super) trait Answer: Clone {
    /// How long after it was asked for others may still be given it; `None` where it failed or is only
    /// for those who have waited for it: then it is not kept.
    fn lifetime(&self) -> Option<Duration>;

    /// Its memory in bytes.
    fn bytes(&self) -> usize;

    /// Whether the other one is this very answer.
    fn is(&self, other: &Self) -> bool;
}

/// Answers by what was asked.
pub(super) struct Flights<K, T> {
    /// Guards the map; held to look up and to add.
    flights: Mutex<HashMap<K, Flight<T>>>,
    bytes_max: usize,
}

struct Flight<T> {
    began: Instant,
    answer: Arc<OnceCell<T>>,
    /// The sessions that have been given it.
    given: HashSet<u32>,
}

impl<K: Clone + Hash + Eq, T: Answer> Flights<K, T> {
    /// None yet. Answers of more than `bytes_max` together are not kept, the oldest go first.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { flights: Mutex::default(), bytes_max }
    }

    /// The answer for `session`: one that others have asked for, or its own. Cancel safe: where the one
    /// who asks goes away, another one of those who wait asks.
    pub(super) async fn answer<F>(&self, key: K, session: u32, ask: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T>,
    {
        let cell = self.board(key.clone(), session);
        let mut is_asked = false;
        let asking = || {
            is_asked = true;
            ask()
        };
        let answer = cell.get_or_init(asking).await.clone();
        let is_too_large = answer.bytes() > self.bytes_max;
        if answer.lifetime().is_none() || is_too_large {
            // It may hold more than memory.
            let mut flights = self.lock();
            if flights.get(&key).is_some_and(|flight| Arc::ptr_eq(&flight.answer, &cell)) {
                flights.remove(&key);
            }
        } else if is_asked {
            self.make_room();
        }
        answer
    }

    /// `session` has been given `answer` in another way; others may be, too.
    pub(super) fn note(&self, key: K, session: u32, answer: T) {
        let now = Instant::now();
        let mut flights = self.lock();
        if self.bytes_max == 0 {
            return;
        }
        if let Some(flight) = flights.get_mut(&key).filter(|flight| flight.is_fresh(now)) {
            match flight.answer.get() {
                Some(known) if known.is(&answer) => _ = flight.given.insert(session),
                // An older one.
                Some(_) => {
                    let answer = Arc::new(OnceCell::new_with(Some(answer)));
                    *flight = Flight { began: now, answer, given: HashSet::from([session]) };
                }
                // A newer one is being asked for.
                None => {}
            }
            return;
        }
        let answer = Arc::new(OnceCell::new_with(Some(answer)));
        flights.insert(key, Flight { began: now, answer, given: HashSet::from([session]) });
        drop(flights);
        self.make_room();
    }

    /// Removes the oldest answers until the others fit: how long one is is known when it has come.
    fn make_room(&self) {
        let mut flights = self.lock();
        let mut bytes: usize = flights.values().map(Flight::bytes).sum();
        while bytes > self.bytes_max || flights.len() > ANSWERS_MAX {
            let Some(oldest) = oldest(&flights) else { return };
            bytes -= flights.remove(&oldest).map_or(0, |flight| flight.bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<T>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self, key: K, session: u32) -> Arc<OnceCell<T>> {
        let now = Instant::now();
        let mut flights = self.lock();
        if let Some(flight) = flights.get_mut(&key)
            && flight.is_fresh(now)
            && flight.given.insert(session)
        {
            return Arc::clone(&flight.answer);
        }
        flights.retain(|_, flight| flight.is_fresh(now));
        if flights.len() >= ANSWERS_MAX
            && let Some(oldest) = oldest(&flights)
        {
            flights.remove(&oldest);
        }
        let answer = Arc::new(OnceCell::new());
        if self.bytes_max > 0 && flights.len() < ANSWERS_MAX {
            let given = HashSet::from([session]);
            flights.insert(key, Flight { began: now, answer: Arc::clone(&answer), given });
        }
        answer
    }
}

/// The answer that was asked for first.
fn oldest<K: Clone, T: Answer>(flights: &HashMap<K, Flight<T>>) -> Option<K> {
    let there = flights.iter().filter(|(_, flight)| flight.answer.initialized());
    there.min_by_key(|(_, flight)| flight.began).map(|(key, _)| key.clone())
}

impl<T: Answer> Flight<T> {
    /// Whether somebody else may be given it.
    fn is_fresh(&self, now: Instant) -> bool {
        let Some(answer) = self.answer.get() else {
            // Somebody is asking, or everybody who waited for it has gone.
            return Arc::strong_count(&self.answer) > 1;
        };
        let lifetime = answer.lifetime().unwrap_or_default();
        now < self.began + lifetime
    }

    fn bytes(&self) -> usize {
        self.answer.get().map_or(0, Answer::bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{advance, sleep, timeout};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Said(usize);

    impl Answer for Said {
        fn lifetime(&self) -> Option<Duration> {
            (self.0 != 13).then_some(Duration::from_secs(4))
        }

        fn bytes(&self) -> usize {
            100
        }

        fn is(&self, other: &Self) -> bool {
            self == other
        }
    }

    struct Source {
        flights: Flights<&'static str, Said>,
        asked: AtomicUsize,
    }

    impl Source {
        fn new(bytes_max: usize) -> Self {
            Self { flights: Flights::new(bytes_max), asked: AtomicUsize::new(0) }
        }

        async fn get(&self, key: &'static str, session: u32) -> Said {
            let ask = || async {
                sleep(Duration::from_millis(100)).await;
                Said(self.asked.fetch_add(1, Ordering::Relaxed) + 1)
            };
            self.flights.answer(key, session, ask).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_session_is_given_an_answer_once() {
        let source = Source::new(1000);
        let (one, two) = tokio::join!(source.get("a", 1), source.get("a", 2));
        assert_eq!((one, two), (Said(1), Said(1)), "one request for both");
        assert_eq!(source.get("a", 3).await, Said(1), "still good");
        assert_eq!(source.get("a", 1).await, Said(2), "has seen it");
        assert_eq!(source.get("a", 2).await, Said(2));
        assert_eq!(source.get("b", 2).await, Said(3), "something else");
        advance(Duration::from_secs(4)).await;
        assert_eq!(source.get("a", 4).await, Said(4), "too old");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_may_go_away() {
        let source = Source::new(1000);
        let gone = timeout(Duration::from_millis(50), source.get("a", 1));
        let (gone, stays) = tokio::join!(gone, source.get("a", 2));
        assert!(gone.is_err());
        assert_eq!(stays, Said(1));
        let gone = timeout(Duration::from_millis(50), source.get("b", 1)).await;
        assert!(gone.is_err());
        assert_eq!(source.get("b", 1).await, Said(2), "nobody is asking any more");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_for_others_is_not_kept_and_there_is_a_bound() {
        let source = Source::new(250);
        source.asked.store(12, Ordering::Relaxed);
        assert_eq!(source.get("a", 1).await, Said(13));
        assert_eq!(source.get("a", 2).await, Said(14), "the first has failed");
        for key in ["b", "c", "d"] {
            source.get(key, 1).await;
            advance(Duration::from_millis(1)).await;
        }
        let before = source.asked.load(Ordering::Relaxed);
        source.get("c", 2).await;
        source.get("d", 2).await;
        assert_eq!(source.asked.load(Ordering::Relaxed), before, "kept");
        source.get("b", 2).await;
        assert_eq!(source.asked.load(Ordering::Relaxed), before + 1, "it made room");
        assert_eq!(Source::new(0).get("a", 1).await, Said(1), "each asks for itself");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_at_the_same_time_is_bounded_when_it_has_come() {
        let source = Source::new(250);
        tokio::join!(source.get("a", 1), source.get("b", 1), source.get("c", 1));
        let kept = || source.flights.lock().values().map(Flight::bytes).sum::<usize>();
        assert_eq!(kept(), 200);
        let small = Source::new(50);
        small.get("a", 1).await;
        assert_eq!(small.flights.lock().len(), 0, "too large by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_noted_is_newer_than_what_is_there() {
        let source = Source::new(1000);
        source.get("a", 1).await;
        source.flights.note("a", 2, Said(7));
        assert_eq!(source.get("a", 1).await, Said(7));
        source.flights.note("a", 6, Said(7));
        assert_eq!(source.get("a", 3).await, Said(7));
        let noted = async { source.flights.note("a", 5, Said(8)) };
        let (asked, ()) = tokio::join!(source.get("a", 2), noted);
        assert_eq!(asked, Said(2), "who waits is given what it waits for");
        assert_eq!(source.get("a", 4).await, Said(2));
    }
}
