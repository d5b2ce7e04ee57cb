//! Every task of the program is spawned here, so that stopping can wait for all of them and none
//! outlives the program unnoticed. A task ends because it finished, failed (and logged it), or was
//! told to stop.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// Spawns and counts tasks, and carries the two words that end them.
///
/// Cheap to clone; all clones speak of the same tasks.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// Counts what runs.
    tracker: TaskTracker,
    /// Cancelled when the program begins to drain: take nothing new, finish what runs.
    stop: CancellationToken,
    /// Cancelled when the grace is over: end now.
    cut: CancellationToken,
}

impl Tasks {
    /// No tasks yet, and neither word spoken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` inside `span` until it ends by itself. It should watch [`Tasks::stopping`] where
    /// it could run for ever; [`Tasks::finish`] ends it in any case.
    pub fn spawn<F>(&self, span: Span, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cut = self.cut.clone();
        let bounded = async move {
            tokio::select! {
                () = task => {}
                () = cut.cancelled() => {}
            }
        };
        self.tracker.spawn(bounded.instrument(span));
    }

    /// Resolves once draining has begun. Cancel safe.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// The token behind [`Tasks::stopping`], for code that holds one instead of these tasks.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The token that is cancelled when everything must end at once.
    #[must_use]
    pub fn cut_token(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Begins draining: accept loops end, idle connections close, running answers go on.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Ends every task now.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// How many tasks run.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all tasks have ended, at most for `grace`, then cuts the rest and waits for
    /// them. Answers how many had to be cut. Cancel safe: call it again.
    pub async fn finish(&self, grace: Duration) -> usize {
        self.stop();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tracker.len();
        self.cut();
        self.tracker.wait().await;
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn finish_waits_for_what_ends_and_cuts_what_does_not() {
        let tasks = Tasks::new();
        tasks.spawn(Span::none(), tokio::time::sleep(Duration::from_secs(1)));
        tasks.spawn(Span::none(), std::future::pending());
        assert_eq!(tasks.count(), 2);
        assert_eq!(tasks.finish(Duration::from_secs(5)).await, 1);
        assert_eq!(tasks.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn finish_returns_as_soon_as_all_have_ended() {
        let tasks = Tasks::new();
        let stopping = tasks.clone();
        tasks.spawn(Span::none(), async move { stopping.stopping().await });
        let before = tokio::time::Instant::now();
        assert_eq!(tasks.finish(Duration::from_secs(60)).await, 0);
        assert!(before.elapsed() < Duration::from_secs(1), "paused time did not have to advance");
    }
}
