//! How long a stream may take to become one that a client can begin with, and what is tried when it does not.

use std::time::Duration;

use tokio::time::Instant;

use crate::channel::Channel;

/// A stream whose random access point has not come for so long is begun with as it is.
const SETTLE_AFTER: Duration = Duration::from_millis(2500);

/// Measures from the first bytes on: until these come, it is for the failover to wait.
#[derive(Debug)]
pub(super) struct Leeway {
    since: Option<Instant>,
    patience: Duration,
    /// How many sources may still be given up.
    others: usize,
}

impl Leeway {
    /// For a stream of `channel`, whose sources have `patience` to answer.
    pub(super) fn new(patience: Duration, channel: &Channel) -> Self {
        let patience = patience.max(2 * SETTLE_AFTER);
        Self { since: None, patience, others: channel.sources.len().saturating_sub(1) }
    }

    /// Bytes have come at `now`.
    pub(super) fn heard(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// When it is to be begun with as it is.
    pub(super) fn settle(&self) -> Option<Instant> {
        self.since.map(|since| since + SETTLE_AFTER)
    }

    /// When it is too late.
    pub(super) fn late(&self) -> Option<Instant> {
        self.since.map(|since| since + self.patience)
    }

    /// It cannot be begun with: whether `look` has begun to look for another source, which has as long again.
    pub(super) fn give_up(&mut self, now: Instant, look: impl FnOnce() -> bool) -> bool {
        let is_another = self.others > 0 && look();
        if is_another {
            self.others -= 1;
            self.since = Some(now);
        }
        is_another
    }
}
