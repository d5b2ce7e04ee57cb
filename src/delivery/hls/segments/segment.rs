//! One segment on its way to several clients: bytes are added by whoever fetches it, and each client
//! reads them at its own pace, by reference.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::SizeHint;

use crate::delivery::Error;
use crate::delivery::cut::Cut;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;

/// The answer's head.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Bytes that will come.
    pub(super) length: u64,
}

/// A segment. Memory: its bytes.
pub(crate) struct Segment {
    /// Held to add and to take.
    state: Mutex<State>,
}

struct State {
    opening: Opening,
    chunks: Vec<Bytes>,
    end: Option<Result<(), Cut>>,
    /// Those who read it.
    readers: usize,
    next_reader: u64,
    /// Those who wait for more, one entry each.
    waiting: Vec<(u64, Waker)>,
}

enum Opening {
    /// Nothing is known yet.
    Asked,
    Open(Head),
    /// Each client has to fetch it for itself.
    Private,
    Failed(Error),
}

impl Segment {
    pub(super) fn new() -> Self {
        let state = State {
            opening: Opening::Asked,
            chunks: Vec::new(),
            end: None,
            readers: 0,
            next_reader: 0,
            waiting: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it and wakes those who wait.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Its source has it.
    pub(super) fn begins(&self, head: Head) {
        self.change(|state| state.opening = Opening::Open(head));
    }

    /// It cannot be shared.
    pub(super) fn is_private(&self) {
        self.change(|state| state.opening = Opening::Private);
    }

    /// There is no such segment.
    pub(super) fn fails(&self, error: Error) {
        self.change(|state| state.opening = Opening::Failed(error));
    }

    /// More of it has come. False where nobody reads it any more.
    pub(super) fn takes(&self, bytes: Bytes) -> bool {
        let mut is_read = true;
        self.change(|state| {
            is_read = state.readers > 0;
            // A frame may be a small part of a large buffer, which must not stay for it.
            state.chunks.push(Bytes::copy_from_slice(&bytes));
        });
        is_read
    }

    /// Whether all of it has come: what broke is given to nobody else.
    pub(super) fn is_whole(&self) -> bool {
        self.state().end == Some(Ok(()))
    }

    /// No more will come.
    pub(super) fn ends(&self, end: Result<(), Cut>) {
        self.change(|state| state.end = Some(end));
    }
}

/// One client's place in a segment.
pub(crate) struct Reader {
    segment: Arc<Segment>,
    id: u64,
    next: usize,
    passed: u64,
}

impl Reader {
    /// From its first byte on.
    pub(super) fn new(segment: &Arc<Segment>) -> Self {
        let mut state = segment.state();
        state.readers += 1;
        state.next_reader += 1;
        let id = state.next_reader;
        drop(state);
        Self { segment: Arc::clone(segment), id, next: 0, passed: 0 }
    }

    /// Waits until its source has answered; `None` where the segment cannot be shared. Cancel safe.
    ///
    /// # Errors
    /// What became of its source.
    pub(super) async fn opened(self) -> Result<Option<Self>, Error> {
        let is_open = std::future::poll_fn(|cx| {
            let mut state = self.segment.state();
            match &state.opening {
                Opening::Asked => {
                    state.wait(self.id, cx);
                    Poll::Pending
                }
                Opening::Open(_) => Poll::Ready(Ok(true)),
                Opening::Private => Poll::Ready(Ok(false)),
                Opening::Failed(error) => Poll::Ready(Err(error.clone())),
            }
        });
        Ok(is_open.await?.then_some(self))
    }

    /// Status and fields.
    pub(super) fn head(&self) -> (StatusCode, HeaderMap) {
        match &self.segment.state().opening {
            Opening::Open(head) => (head.status, head.headers.clone()),
            _ => (StatusCode::BAD_GATEWAY, HeaderMap::new()),
        }
    }

    /// The bytes that are left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.segment.state().opening {
            Opening::Open(head) => SizeHint::with_exact(head.length.saturating_sub(self.passed)),
            _ => SizeHint::default(),
        }
    }

    /// The next bytes.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        let mut state = self.segment.state();
        if let Some(bytes) = state.chunks.get(self.next) {
            self.next += 1;
            self.passed += bytes.len() as u64;
            let is_last =
                matches!(&state.opening, Opening::Open(head) if head.length == self.passed);
            if is_last {
                // hyper does not ask again after the last byte of a known length.
                session.ended(End::Complete);
            }
            return Poll::Ready(Some(Ok(bytes.clone())));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(cut)) => Poll::Ready(Some(Err(cut))),
            None => {
                state.wait(self.id, cx);
                Poll::Pending
            }
        }
    }
}

impl State {
    fn wait(&mut self, reader: u64, cx: &Context<'_>) {
        self.waiting.retain(|(other, _)| *other != reader);
        self.waiting.push((reader, cx.waker().clone()));
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.segment.state();
        state.readers -= 1;
        state.waiting.retain(|(other, _)| *other != self.id);
    }
}
