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
    /// None yet. Answers of more than `bytes_max` together are not kept.
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
        let answer = cell.get_or_init(ask).await.clone();
        if answer.lifetime().is_none() {
            // It may hold more than memory.
            let mut flights = self.lock();
            if flights.get(&key).is_some_and(|flight| Arc::ptr_eq(&flight.answer, &cell)) {
                flights.remove(&key);
            }
        }
        answer
    }

    /// `session` has been given `answer` in another way; others may be, too.
    pub(super) fn note(&self, key: K, session: u32, answer: T) {
        let now = Instant::now();
        let mut flights = self.lock();
        match flights.get_mut(&key).filter(|flight| flight.is_fresh(now)) {
            Some(flight) => _ = flight.given.insert(session),
            None => {
                let answer = Arc::new(OnceCell::new_with(Some(answer)));
                let given = HashSet::from([session]);
                flights.insert(key, Flight { began: now, answer, given });
            }
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
        let bytes: usize = flights.values().map(Flight::bytes).sum();
        let answer = Arc::new(OnceCell::new());
        if bytes < self.bytes_max && flights.len() < ANSWERS_MAX {
            let given = HashSet::from([session]);
            flights.insert(key, Flight { began: now, answer: Arc::clone(&answer), given });
        }
        answer
    }
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
        }
        let before = source.asked.load(Ordering::Relaxed);
        source.get("c", 2).await;
        assert_eq!(source.asked.load(Ordering::Relaxed), before, "kept");
        source.get("d", 2).await;
        assert_eq!(source.asked.load(Ordering::Relaxed), before + 1, "there was no room");
    }
}
