//! A session as others see it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::time::Instant;

use crate::channel::Budget;
use crate::channel::Channel;
use crate::channel::Lease;
use crate::delivery::Viewer;
use crate::delivery::desk::Desk;
use crate::delivery::remuxing;
use crate::delivery::remuxing::Ledger;
use crate::delivery::shared::Watchers;
use crate::lifecycle::Notice;
use crate::relay::Cursor;

/// What the client of a session is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// A source.
    Source,
    /// A slate, as no source plays.
    Slate,
    /// What somebody wants to be shown.
    Override,
}

/// A session as others see it.
#[derive(Debug)]
pub struct Info {
    /// Counted from 1 since the program started.
    pub id: u64,
    /// The channel.
    pub channel: Arc<Channel>,
    /// The source that is being played. Written by the session.
    pub(super) source: AtomicUsize,
    /// How often the session has gone over to another connection. Written by the session.
    pub(super) switches: AtomicU32,
    /// A [`Shows`] as a number. Written by the session.
    pub(super) shows: AtomicU8,
    /// How its bytes move: `spliced`, `watched`, `framed`, `continuous` or `made`; `remuxed` where the sound of
    /// a client of its own is converted, `shared` where a relay gives them.
    pub way: &'static str,
    /// Who watches; `None`: it is a relay.
    pub client: Option<IpAddr>,
    /// What the client calls itself, 200 characters of it at most.
    pub user_agent: Option<Box<str>>,
    /// Since when.
    pub started: Instant,
    /// Body bytes handed to the client so far. Written by the session, read by whoever asks.
    pub bytes: AtomicU64,
    /// Bytes read from sources, where these are converted before they are handed on. Written by the session.
    pub(super) received: AtomicU64,
    /// How many of both are in the metrics. Written under the lock of the running sessions.
    pub(super) counted: AtomicU64,
    pub(super) counted_in: AtomicU64,
    /// What is known of the conversion of its sound, where that is converted.
    pub(super) remux: OnceLock<Arc<Ledger>>,
    /// Who asked.
    pub(super) viewer: Option<Viewer>,
    pub(super) role: Role,
    /// The slot of the connection that is being played. Guards one word; written by the session.
    pub(super) lease: Mutex<Option<Arc<Lease>>>,
    /// Given when its viewer has gone on to something else; with the channel's, when a reload takes
    /// it away.
    pub(super) leave: Notice,
    /// Where it is told to go over to another source; `None` for what has only one place.
    pub(super) desk: Option<Arc<Desk>>,
}

impl Info {
    /// The source that is being played, or was last.
    #[must_use]
    pub fn source(&self) -> usize {
        self.feeder().source.load(Ordering::Relaxed)
    }

    /// The source that is being played; `None` while none is.
    #[must_use]
    pub fn playing(&self) -> Option<usize> {
        (self.shows() == Shows::Source).then(|| self.source())
    }

    /// Bytes read from its sources.
    #[must_use]
    pub fn received(&self) -> u64 {
        let bytes = if self.remux.get().is_some() { &self.received } else { &self.bytes };
        bytes.load(Ordering::Relaxed)
    }

    /// How the conversion of its sound fares, where it is converted for this session itself.
    #[must_use]
    pub fn remux(&self) -> Option<remuxing::Status> {
        self.remux.get().map(|ledger| ledger.status())
    }

    /// What its client is shown.
    #[must_use]
    pub fn shows(&self) -> Shows {
        match self.feeder().shows.load(Ordering::Relaxed) {
            shows if shows == Shows::Slate as u8 => Shows::Slate,
            shows if shows == Shows::Override as u8 => Shows::Override,
            _ => Shows::Source,
        }
    }

    /// How often it has gone over to another connection.
    #[must_use]
    pub fn switches(&self) -> u32 {
        self.feeder().switches.load(Ordering::Relaxed)
    }

    /// Where it is told to go over to another source; clients of a relay have one in common. `None`: it
    /// cannot.
    #[must_use]
    pub fn desk(&self) -> Option<&Arc<Desk>> {
        self.feeder().desk.as_ref()
    }

    /// Where it is in a relay's buffer, if that is where it gets its bytes.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        match &self.role {
            Role::Fed { cursor, .. } => Some(cursor),
            Role::Alone | Role::Relay(_) => None,
        }
    }

    /// Whether `relay` gives it its bytes.
    #[must_use]
    pub fn is_fed_by(&self, relay: &Self) -> bool {
        matches!(self.role, Role::Fed { .. }) && self.feeder().id == relay.id
    }

    /// Who reads from the sources: the session itself, or its relay.
    pub(super) fn feeder(&self) -> &Self {
        match &self.role {
            Role::Fed { relay, .. } => relay,
            Role::Alone | Role::Relay(_) => self,
        }
    }

    /// For logs.
    pub(crate) fn shown_client(&self) -> Option<tracing::field::DisplayValue<IpAddr>> {
        self.client.map(tracing::field::display)
    }

    pub(super) fn is_relay(&self) -> bool {
        matches!(self.role, Role::Relay(_))
    }

    /// Whether nobody would miss it, or nobody but `viewer`.
    pub(super) fn is_left_to(&self, viewer: Option<&Viewer>) -> bool {
        match &self.role {
            Role::Relay(watchers) => watchers.are_all(viewer),
            Role::Alone => viewer.is_some() && self.viewer.as_ref() == viewer,
            Role::Fed { .. } => false,
        }
    }

    /// Tells it to leave, unless somebody has come meanwhile who would miss it.
    pub(super) fn dismiss(&self, viewer: Option<&Viewer>) -> bool {
        if let Role::Relay(watchers) = &self.role {
            return watchers.dismiss(viewer, &self.leave);
        }
        self.leave.give();
        true
    }

    /// It holds this slot now: that of its active, or, without one, of its standby. `None` also where
    /// others share it.
    pub(crate) fn holds(&self, lease: Option<Arc<Lease>>) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    /// Given when the session must end.
    pub(crate) fn leave(&self) -> &Notice {
        &self.leave
    }

    /// It plays from this source now.
    pub(crate) fn plays(&self, source: usize) -> usize {
        self.source.swap(source, Ordering::Relaxed)
    }

    /// Its slot, if it is one of `budget`'s.
    pub(super) fn lease_of(&self, budget: &Arc<Budget>) -> Option<Arc<Lease>> {
        let lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.clone().filter(|lease| lease.is_of(budget))
    }
}

/// What a session is to others.
#[derive(Debug)]
pub(crate) enum Role {
    /// A client with upstream connections of its own.
    Alone,
    /// A client that a relay gives its bytes.
    Fed {
        /// The relay's own session.
        relay: Arc<Info>,
        /// Where the client is in its buffer.
        cursor: Arc<Cursor>,
    },
    /// The source side of a relay, which these watch.
    Relay(Arc<Watchers>),
}
