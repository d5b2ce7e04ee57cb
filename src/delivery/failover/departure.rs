//! Why the active may have to be left: it falls silent, it fails, somebody wants another source,
//! or the first one is to be gone back to.

use super::Asked;
use super::Cause;
use super::Failover;
use super::Step;
use super::terms::Action;
use super::terms::Outcome;
use super::terms::Phase;
use super::terms::Reason;
use crate::channel::health::Standing;

impl Failover {
    /// The active is silent: a standby is opened while it is still listened to. A failback that is
    /// on its way will do.
    pub(super) fn quiet<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        let hedges = self.rules.hedge && self.places.len() > 1;
        let Some(active) = &mut self.active else { return };
        active.quiet = true;
        if !hedges || active.doom.is_some() {
            return;
        }
        let source = active.source;
        match self.cause() {
            None => self.blame(step),
            Some(Cause::Failback) => self.episode.consume(source),
            Some(Cause::Hedge | Cause::Lost(_) | Cause::Switch(_)) => return,
        }
        self.seek(Cause::Hedge, step);
    }

    /// The active speaks again. If nothing has taken over yet, it has won: whether it was hedged
    /// or already given up for its silence.
    pub(super) fn heard<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        let cause = self.cause();
        let Some(active) = &mut self.active else { return };
        active.quiet = false;
        active.stalled = false;
        match cause {
            Some(Cause::Hedge) => {}
            Some(Cause::Lost(_)) if active.doom == Some(Reason::Stalled) => active.doom = None,
            _ => return,
        }
        if let Some(target) = self.wish_that_fits() {
            return self.seek(Cause::Switch(target), step);
        }
        self.call_off(step);
        self.rest(step.now);
        self.answer(Outcome::Failed, step);
    }

    /// What the open switch asked for, if the attempt on its way is that.
    fn wish_that_fits(&self) -> Option<Option<usize>> {
        let (asked, standby) = (self.asked.as_ref()?, self.standby.as_ref()?);
        let fits = standby.source == asked.target.unwrap_or(standby.source);
        let moves = standby.source != asked.from && standby.phase != Phase::Waiting;
        (fits && moves).then_some(asked.target)
    }

    /// The active is lost: gone, or `open` but no good. One failure consumes one entry, however
    /// many events tell of it, and an attempt that is on its way goes on.
    pub(super) fn lost<S: Fn(usize) -> Standing>(
        &mut self,
        reason: Reason,
        open: bool,
        step: &mut Step<'_, S>,
    ) {
        let Some(active) = &mut self.active else { return };
        let source = active.source;
        active.stalled |= reason == Reason::Stalled;
        let known = active.doom.is_some();
        active.doom = active.doom.or(Some(reason));
        match self.cause() {
            None => self.blame(step),
            Some(Cause::Switch(_) | Cause::Failback) => self.episode.consume(source),
            // It is on the books already.
            Some(Cause::Hedge | Cause::Lost(_)) => {}
        }
        if !open {
            self.active = None;
        }
        if known {
            return;
        }
        if self.standby_in(Phase::Waiting).is_some() {
            self.call_off(step);
        }
        // What a search by choice must not break for, this one may.
        self.episode.reopen(|_| true);
        self.seek(Cause::Lost(reason), step);
    }

    /// The active's entry is consumed: in a new episode if it has proven itself or there was none,
    /// else in the running one. A single source has no other, so its reconnect is the first entry.
    /// Without a pause since the last search a new episode would ask the same sources again at once.
    fn blame<S>(&mut self, step: &Step<'_, S>) {
        let Some(active) = &self.active else { return };
        let since = |then| step.now.saturating_duration_since(then);
        let proven = since(active.joined) >= self.rules.proven_after;
        let rested = self.rests_since.is_none_or(|then| since(then) >= self.rules.pause);
        if active.source == 0 {
            self.failback.first_lost(proven);
        }
        if proven && rested || self.episode.round() == 0 {
            self.episode.begin(Some(active.source));
            if self.places.len() > 1 {
                self.episode.consume(active.source);
            }
        } else {
            self.episode.turn_to(active.source);
            self.episode.consume(active.source);
        }
    }

    /// Somebody wants another source.
    pub(super) fn switch<S: Fn(usize) -> Standing>(
        &mut self,
        ticket: u32,
        target: Option<usize>,
        step: &mut Step<'_, S>,
    ) {
        let from = match self.refusal(target) {
            Ok(from) => from,
            Err(outcome) => return step.actions.push(Action::Answer { ticket, outcome }),
        };
        let hedging = self.cause() == Some(Cause::Hedge);
        let fits = |source| target.map_or(hedging, |target| target == source);
        let on_its_way = self.standby.as_ref().map(|standby| (standby.source, standby.phase));
        if on_its_way.is_some_and(|(source, _)| !fits(source)) {
            self.call_off(step);
        }
        self.asked = Some(Asked { ticket, from, target });
        // The active has not failed, so its entry is not consumed.
        self.episode.begin(Some(from));
        if let Some((source, Phase::Opening)) = on_its_way.filter(|(source, _)| fits(*source)) {
            self.episode.consume(source);
        }
        self.seek(Cause::Switch(target), step);
    }

    /// The source that a switch would leave, or why there is no switch.
    fn refusal(&self, target: Option<usize>) -> Result<usize, Outcome> {
        if self.places.len() < 2 || target.is_some_and(|target| target >= self.places.len()) {
            return Err(Outcome::NothingElse);
        }
        match (&self.active, self.cause()) {
            (_, Some(Cause::Lost(_) | Cause::Switch(_))) => Err(Outcome::Busy),
            (None, _) => Err(Outcome::Lost),
            (Some(active), _) if target == Some(active.source) => Err(Outcome::AlreadyThere),
            (Some(active), _) => Ok(active.source),
        }
    }

    /// Tries the first source while another one plays, unless it failed a short while ago.
    pub(super) fn try_failback<S: Fn(usize) -> Standing>(&mut self, step: &mut Step<'_, S>) {
        let Some(active) = &self.active else { return };
        self.failback.arm(step.now);
        if (step.standing)(0) == Standing::Cooling {
            return;
        }
        self.episode.begin(Some(active.source));
        self.seek(Cause::Failback, step);
    }
}
