//! `plot.svg`: CPU seconds for each GB, a panel of bars for each scenario.

use std::fmt::Write;

use crate::proxies::Kind;
use crate::scenario::Per;
use crate::summary::Summary;

const BAR: f64 = 20.0;
/// Panels in a row, and room in each: left for the axis, above for its name, below for nothing.
const PANELS: usize = 4;
const LEFT: f64 = 52.0;
const ABOVE: f64 = 34.0;
const HEIGHT: f64 = 150.0;
const BELOW: f64 = 18.0;
/// Where the first panel begins, and the room of the legend.
const TOP: f64 = 62.0;
const LEGEND: f64 = 34.0;
const EDGE: f64 = 24.0;

/// Colours that stand out on white and on black.
fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::WeirSpliced => "#2f7fd6",
        Kind::WeirWatched => "#6bb0f2",
        Kind::HaproxySplicing => "#d0762c",
        Kind::Haproxy => "#e8a96b",
        Kind::Nginx => "#3f9e5a",
        Kind::Naive => "#8a8a8a",
    }
}

/// The drawing; scenarios that are not measured by the GB are not in it. Each has a scale of its
/// own, since the cost of a GB is that of its writes: small ones cost twenty times what large ones do.
pub(crate) fn svg(rows: &[Summary], subtitle: &str) -> String {
    let rows: Vec<&Summary> = rows
        .iter()
        .filter(|row| row.scenario.per == Per::Gigabyte && !row.scenario.first_byte)
        .collect();
    let mut scenarios: Vec<&str> = rows.iter().map(|row| row.scenario.name).collect();
    scenarios.dedup();
    let mut kinds: Vec<Kind> = Kind::ALL.to_vec();
    kinds.retain(|kind| rows.iter().any(|row| row.kind == *kind));
    let panel = LEFT + kinds.len() as f64 * BAR + 8.0;
    let lines = scenarios.len().div_ceil(PANELS) as f64;
    let width = (EDGE + PANELS as f64 * panel).max(760.0);
    let below = TOP + lines * (ABOVE + HEIGHT + BELOW);
    let mut svg = frame(width, below + LEGEND, subtitle);
    for (index, scenario) in scenarios.iter().enumerate() {
        let x = EDGE + (index % PANELS) as f64 * panel;
        let y = TOP + (index / PANELS) as f64 * (ABOVE + HEIGHT + BELOW);
        let rows: Vec<_> =
            rows.iter().copied().filter(|row| row.scenario.name == *scenario).collect();
        let top = scale(&rows);
        writeln!(svg, "<g transform=\"translate({x:.0} {y:.0})\">").unwrap();
        axis(&mut svg, scenario, panel, top);
        for row in rows {
            let place = kinds.iter().position(|kind| *kind == row.kind).unwrap_or(0);
            bar(&mut svg, LEFT + place as f64 * BAR, row, top);
        }
        svg.push_str("</g>\n");
    }
    legend(&mut svg, &kinds, below);
    svg.push_str("</svg>\n");
    svg
}

/// The value at the top: a round one above the greatest of the proxies that are meant seriously.
/// What is greater is cut off there, and an arrow says so.
fn scale(rows: &[&Summary]) -> f64 {
    let greatest = rows
        .iter()
        .filter(|row| row.kind != Kind::Naive)
        .map(|row| row.middle.cpu)
        .fold(0.01, f64::max);
    let power = 10_f64.powf(greatest.log10().floor());
    let round = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0].into_iter().map(|factor| factor * power);
    round.into_iter().find(|top| *top >= greatest * 1.02).unwrap_or(10.0 * power)
}

fn frame(width: f64, height: f64, subtitle: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\">
<title>CPU seconds of the proxy for each GB relayed</title>
<style>
.back {{ fill: #ffffff }} text {{ fill: #24292f }} .line {{ stroke: #d0d7de }}
@media (prefers-color-scheme: dark) {{
.back {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} .line {{ stroke: #30363d }}
}}
</style>
<rect class=\"back\" width=\"100%\" height=\"100%\"/>
<text x=\"{EDGE}\" y=\"22\" font-size=\"14\" font-weight=\"600\">CPU seconds for each GB relayed; \
         less is better; scales differ</text>
{}",
        notes(subtitle)
    )
}

/// Where it was measured, in as many lines as it takes.
fn notes(subtitle: &str) -> String {
    let mut lines = vec![String::new()];
    for part in subtitle.replace('&', "&amp;").replace('<', "&lt;").split_inclusive("; ") {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= 110 => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let y = 38 + 14 * index;
        writeln!(text, "<text x=\"{EDGE}\" y=\"{y}\" font-size=\"10\">{line}</text>").unwrap();
    }
    text
}

fn axis(svg: &mut String, scenario: &str, panel: f64, top: f64) {
    let (right, middle, name) = (panel - 6.0, ABOVE + HEIGHT / 2.0, ABOVE - 18.0);
    for tick in 0..=4 {
        let value = top * f64::from(tick) / 4.0;
        let y = ABOVE + HEIGHT * (1.0 - f64::from(tick) / 4.0);
        writeln!(
            svg,
            "<line class=\"line\" x1=\"{LEFT}\" x2=\"{right:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"end\">{}</text>",
            LEFT - 4.0,
            y + 3.5,
            short(value),
        )
        .unwrap();
    }
    writeln!(
        svg,
        "<text x=\"10\" y=\"{name}\" font-weight=\"600\">{scenario}</text>\
         <text transform=\"translate(10 {middle}) rotate(-90)\" font-size=\"10\" \
         text-anchor=\"middle\">CPU s/GB</text>"
    )
    .unwrap();
}

fn bar(svg: &mut String, x: f64, row: &Summary, top: f64) {
    let cpu = row.middle.cpu;
    let height = HEIGHT * (cpu / top).min(1.0);
    let (y, wide) = (ABOVE + HEIGHT - height, BAR - 3.0);
    let cut = if cpu > top { "\u{2191}" } else { "" };
    writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide}\" height=\"{height:.1}\" fill=\"{}\">\
         <title>{} {}: {cpu:.3} s/GB</title></rect>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"8\" text-anchor=\"middle\">{cut}{}</text>",
        colour(row.kind),
        row.kind.name(),
        row.scenario.name,
        x + wide / 2.0,
        y - 3.0,
        short(cpu),
    )
    .unwrap();
}

/// Three significant digits at most, so that figures stand beside each other.
fn short(value: f64) -> String {
    if value >= 10.0 { format!("{value:.1}") } else { format!("{value:.2}") }
}

fn legend(svg: &mut String, kinds: &[Kind], y: f64) {
    let mut x = EDGE;
    for kind in kinds {
        let name = kind.name();
        let (word, base) = (x + 16.0, y + 10.0);
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"{word}\" y=\"{base}\">{name}</text>",
            colour(*kind)
        )
        .unwrap();
        x += 34.0 + name.len() as f64 * 7.0;
    }
}
