//! An attempt to play another source for a session that runs: a slot, a connection, and listening
//! until its bytes can be joined.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::channel::Channel;
use crate::channel::Lease;
use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Delivery;
use crate::delivery::Failure;
use crate::delivery::attempt::Patience;
use crate::delivery::attempt::Playing;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::first_slot;
use crate::delivery::failover::Event;
use crate::delivery::failover::Generation;
use crate::delivery::line::Line;
use crate::delivery::slate::Cause;
use crate::flow::Control;
use crate::flow::Way;
use crate::media::sniff::Container;
use crate::media::ts::join::Audition;
use crate::media::ts::join::Joiner;
use crate::upstream;

/// A standby whose random access point has not come for so long is taken as it is: a player that
/// waits for one more picture group would rather have sound and a broken picture. Receivers give up
/// after 5 s without bytes.
const SETTLE_AFTER: Duration = Duration::from_millis(2500);

/// Bytes of a standby that are kept while the active finishes; then it is not read for a while. Half
/// of what an [`Audition`] keeps at most.
const HELD_MAX: usize = 2 * 1024 * 1024;

type Wait<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What every attempt of a session has in common.
pub(crate) struct Course {
    pub(crate) delivery: Delivery,
    pub(crate) channel: Arc<Channel>,
    pub(crate) question: Question,
    /// What the client was told that it gets.
    pub(crate) container: Container,
    pub(crate) control: Arc<Control>,
    /// How bytes move that nobody rewrites; `None`: somebody reads them.
    pub(crate) way: Option<Way>,
}

impl Course {
    pub(super) fn source(&self, index: usize) -> Option<&Source> {
        self.channel.sources.get(index)
    }

    /// Opens a source, on its own: the future owns all that it needs.
    fn open(&self, index: usize, slot: Slot, patience: Patience) -> Wait<Result<Playing, Failure>> {
        let (delivery, channel) = (self.delivery.clone(), Arc::clone(&self.channel));
        let question = Question { patience, ..self.question.clone() };
        Box::pin(async move {
            let source =
                channel.sources.get(index).ok_or(Failure::NoStart("there is no such source"))?;
            delivery.open(&channel, source, slot, &question).await
        })
    }

    /// Waits for the first slot of these sources; answers which source it is for. A relay that nobody
    /// watches gives its own up.
    fn wait(&self, indices: Vec<usize>) -> Wait<(usize, Slot)> {
        let (delivery, channel) = (self.delivery.clone(), Arc::clone(&self.channel));
        Box::pin(async move {
            let sources: Vec<_> =
                indices.iter().filter_map(|index| channel.sources.get(*index)).collect();
            let left = delivery.left_over(&channel, &sources).await;
            let (place, slot) = match left {
                Some(left) => left,
                None => first_slot(&sources).await,
            };
            (indices.get(place).copied().unwrap_or_default(), slot)
        })
    }
}

/// One attempt, of one generation. Dropping it closes what is open and gives the slot back.
pub(super) struct Standby {
    pub(super) generation: Generation,
    pub(super) source: usize,
    pub(super) began: Instant,
    /// The slot that it holds, where a budget limits them.
    pub(super) lease: Option<Arc<Lease>>,
    /// Why it has failed, until that is asked.
    pub(super) why: Option<Cause>,
    stage: Stage,
}

enum Stage {
    /// It has a slot and waits for the word to use it.
    Ready(Slot),
    Waiting(Wait<(usize, Slot)>),
    Opening(Wait<Result<Playing, Failure>>),
    Listening(Box<Candidate>),
    /// Nothing more will come of it.
    Failed,
}

/// An open connection whose bytes are listened to.
pub(super) struct Candidate {
    pub(super) line: Line,
    /// `None` where bytes follow bytes: then the first ones will do.
    pub(super) audition: Option<Audition>,
    opened: Instant,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
    is_told: bool,
}

impl Standby {
    pub(super) fn with_slot(generation: Generation, source: usize, slot: Slot) -> Self {
        let lease = slot.held();
        let (began, stage) = (Instant::now(), Stage::Ready(slot));
        Self { generation, source, began, lease, why: None, stage }
    }

    pub(super) fn waiting(generation: Generation, sources: Vec<usize>, course: &Course) -> Self {
        let source = sources.first().copied().unwrap_or_default();
        let stage = Stage::Waiting(course.wait(sources));
        Self { generation, source, began: Instant::now(), lease: None, why: None, stage }
    }

