//! Who watches what: every session from its first answer to its one closing log line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::channel::Budget;
use crate::channel::Channel;
use crate::channel::Lease;
use crate::channel::Slot;
use crate::delivery::Viewer;
use crate::delivery::desk::Desk;
use crate::delivery::failover::Reason;
use crate::delivery::line::Line;
use crate::delivery::shared::Watchers;
use crate::flow::Control;
use crate::lifecycle::Notice;
use crate::media::ts::join::Seam;
use crate::media::ts::watch::Errors;
use crate::metrics::Direction;
use crate::metrics::Metrics;
use crate::metrics::Presence;
use crate::relay::Cursor;

/// How a session ended. The words are the values of the metric's `end` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed or reset its connection.
    ClientClosed,
    /// The client took no byte for `client_timeout`.
    ClientTimeout,
    /// Everything that was asked for was read and handed on; the last bytes of it may still be on
    /// their way to the client.
    Complete,
    /// The source closed a live stream.
    SourceEnded,
    /// The source broke, or its body was cut short.
    SourceFailed(&'static str),
    /// The source sent nothing although the client was ready.
    SourceStalled,
    /// The same viewer asked for something else, and its provider has no other connection.
    Replaced,
    /// It is a client of a relay and was behind for too long.
    TooSlow,
    /// It is a relay that nobody has watched for `relay.idle_timeout`.
    Idle,
    /// Somebody has stopped its relay.
    Stopped,
    /// A reload changed or removed the channel.
    Reloaded,
    /// The program stopped and its grace was over.
    Shutdown,
}

impl End {
    /// The word for metrics and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::ClientTimeout => "client_timeout",
            Self::Complete => "complete",
            Self::SourceEnded => "source_ended",
            Self::SourceFailed(_) => "source_failed",
            Self::SourceStalled => "source_stalled",
            Self::Replaced => "replaced",
            Self::TooSlow => "too_slow",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whose side it was.
    #[must_use]
    pub fn side(self) -> &'static str {
        match self {
            Self::ClientClosed | Self::ClientTimeout | Self::Replaced | Self::TooSlow => "client",
            Self::Complete | Self::Idle => "nobody",
            Self::SourceEnded | Self::SourceFailed(_) | Self::SourceStalled => "source",
            Self::Stopped | Self::Reloaded | Self::Shutdown => "weir",
        }
    }
}

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
    source: AtomicUsize,
    /// How often the session has gone over to another connection. Written by the session.
    switches: AtomicU32,
    /// A [`Shows`] as a number. Written by the session.
    shows: AtomicU8,
    /// How its bytes move: `spliced`, `watched`, `framed`, `continuous` or `made`; `shared` where a relay
    /// gives them.
    pub way: &'static str,
    /// Who watches; `None`: it is a relay.
    pub client: Option<IpAddr>,
    /// What the client calls itself, 200 characters of it at most.
    pub user_agent: Option<Box<str>>,
    /// Since when.
    pub started: Instant,
    /// Body bytes handed to the client so far. Written by the session, read by whoever asks.
    pub bytes: AtomicU64,
    /// How many of them are in the metrics. Written under the lock of the running sessions.
    counted: AtomicU64,
    /// Who asked.
    viewer: Option<Viewer>,
    role: Role,
    /// The slot of the connection that is being played. Guards one word; written by the session.
    lease: Mutex<Option<Arc<Lease>>>,
    /// Given when its viewer has gone on to something else; with the channel's, when a reload takes
    /// it away.
    leave: Notice,
    /// Where it is told to go over to another source; `None` for what has only one place.
    desk: Option<Arc<Desk>>,
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
    fn feeder(&self) -> &Self {
        match &self.role {
            Role::Fed { relay, .. } => relay,
            Role::Alone | Role::Relay(_) => self,
        }
    }

    /// For logs.
    pub(crate) fn shown_client(&self) -> Option<tracing::field::DisplayValue<IpAddr>> {
        self.client.map(tracing::field::display)
    }

    fn is_relay(&self) -> bool {
        matches!(self.role, Role::Relay(_))
    }

    /// Whether nobody would miss it, or nobody but `viewer`.
    fn is_left_to(&self, viewer: Option<&Viewer>) -> bool {
        match &self.role {
            Role::Relay(watchers) => watchers.are_all(viewer),
            Role::Alone => viewer.is_some() && self.viewer.as_ref() == viewer,
            Role::Fed { .. } => false,
        }
    }

    /// Tells it to leave, unless somebody has come meanwhile who would miss it.
    fn dismiss(&self, viewer: Option<&Viewer>) -> bool {
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
    fn lease_of(&self, budget: &Arc<Budget>) -> Option<Arc<Lease>> {
        let lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.clone().filter(|lease| lease.is_of(budget))
    }
}

/// All sessions that run.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// Guards the map; held to add, remove or copy it.
    running: Arc<Mutex<BTreeMap<u64, Arc<Info>>>>,
    next: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
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

