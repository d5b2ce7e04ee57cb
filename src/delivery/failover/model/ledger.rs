//! The books of one session: what its machine must have done so far, and whether it has. Kept from
//! events and actions alone, by the rules of the design.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::super::*;

mod checks;

/// One session's books.
#[derive(Debug)]
pub(super) struct Ledger {
    places: Vec<Place>,
    rules: Rules,
    active: Option<(Generation, usize)>,
    standby: Option<(Generation, usize, Phase)>,
    /// When the active's proof began.
    joined: Instant,
    doomed: bool,
    /// When the last search ended.
    rests_since: Option<Instant>,
    round: u32,
    /// Whether a source was joined in this round.
    played: bool,
    consumed: BTreeSet<usize>,
    /// The source behind which the order begins.
    after: Option<usize>,
    /// Providers that had no slot in this round.
    full: BTreeSet<Option<u32>>,
    /// When it began to wait for slots in this round.
    waits_since: Option<Instant>,
    tickets: BTreeSet<u32>,
    newest: Generation,
    /// When sources were opened, since the last thing that somebody wanted.
    opened: Vec<Instant>,
}

/// What was so before an event.
#[derive(Clone, Copy)]
pub(super) struct Before {
    cause: Option<Cause>,
    deadline: Option<Instant>,
    due: bool,
}

impl Before {
    pub(super) fn of(machine: &Failover, now: Instant) -> Self {
        let deadline = machine.deadline();
        let due = deadline.is_some_and(|deadline| deadline <= now);
        Self { cause: machine.cause(), deadline, due }
    }
}

impl Ledger {
    pub(super) fn new(
        places: Vec<Place>,
        rules: Rules,
        active: Option<usize>,
        now: Instant,
    ) -> Self {
        Self {
            places,
            rules,
            active: active.map(|source| (0, source)),
            standby: None,
            joined: now,
            doomed: false,
            rests_since: None,
            round: 0,
            played: false,
            consumed: BTreeSet::new(),
            after: None,
            full: BTreeSet::new(),
            waits_since: None,
            tickets: BTreeSet::new(),
            newest: 0,
            opened: Vec::new(),
        }
    }

    /// Attempts that may hold slots: two at most.
    pub(super) fn holders(&self) -> impl Iterator<Item = Generation> {
        let standby = self.standby.map(|(generation, ..)| generation);
        self.active.map(|(generation, _)| generation).into_iter().chain(standby)
    }

    pub(super) fn active(&self) -> Option<(Generation, usize)> {
        self.active
    }

    pub(super) fn open_tickets(&self) -> usize {
        self.tickets.len()
    }

    /// Books an event and what the machine made of it.
    pub(super) fn book(
        &mut self,
        now: Instant,
        event: Event,
        before: Before,
        machine: &Failover,
        standing: &[Standing],
        actions: &[Action],
    ) {
        if self.is_stale(event) {
            assert_eq!(actions, [], "an attempt that is over makes no difference");
        } else {
            self.book_event(now, event, before, actions);
            for action in actions {
                self.book_action(now, action, machine, standing);
            }
            self.book_rest(now, event, before, machine);
        }
        let opens = |action: &&Action| matches!(action, Action::Open { .. });
        assert!(actions.iter().filter(opens).count() <= 1, "one event opens one source");
        if event == Event::Timer && before.due {
            assert_ne!(machine.deadline(), before.deadline, "the timer is due for ever");
        }
        self.compare(machine);
    }

    fn is_stale(&self, event: Event) -> bool {
        let of = match event {
            Event::Start | Event::Switch { .. } | Event::Timer => return false,
            Event::Slot(of, _)
            | Event::NoSlot(of)
            | Event::Usable(of)
            | Event::Failed(of)
            | Event::Quiet(of)
            | Event::Heard(of)
            | Event::Died(of, _)
            | Event::Doomed(of, _) => of,
        };
        self.holders().all(|generation| generation != of)
    }

