//! The driver of all sessions: performs what their machines want, and has it checked.

use std::time::Duration;

use super::super::*;
use super::ledger::Before;
use super::provider::Provider;
use super::session::Happening;
use super::session::Held;
use super::world::PROVIDERS;
use super::world::World;

impl World {
    /// Tells the machine of a session, checks what it makes of it, and does that.
    pub(super) fn tell(&mut self, number: u32, event: Event) {
        let Some(index) = self.position(number) else { return };
        let standing: Vec<_> = self.health.iter().map(|health| health.standing(self.now)).collect();
        let session = &mut self.sessions[index];
        let before = Before::of(&session.machine, self.now);
        let mut actions = Vec::new();
        session.machine.on(self.now, event, |source| standing[source], &mut actions);
        if self.told {
            let passed = self.now - self.began;
            eprintln!("{passed:?}, session {number}: {event:?} {standing:?}\n    {actions:?}");
        }
        session.ledger.book(self.now, event, before, &session.machine, &standing, &actions);
        for action in &actions {
            self.perform(number, action);
        }
        self.sessions[index].check();
        if !actions.is_empty() {
            self.check_slots();
        }
    }

    pub(super) fn perform(&mut self, number: u32, action: &Action) {
        let index = self.position(number).unwrap();
        if !self.is_calm {
            *self.seen.entry(kind(action)).or_default() += 1;
        }
        match *action {
            Action::Acquire { generation, source } => {
                let delay = self.dice.pick(&[0, 0, 0, 10]);
                let ask = Happening::Ask(generation, source);
                self.appoint(Duration::from_millis(delay), number, ask);
            }
            Action::AwaitSlot { generation, ref sources } => {
                self.sessions[index].waiting = Some((generation, sources.clone()));
                self.grant();
            }
            Action::Open { generation, source } => {
                let held = self.sessions[index].held.get_mut(&generation).unwrap();
                assert!(!std::mem::replace(&mut held.connected, true));
                self.server(source).into_iter().for_each(Provider::connect);
                self.open(number, generation, source);
            }
            Action::Drop { generation } => {
                self.sessions[index].waiting.take_if(|(of, _)| *of == generation);
                self.release(number, generation);
            }
            Action::Join { generation, .. } => {
                let old = self.sessions[index].held.keys().copied().find(|of| *of != generation);
                if let Some(old) = old {
                    self.release(number, old);
                }
                self.decide_fate(number, generation);
            }
            Action::Answer { .. } => {}
            Action::Exhausted if self.is_calm => {}
            Action::Exhausted => {
                let again = Happening::Tell(Event::Start);
                let pause = self.dice.millis(&[1000, 4000]);
                self.appoint(pause, number, again);
            }
        }
    }

    /// Answers the question for a slot. Nobody holds one for an attempt that is over, though the
    /// machine may be told of it.
    pub(super) fn ask(&mut self, number: u32, generation: Generation, source: usize) {
        let Some(index) = self.position(number) else { return };
        let standby = self.sessions[index].machine.status().standby;
        let wanted = standby == Some((generation, source, Phase::Asking));
        let got = if wanted { self.take_slot(source) } else { self.dice.chance(50) };
        if wanted && got {
            self.sessions[index].held.insert(generation, Held { source, connected: false });
        }
        let event = if got { Event::Slot(generation, source) } else { Event::NoSlot(generation) };
        self.tell(number, event);
    }

    pub(super) fn server(&mut self, source: usize) -> Option<&mut Provider> {
        let number = self.places[source].provider?;
        self.providers.get_mut(usize::try_from(number).unwrap())
    }

    pub(super) fn take_slot(&mut self, source: usize) -> bool {
        self.server(source).is_none_or(Provider::take)
    }

    /// Closes an attempt's connection and gives its slot back to whoever waits for one.
    pub(super) fn release(&mut self, number: u32, generation: Generation) {
        let index = self.position(number).unwrap();
        let Some(held) = self.sessions[index].held.remove(&generation) else { return };
        if let Some(provider) = self.server(held.source) {
            if held.connected {
                provider.disconnect();
            }
            provider.give_back();
        }
        self.grant();
    }

    /// Hands free slots to those who wait.
    pub(super) fn grant(&mut self) {
        for index in 0..self.sessions.len() {
            let Some((generation, sources)) = self.sessions[index].waiting.take() else { continue };
            let Some(&source) = sources.iter().find(|&&source| self.take_slot(source)) else {
                self.sessions[index].waiting = Some((generation, sources));
                continue;
            };
            let session = &mut self.sessions[index];
            session.held.insert(generation, Held { source, connected: false });
            self.next.push_back((session.number, Event::Slot(generation, source)));
        }
    }

    /// Slots in use are those that sessions hold.
    pub(super) fn check_slots(&mut self) {
        let mut held = [0; PROVIDERS];
        for slot in self.sessions.iter().flat_map(|session| session.held.values()) {
            if let Some(provider) = self.places[slot.source].provider {
                held[usize::try_from(provider).unwrap()] += 1;
            }
        }
        let used = self.providers.each_ref().map(|provider| provider.used);
        assert_eq!(held, used, "slots are conserved");
    }
}

/// The word for a kind of action.
fn kind(action: &Action) -> &'static str {
    match action {
        Action::Acquire { .. } => "acquire",
        Action::AwaitSlot { .. } => "await",
        Action::Open { .. } => "open",
        Action::Drop { .. } => "drop",
        Action::Join { reason, .. } => reason.word(),
        Action::Answer { outcome, .. } => match outcome {
            Outcome::Switched { .. } => "switched",
            Outcome::AlreadyThere => "already there",
            Outcome::NothingElse => "nothing else",
            Outcome::Busy => "busy",
            Outcome::Failed => "failed",
            Outcome::Lost => "lost",
        },
        Action::Exhausted => "exhausted",
    }
}
