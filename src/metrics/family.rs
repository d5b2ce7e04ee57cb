//! A counter or gauge with labels: one atomic for each set of label values.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Sets of label values one family keeps. Labels come from the configuration, so this is never
/// reached in practice; beyond it everything is counted under the values `other`.
const SETS_MAX: usize = 20_000;

/// One figure: shared, cheap to clone, safe to change from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Value(Arc<AtomicI64>);

impl Value {
    /// Adds `amount`; what does not fit stays at the largest figure.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(i64::try_from(amount).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Takes `amount` away (gauges only).
    pub fn sub(&self, amount: u64) {
        self.0.fetch_sub(i64::try_from(amount).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Puts `figure` in its place (gauges only).
    pub fn set(&self, figure: i64) {
        self.0.store(figure, Ordering::Relaxed);
    }

    /// The figure now.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A named figure with `N` labels.
#[derive(Debug)]
pub struct Family<const N: usize> {
    name: &'static str,
    help: &'static str,
    /// The word of the text format.
    kind: &'static str,
    labels: [&'static str; N],
    /// Figures are thousandths of what is printed.
    is_in_thousandths: bool,
    /// Guards the map, not the figures: held to look one up or to print them.
    values: Mutex<BTreeMap<[Arc<str>; N], Value>>,
}

impl<const N: usize> Family<N> {
    /// An empty family of figures that only rise.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, "counter", labels)
    }

    /// An empty family of figures that rise and fall.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, "gauge", labels)
    }

    /// The same family, whose figures are thousandths: 1500 is printed as 1.500.
    #[must_use]
    pub fn in_thousandths(self) -> Self {
        Self { is_in_thousandths: true, ..self }
    }

    fn new(
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: [&'static str; N],
    ) -> Self {
        Self { name, help, kind, labels, is_in_thousandths: false, values: Mutex::default() }
    }

    /// The figure for these label values, made at first use.
    #[must_use]
    pub fn of(&self, labels: [&str; N]) -> Value {
        let key = labels.map(Arc::from);
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= SETS_MAX && !values.contains_key(&key) {
            return values.entry([(); N].map(|()| Arc::from("other"))).or_default().clone();
        }
        values.entry(key).or_default().clone()
    }

    /// Whether no figure of it was ever asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Appends the family in the text format.
    pub fn write(&self, text: &mut String) {
        super::write_header(text, self.name, self.help, self.kind);
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in values.iter() {
            text.push_str(self.name);
            let mut before = '{';
            for (label, value) in self.labels.iter().zip(key) {
                _ = write!(text, "{before}{label}=\"{}\"", super::escaped(value));
                before = ',';
            }
            text.push_str(if N == 0 { " " } else { "} " });
            let figure = value.get();
            _ = if self.is_in_thousandths {
                let (sign, figure) = (if figure < 0 { "-" } else { "" }, figure.unsigned_abs());
                writeln!(text, "{sign}{}.{:03}", figure / 1000, figure % 1000)
            } else {
                writeln!(text, "{figure}")
            };
        }
    }
}
