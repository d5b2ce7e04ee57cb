//! What is known of one client's place from outside its task.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// One client's place; written by its task, read by whoever asks.
#[derive(Debug)]
pub struct Cursor {
    began: Instant,
    /// The packet that it gets next.
    packet: AtomicU64,
    /// When it was last given bytes, in milliseconds since it began.
    read_ms: AtomicU64,
    /// How often it was too slow and has skipped.
    skips: AtomicU32,
    /// It was too slow and was dropped.
    is_dropped: AtomicBool,
}

impl Cursor {
    pub(super) fn new(packet: u64) -> Self {
        Self {
            began: Instant::now(),
            packet: AtomicU64::new(packet),
            read_ms: AtomicU64::new(0),
            skips: AtomicU32::new(0),
            is_dropped: AtomicBool::new(false),
        }
    }

    /// The number of the packet that it gets next, counted since the relay began.
    #[must_use]
    pub fn packet(&self) -> u64 {
        self.packet.load(Ordering::Relaxed)
    }

    /// How long ago it was last given bytes; before the first ones how long ago it began.
    #[must_use]
    pub fn since_read(&self) -> Duration {
        let read = Duration::from_millis(self.read_ms.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(read)
    }

    /// How often it was too slow and has skipped to a random access point.
    #[must_use]
    pub fn skips(&self) -> u32 {
        self.skips.load(Ordering::Relaxed)
    }

    /// Whether it was dropped because it was too slow.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.is_dropped.load(Ordering::Relaxed)
    }

    pub(super) fn read(&self, packet: u64, now: Instant) {
        let millis = now.saturating_duration_since(self.began).as_millis();
        self.packet.store(packet, Ordering::Relaxed);
        self.read_ms.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn skipped(&self) {
        self.skips.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}
