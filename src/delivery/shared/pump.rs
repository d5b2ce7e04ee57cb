//! What fills a relay's buffer: a feed as any client has one, read without a client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::delivery::feed::Feed;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Info;
use crate::delivery::sessions::Session;
use crate::delivery::timer::poll_until;
use crate::relay::Closed;
use crate::relay::Writer;

/// A stream whose random access point has not come for so long is begun with as it is.
const SETTLE_AFTER: Duration = Duration::from_millis(2500);

/// Reads in a row after which other tasks of the lane have their turn.
const READS_MAX: u32 = 32;

/// Reads a feed and writes a buffer. Dropping it closes the upstream connections, and then its session
/// ends.
pub(super) struct Pump {
    feed: Feed,
    session: Session,
    writer: Writer,
    timer: Pin<Box<Sleep>>,
    /// When it gave bytes first.
    since: Option<Instant>,
    /// How long a place to begin may be waited for, from the first bytes on.
    patience: Duration,
}

/// What has become of a pump.
pub(super) enum News {
    /// Clients can begin.
    Begun,
    /// It has not become a stream that a client can begin with.
    NoStart(&'static str),
    /// Nothing more will come.
    Closed(Closed),
}

impl Pump {
    pub(super) fn new(feed: Feed, session: Session, writer: Writer, patience: Duration) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        let patience = patience.max(2 * SETTLE_AFTER);
        Self { feed, session, writer, timer, since: None, patience }
    }

    /// Its session as others see it.
    pub(super) fn info(&self) -> &Arc<Info> {
        self.session.info()
    }

    /// How it ended.
    pub(super) fn ended(&mut self, end: End) {
        self.session.ended(end);
    }

    /// Works until there are news. `has_begun`: clients have been told that they can begin.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, has_begun: bool) -> Poll<News> {
        for _ in 0..READS_MAX {
            if self.writer.due().is_some_and(|due| due <= Instant::now()) {
                self.writer.flush(Instant::now());
            }
            if !has_begun && self.writer.has_begun() {
                self.writer.flush(Instant::now());
                return Poll::Ready(News::Begun);
            }
            match self.feed.poll_next(cx, &mut self.session) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.session.passed(bytes.len());
                    self.since.get_or_insert_with(Instant::now);
                    self.writer.push(&bytes, Instant::now());
                    continue;
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    self.writer.flush(Instant::now());
                    return Poll::Ready(News::Closed(self.closed()));
                }
                Poll::Pending => {}
            }
            match self.poll_deadline(cx, has_begun) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(why)) => return Poll::Ready(News::NoStart(why)),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when there is something to do that no bytes bring about, or with why it is given up.
    fn poll_deadline(
        &mut self,
        cx: &mut Context<'_>,
        has_begun: bool,
    ) -> Poll<Option<&'static str>> {
        let due = self.writer.due();
        let waits = self.since.filter(|_| !has_begun);
        let now = Instant::now();
        let late = waits.map(|since| since + self.patience);
        if late.is_some_and(|late| late <= now) {
            let is_known = self.writer.has_tables();
            return Poll::Ready(Some(if is_known {
                "a stream in which no picture and no sound comes"
            } else {
                "a stream that does not say what is in it: no PAT or no PMT comes"
            }));
        }
        let settle = waits.map(|since| since + SETTLE_AFTER);
        if settle.is_some_and(|settle| settle <= now) {
            self.writer.settle();
        }
        let settle = settle.filter(|settle| *settle > now);
        match [due, settle, late].into_iter().flatten().min() {
            Some(deadline) => poll_until(&mut self.timer, deadline, cx).map(|()| None),
            None => Poll::Pending,
        }
    }

    /// Why nothing more will come.
    fn closed(&self) -> Closed {
        match self.session.has_ended() {
            Some(End::Complete) => Closed::Complete,
            Some(End::SourceFailed(cause)) => Closed::Failed(cause),
            Some(End::SourceStalled) => Closed::Silent,
            _ => Closed::Ended,
        }
    }
}
