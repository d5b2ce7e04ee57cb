//! One client of a relay.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::delivery::cut::Cut;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::delivery::shared::relay::Relay;
use crate::delivery::shared::watchers::Watching;
use crate::metrics::Value;
use crate::relay::Closed;
use crate::relay::Next;
use crate::relay::Reader;

/// What a client of a relay is given.
pub(crate) struct Client {
    reader: Reader,
    relay: Arc<Relay>,
    /// Of the channel, and how many of them are this client's.
    skips: Value,
    skipped: u32,
    /// The relay is watched for as long as this lives.
    _watching: Watching,
}

impl Client {
    pub(super) fn new(reader: Reader, relay: Arc<Relay>, skips: Value, watching: Watching) -> Self {
        Self { reader, relay, skips, skipped: 0, _watching: watching }
    }

    /// The next bytes.
    pub(crate) fn poll_next(
        &mut self,
        cx: &Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        let next = self.reader.poll_next(cx);
        let skips = self.reader.cursor().skips();
        if skips > self.skipped {
            self.skips.add(u64::from(skips - self.skipped));
            self.skipped = skips;
            let (channel, session) = (&self.relay.channel.id, session.info().id);
            tracing::debug!(%channel, session, skips, "a client was too slow and has skipped");
        }
        next.map(|next| match next {
            Next::Bytes(bytes) => {
                self.relay.served.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Some(Ok(bytes))
            }
            Next::TooSlow => {
                session.ended(End::TooSlow);
                Some(Err(Cut::TooSlow))
            }
            Next::Closed(closed) => {
                let (end, cut) = end_of(closed);
                session.ended(end);
                cut.map(Err)
            }
        })
    }
}

/// Why nothing more will come of a feed whose session has ended so.
pub(in crate::delivery) fn closed_by(end: Option<End>) -> Closed {
    match end {
        Some(End::Complete) => Closed::Complete,
        Some(End::SourceFailed(cause)) => Closed::Failed(cause),
        Some(End::SourceStalled) => Closed::Silent,
        _ => Closed::Ended,
    }
}

/// What a client's session ends with, and whether its body is cut.
pub(super) fn end_of(closed: Closed) -> (End, Option<Cut>) {
    match closed {
        Closed::Complete => (End::Complete, None),
        Closed::Ended => (End::SourceEnded, None),
        Closed::Failed(cause) => (End::SourceFailed(cause), Some(Cut::Source)),
        Closed::Silent => (End::SourceStalled, Some(Cut::Stalled)),
        Closed::Replaced => (End::Replaced, Some(Cut::Replaced)),
        Closed::Reloaded => (End::Reloaded, Some(Cut::Reloaded)),
        Closed::Stopped => (End::Stopped, None),
    }
}
