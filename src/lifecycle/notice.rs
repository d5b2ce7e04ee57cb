//! A notice that is given once and that thousands of tasks wait for without asking: a token whose
//! state can be read without its lock.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Given once, by anybody who holds it, for ever. Clones speak of the same notice.
#[derive(Clone, Debug, Default)]
pub struct Notice {
    /// Set before the token is cancelled, so that whoever is woken sees it.
    given: Arc<AtomicBool>,
    /// The same of the notice that this one follows.
    above: Option<Arc<AtomicBool>>,
    token: CancellationToken,
}

impl Notice {
    /// Not given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A notice of its own that is also given when this one is.
    #[must_use]
    pub fn child(&self) -> Self {
        let above = Some(Arc::clone(&self.given));
        Self { given: Arc::default(), above, token: self.token.child_token() }
    }

    /// Gives it; again has no effect.
    pub fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let above = self.above.as_ref();
        self.given.load(Ordering::Acquire)
            || above.is_some_and(|above| above.load(Ordering::Acquire))
    }

    /// Resolves once it is given. Cancel safe.
    #[must_use]
    pub fn given(&self) -> Given {
        Given { notice: self.clone(), waiting: None }
    }
}

/// Waits for a [`Notice`]. A task that polls it at every wake-up pays for a look at an atomic; the
/// lock is taken at the first poll, and when the task has changed its waker.
#[derive(Debug)]
pub struct Given {
    notice: Notice,
    /// From the first poll that had to wait, with the waker that it was told of.
    waiting: Option<(Waker, Pin<Box<WaitForCancellationFutureOwned>>)>,
}

impl Future for Given {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        if me.notice.is_given() {
            return Poll::Ready(());
        }
        if me.waiting.as_ref().is_some_and(|(waker, _)| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let waiting = match me.waiting.take() {
            Some((_, waiting)) => waiting,
            None => Box::pin(me.notice.token.clone().cancelled_owned()),
        };
        let (waker, waiting) = me.waiting.insert((cx.waker().clone(), waiting));
        debug_assert!(waker.will_wake(cx.waker()), "just cloned");
        waiting.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_child_is_given_with_its_parent_and_by_itself() {
        let parent = Notice::new();
        let (one, two) = (parent.child(), parent.child());
        one.give();
        one.given().await;
        assert!(one.is_given() && !two.is_given() && !parent.is_given());
        parent.give();
        two.given().await;
        assert!(two.is_given());
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_who_waits_is_told_and_so_is_who_asks_later() {
        let notice = Notice::new();
        let waiting: Vec<_> = (0..10).map(|_| notice.given()).collect();
        let mut early = notice.given();
        let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut early).poll(cx)));
        assert_eq!(polled.await, Poll::Pending);
        let other = notice.clone();
        let (told, ()) = tokio::join!(
            async {
                for one in waiting {
                    one.await;
                }
                early.await;
                10
            },
            async move {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                other.give();
            }
        );
        assert_eq!(told, 10);
        notice.given().await;
        assert!(notice.is_given());
    }
}
