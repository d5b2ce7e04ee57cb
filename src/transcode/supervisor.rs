//! Keeps one process running for a channel: starts it, starts it again after a pause when it fails, and
//! gives up when it fails too often. It ends with its input, or when nobody takes its output.

use std::fmt;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::ffmpeg::Arguments;
use crate::ffmpeg::Hardware;
use crate::metrics::FfmpegFigures;
use crate::transcode::Cause;
use crate::transcode::Output;
use crate::transcode::State;
use crate::transcode::Transcode;
use budget::Budget;
use process::Fate;

mod budget;
mod exit;
mod process;

/// Why there is no FFmpeg any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its input ended, and what it made of it has been handed over.
    Input,
    /// Nobody takes its output.
    Output,
    /// It failed too often.
    GivenUp {
        /// How it failed last.
        cause: Cause,
        /// How often in a row.
        failures: u32,
        /// What it said last; empty if nothing.
        message: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("the input ended"),
            Self::Output => f.write_str("nobody takes the output"),
            Self::GivenUp { cause, failures, message } => {
                let times = if *failures == 1 { "time" } else { "times" };
                write!(f, "FFmpeg failed {failures} {times} in a row: {cause}")?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
        }
    }
}

/// What one channel's processes are run with and told to.
struct Course<'a> {
    transcode: &'a Transcode,
    /// As they are used: perhaps without hardware.
    arguments: Arguments,
    figures: &'a FfmpegFigures,
    input: mpsc::Receiver<Bytes>,
    output: mpsc::Sender<Output>,
}

impl Transcode {
    /// Runs FFmpeg: what comes from `input` (a transport stream, cut anywhere) is fed to it, what it
    /// writes goes to `output` in whole packets. HLS goes to [`Transcode::folder`] instead; then
    /// `output` is only told that a process begins.
    ///
    /// While FFmpeg reads nothing, input waits; while nobody takes its output, FFmpeg waits; neither
    /// makes the other wait beyond what FFmpeg's own pipes do. Between two processes input is thrown
    /// away, so that a live source goes on. Memory: one read of 64 KiB, besides what the two queues
    /// hold. When the future is dropped, the process is killed with all that it has started.
    pub async fn run(self, input: mpsc::Receiver<Bytes>, output: mpsc::Sender<Output>) -> End {
        let arguments = self.working_arguments().await;
        let figures = self.transcoder.0.metrics.ffmpeg(&self.channel);
        let mut course = Course { transcode: &self, arguments, figures: &figures, input, output };
        let mut budget = Budget::new(self.limits.restarts);
        let end = loop {
            let began = Instant::now();
            let cause = match course.process().await {
                Fate::InputEnded => break End::Input,
                Fate::OutputClosed => break End::Output,
                Fate::Failed(cause) => cause,
            };
            let message = self.monitor.with(|told| told.messages.last().to_owned());
            let pause = budget.failed(began.elapsed()).filter(|_| cause != Cause::Missing);
            let Some(pause) = pause else {
                let end = End::GivenUp { cause, failures: budget.failures(), message };
                tracing::error!(channel = self.channel, "{end}; given up");
                break end;
            };
            tracing::warn!(
                channel = self.channel,
                cause = cause.word(),
                said = message,
                "FFmpeg failed: {cause}; starting it again after {} s",
                pause.as_secs()
            );
            self.monitor.with(|told| told.status.state = State::Waiting);
            tokio::select! {
                biased;
                end = course.throw_away() => break end,
                () = sleep(pause) => {}
            }
        };
        self.monitor.with(|told| told.status.state = State::Ended);
        end
    }

    /// The arguments, without hardware where what they need does not work.
    async fn working_arguments(&self) -> Arguments {
        for hardware in self.arguments.hardware() {
            let trial = self.transcoder.trial(hardware).await;
            if trial.works {
                continue;
            }
            if let Some(software) = self.arguments.software() {
                self.say_software(hardware, &trial.message, &software.what);
                return software.arguments;
            }
        }
        self.arguments.clone()
    }

    fn say_software(&self, hardware: Hardware, message: &str, what: &str) {
        self.monitor.with(|told| told.status.software = Some(what.to_owned()));
        tracing::warn!(
            channel = self.channel,
            said = message,
            "{hardware} does not work here, so FFmpeg runs in software: {what}"
        );
    }
}

impl Course<'_> {
    /// Takes input and forgets it, until there is none any more or nobody takes what would come of it.
    async fn throw_away(&mut self) -> End {
        loop {
            tokio::select! {
                biased;
                () = self.output.closed() => return End::Output,
                bytes = self.input.recv() => if bytes.is_none() { return End::Input },
            }
        }
    }
}
