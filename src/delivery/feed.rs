//! What feeds the client of a live channel: the active upstream connection, a standby when one is
//! wanted, the join of the two, and a slate while there is neither. [`failover`](super::failover)
//! decides; this performs it, in the client's own task, and tells what came of it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::channel::health;
use crate::delivery::cut::Cut;
use crate::delivery::desk::Desk;
use crate::delivery::desk::Word;
use crate::delivery::failover::Action;
use crate::delivery::failover::Event;
use crate::delivery::failover::Failover;
use crate::delivery::failover::Generation;
use crate::delivery::failover::Outcome;
use crate::delivery::failover::Reason;
use crate::delivery::line::Line;
use crate::delivery::loss::Loss;
use crate::delivery::overrides::Override;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::delivery::silence::Silence;
use crate::delivery::silence::Step;
use crate::delivery::slate::Again;
use crate::delivery::slate::Cause;
use crate::delivery::slate::Causes;
use crate::delivery::timer::poll_until;
use crate::delivery::vital::Vital;
use crate::media::ts::join::Joiner;
use crate::media::ts::join::Manner;
use overridden::Next;
use shown::Shown;
use standby::Standby;

mod going;
mod overridden;
mod rules;
mod shown;
mod standby;
mod start;

pub(crate) use standby::Course;
pub(crate) use start::Feeding;
pub(crate) use start::Start;

/// How long a source that still runs may take to finish what it has begun when it is left.
const LEAVE_WITHIN: Duration = Duration::from_millis(200);

/// How often in a row events may follow from one another before the client's task gives way.
const EVENTS_MAX: usize = 256;

/// Feeds one client.
///
/// Memory: what its connections hold, about 3 KiB for following the stream, and while a standby is
/// listened to at most 4 MiB of its bytes.
pub(crate) struct Feed {
    course: Course,
    machine: Failover,
    active: Option<Active>,
    standby: Option<Standby>,
    /// What it begins with before it is asked for the first time, where that is no source.
    start: Option<Start>,
    /// Why sources do not play, and when they are tried again while a slate is shown.
    causes: Causes,
    again: Again,
    /// What somebody wants to be shown.
    overridden: Option<Arc<Override>>,
    /// It has looked whether there is something.
    has_looked: bool,
    /// Follows what the client is sent; `None` where bytes follow bytes.
    joiner: Option<Box<Joiner>>,
    /// `None` where bytes follow bytes, and where there is no other source: a stream without a picture
    /// is better than none.
    vital: Option<Vital>,
    silence: Silence,
    /// A source that still runs is left as soon as it has finished what it has begun.
    leaving: Option<Leaving>,
    desk: Arc<Desk>,
    /// Whom the desk wakes.
    told: Option<Waker>,
    /// Who waits for the outcome of a switch, and the next one's ticket.
    orders: Vec<(u32, oneshot::Sender<Outcome>)>,
    ticket: u32,
    seed: u64,
    timer: Pin<Box<Sleep>>,
    /// When the client was last given bytes.
    given: Instant,
    /// Bytes that are to be given next.
    ready: Option<Bytes>,
    /// Why the last active was left.
    loss: Loss,
    is_over: bool,
    /// There was an end, and it was reached.
    is_complete: bool,
}

/// The connection that the client is fed from, or what is made in its place.
struct Active {
    generation: Generation,
    shown: Shown,
    line: Line,
}

struct Leaving {
    next: Next,
    deadline: Instant,
    /// Nothing that it had begun is unfinished.
    is_done: bool,
}

impl Feed {
    /// Feeds from `start` until something better is found. `manner` is how sources are joined; `None`:
    /// bytes follow bytes.
    fn new(
        course: Course,
        manner: Option<Manner>,
        start: Start,
        desk: Arc<Desk>,
        seed: u64,
    ) -> Self {
        let now = Instant::now();
        let failover = &course.question.config.failover;
        let has_others = course.channel.sources.len() > 1;
        let hedge = (has_others && failover.rounds > 0).then_some(failover.hedge_after);
        let silence = Silence::new(hedge, failover.stall_timeout);
        let vital =
            (has_others && manner.is_some()).then(|| Vital::new(failover.stall_timeout * 2, now));
        let (places, rules) = rules::of(&course.channel, failover);
        let (machine, active, start) = match start {
            Start::Source(source, line) => {
                let machine = Failover::with_active(places, rules, seed, source, now);
                let shown = Shown::Source(source);
                (machine, Some(Active { generation: 0, shown, line: *line }), None)
            }
            Start::Slate(_) | Start::Override => {
                (Failover::new(places, rules, seed), None, Some(start))
            }
        };
        Self {
            machine,
            active,
            standby: None,
            start,
            causes: Causes::default(),
            again: Again::new(seed),
            overridden: None,
            has_looked: false,
            joiner: manner.map(|manner| Box::new(Joiner::new(manner))),
            vital,
            silence,
            leaving: None,
            desk,
            told: None,
            orders: Vec::new(),
            ticket: 0,
            seed,
            timer: Box::pin(sleep_until(now)),
            given: now,
            ready: None,
            loss: Reason::Ended.into(),
            is_over: false,
            is_complete: false,
            course,
        }
    }