/// What a new session is made from.
pub(crate) struct Opening {
    pub(crate) channel: Arc<Channel>,
    pub(crate) source: usize,
    /// `None`: a relay.
    pub(crate) client: Option<IpAddr>,
    pub(crate) user_agent: Option<Box<str>>,
    pub(crate) started: Instant,
    pub(crate) control: Arc<Control>,
    pub(crate) viewer: Option<Viewer>,
    pub(crate) slot: Option<Arc<Lease>>,
    pub(crate) desk: Option<Arc<Desk>>,
    pub(crate) place: Box<dyn std::any::Any + Send + Sync>,
    pub(crate) cut: Notice,
    /// How its bytes move, for logs and the API.
    pub(crate) way: &'static str,
    pub(crate) role: Role,
}

/// One running session. Dropping it ends it: it leaves the list, frees its place, and says in one
/// log line how it ended. Its upstream connection goes before it.
pub(crate) struct Session {
    info: Arc<Info>,
    sessions: Sessions,
    /// Set when the end is known before the drop; a drop without one is the client's doing.
    end: Option<End>,
    control: Arc<Control>,
    cut: Notice,
    /// One request of a session that has many: it is in no list and says nothing.
    is_part: bool,
    _place: Box<dyn std::any::Any + Send + Sync>,
    _counted: Option<Presence>,
}

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { running: Arc::default(), next: Arc::new(AtomicU64::new(1)), metrics }
    }

    /// How many clients are served.
    #[must_use]
    pub fn count(&self) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().filter(|info| !info.is_relay()).count()
    }

    /// Those of clients, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Info>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().filter(|info| !info.is_relay()).cloned().collect()
    }

    /// Ends a relay that nobody watches, or another session of `viewer` or a relay that only `viewer`
    /// watches, which holds a slot of one of these budgets, the oldest first, and promises that slot:
    /// which of the budgets it is of, and where it will come. Segments keep theirs, they end by
    /// themselves.
    pub(crate) fn take_over(
        &self,
        viewer: &Viewer,
        budgets: &[&Arc<Budget>],
    ) -> Option<(usize, oneshot::Receiver<Slot>)> {
        self.take_idle(budgets).or_else(|| self.take_from(Some(viewer), budgets))
    }

    /// As [`Sessions::take_over`], only of relays that nobody watches.
    pub(crate) fn take_idle(
        &self,
        budgets: &[&Arc<Budget>],
    ) -> Option<(usize, oneshot::Receiver<Slot>)> {
        self.take_from(None, budgets)
    }

    fn take_from(
        &self,
        viewer: Option<&Viewer>,
        budgets: &[&Arc<Budget>],
    ) -> Option<(usize, oneshot::Receiver<Slot>)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for info in running.values().filter(|info| info.is_left_to(viewer)) {
            let held = budgets.iter().enumerate();
            let mut held =
                held.filter_map(|(index, budget)| Some((index, info.lease_of(budget)?.inherit()?)));
            if let Some(promised) = held.next().filter(|_| info.dismiss(viewer)) {
                return Some(promised);
            }
        }
        None
    }

    /// Adds what running sessions have passed to the metrics; to be called before those are read.
    pub fn settle_all(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().for_each(|info| self.settle(info));
    }

    /// The caller holds the lock of the running sessions.
    fn settle(&self, info: &Info) {
        let bytes = info.bytes.load(Ordering::Relaxed);
        let new = bytes - info.counted.swap(bytes, Ordering::Relaxed);
        if !matches!(info.role, Role::Fed { .. }) {
            self.metrics.bytes(Direction::In).add(new);
        }
        if !info.is_relay() {
            self.metrics.bytes(Direction::Out).add(new);
        }
    }

    /// Begins a session and says so.
    pub(crate) fn begin(&self, opening: Opening) -> Session {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let channel = opening.channel;
        let info = Arc::new(Info {
            id,
            source: opening.source.into(),
            switches: AtomicU32::new(0),
            shows: AtomicU8::new(Shows::Source as u8),
            way: opening.way,
            client: opening.client,
            user_agent: opening.user_agent,
            started: opening.started,
            bytes: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            viewer: opening.viewer,
            role: opening.role,
            lease: Mutex::new(opening.slot),
            leave: channel.retired.child(),
            desk: opening.desk,
            channel: Arc::clone(&channel),
        });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(id, Arc::clone(&info));
        drop(running);
        let counted = if info.is_relay() {
            let (source, way) = (info.source(), info.way);
            tracing::info!(channel = %channel.id, session = id, source, way, "relay begins");
            self.metrics.relays(&channel.id)
        } else {
            let first = opening.started.elapsed();
            self.metrics.first_byte(first);
            let (source, way, first_byte_ms) = (info.source(), info.way, millis(first));
            let client = info.shown_client();
            tracing::info!(channel = %channel.id, session = id, source, client, way, first_byte_ms, "session begins");
            self.metrics.sessions(&channel.id)
        };
        Session {
            info,
            sessions: self.clone(),
            end: None,
            control: opening.control,
            cut: opening.cut,
            _place: opening.place,
            is_part: false,
            _counted: Some(Presence::enter(counted)),
        }
    }

    /// One request of the session behind `info`, whose bytes are counted there.
    pub(crate) fn part(
        &self,
        info: &Arc<Info>,
        control: Arc<Control>,
        place: Box<dyn std::any::Any + Send + Sync>,
        cut: Notice,
    ) -> Session {
        let (info, sessions) = (Arc::clone(info), self.clone());
        Session {
            info,
            sessions,
            end: None,
            control,
            cut,
            is_part: true,
            _place: place,
            _counted: None,
        }
    }
}

