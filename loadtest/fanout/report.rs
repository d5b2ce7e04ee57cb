//! The tables for standard output and the README, and `fanout.json`.

use std::fmt::Write;

use serde_json::Value;
use serde_json::json;

use crate::failover::figures::Quantiles;
use crate::failover::figures::range;
use crate::report::SHARED;
use crate::report::aligned;

use super::BITS;
use super::Row;
use super::Through;
use super::Wish;
use super::round::Mark;
use super::round::Round;

/// With fewer clients what all of them share would count as theirs.
const MANY: usize = 100;

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
        "{:>6.3} s/GB  {:>6.2} Gbit/s {:>5.1} %  first {} ms  gap {} ms  PSS {:.1} MiB  lost {}  busy {:.0} % others {:.0} % origin {:.0} % clients {:.0} %",
        round.per_gigabyte(),
        round.gbits(),
        round.share() * 100.0,
        three(&round.first),
        three(&round.gaps),
        round.end,
        round.lost,
        round.busy * 100.0,
        round.others * 100.0,
        round.origin * 100.0,
        round.crowd * 100.0,
    );
    for mark in &round.marks {
        write!(line, "  {}", mark.word()).unwrap();
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

    fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<_> =
            self.rounds.iter().flat_map(|round| &round.marks).copied().collect();
        marks.sort();
        marks.dedup();
        marks
    }

    fn remarks(&self) -> String {
        let mut remarks: Vec<_> =
            self.marks().into_iter().map(|mark| mark.word().to_owned()).collect();
        let others = self.median(|round| round.others);
        if others > SHARED {
            remarks.push(format!("others used {:.0} % of the machine", others * 100.0));
        }
        let lost = self.rounds.iter().find(|round| round.lost > 0);
        if let Some(error) = lost.and_then(|round| round.first_error.as_ref()) {
            remarks.push(error.replace('|', "/"));
        }
        remarks.join("; ")
    }

    fn cells(&self) -> Vec<String> {
        let each = self.median(Round::each);
        vec![
            self.clients.to_string(),
            self.through.name().to_owned(),
            format!("{:.3}", self.median(Round::per_gigabyte)),
            format!("{:.3}", self.median(|round| round.cpu.total() / round.seconds)),
            format!("{:.2}", self.median(Round::gbits)),
            format!("{:.1}", self.median(Round::share) * 100.0),
            format!(
                "{:.1} / {:.1}",
                self.median(|round| round.rest),
                self.median(|round| round.end)
            ),
            if self.clients >= MANY { format!("{each:.1}") } else { String::new() },
            self.three(|round| &round.first),
            format!("{:.0}", self.median(|round| round.age.p50)),
            self.three(|round| &round.gaps),
            format!("{:.0}", self.rounds.iter().map(|round| round.lost as f64).sum::<f64>()),
            format!("{:.0}", self.most(|round| round.upstream as f64)),
            self.remarks(),
        ]
    }
}

impl Report<'_> {
    /// Facts and table in Markdown.
    pub(crate) fn text(&self) -> String {
        let wish = self.wish;
        let mut text = String::new();
        for (name, value) in self.facts {
            writeln!(text, "- {name}: {value}").unwrap();
        }
        let bits = BITS as f64 / 1e6;
        let (rounds, seconds) = (wish.rounds, wish.seconds);
        writeln!(
            text,
            "- one stream of {bits:.0} Mbit/s; medians of {rounds} rounds of {seconds:.0} s each\n"
        )
        .unwrap();
        let head = [
            "clients",
            "through",
            "CPU s/GB",
            "CPU s/s",
            "Gbit/s",
            "% of due",
            "PSS MiB at rest / in the end",
            "KiB/client",
            "first picture ms p50/p99/max",
            "its age ms",
            "largest gap ms p50/p99/max",
            "lost",
            "upstream",
            "remarks",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(Row::cells));
        text.push_str(&aligned(&lines, &[1, 13]));
        text
    }

    /// What keeps the figures from being relied on, or should not have happened. That a peer does not keep
    /// up is none of it.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for row in self.rows {
            let name = format!("{}, {} clients", row.through.name(), row.clients);
            let is_weir = row.through == Through::Weir;
            for mark in row.marks() {
                if matches!(mark, Mark::Crowd | Mark::Origin) || is_weir && mark == Mark::Slow {
                    doubts.push(format!("{name}: {}", mark.word()));
                }
            }
            for round in row.rounds.iter().filter(|round| is_weir && round.lost > 0) {
                let error = round.first_error.as_deref().unwrap_or_default();
                doubts.push(format!("{name}: {} connections ended: {error}", round.lost));
            }
        }
        doubts
    }

    /// Everything, round by round.
    pub(crate) fn json(&self, doubts: &[String]) -> Value {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "machine": facts,
            "bits_per_second": BITS,
            "seconds": self.wish.seconds,
            "rounds": self.wish.rounds,
            "rows": self.rows.iter().map(|row| json!({
                "clients": row.clients,
                "through": row.through.name(),
                "rounds": row.rounds.iter().map(figures).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "failures": doubts,
        })
    }
}

fn figures(round: &Round) -> Value {
    let three = |of: &Quantiles| json!([of.p50, of.p99, of.max]);
    json!({
        "seconds": round.seconds,
        "cpu_user": round.cpu.user,
        "cpu_system": round.cpu.system,
        "cpu_per_gigabyte": round.per_gigabyte(),
        "bytes": round.bytes,
        "bytes_due": round.due,
        "pss_at_rest_mib": round.rest,
        "pss_in_the_end_mib": round.end,
        "buffered_between_mib": round.buffered,
        "pss_per_client_kib": round.each(),
        "first_picture_ms": three(&round.first),
        "first_picture_age_ms": three(&round.age),
        "first_pictures": round.first.count,
        "largest_gap_ms": three(&round.gaps),
        "lost": round.lost,
        "first_error": round.first_error,
        "upstream_connections": round.upstream,
        "origin_share": round.origin,
        "clients_share": round.crowd,
        "machine_busy": round.busy,
        "others_share": round.others,
        "marks": round.marks.iter().map(|mark| mark.word()).collect::<Vec<_>>(),
    })
}
