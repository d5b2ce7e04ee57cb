//! What weir is to reach, as ratios of rows of the same run.

use crate::cell::Figures;
use crate::proxies::Kind;
use crate::scenario;
use crate::summary::Summary;

/// One goal and what came of it.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) scenario: &'static str,
    pub(crate) value: f64,
    /// The greatest value that is good; `None`: only told.
    pub(crate) at_most: Option<f64>,
}

impl Goal {
    pub(crate) fn verdict(&self) -> &'static str {
        match self.at_most {
            None => "-",
            Some(bound) if self.value <= bound => "yes",
            Some(_) => "NO",
        }
    }
}

/// Goals whose rows were measured.
pub(crate) fn judge(rows: &[Summary]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (weir, peer, at_most) in [
        (Kind::WeirSpliced, Kind::HaproxySplicing, 0.95),
        (Kind::WeirWatched, Kind::Haproxy, 0.90),
        (Kind::WeirSpliced, Kind::Nginx, 0.60),
        (Kind::WeirWatched, Kind::Nginx, 0.60),
    ] {
        for scenario in scenario::ALL.iter().filter(|scenario| scenario.judged) {
            goals.extend(ratio(rows, weir, peer, scenario.name, at_most));
        }
    }
    for kind in [Kind::WeirSpliced, Kind::WeirWatched] {
        single(rows, kind, &mut goals);
    }
    for kind in Kind::ALL {
        goals.extend(growth(rows, kind));
    }
    goals
}

fn find<'r>(rows: &'r [Summary], kind: Kind, scenario: &str) -> Option<&'r Figures> {
    let row = rows.iter().find(|row| row.kind == kind && row.scenario.name == scenario)?;
    Some(&row.middle)
}

/// CPU for the same work, against a peer's.
fn ratio(
    rows: &[Summary],
    weir: Kind,
    peer: Kind,
    scenario: &'static str,
    at_most: f64,
) -> Option<Goal> {
    let value = find(rows, weir, scenario)?.cpu / find(rows, peer, scenario)?.cpu;
    let what = format!("CPU/GB {} : {}", weir.name(), peer.name());
    Some(Goal { what, scenario, value, at_most: Some(at_most) })
}

/// What stands by itself.
fn single(rows: &[Summary], kind: Kind, goals: &mut Vec<Goal>) {
    let mut goal = |what: &str, scenario, at_most, read: &dyn Fn(&Figures) -> Option<f64>| {
        if let Some(value) = find(rows, kind, scenario).and_then(read) {
            let what = format!("{what} {}", kind.name());
            goals.push(Goal { what, scenario, value, at_most: Some(at_most) });
        }
    };
    goal("KiB per live client", "8M-100", 20.0, &|figures| Some(figures.each));
    goal("KiB per live client", "4M-1000", 20.0, &|figures| Some(figures.each));
    goal("first byte added p50, ms", "first-byte", 1.0, &|figures| Some(figures.added?.p50));
    goal("first byte added p99, ms", "first-byte", 5.0, &|figures| Some(figures.added?.p99));
    goal("CPU s/s with stalled clients", "stalled-1000", 0.01, &|figures| Some(figures.cpu));
}

/// What a client costs among 1,000, against what it costs among 100.
fn growth(rows: &[Summary], kind: Kind) -> Option<Goal> {
    let value = find(rows, kind, "4M-1000")?.cpu / find(rows, kind, "4M-100")?.cpu;
    let weir = matches!(kind, Kind::WeirSpliced | Kind::WeirWatched);
    Some(Goal {
        what: format!("cost per client, 1,000 : 100 {}", kind.name()),
        scenario: "4M-1000",
        value,
        at_most: weir.then_some(1.5),
    })
}
