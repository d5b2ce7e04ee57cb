//! The tables for standard output and the README, and `remux.json`.

use std::fmt::Write;

use serde_json::Value;
use serde_json::json;
use weir::remux::Options;

use crate::failover::figures::Quantiles;
use crate::failover::figures::range;
use crate::goals::Goal;
use crate::report;
use crate::report::SHARED;
use crate::report::aligned;

use super::BITS;
use super::CHANNELS;
use super::Row;
use super::SOUND_BITS;
use super::Way;
use super::Wish;
use super::latency::Latency;
use super::sound::Sound;
use super::source::Placing;

/// CPU time, as a share of FFmpeg's for the same.
const CPU_GOAL: f64 = 0.5;

/// MiB that a channel adds.
const MEMORY_GOAL: f64 = 3.0;

/// Milliseconds that converted sound comes later, at worst.
const LATENCY_GOAL: f64 = 60.0;

/// See the module.
pub(crate) struct Report<'m> {
    pub(crate) facts: &'m [(&'static str, String)],
    pub(crate) wish: &'m Wish,
    pub(crate) rows: &'m [Row],
    /// The foreign share of the machine in each round.
    pub(crate) others: Vec<f64>,
    pub(crate) left_out: &'m [Sound],
}

impl Report<'_> {
    /// Facts and tables in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.facts {
            writeln!(text, "- {name}: {value}").unwrap();
        }
        let (bits, seconds, rounds) = (BITS / 1_000_000, self.wish.seconds, self.wish.rounds);
        writeln!(
            text,
            "- {seconds} s of {bits} Mbit/s, sound becomes AAC of {} kbit/s; medians of {rounds} rounds",
            SOUND_BITS / 1000
        )
        .unwrap();
        let others = range(self.others.clone()).1;
        if others > SHARED {
            writeln!(text, "- others used {:.0} % of the machine", others * 100.0).unwrap();
        }
        let left_out: Vec<_> = self.left_out.iter().map(|sound| sound.name()).collect();
        if !left_out.is_empty() {
            writeln!(text, "- this build does not decode {}", left_out.join(", ")).unwrap();
        }
        text.push('\n');
        text.push_str(&self.costs());
        text.push('\n');
        text.push_str(&self.latencies());
        text.push('\n');
        text.push_str(&report::goals(&self.goals()));
        text
    }

    fn costs(&self) -> String {
        let each = format!("MiB/channel of {CHANNELS}");
        let head = [
            "sound",
            "through",
            "CPU s/h",
            "least - greatest",
            "user",
            "system",
            ": ffmpeg",
            "RSS MiB",
            "PSS MiB",
            &each,
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(|row| {
            let (least, middle, greatest) = self.cpu(row);
            let part = |of: &dyn Fn(&super::Spent) -> f64| {
                self.per_hour(range(row.rounds.iter().map(of).collect()).1)
            };
            let mib = |kib: f64| format!("{:.1}", kib / 1024.0);
            let memory = row.memory;
            let each = memory.and_then(|memory| memory.each());
            vec![
                row.sound.name().to_owned(),
                row.way.name().to_owned(),
                format!("{middle:.1}"),
                format!("{least:.1} - {greatest:.1}"),
                format!("{:.1}", part(&|spent| spent.cpu.user)),
                format!("{:.1}", part(&|spent| spent.cpu.system)),
                self.ratio(row).map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                memory.map_or_else(String::new, |memory| mib(memory.rss)),
                memory.map_or_else(String::new, |memory| mib(memory.pss)),
                each.map_or_else(String::new, |each| format!("{:.2}", each / 1024.0)),
            ]
        }));
        aligned(&lines, &[0, 1])
    }

    fn latencies(&self) -> String {
        let offset = Options::default().pcr_offset.as_millis();
        let lead = format!("lead ms least/p50, with {offset} of PCR offset");
        let head = [
            "sound",
            "through",
            "sound placed",
            "added ms p50/p99/max",
            "beyond look-ahead ms p50/p99/max",
            &lead,
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        let three = |of: Quantiles| format!("{:.1} / {:.1} / {:.1}", of.p50, of.p99, of.max);
        lines.extend(self.rows.iter().flat_map(|row| {
            row.latency.iter().map(move |(placing, latency)| {
                vec![
                    row.sound.name().to_owned(),
                    row.way.name().to_owned(),
                    placing.name().to_owned(),
                    three(latency.added),
                    three(latency.held),
                    format!("{:.1} / {:.1}", latency.lead.0, latency.lead.1),
                ]
            })
        }));
        aligned(&lines, &[0, 1, 2])
    }

    /// Least, middle and greatest CPU seconds for an hour.
    fn cpu(&self, row: &Row) -> (f64, f64, f64) {
        let all = row.rounds.iter().map(|spent| self.per_hour(spent.cpu.total()));
        range(all.collect())
    }

    fn per_hour(&self, seconds: f64) -> f64 {
        seconds * 3600.0 / f64::from(self.wish.seconds)
    }

    /// A row's CPU time as a share of FFmpeg's.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let peer =
            self.rows.iter().find(|other| other.sound == row.sound && other.way == Way::Ffmpeg);
        Some(self.cpu(row).1 / self.cpu(peer?).1)
    }

    /// The goals; each is weir's, with every encoder.
    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for row in self.rows.iter().filter(|row| matches!(row.way, Way::Weir(_))) {
            let name = row.way.name();
            let mut goal = |what: &str, value, at_most| {
                let what = format!("{what} {name}");
                let scenario = row.sound.name();
                goals.push(Goal { what, scenario, value, at_most: Some(at_most) });
            };
            if let Some(ratio) = self.ratio(row) {
                goal("CPU : ffmpeg,", ratio, CPU_GOAL);
            }
            if let Some(each) = row.memory.and_then(|memory| memory.each()) {
                goal("MiB a channel,", each / 1024.0, MEMORY_GOAL);
            }
            for (placing, latency) in &row.latency {
                let what = match placing {
                    Placing::Muxer => "added ms at most, placed as by ffmpeg,",
                    Placing::Even => "added ms at most, placed evenly,",
                };
                goal(what, latency.added.max, LATENCY_GOAL);
            }
        }
        goals
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
            "others_share": self.others,
            "left_out": self.left_out.iter().map(|sound| sound.name()).collect::<Vec<_>>(),
            "pcr_offset_ms": Options::default().pcr_offset.as_millis() as u64,
            "rows": self.rows.iter().map(|row| json!({
                "sound": row.sound.name(),
                "through": row.way.name(),
                "cpu_seconds_per_hour": self.cpu(row).1,
                "ratio_to_ffmpeg": self.ratio(row),
                "rounds": row.rounds.iter().map(|spent| json!({
                    "cpu_user": spent.cpu.user,
                    "cpu_system": spent.cpu.system,
                })).collect::<Vec<_>>(),
                "rss_kib": row.memory.map(|memory| memory.rss),
                "pss_kib": row.memory.map(|memory| memory.pss),
                "rss_kib_of_many": row.memory.and_then(|memory| memory.many).map(|many| many.0),
                "pss_kib_of_many": row.memory.and_then(|memory| memory.many).map(|many| many.1),
                "many": CHANNELS,
                "latency": row.latency.iter().map(latency).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "goals": self.goals().iter().map(|goal| json!({
                "figure": goal.what,
                "sound": goal.scenario,
                "value": goal.value,
                "at_most": goal.at_most,
                "met": goal.verdict(),
            })).collect::<Vec<_>>(),
            "failures": doubts,
        })
    }
}

fn latency((placing, latency): &(Placing, Latency)) -> Value {
    let three = |of: Quantiles| json!([of.p50, of.p99, of.max]);
    json!({
        "sound_placed": placing.name(),
        "units": latency.added.count,
        "added_ms": three(latency.added),
        "beyond_look_ahead_ms": three(latency.held),
        "lead_ms": [latency.lead.0, latency.lead.1],
    })
}
