//! Log lines: text, JSON, or for the journal; the level changes at a reload.

use std::fmt;
use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

use crate::config;
use crate::config::Log;

/// Changes the level of a running program.
#[derive(Clone, Debug)]
pub struct LevelHandle(Option<reload::Handle<Targets, Registry>>);

impl LevelHandle {
    /// Changes nothing: for programs that set up their own log.
    #[must_use]
    pub fn fixed() -> Self {
        Self(None)
    }

    /// Puts another level in force.
    pub fn change(&self, level: config::Level) {
        if let Some(handle) = &self.0
            && let Err(error) = handle.reload(targets(level))
        {
            tracing::error!(%error, "cannot change the log level");
        }
    }
}

/// Starts logging to standard error. Once per program.
///
/// # Errors
/// When the program has a log already.
pub fn start(log: &Log) -> Result<LevelHandle, TryInitError> {
    let (filter, handle) = reload::Layer::new(targets(log.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match log.format {
        config::LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        config::LogFormat::Json => lines.json().flatten_event(true).boxed(),
        config::LogFormat::Journald => lines.with_ansi(false).event_format(Journal::new()).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LevelHandle(Some(handle)))
}

/// Our own lines at the configured level; of the libraries only what is wrong, as theirs may name
/// hosts and paths.
fn targets(level: config::Level) -> Targets {
    let level = match level {
        config::Level::Error => LevelFilter::ERROR,
        config::Level::Warn => LevelFilter::WARN,
        config::Level::Info => LevelFilter::INFO,
        config::Level::Debug => LevelFilter::DEBUG,
        config::Level::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_target("weir", level).with_default(LevelFilter::ERROR)
}

/// Lines for the journal: the priority as `<N>` (sd-daemon(3)), no time and no level, as the
/// journal keeps both itself.
struct Journal(Format<tracing_subscriber::fmt::format::Full, ()>);

impl Journal {
    fn new() -> Self {
        let format = Format::default().without_time().with_level(false).with_target(false);
        Self(format.with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}
