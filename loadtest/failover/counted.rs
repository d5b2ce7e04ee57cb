//! What weir itself counts of its switches, out of `/metrics`.

use std::collections::BTreeMap;

/// The families that are read, the label that is kept of each, and the word for it here.
const FAMILIES: [(&str, &str, &str); 6] = [
    ("weir_failover_gap_seconds_bucket", "le", "gap"),
    ("weir_failover_gap_seconds_sum", "", "sum"),
    ("weir_failover_gap_seconds_count", "", "count"),
    ("weir_upstream_usable_seconds_sum", "", "usable sum"),
    ("weir_upstream_usable_seconds_count", "", "usable count"),
    ("weir_failovers_total", "reason", "reason"),
];

/// Counters at one moment, or what came to them; other labels are added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(BTreeMap<(&'static str, String), f64>);

impl Counted {
    pub(crate) fn read(text: &str) -> Self {
        let mut counted = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let name = series.split('{').next().unwrap_or_default();
            let family = FAMILIES.iter().find(|(family, ..)| *family == name);
            let (Some((_, label, word)), Ok(value)) = (family, value.parse::<f64>()) else {
                continue;
            };
            let kept = match series.split_once(&format!("{label}=\"")) {
                Some((_, rest)) if !label.is_empty() => rest.split('"').next().unwrap_or_default(),
                _ => "",
            };
            *counted.0.entry((word, kept.to_owned())).or_default() += value;
        }
        counted
    }

    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let less = |(key, value): (&(&'static str, String), &f64)| {
            (key.clone(), value - before.0.get(key).copied().unwrap_or_default())
        };
        Self(self.0.iter().map(less).collect())
    }

    /// Adds what another round brought.
    pub(crate) fn add(&mut self, other: &Self) {
        for (key, value) in &other.0 {
            *self.0.entry(key.clone()).or_default() += value;
        }
    }

    /// The bound in milliseconds that so large a share of the gaps does not exceed.
    pub(crate) fn below(&self, share: f64) -> Option<f64> {
        let enough = self.single("count") * share;
        let buckets = self.0.iter().filter(|((word, _), _)| *word == "gap");
        buckets
            .filter(|(_, count)| **count >= enough)
            .filter_map(|((_, bound), _)| bound.parse::<f64>().ok())
            .filter(|bound| bound.is_finite())
            .min_by(f64::total_cmp)
            .map(|bound| bound * 1000.0)
    }

    /// The mean gap in milliseconds.
    pub(crate) fn mean(&self) -> f64 {
        self.single("sum") / self.single("count").max(1.0) * 1000.0
    }

    /// Milliseconds from the start of a standby's attempt to bytes that can be joined, on average.
    pub(crate) fn usable(&self) -> f64 {
        self.single("usable sum") / self.single("usable count").max(1.0) * 1000.0
    }

    /// How many switches weir counts, with its words for the reasons.
    pub(crate) fn reasons(&self) -> Vec<(String, f64)> {
        let reasons = self.0.iter().filter(|((word, _), value)| *word == "reason" && **value > 0.0);
        reasons.map(|((_, reason), value)| (reason.clone(), *value)).collect()
    }

    fn single(&self, word: &'static str) -> f64 {
        self.0.get(&(word, String::new())).copied().unwrap_or_default()
    }
}
