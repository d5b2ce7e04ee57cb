//! How long a source has been silent while its client was ready to take bytes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::flow::Control;

/// What a silence has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Longer than this source's pauses usually are.
    Quiet,
    /// Too long.
    Stalled,
}

/// Measures a source's silence. Bytes only move the time from which it is measured; the timer looks
/// at it when it goes off, so a stream that flows costs one timer in each stretch of patience.
#[derive(Debug)]
pub(crate) struct Silence {
    /// After so long a source is quiet; `None`: never.
    hedge_after: Option<Duration>,
    stall_timeout: Duration,
    /// The longest pause of late: a source that sends in bursts is not quiet between two of them.
    usual: Duration,
    /// The last bytes, or the last moment at which the client was not ready.
    since: Instant,
    /// What was said of this silence.
    said: Option<Step>,
    timer: Pin<Box<Sleep>>,
    /// How often the client has made bytes wait, when it was last looked at.
    waits_over: u32,
}

impl Silence {
    /// Begins now; too long after `stall_timeout`.
    pub(crate) fn new(hedge_after: Option<Duration>, stall_timeout: Duration) -> Self {
        let since = Instant::now();
        let first = hedge_after.unwrap_or(stall_timeout).min(stall_timeout);
        Self {
            hedge_after,
            stall_timeout,
            usual: Duration::ZERO,
            since,
            said: None,
            timer: Box::pin(sleep_until(since + first)),
            waits_over: 0,
        }
    }

    /// The source was heard at `now`. Tells what had been said of its silence.
    pub(crate) fn heard(&mut self, now: Instant) -> Option<Step> {
        let pause = now.saturating_duration_since(self.since);
        // Falls by an eighth with each pause, so that one hiccup is forgotten soon.
        self.usual = pause.max(self.usual - self.usual / 8);
        self.since = now;
        self.said.take()
    }

    /// Whether nothing was said of its silence, if it is silent at all.
    pub(crate) fn is_heard(&self) -> bool {
        self.said.is_none()
    }

    /// Begins anew with another source.
    pub(crate) fn restart(&mut self) {
        self.usual = Duration::ZERO;
        self.since = Instant::now();
        self.said = None;
    }

    /// Resolves when the source has been silent for too long, once for each step. To be polled when
    /// it has nothing.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, client: &Control) -> Poll<Step> {
        let (waits, waits_over) = (client.write_waits(), client.waits_over());
        if waits || waits_over != self.waits_over {
            // It was the client who was not ready.
            self.waits_over = waits_over;
            self.since = Instant::now();
        }
        if waits {
            return Poll::Pending;
        }
        let Some((step, patience)) = self.next() else {
            return Poll::Pending;
        };
        let due = self.since + patience;
        if due < self.timer.deadline() {
            // The steps were further apart, as another source's pauses were longer.
            self.timer.as_mut().reset(due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                self.said = Some(step);
                return Poll::Ready(step);
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// What comes next of this silence, and how long after its beginning.
    fn next(&self) -> Option<(Step, Duration)> {
        let stalled = (Step::Stalled, self.stall_timeout);
        match self.said {
            None => {
                let quiet = self.hedge_after.map(|after| after.max(self.usual + self.usual / 2));
                let quiet = quiet.filter(|after| *after < self.stall_timeout);
                Some(quiet.map_or(stalled, |after| (Step::Quiet, after)))
            }
            Some(Step::Quiet) => Some(stalled),
            Some(Step::Stalled) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);
    const HEDGE: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn it_is_measured_from_the_last_bytes() {
        let client = Control::new(PATIENCE);
        let mut silence = Silence::new(None, PATIENCE);
        let started = Instant::now();
        for _ in 0..7 {
            let waiting = poll_fn(|cx| silence.poll(cx, &client));
            assert!(tokio::time::timeout(PATIENCE / 2, waiting).await.is_err());
            assert_eq!(silence.heard(Instant::now()), None);
        }
        assert_eq!(poll_fn(|cx| silence.poll(cx, &client)).await, Step::Stalled);
        assert_eq!(started.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_bytes_is_no_silence_of_its_source() {
        let client = Control::new(PATIENCE);
        let mut silence = Silence::new(None, PATIENCE);
        client.set_write_waits(true);
        let waiting = poll_fn(|cx| silence.poll(cx, &client));
        assert!(tokio::time::timeout(PATIENCE * 3, waiting).await.is_err());
        client.set_write_waits(false);
        let ready = Instant::now();
        poll_fn(|cx| silence.poll(cx, &client)).await;
        assert_eq!(ready.elapsed().as_secs(), PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_first_and_stalled_later_and_each_is_said_once() {
        let client = Control::new(PATIENCE);
        let mut silence = Silence::new(Some(HEDGE), PATIENCE);
        let started = Instant::now();
        assert_eq!(poll_fn(|cx| silence.poll(cx, &client)).await, Step::Quiet);
        assert_eq!(started.elapsed(), HEDGE);
        assert_eq!(poll_fn(|cx| silence.poll(cx, &client)).await, Step::Stalled);
        assert_eq!(started.elapsed(), PATIENCE);
        let more = poll_fn(|cx| silence.poll(cx, &client));
        assert!(tokio::time::timeout(PATIENCE * 3, more).await.is_err());
        assert_eq!(silence.heard(Instant::now()), Some(Step::Stalled));
        silence.restart();
        assert_eq!(poll_fn(|cx| silence.poll(cx, &client)).await, Step::Quiet);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_sends_in_bursts_is_not_quiet_between_two_of_them() {
        let client = Control::new(PATIENCE);
        let mut silence = Silence::new(Some(HEDGE), PATIENCE);
        let burst = HEDGE * 2;
        assert_eq!(poll_fn(|cx| silence.poll(cx, &client)).await, Step::Quiet);
        for _ in 0..20 {
            sleep_until(silence.since + burst).await;
            silence.heard(Instant::now());
            let waiting = poll_fn(|cx| silence.poll(cx, &client));
            assert!(tokio::time::timeout(burst, waiting).await.is_err());
        }
        // A source that has become steady is judged as one again.
        for _ in 0..40 {
            tokio::time::sleep(HEDGE / 10).await;
            silence.heard(Instant::now());
        }
        let heard = Instant::now();
        assert_eq!(poll_fn(|cx| silence.poll(cx, &client)).await, Step::Quiet);
        assert_eq!(heard.elapsed(), HEDGE);
    }
}
