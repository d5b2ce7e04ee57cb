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
use crate::media::synth::Synth;
use drawn::Drawn;
use looped::Looped;

pub(crate) use clips::Clips;
pub(crate) use looped::Clip;
pub(crate) use wanted::Wanted;

mod clips;
mod drawn;
mod folder;
mod looped;
mod render;
mod scene;
mod wanted;

/// The time of one picture that is drawn.
const PICTURE: Duration = Duration::from_millis(1000 / Synth::FRAMES_PER_SECOND);

/// How far ahead of its time a stream is sent, so that players start at once. Nor does a client that
/// paused get more than that at a time: what it missed is left out.
const LEAD: Duration = Duration::from_millis(480);

/// How long an image is waited for: players give up after five seconds without bytes.
const IMAGE_PATIENCE: Duration = Duration::from_secs(3);

/// An endless stream; see the module. Memory: that of what draws it.
pub(crate) struct Made {
    reel: Reel,
    timer: Pin<Box<Sleep>>,
}

/// Where its bytes come from.
enum Reel {
    /// Drawn picture by picture.
    Drawn(Box<Drawn>),
    /// A clip over and over.
    Looped(Box<Looped>),
}

impl Made {
    /// A stream of this scene. Needs nothing but the processor.
    pub(crate) fn drawn(scene: &Scene) -> Self {
        let now = Instant::now();
        let reel = Reel::Drawn(Box::new(Drawn::new(scene, now)));
        Self { reel, timer: Box::pin(sleep_until(now)) }
    }

    /// A stream of what is configured, from a clip where one is at hand; what is not said comes from the
    /// channel.
    pub(crate) fn of(made: &config::Made, channel: &Channel, clips: &Clips) -> Self {
        let clip = Wanted::of(made, &channel.name).and_then(|wanted| clips.get(&wanted));
        clip.map_or_else(|| Self::drawn(&scene::of(made, &channel.name)), Self::looped)
    }

    /// A stream of a clip.
    pub(crate) fn looped(clip: Clip) -> Self {
        let now = Instant::now();
        let reel = Reel::Looped(Box::new(Looped::new(clip, now)));
        Self { reel, timer: Box::pin(sleep_until(now)) }
    }

    /// What is due at `now`: whole packets. At first that begins with PAT, PMT and a random access
    /// point.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Bytes> {
        match &mut self.reel {
            Reel::Drawn(drawn) => drawn.take(now),
            Reel::Looped(looped) => looped.take(now),
        }
    }

    /// When there is something to take.
    fn due(&self) -> Instant {
        match &self.reel {
            Reel::Drawn(drawn) => drawn.due(),
            Reel::Looped(looped) => looped.due(),
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
    /// Opens a source that is made, where a stream is wanted. An image is waited for while it is rendered,
    /// a text is not: the built-in picture can show it. Cancel safe.
    pub(super) async fn make(
        &self,
        channel: &Channel,
        source: &Source,
        made: &config::Made,
        slot: Slot,
        question: &Question,
    ) -> Result<Playing, Failure> {
        if !matches!(question.want, Want::Live | Want::Anything) {
            return Err(Failure::NoStart("it is made here, as a live stream only"));
        }
        if let Some(image @ Wanted::Image { .. }) = Wanted::of(made, &channel.name) {
            self.clips.wait(&image, IMAGE_PATIENCE).await;
        }
        let origin = Origin::Made(Box::new(Made::of(made, channel, &self.clips)));
        Ok(Playing { source: source.index, slot, container: Container::MpegTs, origin })
    }
}
