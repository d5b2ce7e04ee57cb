//! One relay: what its clients wait for and read from, and how it stands.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::delivery::Error;
use crate::delivery::sessions::Info;
use crate::delivery::shared::files::Files;
use crate::delivery::shared::watchers::Watchers;
use crate::lifecycle::Notice;
use crate::metrics::Value;
use crate::relay::Buffer;
use crate::transcode::Monitor;

/// Relays of one channel at most: clients choose the variant of a playlist.
const VARIANTS_MAX: usize = 8;

/// Which relay: of this channel in this form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) channel: Arc<str>,
    /// Bits per second of the best variant of a playlist that is taken.
    pub(super) max_bandwidth: u64,
}

/// One relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(super) key: Key,
    pub(super) channel: Arc<Channel>,
    pub(super) buffer: Arc<Buffer>,
    pub(super) watchers: Arc<Watchers>,
    /// Written by its task.
    pub(super) state: watch::Sender<State>,
    /// Given when somebody stops it.
    pub(super) stop: Notice,
    pub(super) began: Instant,
    pub(super) idle_timeout: Duration,
    /// Bytes that its clients were given.
    pub(super) served: AtomicU64,
    pub(super) buffered: Buffered,
    /// How its FFmpeg fares, where it has one.
    pub(super) monitor: OnceLock<Arc<Monitor>>,
    /// What it writes, where that is files.
    pub(super) files: OnceLock<Arc<Files>>,
}

/// The bytes of its buffer as the metrics have them.
#[derive(Debug)]
pub(super) struct Buffered {
    value: Value,
    /// What is in the metrics. Written by whoever reads those.
    counted: AtomicU64,
}

/// How far a relay is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It opens a source and waits for a place at which a client can begin.
    Starting,
    /// Clients can begin; its own session.
    Running(Arc<Info>),
    /// It could not begin.
    Failed(Error),
    /// It is over.
    Over,
}

impl Relay {
    /// Waits until it is known whether it runs. Cancel safe.
    pub(super) async fn settled(&self) -> State {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Starting)).await;
        settled.map_or(State::Over, |state| state.clone())
    }

    /// Lets viewers of its files go who have not come back. Never ends; cancel safe.
    pub(super) async fn tend(&self) -> Infallible {
        match self.files.get() {
            Some(files) => files.tend().await,
            None => std::future::pending().await,
        }
    }

    /// How it stands now.
    pub(super) fn now(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether a client that comes now can have it.
    pub(super) fn is_open(&self) -> bool {
        let has_left = match &*self.state.borrow() {
            State::Starting => false,
            State::Running(info) => info.leave().is_given(),
            State::Failed(_) | State::Over => true,
        };
        !has_left && !self.stop.is_given() && !self.channel.retired.is_given()
    }
}

/// What a client is given whose relay would be one too many: the best variant that is not beyond what it
/// asks for, else the least.
pub(super) fn instead_of<'a>(
    relays: &'a HashMap<Key, Arc<Relay>>,
    key: &Key,
) -> Option<&'a Arc<Relay>> {
    let is_own = |relay: &&Arc<Relay>| relay.key.channel == key.channel && relay.is_open();
    let own = || relays.values().filter(is_own);
    if own().count() < VARIANTS_MAX {
        return None;
    }
    let bandwidth = |relay: &&Arc<Relay>| relay.key.max_bandwidth;
    let fits = own().filter(|relay| relay.key.max_bandwidth <= key.max_bandwidth);
    fits.max_by_key(bandwidth).or_else(|| own().min_by_key(bandwidth))
}

impl Buffered {
    pub(super) fn new(value: Value) -> Self {
        Self { value, counted: AtomicU64::new(0) }
    }

    /// The buffer has so many bytes now.
    pub(super) fn settle(&self, bytes: u64) {
        let before = self.counted.swap(bytes, Ordering::Relaxed);
        self.value.add(bytes.saturating_sub(before));
        self.value.sub(before.saturating_sub(bytes));
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.settle(0);
    }
}
