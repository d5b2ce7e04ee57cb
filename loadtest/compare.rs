//! The comparison: every proxy in every scenario, in rounds, so that what the machine does besides
//! falls on all of them alike.

use std::path::PathBuf;

use crate::cell;
use crate::cell::Figures;
use crate::cell::Mark;
use crate::goals;
use crate::machine;
use crate::origin::Origin;
use crate::plot;
use crate::proxies::Kind;
use crate::report;
use crate::scenario;
use crate::scenario::Scenario;
use crate::summary;
use crate::summary::Summary;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<String>,
    pub(crate) proxies: Vec<Kind>,
    pub(crate) weir: PathBuf,
    pub(crate) out: PathBuf,
}

/// What one proxy gave in one scenario, round by round.
pub(crate) struct Row {
    pub(crate) scenario: &'static Scenario,
    pub(crate) kind: Kind,
    pub(crate) rounds: Vec<Figures>,
}

/// Measures, prints and writes everything down; whether all figures can be relied on.
pub(crate) fn run(wish: &Wish) -> bool {
    let facts = machine::facts(&wish.weir);
    let (rows, mut failures) = measure(wish);
    let rows = summary::of(rows);
    let goals = goals::judge(&rows);
    failures.extend(doubts(&rows));
    print!("{}\n{}", report::facts(&facts, wish), report::table(&rows));
    if !goals.is_empty() {
        print!("\n{}", report::goals(&goals));
    }
    let json = report::json(&facts, wish, &rows, &goals, &failures);
    let subtitle: Vec<_> = facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let written = std::fs::create_dir_all(&wish.out)
        .and_then(|()| std::fs::write(wish.out.join("results.json"), format!("{json:#}\n")))
        .and_then(|()| {
            std::fs::write(wish.out.join("plot.svg"), plot::svg(&rows, &subtitle.join("; ")))
        });
    if let Err(error) = written {
        failures.push(format!("{}: {error}", wish.out.display()));
    }
    let shared = rows.iter().flat_map(|row| &row.rounds).filter(|r| r.others > report::SHARED);
    match shared.count() {
        0 => {}
        count => eprintln!("*** {count} measurements while others used the machine: repeat them"),
    }
    for failure in &failures {
        eprintln!("*** {failure}");
    }
    failures.is_empty()
}

/// What makes a row unfit to be quoted. That the obvious proxy is too slow is what it is there for.
fn doubts(rows: &[Summary]) -> Vec<String> {
    let mut doubts = Vec::new();
    for row in rows {
        let name = format!("{} {}", row.scenario.name, row.kind.name());
        for mark in &row.middle.marks {
            if (row.kind, *mark) != (Kind::Naive, Mark::Proxy) {
                doubts.push(format!("{name}: {}", mark.word()));
            }
        }
        if let Some(first) = &row.middle.first_error {
            doubts.push(format!("{name}: {} errors, the first: {first}", row.middle.errors));
        }
    }
    doubts
}

/// All rounds; the second value says what could not be measured.
fn measure(wish: &Wish) -> (Vec<Row>, Vec<String>) {
    let mut failures = Vec::new();
    let programs = programs(wish);
    let origin = Origin::start().unwrap();
    let folder = machine::folder();
    let mut rows = rows(wish, &programs);
    for round in 1..=wish.rounds {
        for row in &mut rows {
            let Some((_, program)) = programs.iter().find(|(kind, _)| *kind == row.kind) else {
                continue;
            };
            eprint!(
                "round {round}/{}  {:<14} {:<18}",
                wish.rounds,
                row.scenario.name,
                row.kind.name()
            );
            match cell::measure(row.kind, program, row.scenario, &origin, &folder, wish.seconds) {
                Ok(figures) => {
                    eprintln!("{}", glance(row.scenario, &figures));
                    row.rounds.push(figures);
                }
                Err(error) => {
                    eprintln!("failed: {error}");
                    failures.push(format!("{} {}: {error}", row.scenario.name, row.kind.name()));
                }
            }
        }
    }
    std::fs::remove_dir_all(&folder).ok();
    (rows, failures)
}

/// The programs that are there; loudly, what is missing.
fn programs(wish: &Wish) -> Vec<(Kind, PathBuf)> {
    let mut programs = Vec::new();
    for kind in &wish.proxies {
        match kind.program(&wish.weir) {
            Ok(program) => programs.push((*kind, program)),
            Err(error) => eprintln!("\n*** {error}; {} is left out ***\n", kind.name()),
        }
    }
    programs
}

/// Scenario by scenario, so that the proxies stand side by side in time too.
fn rows(wish: &Wish, programs: &[(Kind, PathBuf)]) -> Vec<Row> {
    let wanted = |scenario: &&Scenario| {
        wish.scenarios.is_empty() || wish.scenarios.iter().any(|name| name == scenario.name)
    };
    scenario::ALL
        .iter()
        .filter(wanted)
        .flat_map(|scenario| {
            programs.iter().map(move |(kind, _)| Row { scenario, kind: *kind, rounds: Vec::new() })
        })
        .collect()
}

/// One measurement in one line, while it runs.
fn glance(scenario: &Scenario, figures: &Figures) -> String {
    let mut line = format!(
        "{:>7.3} {:<6} {:>6.2} Gbit/s  {:>6.1} KiB/client  origin {:>3.0} %  swarm {:>3.0} %  others {:>3.0} %",
        figures.cpu,
        scenario.per.unit(),
        figures.gbits,
        figures.each,
        figures.origin * 100.0,
        figures.swarm * 100.0,
        figures.others * 100.0,
    );
    if let Some(added) = figures.added {
        line.push_str(&format!("  +{:.2}/{:.2}/{:.2} ms", added.p50, added.p99, added.max));
    }
    if figures.errors > 0 {
        let first = figures.first_error.as_deref().unwrap_or_default();
        line.push_str(&format!("  {} errors: {first}", figures.errors));
    }
    for mark in &figures.marks {
        line.push_str("  ");
        line.push_str(mark.word());
    }
    line
}
