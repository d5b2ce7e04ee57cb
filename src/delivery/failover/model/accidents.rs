//! What happens to sessions, sooner or later.

use std::time::Duration;

use super::super::*;
use super::session::Happening;
use super::session::Held;
use super::world::Temper;
use super::world::World;
use crate::channel::health::Kind;

impl World {
    /// What is due happens to a session.
    pub(super) fn happen(&mut self, number: u32, what: Happening) {
        let Some(index) = self.position(number) else { return };
        let holds = |of| self.sessions[index].held.contains_key(&of);
        match what {
            Happening::Ask(generation, source) => self.ask(number, generation, source),
            Happening::Break(event) => {
                let (of, kind) = match event {
                    Event::Failed(of) => (of, self.verdict()),
                    Event::Died(of, _) => (of, Kind::Ordinary),
                    _ => unreachable!("nothing else breaks"),
                };
                if let Some(held) = self.sessions[index].held.get(&of) {
                    self.health[held.source].failed(self.now, kind, self.cooldown);
                    self.release(number, of);
                }
                // Of an attempt that is over it is told all the same: late.
                self.tell(number, event);
            }
            Happening::Silence(of) if holds(of) => self.fall_silent(number, of),
            Happening::Silence(_) => {}
            Happening::Tell(Event::Usable(of)) if self.fails_after_all(index, of) => {
                self.happen(number, Happening::Break(Event::Failed(of)));
            }
            Happening::Tell(event) => {
                if let Event::Usable(of) = event
                    && let Some(held) = self.sessions[index].held.get(&of)
                {
                    self.health[held.source].succeeded(self.now);
                }
                self.tell(number, event);
                if let Event::Heard(of) = event {
                    self.decide_fate(number, of);
                }
            }
        }
    }

    /// Whether a source that was opened in the storm does not play in the calm.
    pub(super) fn fails_after_all(&self, index: usize, of: Generation) -> bool {
        let held = self.sessions[index].held.get(&of);
        let plays = |held: &Held| matches!(self.tempers[held.source], Temper::Plays);
        self.is_calm && !held.is_some_and(plays)
    }

    /// What becomes of the active, one day.
    pub(super) fn decide_fate(&mut self, number: u32, generation: Generation) {
        if self.is_calm {
            return;
        }
        let soon = self.dice.millis(&[1, 300, 3000, 12_000, 60_000]);
        let reason = self.dice.pick(&[Reason::Ended, Reason::Broken, Reason::Short]);
        let died = Happening::Break(Event::Died(generation, reason));
        match self.dice.below(10) {
            0..3 => self.appoint(soon, number, died),
            3..7 => self.appoint(soon, number, Happening::Silence(generation)),
            7..9 => {
                let reasons = [Reason::NullPackets, Reason::FrozenClock, Reason::Scrambled];
                let doomed = Event::Doomed(generation, self.dice.pick(&reasons));
                // It takes a while to be sure.
                let sure = soon + Duration::from_secs(4);
                self.appoint(sure, number, Happening::Tell(doomed));
                if self.dice.chance(50) {
                    self.appoint(sure + soon, number, died);
                }
            }
            _ => {}
        }
    }

    /// The active is silent: quiet, then stalled, unless it speaks or dies.
    pub(super) fn fall_silent(&mut self, number: u32, of: Generation) {
        if self.is_calm {
            return;
        }
        let ends = self.dice.millis(&[500, 1000, 1500, 5000]);
        let (quiet, stalled) = (Duration::from_millis(800), Duration::from_secs(2));
        for (after, event) in
            [(quiet, Event::Quiet(of)), (stalled, Event::Doomed(of, Reason::Stalled))]
        {
            if after < ends {
                self.appoint(after, number, Happening::Tell(event));
            }
        }
        let dies = Happening::Break(Event::Died(of, Reason::Broken));
        let end = if self.dice.chance(30) { dies } else { Happening::Tell(Event::Heard(of)) };
        self.appoint(ends, number, end);
    }

    /// What comes of opening a source.
    pub(super) fn open(&mut self, number: u32, generation: Generation, source: usize) {
        let (usable, failed) = (Event::Usable(generation), Event::Failed(generation));
        let moods = [Temper::Plays, Temper::Refuses, Temper::NeverAnswers];
        let temper = match self.tempers[source] {
            Temper::Moody => self.dice.pick(&moods),
            temper => temper,
        };
        let (after, what) = match temper {
            Temper::NeverAnswers => (Duration::from_secs(5), Happening::Break(failed)),
            Temper::Refuses => (self.dice.millis(&[0, 0, 50]), Happening::Break(failed)),
            Temper::Plays | Temper::Moody => {
                (self.dice.millis(&[0, 100, 1500]), Happening::Tell(usable))
            }
        };
        self.appoint(after, number, what);
    }

    pub(super) fn verdict(&mut self) -> Kind {
        let limited = Kind::Limited(Some(Duration::from_secs(2)));
        self.dice.pick(&[Kind::Ordinary, Kind::Ordinary, limited, Kind::Gone])
    }
}
