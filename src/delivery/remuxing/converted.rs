//! A feed whose sound is converted, for a client or for a relay: it is read like a feed, and gives nothing
//! before its remux has begun.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::channel::Channel;
use crate::delivery::Attempt;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::cut::Cut;
use crate::delivery::feed::Feed;
use crate::delivery::leeway::Leeway;
use crate::delivery::remuxing::conversion::Conversion;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::delivery::shared;
use crate::delivery::timer::poll_until;
use crate::remux::Stage;
use crate::remux::codec::Coding;

/// Reads in a row after which other tasks of the lane have their turn.
const READS_MAX: u32 = 256;

/// How long bytes are gathered before they go to a thread: one that is woken for each write of a source costs
/// more than the conversion does.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes of tables that are kept until it has begun.
const TABLES_MAX: usize = 64 * 1024;

/// Reads a feed and converts it. The source is read only while the remux is at hand, and that only when
/// somebody asks for bytes: whoever is slow slows its own source.
pub(crate) struct Converted {
    feed: Feed,
    conversion: Conversion,
    leeway: Leeway,
    timer: Pin<Box<Sleep>>,
    /// When the first of the bytes came that were gathered.
    since: Option<Instant>,
    /// The stream goes out.
    has_begun: bool,
    /// What the sound of a source is that was given up, and how often there had been another one then.
    refused: Option<Vec<Coding>>,
    skipping: Option<u32>,
    /// How the feed has ended.
    ended: Option<Option<Cut>>,
    /// Why nobody can begin with it.
    failure: Option<Error>,
}

impl Converted {
    /// Before the first bytes; sources have `patience` to answer.
    pub(super) fn new(
        feed: Feed,
        conversion: Conversion,
        patience: Duration,
        channel: &Channel,
    ) -> Self {
        Self {
            feed,
            conversion,
            leeway: Leeway::new(patience, channel),
            timer: Box::pin(sleep_until(Instant::now())),
            since: None,
            has_begun: false,
            refused: None,
            skipping: None,
            ended: None,
            failure: None,
        }
    }

    /// Why there is an end although nothing has been given.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// As [`Feed::give_up`].
    pub(crate) fn give_up(&mut self, session: &mut Session) -> bool {
        self.feed.give_up(session)
    }

    /// The next bytes, as [`Feed::poll_next`]. Once there has been an end there is nothing more.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        for _ in 0..READS_MAX {
            if ready!(self.conversion.poll_ready(cx)).is_err() {
                return Poll::Ready(self.lost(session));
            }
            if let Some(given) = self.look(session) {
                return Poll::Ready(given);
            }
            if let Some(cut) = self.ended {
                return Poll::Ready(self.over(cut, session));
            }
            let late = self.leeway.late().filter(|_| !self.has_begun);
            if late.is_some_and(|late| late <= Instant::now()) {
                if let Some(given) = self.another(session) {
                    return Poll::Ready(given);
                }
                continue;
            }
            match self.feed.poll_next(cx, session) {
                Poll::Ready(Some(Ok(bytes))) => self.take(bytes, session),
                Poll::Ready(end) => {
                    self.ended = Some(end.and_then(Result::err));
                    self.conversion.finish();
                }
                // Whoever waits for the first bytes gets them at once.
                Poll::Pending => match self.since.map(|since| since + GATHER).or(late) {
                    Some(due) if self.has_begun || self.since.is_none() => {
                        ready!(poll_until(&mut self.timer, due, cx));
                        self.send();
                    }
                    Some(_) => self.send(),
                    None => return Poll::Pending,
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks at what the remux has made. `None`: it takes more.
    fn look(&mut self, session: &mut Session) -> Option<Option<Result<Bytes, Cut>>> {
        match self.conversion.stage()? {
            Stage::Waiting => {
                // It begins with the tables that come before it has begun. Where they are too many they come again.
                if self.conversion.made() > TABLES_MAX {
                    self.conversion.take();
                }
                None
            }
            Stage::Running => {
                let bytes = self.conversion.take()?;
                self.has_begun = true;
                Some(Some(Ok(bytes)))
            }
            Stage::Refused(codings) => {
                let codings = codings.clone();
                self.conversion.take();
                self.conversion.renew();
                self.refused = Some(codings);
                self.another(session)
            }
        }
    }

    /// What plays cannot be begun with: another source is looked for, or that is the end.
    fn another(&mut self, session: &mut Session) -> Option<Option<Result<Bytes, Cut>>> {
        let feed = &mut self.feed;
        if self.leeway.give_up(Instant::now(), || feed.give_up(session)) {
            self.skipping = self.refused.as_ref().map(|_| session.info().switches());
            return None;
        }
        session.ended(End::SourceFailed(if self.refused.is_some() {
            "undecodable"
        } else {
            "no_start"
        }));
        let why = match self.conversion.stage() {
            Some(Stage::Running) => "a stream in which no picture and no sound comes",
            _ => "a stream that does not say what is in it: no PAT or no PMT comes",
        };
        self.failure = Some(self.refusal().unwrap_or_else(|| not_begun(why, session)));
        Some(Some(Err(Cut::Source)))
    }

    fn refusal(&mut self) -> Option<Error> {
        self.refused.take().map(|codings| Error::Undecodable(codings.into()))
    }

    /// Takes bytes of the feed.
    fn take(&mut self, bytes: Bytes, session: &Session) {
        session.received(bytes.len());
        self.leeway.heard(Instant::now());
        if let Some(switches) = self.skipping {
            if session.info().switches() == switches {
                // They are still of the source that was refused.
                return;
            }
            self.skipping = None;
        }
        self.since.get_or_insert_with(Instant::now);
        if !self.conversion.push(bytes) {
            self.send();
        }
    }

    fn send(&mut self) {
        self.since = None;
        self.conversion.send();
    }

    /// The feed is over, and what was made of it has been given.
    fn over(&mut self, cut: Option<Cut>, session: &Session) -> Option<Result<Bytes, Cut>> {
        if !self.has_begun && self.failure.is_none() {
            let closed = shared::closed_by(session.has_ended());
            let failure = self.refusal();
            let source = session.info().source();
            self.failure = Some(failure.unwrap_or_else(|| shared::not_begun(closed, source)));
        }
        cut.map(Err)
    }

    /// The remux is lost.
    fn lost(&mut self, session: &mut Session) -> Option<Result<Bytes, Cut>> {
        if session.has_ended().is_none() {
            let (channel, session) = (&session.info().channel.id, session.info().id);
            tracing::error!(%channel, session, "the conversion of sound is lost: it panicked, or there is no thread for it");
        }
        session.ended(End::SourceFailed("remux"));
        self.failure = (!self.has_begun).then_some(Error::Remux);
        Some(Err(Cut::Source))
    }
}

fn not_begun(why: &'static str, session: &Session) -> Error {
    let failure = Arc::new(Failure::NoStart(why));
    Error::Exhausted(vec![Attempt { source: session.info().source(), failure }])
}
