//! A file, or a part of one, on its way to a client. Where its source breaks, the rest of the same
//! file is fetched from the same source again or from the next.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body::SizeHint;
use tokio::time::{Instant, sleep, timeout};

use crate::channel::Channel;
use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Delivery;
use crate::delivery::Failure;
use crate::delivery::attempt::Question;
use crate::delivery::cut::Cut;
use crate::delivery::failover;
use crate::delivery::failover::Reason;
use crate::delivery::line::Line;
use crate::delivery::loss::Loss;
use crate::delivery::resume::Original;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::delivery::silence::Silence;
use crate::flow::Control;
use crate::media::ts::join::Seam;
use crate::upstream;

/// What a body promises, and with that what its end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many bytes.
    Sized(u64),
    /// Its source marks the end.
    Delimited,
}

/// What is needed to fetch the rest of a file.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) delivery: Delivery,
    pub(crate) channel: Arc<Channel>,
    pub(crate) question: Question,
    pub(crate) original: Original,
    pub(crate) control: Arc<Control>,
}

/// Reads a file.
///
/// Memory: what its one connection holds.
pub(crate) struct Reading {
    /// Closed while the rest is looked for.
    line: Option<Line>,
    /// The source that was read last.
    source: usize,
    extent: Extent,
    /// Bytes handed on, and when the last of them were.
    passed: u64,
    given: Instant,
    /// How long the source has been silent while the client was ready.
    silence: Silence,
    /// `None`: a break is the end.
    rest: Option<Rest>,
    /// The search for another connection, and why there is one.
    search: Option<(Search, Loss)>,
}

type Search = Pin<Box<dyn Future<Output = Option<(usize, Line)>> + Send>>;

impl Reading {
    /// Reads `line`, of this source, to the end; it may be silent for `patience`.
    pub(crate) fn new(
        (source, line): (usize, Line),
        extent: Extent,
        patience: Duration,
        rest: Option<Rest>,
    ) -> Self {
        Self {
            line: Some(line),
            source,
            extent,
            passed: 0,
            given: Instant::now(),
            silence: Silence::new(None, patience),
            rest,
            search: None,
        }
    }

    /// hyper never asks a body without bytes.
    pub(crate) fn begin(&self, session: &mut Session) {
        if self.extent == Extent::Sized(0) {
            session.ended(End::Complete);
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.extent {
            Extent::Sized(length) => SizeHint::with_exact(length.saturating_sub(self.passed)),
            Extent::Delimited => SizeHint::default(),
        }
    }

    /// The next bytes.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Some((search, loss)) = &mut self.search {
                let found = ready!(search.as_mut().poll(cx));
                let loss = *loss;
                self.search = None;
                match found {
                    Some((source, line)) => self.go_on(source, line, loss.reason(), session),
                    None => return Poll::Ready(loss.end(session).map(Err)),
                }
            }
            let Some(line) = &mut self.line else {
                return Poll::Ready(None);
            };
            let loss = match line.poll_next(cx, |_| {}) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.take(bytes.len(), session);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Poll::Ready(Some(Err(error))) => Loss::from(&error),
                Poll::Ready(None) if self.is_complete() => {
                    session.ended(End::Complete);
                    return Poll::Ready(None);
                }
                Poll::Ready(None) => Loss::from(&upstream::Error::Short),
                Poll::Pending => {
                    ready!(self.silence.poll(cx, session.control()));
                    Reason::Stalled.into()
                }
            };
            // Closed first: its slot may be the only one there is.
            self.line = None;
            let Some(rest) = &self.rest else {
                return Poll::Ready(loss.end(session).map(Err));
            };
            let search = Box::pin(rest.clone().search(self.source, self.passed));
            self.search = Some((search, loss));
        }
    }

    fn take(&mut self, count: usize, session: &mut Session) {
        if let Some(line) = &self.line {
            self.silence.heard(line.last());
        }
        self.given = Instant::now();
        self.passed += count as u64;
        if self.extent == Extent::Sized(self.passed) {
            // hyper does not ask again after the last byte of a known length.
            session.ended(End::Complete);
        }
    }

    /// Whether the end of the source's body is the end of what was promised.
    fn is_complete(&self) -> bool {
        match self.extent {
            Extent::Sized(length) => self.passed >= length,
            Extent::Delimited => true,
        }
    }

    fn go_on(&mut self, source: usize, line: Line, reason: Reason, session: &Session) {
        session.went_over((source, &line), reason, self.given.elapsed(), Some(Seam::Byte));
        (self.line, self.source) = (Some(line), source);
        self.silence.restart();
    }
}

impl Rest {
    /// Opens what is left after `passed` bytes: from the source that broke, then from those after it,
    /// `failover.rounds` times. A source that has another file is not asked again.
    async fn search(mut self, broke: usize, passed: u64) -> Option<(usize, Line)> {
        self.question.method = Method::GET;
        self.question.fields = self.original.request(passed);
        let channel = Arc::clone(&self.channel);
        let (before, from) = channel.sources.split_at_checked(broke)?;
        let mut left: Vec<_> = from.iter().chain(before).collect();
        for round in 0..self.question.config.failover.rounds {
            if round > 0 {
                sleep(failover::pause_after(round, failover::PAUSE)).await;
            }
            let mut again = Vec::new();
            for source in left {
                match self.open(source, passed).await {
                    Ok(line) => {
                        self.delivery.succeeded(&channel, source);
                        return Some((source.index, line));
                    }
                    Err(failure) => {
                        self.delivery.failed(&channel, source, &failure, &self.question);
                        if !matches!(failure, Failure::OtherFile(_)) {
                            again.push(source);
                        }
                    }
                }
            }
            left = again;
            if left.is_empty() {
                break;
            }
        }
        None
    }

    async fn open(&self, source: &Source, passed: u64) -> Result<Line, Failure> {
        let slot = self.slot(source).await?;
        let opened = self.delivery.attempt(&self.channel, source, slot, &self.question).await?;
        let head = &opened.answer.head;
        self.original.check(passed, head.status, &head.headers)?;
        let way = self.delivery.way();
        Ok(Line::new(opened, Some(way), &self.control))
    }

    async fn slot(&self, source: &Source) -> Result<Slot, Failure> {
        let freed = timeout(self.question.config.failover.slot_wait, source.slot()).await;
        freed.map_err(|_| Failure::NoSlot(source.connections_max()))
    }
}
