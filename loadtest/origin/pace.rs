//! When the pieces of one paced stream are due, and what is given up when they cannot be sent.

use crate::clock::SECOND;

/// What a stream may be behind before the rest is given up, in nanoseconds: a source that is live
/// does not keep minutes for a slow receiver.
const BEHIND: u64 = SECOND / 10;

/// The schedule of one stream.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    piece: u64,
    begun: u64,
    sent: u64,
}

impl Pace {
    /// The first piece is due now, the second a part of an interval later that differs from stream
    /// to stream (`number`), so that a thousand streams do not all send in the same moment.
    pub(crate) fn new(bytes_per_second: u64, piece: u64, number: u64, now: u64) -> Self {
        let interval = piece * SECOND / bytes_per_second;
        // The golden ratio's multiples are as evenly spread as can be, however many there are.
        let phase = (number as f64 * 0.618_033_988_749_895).fract();
        let begun = now.saturating_sub(interval + (interval as f64 * phase) as u64);
        Self { bytes_per_second, piece, begun, sent: 0 }
    }

    /// Bytes that are due and not sent, in whole pieces.
    pub(crate) fn owed(&self, now: u64) -> u64 {
        let due = u128::from(now.saturating_sub(self.begun)) * u128::from(self.bytes_per_second)
            / u128::from(SECOND);
        let pieces = due as u64 / self.piece;
        (pieces * self.piece).saturating_sub(self.sent)
    }

    /// Gives up what is too far behind; says how many bytes that were.
    pub(crate) fn give_up(&mut self, now: u64) -> u64 {
        let most = (self.bytes_per_second / (SECOND / BEHIND)).max(2 * self.piece);
        let over = self.owed(now).saturating_sub(most) / self.piece * self.piece;
        self.sent += over;
        over
    }

    /// So many bytes have gone out.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// When the next piece is due.
    pub(crate) fn next(&self) -> u64 {
        let until = u128::from(self.sent / self.piece + 1) * u128::from(self.piece);
        self.begun + (until * u128::from(SECOND)).div_ceil(u128::from(self.bytes_per_second)) as u64
    }

    /// Bytes of one write.
    pub(crate) fn piece(&self) -> usize {
        self.piece as usize
    }
}
