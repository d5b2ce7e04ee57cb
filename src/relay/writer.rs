//! The source side of a buffer: whole packets out of whatever comes, gathered into chunks, and places to
//! begin found among them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::media::ts::join::Cutter;
use crate::media::ts::join::Entries;
use crate::media::ts::join::Entry;
use crate::media::ts::packet::LEN;
use crate::relay::buffer::Buffer;

/// Bytes of a full chunk.
const CHUNK: usize = 64 * 1024;

/// How long packets are gathered: a thousand clients that are woken for each write of a source cost more
/// than the bytes.
const GATHER: Duration = Duration::from_millis(25);

/// Where no place to begin is kept and none has come for so long, none is waited for: after the first
/// picture an encoder may refresh its pictures bit by bit and send no other that is whole.
const BARREN: Duration = Duration::from_secs(10);

/// Fills a buffer. Dropping it leaves the buffer as it is.
pub struct Writer {
    buffer: Arc<Buffer>,
    cutter: Cutter,
    entries: Entries,
    /// The chunk that grows, and places that it makes known.
    pending: Vec<u8>,
    places: Vec<Entry>,
    /// When its first packet came.
    since: Option<Instant>,
    /// When the last place to begin came.
    placed: Option<Instant>,
}

impl Writer {
    pub(super) fn new(buffer: Arc<Buffer>) -> Self {
        Self {
            buffer,
            cutter: Cutter::new(),
            entries: Entries::new(),
            pending: Vec::with_capacity(CHUNK),
            places: Vec::new(),
            since: None,
            placed: None,
        }
    }

    /// Takes bytes of the stream that came at `now`. Bytes that are in no packet are left out.
    pub fn push(&mut self, bytes: &[u8], now: Instant) {
        let Self { cutter, entries, pending, places, placed, .. } = self;
        cutter.push(bytes, |packet| {
            pending.extend_from_slice(packet);
            if let Some(entry) = entries.push(packet) {
                *placed = Some(now);
                places.push(entry);
            }
        });
        if self.pending.is_empty() {
            return;
        }
        self.since.get_or_insert(now);
        if self.pending.len() >= CHUNK {
            self.flush(now);
        }
    }

    /// When [`Writer::flush`] is due; `None`: there is nothing to flush.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + GATHER)
    }

    /// Gives what was gathered to the clients.
    pub fn flush(&mut self, now: Instant) {
        self.since = None;
        if self.pending.is_empty() {
            return;
        }
        let here = self.entries.here();
        // A chunk lives for long: it is to be no larger than what is in it.
        let bytes = if self.pending.capacity() > self.pending.len() + self.pending.len() / 4 {
            Bytes::copy_from_slice(&self.pending)
        } else {
            let next = Vec::with_capacity(self.pending.capacity().min(CHUNK + LEN));
            Bytes::from(std::mem::replace(&mut self.pending, next))
        };
        self.pending.clear();
        let has_place = self.buffer.publish(bytes, self.places.drain(..), here, now);
        let is_late = |placed| now.saturating_duration_since(placed) >= BARREN;
        if !has_place && self.placed.is_some_and(is_late) {
            self.entries.settle();
        }
    }

    /// No random access point has come for too long: any picture will do until one does.
    pub fn settle(&mut self) {
        self.entries.settle();
    }

    /// Whether there has been a place at which a client can begin.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.placed.is_some()
    }

    /// Whether the stream has said what it consists of.
    #[must_use]
    pub const fn has_tables(&self) -> bool {
        self.entries.has_tables()
    }
}
