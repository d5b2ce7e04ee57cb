//! HLS sessions. A player asks for one thing after the other, so who watches is remembered between its
//! requests: by the number that stands sealed in its URLs, or, where it comes back to the channel's
//! own playlist, by who it is taken to be. A session ends when nothing has been asked for during
//! three target durations.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::channel::Channel;
use crate::channel::Slot;
use crate::delivery::Error;
use crate::delivery::Viewer;
use crate::delivery::hls::links;
use crate::delivery::hls::list::List;
use crate::delivery::hls::renditions::Kin;
use crate::delivery::hls::renditions::Place;
use crate::delivery::hls::renditions::Renditions;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Info;
use crate::delivery::sessions::Session;
use crate::lifecycle::Tasks;
use crate::message::Cookies;
use crate::upstream::SetCookies;

/// How long a session lasts without a request before a media playlist has said its target duration,
/// and at least.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_MIN: Duration = Duration::from_secs(6);
const PATIENCE_MAX: Duration = Duration::from_mins(5);

/// Segments in a row that are not there, before another source is tried.
const MISSING_MAX: u32 = 2;

/// Bits of a session's number: few enough that it takes four bytes in a sealed URL.
const NUMBER_MASK: u32 = (1 << 28) - 1;

/// One viewer of one channel.
pub(crate) struct Viewing {
    /// What stands in its URLs.
    pub(crate) number: u32,
    pub(crate) channel: Arc<Channel>,
    viewer: Viewer,
    /// Its entry in the list of sessions.
    pub(crate) info: Arc<Info>,
    /// What its source has set; of each origin its own.
    pub(crate) cookies: Arc<Mutex<Cookies>>,
    /// Told when its patience changes.
    paced: Notify,
    /// Guards a few words and what the playlists were; never held across a wait.
    state: Mutex<State>,
}

struct State {
    source: usize,
    /// Of that source. Everybody who watches the channel from it has a share.
    slot: Arc<Slot>,
    asked: Instant,
    patience: Duration,
    /// Answers that are on their way.
    busy: usize,
    /// Segments in a row that were not there.
    missing: u32,
    /// Its last media playlist had no end.
    is_live: bool,
    /// A segment of this source has failed since.
    doubted: Option<usize>,
    renditions: Renditions,
}

/// All HLS sessions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Viewings {
    /// Guards both maps; held to look up, add and remove.
    table: Arc<Mutex<Table>>,
    /// Told when one begins.
    begun: Arc<Notify>,
    tasks: Tasks,
}

#[derive(Default)]
struct Table {
    by_number: HashMap<u32, Arc<Viewing>>,
    by_viewer: HashMap<(Arc<str>, Viewer), u32>,
    /// How many watch each channel.
    watching: HashMap<Arc<str>, usize>,
}

impl Viewing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source that it plays from.
    pub(crate) fn source(&self) -> usize {
        self.state().source
    }

    /// The slot that its connections share.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.state().slot)
    }

    /// The same, while it plays from this source.
    pub(super) fn slot_of(&self, source: usize) -> Option<Arc<Slot>> {
        let state = self.state();
        (state.source == source).then(|| Arc::clone(&state.slot))
    }

    /// What its source has set.
    pub(crate) fn cookies(&self) -> MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is given an answer with which these were set.
    pub(super) fn stores(&self, set: &SetCookies) {
        let mut cookies = self.cookies();
        set.iter().for_each(|(url, fields)| cookies.store(url, fields));
    }

    /// Its player has asked for something.
    pub(crate) fn touch(&self) {
        self.state().asked = Instant::now();
    }

    /// Whether its last media playlist had no end.
    pub(super) fn is_live(&self) -> bool {
        self.state().is_live
    }

    /// An answer for it is on its way until the guard is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.state().busy += 1;
        Answering(Arc::clone(self))
    }

    /// A segment of this source was there, or was not. Live segments may be gone when a player asks
    /// late; several in a row are a fault.
    pub(super) fn segment_missing(&self, source: usize, is_missing: bool) {
        let mut state = self.state();
        state.missing = if is_missing { state.missing + 1 } else { 0 };
        if state.missing >= MISSING_MAX {
            (state.missing, state.doubted) = (0, Some(source));
        }
    }

    /// A segment of this source has failed.
    pub(super) fn doubt(&self, source: usize) {
        self.state().doubted = Some(source);
    }

    /// Whether a segment of this source has failed since this was last asked.
    pub(super) fn takes_doubt(&self, source: usize) -> bool {
        self.state().doubted.take_if(|doubted| *doubted == source).is_some()
    }

    /// How long it lasts without a request.
    pub(crate) fn patience(&self) -> Duration {
        self.state().patience
    }

    /// Where the playlist that it knows by `place` is fetched from now.
    pub(super) fn now(&self, place: &Place) -> Place {
        self.state().renditions.now(place)
    }

    /// Variants like this one, and what it is.
    pub(super) fn like(&self, place: &Place) -> (Vec<Place>, Option<Kin>) {
        self.state().renditions.like(place)
    }

    /// Whether a client's delivery directives mean the same to the source.
    pub(super) fn takes_directives(&self, place: &Place) -> bool {
        self.state().renditions.takes_directives(place)
    }

    /// What it is given of `list`, which it knows by `place`, and the list that this comes of: where
    /// that one is older than what it has, another.
    pub(super) fn follow(
        &self,
        place: &Place,
        list: &Arc<List>,
    ) -> Result<(String, Arc<List>), Error> {
        let mut state = self.state();
        let Some(target) = list.target else {
            state.renditions.offer(&list.named);
            return Ok((list.text().map_err(links::refused)?.to_owned(), Arc::clone(list)));
        };
        state.is_live = list.is_live();
        let patience = (target * 3).clamp(PATIENCE_MIN, PATIENCE_MAX);
        if std::mem::replace(&mut state.patience, patience) != patience {
            self.paced.notify_one();
        }
        state.renditions.follow(place, list).map_err(links::refused)
    }

    fn key(&self) -> (Arc<str>, Viewer) {
        (Arc::clone(&self.channel.id), self.viewer.clone())
    }

    fn deadline(&self) -> Instant {
        let state = self.state();
        let since = if state.busy > 0 { Instant::now() } else { state.asked };
        since + state.patience
    }
}

