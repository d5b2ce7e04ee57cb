//! Bytes at hand as a body, and the place under the limits that is held until the client has them.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

/// A whole body in memory.
pub struct Held {
    bytes: Full<Bytes>,
    _place: Option<Box<dyn Any + Send + Sync>>,
}

impl Held {
    /// `place` is dropped when the body has been handed on.
    #[must_use]
    pub fn new(bytes: Bytes, place: Option<Box<dyn Any + Send + Sync>>) -> Self {
        Self { bytes: Full::new(bytes), _place: place }
    }

    /// Nothing, and nothing held.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Bytes::new(), None)
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.bytes).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes.size_hint()
    }
}
