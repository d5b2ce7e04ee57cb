//! Carries a source's bytes to one client, untouched, and notices when either side is done.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::delivery::silence::Silence;
use crate::flow::Passage;
use crate::lifecycle::Given;
use crate::media::ts::watch::Watcher;
use crate::upstream;
use crate::upstream::UpstreamBody;

/// Why a client's body ends short. hyper cuts the connection then, so that the player sees an
/// incomplete message and never takes it for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The source broke or ended early.
    #[error("the source failed")]
    Source,
    /// The source sent nothing for too long.
    #[error("the source went silent")]
    Stalled,
    /// A reload took the channel away.
    #[error("the channel was changed")]
    Reloaded,
}

/// What a body promises, and with that what its end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A live stream: any end is the source's doing.
    Endless,
    /// A file or a part of one, of so many bytes.
    Sized(u64),
    /// A file whose end its source marks.
    Delimited,
}

/// Where a session's bytes come from, and how they move.
pub(crate) enum Upstream {
    /// Through hyper, frame by frame: over TLS, or in chunks.
    Framed(UpstreamBody),
    /// Beneath hyper.
    Raw(Passage),
}

/// The body of a session: frames come from the upstream connection when hyper has room for them,
/// so a slow client slows only its own source.
///
/// Memory: what its upstream holds, a timer, and a watcher of about 1 KiB. Dropping it closes the
/// upstream connection and ends the session.
pub struct SessionBody {
    upstream: Upstream,
    session: Session,
    extent: Extent,
    /// Bytes handed on.
    passed: u64,
    /// How long the source has been silent while the client was ready.
    silence: Silence,
    /// Follows a transport stream as it passes.
    watcher: Option<Box<Watcher>>,
    /// Resolves when a reload has taken the channel away.
    retired: Given,
}

impl SessionBody {
    pub(crate) fn new(
        upstream: Upstream,
        mut session: Session,
        extent: Extent,
        patience: Duration,
        watcher: Option<Box<Watcher>>,
    ) -> Self {
        let retired = session.channel().retired.given();
        if extent == Extent::Sized(0) {
            // hyper never asks a body without bytes.
            session.ended(End::Complete);
        }
        Self {
            upstream,
            session,
            extent,
            passed: 0,
            silence: Silence::new(patience),
            watcher,
            retired,
        }
    }

    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, upstream::Error>>> {
        let mut watch = |bytes: &[u8]| {
            if let Some(watcher) = &mut self.watcher {
                watcher.push(bytes);
            }
        };
        match &mut self.upstream {
            Upstream::Framed(body) => {
                let next = ready!(body.poll_next(cx));
                self.silence.heard(Instant::now());
                next.iter().flatten().for_each(|bytes| watch(bytes));
                Poll::Ready(next)
            }
            Upstream::Raw(passage) => {
                let next = ready!(passage.poll_next(cx, watch));
                self.silence.heard(passage.last());
                Poll::Ready(next.map(|next| next.map_err(upstream::Error::from_body)))
            }
        }
    }

    fn take(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.passed += bytes.len() as u64;
        self.session.passed(bytes.len());
        if let Some(watcher) = &mut self.watcher {
            self.session.faults(watcher.take_errors());
        }
        if self.extent == Extent::Sized(self.passed) {
            // hyper does not ask again after the last byte of a known length.
            self.session.ended(End::Complete);
        }
        Frame::data(bytes)
    }

    fn finish(&mut self) -> Option<Result<Frame<Bytes>, Cut>> {
        match self.extent {
            Extent::Endless => self.session.ended(End::SourceEnded),
            Extent::Delimited => self.session.ended(End::Complete),
            Extent::Sized(length) if self.passed < length => {
                return self.fail(&upstream::Error::Short);
            }
            Extent::Sized(_) => {}
        }
        None
    }

    fn fail(&mut self, error: &upstream::Error) -> Option<Result<Frame<Bytes>, Cut>> {
        self.session.ended(End::SourceFailed(error.outcome()));
        Some(Err(Cut::Source))
    }

    /// Nothing from the source now: has it been silent for too long?
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        ready!(self.silence.poll(cx, self.session.control()));
        self.session.ended(End::SourceStalled);
        Poll::Ready(Cut::Stalled)
    }
}

impl Body for SessionBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let me = &mut *self;
        if Pin::new(&mut me.retired).poll(cx).is_ready() {
            me.session.ended(End::Reloaded);
            return Poll::Ready(Some(Err(Cut::Reloaded)));
        }
        match me.poll_upstream(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(me.take(bytes)))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(me.fail(&error)),
            Poll::Ready(None) => Poll::Ready(me.finish()),
            Poll::Pending => me.poll_silence(cx).map(|cut| Some(Err(cut))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.extent {
            Extent::Sized(length) => SizeHint::with_exact(length.saturating_sub(self.passed)),
            Extent::Endless | Extent::Delimited => SizeHint::default(),
        }
    }
}
