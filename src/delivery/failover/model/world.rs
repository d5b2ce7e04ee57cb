//! Everything around the machines: time, providers, sources, and what happens to sessions.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::super::*;
use super::dice::Dice;
use super::provider::Provider;
use super::session::Appointment;
use super::session::Happening;
use super::session::Held;
use super::session::Session;
use crate::channel::health::Health;

/// Providers that sources may share.
pub(super) const PROVIDERS: usize = 3;

/// How a source behaves when it is opened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Temper {
    Plays,
    Refuses,
    NeverAnswers,
    /// Any of these.
    Moody,
}

/// The world of one sequence.
pub(super) struct World {
    pub(super) began: Instant,
    pub(super) now: Instant,
    pub(super) dice: Dice,
    pub(super) told: bool,
    pub(super) providers: [Provider; PROVIDERS],
    /// One channel, watched by all.
    pub(super) places: Vec<Place>,
    pub(super) tempers: Vec<Temper>,
    pub(super) health: Vec<Health>,
    pub(super) cooldown: Duration,
    rules: Rules,
    pub(super) sessions: Vec<Session>,
    pub(super) appointments: Vec<Appointment>,
    /// What must be told before anything else: session and event.
    pub(super) next: VecDeque<(u32, Event)>,
    numbers: u32,
    /// From then on nothing happens by itself any more.
    pub(super) is_calm: bool,
    /// The kinds of actions performed, and how often.
    pub(super) seen: BTreeMap<&'static str, u32>,
}

impl World {
    pub(super) fn new(seed: u64, told: bool) -> Self {
        let (now, mut dice) = (Instant::now(), Dice::new(seed));
        let providers = std::array::from_fn(|_| Provider::new(dice.between(1, 3)));
        let sources = dice.between(1, 6);
        // A number beyond the last provider stands for none.
        let variety = dice.between(1, PROVIDERS + 1);
        let provider = |_| {
            let number = dice.below(variety);
            (number < PROVIDERS).then(|| u32::try_from(number).unwrap())
        };
        let places: Vec<_> =
            (0..sources).map(provider).map(|provider| Place { provider, is_made: false }).collect();
        let rules = Rules {
            rounds: u32::try_from(dice.between(1, 3)).unwrap(),
            hedge: dice.chance(80),
            slot_wait: dice.pick(&[Duration::ZERO, Duration::from_secs(3)]),
            proven_after: Duration::from_secs(10),
            pause: Duration::from_secs(1),
            failback: dice.chance(30).then_some(Duration::from_secs(20)),
        };
        let tempers = [Temper::Plays, Temper::Refuses, Temper::NeverAnswers, Temper::Moody];
        let mut world = Self {
            began: now,
            now,
            told,
            providers,
            tempers: places.iter().map(|_| dice.pick(&tempers)).collect(),
            health: places.iter().map(|_| Health::new()).collect(),
            cooldown: dice.pick(&[Duration::ZERO, Duration::from_secs(30)]),
            places,
            rules,
            sessions: Vec::new(),
            appointments: Vec::new(),
            next: VecDeque::new(),
            numbers: 0,
            is_calm: false,
            seen: BTreeMap::new(),
            dice,
        };
        if told {
            eprintln!("{:?} {:?}\n{:?}", world.places, world.tempers, world.rules);
        }
        for _ in 0..world.dice.between(1, 4) {
            world.begin();
        }
        world
    }

    /// 20 to 60 events of any kind.
    pub(super) fn storm(&mut self) {
        for _ in 0..self.dice.between(20, 60) {
            if !self.next.is_empty() || !self.dice.chance(8) {
                self.pass();
            } else {
                self.somebody_acts();
            }
        }
    }

