//! A histogram of durations in seconds, from a LAN's millisecond to the ten seconds after which
//! weir itself gives up.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds in microseconds, and how they are printed in seconds.
const BOUNDS: [(u64, &str); 13] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Counts durations by size. A scrape that runs beside `observe` may see the count without the
/// sum for one moment, which no reader of a histogram minds.
#[derive(Debug)]
pub struct Histogram {
    name: &'static str,
    help: &'static str,
    figures: Figures,
}

/// A histogram for each value of one label. The values are words of the program.
#[derive(Debug)]
pub struct Histograms {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    /// Guards the map, not the figures.
    by_value: Mutex<BTreeMap<&'static str, Arc<Figures>>>,
}

/// The figures of one histogram.
#[derive(Debug, Default)]
pub struct Figures {
    /// Observations up to each bound and above the one before it.
    buckets: [AtomicU64; BOUNDS.len()],
    /// All observations.
    count: AtomicU64,
    /// Their sum in microseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, figures: Figures::default() }
    }

    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        self.figures.observe(took);
    }

    /// Appends the histogram in the text format.
    pub fn write(&self, text: &mut String) {
        super::write_header(text, self.name, self.help, "histogram");
        self.figures.write(text, self.name, "");
    }
}

impl Histograms {
    /// Empty histograms, told apart by `label`.
    #[must_use]
    pub fn new(name: &'static str, help: &'static str, label: &'static str) -> Self {
        Self { name, help, label, by_value: Mutex::default() }
    }

    /// The histogram for this value, made at first use.
    #[must_use]
    pub fn of(&self, value: &'static str) -> Arc<Figures> {
        let mut by_value = self.by_value.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_value.entry(value).or_default())
    }

    /// Appends the histograms in the text format.
    pub fn write(&self, text: &mut String) {
        super::write_header(text, self.name, self.help, "histogram");
        let by_value = self.by_value.lock().unwrap_or_else(PoisonError::into_inner);
        for (value, figures) in by_value.iter() {
            figures.write(text, self.name, &format!("{}=\"{value}\"", self.label));
        }
    }
}

impl Figures {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.buckets.iter().zip(BOUNDS).find(|(_, (bound, _))| micros <= *bound);
        if let Some((bucket, _)) = bucket {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// `label` is a label with its value, or empty.
    fn write(&self, text: &mut String, name: &str, label: &str) {
        let comma = if label.is_empty() { "" } else { "," };
        let braces = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        let mut below = 0;
        for (bucket, (_, bound)) in self.buckets.iter().zip(BOUNDS) {
            below += bucket.load(Ordering::Relaxed);
            _ = writeln!(text, "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {below}");
        }
        let count = self.count.load(Ordering::Relaxed).max(below);
        let sum = Duration::from_micros(self.sum.load(Ordering::Relaxed)).as_secs_f64();
        _ = writeln!(
            text,
            "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {count}\n{name}_sum{braces} {sum}\n{name}_count{braces} {count}"
        );
    }
}
