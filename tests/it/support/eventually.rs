//! Waiting without sleeping: poll a condition, await a future or a gate, always with a deadline and
//! a message that says what was waited for. The deadline is generous, because it is only met by a
//! test that fails; nothing here asserts how long something took.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long a helper waits before it fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Pause between two looks of [`eventually`].
const POLL: Duration = Duration::from_millis(5);

/// Calls `look` until it gives a value, and returns that value.
///
/// # Panics
/// After [`DEADLINE`], naming `what`.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    eventually_async(what, async || look()).await
}

/// As [`eventually`], for a look that has to await something itself (an HTTP request, say).
///
/// # Panics
/// After [`DEADLINE`], naming `what`.
pub(crate) async fn eventually_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    let mut looks = 0_u64;
    while started.elapsed() < DEADLINE {
        looks += 1;
        // A look that hangs must not outlive the deadline either.
        let found = within(what, look()).await;
        if let Some(found) = found {
            return found;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("not within {DEADLINE:?}, {looks} looks: {what}");
}

/// Awaits `future`.
///
/// # Panics
/// After [`DEADLINE`], naming `what`.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("not within {DEADLINE:?}: {what}"),
    }
}

/// A gate that a test opens once: scripts of origins wait at it, so that the test decides the
/// moment of a stall, a reset or a recovery. Clones are the same gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Opens the gate for good.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Whether the gate was opened.
    pub(crate) fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the gate is open. No deadline: whoever waits has one. Cancel safe.
    pub(crate) async fn opened(&self) {
        // Err means that the sender is gone, and `self` is a sender.
        self.0.subscribe().wait_for(|open| *open).await.expect("the gate holds its sender");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_polled_until_it_holds() {
        let mut left = 3;
        let found = eventually("the third look", || {
            left -= 1;
            (left == 0).then_some("here")
        });
        assert_eq!(found.await, "here");
    }

    #[tokio::test]
    async fn everyone_waiting_passes_an_opened_gate() {
        let gate = Gate::new();
        let clone = gate.clone();
        let waiting = async { tokio::join!(gate.opened(), clone.opened()) };
        let opening = async { gate.clone().open() };
        tokio::join!(waiting, opening);
        assert!(clone.is_open());
        gate.opened().await;
    }
}
