//! The chunks that a buffer has and the places in them at which a client can begin. Places are counted
//! in packets since the relay began.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::Prebuffer;
use crate::config::Relay;
use crate::media::ts::join::Entry;
use crate::media::ts::packet::LEN;

#[cfg(test)]
mod tests;

/// Places to begin that are kept: of video there is one a second, of radio a frame.
const ENTRIES_MAX: usize = 1024;

/// Memory of all of them. Of a usual stream each takes 200 bytes; of one that uses every PID 32 KiB.
const ENTRIES_BYTES: usize = 1024 * 1024;

/// Places that are closer to one another than that are one. A client that waits for the next frame of
/// radio does not notice.
const APART: Duration = Duration::from_millis(100);

/// Some packets in a row.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// Number of the first packet.
    start: u64,
    /// Whole packets.
    pub(super) bytes: Bytes,
    /// When it was complete.
    pub(super) at: Instant,
}

/// A place to begin, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) entry: Entry,
    pub(super) at: Instant,
}

/// Chunks in the order in which they came, oldest first; see the module. Bounded by bytes, chunks and
/// age: what comes in beyond a bound pushes the oldest out.
#[derive(Debug)]
pub(super) struct Ring {
    chunks: VecDeque<Chunk>,
    places: VecDeque<Place>,
    bytes: usize,
    bytes_max: usize,
    chunks_max: usize,
    age_max: Duration,
    /// Who is further behind is too slow.
    lag: Duration,
    /// Number of the packet that comes next.
    end: u64,
    /// Number of the chunk that comes next.
    sequence: u64,
}

impl Ring {
    pub(super) fn new(rules: &Relay) -> Self {
        Self {
            chunks: VecDeque::new(),
            places: VecDeque::new(),
            bytes: 0,
            bytes_max: rules.buffer_bytes,
            chunks_max: rules.buffer_chunks,
            age_max: rules.buffer_time,
            lag: rules.lag,
            end: 0,
            sequence: 0,
        }
    }

    /// Takes whole packets, and the places to begin that they made known.
    pub(super) fn push(&mut self, bytes: Bytes, places: impl Iterator<Item = Entry>, now: Instant) {
        let packets = (bytes.len() / LEN) as u64;
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk { start: self.end, bytes, at: now });
        self.end += packets;
        self.sequence += 1;
        places.for_each(|entry| self.enter(entry, now));
        while self.is_over(now) {
            let Some(oldest) = self.chunks.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
        }
        let start = self.start();
        while self.places.pop_front_if(|place| place.entry.packet() < start).is_some() {}
    }

    fn enter(&mut self, entry: Entry, now: Instant) {
        if self.places.back().is_some_and(|last| now.duration_since(last.at) < APART) {
            return;
        }
        let most = (ENTRIES_BYTES / entry.bytes()).clamp(1, ENTRIES_MAX);
        while self.places.len() >= most {
            self.places.pop_front();
        }
        self.places.push_back(Place { entry, at: now });
    }

    /// Whether the oldest chunk is one too many. The newest one is kept in any case.
    fn is_over(&self, now: Instant) -> bool {
        let Some(oldest) = self.chunks.front().filter(|_| self.chunks.len() > 1) else {
            return false;
        };
        self.bytes > self.bytes_max
            || self.chunks.len() > self.chunks_max
            || now.saturating_duration_since(oldest.at) > self.age_max
    }

    /// Number of the oldest packet that is kept; of the next one where there is none.
    pub(super) fn start(&self) -> u64 {
        self.chunks.front().map_or(self.end, |chunk| chunk.start)
    }

    /// Number of the packet that comes next.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// What it holds: bytes, chunks, the number of the chunk that comes next, and when the oldest and
    /// the newest one came.
    pub(super) fn level(&self) -> (usize, usize, u64, Option<(Instant, Instant)>) {
        let ends = self.chunks.front().zip(self.chunks.back());
        let ends = ends.map(|(oldest, newest)| (oldest.at, newest.at));
        (self.bytes, self.chunks.len(), self.sequence, ends)
    }

    /// The packets from this one on to the end of its chunk, and when they came. `None`: they have not
    /// come, or are not kept any more.
    pub(super) fn from(&self, packet: u64) -> Option<(Bytes, Instant)> {
        let behind = self.chunks.partition_point(|chunk| chunk.start <= packet);
        let chunk = self.chunks.get(behind.checked_sub(1)?)?;
        let skipped = usize::try_from(packet - chunk.start).ok()?.checked_mul(LEN)?;
        let is_in = skipped < chunk.bytes.len();
        is_in.then(|| (chunk.bytes.slice(skipped..), chunk.at))
    }

    /// The newest place to begin.
    pub(super) fn newest(&self) -> Option<&Place> {
        self.places.back()
    }

    /// The place at which a client begins that is to have so much at once; `None` where there is none
    /// with as much behind it. Once the buffer has no room for more the older half of it is enough, and
    /// where a place is so far behind that its client were too slow at once, the newest one.
    pub(super) fn place(&self, prebuffer: Prebuffer, now: Instant) -> Option<&Place> {
        let start = self.start();
        let middle = start.midpoint(self.end);
        let has_enough = |place: &&Place| {
            let is_enough = match prebuffer {
                Prebuffer::Time(time) => now.saturating_duration_since(place.at) >= time,
                Prebuffer::Bytes(bytes) => self.behind(place.entry.packet()) >= bytes,
            };
            is_enough || (start > 0 && place.entry.packet() <= middle)
        };
        let place = self.places.iter().rev().find(has_enough)?;
        let is_far = self.is_far(place.entry.packet(), Some(place.at), now);
        if is_far { self.newest() } else { Some(place) }
    }

    /// Whether a client that gets this packet next, which came at `came`, is too slow.
    pub(super) fn is_far(&self, packet: u64, came: Option<Instant>, now: Instant) -> bool {
        self.behind(packet) > self.bytes_max / 4 * 3
            || came.is_some_and(|came| now.saturating_duration_since(came) > self.lag)
    }

    /// Bytes from this packet on.
    fn behind(&self, packet: u64) -> usize {
        let packets = usize::try_from(self.end.saturating_sub(packet)).unwrap_or(usize::MAX);
        packets.saturating_mul(LEN)
    }
}
