//! The tables for standard output and the README, and `results.json`.

use std::fmt::Write;

use serde_json::Value;
use serde_json::json;

use crate::cell::Figures;
use crate::compare::Wish;
use crate::goals::Goal;
use crate::summary::Summary;

/// A foreign share of the machine from which on it is worth a remark.
pub(crate) const SHARED: f64 = 0.10;

const HEAD: [&str; 12] = [
    "scenario",
    "proxy",
    "CPU",
    "unit",
    "user",
    "system",
    "Gbit/s",
    "rest MiB",
    "KiB/client",
    "first byte +ms p50/p99/max",
    "errors",
    "remarks",
];

/// Columns that are words stand left, figures right.
const LEFT: [usize; 4] = [0, 1, 3, 11];

/// What was measured where, and how.
pub(crate) fn facts(facts: &[(&'static str, String)], wish: &Wish) -> String {
    let mut text = String::new();
    for (name, value) in facts {
        writeln!(text, "- {name}: {value}").unwrap();
    }
    let (rounds, seconds) = (wish.rounds, wish.seconds);
    writeln!(text, "- medians of {rounds} rounds of {seconds} s each").unwrap();
    text
}

/// The figures as a Markdown table.
pub(crate) fn table(rows: &[Summary]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let figures = &row.middle;
        let added = figures.added.map_or_else(String::new, |added| {
            format!("{:.2} / {:.2} / {:.2}", added.p50, added.p99, added.max)
        });
        vec![
            row.scenario.name.to_owned(),
            row.kind.name().to_owned(),
            format!("{:.3}", figures.cpu),
            row.scenario.per.unit().to_owned(),
            format!("{:.3}", figures.user),
            format!("{:.3}", figures.system),
            format!("{:.2}", figures.gbits),
            format!("{:.1}", figures.rest),
            each(row),
            added,
            figures.errors.to_string(),
            remarks(figures),
        ]
    }));
    aligned(&lines, &LEFT)
}

/// Among few clients the buffers that all share would count as theirs.
fn each(row: &Summary) -> String {
    let enough = row.scenario.clients >= 100;
    if enough { format!("{:.1}", row.middle.each) } else { String::new() }
}

fn remarks(figures: &Figures) -> String {
    let mut remarks: Vec<String> =
        figures.marks.iter().map(|mark| mark.word().to_owned()).collect();
    if figures.done > 0.0 {
        remarks.push(format!("{:.0} done/s", figures.done));
    }
    if figures.others > SHARED {
        remarks.push(format!("others used {:.0} % of the machine", figures.others * 100.0));
    }
    if let Some(error) = &figures.first_error {
        remarks.push(error.replace('|', "/"));
    }
    remarks.join("; ")
}

/// The goals as a Markdown table.
pub(crate) fn goals(goals: &[Goal]) -> String {
    let mut lines =
        vec![["figure", "scenario", "value", "goal", "met"].map(str::to_owned).to_vec()];
    lines.extend(goals.iter().map(|goal| {
        vec![
            goal.what.clone(),
            goal.scenario.to_owned(),
            format!("{:.2}", goal.value),
            goal.at_most.map_or_else(|| "-".into(), |bound| format!("<= {bound:.2}")),
            goal.verdict().to_owned(),
        ]
    }));
    aligned(&lines, &[0, 1, 4])
}

/// Lines of cells as a Markdown table; the first line is its head, columns named in `left` stand left.
pub(crate) fn aligned(lines: &[Vec<String>], left: &[usize]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let cell = |line: &Vec<String>, column| line.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| lines.iter().map(|line| cell(line, column).chars().count()).max())
        .map(|width| width.unwrap_or(0).max(3))
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, width) in widths.iter().enumerate() {
            let word = cell(line, column);
            if left.contains(&column) {
                write!(text, "| {word:<width$} ").unwrap();
            } else {
                write!(text, "| {word:>width$} ").unwrap();
            }
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let rule = "-".repeat(*width);
                let end = if left.contains(&column) { "-" } else { ":" };
                write!(text, "|-{rule}{end}").unwrap();
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Everything, round by round.
pub(crate) fn json(
    facts: &[(&'static str, String)],
    wish: &Wish,
    rows: &[Summary],
    goals: &[Goal],
    failures: &[String],
) -> Value {
    let facts: serde_json::Map<String, Value> =
        facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "machine": facts,
        "seconds": wish.seconds,
        "rounds": wish.rounds,
        "rows": rows.iter().map(|row| json!({
            "scenario": row.scenario.name,
            "about": row.scenario.about,
            "clients": row.scenario.clients,
            "proxy": row.kind.name(),
            "unit": row.scenario.per.unit(),
            "median": figures(&row.middle),
            "rounds": row.rounds.iter().map(figures).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "goals": goals.iter().map(|goal| json!({
            "figure": goal.what,
            "scenario": goal.scenario,
            "value": goal.value,
            "at_most": goal.at_most,
            "met": goal.verdict(),
        })).collect::<Vec<_>>(),
        "failures": failures,
    })
}

fn figures(figures: &Figures) -> Value {
    json!({
        "cpu": figures.cpu,
        "cpu_user": figures.user,
        "cpu_system": figures.system,
        "gbit_per_second": figures.gbits,
        "done_per_second": figures.done,
        "pss_at_rest_mib": figures.rest,
        "pss_per_client_kib": figures.each,
        "first_byte_added_ms": figures.added.map(|added| [added.p50, added.p99, added.max]),
        "errors": figures.errors,
        "first_error": figures.first_error,
        "origin_share": figures.origin,
        "swarm_share": figures.swarm,
        "others_share": figures.others,
        "marks": figures.marks.iter().map(|mark| mark.word()).collect::<Vec<_>>(),
    })
}
