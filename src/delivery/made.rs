//! A transport stream that weir makes itself, at the speed of time. It is polled by its client's own
//! task like any upstream connection, and to the failover a source that is made is one; but it holds
//! no connection and no slot, can be had at any time, and never ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::channel::Channel;
use crate::channel::Slot;
use crate::channel::Source;
use crate::config;
use crate::delivery::Delivery;
use crate::delivery::Failure;
use crate::delivery::attempt::Origin;
use crate::delivery::attempt::Playing;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::timer::poll_until;
use crate::media::sniff::Container;
use crate::media::synth::Scene;
use drawn::Drawn;

mod drawn;
mod scene;

/// How far ahead of its time a stream is sent, so that players start at once. Nor does a client that
/// paused get more than that at a time: what it missed is left out.
const LEAD: Duration = Duration::from_millis(480);

/// An endless stream; see the module. Memory: that of what draws it.
pub(crate) struct Made {
    reel: Reel,
    timer: Pin<Box<Sleep>>,
}

/// Where its bytes come from.
enum Reel {
    /// Drawn picture by picture.
    Drawn(Box<Drawn>),
}

impl Made {
    /// A stream of this scene. Needs nothing but the processor.
    pub(crate) fn drawn(scene: &Scene) -> Self {
        let now = Instant::now();
        let reel = Reel::Drawn(Box::new(Drawn::new(scene, now)));
        Self { reel, timer: Box::pin(sleep_until(now)) }
    }

    /// A stream of what is configured; what it does not say comes from the channel.
    pub(crate) fn of(made: &config::Made, channel: &Channel) -> Self {
        Self::drawn(&scene::of(made, &channel.name))
    }

    /// What is due at `now`: whole packets. At first that begins with PAT, PMT and a random access
    /// point.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Bytes> {
        match &mut self.reel {
            Reel::Drawn(drawn) => drawn.take(now),
        }
    }

    /// When there is something to take.
    fn due(&self) -> Instant {
        match &self.reel {
            Reel::Drawn(drawn) => drawn.due(),
        }
    }

    /// The next bytes, when they are due.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            if let Some(bytes) = self.take(Instant::now()) {
                return Poll::Ready(bytes);
            }
            let due = self.due();
            ready!(poll_until(&mut self.timer, due, cx));
        }
    }
}

impl Delivery {
    /// Opens a source that is made, where a stream is wanted.
    pub(super) fn make(
        channel: &Channel,
        source: &Source,
        made: &config::Made,
        slot: Slot,
        question: &Question,
    ) -> Result<Playing, Failure> {
        if !matches!(question.want, Want::Live | Want::Anything) {
            return Err(Failure::NoStart("it is made here, as a live stream only"));
        }
        let origin = Origin::Made(Box::new(Made::of(made, channel)));
        Ok(Playing { source: source.index, slot, container: Container::MpegTs, origin })
    }
}