    /// One session is left, and one source plays. Whatever it went through, it ends there.
    pub(super) fn calm(&mut self) {
        self.is_calm = true;
        while self.sessions.len() > 1 {
            self.end(0);
        }
        let good = self.dice.below(self.places.len());
        self.tempers.fill(Temper::Refuses);
        self.tempers[good] = Temper::Plays;
        if let Some((generation, _)) = self.sessions[0].ledger.active() {
            let died = Event::Died(generation, Reason::Broken);
            self.appoint(Duration::ZERO, self.sessions[0].number, Happening::Break(died));
        }
        self.settle();
        let session = &self.sessions[0];
        assert_eq!(session.ledger.open_tickets(), 0, "every switch is answered in the end");
        if session.ledger.active().is_none() {
            // Its rounds were used up: it says so, and the next episode finds the source.
            self.next.push_back((self.sessions[0].number, Event::Start));
            self.settle();
        }
        let active = self.sessions[0].ledger.active().map(|(_, source)| source);
        assert_eq!(active, Some(good), "the source that plays was not found");
    }

    /// Until nothing happens any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            let searching = self.sessions[0].machine.status().searching;
            if self.next.is_empty() && self.appointments.is_empty() && !searching {
                return;
            }
            self.pass();
        }
        panic!("it does not come to rest");
    }

    /// The next thing that is due happens.
    pub(super) fn pass(&mut self) {
        if let Some((session, event)) = self.next.pop_front() {
            return self.tell(session, event);
        }
        let soonest = (0..self.appointments.len()).min_by_key(|&each| self.appointments[each].at);
        let deadlines = self.sessions.iter().filter_map(|session| {
            session.machine.deadline().map(|deadline| (deadline, session.number))
        });
        let timer = deadlines.min();
        let at = soonest.map(|each| self.appointments[each].at);
        match (at, timer) {
            (Some(at), timer) if timer.is_none_or(|(deadline, _)| at <= deadline) => {
                self.now = self.now.max(at);
                let due = self.appointments.swap_remove(soonest.unwrap());
                self.happen(due.session, due.what);
            }
            (_, Some((deadline, session))) => {
                self.now = self.now.max(deadline);
                self.tell(session, Event::Timer);
            }
            _ if self.is_calm => {}
            _ => self.somebody_acts(),
        }
    }

    /// A viewer zaps or leaves, or somebody wants a switch.
    pub(super) fn somebody_acts(&mut self) {
        let index = self.dice.below(self.sessions.len());
        if self.dice.chance(40) {
            self.end(index);
            return self.begin();
        }
        let source = self.dice.chance(50).then(|| self.dice.below(self.places.len() + 1));
        let session = &mut self.sessions[index];
        session.switches += 1;
        let (number, ticket) = (session.number, session.switches);
        self.tell(number, Event::Switch { ticket, source });
    }

    /// A session begins: with an active already if one can be had at once, or without.
    pub(super) fn begin(&mut self) {
        self.numbers += 1;
        let (number, source) = (self.numbers, self.dice.below(self.places.len()));
        let plays = self.dice.chance(50) && self.take_slot(source);
        let rounds =
            if plays { self.rules.rounds } else { self.dice.pick(&[1, self.rules.rounds]) };
        let rules = Rules { rounds, ..self.rules };
        let active = plays.then_some(source);
        let mut session = Session::new(number, self.places.clone(), rules, active, self.now);
        if plays {
            session.held.insert(0, Held { source, connected: true });
            self.server(source).into_iter().for_each(Provider::connect);
            self.decide_fate(number, 0);
        } else {
            self.next.push_back((number, Event::Start));
        }
        self.sessions.push(session);
    }

    /// A session ends and gives everything back.
    pub(super) fn end(&mut self, index: usize) {
        let number = self.sessions[index].number;
        self.sessions[index].waiting = None;
        let held: Vec<_> = self.sessions[index].held.keys().copied().collect();
        for generation in held {
            self.release(number, generation);
        }
        let index = self.position(number).unwrap();
        self.sessions.remove(index);
        self.next.retain(|(session, _)| *session != number);
        self.appointments.retain(|appointment| appointment.session != number);
    }

    pub(super) fn appoint(&mut self, after: Duration, session: u32, what: Happening) {
        self.appointments.push(Appointment { at: self.now + after, session, what });
    }

    pub(super) fn position(&self, number: u32) -> Option<usize> {
        self.sessions.iter().position(|session| session.number == number)
    }
}
