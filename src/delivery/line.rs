//! One upstream connection of a session with the slot that it holds, or what is made in its place.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::channel::Lease;
use crate::channel::Slot;
use crate::delivery::attempt::Origin;
use crate::delivery::attempt::Playing;
use crate::delivery::hls::Continuous;
use crate::delivery::made::Made;
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
    /// From the segments of a playlist.
    Continuous(Box<Continuous>),
    /// From nowhere else.
    Made(Box<Made>),
}

impl Line {
    /// A line to a source that was opened, whose bytes go to the client behind `control`, in this way
    /// where they can; without one they are handed over as they come.
    pub(crate) fn new(
        playing: impl Into<Playing>,
        way: Option<Way>,
        control: &Arc<Control>,
    ) -> Self {
        let Playing { slot, origin, .. } = playing.into();
        let upstream = match (origin, way) {
            (Origin::Answer(answer), None) => Upstream::Framed(answer.body),
            (Origin::Answer(answer), Some(way)) => match answer.body.into_raw() {
                Ok(raw) => Upstream::Raw(Passage::new(raw, way, Arc::clone(control))),
                Err(body) => Upstream::Framed(*body),
            },
            (Origin::Continuous(stream), _) => Upstream::Continuous(stream),
            (Origin::Made(made), _) => Upstream::Made(made),
        };
        Self { upstream, slot }
    }

    /// What is made, without a source.
    pub(crate) fn made(made: Made) -> Self {
        Self { upstream: Upstream::Made(Box::new(made)), slot: Slot::none() }
    }

    /// How its bytes move, for logs.
    pub(crate) fn way(&self) -> &'static str {
        match &self.upstream {
            Upstream::Framed(_) => "framed",
            Upstream::Raw(passage) => passage.way().word(),
            Upstream::Continuous(_) => "continuous",
            Upstream::Made(_) => "made",
        }
    }

    /// Its slot, where a budget limits them.
    pub(crate) fn lease(&self) -> Option<Arc<Lease>> {
        match &self.upstream {
            Upstream::Continuous(stream) => stream.lease(),
            Upstream::Framed(_) | Upstream::Raw(_) | Upstream::Made(_) => self.slot.held(),
        }
    }

    /// Whether its end, now that it has come, is the end of all that there is: of a playlist that says
    /// so, and never of a live stream.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(&self.upstream, Upstream::Continuous(stream) if stream.is_complete())
    }

    /// When bytes were last read.
    pub(crate) fn last(&self) -> Instant {
        match &self.upstream {
            Upstream::Framed(_) | Upstream::Continuous(_) | Upstream::Made(_) => Instant::now(),
            Upstream::Raw(passage) => passage.last(),
        }
    }

    /// The next bytes as hyper is to frame them; `watch` is shown those that pass through memory.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        watch: impl FnMut(&[u8]),
    ) -> Read<Bytes> {
        if let Upstream::Raw(passage) = &mut self.upstream {
            return passage.poll_next(cx, watch).map_err(upstream::Error::from_body);
        }
        let next = ready!(self.upstream.poll_frame(cx));
        next.iter().flatten().map(AsRef::as_ref).for_each(watch);
        Poll::Ready(next)
    }

    /// As [`Line::poll_next`], with `rewrite` between: what it appends is what the client gets.
    pub(crate) fn poll_rewritten(
        &mut self,
        cx: &mut Context<'_>,
        mut rewrite: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Read<Bytes> {
        if let Upstream::Raw(passage) = &mut self.upstream {
            return passage.poll_rewritten(cx, rewrite).map_err(upstream::Error::from_body);
        }
        let mut rewritten = Vec::new();
        while rewritten.is_empty() {
            match ready!(self.upstream.poll_frame(cx)) {
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
        if let Upstream::Raw(passage) = &mut self.upstream {
            return passage.poll_shown(cx, show).map_err(upstream::Error::from_body);
        }
        let next = ready!(self.upstream.poll_frame(cx));
        Poll::Ready(next.map(|next| next.map(|bytes| show(&bytes))))
    }
}

impl Upstream {
    /// The next bytes of what comes in frames.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Read<Bytes> {
        match self {
            Self::Framed(body) => body.poll_next(cx),
            Self::Continuous(stream) => stream.poll_next(cx),
            Self::Made(made) => made.poll_next(cx).map(|bytes| Some(Ok(bytes))),
            Self::Raw(_) => Poll::Ready(None), // Whoever asks has looked.
        }
    }
}
