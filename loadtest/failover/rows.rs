//! The rounds of each kind together, as two tables.

use crate::report::aligned;

use super::Kind;
use super::Spread;
use super::clients::judge::Faults;
use super::counted::Counted;
use super::figures::Quantiles;
use super::figures::quantiles;
use super::figures::range;
use super::round;
use super::round::Round;
use super::round::Switch;
use super::source::Start;

/// The contract's bound for the 99th percentile, in milliseconds.
const BOUND: f64 = 100.0;

/// The rounds of one kind.
pub(crate) struct Row<'m> {
    pub(crate) kind: Kind,
    pub(crate) spread: Spread,
    rounds: Vec<&'m Round>,
}

impl Row<'_> {
    fn switches(&self) -> impl Iterator<Item = &Switch> {
        self.rounds.iter().flat_map(|round| &round.switches)
    }

    fn of(&self, read: impl Fn(&Switch) -> f64) -> Quantiles {
        quantiles(self.switches().map(read).collect())
    }

    /// The 99th percentile of what is judged: least, middle and greatest of the rounds.
    fn judged(&self) -> (f64, f64, f64) {
        range(self.rounds.iter().map(|round| judged(round).p99).collect())
    }

    pub(crate) fn sum(&self, read: impl Fn(&Round) -> usize) -> usize {
        self.rounds.iter().map(|round| read(round)).sum()
    }

    pub(crate) fn faults(&self) -> Faults {
        let mut total = Faults::default();
        self.rounds.iter().for_each(|round| round::add(&mut total, &round.faults));
        total
    }

    fn counted(&self) -> Counted {
        let mut total = Counted::default();
        self.rounds.iter().for_each(|round| total.add(&round.counted));
        total
    }

    fn target(&self) -> &'static str {
        match self.kind {
            Kind::Reset | Kind::Fin => "100 ms + standby's own",
            Kind::Silence if self.rounds.iter().all(|round| round.start == Start::Group) => {
                "800 ms + 100 ms"
            }
            Kind::Silence => "800 ms + 100 ms + standby's own",
            Kind::Manual => "100 ms",
        }
    }
}

/// What is judged of one round.
pub(crate) fn judged(round: &Round) -> Quantiles {
    quantiles(round.switches.iter().map(|switch| switch.judged(round.kind, round.start)).collect())
}

/// Rounds by kind, in the order of the first of each.
pub(crate) fn of(rounds: &[Round]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for round in rounds {
        let known = |row: &&mut Row<'_>| (row.kind, row.spread) == (round.kind, round.spread);
        match rows.iter_mut().find(known) {
            Some(row) => row.rounds.push(round),
            None => rows.push(Row { kind: round.kind, spread: round.spread, rounds: vec![round] }),
        }
    }
    rows
}

/// How long the gaps were.
pub(crate) fn gaps(rows: &[Row<'_>]) -> String {
    let head = [
        "source",
        "breaks",
        "switches",
        "gap ms p50/p99/max",
        "standby's own p50/p99",
        "target p99",
        "beyond the allowance, p99 (rounds)",
        "met",
        "weir's gap <= p50/p99, mean",
        "weir counts",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let (gap, own) = (row.of(|switch| switch.gap), row.of(|switch| switch.own));
        let (least, middle, greatest) = row.judged();
        let counted = row.counted();
        let bound = |share| counted.below(share).map_or("more".into(), |ms| format!("{ms}"));
        let reasons: Vec<_> =
            counted.reasons().iter().map(|(word, count)| format!("{count} {word}")).collect();
        vec![
            row.kind.name().to_owned(),
            row.spread.words().to_owned(),
            gap.count.to_string(),
            format!("{:.1} / {:.1} / {:.1}", gap.p50, gap.p99, gap.max),
            format!("{:.1} / {:.1}", own.p50, own.p99),
            row.target().to_owned(),
            format!("{middle:.1} ({least:.1} to {greatest:.1})"),
            if middle < BOUND { "yes".into() } else { "NO".into() },
            format!("{} / {}, {:.1}", bound(0.5), bound(0.99), counted.mean()),
            reasons.join(", "),
        ]
    }));
    aligned(&lines, &[0, 1, 5, 7, 9])
}

/// What was wrong with the streams.
pub(crate) fn faults(rows: &[Row<'_>]) -> String {
    let mut head: Vec<String> = ["source", "breaks"].map(str::to_owned).to_vec();
    head.extend(Faults::NAMES.map(str::to_owned));
    let more =
        ["step ms p50/max", "cut in packet / picture / table", "not gone over", "failed sessions"];
    head.extend(more.map(str::to_owned));
    let mut lines = vec![head];
    lines.extend(rows.iter().map(|row| {
        let step = row.of(|switch| switch.step);
        let torn = |read: fn(&&Switch) -> bool| row.switches().filter(read).count();
        let mut line = vec![row.kind.name().to_owned(), row.spread.words().to_owned()];
        line.extend(row.faults().all().map(|count| count.to_string()));
        line.push(format!("{:.0} / {:.0}", step.p50, step.max));
        line.push(format!(
            "{} / {} / {}",
            torn(|switch| switch.torn_packet),
            torn(|switch| switch.torn_picture),
            row.faults().torn_tables
        ));
        line.push(row.sum(|round| round.stayed).to_string());
        line.push(row.sum(|round| round.failed).to_string());
        line
    }));
    aligned(&lines, &[0, 1])
}
