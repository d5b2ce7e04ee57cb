//! Sound that is converted on its way from a feed to a client or to a relay, where the channel's profile asks
//! for it: one remux for each session with sources of its own, so one for all clients of a shared channel.
//!
//! feed -> `converted` -> client or relay. What moves to a thread of the `pool` and back is the remux itself
//! with a batch of bytes (`conversion`); `account` says what comes of it. The stream that follows a failover
//! goes through the same remux.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::channel::Channel;
use crate::config;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::cut::Cut;
use crate::delivery::feed::Feed;
use crate::delivery::sessions::Session;
use crate::metrics::Metrics;
use crate::remux::Codecs;
use crate::remux::codec::BuiltIn;
use crate::remux::codec::Coding;
use account::Account;
use conversion::Batch;
use conversion::Conversion;
use pool::Pool;

mod account;
mod conversion;
mod converted;
mod direct;
mod options;
mod pool;

pub use account::Ledger;
pub use account::Status;
pub(crate) use converted::Converted;
pub(crate) use direct::Begun;

/// Channels of which it is remembered that something has been said.
const SAID_MAX: usize = 4096;

/// What all conversions have in common. One for the program.
#[derive(Debug)]
pub(super) struct Remuxing {
    pool: Pool<Batch>,
    codecs: Arc<dyn Codecs>,
    /// Channels of which it was said that their sound is left as it is. Guards the set; held to look.
    said: Mutex<HashSet<Arc<str>>>,
}

/// What a client or a relay reads.
pub(crate) enum Stream {
    /// A feed.
    Plain(Box<Feed>),
    /// A feed whose sound is converted.
    Converted(Box<Converted>),
}

impl Remuxing {
    /// Nothing is converted, and no thread runs.
    pub(super) fn new() -> Self {
        Self { pool: Pool::new(), codecs: Arc::new(BuiltIn), said: Mutex::default() }
    }

    /// What converts the sound of `session`.
    fn begin(&self, audio: &config::Audio, session: &Session, metrics: &Metrics) -> Conversion {
        let (info, options) = (session.info(), options::of(audio));
        let figures = metrics.remux(&info.channel.id, Coding::ALL.map(Coding::label));
        let named = (Arc::clone(&info.channel.id), info.id);
        let account = Account::new(named, options.bitrate, figures, session.converts());
        Conversion::new(self.pool.seat(), account, options, Arc::clone(&self.codecs))
    }
}

impl Delivery {
    /// What is read of `feed`: its sound is converted where the channel's profile asks for it.
    pub(super) fn heard(&self, feed: Feed, session: &Session) -> Stream {
        let channel = &session.info().channel;
        let Some(audio) = asked(&channel.profile) else {
            return Stream::Plain(Box::new(feed));
        };
        let conversion = self.remuxing.begin(audio, session, &self.metrics);
        let patience = feed.patience();
        Stream::Converted(Box::new(Converted::new(feed, conversion, patience, channel)))
    }

    /// Says, once, that `what` of a channel is passed with the sound that it has, although its profile asks for
    /// another one.
    pub(super) fn leaves_sound(&self, channel: &Channel, what: &'static str) {
        if asked(&channel.profile).is_none() {
            return;
        }
        let mut said = self.remuxing.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = said.len() < SAID_MAX && said.insert(Arc::clone(&channel.id));
        drop(said);
        if is_new {
            let (channel, profile) = (&channel.id, &channel.profile.name);
            tracing::info!(%channel, profile, "its sound is passed as it is: {what}");
        }
    }
}

/// What a profile asks of weir itself: FFmpeg does what it is told.
pub(super) fn asked(profile: &config::Profile) -> Option<&config::Audio> {
    profile.audio.as_ref().filter(|_| profile.ffmpeg.is_none())
}

impl Stream {
    /// The next bytes, as [`Feed::poll_next`].
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        match self {
            Self::Plain(feed) => feed.poll_next(cx, session),
            Self::Converted(converted) => converted.poll_next(cx, session),
        }
    }

    /// As [`Feed::give_up`].
    pub(crate) fn give_up(&mut self, session: &mut Session) -> bool {
        match self {
            Self::Plain(feed) => feed.give_up(session),
            Self::Converted(converted) => converted.give_up(session),
        }
    }

    /// Why there is an end although nothing has been given, where that is known.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        match self {
            Self::Plain(_) => None,
            Self::Converted(converted) => converted.failure(),
        }
    }
}
