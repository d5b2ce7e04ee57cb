//! The account of the memory that shared segments take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes segments may take, and how many they do.
pub(super) struct Account {
    max: u64,
    used: AtomicU64,
}

/// Bytes of an account that a segment takes, until it is dropped.
pub(super) struct Room {
    account: Arc<Account>,
    bytes: u64,
}

impl Account {
    /// Nothing is taken of `max` bytes.
    pub(super) fn new(max: u64) -> Self {
        Self { max, used: AtomicU64::new(0) }
    }

    /// Takes so many bytes; `None` where they are not there.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Option<Room> {
        let added = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).ok()?;
        Some(Room { account: Arc::clone(self), bytes })
    }

    /// Bytes that are taken.
    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
