//! How one channel's FFmpeg fares, for whoever asks.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::ffmpeg::Progress;
use crate::transcode::messages::Messages;

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// By itself and with success: after its input had ended, or because it took it for ended.
    Ended,
    /// weir ended it: nobody needs it any more.
    Stopped,
    /// By itself, with an error.
    Crashed,
    /// By a signal that was not weir's.
    Signal,
    /// It had input and wrote nothing for `input_timeout`.
    StartTimeout,
    /// It had input and got no further for 10 s.
    Stalled,
    /// With success, but it had not written anything.
    NoOutput,
    /// It wrote something else than a transport stream.
    Garbage,
    /// Its files were larger than they may be.
    Quota,
    /// No room was left on the disk.
    DiskFull,
    /// It could not be executed.
    Missing,
}

impl Cause {
    /// The value of the `cause` label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
            Self::Signal => "signal",
            Self::StartTimeout => "start_timeout",
            Self::Stalled => "stalled",
            Self::NoOutput => "no_output",
            Self::Garbage => "garbage",
            Self::Quota => "quota",
            Self::DiskFull => "disk_full",
            Self::Missing => "missing",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "it ended",
            Self::Stopped => "it was stopped",
            Self::Crashed => "it ended with an error",
            Self::Signal => "it was killed by a signal",
            Self::StartTimeout => "it wrote nothing in time",
            Self::Stalled => "it got no further",
            Self::NoOutput => "it ended without having written anything",
            Self::Garbage => "it wrote no transport stream",
            Self::Quota => "its files were larger than ffmpeg.disk",
            Self::DiskFull => "the disk is full",
            Self::Missing => "it could not be executed",
        })
    }
}

/// What is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No process yet.
    #[default]
    Idle,
    /// A process has begun and has written nothing yet.
    Starting,
    /// A process writes.
    Running,
    /// A process has failed; the next one is started after a pause.
    Waiting,
    /// For good.
    Ended,
}

impl State {
    /// One word for an API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
        }
    }
}

/// How it fares now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// What is going on.
    pub state: State,
    /// The process that runs.
    pub pid: Option<u32>,
    /// Processes so far.
    pub starts: u64,
    /// How the last one ended.
    pub last_exit: Option<Cause>,
    /// How far the one that runs has come.
    pub progress: Progress,
    /// Processor time of all of them.
    pub cpu: Duration,
    /// Resident memory of the one that runs.
    pub rss_bytes: u64,
    /// What was replaced by software because hardware does not work.
    pub software: Option<String>,
    /// What they said last, oldest first: at most 50 lines, secrets taken out.
    pub messages: Vec<String>,
}

/// The place where it is told. Written by one channel's supervisor, read by anybody.
#[derive(Debug, Default)]
pub struct Monitor(Mutex<Told>);

/// [`Status`] as it is kept: its `messages` are empty, the lines are beside it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) status: Status,
    pub(super) messages: Messages,
}

impl Monitor {
    /// How it fares now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.with(|told| {
            let messages = told.messages.lines().cloned().collect();
            Status { messages, ..told.status.clone() }
        })
    }

    /// Reads or changes what is told. The lock is held for a few assignments.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Told) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
