//! Which segments are shared now: those that are being fetched, and those that are there for whoever
//! asks late. They take the room of an account for as long as anybody has a byte of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::delivery::Error;
use crate::delivery::cut::Cut;
use crate::delivery::hls::same::Same;
use crate::delivery::hls::segments::room::Account;
use crate::delivery::hls::segments::segment::Head;
use crate::delivery::hls::segments::segment::Reader;
use crate::delivery::hls::segments::segment::Segment;
use crate::lifecycle::Tasks;

#[cfg(test)]
mod tests;

/// Segments that are shared at a time. A client may ask for a byte of one at a time, and what is known
/// of a segment takes more memory than a byte.
const SEGMENTS_MAX: usize = 1024;

/// What segments are known by: everything that their source's answer may depend on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) channel: Same,
    pub(super) source: usize,
    /// Secret.
    pub(super) url: String,
    pub(super) range: Option<HeaderValue>,
    pub(super) cookies: Option<HeaderValue>,
}

/// The segments that are shared now. Cheap to clone.
#[derive(Clone)]
pub(in crate::delivery::hls) struct Kept {
    /// Held to look up, add and remove. Segments have locks of their own, taken within this one.
    table: Arc<Mutex<Table>>,
    account: Arc<Account>,
    tasks: Tasks,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// A task waits for the first entry to expire.
    is_swept: bool,
}

struct Entry {
    segment: Arc<Segment>,
    /// When nobody else will be given it; `None` while it is being fetched.
    until: Option<Instant>,
}

/// A segment that has to be fetched. Dropping it gives that up, unless all of it is there: those who
/// wait for its head fetch it for themselves, those who have a part of it get no more.
pub(super) struct Filling {
    kept: Kept,
    key: Key,
    segment: Arc<Segment>,
}

impl Kept {
    /// None yet, and never more than `bytes_max` of them.
    pub(in crate::delivery::hls) fn new(tasks: Tasks, bytes_max: u64) -> Self {
        Self { table: Arc::default(), account: Arc::new(Account::new(bytes_max)), tasks }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader of the segment behind `key`, which the caller has to fetch if nobody else does. `None`
    /// where there is no place for another segment.
    pub(super) fn join(&self, key: &Key) -> Option<(Reader, Option<Filling>)> {
        let now = Instant::now();
        let mut table = self.table();
        let good = |entry: &&Entry| entry.is_good(now) && !entry.segment.is_broken();
        if let Some(entry) = table.entries.get(key).filter(good) {
            return Some((Reader::new(&entry.segment), None));
        }
        table.entries.remove(key);
        if table.entries.len() >= SEGMENTS_MAX && !table.evict() {
            return None;
        }
        let segment = Arc::new(Segment::new());
        let entry = Entry { segment: Arc::clone(&segment), until: None };
        table.entries.insert(key.clone(), entry);
        let reader = Reader::new(&segment);
        drop(table);
        Some((reader, Some(Filling { kept: self.clone(), key: key.clone(), segment })))
    }

    /// Bytes that segments take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.account.used()
    }

    /// Removes what has expired, until nothing is left.
    async fn sweep(self) {
        let stopping = self.tasks.stopping();
        let sweeping = async {
            loop {
                let Some(due) = self.table().expire(Instant::now()) else { return };
                sleep_until(due).await;
            }
        };
        tokio::select! {
            () = sweeping => {}
            () = stopping => {
                let mut table = self.table();
                table.entries.retain(|_, entry| entry.until.is_none());
                table.is_swept = false;
            }
        }
    }
}

impl Table {
    /// Removes the oldest segment that is there and that nobody reads; false where there is none.
    fn evict(&mut self) -> bool {
        let unread = |(key, entry)| {
            let Entry { segment, until }: &Entry = entry;
            // New readers come by this table only, which is locked.
            Some((until.filter(|_| Arc::strong_count(segment) == 1)?, key))
        };
        let oldest = self.entries.iter().filter_map(unread).min_by_key(|(until, _)| *until);
        let Some(oldest) = oldest.map(|(_, key): (_, &Key)| key.clone()) else { return false };
        self.entries.remove(&oldest).is_some()
    }

    /// Removes what has expired, and answers when the next one will have; `None`: there is none.
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.entries.retain(|_, entry| entry.is_good(now));
        let due = self.entries.values().filter_map(|entry| entry.until).min();
        self.is_swept = due.is_some();
        due
    }

    fn entry_of(&mut self, key: &Key, segment: &Arc<Segment>) -> Option<&mut Entry> {
        self.entries.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.segment, segment))
    }
}

impl Entry {
    fn is_good(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Filling {
    /// Its source has it. False where there is no room for it, not even in place of what nobody reads
    /// at the moment.
    pub(super) fn begins(&self, head: Head) -> bool {
        loop {
            if let Some(room) = self.kept.account.take(head.length) {
                self.segment.begins(head, room);
                return true;
            }
            if !self.kept.table().evict() {
                return false;
            }
        }
    }

    /// There is no such segment.
    pub(super) fn fails(&self, error: Error) {
        self.segment.fails(error);
    }

    /// What is being filled.
    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Resolves when nobody reads it any more, and then nobody will. Cancel safe.
    pub(super) async fn deserted(&self) {
        loop {
            self.segment.deserted().await;
            let mut table = self.kept.table();
            if !self.segment.is_read() {
                if table.entry_of(&self.key, &self.segment).is_some() {
                    table.entries.remove(&self.key);
                }
                return;
            }
        }
    }

    /// All of it is there, for others too until then.
    pub(super) fn keep(self, until: Instant) {
        let mut table = self.kept.table();
        if let Some(entry) = table.entry_of(&self.key, &self.segment) {
            entry.until = Some(until);
            if !std::mem::replace(&mut table.is_swept, true) {
                self.kept.tasks.spawn(Span::none(), self.kept.clone().sweep());
            }
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.segment.is_private(None);
        self.segment.ends(Err(Cut::Source));
        let mut table = self.kept.table();
        if table.entry_of(&self.key, &self.segment).is_some_and(|entry| entry.until.is_none()) {
            table.entries.remove(&self.key);
        }
    }
}
