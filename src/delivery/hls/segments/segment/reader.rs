//! Readers of a segment: each is one client's place in it.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::SizeHint;

use crate::delivery::Error;
use crate::delivery::attempt::Opened;
use crate::delivery::cut::Cut;
use crate::delivery::hls::segments::segment::FIRST;
use crate::delivery::hls::segments::segment::Opening;
use crate::delivery::hls::segments::segment::Segment;
use crate::delivery::hls::segments::segment::State;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::upstream::SetCookies;

/// One client's place in a segment.
pub(crate) struct Reader {
    segment: Arc<Segment>,
    id: u64,
    place: Place,
    passed: u64,
}

/// What somebody who wants a segment has to do with it.
pub(in crate::delivery::hls::segments) enum Access {
    /// To read it along with others.
    Shared(Reader),
    /// To pass this on, which nobody else is given.
    Own(Box<Opened>),
    /// To fetch it.
    None,
}

/// The next chunk of a client, and how much of it was given already.
#[derive(Default)]
struct Place {
    chunk: usize,
    offset: usize,
}

/// Bytes of a segment, which they keep: as long as a client has them, its room is taken.
struct View {
    bytes: Bytes,
    _segment: Arc<Segment>,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Reader {
    /// From its first byte on.
    pub(in crate::delivery::hls::segments) fn new(segment: &Arc<Segment>) -> Self {
        let mut state = segment.state();
        state.readers += 1;
        let id = state.next_reader;
        state.next_reader += 1;
        drop(state);
        Self { segment: Arc::clone(segment), id, place: Place::default(), passed: 0 }
    }

    /// Waits until its source has answered. Cancel safe.
    ///
    /// # Errors
    /// What became of its source.
    pub(in crate::delivery::hls::segments) async fn opened(self) -> Result<Access, Error> {
        let is_open = std::future::poll_fn(|cx| {
            let mut state = self.segment.state();
            match &mut state.opening {
                Opening::Asked => {
                    state.waiting.insert(self.id, cx.waker().clone());
                    Poll::Pending
                }
                Opening::Open { .. } => Poll::Ready(Ok(None)),
                Opening::Private(opened) => {
                    // It was opened on the lane of the first one, where its connection stays.
                    let own = opened.take_if(|_| self.id == FIRST);
                    Poll::Ready(Ok(Some(own.map_or(Access::None, Access::Own))))
                }
                Opening::Failed(error) => Poll::Ready(Err(error.clone())),
            }
        });
        Ok(is_open.await?.unwrap_or_else(|| Access::Shared(self)))
    }

    /// Status and fields.
    pub(in crate::delivery::hls::segments) fn head(&self) -> (StatusCode, HeaderMap) {
        match &self.segment.state().opening {
            Opening::Open { head, .. } => (head.status, head.headers.clone()),
            _ => (StatusCode::BAD_GATEWAY, HeaderMap::new()),
        }
    }

    /// The cookies that came with it.
    pub(in crate::delivery::hls::segments) fn set_cookies(&self) -> SetCookies {
        match &self.segment.state().opening {
            Opening::Open { head, .. } => head.set_cookies.clone(),
            _ => SetCookies::new(),
        }
    }

    /// The bytes that are left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.segment.state().opening {
            Opening::Open { head, .. } => {
                SizeHint::with_exact(head.length.saturating_sub(self.passed))
            }
            _ => SizeHint::default(),
        }
    }

    /// The next bytes.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        let next = self.poll_bytes(cx);
        if self.size_hint().exact() == Some(0) {
            // hyper does not ask again after the last byte of a known length.
            session.ended(End::Complete);
        }
        next
    }

    pub(super) fn poll_bytes(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let mut state = self.segment.state();
        let Some(bytes) = self.place.take(&mut state) else {
            return match state.end {
                Some(end) => Poll::Ready(end.err().map(Err)),
                None => {
                    state.waiting.insert(self.id, cx.waker().clone());
                    Poll::Pending
                }
            };
        };
        drop(state);
        self.passed += bytes.len() as u64;
        let view = View { bytes, _segment: Arc::clone(&self.segment) };
        Poll::Ready(Some(Ok(Bytes::from_owner(view))))
    }
}

impl Place {
    /// What has come since; `None`: nothing.
    fn take(&mut self, state: &mut State) -> Option<Bytes> {
        while let Some(chunk) = state.chunks.get(self.chunk) {
            let rest = chunk.slice(self.offset.min(chunk.len())..);
            *self = Self { chunk: self.chunk + 1, offset: 0 };
            if !rest.is_empty() {
                return Some(rest);
            }
        }
        let part = state.part(self.offset)?;
        self.offset += part.len();
        Some(part)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.segment.state();
        state.readers -= 1;
        state.waiting.remove(&self.id);
        let unwanted = match &mut state.opening {
            Opening::Private(opened) if self.id == FIRST => opened.take(),
            _ => None,
        };
        let is_last = state.readers == 0;
        drop(state);
        drop(unwanted);
        if is_last {
            self.segment.deserted.notify_one();
        }
    }
}
