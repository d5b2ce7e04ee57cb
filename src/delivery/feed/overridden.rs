//! What the client is shown because somebody says so, instead of what its sources would give.

use std::sync::Arc;

use tokio::time::Instant;

use crate::delivery::failover::Event;
use crate::delivery::failover::Failover;
use crate::delivery::failover::Outcome;
use crate::delivery::failover::Reason;
use crate::delivery::feed::Feed;
use crate::delivery::feed::LEAVE_WITHIN;
use crate::delivery::feed::Leaving;
use crate::delivery::feed::rules;
use crate::delivery::feed::shown::Shown;
use crate::delivery::made::Made;
use crate::delivery::overrides::Choice;
use crate::delivery::sessions::Session;
use crate::delivery::sessions::Shows;
use crate::media::sniff::Container;

/// What is gone over to.
pub(super) enum Next {
    /// The standby, for this reason.
    Standby(Reason),
    /// What somebody wants to be shown.
    Override(Box<Made>),
}

impl Feed {
    /// Looks at what the channel shows. What it shows already changes nothing.
    pub(super) fn look(&mut self, session: &mut Session) {
        let overrides = &self.course.delivery.overrides;
        let wanted = overrides.of(&self.course.channel.id);
        let known = match (&wanted, &self.overridden) {
            (Some(wanted), Some(known)) => Arc::ptr_eq(wanted, known),
            (None, None) => true,
            _ => false,
        };
        // Of a stream of another kind nothing made can be a part.
        if known || self.course.container != Container::MpegTs {
            return;
        }
        let was = std::mem::replace(&mut self.overridden, wanted.clone());
        match wanted.as_ref().map(|wanted| &wanted.choice) {
            Some(Choice::Made(made)) => {
                let made = Made::of(made, &self.course.channel, &self.course.delivery.clips);
                self.overrule(made, session);
            }
            Some(Choice::Source(source)) => self.choose(Some(*source), session),
            None => {
                let was_source = was.is_some_and(|was| matches!(was.choice, Choice::Source(_)));
                self.choose(None, session);
                let away = was_source && self.source().is_some_and(|source| source != 0);
                if away {
                    self.go_to(0, session);
                }
            }
        }
    }

    /// Shows `made` instead of any source, none of which is connected to from then on.
    fn overrule(&mut self, made: Made, session: &mut Session) {
        for (_, answer) in self.orders.drain(..) {
            // Whoever asked may not wait any more.
            answer.send(Outcome::Busy).ok();
        }
        let failover = &self.course.question.config.failover;
        let (places, rules) = rules::of(&self.course.channel, failover);
        self.machine = Failover::new(places, rules, self.seed);
        (self.standby, self.leaving) = (None, None);
        self.causes.clear();
        self.again.rest();
        let is_running = self.source().is_some() && self.joiner.is_some();
        if is_running && self.silence.is_heard() {
            let deadline = Instant::now() + LEAVE_WITHIN;
            let next = Next::Override(Box::new(made));
            self.leaving = Some(Leaving { next, deadline, is_done: false });
        } else {
            self.show_override(made, session);
        }
    }

    /// Goes over to what somebody wants to be shown.
    pub(super) fn show_override(&mut self, made: Made, session: &mut Session) {
        self.show(made, Shown::Override);
        session.shows(Shows::Override);
        session.info().holds(None);
    }

    /// A source is shown, `chosen` or as ever. Where none is, one is looked for.
    fn choose(&mut self, chosen: Option<usize>, session: &mut Session) {
        if let Some(Leaving { next: Next::Override(_), .. }) = self.leaving {
            // It had not begun. Its machine knows of no source.
            self.leaving = None;
            self.active = None;
        }
        self.machine.choose(chosen);
        match (self.source(), chosen) {
            (Some(_), Some(chosen)) => self.go_to(chosen, session),
            (Some(_), None) => {}
            (None, _) => {
                self.again.rest();
                self.tell(Event::Start, session);
            }
        }
    }

    /// Goes over to a source, if it plays.
    fn go_to(&mut self, source: usize, session: &mut Session) {
        self.ticket = self.ticket.wrapping_add(1);
        self.tell(Event::Switch { ticket: self.ticket, source: Some(source) }, session);
    }

    /// The source that is shown.
    fn source(&self) -> Option<usize> {
        self.active.as_ref().and_then(|active| active.shown.source())
    }
}
