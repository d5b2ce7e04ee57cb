//! Quantiles of what was measured.

/// Of a number of milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) count: usize,
}

/// The quantiles of these values.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let at = |share: f64| {
        let place = (count as f64 * share).ceil() as usize;
        values.get(place.clamp(1, count.max(1)) - 1).copied().unwrap_or_default()
    };
    Quantiles { p50: at(0.5), p99: at(0.99), max: at(1.0), count }
}

/// The least, the middle and the greatest of the rounds.
pub(crate) fn range(mut rounds: Vec<f64>) -> (f64, f64, f64) {
    rounds.sort_by(f64::total_cmp);
    let at = |place: usize| rounds.get(place).copied().unwrap_or_default();
    let last = rounds.len().saturating_sub(1);
    (at(0), (at(last / 2) + at(rounds.len() / 2)) / 2.0, at(last))
}

/// Nanoseconds as milliseconds.
pub(crate) fn millis(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e6
}
