//! Failover as a pure state machine: what happened and when goes in, what is to be done comes out.
//! It has no clock, no socket and no randomness of its own; a thin driver performs its actions and
//! reports what came of them.

use tokio::time::Instant;

use crate::channel::health::Standing;
use order::Episode;
use pace::Failback;
use pace::Pauses;

mod departure;
#[cfg(test)]
mod model;
mod order;
mod pace;
mod search;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use pace::{PAUSE, pause_after};
pub use terms::Outcome;
pub(crate) use terms::{Action, Event, Generation, Phase, Place, Reason, Rules, Status};

/// The failover of one live session: at most one active, which plays, and one standby, which is
/// about to. Each is an attempt with a [`Generation`] of its own, and only these two ever hold
/// slots.
///
/// After a failure the other sources are tried in order from the one behind it, each at most once
/// a round; those that are cooling down only when no other is left, and those whose providers are
/// full last, when a slot is waited for. Rounds are divided by growing pauses. If the active is
/// still open, it is left only once another source is usable, except where it holds the very slot
/// that is needed.
///
/// Memory: some 300 bytes and 17 for each source.
#[derive(Debug)]
pub(crate) struct Failover {
    places: Vec<Place>,
    rules: Rules,
    /// The next attempt's number.
    next: Generation,
    active: Option<Active>,
    standby: Option<Standby>,
    search: Option<Search>,
    /// When the last search ended.
    rests_since: Option<Instant>,
    episode: Episode,
    asked: Option<Asked>,
    pauses: Pauses,
    failback: Failback,
    /// The source that somebody chose.
    chosen: Option<usize>,
}

/// The attempt that plays.
#[derive(Debug)]
struct Active {
    generation: Generation,
    source: usize,
    joined: Instant,
    /// Whether it has been silent for a while.
    quiet: bool,
    /// Whether it has been silent for the whole stall timeout.
    stalled: bool,
    /// Why it was given up, while a search goes on.
    doom: Option<Reason>,
}

/// The attempt on its way.
#[derive(Debug)]
struct Standby {
    generation: Generation,
    source: usize,
    phase: Phase,
    /// Those waited for.
    sources: Vec<usize>,
}

/// Another source is looked for. Without a standby it pauses, or it is a hedge that found nothing.
#[derive(Debug)]
struct Search {
    cause: Cause,
    /// The end of the pause between two rounds.
    pauses_until: Option<Instant>,
}

/// Why another source is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// There is no active, or it is no good: any source in any round.
    Lost(Reason),
    /// The active is silent.
    Hedge,
    /// Somebody wants this source, or any other one.
    Switch(Option<usize>),
    /// The first source may be played again.
    Failback,
}

/// A switch that was not answered yet.
#[derive(Debug)]
struct Asked {
    ticket: u32,
    from: usize,
    target: Option<usize>,
}

/// What one event is handled with.
struct Step<'a, S> {
    now: Instant,
    standing: S,
    actions: &'a mut Vec<Action>,
}

impl Failover {
    /// A machine without an active, for a session's first source; [`Event::Start`] sets it going.
    /// Sources are tried from the first. `seed` decides the jitter of pauses.
    pub(crate) fn new(places: Vec<Place>, rules: Rules, seed: u64) -> Self {
        Self {
            episode: Episode::new(places.len()),
            pauses: Pauses::new(rules.pause, seed),
            failback: Failback::new(rules.failback),
            places,
            rules,
            next: 1,
            active: None,
            standby: None,
            search: None,
            rests_since: None,
            asked: None,
            chosen: None,
        }
    }

    /// A machine whose active, generation 0, is `source` and plays since `now`.
    pub(crate) fn with_active(
        places: Vec<Place>,
        rules: Rules,
        seed: u64,
        source: usize,
        now: Instant,
    ) -> Self {
        let mut machine = Self::new(places, rules, seed);
        machine.active = Some(Active::new(0, source, now));
        if source != 0 {
            machine.failback.arm(now);
        }
        machine
    }

    /// From now on this source is the one that [`Event::Start`] tries first, and nothing is gone back
    /// to from it; `None`: the first one again.
    pub(crate) fn choose(&mut self, source: Option<usize>) {
        self.chosen = source;
        if source.is_some() && self.active.as_ref().map(|active| active.source) == source {
            self.failback.disarm(false);
        }
    }

