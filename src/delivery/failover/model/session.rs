//! One session of the world, and what its driver knows.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::super::*;
use super::ledger::Ledger;

/// A session; the next one in its place has another number.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u32,
    pub(super) machine: Failover,
    pub(super) ledger: Ledger,
    /// The slots of its attempts.
    pub(super) held: BTreeMap<Generation, Held>,
    /// What it waits for.
    pub(super) waiting: Option<(Generation, Vec<usize>)>,
    pub(super) switches: u32,
}

/// A slot in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) source: usize,
    /// Whether the provider sees a connection for it.
    pub(super) connected: bool,
}

/// What is going to happen to one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appointment {
    pub(super) at: Instant,
    pub(super) session: u32,
    pub(super) what: Happening,
}

/// What may happen to it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// The question for a slot is answered.
    Ask(Generation, usize),
    /// An event without consequences for slots.
    Tell(Event),
    /// The attempt fails or the stream dies, and the slot is given back first.
    Break(Event),
    /// No bytes any more.
    Silence(Generation),
}

impl Session {
    pub(super) fn new(
        number: u32,
        places: Vec<Place>,
        rules: Rules,
        active: Option<usize>,
        now: Instant,
    ) -> Self {
        let seed = u64::from(number);
        let ledger = Ledger::new(places.clone(), rules, active, now);
        let machine = match active {
            Some(source) => Failover::with_active(places, rules, seed, source, now),
            None => Failover::new(places, rules, seed),
        };
        let held = BTreeMap::new();
        Self { number, machine, ledger, held, waiting: None, switches: 0 }
    }

    /// Slots are held by the attempts there are, and by no other.
    pub(super) fn check(&self) {
        for generation in self.held.keys() {
            assert!(self.ledger.holders().any(|own| own == *generation), "a slot has leaked");
        }
        if let Some((generation, source)) = self.ledger.active() {
            let held = self.held.get(&generation);
            assert!(held.is_some_and(|held| held.source == source), "it plays without a slot");
        }
    }
}
