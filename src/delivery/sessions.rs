//! Who watches what: every session from its first answer to its one closing log line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
use crate::delivery::remuxing::Ledger;
use crate::flow::Control;
use crate::lifecycle::Notice;
use crate::media::ts::join::Seam;
use crate::media::ts::watch::Errors;
use crate::metrics::Direction;
use crate::metrics::Metrics;
use crate::metrics::Presence;

mod end;
mod info;

pub use end::End;
pub use info::Info;
pub(crate) use info::Role;
pub use info::Shows;

/// All sessions that run.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// Guards the map; held to add, remove or copy it.
    running: Arc<Mutex<BTreeMap<u64, Arc<Info>>>>,
    next: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
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
    /// From its beginning on.
    counted: Option<Presence>,
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

    /// What an order to the channel with this id reaches: its clients' sessions, and relays that feed none
    /// of these, because their clients fetch files or are still to come.
    #[must_use]
    pub fn steered(&self, channel: &str) -> Vec<Arc<Info>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let own = || running.values().filter(|info| *info.channel.id == *channel);
        let is_lone = |relay: &Info| !own().any(|info| info.is_fed_by(relay));
        own().filter(|info| !info.is_relay() || is_lone(info)).cloned().collect()
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
        let received = info.received();
        let newly_received = received - info.counted_in.swap(received, Ordering::Relaxed);
        if !matches!(info.role, Role::Fed { .. }) {
            self.metrics.bytes(Direction::In).add(newly_received);
        }
        if !info.is_relay() {
            self.metrics.bytes(Direction::Out).add(new);
        }
    }

    /// Begins a session and says so.
    pub(crate) fn begin(&self, opening: Opening) -> Session {
        let mut session = self.enter(opening);
        session.begins();
        session
    }

    /// A session that is to begin: it is in the list, and nothing is said of it.
    pub(crate) fn enter(&self, opening: Opening) -> Session {
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
            received: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            counted_in: AtomicU64::new(0),
            remux: OnceLock::new(),
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
        Session {
            info,
            sessions: self.clone(),
            end: None,
            control: opening.control,
            cut: opening.cut,
            _place: opening.place,
            is_part: false,
            counted: None,
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
            counted: None,
        }
    }
}

impl Session {
    /// There are bytes for whoever it is of: it begins, and says so.
    pub(crate) fn begins(&mut self) {
        let (info, metrics) = (&self.info, &self.sessions.metrics);
        let (channel, session) = (&info.channel.id, info.id);
        let (source, way) = (info.source(), info.way);
        let counted = if info.is_relay() {
            tracing::info!(%channel, session, source, way, "relay begins");
            metrics.relays(channel)
        } else {
            let first = info.started.elapsed();
            metrics.first_byte(first);
            let (client, first_byte_ms) = (info.shown_client(), millis(first));
            tracing::info!(%channel, session, source, client, way, first_byte_ms, "session begins");
            metrics.sessions(channel)
        };
        self.counted = Some(Presence::enter(counted));
    }

    /// Its sound is converted, so what comes from the source is not what goes to the client: where that is
    /// noted.
    pub(crate) fn converts(&self) -> Arc<Ledger> {
        Arc::clone(self.info.remux.get_or_init(Arc::default))
    }

    /// Counts bytes that came from the source and are converted.
    pub(crate) fn received(&self, bytes: usize) {
        // As in [`Session::passed`].
        let before = self.info.received.load(Ordering::Relaxed);
        self.info.received.store(before + bytes as u64, Ordering::Relaxed);
    }

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
        if self.counted.is_none() {
            // It has not begun, and its client is told why.
            return;
        }
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
