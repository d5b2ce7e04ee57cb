//! One segment on its way to several clients: bytes are added by whoever fetches it, and each client
//! reads them at its own pace, by reference.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::Notify;

use crate::delivery::Error;
use crate::delivery::attempt::Opened;
use crate::delivery::cut::Cut;
use crate::delivery::hls::segments::room::Room;
use crate::upstream::SetCookies;

mod reader;
#[cfg(test)]
mod tests;

pub(super) use reader::Access;
pub(crate) use reader::Reader;

/// Bytes of a chunk; the last one of a segment may be shorter. Each is a call of the kernel for each
/// client, and memory that the allocator keeps at hand.
pub(super) const CHUNK: usize = 128 * 1024;

/// The reader who had it fetched.
const FIRST: u64 = 0;

/// The answer's head.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Bytes that will come.
    pub(super) length: u64,
    /// For everybody who is given it.
    pub(super) set_cookies: SetCookies,
}

/// A segment. Memory: its bytes, and a chunk while it comes. They are given back when the last client
/// has sent the last of them.
pub(crate) struct Segment {
    /// Held to add and to take.
    state: Mutex<State>,
    /// Told when the last one who reads it leaves.
    deserted: Notify,
}

struct State {
    opening: Opening,
    /// Each but the last has [`CHUNK`] bytes.
    chunks: Vec<Bytes>,
    /// The beginning of the next one.
    open: Vec<u8>,
    /// What was last given of `open`, and from where on.
    part: Option<(usize, Bytes)>,
    end: Option<Result<(), Cut>>,
    /// Those who read it.
    readers: usize,
    next_reader: u64,
    /// Those who wait for more.
    waiting: HashMap<u64, Waker>,
}

enum Opening {
    /// Nothing is known yet.
    Asked,
    /// Its bytes come, or are there, and have their room.
    Open {
        head: Head,
        _room: Room,
    },
    /// Each client has to fetch it for itself, but for the first, whose is what was fetched.
    Private(Option<Box<Opened>>),
    Failed(Error),
}

impl Segment {
    /// Nothing of it is known.
    pub(super) fn new() -> Self {
        let state = State {
            opening: Opening::Asked,
            chunks: Vec::new(),
            open: Vec::new(),
            part: None,
            end: None,
            readers: 0,
            next_reader: FIRST,
            waiting: HashMap::new(),
        };
        Self { state: Mutex::new(state), deserted: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it and wakes those who wait.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Its source has it.
    pub(super) fn begins(&self, head: Head, room: Room) {
        self.change(|state| state.opening = Opening::Open { head, _room: room });
    }

    /// It cannot be shared; `opened` is for the first who asked. What is known of it already stands.
    pub(super) fn is_private(&self, opened: Option<Box<Opened>>) {
        self.change(|state| {
            if matches!(state.opening, Opening::Asked) {
                state.opening = Opening::Private(opened);
            }
        });
    }

    /// There is no such segment.
    pub(super) fn fails(&self, error: Error) {
        self.change(|state| state.opening = Opening::Failed(error));
    }

    /// More of it has come. Those who wait are told when a chunk is whole; what is less is there for
    /// them, but whoever fetches it may have more at once, and tells them when not
    /// ([`Segment::tells`]).
    pub(super) fn takes(&self, mut bytes: &[u8]) {
        let mut state = self.state();
        let mut is_whole = false;
        while let Some((now, later)) = state.fits(bytes) {
            state.open.extend_from_slice(now);
            bytes = later;
            is_whole |= state.closes();
        }
        drop(state);
        if is_whole {
            self.tells();
        }
    }

    /// Those who wait look again.
    pub(super) fn tells(&self) {
        self.change(|_| {});
    }

    /// Whether all of it has come.
    pub(super) fn is_whole(&self) -> bool {
        self.state().end == Some(Ok(()))
    }

    /// Whether no more of it will come: it is given to nobody else.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state().end, Some(Err(_)))
    }

    /// No more will come. The first word stands.
    pub(super) fn ends(&self, end: Result<(), Cut>) {
        self.change(|state| {
            let open = std::mem::take(&mut state.open);
            if !open.is_empty() {
                state.chunks.push(Bytes::from(open));
            }
            state.part = None;
            state.end.get_or_insert(end);
        });
    }

    /// Whether anybody reads it.
    pub(super) fn is_read(&self) -> bool {
        self.state().readers > 0
    }

    /// Resolves when the last one who read it has left; others may have come since. Cancel safe.
    pub(super) async fn deserted(&self) {
        self.deserted.notified().await;
    }
}

impl State {
    /// How much of `bytes` goes into the chunk that is being filled, and what is left of it. `None`
    /// where nothing is left, or more than was said.
    fn fits<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let Opening::Open { head, .. } = &self.opening else { return None };
        let there = (self.chunks.len() * CHUNK + self.open.len()) as u64;
        let left = usize::try_from(head.length.saturating_sub(there)).unwrap_or(usize::MAX);
        let capacity = CHUNK.min(self.open.len().saturating_add(left));
        if self.open.capacity() == 0 {
            self.open.reserve_exact(capacity);
        }
        let count = bytes.len().min(capacity - self.open.len());
        bytes.split_at_checked(count).filter(|(now, _)| !now.is_empty())
    }

    /// The chunk that is being filled is whole if nothing can be added to it.
    fn closes(&mut self) -> bool {
        let is_whole = self.open.len() == CHUNK;
        if is_whole {
            self.chunks.push(Bytes::from(std::mem::take(&mut self.open)));
            self.part = None;
        }
        is_whole
    }

    /// What has come of the chunk that is being filled, from `from` on. Those who read it at the same
    /// pace are given the same.
    fn part(&mut self, from: usize) -> Option<Bytes> {
        let fresh = self.open.get(from..).filter(|fresh| !fresh.is_empty())?;
        match &self.part {
            Some((since, part)) if *since == from && part.len() == fresh.len() => {
                Some(part.clone())
            }
            _ => {
                let part = Bytes::copy_from_slice(fresh);
                self.part = Some((from, part.clone()));
                Some(part)
            }
        }
    }
}
