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

/// Short ones that may go before a long one that waits.
const OVERTAKES_MAX: usize = 4;

/// What a place is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A playlist: it is there in a moment, and a player that does not get it stops.
    Short,
    /// A segment: it takes as long as its client does.
    Long,
}

impl PoolLimits {
    /// Places that long ones may take: a tenth is for the others.
    fn long(&self) -> usize {
        self.open - self.open / 10
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
    /// Those among them that are long.
    in_use_long: usize,
    /// Who waits for a place.
    queued_short: usize,
    queued_long: usize,
    /// Short ones that have gone before the long one that waits.
    overtakes: usize,
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
        Self {
            limits,
            idle: VecDeque::new(),
            in_use: 0,
            in_use_long: 0,
            queued_short: 0,
            queued_long: 0,
            overtakes: 0,
            is_shut: false,
        }
    }

    /// Somebody wants a connection: a new one, or an idle one that is good for `key`. Who is `queued`
    /// comes before who is not, and what is short before what is long, though not for ever. What is
    /// answered counts as in use, or as queued if it was not.
    pub(super) fn claim(
        &mut self,
        key: Option<&K>,
        what: Use,
        queued: bool,
        now: Instant,
    ) -> Claim<T> {
        let may_claim = if queued { self.turn() == Some(what) } else { self.is_free_for(what) };
        if may_claim && let Some(claim) = self.place(key, now) {
            self.in_use += 1;
            match what {
                Use::Short => self.overtakes += usize::from(self.long_waits()),
                Use::Long => (self.in_use_long, self.overtakes) = (self.in_use_long + 1, 0),
            }
            return claim;
        }
        *self.queue(what) += usize::from(!queued);
        Claim::Wait
    }

    /// Whose turn it is among those who are queued; `None` where there is no place for any of them.
    pub(super) fn turn(&self) -> Option<Use> {
        let is_place = self.open() < self.limits.open || !self.idle.is_empty();
        match (self.queued_short > 0, self.long_waits()) {
            _ if !is_place => None,
            (true, long_waits) if !long_waits || self.overtakes < OVERTAKES_MAX => Some(Use::Short),
            (_, long_waits) => long_waits.then_some(Use::Long),
        }
    }

    /// Whether nobody is queued who comes before somebody who comes now.
    fn is_free_for(&self, what: Use) -> bool {
        match what {
            Use::Short => {
                let is_overdue = self.long_waits() && self.overtakes >= OVERTAKES_MAX;
                self.queued_short == 0 && !is_overdue
            }
            Use::Long => self.queued_short + self.queued_long == 0 && self.takes_long(),
        }
    }

    /// Whether another long one may have a place, if there is one.
    fn takes_long(&self) -> bool {
        self.in_use_long < self.limits.long()
    }

    /// Whether a long one is queued that may have a place.
    fn long_waits(&self) -> bool {
        self.queued_long > 0 && self.takes_long()
    }

    fn queue(&mut self, what: Use) -> &mut usize {
        match what {
            Use::Short => &mut self.queued_short,
            Use::Long => &mut self.queued_long,
        }
    }

    /// A place, if there is one: that of an idle connection, or for a new one.
    fn place(&mut self, key: Option<&K>, now: Instant) -> Option<Claim<T>> {
        if let Some(kept) = key.and_then(|key| self.take(key, now)) {
            return Some(Claim::Reuse(kept));
        }
        if self.open() < self.limits.open {
            return Some(Claim::Open { close: None });
        }
        let oldest = self.idle.pop_front()?;
        Some(Claim::Open { close: Some(oldest.kept) })
    }

    /// The newest that is good for `key`: the one least likely to have been closed by its source.
    fn take(&mut self, key: &K, now: Instant) -> Option<T> {
        let fits = |idle: &Idle<K, T>| idle.key == *key && idle.until > now;
        let index = self.idle.iter().rposition(fits)?;
        self.idle.remove(index).map(|idle| idle.kept)
    }

    /// One of those who are queued has got what it wanted, or has given up.
    pub(super) fn leave_queue(&mut self, what: Use) {
        let queue = self.queue(what);
        *queue = queue.saturating_sub(1);
    }

    /// One that was in use is closed.
    pub(super) fn closed(&mut self, what: Use) {
        self.in_use = self.in_use.saturating_sub(1);
        self.in_use_long = self.in_use_long.saturating_sub(usize::from(what == Use::Long));
    }

    /// One that was in use can be kept for `key`. Answers what must be closed instead.
    pub(super) fn put(&mut self, key: K, kept: T, what: Use, now: Instant) -> Option<T> {
        self.closed(what);
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
    #[cfg(test)]
    pub(super) fn has_queue(&self) -> bool {
        self.queued() > 0
    }

    /// How many are queued.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queued_short + self.queued_long
    }
}

#[cfg(test)]
mod tests;
