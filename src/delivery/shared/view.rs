//! Relays as others see and steer them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::channel::Channel;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Form;
use crate::delivery::attempt::Question;
use crate::delivery::remuxing;
use crate::delivery::sessions::Info;
use crate::delivery::shared::relay::Relay;
use crate::delivery::shared::relay::State;
use crate::delivery::viewer::Viewer;
use crate::relay::Level;
use crate::transcode;

/// One relay at one moment.
#[derive(Debug)]
pub struct View {
    /// Its channel.
    pub channel: Arc<Channel>,
    /// Bits per second of the best variant of a playlist that it takes; `None`: the best there is.
    pub max_bandwidth: Option<u64>,
    /// Its own session; `None` while it starts.
    pub info: Option<Arc<Info>>,
    /// Bytes read from its sources.
    pub bytes: u64,
    /// Bytes that its clients were given, those that have gone included.
    pub served: u64,
    /// How long it has run, its start included.
    pub age: Duration,
    /// What its buffer holds.
    pub level: Level,
    /// Clients now, at the same time at most, and at all; those that wait for it to begin included.
    pub clients: (usize, usize, u64),
    /// Since when nobody watches it.
    pub idle: Option<Duration>,
    /// How its FFmpeg fares, where it has one.
    pub process: Option<transcode::Status>,
    /// How the conversion of its sound fares, where weir itself converts it.
    pub remux: Option<remuxing::Status>,
}

/// What has come of starting a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs now.
    Now,
    /// It ran already.
    Before,
}

impl Delivery {
    /// Relays that start or run, by channel.
    #[must_use]
    pub fn relays(&self) -> Vec<View> {
        let mut relays: Vec<_> = self.shared.relays().values().cloned().collect();
        relays.sort_by(|one, other| {
            (&one.channel.id, one.began).cmp(&(&other.channel.id, other.began))
        });
        relays.iter().map(|relay| relay.view()).collect()
    }

    /// Brings the figures of what runs up to date; to be called before metrics are read.
    pub fn settle(&self) {
        self.sessions.settle_all();
        for relay in self.shared.relays().values() {
            relay.buffered.settle(relay.buffer.level().bytes as u64);
        }
    }

    /// Begins the relay of a channel without a client, as one that comes would. It ends as any other that
    /// nobody watches. Cancel safe: it begins all the same.
    ///
    /// # Errors
    /// Why no source can be played.
    pub async fn start_relay(
        &self,
        channel: &Arc<Channel>,
        config: &Arc<Config>,
    ) -> Result<Started, Error> {
        let form = Form::Ts { max_bandwidth: u64::MAX };
        let question =
            || Question { is_shared: true, ..Question::live(form, config, Viewer::Operator) };
        let (relay, _watching) = self.enter(channel, u64::MAX, Viewer::Operator, question);
        if matches!(relay.now(), State::Running(_)) {
            return Ok(Started::Before);
        }
        match relay.settled().await {
            State::Running(_) => Ok(Started::Now),
            State::Failed(error) => Err(error),
            State::Starting | State::Over => Err(Error::Exhausted(Vec::new())),
        }
    }

    /// Ends the relays of the channel with this id; the streams of their clients end in good order. How
    /// many relays and clients that were.
    pub fn stop_relays(&self, channel: &str) -> (usize, usize) {
        let relays: Vec<_> = self.shared.relays().values().cloned().collect();
        let of_channel = relays.iter().filter(|relay| *relay.channel.id == *channel);
        of_channel.fold((0, 0), |(count, clients), relay| {
            relay.stop.give();
            (count + 1, clients + relay.watchers.counts().0)
        })
    }
}

impl Relay {
    fn view(&self) -> View {
        let info = match self.now() {
            State::Running(info) => Some(info),
            State::Starting | State::Failed(_) | State::Over => None,
        };
        View {
            channel: Arc::clone(&self.channel),
            max_bandwidth: Some(self.key.max_bandwidth).filter(|max| *max != u64::MAX),
            bytes: info.as_ref().map_or(0, |info| info.received()),
            remux: info.as_ref().and_then(|info| info.remux()),
            served: self.served.load(Ordering::Relaxed),
            info,
            age: self.began.elapsed(),
            level: self.buffer.level(),
            clients: self.watchers.counts(),
            idle: self.watchers.none_since().map(|since| since.elapsed()),
            process: self.monitor.get().map(|monitor| monitor.status()),
        }
    }
}
