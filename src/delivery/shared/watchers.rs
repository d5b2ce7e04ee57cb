//! Who watches a relay, from the moment on at which they ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::delivery::Viewer;
use crate::lifecycle::Notice;

/// The viewers of one relay. As many as it has clients, which `limits.clients` bounds.
#[derive(Debug)]
pub(crate) struct Watchers {
    /// Guards the map; held to add, remove or look.
    inner: Mutex<Inner>,
    /// Told when the last one has gone.
    deserted: Notify,
}

#[derive(Debug)]
struct Inner {
    watching: HashMap<u64, Viewer>,
    next: u64,
    /// How many at the same time at most, and how many at all.
    peak: usize,
    total: u64,
    /// When the last one went; before the first one, when it began.
    since: Instant,
}

/// One watcher; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Watching {
    watchers: Arc<Watchers>,
    id: u64,
}

impl Watchers {
    pub(super) fn new() -> Arc<Self> {
        let inner =
            Inner { watching: HashMap::new(), next: 0, peak: 0, total: 0, since: Instant::now() };
        Arc::new(Self { inner: Mutex::new(inner), deserted: Notify::new() })
    }

    /// One more.
    pub(super) fn enter(self: &Arc<Self>, viewer: Viewer) -> Watching {
        let mut inner = self.inner();
        let id = inner.next;
        inner.next += 1;
        inner.total += u64::from(viewer != Viewer::Operator);
        inner.watching.insert(id, viewer);
        inner.peak = inner.peak.max(inner.clients());
        drop(inner);
        Watching { watchers: Arc::clone(self), id }
    }

    /// Whether they are all the same `viewer`; without one, whether there is none.
    pub(crate) fn are_all(&self, viewer: Option<&Viewer>) -> bool {
        self.inner().are_all(viewer)
    }

    /// Gives `leave` if they are all the same `viewer`, or there is none without one. Who enters before is
    /// seen here, and who enters later sees the notice.
    pub(crate) fn dismiss(&self, viewer: Option<&Viewer>, leave: &Notice) -> bool {
        let inner = self.inner();
        let are_all = inner.are_all(viewer);
        if are_all {
            leave.give();
        }
        drop(inner);
        are_all
    }

    /// Since when nobody watches; `None` while somebody does.
    pub(super) fn none_since(&self) -> Option<Instant> {
        let inner = self.inner();
        inner.watching.is_empty().then_some(inner.since)
    }

    /// How many clients watch now, at the same time at most, and how many there have been.
    pub(super) fn counts(&self) -> (usize, usize, u64) {
        let inner = self.inner();
        (inner.clients(), inner.peak, inner.total)
    }

    /// Resolves when the last one has gone, or had gone since this was last awaited. Cancel safe.
    pub(super) async fn deserted(&self) {
        self.deserted.notified().await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn are_all(&self, viewer: Option<&Viewer>) -> bool {
        self.watching.values().all(|watching| Some(watching) == viewer)
    }

    /// Who starts a relay by hand is no client of it.
    fn clients(&self) -> usize {
        self.watching.values().filter(|viewer| **viewer != Viewer::Operator).count()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut inner = self.watchers.inner();
        inner.watching.remove(&self.id);
        inner.since = Instant::now();
        let is_last = inner.watching.is_empty();
        drop(inner);
        if is_last {
            self.watchers.deserted.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_somebody_has_entered_is_not_told_to_leave() {
        let (watchers, leave) = (Watchers::new(), Notice::new());
        let (one, other) = (Viewer::Token("one".into()), Viewer::Token("other".into()));
        let watching = watchers.enter(one.clone());
        assert!(!watchers.dismiss(None, &leave) && !watchers.dismiss(Some(&other), &leave));
        let second = watchers.enter(other.clone());
        assert!(!watchers.dismiss(Some(&one), &leave));
        drop(second);
        assert!(!leave.is_given() && watchers.dismiss(Some(&one), &leave) && leave.is_given());
        drop(watching);
        assert!(watchers.dismiss(None, &Notice::new()));
    }

    #[test]
    fn who_starts_a_relay_by_hand_is_no_client() {
        let watchers = Watchers::new();
        let _operator = watchers.enter(Viewer::Operator);
        assert!(watchers.counts() == (0, 0, 0) && watchers.none_since().is_none());
    }
}
