//! What fills a relay's buffer: a feed as any client has one, read without a client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::delivery::Error;
use crate::delivery::leeway::Leeway;
use crate::delivery::remuxing::Stream;
use crate::delivery::sessions::End as SessionEnd;
use crate::delivery::sessions::Info;
use crate::delivery::sessions::Session;
use crate::delivery::shared::client::closed_by;
use crate::delivery::shared::converter::Converter;
use crate::delivery::shared::converter::Made;
use crate::delivery::shared::files::Files;
use crate::delivery::timer::poll_until;
use crate::relay::Closed;
use crate::relay::Writer;
use crate::transcode::End;

/// How often it is looked for a playlist while clients wait for the first one.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reads in a row after which other tasks of the lane have their turn.
const READS_MAX: u32 = 32;

/// Reads a feed and writes a buffer. Dropping it closes the upstream connections, and then its session
/// ends.
pub(super) struct Pump {
    feed: Stream,
    session: Session,
    writer: Writer,
    /// What makes another stream of it, if anything does.
    converter: Option<Converter>,
    /// What it writes, where that is files: clients can begin once there is a playlist.
    files: Option<Arc<Files>>,
    /// The source is over, and what is made of the rest of it is still to come.
    is_over: bool,
    timer: Pin<Box<Sleep>>,
    /// How long a place to begin may be waited for, from the first bytes on.
    leeway: Leeway,
}

/// What has become of a pump.
pub(super) enum News {
    /// Clients can begin.
    Begun,
    /// It has not become a stream that a client can begin with.
    NoStart(&'static str),
    /// FFmpeg does not make one of it.
    NoProcess(String),
    /// Its sound cannot be converted.
    NoStream(Error),
    /// Nothing more will come.
    Closed(Closed),
}

impl Pump {
    pub(super) fn new(
        (feed, session): (Stream, Session),
        writer: Writer,
        (converter, files): (Option<Converter>, Option<Arc<Files>>),
        patience: Duration,
    ) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        let leeway = Leeway::new(patience, &session.info().channel);
        Self { feed, session, writer, converter, files, is_over: false, timer, leeway }
    }

    /// Its session as others see it.
    pub(super) fn info(&self) -> &Arc<Info> {
        self.session.info()
    }

    /// How it ended.
    pub(super) fn ended(&mut self, end: SessionEnd) {
        self.session.ended(end);
    }

    /// Works until there are news. `has_begun`: clients have been told that they can begin.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, has_begun: bool) -> Poll<News> {
        for _ in 0..READS_MAX {
            if self.writer.due().is_some_and(|due| due <= Instant::now()) {
                self.writer.flush(Instant::now());
            }
            let have_files = || self.files.as_ref().is_some_and(|files| files.have_begun());
            if !has_begun && (self.writer.has_begun() || have_files()) {
                self.writer.flush(Instant::now());
                return Poll::Ready(News::Begun);
            }
            match self.poll_bytes(cx, has_begun) {
                Poll::Ready(None) => continue,
                Poll::Ready(Some(news)) => {
                    self.writer.flush(Instant::now());
                    return Poll::Ready(news);
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

    /// Moves bytes from the feed to the buffer, directly or through what makes another stream of them.
    /// Ready with `None`: there may be more.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, has_begun: bool) -> Poll<Option<News>> {
        let Some(converter) = &mut self.converter else {
            let Some(bytes) = ready!(self.poll_feed(cx)) else {
                let failure = self.feed.failure().map(News::NoStream);
                return Poll::Ready(Some(failure.unwrap_or_else(|| News::Closed(self.closed()))));
            };
            self.write(&bytes);
            return Poll::Ready(None);
        };
        let mut out = Vec::new();
        let made = converter.poll_made(cx, &mut out);
        if !has_begun && let Some(why) = converter.is_hopeless() {
            return Poll::Ready(Some(News::NoProcess(why)));
        }
        let takes_more = !self.is_over && converter.poll_ready(cx).is_ready();
        self.write(&out);
        match made {
            Poll::Ready(Made::Some) => return Poll::Ready(None),
            Poll::Ready(Made::End(end)) => {
                return Poll::Ready(Some(self.ended_with(&end, has_begun)));
            }
            Poll::Pending if !takes_more => return Poll::Pending,
            Poll::Pending => {}
        }
        let bytes = ready!(self.poll_feed(cx));
        self.is_over = bytes.is_none();
        if let Some(converter) = &mut self.converter {
            match bytes {
                Some(bytes) => converter.push(bytes),
                None => converter.finish(),
            }
        }
        Poll::Ready(None)
    }

    /// The next bytes of the sources; `None`: they are over.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let next = ready!(self.feed.poll_next(cx, &mut self.session)).and_then(Result::ok);
        next.iter().for_each(|bytes| self.session.passed(bytes.len()));
        Poll::Ready(next)
    }

    fn write(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let now = Instant::now();
            self.leeway.heard(now);
            self.writer.push(bytes, now);
        }
    }

    /// What it means that there is no FFmpeg any more.
    fn ended_with(&mut self, end: &End, has_begun: bool) -> News {
        if self.is_over && matches!(end, End::Input) {
            return News::Closed(self.closed());
        }
        if !has_begun {
            return News::NoProcess(end.to_string());
        }
        self.session.ended(SessionEnd::SourceFailed("ffmpeg"));
        News::Closed(Closed::Failed("ffmpeg"))
    }

    /// Ready when there is something to do that no bytes bring about, or with why it is given up.
    fn poll_deadline(
        &mut self,
        cx: &mut Context<'_>,
        has_begun: bool,
    ) -> Poll<Option<&'static str>> {
        let due = self.writer.due();
        let now = Instant::now();
        let late = self.leeway.late().filter(|_| !has_begun);
        if late.is_some_and(|late| late <= now) {
            let Self { feed, session, leeway, .. } = self;
            if leeway.give_up(now, || feed.give_up(session)) {
                return Poll::Ready(None);
            }
            let is_known = self.writer.has_tables();
            return Poll::Ready(Some(if is_known {
                "a stream in which no picture and no sound comes"
            } else {
                "a stream that does not say what is in it: no PAT or no PMT comes"
            }));
        }
        let settle = self.leeway.settle().filter(|_| !has_begun);
        if settle.is_some_and(|settle| settle <= now) {
            self.writer.settle();
        }
        let settle = settle.filter(|settle| *settle > now);
        // Nothing tells when a file has come.
        let look = self.files.as_ref().filter(|_| !has_begun).map(|_| now + LOOK_EVERY);
        match [due, settle, late, look].into_iter().flatten().min() {
            Some(deadline) => poll_until(&mut self.timer, deadline, cx).map(|()| None),
            None => Poll::Pending,
        }
    }

    /// Why nothing more will come.
    fn closed(&self) -> Closed {
        closed_by(self.session.has_ended())
    }
}
