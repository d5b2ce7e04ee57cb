//! How many of something each key has, as guards that take themselves back: connections of an
//! address, clients, look-ups of a host.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts by key. Holds an entry only for keys that have any; cheap to clone, all clones count
/// together.
#[derive(Clone, Debug)]
pub struct Tally<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One of a key's; taken back when dropped.
#[derive(Debug)]
pub struct Entry<K: Eq + Hash> {
    tally: Tally<K>,
    key: K,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> Tally<K> {
    /// One more for `key`, unless it has `max` already.
    #[must_use]
    pub fn enter(&self, key: K, max: usize) -> Option<Entry<K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.get(&key).copied().unwrap_or_default() >= max {
            return None;
        }
        *counts.entry(key.clone()).or_default() += 1;
        drop(counts);
        Some(Entry { tally: self.clone(), key })
    }

    /// How many `key` has.
    #[must_use]
    pub fn of(&self, key: &K) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }

    /// Whether nobody has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<K: Eq + Hash> Drop for Entry<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_entered_is_taken_back_and_leaves_nothing() {
        let tally = Tally::default();
        let first = tally.enter("a", 2);
        let second = tally.enter("a", 2);
        assert!(first.is_some() && second.is_some());
        assert!(tally.enter("a", 2).is_none());
        assert!(tally.enter("b", 0).is_none());
        drop(first);
        assert_eq!(tally.of(&"a"), 1);
        drop(second);
        assert!(tally.is_empty());
    }
}
