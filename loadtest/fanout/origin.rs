//! The stream, live on one connection and as segments of a playlist.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock;
use crate::failover::Start;
use crate::failover::source::Source as Live;
use crate::failover::source::media::Media;
use crate::hls::channel::Channel;
use crate::hls::channel::FIRST;
use crate::hls::channel::TARGET;
use crate::hls::source::Source as Segments;

use super::BITS;

/// What the live stream is written in: four times seven packets, as an encoder's datagrams have.
const PIECE: usize = 4 * 1316;

/// Where the live stream is.
pub(crate) const LIVE: &str = "/live/0";

/// The running origin; it runs until the program ends.
pub(crate) struct Origin {
    pub(crate) live: Live,
    pub(crate) segments: Segments,
    /// When picture 0 came to be in the live stream and in the segments, in nanoseconds of the monotonic
    /// clock. That of the segments may be from before the machine was started.
    began: (i64, i64),
    /// Its clock, in ticks of 90 kHz.
    clock: u64,
}

impl Origin {
    pub(crate) fn start() -> io::Result<Self> {
        let media = || media(BITS);
        let clock = media().begin().ticks();
        let live = Live::start(media(), Start::Group)?;
        let channel = Channel::of(media());
        let since = channel.published(FIRST).elapsed().as_nanos() as i64;
        // A segment is published when its last picture is over.
        let first = clock::now() as i64 - since - (FIRST + 1) as i64 * TARGET.as_nanos() as i64;
        let segments = Segments::start(Arc::new(channel), Duration::ZERO)?;
        let began = (live.began as i64, first);
        Ok(Self { live, segments, began, clock })
    }

    /// How old a picture with this PCR base is at `now`, in milliseconds.
    pub(crate) fn age(&self, of_segments: bool, clock: u64, now: u64) -> f64 {
        let began = if of_segments { self.began.1 } else { self.began.0 };
        let ticks = clock.wrapping_sub(self.clock) & ((1 << 33) - 1);
        (now as i64 - began) as f64 / 1e6 - ticks as f64 / 90.0
    }

    /// Connections that it has been asked on since this was last called.
    pub(crate) fn take_connections(&self) -> u64 {
        let segments = self.segments.tally.connections.swap(0, Ordering::Relaxed);
        self.live.take_book().opened.len() as u64 + segments
    }

    /// CPU seconds so far.
    pub(crate) fn cpu(&self) -> f64 {
        self.live.thread.cpu() + self.segments.thread.cpu()
    }
}

/// A television channel of so many bits a second with a random access point each second.
pub(crate) fn media(bits: u64) -> Media {
    let mut media = Media::new(0).padded(bits);
    media.piece = PIECE;
    media
}
