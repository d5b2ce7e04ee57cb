//! A provider's connection budget: every upstream connection holds one of its slots.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::oneshot;

use crate::metrics::Presence;
use crate::metrics::Value;

/// The slots of one provider or receiver. Lives on over a reload, so that connections made before
/// it still count.
#[derive(Debug)]
pub struct Budget {
    /// Guards both figures; held for a comparison and an addition.
    state: Mutex<State>,
    /// Told once for each slot that comes free, and when the budget grows.
    freed: Notify,
    /// The gauge of open connections.
    gauge: Value,
}

#[derive(Debug)]
struct State {
    /// Slots in use.
    used: usize,
    /// Slots there are.
    max: usize,
}

/// One slot in use. When dropped it goes to its heir, or else is free again.
#[derive(Debug)]
pub struct Slot {
    lease: Option<Arc<Lease>>,
    /// Handed on with the slot; gone only while it is dropped.
    counted: Option<Presence>,
    /// What this is a share of.
    _whole: Option<Arc<Slot>>,
}

/// Which slot somebody holds, for those who may take it over: it holds nothing itself.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    /// Guards one word.
    after: Mutex<After>,
}

/// Where a slot goes when its holder drops it.
#[derive(Debug)]
enum After {
    /// To the budget.
    Free,
    /// To somebody it was promised to.
    Heir(oneshot::Sender<Slot>),
    /// It has gone there.
    Gone,
}

impl Budget {
    /// A budget of `max` connections, counted in `gauge`.
    #[must_use]
    pub fn new(max: usize, gauge: Value) -> Self {
        Self { state: Mutex::new(State { used: 0, max }), freed: Notify::new(), gauge }
    }

    /// Changes the size. Slots in use beyond a smaller one stay until they are dropped.
    pub fn resize(&self, max: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).max = max;
        self.freed.notify_waiters();
    }

    /// Slots in use now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).used
    }

    /// Slots there are.
    #[must_use]
    pub fn max(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).max
    }

    /// A slot, waiting for one as long as it takes: the caller has the deadline. Cancel safe.
    pub async fn slot(self: &Arc<Self>) -> Slot {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the look, so that a slot freed in between is not missed.
            freed.as_mut().enable();
            if let Some(slot) = self.try_slot() {
                return slot;
            }
            freed.await;
        }
    }

    /// A slot if one is free now.
    #[must_use]
    pub fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.used >= state.max {
            return None;
        }
        state.used += 1;
        Some(self.lease(Presence::enter(self.gauge.clone())))
    }

    /// A slot that is used already.
    fn lease(self: &Arc<Self>, counted: Presence) -> Slot {
        let lease = Lease { budget: Arc::clone(self), after: Mutex::new(After::Free) };
        Slot { lease: Some(Arc::new(lease)), counted: Some(counted), _whole: None }
    }

    fn free_one(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).used -= 1;
        self.freed.notify_one();
    }
}

impl Lease {
    /// Whose slot it is.
    #[must_use]
    pub fn is_of(&self, budget: &Arc<Budget>) -> bool {
        Arc::ptr_eq(&self.budget, budget)
    }

    /// The slot itself, as soon as its holder drops it: it is not free in between, and nobody else
    /// gets it. `None` when it is promised to somebody already, or was dropped. Who does not wait for
    /// it any longer drops the receiver, and the slot is free then.
    #[must_use]
    pub fn inherit(&self) -> Option<oneshot::Receiver<Slot>> {
        let mut after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        match &*after {
            After::Gone => return None,
            After::Heir(heir) if !heir.is_closed() => return None,
            After::Free | After::Heir(_) => {}
        }
        let (give, get) = oneshot::channel();
        *after = After::Heir(give);
        Some(get)
    }
}

impl Slot {
    /// For a source without a provider: counted, not limited.
    #[must_use]
    pub fn unlimited(gauge: Value) -> Self {
        Self { lease: None, counted: Some(Presence::enter(gauge)), _whole: None }
    }

    /// For what needs no connection: neither counted nor limited.
    #[must_use]
    pub fn none() -> Self {
        Self { lease: None, counted: None, _whole: None }
    }

    /// A share of a slot that several requests have together: it is free when the last one is
    /// dropped. Nobody can inherit a share.
    #[must_use]
    pub fn share(whole: &Arc<Self>) -> Self {
        Self { lease: None, counted: None, _whole: Some(Arc::clone(whole)) }
    }

    /// Which slot it is; `None` where nothing limits them, and for a share.
    #[must_use]
    pub fn held(&self) -> Option<Arc<Lease>> {
        self.lease.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(lease) = &self.lease else { return };
        let mut after = lease.after.lock().unwrap_or_else(PoisonError::into_inner);
        let after = std::mem::replace(&mut *after, After::Gone);
        match (after, self.counted.take()) {
            // An heir who goes at this moment returns the slot, and dropping that frees it.
            (After::Heir(heir), Some(counted)) if !heir.is_closed() => {
                _ = heir.send(lease.budget.lease(counted));
            }
            _ => lease.budget.free_one(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_the_slot_that_comes_free_and_nobody_exceeds_the_budget() {
        let budget = Arc::new(Budget::new(1, Value::default()));
        let first = budget.slot().await;
        assert!(timeout(Duration::from_secs(3), budget.slot()).await.is_err());
        let free = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(budget.slot(), free);
        assert_eq!(budget.used(), 1);
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_heir_gets_the_slot_before_anybody_who_waits() {
        let budget = Arc::new(Budget::new(1, Value::default()));
        let first = budget.try_slot().unwrap();
        let lease = first.held().unwrap();
        let heir = lease.inherit().unwrap();
        assert!(lease.inherit().is_none(), "promised already");
        let waiting = timeout(Duration::from_secs(3), budget.slot());
        let (waited, ()) = tokio::join!(waiting, async { drop(first) });
        assert!(waited.is_err(), "it was never free");
        let second = heir.await.unwrap();
        assert_eq!(budget.used(), 1);

        let gone = second.held().unwrap().inherit().unwrap();
        drop(gone);
        drop(second);
        assert_eq!(budget.used(), 0, "an heir who does not wait any longer gets nothing");

        let third = budget.try_slot().unwrap();
        let late = third.held().unwrap().inherit().unwrap();
        drop(third);
        assert_eq!(budget.used(), 1, "on its way to the heir");
        drop(late);
        assert_eq!(budget.used(), 0);

        let fourth = budget.try_slot().unwrap();
        let lease = fourth.held().unwrap();
        drop(fourth);
        assert!(lease.inherit().is_none(), "there is nothing to be had any more");
    }

    #[tokio::test]
    async fn a_slot_is_free_when_its_last_share_is_gone() {
        let budget = Arc::new(Budget::new(1, Value::default()));
        let whole = Arc::new(budget.try_slot().unwrap());
        let (one, two) = (Slot::share(&whole), Slot::share(&whole));
        drop((whole, one));
        assert_eq!(budget.used(), 1);
        drop(two);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_that_grows_lets_waiters_in_and_one_that_shrinks_waits_for_its_slots() {
        let budget = Arc::new(Budget::new(1, Value::default()));
        let first = budget.try_slot().unwrap();
        let (second, ()) = tokio::join!(budget.slot(), async {
            tokio::task::yield_now().await;
            budget.resize(2);
        });
        budget.resize(1);
        drop(first);
        assert!(budget.try_slot().is_none(), "one is still in use");
        drop(second);
        assert!(budget.try_slot().is_some());
    }
}