impl Viewings {
    /// None yet.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { table: Arc::default(), begun: Arc::default(), tasks }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.table().by_number.len()
    }

    /// The session with this number, if it is one of `channel`.
    pub(crate) fn numbered(&self, number: u32, channel: &Arc<Channel>) -> Option<Arc<Viewing>> {
        let found = self.table().by_number.get(&number).cloned();
        found.filter(|viewing| Arc::ptr_eq(&viewing.channel, channel))
    }

    /// The session of this viewer of `channel`.
    pub(crate) fn of(&self, channel: &Arc<Channel>, viewer: &Viewer) -> Option<Arc<Viewing>> {
        let number = *self.table().by_viewer.get(&(Arc::clone(&channel.id), viewer.clone()))?;
        self.numbered(number, channel)
    }

    /// The slot that others hold who watch `channel` from this source.
    pub(crate) fn shared_slot(&self, channel: &Arc<Channel>, source: usize) -> Option<Arc<Slot>> {
        let table = self.table();
        table.of(channel).find_map(|viewing| {
            let state = viewing.state();
            (state.source == source).then(|| Arc::clone(&state.slot))
        })
    }

    /// The source that somebody watches `channel` from, and its slot.
    pub(crate) fn in_use(&self, channel: &Arc<Channel>) -> Option<(usize, Arc<Slot>)> {
        let table = self.table();
        let mut same = table.of(channel);
        same.next().map(|viewing| {
            let state = viewing.state();
            (state.source, Arc::clone(&state.slot))
        })
    }

    /// What `look` finds, once it does: it is asked now and whenever a session begins. Cancel safe.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        loop {
            let mut begun = std::pin::pin!(self.begun.notified());
            // Registered before the look, so that a session that begins in between is not missed.
            begun.as_mut().enable();
            if let Some(found) = look(self) {
                return found;
            }
            begun.await;
        }
    }

    /// How many there are of clients of this address, an IPv6 one being a /64.
    pub(crate) fn count_of(&self, client: IpAddr) -> usize {
        let wanted = network(client);
        let table = self.table();
        table.by_number.values().filter(|viewing| network(viewing.info.client) == wanted).count()
    }

    /// Whether more than one watches `channel`.
    pub(crate) fn is_shared(&self, channel: &Channel) -> bool {
        self.table().watching.get(&channel.id).is_some_and(|watching| *watching > 1)
    }

    /// A number that no session has.
    pub(crate) fn number(&self) -> u32 {
        let (random, table) = (SystemRandom::new(), self.table());
        loop {
            let mut bytes = [0; 4];
            // Without randomness there are no keys either, and nothing is sealed.
            _ = random.fill(&mut bytes);
            let number = u32::from_be_bytes(bytes) & NUMBER_MASK;
            if number != 0 && !table.by_number.contains_key(&number) {
                return number;
            }
        }
    }

    /// Begins the session `number`, which plays from `source` and is what `session` makes in the list,
    /// unless another request of its player has just done so. It lasts until its player has gone.
    pub(crate) fn begin(
        &self,
        number: u32,
        (channel, viewer): (&Arc<Channel>, &Viewer),
        (source, slot): (usize, Arc<Slot>),
        session: impl FnOnce() -> Session,
    ) -> Arc<Viewing> {
        let mut table = self.table();
        let known = table.by_number.get(&number);
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.channel, channel)) {
            return Arc::clone(known);
        }
        let session = session();
        let state = State {
            source,
            slot,
            asked: Instant::now(),
            patience: PATIENCE,
            busy: 0,
            missing: 0,
            is_live: false,
            doubted: None,
            renditions: Renditions::default(),
        };
        let viewing = Arc::new(Viewing {
            number,
            channel: Arc::clone(channel),
            viewer: viewer.clone(),
            info: Arc::clone(session.info()),
            cookies: Arc::default(),
            paced: Notify::new(),
            state: Mutex::new(state),
        });
        table.by_viewer.insert(viewing.key(), number);
        table.by_number.insert(number, Arc::clone(&viewing));
        *table.watching.entry(Arc::clone(&channel.id)).or_default() += 1;
        table.settle_leases(channel);
        drop(table);
        self.begun.notify_waiters();
        let lasting = self.clone().last(Arc::clone(&viewing), session);
        self.tasks.spawn(Span::none(), lasting);
        viewing
    }

    /// The session goes over to another source.
    pub(crate) fn go_over(&self, viewing: &Viewing, source: usize, slot: Arc<Slot>) {
        let table = self.table();
        let mut state = viewing.state();
        (state.source, state.slot) = (source, slot);
        drop(state);
        viewing.info.plays(source);
        table.settle_leases(&viewing.channel);
    }

    /// Lasts as long as the session does.
    async fn last(self, viewing: Arc<Viewing>, mut session: Session) {
        let leave = viewing.info.leave().given();
        let stopping = self.tasks.stopping();
        let idle = async {
            loop {
                let deadline = viewing.deadline();
                if deadline <= Instant::now() {
                    return;
                }
                tokio::select! {
                    () = sleep_until(deadline) => {}
                    () = viewing.paced.notified() => {}
                }
            }
        };
        tokio::select! {
            () = idle => session.ended(End::ClientClosed),
            () = leave => {
                let end = session.why_leave();
                session.ended(end);
            }
            () = stopping => session.ended(End::Shutdown),
        }
        let mut table = self.table();
        if table.by_number.get(&viewing.number).is_some_and(|known| Arc::ptr_eq(known, &viewing)) {
            table.by_number.remove(&viewing.number);
        }
        table.leave(&viewing.channel.id);
        let key = viewing.key();
        if table.by_viewer.get(&key) == Some(&viewing.number) {
            table.by_viewer.remove(&key);
        }
        table.settle_leases(&viewing.channel);
        drop(table);
    }
}

