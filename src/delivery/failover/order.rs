//! Which source is next. An [`Episode`] is all that follows from one failure: rounds through the
//! list of sources, each source at most once in a round. Sources that play for a moment each make
//! one long episode, in which only the rounds since the last of them played are counted.

use tokio::time::Instant;

use crate::channel::health::Standing;

/// The rounds since the last active that had proven itself. One byte for each source.
#[derive(Debug)]
pub(super) struct Episode {
    /// From 1; 0 before the first episode.
    round: u32,
    /// The source that failed or is to be left; the order begins behind it. `None`: at the first.
    after: Option<usize>,
    /// One for each source, of this round.
    marks: Vec<Mark>,
    /// Until when full providers are waited for in this round, once that has begun.
    waits_until: Option<Instant>,
    /// Whether a source could be played in this round. It was not in vain then: only rounds in which
    /// nothing plays are counted.
    played: bool,
}

/// What a source had of this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Untried,
    /// Its provider had no slot for it.
    Full,
    /// It was opened, or it was the active and failed: its entry is consumed.
    Tried,
}

impl Episode {
    pub(super) fn new(sources: usize) -> Self {
        let marks = vec![Mark::Untried; sources];
        Self { round: 0, after: None, marks, waits_until: None, played: false }
    }

    /// The round, from 1; 0 before the first episode.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// A source of this round plays.
    pub(super) fn play(&mut self) {
        self.played = true;
        self.round = 1;
    }

    /// Whether there is another round after this one.
    pub(super) fn may_go_on(&self, rounds: u32) -> bool {
        self.played || self.round < rounds
    }

    /// Round 1 of a new episode.
    pub(super) fn begin(&mut self, after: Option<usize>) {
        self.round = 0;
        self.played = false;
        self.after = after;
        self.next_round();
    }

    /// The same episode goes on behind another source.
    pub(super) fn turn_to(&mut self, after: usize) {
        self.after = Some(after);
    }

    /// All sources are eligible again.
    pub(super) fn next_round(&mut self) {
        if !std::mem::replace(&mut self.played, false) {
            self.round = self.round.saturating_add(1);
        }
        self.marks.fill(Mark::Untried);
        self.waits_until = None;
    }

    /// The next source that is `allowed` and was neither tried nor found full in this round: one
    /// that has not failed lately, else any.
    pub(super) fn next(
        &self,
        allowed: impl Fn(usize) -> bool,
        standing: impl Fn(usize) -> Standing,
    ) -> Option<usize> {
        let left = || self.marked(Mark::Untried).filter(|&source| allowed(source));
        left().find(|&source| standing(source) != Standing::Cooling).or_else(|| left().next())
    }

    /// The sources whose providers were full, in order.
    pub(super) fn full(&self) -> impl Iterator<Item = usize> + '_ {
        self.marked(Mark::Full)
    }

    /// Until when the full ones are waited for; asked first, it begins at `now`.
    pub(super) fn wait_until(&mut self, begins: impl FnOnce() -> Instant) -> Instant {
        *self.waits_until.get_or_insert_with(begins)
    }

    /// The end of that wait, once it has begun.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.waits_until
    }

    /// Consumes the entry of `source`.
    pub(super) fn consume(&mut self, source: usize) {
        self.mark(source, Mark::Tried);
    }

    /// Gives the entry of `source` back: its attempt was called off before it failed.
    pub(super) fn restore(&mut self, source: usize) {
        self.mark(source, Mark::Untried);
    }

    /// There is no slot for these sources.
    pub(super) fn close(&mut self, sources: impl Fn(usize) -> bool) {
        self.exchange(Mark::Untried, Mark::Full, sources);
    }

    /// There may be a slot for these sources again.
    pub(super) fn reopen(&mut self, sources: impl Fn(usize) -> bool) {
        self.exchange(Mark::Full, Mark::Untried, sources);
    }

    fn exchange(&mut self, from: Mark, to: Mark, sources: impl Fn(usize) -> bool) {
        for (source, mark) in self.marks.iter_mut().enumerate() {
            if *mark == from && sources(source) {
                *mark = to;
            }
        }
    }

    fn mark(&mut self, source: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(source) {
            *place = mark;
        }
    }

    /// The sources with this mark, from the one behind `after` once around.
    fn marked(&self, mark: Mark) -> impl Iterator<Item = usize> + '_ {
        let sources = self.marks.len();
        let first = self.after.map_or(0, |after| after + 1);
        let order = (0..sources).map(move |step| (first + step) % sources);
        order.filter(move |&source| self.marks.get(source) == Some(&mark))
    }

    /// The sources whose entries are consumed in this round, in rising order.
    #[cfg(test)]
    pub(super) fn consumed(&self) -> Vec<usize> {
        let all = self.marks.iter().enumerate();
        all.filter(|(_, mark)| **mark == Mark::Tried).map(|(source, _)| source).collect()
    }
}
