//! The rounds of one row made one: medians, and everything that went wrong.

use crate::cell::Figures;
use crate::compare::Row;
use crate::probe::Added;
use crate::proxies::Kind;
use crate::scenario::Scenario;

/// A row of the table.
pub(crate) struct Summary {
    pub(crate) scenario: &'static Scenario,
    pub(crate) kind: Kind,
    pub(crate) rounds: Vec<Figures>,
    /// Each figure's median by itself; errors and marks of all rounds together.
    pub(crate) middle: Figures,
}

/// Rows that were measured at least once.
pub(crate) fn of(rows: Vec<Row>) -> Vec<Summary> {
    rows.into_iter()
        .filter(|row| !row.rounds.is_empty())
        .map(|row| Summary {
            scenario: row.scenario,
            kind: row.kind,
            middle: middle(&row.rounds),
            rounds: row.rounds,
        })
        .collect()
}

fn middle(rounds: &[Figures]) -> Figures {
    let of = |read: fn(&Figures) -> f64| median(rounds.iter().map(read).collect());
    let added: Vec<Added> = rounds.iter().filter_map(|round| round.added).collect();
    let of_added = |read: fn(&Added) -> f64| median(added.iter().map(read).collect());
    let mut marks: Vec<_> = rounds.iter().flat_map(|round| round.marks.clone()).collect();
    marks.sort();
    marks.dedup();
    Figures {
        cpu: of(|round| round.cpu),
        user: of(|round| round.user),
        system: of(|round| round.system),
        rest: of(|round| round.rest),
        each: of(|round| round.each),
        gbits: of(|round| round.gbits),
        errors: rounds.iter().map(|round| round.errors).sum(),
        done: of(|round| round.done),
        added: (!added.is_empty()).then(|| Added {
            p50: of_added(|added| added.p50),
            p99: of_added(|added| added.p99),
            max: of_added(|added| added.max),
        }),
        origin: of(|round| round.origin),
        swarm: of(|round| round.swarm),
        others: of(|round| round.others),
        marks,
        first_error: rounds.iter().find_map(|round| round.first_error.clone()),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}
