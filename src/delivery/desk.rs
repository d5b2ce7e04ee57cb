//! Where a running session is told from outside to go over to another source, and answers what came
//! of it, or to look at what its channel shows instead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::oneshot;

use crate::delivery::failover::Outcome;

/// One session's desk: at most one order lies on it, and the word to look.
#[derive(Debug, Default)]
pub struct Desk {
    /// There is an order, or the word to look. Written under the lock, read without it.
    rung: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    order: Option<Order>,
    looks: bool,
    /// The session's task, once it has looked.
    waker: Option<Waker>,
}

/// What a session is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// To go over to another source.
    Order(Order),
    /// To look at what its channel shows: that has changed.
    Look,
}

/// What a session is told to do.
#[derive(Debug)]
pub(crate) struct Order {
    /// The source to go over to; `None`: the next one.
    pub(crate) source: Option<usize>,
    /// Told once what came of it.
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Desk {
    /// Orders the session to go over to `source`, or to the next one. What comes of it is received;
    /// nothing, if the session ends first. `None` while another order lies here. A session whose
    /// client takes nothing does not look, so the caller has a deadline.
    pub fn order(&self, source: Option<usize>) -> Option<oneshot::Receiver<Outcome>> {
        let (answer, told) = oneshot::channel();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.order.as_ref().is_some_and(|order| !order.answer.is_closed()) {
            return None;
        }
        inner.order = Some(Order { source, answer });
        self.ring(inner);
        Some(told)
    }

    /// Tells the session to look at what its channel shows.
    pub fn look(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.looks = true;
        self.ring(inner);
    }

    fn ring(&self, inner: MutexGuard<'_, Inner>) {
        self.rung.store(true, Ordering::Release);
        let waker = inner.waker.clone();
        drop(inner);
        waker.inspect(Waker::wake_by_ref);
    }

    /// What lies here. The session's task is woken by what comes next. To be asked at every
    /// poll: that costs a look at an atomic, and the lock when the task has changed its waker, which
    /// `told` remembers.
    pub(crate) fn take(&self, cx: &Context<'_>, told: &mut Option<Waker>) -> Option<Word> {
        let known = told.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if known && !self.rung.load(Ordering::Acquire) {
            return None;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !known {
            inner.waker = Some(cx.waker().clone());
            *told = Some(cx.waker().clone());
        }
        let looks = std::mem::take(&mut inner.looks);
        self.rung.store(looks && inner.order.is_some(), Ordering::Relaxed);
        if looks { Some(Word::Look) } else { inner.order.take().map(Word::Order) }
    }

    /// The order that lies here, for a session that looks only when its player asks for something.
    pub(crate) fn take_now(&self) -> Option<Order> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.rung.store(false, Ordering::Relaxed);
        inner.order.take()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_order_wakes_the_session_and_its_answer_comes_back() {
        let desk = Desk::default();
        let mut told = None;
        let session = poll_fn(|cx| match desk.take(cx, &mut told) {
            Some(Word::Order(order)) => Poll::Ready(order),
            Some(Word::Look) | None => Poll::Pending,
        });
        let orderer = async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let answer = desk.order(Some(1));
            assert!(desk.order(None).is_none(), "one lies there");
            answer
        };
        let (order, answer) = tokio::join!(session, orderer);
        let answer = answer.unwrap();
        assert_eq!(order.source, Some(1));
        order.answer.send(Outcome::AlreadyThere).unwrap();
        assert_eq!(answer.await, Ok(Outcome::AlreadyThere));
        drop(desk.order(None));
        assert!(desk.order(None).is_some(), "nobody waits for the last one any more");
    }

    #[tokio::test]
    async fn the_word_to_look_comes_first_and_takes_no_order_away() {
        let desk = Desk::default();
        let _answer = desk.order(Some(1));
        desk.look();
        desk.look();
        let mut told = None;
        poll_fn(|cx| {
            assert!(matches!(desk.take(cx, &mut told), Some(Word::Look)));
            assert!(matches!(desk.take(cx, &mut told), Some(Word::Order(_))));
            assert!(desk.take(cx, &mut told).is_none());
            Poll::Ready(())
        })
        .await;
    }
}