    /// How long its sources may take to answer.
    pub(crate) fn patience(&self) -> Duration {
        self.course.question.config.failover.response_timeout
    }

    /// The next bytes for the client. The end comes when no source is left; it is a clean one where
    /// the last source ended cleanly.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Some(bytes) = self.ready.take() {
                self.given = Instant::now();
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.is_complete {
                session.ended(End::Complete);
                return Poll::Ready(None);
            }
            if self.is_over {
                return Poll::Ready(self.loss.end(session).map(Err));
            }
            if self.leaving.is_some() {
                ready!(self.poll_leaving(cx, session));
                continue;
            }
            self.poll_orders(cx, session);
            self.begin(session);
            self.poll_timer(cx, session);
            self.poll_standby(cx, session);
            if self.ready.is_some() || self.is_over || self.leaving.is_some() {
                continue;
            }
            if let Poll::Ready(bytes) = self.poll_active(cx, session) {
                self.ready = bytes;
                continue;
            }
            ready!(self.poll_silence(cx, session));
        }
    }

    /// Bytes of the active; `None` when it has died.
    fn poll_active(&mut self, cx: &mut Context<'_>, session: &mut Session) -> Poll<Option<Bytes>> {
        let Some(active) = &mut self.active else {
            return Poll::Pending;
        };
        let read = match &mut self.joiner {
            Some(joiner) if joiner.has_joined() => {
                active.line.poll_rewritten(cx, |bytes, out| joiner.pass(bytes, out))
            }
            Some(joiner) => active.line.poll_next(cx, |bytes| joiner.watch(bytes)),
            None => active.line.poll_next(cx, |_| {}),
        };
        let loss = match ready!(read) {
            Some(Ok(bytes)) => {
                self.heard(session);
                return Poll::Ready(Some(bytes));
            }
            Some(Err(error)) => Loss::from(&error),
            None if active.line.is_complete() => {
                self.is_complete = true;
                return Poll::Ready(None);
            }
            None => Reason::Ended.into(),
        };
        self.lost(loss);
        if let Some(active) = self.active.take() {
            self.tell(Event::Died(active.generation, loss.reason()), session);
        }
        Poll::Ready(None)
    }

    /// The active has sent bytes.
    fn heard(&mut self, session: &mut Session) {
        let Some(active) = &self.active else { return };
        let Some(index) = active.shown.source() else { return };
        let (generation, now) = (active.generation, active.line.last());
        if let Some(said) = self.silence.heard(now) {
            if let (Step::Stalled, Some(source)) = (said, self.course.source(index)) {
                source.succeeded(now);
            }
            self.tell(Event::Heard(generation), session);
        }
        let Some(joiner) = &mut self.joiner else { return };
        session.faults(joiner.take_errors());
        let fault = self.vital.as_mut().and_then(|vital| vital.look(joiner.watcher(), now));
        if let Some(reason) = fault {
            self.lost(reason.into());
            self.tell(Event::Doomed(generation, reason), session);
        }
    }

    /// The active is no good any more: it is remembered of its source.
    fn lost(&mut self, loss: Loss) {
        self.loss = loss;
        if self.may_slate() {
            // It may be needed soon, and is rendered meanwhile.
            self.slate_clip(None);
        }
        let index = self.active.as_ref().and_then(|active| active.shown.source());
        if let Some(source) = index.and_then(|index| self.course.source(index)) {
            let failover = &self.course.question.config.failover;
            source.failed(Instant::now(), health::Kind::Ordinary, failover.cooldown);
            self.causes.note(source.index, Cause::of_loss(loss.reason(), failover));
        }
    }

    /// What the active sends cannot be begun with: another source is looked for while it goes on. False
    /// where there is none to look for.
    pub(crate) fn give_up(&mut self, session: &mut Session) -> bool {
        let course = &self.course;
        if course.channel.sources.len() < 2 || course.question.config.failover.rounds == 0 {
            return false;
        }
        if let Some(active) = &self.active {
            let doomed = Event::Doomed(active.generation, Reason::NoStart);
            self.lost(Reason::NoStart.into());
            self.tell(doomed, session);
        }
        true
    }

    /// Nothing from the active now: has it been silent for long?
    fn poll_silence(&mut self, cx: &mut Context<'_>, session: &mut Session) -> Poll<()> {
        let is_source = |active: &&Active| active.shown.source().is_some();
        let Some(active) = self.active.as_ref().filter(is_source) else {
            return Poll::Pending;
        };
        let generation = active.generation;
        match ready!(self.silence.poll(cx, session.control())) {
            Step::Quiet => self.tell(Event::Quiet(generation), session),
            Step::Stalled => {
                self.lost(Reason::Stalled.into());
                self.tell(Event::Doomed(generation, Reason::Stalled), session);
            }
        }
        Poll::Ready(())
    }

    fn poll_orders(&mut self, cx: &mut Context<'_>, session: &mut Session) {
        while let Some(word) = self.desk.take(cx, &mut self.told) {
            let Word::Order(order) = word else {
                self.look(session);
                continue;
            };
            self.ticket = self.ticket.wrapping_add(1);
            self.orders.push((self.ticket, order.answer));
            self.tell(Event::Switch { ticket: self.ticket, source: order.source }, session);
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, session: &mut Session) {
        while let Some(deadline) = self.machine.deadline().into_iter().chain(self.again.due()).min()
        {
            if poll_until(&mut self.timer, deadline, cx).is_pending() {
                return;
            }
            let is_again = self.again.begins(Instant::now());
            self.tell(if is_again { Event::Start } else { Event::Timer }, session);
        }
    }

    fn poll_standby(&mut self, cx: &mut Context<'_>, session: &mut Session) {
        while let Some(standby) = &mut self.standby {
            let joiner = self.joiner.as_deref();
            let Poll::Ready(event) = standby.poll(cx, &self.course, joiner) else {
                return;
            };
            if let Some(why) = standby.why.take() {
                self.causes.note(standby.source, why);
            }
            if let Event::Usable(_) = event {
                self.usable();
            }
            self.tell(event, session);
            if self.leaving.is_some() {
                return;
            }
        }
    }

    /// The standby can be joined.
    fn usable(&self) {
        let Some(standby) = &self.standby else { return };
        let Some(source) = self.course.source(standby.source) else { return };
        self.course.delivery.succeeded(&self.course.channel, source);
        self.course.delivery.metrics.upstream_usable(standby.began.elapsed());
    }

    /// Tells the machine, and does what it says, until nothing follows from it any more.
    fn tell(&mut self, event: Event, session: &mut Session) {
        let is_end = matches!(event, Event::Died(..) | Event::Doomed(_, Reason::Stalled));
        let is_last = self.course.question.config.failover.rounds == 0 && !self.may_slate();
        if is_last && is_end && self.standby.is_none() {
            self.is_over = true;
            return;
        }
        let now = Instant::now();
        let mut events = VecDeque::from([event]);
        let mut actions = Vec::new();
        for _ in 0..EVENTS_MAX {
            let Some(event) = events.pop_front() else { break };
            let sources = &self.course.channel.sources;
            let standing = |index: usize| {
                sources.get(index).map_or(health::Standing::Cooling, |source| source.standing(now))
            };
            self.machine.on(now, event, standing, &mut actions);
            events.extend(actions.drain(..).filter_map(|action| self.act(action, session)));
        }
        // Whoever takes the session's connection over takes the one that it has.
        let active = self.active.as_ref().and_then(|active| active.line.lease());
        let standby = || self.standby.as_ref().and_then(|standby| standby.lease.clone());
        session.info().holds(active.or_else(standby));
    }

    /// Does one thing; some are answered at once.
    fn act(&mut self, action: Action, session: &mut Session) -> Option<Event> {
        match action {
            Action::Acquire { generation, source } => {
                let slot = self.course.source(source).and_then(crate::channel::Source::try_slot);
                let Some(slot) = slot else {
                    self.causes.note(source, Cause::Full);
                    return Some(Event::NoSlot(generation));
                };
                self.standby = Some(Standby::with_slot(generation, source, slot));
                return Some(Event::Slot(generation, source));
            }
            Action::AwaitSlot { generation, sources } => {
                self.standby = Some(Standby::waiting(generation, sources, &self.course));
            }
            Action::Open { .. } => {
                let is_last = !self.machine.has_another();
                if let Some(standby) = &mut self.standby {
                    standby.open(&self.course, is_last);
                }
            }
            Action::Drop { generation } => {
                self.standby.take_if(|standby| standby.generation == generation);
                self.active.take_if(|active| active.generation == generation);
            }
            Action::Join { reason, .. } => self.join(reason, session),
            Action::Answer { ticket, outcome } => {
                let place = self.orders.iter().position(|(known, _)| *known == ticket);
                let answer = place.map(|place| self.orders.swap_remove(place).1);
                // Whoever asked may not wait any more.
                answer.map(|answer| answer.send(outcome).ok());
            }
            Action::Exhausted => self.exhausted(session),
        }
        None
    }
}
