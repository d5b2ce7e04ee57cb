//! A generated channel at the speed of time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::media::synth::Synth;

/// The time of one picture.
const PICTURE: Duration = Duration::from_millis(1000 / Synth::FRAMES_PER_SECOND);

/// Pictures sent at once at the start, as a receiver's buffer does: players begin the sooner.
const AHEAD: u32 = 12;

/// Pictures made in one go when the client has fallen behind; beyond that the clock waits for it.
const CATCH_UP: u32 = 25;

/// An endless transport stream; ends only when `off` is cancelled.
pub struct LiveBody {
    synth: Synth,
    /// When the next picture is due.
    due: Instant,
    timer: Pin<Box<Sleep>>,
    off: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl LiveBody {
    pub(super) fn new(synth: Synth, off: CancellationToken) -> Self {
        let due = Instant::now();
        let due = due.checked_sub(PICTURE * AHEAD).unwrap_or(due);
        Self { synth, due, timer: Box::pin(sleep_until(due)), off: Box::pin(off.cancelled_owned()) }
    }
}

impl Body for LiveBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let me = &mut *self;
        if me.off.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        ready!(me.timer.as_mut().poll(cx));
        let now = Instant::now();
        let mut packets = Vec::with_capacity(16 * 1024);
        let mut made = 0;
        while me.due <= now && made < CATCH_UP {
            me.synth.next_picture(&mut packets);
            me.due += PICTURE;
            made += 1;
        }
        me.due = me.due.max(now.checked_sub(PICTURE * CATCH_UP).unwrap_or(now));
        me.timer.as_mut().reset(me.due);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(packets)))))
    }
}