    /// Uses the slot. Another source is left behind this one, or it is the last.
    pub(super) fn open(&mut self, course: &Course, is_last: bool) {
        let patience = course.question.patience;
        let patience = if is_last { patience } else { patience.brisk() };
        self.stage = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Ready(slot) => Stage::Opening(course.open(self.source, slot, patience)),
            other => other,
        };
    }

    /// The connection to go over to, once [`Event::Usable`] has been told.
    pub(super) fn into_candidate(self) -> Option<Candidate> {
        match self.stage {
            Stage::Listening(candidate) => Some(*candidate),
            _ => None,
        }
    }

    /// What its bytes are listened to with, once they come.
    pub(super) fn audition(&self) -> Option<&Audition> {
        match &self.stage {
            Stage::Listening(candidate) => candidate.audition.as_ref(),
            _ => None,
        }
    }

    /// The next news of the attempt. `joiner` follows what the client is sent; `None` where bytes
    /// follow bytes.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        course: &Course,
        joiner: Option<&Joiner>,
    ) -> Poll<Event> {
        loop {
            match &mut self.stage {
                Stage::Ready(_) | Stage::Failed => return Poll::Pending,
                Stage::Waiting(waiting) => {
                    let (source, slot) = ready!(waiting.as_mut().poll(cx));
                    self.lease = slot.held();
                    (self.source, self.stage) = (source, Stage::Ready(slot));
                    return Poll::Ready(Event::Slot(self.generation, source));
                }
                Stage::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(playing) if playing.container == course.container => {
                        let candidate =
                            Candidate::new(playing, course, joiner.map(Joiner::audition));
                        self.stage = Stage::Listening(Box::new(candidate));
                    }
                    Ok(_) => return self.fail(course, &Failure::NoStart("another kind of stream")),
                    Err(failure) => return self.fail(course, &failure),
                },
                Stage::Listening(candidate) => {
                    return match ready!(candidate.poll(cx, course, joiner)) {
                        Ok(()) => Poll::Ready(Event::Usable(self.generation)),
                        Err(failure) => self.fail(course, &failure),
                    };
                }
            }
        }
    }

    fn fail(&mut self, course: &Course, failure: &Failure) -> Poll<Event> {
        (self.lease, self.stage) = (None, Stage::Failed);
        self.why = Some(Cause::of(failure, &course.question.config.failover));
        if let Some(source) = course.source(self.source) {
            course.delivery.failed(&course.channel, source, failure, &course.question);
        }
        Poll::Ready(Event::Failed(self.generation))
    }
}

impl Candidate {
    fn new(playing: Playing, course: &Course, audition: Option<Audition>) -> Self {
        let now = Instant::now();
        Self {
            line: Line::new(playing, course.way, &course.control),
            audition,
            opened: now,
            heard: now,
            timer: Box::pin(sleep_until(now)),
            is_told: false,
        }
    }

    /// Listens until the bytes can be joined, which is told once.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        course: &Course,
        joiner: Option<&Joiner>,
    ) -> Poll<Result<(), Failure>> {
        let can_join = |audition: &Audition| joiner.is_none_or(|joiner| joiner.can_join(audition));
        if self.is_told {
            self.listen_on(cx);
            return Poll::Pending;
        }
        loop {
            let Some(audition) = self.audition.as_mut().filter(|audition| !can_join(audition))
            else {
                self.is_told = true;
                return Poll::Ready(Ok(()));
            };
            match self.line.poll_shown(cx, |bytes| audition.push(bytes)) {
                Poll::Ready(Some(Ok(()))) => self.heard = Instant::now(),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Err(upstream::Error::Short.into())),
                Poll::Pending => ready!(self.poll_patience(cx, course))?,
            }
        }
    }

    /// Keeps what comes until it is joined, for as long as there is room. An end is left for whoever
    /// reads the line then.
    fn listen_on(&mut self, cx: &mut Context<'_>) {
        let Some(audition) = &mut self.audition else { return };
        while audition.held() < HELD_MAX {
            let read = self.line.poll_shown(cx, |bytes| audition.push(bytes));
            if !matches!(read, Poll::Ready(Some(Ok(())))) {
                return;
            }
        }
    }

    /// Nothing more now: how long may that last?
    fn poll_patience(
        &mut self,
        cx: &mut Context<'_>,
        course: &Course,
    ) -> Poll<Result<(), Failure>> {
        let failover = &course.question.config.failover;
        let silent = self.heard + failover.stall_timeout;
        let settle = self.opened + SETTLE_AFTER;
        let late = self.opened + failover.response_timeout.max(SETTLE_AFTER);
        loop {
            let now = Instant::now();
            if now >= silent {
                return Poll::Ready(Err(upstream::Error::NoMedia(failover.stall_timeout).into()));
            }
            if now >= late {
                return Poll::Ready(Err(Failure::NoStart("no picture that can be gone on with")));
            }
            let due = if now < settle { settle.min(silent) } else { late.min(silent) };
            if now >= settle
                && let Some(audition) = &mut self.audition
            {
                audition.settle();
            }
            self.timer.as_mut().reset(due);
            ready!(self.timer.as_mut().poll(cx));
        }
    }
}
