//! FFmpeg between a relay's feed and its buffer, where the channel's profile asks for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::media::ts::join::Chain;
use crate::transcode::Cause;
use crate::transcode::End;
use crate::transcode::Monitor;
use crate::transcode::Output;
use crate::transcode::Transcode;

/// Frames on their way to FFmpeg, and what has come of it: each of 64 KiB, or what one read of a source
/// gave.
const QUEUE: usize = 16;

/// Processes that may fail before clients who wait for the first picture are told that there is none. One
/// that has taken all its time is enough.
const FAILURES_MAX: u64 = 2;

/// One channel's FFmpeg. What follows a restart is joined to what came before it, so that clients have one
/// stream. Dropping it ends the process.
pub(super) struct Converter {
    /// Until it has ended; what it has made by then may still be to come.
    run: Result<Pin<Box<dyn Future<Output = End> + Send>>, End>,
    /// `None`: the source is over.
    input: Option<PollSender<Bytes>>,
    output: mpsc::Receiver<Output>,
    chain: Chain,
    monitor: Arc<Monitor>,
}

/// What came of it.
pub(super) enum Made {
    /// Bytes were appended, or may have been.
    Some,
    /// It has ended; nothing more will come.
    End(End),
}

impl Converter {
    pub(super) fn begin(transcode: Transcode) -> Self {
        let monitor = transcode.monitor();
        let (input, receiver) = mpsc::channel(QUEUE);
        let (sender, output) = mpsc::channel(QUEUE);
        let run = transcode.run(receiver, sender);
        Self {
            run: Ok(Box::pin(run)),
            input: Some(PollSender::new(input)),
            output,
            chain: Chain::new(),
            monitor,
        }
    }

    /// How it fares.
    pub(super) fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    /// Ready when it takes more of the source.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.input {
            // Where nobody takes it any more, the end is on its way.
            Some(input) => input.poll_reserve(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }

    /// Gives it bytes of the source, once it is ready.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if let Some(input) = &mut self.input {
            // It fails where nobody takes it any more.
            _ = input.send_item(bytes);
        }
    }

    /// The source is over: what is made of the rest of it will still come.
    pub(super) fn finish(&mut self) {
        self.input = None;
    }

    /// Appends what came of it.
    pub(super) fn poll_made(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Made> {
        if let Ok(run) = &mut self.run
            && let Poll::Ready(end) = run.as_mut().poll(cx)
        {
            self.run = Err(end);
        }
        match self.output.poll_recv(cx) {
            Poll::Ready(Some(Output::Begins)) => self.chain.begin(true, out),
            Poll::Ready(Some(Output::Bytes(bytes))) => self.chain.push(&bytes, out),
            Poll::Ready(None) | Poll::Pending => {
                let Err(end) = &self.run else { return Poll::Pending };
                let end = end.clone();
                self.chain.end(out);
                return Poll::Ready(Made::End(end));
            }
        }
        Poll::Ready(Made::Some)
    }

    /// Why a client that waits for the first picture need not wait any longer.
    pub(super) fn is_hopeless(&self) -> Option<String> {
        let status = self.monitor.status();
        // The last process may still do what the ones before it did not.
        let failures = status.starts.saturating_sub(u64::from(status.pid.is_some()));
        let is_enough = |cause: &Cause| failures >= FAILURES_MAX || *cause == Cause::StartTimeout;
        let cause = status.last_exit.filter(is_enough)?;
        let said = status.messages.last().map(|line| format!(": {line}")).unwrap_or_default();
        Some(format!("FFmpeg failed: {cause}{said}"))
    }
}
