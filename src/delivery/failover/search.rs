//! Looking for another source: asking for slots, opening, and what follows when nothing is left
//! in a round.

use super::Active;
use super::Cause;
use super::Failover;
use super::Search;
use super::Standby;
use super::Step;
use super::share;
use super::terms::Action;
use super::terms::Outcome;
use super::terms::Phase;
use super::terms::Reason;
use crate::channel::health::Standing;

impl Failover {
    /// Looks for a first source.
    pub(super) fn start<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        if self.active.is_some() || self.search.is_some() {
            return;
        }
        let sources = self.places.len();
        // The order begins behind it.
        let before = self.chosen.filter(|chosen| *chosen < sources);
        self.episode.begin(before.map(|chosen| (chosen + sources - 1) % sources));
        self.seek(Cause::Lost(Reason::Start), step);
    }

    /// Looks for a source because of `cause`. An attempt that is on its way goes on.
    pub(super) fn seek<S: Fn(usize) -> Standing>(&mut self, cause: Cause, step: &mut Step<'_, S>) {
        self.search = Some(Search { cause, pauses_until: None });
        if self.standby.is_none() {
            self.advance(step);
        }
    }

    /// The next source, or what comes when there is none left in this round.
    fn advance<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        let next = self.episode.next(|source| self.may_try(source), &step.standing);
        if let Some(source) = next {
            return self.ask(source, step);
        }
        if !self.wait_for_slots(step) {
            self.end_round(step);
        }
    }

    /// Whether the cause of the search lets it try this source at all.
    pub(super) fn may_try(&self, source: usize) -> bool {
        let active = self.active.as_ref().map(|active| active.source);
        match self.search.as_ref().map(|search| search.cause) {
            Some(Cause::Lost(_)) => true,
            Some(Cause::Switch(Some(target))) => source == target,
            Some(Cause::Switch(None)) => active != Some(source),
            Some(Cause::Hedge) => {
                let is_made = self.places.get(source).is_some_and(|place| place.is_made);
                active != Some(source) && !is_made
            }
            Some(Cause::Failback) => source == 0,
            None => false,
        }
    }

    /// Begins an attempt.
    fn ask<S>(&mut self, source: usize, step: &mut Step<'_, S>) {
        let generation = self.number();
        let sources = Vec::new();
        self.standby = Some(Standby { generation, source, phase: Phase::Asking, sources });
        step.actions.push(Action::Acquire { generation, source });
    }

    /// Begins an attempt that waits for whichever full source gets a slot first. False if there is none to wait
    /// for, or no time. Nobody waits for a hedge or a failback.
    fn wait_for_slots<S>(&mut self, step: &mut Step<'_, S>) -> bool {
        let waits = matches!(self.cause(), Some(Cause::Lost(_) | Cause::Switch(_)));
        let mut sources: Vec<usize> = Vec::new();
        for source in self.episode.full().filter(|&source| waits && self.may_try(source)) {
            if !sources.iter().any(|&other| share(&self.places, source, other)) {
                sources.push(source);
            }
        }
        let Some(&source) = sources.first() else { return false };
        let (now, slot_wait) = (step.now, self.rules.slot_wait);
        if self.episode.wait_until(|| now + slot_wait) <= now {
            return false;
        }
        let generation = self.number();
        let phase = Phase::Waiting;
        self.standby = Some(Standby { generation, source, phase, sources: sources.clone() });
        step.actions.push(Action::AwaitSlot { generation, sources });
        true
    }

    /// A slot was got: now the source is opened, and its entry is consumed.
    pub(super) fn slot<S>(&mut self, source: usize, step: &mut Step<'_, S>) {
        let Some(standby) = &mut self.standby else { return };
        let fits = match standby.phase {
            Phase::Asking => standby.source == source,
            Phase::Waiting => standby.sources.contains(&source),
            Phase::Opening => false,
        };
        if !fits {
            return;
        }
        standby.source = source;
        standby.phase = Phase::Opening;
        let generation = standby.generation;
        let places = &self.places;
        self.episode.reopen(|other| share(places, source, other));
        self.episode.consume(source);
        step.actions.push(Action::Open { generation, source });
    }

    /// No slot is free. If an active that is to be left anyway holds one of the same provider, it
    /// is closed first: break before make. Otherwise the provider is left for later.
    pub(super) fn no_slot<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        let Some(standby) = self.standby_in(Phase::Asking) else { return };
        let (generation, source) = (standby.generation, standby.source);
        let cause = self.cause();
        let breaks = matches!(cause, Some(Cause::Lost(_) | Cause::Switch(_)));
        let in_the_way = |active: &mut Active| breaks && share(&self.places, active.source, source);
        if let Some(active) = self.active.take_if(in_the_way) {
            if let Some(Cause::Switch(_)) = cause {
                // From here on the session needs any source, not just the one that was asked for.
                let cause = Cause::Lost(Reason::Manual);
                self.search = Some(Search { cause, pauses_until: None });
            }
            step.actions.push(Action::Drop { generation: active.generation });
            step.actions.push(Action::Acquire { generation, source });
            return;
        }
        self.standby = None;
        if cause == Some(Cause::Failback) {
            self.rest(step.now);
            return;
        }
        let places = &self.places;
        self.episode.close(|other| other == source || share(places, source, other));
        self.advance(step);
    }

    /// The standby failed.
    pub(super) fn failed<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        if self.standby_in(Phase::Opening).is_none() {
            return;
        }
        self.standby = None;
        if self.cause() == Some(Cause::Failback) {
            self.rest(step.now);
            return self.failback.failed(step.now);
        }
        self.advance(step);
    }

    /// The standby becomes the active.
    pub(super) fn join<S>(&mut self, step: &mut Step<'_, S>) {
        if self.standby_in(Phase::Opening).is_none() {
            return;
        }
        let (Some(standby), Some(cause)) = (self.standby.take(), self.cause()) else { return };
        self.rest(step.now);
        let reason = cause.reason();
        let (generation, source) = (standby.generation, standby.source);
        self.active = Some(Active::new(generation, source, step.now));
        self.episode.play();
        step.actions.push(Action::Join { generation, reason });
        if source == 0 || reason == Reason::Manual || self.chosen == Some(source) {
            self.failback.disarm(reason == Reason::Failback);
        } else {
            self.failback.arm(step.now);
        }
        let from = self.asked.as_ref().map(|asked| asked.from);
        match from {
            Some(from) if from != source => {
                self.answer(Outcome::Switched { from, to: source }, step)
            }
            _ => self.answer(Outcome::Failed, step),
        }
    }

    /// No source is left in this round.
    fn end_round<S>(&mut self, step: &mut Step<'_, S>) {
        match self.cause() {
            Some(Cause::Lost(_)) if self.episode.may_go_on(self.rules.rounds) => {
                let pauses_until = step.now + self.pauses.after(self.episode.round());
                if let Some(search) = &mut self.search {
                    search.pauses_until = Some(pauses_until);
                }
            }
            Some(Cause::Lost(_)) => self.give_up(step),
            Some(Cause::Switch(_)) => {
                self.rest(step.now);
                self.answer(Outcome::Failed, step);
            }
            // A hedge that found nothing rests until the active speaks or is lost.
            Some(Cause::Hedge | Cause::Failback) | None => {}
        }
    }

    /// Every source failed in every round. An active that was given up but still sends bytes is
    /// better than nothing.
    fn give_up<S>(&mut self, step: &mut Step<'_, S>) {
        self.rest(step.now);
        if let Some(active) = self.active.as_mut().filter(|active| !active.stalled) {
            active.doom = None;
            // It must prove itself anew, or it would be given up, and all sources asked, at once.
            active.joined = step.now;
            return self.answer(Outcome::Failed, step);
        }
        if let Some(active) = self.active.take() {
            step.actions.push(Action::Drop { generation: active.generation });
        }
        self.answer(Outcome::Lost, step);
        step.actions.push(Action::Exhausted);
    }

    /// A pause or a wait for slots may be over, or a failback be due.
    pub(super) fn timer<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        if self.deadline().is_none_or(|deadline| step.now < deadline) {
            return;
        }
        if self.standby_in(Phase::Waiting).is_some() {
            self.call_off(step);
            self.end_round(step);
        } else if let Some(search) = &mut self.search {
            search.pauses_until = None;
            self.episode.next_round();
            self.advance(step);
        } else {
            self.try_failback(step);
        }
    }

    /// Ends the attempt that is on its way without a result: no failure, and no entry consumed.
    pub(super) fn call_off<S>(&mut self, step: &mut Step<'_, S>) {
        let Some(standby) = self.standby.take() else { return };
        if standby.phase == Phase::Opening {
            self.episode.restore(standby.source);
        }
        step.actions.push(Action::Drop { generation: standby.generation });
    }

    /// Answers the switch that is open, if there is one.
    pub(super) fn answer<S>(&mut self, outcome: Outcome, step: &mut Step<'_, S>) {
        if let Some(asked) = self.asked.take() {
            step.actions.push(Action::Answer { ticket: asked.ticket, outcome });
        }
    }
}
