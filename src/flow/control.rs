//! What the layers above and below hyper have to tell each other about one client connection.
//!
//! hyper owns the socket's wrapper while it serves, so the handler above and the wrapper below
//! share this small block of atomics instead.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Shared by the wrapper of one client connection and by whoever answers on it.
#[derive(Debug)]
pub struct Control {
    /// Milliseconds that the client may take no byte while some wait for it; 0 = for ever.
    /// Written by the handler when an answer begins, read by the wrapper when a write waits.
    patience_ms: AtomicU64,
    /// The wrapper gave up on the client. Written once by the wrapper.
    timed_out: AtomicBool,
    /// An answer is on its way; no further request head is let through. Set by the wrapper when
    /// it lets a head through, cleared when the answer's body is dropped.
    answering: AtomicBool,
}

impl Control {
    /// For a connection whose writes may wait for `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self {
            patience_ms: AtomicU64::new(millis(patience)),
            timed_out: AtomicBool::new(false),
            answering: AtomicBool::new(false),
        }
    }

    /// From now on the client may take no byte for `patience` at most.
    pub fn limit_patience(&self, patience: Duration) {
        self.patience_ms.store(millis(patience), Ordering::Relaxed);
    }

    /// From now on the client may pause for ever (a film that somebody went to make tea in).
    pub fn wait_for_ever(&self) {
        self.patience_ms.store(0, Ordering::Relaxed);
    }

    /// How long a write may wait, `None` for ever.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self.patience_ms.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        }
    }

    /// Whether the connection ended because the client took nothing for too long.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    pub(crate) fn set_timed_out(&self) {
        self.timed_out.store(true, Ordering::Relaxed);
    }

    /// Whether an answer is on its way.
    #[must_use]
    pub fn answering(&self) -> bool {
        self.answering.load(Ordering::Acquire)
    }

    /// Marks the beginning or the end of an answer.
    pub fn set_answering(&self, answering: bool) {
        self.answering.store(answering, Ordering::Release);
    }
}

fn millis(patience: Duration) -> u64 {
    u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1)
}