    /// What the event says about rounds, entries and attempts.
    fn book_event(&mut self, now: Instant, event: Event, before: Before, actions: &[Action]) {
        let of_active = |of| self.active.is_some_and(|(generation, _)| generation == of);
        match event {
            Event::Start if before.cause.is_none() && self.active.is_none() => {
                self.begin_episode(None);
                self.opened.clear();
            }
            Event::Switch { ticket, .. } => {
                assert!(self.tickets.insert(ticket));
                if !actions.iter().any(|action| matches!(action, Action::Answer { .. })) {
                    self.begin_episode(self.active);
                    self.opened.clear();
                    self.consumed.extend(self.standby.and_then(in_opening));
                }
            }
            Event::Timer if before.due => match (self.standby, before.cause) {
                (Some(_), _) => {}
                (None, Some(_)) => self.begin_round(),
                (None, None) if actions.is_empty() => {}
                (None, None) => self.begin_episode(self.active),
            },
            Event::NoSlot(of) => {
                let Some((_, source, Phase::Asking)) = self.standby else { return };
                if before.cause != Some(Cause::Failback) {
                    self.full.insert(self.places[source].provider);
                }
                self.check_break(source, before, actions);
                // The attempt is over, unless the active makes room for it and it is asked again.
                self.standby.take_if(|_| {
                    actions.last() != Some(&Action::Acquire { generation: of, source })
                });
            }
            Event::Quiet(_) => {
                let hedges = self.rules.hedge && self.places.len() > 1 && !self.doomed;
                if hedges && matches!(before.cause, None | Some(Cause::Failback)) {
                    self.blame(now, before);
                }
            }
            Event::Died(of, _) if of_active(of) => {
                self.lose(now, before);
                self.active = None;
                self.doomed = false;
            }
            Event::Doomed(of, _) if of_active(of) => self.lose(now, before),
            Event::Failed(_) | Event::Died(..) => {
                self.standby.take_if(|standby| standby.2 == Phase::Opening);
            }
            _ => {}
        }
    }

    fn begin_episode(&mut self, behind: Option<(Generation, usize)>) {
        self.round = 0;
        self.played = false;
        self.after = behind.map(|(_, source)| source);
        self.begin_round();
    }

    fn begin_round(&mut self) {
        if !std::mem::replace(&mut self.played, false) {
            self.round += 1;
        }
        assert!(self.round <= self.rules.rounds.max(1), "no more rounds than allowed");
        self.consumed.clear();
        self.full.clear();
        self.waits_since = None;
    }

    /// The first news of the active's end; a hedge has booked it before.
    fn lose(&mut self, now: Instant, before: Before) {
        if std::mem::replace(&mut self.doomed, true) {
            return;
        }
        if before.cause != Some(Cause::Hedge) {
            self.blame(now, before);
        }
        self.full.clear();
    }

    /// One failure consumes one entry, in a new episode if that is due.
    fn blame(&mut self, now: Instant, before: Before) {
        let Some((_, source)) = self.active else { return };
        let proven = now - self.joined >= self.rules.proven_after;
        let rested = self.rests_since.is_none_or(|then| now - then >= self.rules.pause);
        let fresh = before.cause.is_none() && (proven && rested || self.round == 0);
        if fresh {
            self.begin_episode(self.active);
        } else if before.cause.is_none() {
            self.after = Some(source);
        }
        if !fresh || self.places.len() > 1 {
            self.consumed.insert(source);
        }
    }

