//! One client's place in a buffer.
//!
//! waiting -> arriving -> following -> leaving -> arriving: a client waits until there is a place to
//! begin, arrives there with whole units, follows packet by packet, and, once it is too slow, leaves what
//! it has begun in order and arrives at the newest place.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::JoinAt;
use crate::config::Prebuffer;
use crate::config::SlowClients;
use crate::media::ts::join::Arrival;
use crate::media::ts::join::Departure;
use crate::media::ts::join::Entry;
use crate::media::ts::packet::LEN;
use crate::relay::buffer::Buffer;
use crate::relay::buffer::Closed;
use crate::relay::buffer::State;
use crate::relay::cursor::Cursor;

#[cfg(test)]
mod tests;

/// What a client gets next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Whole packets: shared with the others, but for those around its beginning and a skip.
    Bytes(Bytes),
    /// Nothing more: it has all that came.
    Closed(Closed),
    /// Nothing more: it is too slow.
    TooSlow,
}

/// One client's place. Dropping it gives it back.
#[derive(Debug)]
pub struct Reader {
    buffer: Arc<Buffer>,
    index: usize,
    stage: Stage,
    cursor: Arc<Cursor>,
    /// Since when it is too slow.
    slow_since: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    Arriving { arrival: Box<Arrival>, at: u64, has_begun: bool },
    Following { at: u64 },
    Leaving { departure: Departure, at: u64 },
}

/// What a look at the buffer gave.
enum Look {
    Packets(Bytes),
    Skip,
    TooSlow,
    Closed(Closed),
    Pending,
}

impl Reader {
    pub(super) fn new(buffer: Arc<Buffer>, index: usize, end: u64) -> Self {
        let cursor = Arc::new(Cursor::new(end));
        Self { buffer, index, stage: Stage::Waiting, cursor, slow_since: None }
    }

    /// Its place, for others to see.
    #[must_use]
    pub fn cursor(&self) -> &Arc<Cursor> {
        &self.cursor
    }

