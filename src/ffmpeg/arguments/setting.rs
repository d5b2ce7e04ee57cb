//! One option that was accepted.

use std::fmt;

use crate::ffmpeg::arguments::options;
use crate::ffmpeg::arguments::options::Known;
use crate::ffmpeg::graph;
use crate::ffmpeg::graph::Graph;

/// One option and its value, which Debug leaves out: metadata may be nobody else's business.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::ffmpeg) struct Setting {
    /// Without the dash, with its stream specifier: `c:v`.
    pub(in crate::ffmpeg) name: String,
    /// `None` for a switch.
    pub(in crate::ffmpeg) value: Option<String>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{}", self.name)
    }
}

impl Setting {
    /// The option without its stream specifier.
    pub(in crate::ffmpeg) fn base(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }

    /// Its filters, where it has some.
    pub(in crate::ffmpeg) fn graph(&self) -> Option<Graph> {
        let is_graph =
            matches!(options::find(self.base()), Known::Allowed(row) if row.form.is_graph());
        self.value.as_deref().filter(|_| is_graph).and_then(|text| graph::parse(text).ok())
    }
}
