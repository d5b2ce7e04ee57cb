//! A stretch of content on its way to a client: from where, how much, how fast, until when.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

/// Bytes of one write where nothing asks for less.
pub(super) const SLICE: usize = 64 * 1024;
/// A paced feed writes at least so often.
const BEATS_PER_SECOND: u64 = 100;

/// Bytes to write. Unpaced and to the end of the content (or for ever) unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(super) content: Arc<dyn Content>,
    pub(super) from: u64,
    pub(super) bytes: Option<u64>,
    pub(super) until: Option<Gate>,
    pub(super) cut_at: Option<u64>,
    pace: Pace,
}

#[derive(Clone, Debug)]
enum Pace {
    Unpaced,
    Rate(u64),
    Clock(Clock),
}

/// The wall clock of a live programme: feeds on the same clock are replicas of one another, each
/// beginning with the packet that is due when it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    bytes_per_second: u64,
}

impl Clock {
    /// A programme that begins now, in the real time of `pattern`.
    pub(crate) fn start(pattern: &TsPattern) -> Self {
        Self { started: Instant::now(), bytes_per_second: pattern.bytes_per_second() }
    }

    /// Number of the packet that is due now.
    pub(crate) fn packet(&self) -> u64 {
        let nanos = self.started.elapsed().as_nanos() * u128::from(self.bytes_per_second);
        u64::try_from(nanos / 1_000_000_000).expect("a test is short") / PACKET as u64
    }
}

impl Feed {
    /// All of `content`, or its beginning for ever, as fast as the reader takes it.
    pub(crate) fn of(content: impl Content + 'static) -> Self {
        Self {
            bytes: content.length(),
            content: Arc::new(content),
            from: 0,
            until: None,
            cut_at: None,
            pace: Pace::Unpaced,
        }
    }

    /// `pattern` in real time.
    pub(crate) fn live(pattern: &TsPattern) -> Self {
        Self::of(pattern.clone()).rate(pattern.bytes_per_second())
    }

    /// Begins at `offset`; the end stays where it is.
    pub(crate) fn from(mut self, offset: u64) -> Self {
        let moved = offset.saturating_sub(self.from);
        self.bytes = self.bytes.map(|bytes| bytes.saturating_sub(moved));
        self.from = offset;
        self
    }

    /// Ends after `bytes`.
    pub(crate) fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Ends after `packets` transport packets.
    pub(crate) fn packets(self, packets: u64) -> Self {
        self.bytes(packets * PACKET as u64)
    }

    /// Writes at most so much a second (at least 1), catching up after a slow reader.
    pub(crate) fn rate(mut self, bytes_per_second: u64) -> Self {
        self.pace = Pace::Rate(bytes_per_second.max(1));
        self
    }

    /// Writes as fast as the reader takes it.
    pub(crate) fn unpaced(mut self) -> Self {
        self.pace = Pace::Unpaced;
        self
    }

    /// Follows a wall clock: begins with the packet that is due when the feed starts.
    pub(crate) fn on(mut self, clock: &Clock) -> Self {
        self.pace = Pace::Clock(*clock);
        self
    }

    /// Ends when `gate` opens, even within a write that the reader does not take.
    pub(crate) fn until(mut self, gate: &Gate) -> Self {
        self.until = Some(gate.clone());
        self
    }

    /// With [`Feed::until`]: goes on to the next place that is `byte` bytes into a packet.
    pub(crate) fn cut_at(mut self, byte: usize) -> Self {
        self.cut_at = Some((byte % PACKET) as u64);
        self
    }

    /// Where it starts and when each byte is due.
    pub(super) fn schedule(&self) -> Schedule {
        match &self.pace {
            Pace::Unpaced => Schedule { from: self.from, origin: None },
            Pace::Rate(rate) => {
                Schedule { from: self.from, origin: Some((Instant::now(), self.from, *rate)) }
            }
            Pace::Clock(clock) => Schedule {
                from: clock.packet() * PACKET as u64,
                origin: Some((clock.started, 0, clock.bytes_per_second)),
            },
        }
    }
}

/// A feed in real time from there on.
impl From<&TsPattern> for Feed {
    fn from(pattern: &TsPattern) -> Self {
        Self::live(pattern)
    }
}

/// See [`Feed::schedule`].
pub(super) struct Schedule {
    pub(super) from: u64,
    /// At this moment that byte is due, and so many a second after it.
    origin: Option<(Instant, u64, u64)>,
}

impl Schedule {
    /// The most to write at once.
    pub(super) fn slice(&self) -> usize {
        let paced = self.origin.map(|(_, _, rate)| (rate / BEATS_PER_SECOND) as usize);
        paced.map_or(SLICE, |bytes| bytes.clamp(PACKET, SLICE))
    }

    /// When the byte at `offset` is due; None for at once.
    pub(super) fn due(&self, offset: u64) -> Option<Instant> {
        let (moment, first, rate) = self.origin?;
        let nanos = u128::from(offset - first) * 1_000_000_000 / u128::from(rate);
        Some(moment + Duration::from_nanos(u64::try_from(nanos).expect("a test is short")))
    }
}
