//! What must hold whenever something is done.

use std::time::Duration;

use tokio::time::Instant;

use super::super::super::*;
use super::Before;
use super::Ledger;

impl Ledger {
    /// The first in order that is left, and one that cools down only if no other is.
    pub(super) fn check_choice(&self, chosen: usize, machine: &Failover, standing: &[Standing]) {
        let cause = machine.cause();
        let cools = |source: usize| standing[source] == Standing::Cooling;
        match cause.expect("a search") {
            Cause::Switch(Some(target)) => return assert_eq!(chosen, target),
            Cause::Failback => return assert!(chosen == 0 && !cools(0), "it cools down"),
            Cause::Lost(_) | Cause::Hedge | Cause::Switch(None) => {}
        }
        let stays = matches!(cause, Some(Cause::Hedge | Cause::Switch(None)));
        let active = self.active.map(|(_, source)| source).filter(|_| stays);
        let first = self.after.map_or(0, |after| after + 1);
        let order = (0..self.places.len()).map(|step| (first + step) % self.places.len());
        let left: Vec<usize> = order
            .filter(|source| !self.consumed.contains(source))
            .filter(|source| !self.is_full(*source) && active != Some(*source))
            .collect();
        let best = left.iter().find(|source| !cools(**source)).or(left.first());
        assert_eq!(best, Some(&chosen), "not the next in order");
    }

    /// An active that is to be left makes room within its own provider, and only there.
    pub(super) fn check_break(&self, source: usize, before: Before, actions: &[Action]) {
        let leaves = matches!(before.cause, Some(Cause::Lost(_) | Cause::Switch(_)));
        let provider = |source: usize| self.places[source].provider;
        let in_the_way = |active: usize| leaves && provider(active) == provider(source);
        let due = self.active.filter(|(_, active)| in_the_way(*active));
        let dropped = actions.first().and_then(|action| match action {
            Action::Drop { generation } => Some(*generation),
            _ => None,
        });
        // At the very end a stalled active is closed, too.
        if !actions.contains(&Action::Exhausted) {
            assert_eq!(dropped, due.map(|(generation, _)| generation), "break before make");
        }
    }

    /// All full providers of a round share one wait.
    pub(super) fn check_wait(&mut self, now: Instant, machine: &Failover) {
        let since = *self.waits_since.get_or_insert(now);
        let until = since + self.rules.slot_wait;
        assert!(now < until, "it has waited long enough");
        assert_eq!(machine.deadline(), Some(until));
    }

    /// No second in which sources are opened more often than there are sources, and one.
    pub(super) fn check_pace(&mut self, now: Instant) {
        self.opened.retain(|then| now - *then < Duration::from_secs(1));
        self.opened.push(now);
        assert!(self.opened.len() <= self.places.len() + 1, "too many attempts in a second");
    }

    /// Every source has had its entry in the last round, or no slot for as long as it is waited.
    pub(super) fn check_used_up(&self, now: Instant) {
        assert!(self.round >= self.rules.rounds && !self.played, "there are rounds left");
        let waited = self.waits_since.map_or(Duration::ZERO, |since| now - since);
        for source in 0..self.places.len() {
            let full = self.is_full(source) && waited >= self.rules.slot_wait;
            assert!(full || self.consumed.contains(&source), "{source} was not tried");
        }
    }

    fn is_full(&self, source: usize) -> bool {
        let provider = self.places[source].provider;
        provider.is_some() && self.full.contains(&provider)
    }
}
