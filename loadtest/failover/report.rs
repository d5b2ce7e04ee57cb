//! The tables for standard output and the README, and `failover.json`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use serde_json::json;

use crate::report::aligned;

use super::Kind;
use super::Measured;
use super::Wish;
use super::clients::judge::Faults;
use super::figures::Quantiles;
use super::figures::quantiles;
use super::round::Round;
use super::round::Switch;
use super::rows;
use super::rows::Row;
use super::rows::judged;
use super::source::Start;

/// See the module.
pub(crate) struct Report<'m> {
    pub(crate) facts: &'m [(&'static str, String)],
    pub(crate) wish: &'m Wish,
    pub(crate) measured: &'m Measured,
}

/// One round in one line, while it runs.
pub(crate) fn glance(round: &Round) -> String {
    let gap = quantiles(round.switches.iter().map(|switch| switch.gap).collect());
    let mut line = format!(
        "{:<8} {:<16} {:>4} switched  gap {:.1}/{:.1}/{:.1} ms  judged p99 {:.1} ms  busy {:.0} % others {:.0} % thread {:.0} %",
        round.kind.name(),
        round.spread.words(),
        round.switches.len(),
        gap.p50,
        gap.p99,
        gap.max,
        judged(round).p99,
        round.busy * 100.0,
        round.others * 100.0,
        round.thread * 100.0,
    );
    for (name, count) in Faults::NAMES.iter().zip(round.faults.all()) {
        if count > 0 {
            write!(line, "  {name} {count}").unwrap();
        }
    }
    for (word, count) in [("FAILED", round.failed), ("stayed", round.stayed)] {
        if count > 0 {
            write!(line, "  {word} {count}").unwrap();
        }
    }
    if let Some(why) = &round.first_failure {
        write!(line, " ({why})").unwrap();
    }
    line
}

impl Report<'_> {
    fn rows(&self) -> Vec<Row<'_>> {
        rows::of(&self.measured.rounds)
    }

    /// Facts and tables in Markdown.
    pub(crate) fn text(&self) -> String {
        let (wish, calm) = (self.wish, &self.measured.calm);
        let mut text = String::new();
        for (name, value) in self.facts {
            writeln!(text, "- {name}: {value}").unwrap();
        }
        let begin = match wish.start {
            Start::Group => "with the last picture group, at once",
            Start::Anywhere => "wherever the channel is",
        };
        writeln!(
            text,
            "- {} clients at {:.2} Mbit/s, {} rounds; sources begin {begin}\n\
             - longest pause between two reads in 2 s without a switch: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms\n",
            wish.clients,
            self.measured.bits as f64 / 1e6,
            wish.rounds,
            calm.p50,
            calm.p99,
            calm.max
        )
        .unwrap();
        let rows = self.rows();
        writeln!(text, "{}", rows::gaps(&rows)).unwrap();
        writeln!(text, "{}", rows::faults(&rows)).unwrap();
        writeln!(text, "{}", self.decoded()).unwrap();
        if !self.measured.peers.is_empty() {
            writeln!(text, "{}", self.peers()).unwrap();
        }
        text
    }

    fn decoded(&self) -> String {
        let decoded = match &self.measured.decoded {
            Ok(decoded) => decoded,
            Err(error) => return format!("Nothing was decoded: {error}\n"),
        };
        let head = [
            "",
            "breaks",
            "recordings",
            "pictures",
            "with lines",
            "lines",
            "joins",
            "lines from the join on",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(decoded.iter().map(|row| {
            let (kind, spread) =
                row.of.map_or(("no switch", ""), |(kind, spread)| (kind.name(), spread.words()));
            let mut line = vec![kind.to_owned(), spread.to_owned()];
            let counts =
                [row.recordings, row.pictures, row.marred, row.lines, row.joins, row.after];
            line.extend(counts.map(|count| count.to_string()));
            line
        }));
        let mut text = aligned(&lines, &[0, 1]);
        let mut messages: BTreeMap<&str, usize> = BTreeMap::new();
        for (message, count) in decoded.iter().flat_map(|row| &row.messages) {
            *messages.entry(message).or_default() += count;
        }
        for (message, count) in messages {
            writeln!(text, "\n{count} times `{message}`").unwrap();
        }
        text
    }

    fn peers(&self) -> String {
        let head = ["proxy", "source", "clients", "ended", "after ms p50/max", "went over"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.measured.peers.iter().map(|row| {
            vec![
                row.peer.name().to_owned(),
                format!("{:?}", row.cut).to_lowercase(),
                row.clients.to_string(),
                row.ended.count.to_string(),
                format!("{:.0} / {:.0}", row.ended.p50, row.ended.max),
                row.moved.to_string(),
            ]
        }));
        aligned(&lines, &[0, 1])
    }

    /// What keeps the figures from being what the contract wants, or from being relied on.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = self.measured.failures.clone();
        for row in self.rows() {
            let name = format!("{}, {}", row.kind.name(), row.spread.words());
            for (fault, count) in Faults::NAMES.iter().zip(row.faults().all()) {
                if count > 0 {
                    doubts.push(format!("{name}: {count} times {fault}"));
                }
            }
            let counts = [
                ("sessions failed", row.sum(|round| round.failed)),
                ("clients did not go over", row.sum(|round| round.stayed)),
                ("clients went over more than once", row.sum(|round| round.restless)),
                ("switches by hand were refused", row.sum(|round| round.refused)),
            ];
            for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                doubts.push(format!("{name}: {count} {what}"));
            }
        }
        let decoded = self.measured.decoded.as_ref().map(Vec::as_slice).unwrap_or_default();
        for row in decoded {
            // A picture that a source did not finish cannot be taken back.
            let (lines, what) = match row.of {
                Some((Kind::Manual, _)) | None => (row.lines, ""),
                Some(_) => (row.after, " from the join on"),
            };
            if lines > 0 {
                let name = row.of.map_or("no switch", |(kind, _)| kind.name());
                doubts.push(format!("{name}: {lines} lines of decode errors{what}"));
            }
        }
        doubts
    }

    /// Everything, round by round.
    pub(crate) fn json(&self, doubts: &[String]) -> Value {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let measured = self.measured;
        let decoded = measured.decoded.as_ref().map(Vec::as_slice).unwrap_or_default();
        json!({
            "machine": facts,
            "clients": self.wish.clients,
            "rounds": self.wish.rounds,
            "start": format!("{:?}", self.wish.start).to_lowercase(),
            "bits_per_second": measured.bits,
            "calm_pause_ms": triple(&measured.calm),
            "results": measured.rounds.iter().map(of_round).collect::<Vec<_>>(),
            "decoded": decoded.iter().map(|row| json!({
                "kind": row.of.map(|(kind, _)| kind.name()),
                "breaks": row.of.map(|(_, spread)| spread.words()),
                "recordings": row.recordings,
                "pictures": row.pictures,
                "recordings_with_lines": row.marred,
                "lines": row.lines,
                "joins": row.joins,
                "lines_from_the_join_on": row.after,
                "messages": row.messages,
            })).collect::<Vec<_>>(),
            "not_decoded": measured.decoded.as_ref().err(),
            "peers": measured.peers.iter().map(|row| json!({
                "proxy": row.peer.name(),
                "source": format!("{:?}", row.cut).to_lowercase(),
                "clients": row.clients,
                "ended": row.ended.count,
                "after_ms": triple(&row.ended),
                "went_over": row.moved,
            })).collect::<Vec<_>>(),
            "failures": doubts,
        })
    }
}