/// An answer that is on its way; see [`Viewing::answering`].
pub(crate) struct Answering(Arc<Viewing>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        state.asked = Instant::now();
    }
}

impl Table {
    /// Those who watch `channel`.
    fn of(&self, channel: &Arc<Channel>) -> impl Iterator<Item = &Arc<Viewing>> {
        // Those who wait for somebody to watch it ask often, and mostly nobody does.
        let watched = self.watching.contains_key(&channel.id).then(|| self.by_number.values());
        let watched = watched.into_iter().flatten();
        watched.filter(|viewing| Arc::ptr_eq(&viewing.channel, channel))
    }

    fn leave(&mut self, channel: &Arc<str>) {
        if let Some(watching) = self.watching.get_mut(channel) {
            *watching -= 1;
            if *watching == 0 {
                self.watching.remove(channel);
            }
        }
    }

    /// A slot that one session has alone can be taken over by another request of its viewer; one that
    /// is shared cannot.
    fn settle_leases(&self, channel: &Arc<Channel>) {
        let mut sharing: HashMap<*const Slot, usize> = HashMap::new();
        for viewing in self.of(channel) {
            *sharing.entry(Arc::as_ptr(&viewing.state().slot)).or_default() += 1;
        }
        for viewing in self.of(channel) {
            let slot = Arc::clone(&viewing.state().slot);
            let is_alone = sharing.get(&Arc::as_ptr(&slot)) == Some(&1);
            viewing.info.holds(slot.held().filter(|_| is_alone));
        }
    }
}

/// One subscriber: an IPv4 address, or an IPv6 /64, which one subscriber has all of.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}
