//! HLS sessions. A player asks for one thing after the other, so who watches is remembered between its
//! requests: by the number that stands sealed in its URLs, or, where it comes back to the channel's
//! own playlist, by who it is taken to be. A session ends when nothing has been asked for during
//! three target durations.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::channel::Channel;
use crate::channel::Slot;
use crate::delivery::Viewer;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::lifecycle::Tasks;
use crate::message::forwarded::network;

mod viewing;

pub(crate) use viewing::Viewing;

/// Bits of a session's number: few enough that it takes four bytes in a sealed URL.
const NUMBER_MASK: u32 = (1 << 28) - 1;

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
        table.of(channel).find_map(|viewing| viewing.slot_of(source))
    }

    /// The source that somebody watches `channel` from, and its slot.
    pub(crate) fn in_use(&self, channel: &Arc<Channel>) -> Option<(usize, Arc<Slot>)> {
        let table = self.table();
        let mut same = table.of(channel);
        same.next().map(|viewing| viewing.place())
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
        table
            .by_number
            .values()
            .filter(|viewing| viewing.info.client.map(network) == Some(wanted))
            .count()
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
        let viewing =
            Arc::new(Viewing::new(number, (channel, viewer), (source, slot), session.info()));
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
        viewing.goes_over(source, slot);
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
                    () = viewing.paced() => {}
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
            *sharing.entry(Arc::as_ptr(&viewing.slot())).or_default() += 1;
        }
        for viewing in self.of(channel) {
            let slot = viewing.slot();
            let is_alone = sharing.get(&Arc::as_ptr(&slot)) == Some(&1);
            viewing.info.holds(slot.held().filter(|_| is_alone));
        }
    }
}
