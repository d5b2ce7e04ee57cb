//! Which kept connections are idle, how many are open, and who may open another. Pure: what happens
//! and when goes in, what may be used and what must be closed comes out.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The bounds of a [`Pool`](super::Pool).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Idle connections in all, default 20; the oldest makes room.
    pub idle: usize,
    /// Open connections in all, idle and in use, default 100.
    pub open: usize,
    /// How long a connection may be idle, default 30 seconds.
    pub idle_time: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { idle: 20, open: 100, idle_time: Duration::from_secs(30) }
    }
}

/// The accounts of a pool of `T`, each good for one `K`.
///
/// Memory: an entry for each idle one.
#[derive(Debug)]
pub(super) struct Shelf<K, T> {
    limits: PoolLimits,
    /// Those that have been idle longest come first, and so they expire in this order.
    idle: VecDeque<Idle<K, T>>,
    in_use: usize,
    /// Who waits for a place.
    queued: usize,
    /// Nothing is kept any more.
    is_shut: bool,
}

#[derive(Debug)]
struct Idle<K, T> {
    key: K,
    kept: T,
    until: Instant,
}

/// What somebody gets who wants a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim<T> {
    /// This one, which was idle.
    Reuse(T),
    /// A place for a new one, once this one is closed.
    Open {
        /// It was idle.
        close: Option<T>,
    },
    /// A place in the queue: claim again when something has changed.
    Wait,
}

impl<K: Eq, T> Shelf<K, T> {
    /// Nothing is open.
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self { limits, idle: VecDeque::new(), in_use: 0, queued: 0, is_shut: false }
    }

    /// Somebody wants a connection: a new one, or an idle one that is good for `key`. Who is `queued`
    /// comes before who is not. What is answered counts as in use, or as queued if it was not.
    pub(super) fn claim(&mut self, key: Option<&K>, queued: bool, now: Instant) -> Claim<T> {
        if self.queued == 0 || queued {
            if let Some(kept) = key.and_then(|key| self.take(key, now)) {
                self.in_use += 1;
                return Claim::Reuse(kept);
            }
            if self.open() < self.limits.open {
                self.in_use += 1;
                return Claim::Open { close: None };
            }
            if let Some(oldest) = self.idle.pop_front() {
                self.in_use += 1;
                return Claim::Open { close: Some(oldest.kept) };
            }
        }
        self.queued += usize::from(!queued);
        Claim::Wait
    }

    /// The newest that is good for `key`: the one least likely to have been closed by its source.
    fn take(&mut self, key: &K, now: Instant) -> Option<T> {
        let fits = |idle: &Idle<K, T>| idle.key == *key && idle.until > now;
        let index = self.idle.iter().rposition(fits)?;
        self.idle.remove(index).map(|idle| idle.kept)
    }

    /// One of those who are queued has got what it wanted, or has given up.
    pub(super) fn leave_queue(&mut self) {
        self.queued = self.queued.saturating_sub(1);
    }

    /// One that was in use is closed.
    pub(super) fn closed(&mut self) {
        self.in_use = self.in_use.saturating_sub(1);
    }

    /// One that was in use can be kept for `key`. Answers what must be closed instead.
    pub(super) fn put(&mut self, key: K, kept: T, now: Instant) -> Option<T> {
        self.in_use = self.in_use.saturating_sub(1);
        if self.is_shut || self.limits.idle == 0 {
            return Some(kept);
        }
        self.idle.push_back(Idle { key, kept, until: now + self.limits.idle_time });
        let is_full = self.idle.len() > self.limits.idle;
        let oldest = if is_full { self.idle.pop_front() } else { None };
        oldest.map(|idle| idle.kept)
    }

    /// What has been idle for too long and must be closed.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<T> {
        let expired = self.idle.iter().take_while(|idle| idle.until <= now).count();
        self.idle.drain(..expired).map(|idle| idle.kept).collect()
    }

    /// When the next one will have been idle for too long.
    pub(super) fn due(&self) -> Option<Instant> {
        self.idle.front().map(|idle| idle.until)
    }

    /// Everything idle that is good for one of these keys; it must be closed.
    pub(super) fn remove(&mut self, which: impl Fn(&K) -> bool) -> Vec<T> {
        let (removed, left) = std::mem::take(&mut self.idle)
            .into_iter()
            .partition::<VecDeque<_>, _>(|idle| which(&idle.key));
        self.idle = left;
        removed.into_iter().map(|idle| idle.kept).collect()
    }

    /// Everything idle, which must be closed; from now on nothing is kept.
    pub(super) fn shut(&mut self) -> Vec<T> {
        self.is_shut = true;
        self.remove(|_| true)
    }

    /// How many are idle.
    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// How many are idle or in use.
    pub(super) fn open(&self) -> usize {
        self.in_use + self.idle.len()
    }

    /// Whether somebody is queued.
    pub(super) fn has_queue(&self) -> bool {
        self.queued > 0
    }
}

#[cfg(test)]
mod tests;
