//! Every task of the program is spawned here, so that stopping can wait for all of them and none
//! outlives the program unnoticed. A task ends because it finished, failed (and logged it), or was
//! told to stop.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use crate::lifecycle::Given;
use crate::lifecycle::Notice;

/// Spawns and counts tasks, and carries the two words that end them.
///
/// Cheap to clone; all clones speak of the same tasks.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// Counts what runs.
    tracker: TaskTracker,
    /// Given when the program begins to drain: take nothing new, finish what runs.
    stop: Notice,
    /// Given when the grace is over: end now.
    cut: Notice,
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
        self.tracker.spawn(self.bounded(task).instrument(span));
    }

    /// As [`Tasks::spawn`], on another runtime.
    pub fn spawn_on<F>(&self, runtime: &Handle, span: Span, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn_on(self.bounded(task).instrument(span), runtime);
    }

    /// `task` until everything must end.
    fn bounded<F>(&self, task: F) -> impl Future<Output = ()> + use<F>
    where
        F: Future<Output = ()>,
    {
        let cut = self.cut.given();
        async move {
            tokio::select! {
                biased;
                () = task => {}
                () = cut => {}
            }
        }
    }

    /// Resolves once draining has begun. Cancel safe.
    #[must_use]
    pub fn stopping(&self) -> Given {
        self.stop.given()
    }

    /// The notice behind [`Tasks::stopping`], for code that holds one instead of these tasks.
    #[must_use]
    pub fn stop_notice(&self) -> Notice {
        self.stop.clone()
    }

    /// The notice that everything must end at once.
    #[must_use]
    pub fn cut_notice(&self) -> Notice {
        self.cut.clone()
    }

    /// Begins draining: accept loops end, idle connections close, running answers go on.
    pub fn stop(&self) {
        self.stop.give();
        self.tracker.close();
    }

    /// Ends every task now.
    pub fn cut(&self) {
        self.cut.give();
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
