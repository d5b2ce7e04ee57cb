//! `log`: how much is logged, and how.

use super::forms::Choice;
use super::walk::Section;
use super::walk::Walk;

/// How much is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Least important events that are logged. Default `info`.
    pub level: Level,
    /// How a line looks. Default `text`.
    pub format: LogFormat,
}

/// How important an event is, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A client lost its stream, or an operator is needed.
    Error,
    /// Something went wrong and was mended.
    Warn,
    /// Life cycles.
    Info,
    /// Each step.
    Debug,
    /// Each detail.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, with the time.
    Text,
    /// One JSON object a line.
    Json,
    /// For the systemd journal: priority in front, no time.
    Journald,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Text }
    }
}

impl Log {
    /// Reads `log`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let levels = Choice(&[
            ("error", Level::Error),
            ("warn", Level::Warn),
            ("info", Level::Info),
            ("debug", Level::Debug),
            ("trace", Level::Trace),
        ]);
        let formats = Choice(&[
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
            ("journald", LogFormat::Journald),
        ]);
        let mut section = root.section(walk, "log");
        let log = Self {
            level: section.value(walk, "level", &levels, default.level),
            format: section.value(walk, "format", &formats, default.format),
        };
        section.finish(walk);
        log
    }
}
