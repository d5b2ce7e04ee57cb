//! A provider's connection budget: every upstream connection holds one of its slots.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

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

/// One slot in use; free again when dropped.
#[derive(Debug)]
pub struct Slot {
    budget: Option<Arc<Budget>>,
    _counted: Presence,
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
        let counted = Presence::enter(self.gauge.clone());
        Some(Slot { budget: Some(Arc::clone(self)), _counted: counted })
    }
}

impl Slot {
    /// For a source without a provider: counted, not limited.
    #[must_use]
    pub fn unlimited(gauge: Value) -> Self {
        Self { budget: None, _counted: Presence::enter(gauge) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.state.lock().unwrap_or_else(PoisonError::into_inner).used -= 1;
            budget.freed.notify_one();
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