    /// Takes an event and appends what is to be done about it to `actions`. `standing` says how
    /// each source has fared, at `now`.
    pub(crate) fn on(
        &mut self,
        now: Instant,
        event: Event,
        standing: impl Fn(usize) -> Standing,
        actions: &mut Vec<Action>,
    ) {
        let step = &mut Step { now, standing, actions };
        let active = self.active.as_ref().map(|active| active.generation);
        let standby = self.standby.as_ref().map(|standby| standby.generation);
        match event {
            Event::Start => self.start(step),
            Event::Slot(of, source) if standby == Some(of) => self.slot(source, step),
            Event::NoSlot(of) if standby == Some(of) => self.no_slot(step),
            Event::Usable(of) if standby == Some(of) => self.join(step),
            Event::Failed(of) | Event::Died(of, _) if standby == Some(of) => self.failed(step),
            Event::Quiet(of) if active == Some(of) => self.quiet(step),
            Event::Heard(of) if active == Some(of) => self.heard(step),
            Event::Died(of, reason) if active == Some(of) => self.lost(reason, false, step),
            Event::Doomed(of, reason) if active == Some(of) => self.lost(reason, true, step),
            Event::Switch { ticket, source } => self.switch(ticket, source, step),
            Event::Timer => self.timer(step),
            // Of an attempt that is over.
            Event::Slot(..)
            | Event::NoSlot(_)
            | Event::Usable(_)
            | Event::Failed(_)
            | Event::Quiet(_)
            | Event::Heard(_)
            | Event::Died(..)
            | Event::Doomed(..) => {}
        }
    }

    /// When [`Event::Timer`] is due, if it is. May have passed already. Changes with every event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.standby_in(Phase::Waiting).is_some() {
            return self.episode.waits_until();
        }
        if let Some(search) = &self.search {
            return search.pauses_until;
        }
        let at_ease = |active: &&Active| !active.quiet && active.doom.is_none();
        self.active.as_ref().filter(at_ease).and(self.failback.due())
    }

    /// Whether another source than those that had their turn is left in this round, so that the one
    /// on its way need not be waited for as long as if it were the last.
    pub(crate) fn has_another(&self) -> bool {
        self.episode.next(|source| self.may_try(source), |_| Standing::Good).is_some()
    }

    /// The machine at a glance.
    #[cfg_attr(not(test), expect(dead_code, reason = "shown by the model test alone so far"))]
    pub(crate) fn status(&self) -> Status {
        let active = self.active.as_ref();
        let standby = self.standby.as_ref();
        Status {
            active: active.map(|active| (active.generation, active.source)),
            standby: standby.map(|standby| (standby.generation, standby.source, standby.phase)),
            round: self.episode.round(),
            searching: self.search.is_some(),
        }
    }

    fn cause(&self) -> Option<Cause> {
        self.search.as_ref().map(|search| search.cause)
    }

    /// The search is over, whatever came of it.
    fn rest(&mut self, now: Instant) {
        self.search = None;
        self.rests_since = Some(now);
    }

    fn standby_in(&self, phase: Phase) -> Option<&Standby> {
        self.standby.as_ref().filter(|standby| standby.phase == phase)
    }

    /// A number for a new attempt.
    fn number(&mut self) -> Generation {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }
}

impl Active {
    fn new(generation: Generation, source: usize, now: Instant) -> Self {
        Self { generation, source, joined: now, quiet: false, stalled: false, doom: None }
    }
}

impl Cause {
    /// The reason for a join that comes of it.
    fn reason(self) -> Reason {
        match self {
            Self::Lost(reason) => reason,
            Self::Hedge => Reason::Silent,
            Self::Switch(_) => Reason::Manual,
            Self::Failback => Reason::Failback,
        }
    }
}

/// Whether two sources draw on the same budget.
fn share(places: &[Place], one: usize, other: usize) -> bool {
    let provider = |source: usize| places.get(source).and_then(|place| place.provider);
    provider(one).is_some() && provider(one) == provider(other)
}
