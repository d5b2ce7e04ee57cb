//! Each rule as a story: what happens to one session, and what is done about it.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

const RULES: Rules = Rules {
    rounds: 3,
    hedge: true,
    slot_wait: Duration::from_secs(3),
    proven_after: Duration::from_secs(10),
    pause: Duration::from_secs(1),
    failback: None,
};

struct Story {
    machine: Failover,
    now: Instant,
    standing: Vec<Standing>,
}

/// Sources of these providers, of which `active` plays; long enough to have proven itself.
fn playing(providers: &[Option<u32>], active: usize, rules: Rules) -> Story {
    let now = Instant::now();
    let machine = Failover::with_active(places(providers), rules, 7, active, now);
    let standing = vec![Standing::Good; providers.len()];
    Story { machine, now: now + Duration::from_secs(60), standing }
}

/// Sources of these providers, of which none plays yet.
fn opening(providers: &[Option<u32>]) -> Story {
    let rules = Rules { rounds: 1, ..RULES };
    let machine = Failover::new(places(providers), rules, 7);
    let standing = vec![Standing::Good; providers.len()];
    Story { machine, now: Instant::now(), standing }
}

fn places(providers: &[Option<u32>]) -> Vec<Place> {
    providers.iter().map(|&provider| Place { provider, is_made: false }).collect()
}

impl Story {
    fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.on(self.now, event, |source| self.standing[source], &mut actions);
        actions
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Goes to the deadline, which must be at least so far away, and at most a quarter more.
    fn timer_after(&mut self, millis: u64) -> Vec<Action> {
        let left = self.machine.deadline().unwrap() - self.now;
        let least = Duration::from_millis(millis);
        assert!((least..=least * 5 / 4).contains(&left), "{left:?}");
        self.now += left - Duration::from_millis(1);
        assert_eq!(self.tell(Event::Timer), [], "too early");
        self.pass(1);
        self.tell(Event::Timer)
    }

    /// A slot is got, and the source is opened.
    fn opens(&mut self, generation: Generation, source: usize) {
        assert_eq!(self.tell(Event::Slot(generation, source)), [open(generation, source)]);
    }

    fn active(&self) -> Option<usize> {
        self.machine.status().active.map(|(_, source)| source)
    }
}

fn acquire(generation: Generation, source: usize) -> Action {
    Action::Acquire { generation, source }
}

fn wait(generation: Generation, sources: &[usize]) -> Action {
    Action::AwaitSlot { generation, sources: sources.to_vec() }
}

fn open(generation: Generation, source: usize) -> Action {
    Action::Open { generation, source }
}

fn close(generation: Generation) -> Action {
    Action::Drop { generation }
}

fn join(generation: Generation, reason: Reason) -> Action {
    Action::Join { generation, reason }
}

fn answer(ticket: u32, outcome: Outcome) -> Action {
    Action::Answer { ticket, outcome }
}

fn switch(ticket: u32, source: Option<usize>) -> Event {
    Event::Switch { ticket, source }
}

mod budget;
mod choice;
mod hedge;
mod rounds;