    /// What comes next. The last answer is an end; it is given for ever.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Next> {
        let now = Instant::now();
        loop {
            let next = match self.look(cx, now) {
                Look::Pending => return Poll::Pending,
                Look::Closed(closed) => Some(Next::Closed(closed)),
                Look::TooSlow => {
                    self.cursor.dropped();
                    Some(Next::TooSlow)
                }
                Look::Skip => {
                    self.skip();
                    None
                }
                Look::Packets(bytes) => self.take(bytes, now),
            };
            if let Some(next) = next {
                return Poll::Ready(next);
            }
        }
    }

    /// Looks what there is for this place. Finds a place first where it has none.
    fn look(&mut self, cx: &Context<'_>, now: Instant) -> Look {
        let buffer = Arc::clone(&self.buffer);
        let mut state = buffer.state();
        if matches!(self.stage, Stage::Waiting)
            && let Some(entry) = self.entry(&state, now)
        {
            self.arrive(Arrival::new(&entry), entry.packet());
        }
        let at = match &self.stage {
            Stage::Waiting => None,
            Stage::Arriving { at, .. } | Stage::Following { at } | Stage::Leaving { at, .. } => {
                Some(*at)
            }
        };
        if let Some(at) = at {
            let found = state.ring.from(at);
            if let Some(look) = self.judge(&state, at, found.as_ref().map(|(_, came)| *came), now) {
                return look;
            }
            if let Some((bytes, _)) = found {
                return Look::Packets(bytes);
            }
        }
        if let Some(closed) = state.closed {
            return Look::Closed(closed);
        }
        if matches!(self.stage, Stage::Leaving { .. }) {
            // There is nothing that could complete what was begun.
            return Look::Skip;
        }
        state.await_more(self.index, cx.waker());
        Look::Pending
    }

    /// Where it begins.
    fn entry(&self, state: &State, now: Instant) -> Option<Entry> {
        let rules = &self.buffer.rules;
        match rules.join {
            JoinAt::Live if rules.prebuffer.is_none() => state.here.clone(),
            JoinAt::Live | JoinAt::Keyframe => {
                let place = state.ring.place(rules.prebuffer, now);
                // Nothing more will come to wait for.
                let place = place.or_else(|| state.closed.and_then(|_| state.ring.newest()));
                place.map(|place| place.entry.clone())
            }
        }
    }

    /// Whether the client is too slow, and what becomes of it. `came` is when the packet came that it
    /// gets next.
    fn judge(
        &mut self,
        state: &State,
        at: u64,
        came: Option<Instant>,
        now: Instant,
    ) -> Option<Look> {
        let rules = &self.buffer.rules;
        let is_lost = at < state.ring.start();
        let is_far = state.ring.is_far(at, came, now);
        // Once it has begun to leave it is to go.
        let is_leaving = matches!(self.stage, Stage::Leaving { .. });
        if !is_lost && (!is_far || is_leaving) {
            self.slow_since = None;
            return None;
        }
        let since = *self.slow_since.get_or_insert(now);
        if rules.slow_clients == SlowClients::Drop {
            let is_over = now.saturating_duration_since(since) >= rules.client_timeout;
            return (is_lost || is_over).then_some(Look::TooSlow);
        }
        let has_newer = state.ring.newest().is_some_and(|place| place.entry.packet() > at);
        (is_lost || has_newer).then_some(Look::Skip)
    }

    /// Leaves where it is: in order, if what it has begun is still there.
    fn skip(&mut self) {
        let state = self.buffer.state();
        let newest = state.ring.newest().map(|place| place.entry.clone());
        let target = newest.or_else(|| state.here.clone());
        let start = state.ring.start();
        drop(state);
        let Some(entry) = target else {
            // It waits for a place as one that has come anew.
            self.stage = Stage::Waiting;
            return;
        };
        match &self.stage {
            Stage::Following { at } | Stage::Arriving { at, has_begun: true, .. }
                if *at >= start =>
            {
                let departure = Departure::new(&entry);
                self.stage = Stage::Leaving { departure, at: *at };
            }
            _ => {
                self.cursor.skipped();
                self.slow_since = None;
                self.arrive(Arrival::again(&entry), entry.packet());
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival, at: u64) {
        self.stage = Stage::Arriving { arrival: Box::new(arrival), at, has_begun: false };
    }

    /// Takes the next packets and gives what the client gets of them, if it is anything.
    fn take(&mut self, bytes: Bytes, now: Instant) -> Option<Next> {
        let taken = (bytes.len() / LEN) as u64;
        let (packets, mut out) = (bytes.as_chunks().0, Vec::new());
        let (at, next) = match &mut self.stage {
            Stage::Waiting => return None,
            Stage::Following { at } => {
                *at += taken;
                (*at, Some(bytes))
            }
            Stage::Arriving { arrival, at, has_begun } => {
                if !std::mem::replace(has_begun, true) {
                    arrival.begin(&mut out);
                }
                *at += taken;
                let place = *at;
                if arrival.pass(packets, &mut out) {
                    self.stage = Stage::Following { at: place };
                }
                (place, None)
            }
            Stage::Leaving { departure, at } => {
                *at += taken;
                let (place, has_left) = (*at, departure.pass(packets, &mut out));
                if has_left {
                    self.skip();
                }
                (place, None)
            }
        };
        self.cursor.read(at, now);
        let next = next.or_else(|| Some(Bytes::from(out)).filter(|bytes| !bytes.is_empty()));
        next.map(Next::Bytes)
    }
}

impl Prebuffer {
    /// Whether nothing is to be had at once.
    fn is_none(self) -> bool {
        match self {
            Self::Time(time) => time.is_zero(),
            Self::Bytes(bytes) => bytes == 0,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.buffer.state().leave(self.index);
    }
}