impl Session {
    /// Counts bytes that came from the source and go to the client.
    pub(crate) fn passed(&self, bytes: usize) {
        if self.is_part {
            self.info.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            return;
        }
        // Nobody else writes, so this need not be one step; and nobody else's cache line is touched.
        let before = self.info.bytes.load(Ordering::Relaxed);
        self.info.bytes.store(before + bytes as u64, Ordering::Relaxed);
    }

    /// Counts faults in the stream that passed.
    pub(crate) fn faults(&self, errors: Errors) {
        let kinds = [
            ("continuity", errors.continuity),
            ("sync", errors.sync),
            ("transport", errors.transport),
        ];
        for (kind, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            self.sessions.metrics.ts_errors(kind, count);
        }
    }

    /// What the client is shown from now on.
    pub(crate) fn shows(&self, shows: Shows) {
        self.info.shows.store(shows as u8, Ordering::Relaxed);
    }

    /// The client's side of the connection.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Remembers how it ended; the first word stands.
    pub(crate) fn ended(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Given when the session must end.
    pub(crate) fn leave(&self) -> &Notice {
        &self.info.leave
    }

    /// How it ended, once that is known.
    pub(crate) fn has_ended(&self) -> Option<End> {
        self.end
    }

    /// What its log lines name it by.
    pub(crate) fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// It goes over to this line of this source, after the client has got nothing for `gap`. `seam` is
    /// what the bytes were joined at; `None`: they follow as they come.
    pub(crate) fn went_over(
        &self,
        (source, line): (usize, &Line),
        reason: Reason,
        gap: Duration,
        seam: Option<Seam>,
    ) {
        let info = &self.info;
        let from = info.plays(source);
        self.shows(Shows::Source);
        info.switches.fetch_add(1, Ordering::Relaxed);
        info.holds(line.lease());
        let metrics = &self.sessions.metrics;
        metrics.failover(&info.channel.id, reason.word(), gap);
        let (channel, session, client, gap_ms) =
            (&info.channel.id, info.id, info.shown_client(), millis(gap));
        let (place, reason) = (info.channel.place(source), reason.word());
        let seam = seam.map_or("raw", Seam::word);
        let what = if from == source {
            "session goes on from a new connection"
        } else {
            "session goes on from another source"
        };
        tracing::warn!(%channel, session, source, from, client, place, reason, seam, gap_ms, "{what}");
    }

    /// Why it has been told to end.
    pub(crate) fn why_leave(&self) -> End {
        if self.info.channel.retired.is_given() { End::Reloaded } else { End::Replaced }
    }

    fn end(&self) -> End {
        if let Some(end) = self.end {
            return end;
        }
        if self.cut.is_given() {
            return End::Shutdown;
        }
        if self.info.leave.is_given() {
            return self.why_leave();
        }
        if self.control.timed_out() { End::ClientTimeout } else { End::ClientClosed }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let end = self.end();
        let info = &self.info;
        let mut running = self.sessions.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_part {
            // The session itself may have ended before.
            self.sessions.settle(info);
            return;
        }
        running.remove(&info.id);
        self.sessions.settle(info);
        drop(running);
        let (channel, session, source) = (&info.channel.id, info.id, info.source());
        let (bytes, seconds) =
            (info.bytes.load(Ordering::Relaxed), info.started.elapsed().as_secs());
        let (word, side, client) = (end.word(), end.side(), info.shown_client());
        let what = if info.is_relay() {
            self.sessions.metrics.relay_ended(channel, word);
            "relay ends"
        } else {
            self.sessions.metrics.session_ended(channel, word);
            if end == End::TooSlow {
                self.sessions.metrics.relay_dropped(channel);
            }
            "session ends"
        };
        match end {
            End::SourceFailed(cause) => tracing::error!(
                %channel, session, source, client, bytes, seconds, side, end = word, cause,
                "{what}: the source failed"
            ),
            End::SourceStalled => tracing::error!(
                %channel, session, source, client, bytes, seconds, side, end = word,
                "{what}: the source went silent"
            ),
            End::TooSlow => tracing::warn!(
                %channel, session, source, client, bytes, seconds, side, end = word,
                "{what}: the client was too slow for the relay"
            ),
            _ => tracing::info!(
                %channel, session, source, client, bytes, seconds, side, end = word, "{what}"
            ),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
