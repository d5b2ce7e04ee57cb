//! What a relay's source side and its clients share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::Relay;
use crate::media::ts::join::Entry;
use crate::media::ts::packet::LEN;
use crate::relay::reader::Reader;
use crate::relay::ring::Ring;
use crate::relay::writer::Writer;

/// A relay's buffer. Its bounds are those of `relay` in the configuration that it was made under.
#[derive(Debug)]
pub struct Buffer {
    pub(super) rules: Relay,
    /// Guards all that changes; held to add a chunk or to look one up, and never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ring: Ring,
    /// Behind the last packet.
    pub(super) here: Option<Entry>,
    pub(super) closed: Option<Closed>,
    /// Whom to wake, by the index of the reader; what is free is used again.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Why nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// There was an end, and it was reached.
    Complete,
    /// The source ended in good order, and there is no other.
    Ended,
    /// The source broke, and there is no other.
    Failed(&'static str),
    /// The source went silent, and there is no other.
    Silent,
    /// Its connection was needed for something else.
    Replaced,
    /// A reload changed or removed the channel.
    Reloaded,
    /// Somebody has stopped it.
    Stopped,
}

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Bytes of whole packets.
    pub bytes: usize,
    /// Chunks that they are in.
    pub chunks: usize,
    /// The number of the next chunk, counted from 0.
    pub sequence: u64,
    /// The number of the oldest packet and of the next one.
    pub packets: (u64, u64),
    /// How old the oldest chunk is.
    pub age: Duration,
    /// How old the newest one is.
    pub silence: Duration,
}

impl Level {
    /// How many bytes a client is behind that gets `packet` next.
    #[must_use]
    pub const fn behind(&self, packet: u64) -> u64 {
        self.packets.1.saturating_sub(packet) * LEN as u64
    }
}

impl Buffer {
    /// An empty buffer and the one that fills it.
    #[must_use]
    pub fn new(rules: Relay) -> (Arc<Self>, Writer) {
        let state = State {
            ring: Ring::new(&rules),
            here: None,
            closed: None,
            wakers: Vec::new(),
            free: Vec::new(),
        };
        let buffer = Arc::new(Self { rules, state: Mutex::new(state) });
        let writer = Writer::new(Arc::clone(&buffer));
        (buffer, writer)
    }

    /// A place for one more client, from the moment on at which it first asks for bytes.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        let mut state = self.state();
        let index = state.free.pop().unwrap_or(state.wakers.len());
        if index == state.wakers.len() {
            state.wakers.push(None);
        }
        let end = state.ring.end();
        drop(state);
        Reader::new(Arc::clone(self), index, end)
    }

    /// What it holds now.
    #[must_use]
    pub fn level(&self) -> Level {
        let state = self.state();
        let (bytes, chunks, sequence, ends) = state.ring.level();
        let packets = (state.ring.start(), state.ring.end());
        drop(state);
        let (age, silence) =
            ends.map(|(oldest, newest)| (oldest.elapsed(), newest.elapsed())).unwrap_or_default();
        Level { bytes, chunks, sequence, packets, age, silence }
    }

    /// Nothing more will come: clients get what there is and then the end. The first word stands.
    pub fn close(&self, closed: Closed) {
        let mut state = self.state();
        state.closed.get_or_insert(closed);
        Self::wake(state);
    }

    /// Why nothing more will come, if so.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.state().closed
    }

    /// Adds a chunk and wakes whoever waits for it. Whether there is a place to begin.
    pub(super) fn publish(
        &self,
        bytes: Bytes,
        places: impl Iterator<Item = Entry>,
        here: Option<Entry>,
        now: Instant,
    ) -> bool {
        let mut state = self.state();
        state.ring.push(bytes, places, now);
        state.here = here;
        let has_place = state.ring.newest().is_some();
        Self::wake(state);
        has_place
    }

    /// Wakes all who wait, the lock given back first: they take it at once.
    fn wake(mut state: MutexGuard<'_, State>) {
        let waiting: Vec<_> = state.wakers.iter_mut().filter_map(Option::take).collect();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The reader with this index is woken when something has come.
    pub(super) fn await_more(&mut self, index: usize, waker: &Waker) {
        if let Some(place) = self.wakers.get_mut(index) {
            match place {
                Some(known) => known.clone_from(waker),
                None => *place = Some(waker.clone()),
            }
        }
    }

    /// The reader with this index is gone.
    pub(super) fn leave(&mut self, index: usize) {
        if let Some(place) = self.wakers.get_mut(index) {
            *place = None;
            self.free.push(index);
        }
    }
}