fn triple(quantiles: &Quantiles) -> [f64; 3] {
    [quantiles.p50, quantiles.p99, quantiles.max]
}

fn of_round(round: &Round) -> Value {
    let of =
        |read: fn(&Switch) -> f64| triple(&quantiles(round.switches.iter().map(read).collect()));
    let faults: serde_json::Map<String, Value> = Faults::NAMES
        .iter()
        .zip(round.faults.all())
        .map(|(name, count)| ((*name).to_owned(), json!(count)))
        .collect();
    let torn = |read: fn(&&Switch) -> bool| round.switches.iter().filter(read).count();
    json!({
        "kind": round.kind.name(),
        "breaks": round.spread.words(),
        "switches": round.switches.len(),
        "gap_ms": of(|switch| switch.gap),
        "break_to_picture_ms": of(|switch| switch.whole),
        "standby_own_ms": of(|switch| switch.own),
        "judged_ms": triple(&judged(round)),
        "picture_step_ms": of(|switch| switch.step),
        "cut_in_a_packet": torn(|switch| switch.torn_packet),
        "cut_in_a_picture": torn(|switch| switch.torn_picture),
        "faults": faults,
        "cut_in_a_table": round.faults.torn_tables,
        "discontinuities_announced": round.faults.announced,
        "failed_sessions": round.failed,
        "stayed": round.stayed,
        "went_over_more_than_once": round.restless,
        "refused": round.refused,
        "weir": {
            "gap_ms_at_most_p50_p99": [round.counted.below(0.5), round.counted.below(0.99)],
            "gap_ms_mean": round.counted.mean(),
            "standby_usable_ms_mean": round.counted.usable(),
            "failovers": round.counted.reasons().into_iter().collect::<BTreeMap<_, _>>(),
        },
        "machine_busy": round.busy,
        "others_share": round.others,
        "busiest_thread": round.thread,
    })
}
