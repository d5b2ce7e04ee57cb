//! The tables for standard output and the README, and `hls.json`.

use std::fmt::Write;

use serde_json::Value;
use serde_json::json;

use crate::failover::figures::Quantiles;
use crate::failover::figures::range;
use crate::report::SHARED;
use crate::report::aligned;

use super::Row;
use super::Wish;
use super::channel::TARGET;
use super::players::Faults;
use super::round::Round;

/// See the module.
pub(crate) struct Report<'m> {
    pub(crate) facts: &'m [(&'static str, String)],
    pub(crate) wish: &'m Wish,
    pub(crate) rows: &'m [Row],
}

/// One round in one line, while it runs.
pub(crate) fn glance(round: &Round) -> String {
    let three = |of: &Quantiles| format!("{:.1}/{:.1}/{:.1}", of.p50, of.p99, of.max);
    let mut line = format!(
        "{:>6.0} requests/s  playlist {} ms  segment {} ms  source {:.1} + {:.1}  busy {:.0} % others {:.0} % source {:.0} % players {:.0} %",
        round.requests() / round.seconds,
        three(&round.playlists),
        three(&round.segments),
        round.asked.playlists,
        round.asked.segments,
        round.busy * 100.0,
        round.others * 100.0,
        round.source * 100.0,
        round.players * 100.0,
    );
    if let (Some(thousand), Some(gigabyte)) = (round.per_thousand(), round.per_gigabyte()) {
        write!(line, "  {thousand:.3} s/1,000  {gigabyte:.3} s/GB").unwrap();
    }
    for (name, count) in Faults::NAMES.iter().zip(round.faults.all()) {
        if count > 0 {
            write!(line, "  {name} {count}").unwrap();
        }
    }
    for mark in &round.marks {
        write!(line, "  {mark}").unwrap();
    }
    if let Some(error) = &round.first_error {
        write!(line, " ({error})").unwrap();
    }
    line
}

impl Row {
    /// The median of the rounds.
    fn median(&self, read: impl Fn(&Round) -> f64) -> f64 {
        range(self.rounds.iter().map(read).collect()).1
    }

    fn most(&self, read: impl Fn(&Round) -> f64) -> f64 {
        self.rounds.iter().map(read).fold(0.0, f64::max)
    }

    /// Medians of the quantiles, and the greatest of all.
    fn three(&self, read: impl Fn(&Round) -> &Quantiles) -> String {
        let (p50, p99) =
            (self.median(|round| read(round).p50), self.median(|round| read(round).p99));
        format!("{p50:.1} / {p99:.1} / {:.1}", self.most(|round| read(round).max))
    }

    fn cost(&self, read: impl Fn(&Round) -> Option<f64>) -> String {
        let costs: Vec<f64> = self.rounds.iter().filter_map(read).collect();
        if costs.is_empty() { String::new() } else { format!("{:.3}", range(costs).1) }
    }

    fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        self.rounds.iter().for_each(|round| faults.add(&round.faults));
        faults
    }

    fn has_proxy(&self) -> bool {
        self.program.is_some()
    }

    fn marks(&self) -> Vec<String> {
        let marks = self.rounds.iter().flat_map(|round| &round.marks);
        let mut marks: Vec<String> = marks.map(|mark| (*mark).to_owned()).collect();
        marks.sort();
        marks.dedup();
        marks
    }

    fn remarks(&self) -> String {
        let mut remarks = self.marks();
        let others = self.median(|round| round.others);
        if others > SHARED {
            remarks.push(format!("others used {:.0} % of the machine", others * 100.0));
        }
        remarks.join("; ")
    }
}

