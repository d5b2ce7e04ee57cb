//! What the layers above and below hyper have to tell each other about one client connection.
//!
//! hyper owns the socket's wrapper while it serves, so the handler above and the wrapper below
//! share this small block of atomics instead.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::flow::stage::Stage;
use crate::lifecycle::Hurry;
use crate::lifecycle::Notice;

/// Shared by the wrapper of one client connection and by whoever answers on it.
#[derive(Debug)]
pub struct Control {
    /// Milliseconds that the client may take no byte while some wait for it; 0 = for ever.
    /// Written by the handler when an answer begins, read by the wrapper when a write waits.
    patience_ms: AtomicU64,
    /// The wrapper gave up on the client. Written once by the wrapper.
    timed_out: AtomicBool,
    /// How often a write has begun or ceased to wait for the client: odd while one waits. Written by
    /// the wrapper alone.
    waits: AtomicU32,
    /// An answer is on its way; no further request head is let through. Set by the wrapper when
    /// it lets a head through, cleared when the answer's body is dropped.
    answering: AtomicBool,
    /// What `patience_ms` goes back to after an answer.
    usual_ms: u64,
    /// Body bytes between the body, which puts them there, and the wrapper, which sends them. Both
    /// run in the connection's task, so the lock is never waited for.
    stage: Mutex<Stage>,
    /// Makes the connection's lane look for events at once while the answer is in a hurry.
    hurry: Option<Hurry>,
    /// The answer is in a hurry unless its client makes it wait: its head is not out, or it is a
    /// file.
    urgent: AtomicBool,
    /// Whether the wrapper can splice: it is plain TCP.
    splices: AtomicBool,
    /// Ends a write that waits. Guards one word, set when an answer begins and taken when it ends.
    ending: Mutex<Option<Notice>>,
}

impl Control {
    /// For a connection whose writes may wait for `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self {
            patience_ms: AtomicU64::new(millis(patience)),
            timed_out: AtomicBool::new(false),
            waits: AtomicU32::new(0),
            answering: AtomicBool::new(false),
            usual_ms: millis(patience),
            hurry: None,
            urgent: AtomicBool::new(false),
            stage: Mutex::default(),
            splices: AtomicBool::new(false),
            ending: Mutex::new(None),
        }
    }

    /// The same, on a lane that is told when an answer is in a hurry.
    #[must_use]
    pub fn with_hurry(self, hurry: Option<Hurry>) -> Self {
        Self { hurry, ..self }
    }

    /// From now on the client may take no byte for `patience` at most.
    pub fn limit_patience(&self, patience: Duration) {
        self.patience_ms.store(millis(patience), Ordering::Relaxed);
    }

    /// From now on the client may pause for ever (a film that somebody went to make tea in).
    pub fn wait_for_ever(&self) {
        self.patience_ms.store(0, Ordering::Relaxed);
    }

    /// From now on the client may take no byte for as long as before any answer.
    pub(crate) fn usual_patience(&self) {
        self.patience_ms.store(self.usual_ms, Ordering::Relaxed);
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

    /// Whether bytes wait for the client to take them.
    #[must_use]
    pub fn write_waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed) % 2 == 1
    }

    /// Changes when the client has taken bytes after it had made some wait.
    #[must_use]
    pub fn waits_over(&self) -> u32 {
        self.waits.load(Ordering::Relaxed) / 2
    }

    pub(crate) fn set_write_waits(&self, waits: bool) {
        if waits == self.write_waits() {
            return;
        }
        // Nobody else writes, so this need not be one step.
        let changes = self.waits.load(Ordering::Relaxed);
        self.waits.store(changes.wrapping_add(1), Ordering::Relaxed);
        if self.urgent.load(Ordering::Relaxed) {
            self.set_hurry(!waits);
        }
    }

    /// The head is out and what follows is endless: a few milliseconds do not matter to it.
    pub fn no_hurry(&self) {
        self.urgent.store(false, Ordering::Relaxed);
        self.set_hurry(false);
    }

    /// More bytes are about to come.
    pub(crate) fn stir(&self) {
        if let Some(hurry) = &self.hurry {
            hurry.stir();
        }
    }

    fn set_hurry(&self, on: bool) {
        if let Some(hurry) = &self.hurry {
            hurry.set(on);
        }
    }

    /// Whether an answer is on its way: its body has not ended, or bytes of it are not sent yet.
    #[must_use]
    pub fn answering(&self) -> bool {
        self.answering.load(Ordering::Acquire) || self.stage().is_occupied()
    }

    /// The bytes on their way. Held for a call of the kernel at most, and never across an await.
    pub(crate) fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client's socket takes bytes from a pipe.
    pub(crate) fn splices(&self) -> bool {
        self.splices.load(Ordering::Relaxed)
    }

    pub(crate) fn set_splices(&self, splices: bool) {
        self.splices.store(splices, Ordering::Relaxed);
    }

    /// A request head was let through: its answer begins. Patience is what it was, and nothing ends
    /// the connection from outside until the answer says so. Not as soon as the last answer's body
    /// has ended: bytes of it may still be waiting then.
    pub fn begin_answer(&self) {
        self.usual_patience();
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.answering.store(true, Ordering::Release);
        self.urgent.store(true, Ordering::Relaxed);
        self.set_hurry(true);
    }

    /// The answer's body is over.
    pub fn end_answer(&self) {
        self.answering.store(false, Ordering::Release);
        self.no_hurry();
    }

    /// From now on `notice` ends the connection even while its client reads nothing: hyper does not
    /// ask a body for bytes then, so the body could not.
    pub fn end_with(&self, notice: Notice) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice);
    }

    /// What ends the running answer.
    pub(crate) fn ending(&self) -> Option<Notice> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn millis(patience: Duration) -> u64 {
    u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1)
}
