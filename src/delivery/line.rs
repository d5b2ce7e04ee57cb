//! One upstream connection of a session with the slot that it holds.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::channel::Lease;
use crate::channel::Slot;
use crate::flow::Control;
use crate::flow::Passage;
use crate::flow::Way;
use crate::upstream;
use crate::upstream::UpstreamBody;

/// What reading a line gives; `None` is its end.
type Read<T> = Poll<Option<Result<T, upstream::Error>>>;

/// An open upstream connection. Dropping it closes the connection and then gives the slot back, in
/// this order: a slot that is free has no connection any more.
pub(crate) struct Line {
    upstream: Upstream,
    slot: Slot,
}

/// Where the bytes come from, and how they move.
enum Upstream {
    /// Through hyper, frame by frame: over TLS, or in chunks.
    Framed(UpstreamBody),
    /// Beneath hyper.
    Raw(Passage),
}

impl Line {
    /// A line to `body`, whose bytes go to the client behind `control`, in this way where they can.
    pub(crate) fn new(body: UpstreamBody, slot: Slot, way: Way, control: &Arc<Control>) -> Self {
        let upstream = match body.into_raw() {
            Ok(raw) => Upstream::Raw(Passage::new(raw, way, Arc::clone(control))),
            Err(body) => Upstream::Framed(*body),
        };
        Self { upstream, slot }
    }

    /// How its bytes move, for logs.
    pub(crate) fn way(&self) -> &'static str {
        match &self.upstream {
            Upstream::Framed(_) => "framed",
            Upstream::Raw(passage) => passage.way().word(),
        }
    }

    /// Its slot, where a budget limits them.
    pub(crate) fn lease(&self) -> Option<Arc<Lease>> {
        self.slot.held()
    }

    /// When bytes were last read.
    pub(crate) fn last(&self) -> Instant {
        match &self.upstream {
            Upstream::Framed(_) => Instant::now(),
            Upstream::Raw(passage) => passage.last(),
        }
    }

    /// The next bytes as hyper is to frame them; `watch` is shown those that pass through memory.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        watch: impl FnMut(&[u8]),
    ) -> Read<Bytes> {
        match &mut self.upstream {
            Upstream::Framed(body) => {
                let next = ready!(body.poll_next(cx));
                next.iter().flatten().map(AsRef::as_ref).for_each(watch);
                Poll::Ready(next)
            }
            Upstream::Raw(passage) => {
                passage.poll_next(cx, watch).map_err(upstream::Error::from_body)
            }
        }
    }

    /// As [`Line::poll_next`], with `rewrite` between: what it appends is what the client gets.
    pub(crate) fn poll_rewritten(
        &mut self,
        cx: &mut Context<'_>,
        mut rewrite: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Read<Bytes> {
        let body = match &mut self.upstream {
            Upstream::Framed(body) => body,
            Upstream::Raw(passage) => {
                return passage.poll_rewritten(cx, rewrite).map_err(upstream::Error::from_body);
            }
        };
        let mut rewritten = Vec::new();
        while rewritten.is_empty() {
            match ready!(body.poll_next(cx)) {
                Some(Ok(bytes)) => rewrite(&bytes, &mut rewritten),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(Bytes::from(rewritten))))
    }

    /// Shows the next bytes to `show`; nobody is sent them.
    pub(crate) fn poll_shown(
        &mut self,
        cx: &mut Context<'_>,
        mut show: impl FnMut(&[u8]),
    ) -> Read<()> {
        match &mut self.upstream {
            Upstream::Framed(body) => {
                let next = ready!(body.poll_next(cx));
                Poll::Ready(next.map(|next| next.map(|bytes| show(&bytes))))
            }
            Upstream::Raw(passage) => {
                passage.poll_shown(cx, show).map_err(upstream::Error::from_body)
            }
        }
    }
}