    fn book_action(
        &mut self,
        now: Instant,
        action: &Action,
        machine: &Failover,
        standing: &[Standing],
    ) {
        match *action {
            Action::Acquire { generation, source } => {
                if let Some(again) = self.standby {
                    assert_eq!(again, (generation, source, Phase::Asking), "one standby at a time");
                    assert_eq!(self.active, None, "only a closed active makes room");
                } else {
                    self.number(generation);
                    self.check_choice(source, machine, standing);
                }
                self.standby = Some((generation, source, Phase::Asking));
            }
            Action::AwaitSlot { generation, ref sources } => {
                assert_eq!(self.standby, None, "one standby at a time");
                self.number(generation);
                for &source in sources {
                    assert!(!self.consumed.contains(&source), "it has had its entry");
                    assert!(self.full.contains(&self.places[source].provider), "ask first");
                }
                self.check_wait(now, machine);
                self.standby = Some((generation, sources[0], Phase::Waiting));
            }
            Action::Open { generation, source } => {
                let (own, _, phase) = self.standby.expect("an attempt");
                assert!(own == generation && phase != Phase::Opening, "a slot was got for it");
                assert!(self.consumed.insert(source), "each source at most once a round");
                self.full.remove(&self.places[source].provider);
                self.standby = Some((generation, source, Phase::Opening));
                self.check_pace(now);
            }
            Action::Drop { generation } => self.book_drop(generation),
            Action::Join { generation, reason } => self.book_join(now, generation, reason),
            Action::Answer { ticket, outcome } => {
                assert!(self.tickets.remove(&ticket), "one answer for each switch");
                if let Outcome::Switched { from, to } = outcome {
                    assert!(self.places.len() > 1, "a single source has nothing to switch to");
                    assert_ne!(from, to);
                    assert_eq!(self.active.map(|(_, source)| source), Some(to));
                }
            }
            Action::Exhausted => {
                assert_eq!((self.active, self.standby), (None, None), "something is left");
                self.check_used_up(now);
            }
        }
    }

    fn book_drop(&mut self, generation: Generation) {
        if self.active.is_some_and(|(own, _)| own == generation) {
            self.active = None;
            self.doomed = false;
            return;
        }
        let standby = self.standby.take().expect("an attempt to close");
        assert_eq!(standby.0, generation, "an attempt that is over");
        if let Some(source) = in_opening(standby) {
            self.consumed.remove(&source);
        }
    }

    fn book_join(&mut self, now: Instant, generation: Generation, reason: Reason) {
        let (own, source, phase) = self.standby.take().expect("a standby to join");
        assert_eq!((own, phase), (generation, Phase::Opening));
        if self.places.len() == 1 {
            let switches = [Reason::Manual, Reason::Failback, Reason::Silent];
            assert!(!switches.contains(&reason), "a single source is reconnected: {reason:?}");
        }
        self.active = Some((generation, source));
        self.joined = now;
        (self.played, self.round) = (true, 1);
        self.doomed = false;
    }

    /// When a search ends, and what that means for an active that stays.
    fn book_rest(&mut self, now: Instant, event: Event, before: Before, machine: &Failover) {
        let rests = machine.cause().is_none();
        if let (Event::Heard(_), true) = (event, self.doomed) {
            // Taken back: no longer lost, and if the wish for another one is still there, just that.
            self.doomed = matches!(machine.cause(), Some(Cause::Lost(_)));
        } else if self.doomed && rests {
            self.check_used_up(now);
            self.doomed = false;
            self.joined = now;
            self.rests_since = Some(now);
        }
        if before.cause.is_some() && rests {
            self.rests_since = Some(now);
        }
    }

    /// A number of its own.
    fn number(&mut self, generation: Generation) {
        assert!(generation > self.newest, "a number is used once");
        self.newest = generation;
    }

    /// Whether the machine has the same on its books.
    fn compare(&self, machine: &Failover) {
        let status = machine.status();
        assert_eq!(status.active, self.active);
        assert_eq!(status.standby, self.standby);
        assert_eq!(status.round, self.round);
        let entries = machine.episode.consumed();
        assert!(entries.iter().eq(&self.consumed), "{entries:?}, due are {:?}", self.consumed);
        if !self.tickets.is_empty() {
            assert!(status.searching && self.tickets.len() == 1, "a switch is answered in the end");
        }
    }
}

/// The source of an attempt that has used its entry.
fn in_opening((_, source, phase): (Generation, usize, Phase)) -> Option<usize> {
    (phase == Phase::Opening).then_some(source)
}
