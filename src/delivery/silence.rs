//! How long a source has been silent while its client was ready to take bytes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::flow::Control;

/// Measures a source's silence. Bytes only move the time from which it is measured; the timer looks
/// at it when it goes off, so a stream that flows costs one timer in each stretch of patience.
#[derive(Debug)]
pub(crate) struct Silence {
    patience: Duration,
    /// The last bytes, or the last moment at which the client was not ready.
    since: Instant,
    timer: Pin<Box<Sleep>>,
    /// How often the client has made bytes wait, when it was last looked at.
    waits_over: u32,
}

impl Silence {
    /// Begins now, and is too long after `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        let since = Instant::now();
        Self { patience, since, timer: Box::pin(sleep_until(since + patience)), waits_over: 0 }
    }

    /// The source was heard at `now`.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.since = now;
    }

    /// Resolves when the source has been silent for too long. To be polled when it has nothing.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, client: &Control) -> Poll<()> {
        let (waits, waits_over) = (client.write_waits(), client.waits_over());
        if waits || waits_over != self.waits_over {
            // It was the client who was not ready.
            self.waits_over = waits_over;
            self.since = Instant::now();
        }
        if waits {
            return Poll::Pending;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let due = self.since + self.patience;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn it_is_measured_from_the_last_bytes() {
        let client = Control::new(PATIENCE);
        let mut silence = Silence::new(PATIENCE);
        let started = Instant::now();
        for _ in 0..7 {
            let waiting = poll_fn(|cx| silence.poll(cx, &client));
            assert!(tokio::time::timeout(PATIENCE / 2, waiting).await.is_err());
            silence.heard(Instant::now());
        }
        poll_fn(|cx| silence.poll(cx, &client)).await;
        assert_eq!(started.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_bytes_is_no_silence_of_its_source() {
        let client = Control::new(PATIENCE);
        let mut silence = Silence::new(PATIENCE);
        client.set_write_waits(true);
        let waiting = poll_fn(|cx| silence.poll(cx, &client));
        assert!(tokio::time::timeout(PATIENCE * 3, waiting).await.is_err());
        client.set_write_waits(false);
        let ready = Instant::now();
        poll_fn(|cx| silence.poll(cx, &client)).await;
        assert_eq!(ready.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