impl Report<'_> {
    /// Facts and tables in Markdown.
    pub(crate) fn text(&self) -> String {
        let wish = self.wish;
        let mut text = String::new();
        for (name, value) in self.facts {
            writeln!(text, "- {name}: {value}").unwrap();
        }
        let target = TARGET.as_secs_f64();
        let bits = wish.segment_bytes as f64 * 8.0 / target / 1e6;
        writeln!(
            text,
            "- {} players at {bits:.2} Mbit/s, segments of {target:.0} s; the source answers after {} ms; medians of {} rounds of {:.0} s each\n",
            wish.clients, wish.delay.as_millis(), wish.rounds, wish.seconds
        )
        .unwrap();
        writeln!(text, "{}\n{}", self.times(), self.costs()).unwrap();
        text
    }

    /// What the players waited for.
    fn times(&self) -> String {
        let mut head: Vec<String> = [
            "through",
            "requests/s",
            "playlists/s",
            "segments/s",
            "playlist ms p50/p99/max",
            "segment ms p50/p99/max",
            "playlist behind ms p50/p99/max",
        ]
        .map(str::to_owned)
        .to_vec();
        head.extend(Faults::NAMES.map(str::to_owned));
        let mut lines = vec![head];
        lines.extend(self.rows.iter().map(|row| {
            let rate = |read: fn(&Round) -> f64| {
                format!("{:.0}", row.median(|round| read(round) / round.seconds))
            };
            let mut line = vec![
                row.way.name().to_owned(),
                rate(Round::requests),
                rate(|round| round.playlists.count as f64),
                rate(|round| round.segments.count as f64),
                row.three(|round| &round.playlists),
                row.three(|round| &round.segments),
                row.three(|round| &round.behind),
            ];
            line.extend(row.faults().all().map(|count| count.to_string()));
            line
        }));
        aligned(&lines, &[0])
    }

    /// What it took.
    fn costs(&self) -> String {
        let head = [
            "through",
            "CPU s/1,000 requests",
            "CPU s/GB",
            "user + system, s/s",
            "source: playlists / target",
            "source: segments / target",
            "source: connections before + meanwhile",
            "PSS MiB at rest / peak",
            "remarks",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(|row| {
            let share = |read: fn(&crate::process::Cpu) -> f64| {
                row.cost(|round| round.cpu.map(|cpu| read(&cpu) / round.seconds))
            };
            let (mut cpu, mut memory) = (String::new(), String::new());
            if row.has_proxy() {
                cpu = format!("{} + {}", share(|cpu| cpu.user), share(|cpu| cpu.system));
                let rest = row.median(|round| round.rest);
                memory = format!("{rest:.1} / {:.1}", row.most(|round| round.peak));
            }
            vec![
                row.way.name().to_owned(),
                row.cost(Round::per_thousand),
                row.cost(Round::per_gigabyte),
                cpu,
                format!("{:.1}", row.median(|round| round.asked.playlists)),
                format!("{:.1}", row.median(|round| round.asked.segments)),
                format!(
                    "{:.0} + {:.0}",
                    row.median(|round| round.connections_before as f64),
                    row.median(|round| round.connections as f64)
                ),
                memory,
                row.remarks(),
            ]
        }));
        aligned(&lines, &[0, 8])
    }

    /// What keeps the figures from being relied on, or should not have happened.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for row in self.rows {
            let name = row.way.name();
            // A server may close a connection that it has answered on.
            let faults = Faults { closed: 0, ..row.faults() };
            for (fault, count) in Faults::NAMES.iter().zip(faults.all()) {
                if count > 0 {
                    doubts.push(format!("{name}: {fault} {count}"));
                }
            }
            let missing: u64 = row.rounds.iter().map(|round| round.asked.missing).sum();
            if missing > 0 {
                doubts.push(format!(
                    "{name}: the source was asked {missing} times for what it has not"
                ));
            }
            if let Some(error) = row.rounds.iter().find_map(|round| round.first_error.as_ref()) {
                doubts.push(format!("{name}: the first error: {error}"));
            }
            doubts.extend(row.marks().iter().map(|mark| format!("{name}: {mark}")));
        }
        doubts
    }

    /// Everything, round by round.
    pub(crate) fn json(&self, doubts: &[String]) -> Value {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "machine": facts,
            "clients": self.wish.clients,
            "seconds": self.wish.seconds,
            "rounds": self.wish.rounds,
            "segment_bytes": self.wish.segment_bytes,
            "target_seconds": TARGET.as_secs(),
            "source_delay_ms": self.wish.delay.as_millis() as u64,
            "rows": self.rows.iter().map(|row| json!({
                "through": row.way.name(),
                "rounds": row.rounds.iter().map(of_round).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "failures": doubts,
        })
    }
}

fn of_round(round: &Round) -> Value {
    let three = |of: &Quantiles| [of.p50, of.p99, of.max];
    let faults: serde_json::Map<String, Value> = Faults::NAMES
        .iter()
        .zip(round.faults.all())
        .map(|(name, count)| ((*name).to_owned(), json!(count)))
        .collect();
    json!({
        "seconds": round.seconds,
        "playlists": round.playlists.count,
        "segments": round.segments.count,
        "segment_bytes": round.bytes,
        "playlist_ms": three(&round.playlists),
        "segment_ms": three(&round.segments),
        "playlist_behind_ms": three(&round.behind),
        "cpu_user": round.cpu.map(|cpu| cpu.user),
        "cpu_system": round.cpu.map(|cpu| cpu.system),
        "cpu_per_1000_requests": round.per_thousand(),
        "cpu_per_gigabyte": round.per_gigabyte(),
        "pss_at_rest_mib": round.rest,
        "pss_peak_mib": round.peak,
        "source_playlists_per_target": round.asked.playlists,
        "source_segments_per_target": round.asked.segments,
        "source_missing": round.asked.missing,
        "source_connections": [round.connections_before, round.connections],
        "faults": faults,
        "first_error": round.first_error,
        "source_share": round.source,
        "players_share": round.players,
        "machine_busy": round.busy,
        "others_share": round.others,
        "marks": round.marks,
    })
}
