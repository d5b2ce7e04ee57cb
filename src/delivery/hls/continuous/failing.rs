//! What is done about playlists, segments and variants that fail.

use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Failure;
use crate::delivery::hls::continuous::Continuous;
use crate::delivery::hls::continuous::Stage;

/// How often a segment or playlist is asked for until it is left, and how long between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// How often a segment is asked for while there is something in hand: with pauses that grow, 10 s.
const TRIES_IN_HAND: u32 = 7;

/// Segments in a row that are left out, before their variant or source is.
const LEFT_OUT_MAX: u32 = 3;

impl Continuous {
    /// The playlist is loaded again, no more often than one that has not changed (8216bis section 6.3.4),
    /// or its variant is left: without another one not before there is nothing in hand any more.
    pub(super) fn load_fails(&mut self, failure: Failure) {
        self.failures += 1;
        let is_alone = self.untried == 0;
        let is_patient = self.failures < TRIES || is_alone && !self.queue.is_empty();
        if !(self.has_begun && is_patient) {
            return self.variant_fails(failure);
        }
        self.stage = Stage::Resting(self.asked + PAUSE.max(self.list.target / 2));
    }

    /// The segment is asked for again, or left out, or its variant is.
    pub(super) fn segment_fails(&mut self, failure: Failure) {
        let Some(segment) = &mut self.segment else { return };
        segment.tries += 1;
        if !self.has_begun || matches!(failure, Failure::Unfit(_)) {
            return self.variant_fails(failure);
        }
        // The newest one may be listed before it is everywhere.
        let is_newest = !self.follow.is_ended() && self.follow.left().is_zero();
        let is_gone = failure.outcome() == "not_found" && !is_newest;
        if segment.tries < TRIES && !is_gone {
            self.stage = Stage::Pausing(Instant::now() + PAUSE);
            return;
        }
        if segment.tries < TRIES_IN_HAND
            && failure.outcome() != "not_found"
            && !self.queue.is_empty()
        {
            self.stage = Stage::Pausing(Instant::now() + PAUSE * segment.tries);
            return;
        }
        self.segment = None;
        self.left_out += 1;
        if self.left_out >= LEFT_OUT_MAX {
            return self.variant_fails(failure);
        }
        tracing::warn!(
            channel = %self.fetch.channel.id, source = self.fetch.source.index,
            "a segment is left out: {failure}"
        );
        self.follow.breaks();
        self.go_on();
    }

    /// Goes over to the next variant, or ends.
    pub(super) fn variant_fails(&mut self, failure: Failure) {
        let segment = self.segment.take();
        let Some(untried) = self.untried.checked_sub(1) else {
            self.end = Some(Err(failure));
            return;
        };
        tracing::warn!(
            channel = %self.fetch.channel.id, source = self.fetch.source.index,
            "the stream goes on from another variant: {failure}"
        );
        self.untried = untried;
        self.variant = (self.variant + 1) % self.variants.len();
        (self.left_out, self.failures) = (0, 0);
        // What has come of a segment in part is not given twice.
        let again = segment.filter(|segment| segment.unpacking.taken() == 0);
        self.follow.changes(again.map(|segment| segment.piece.number));
        self.load();
    }
}
