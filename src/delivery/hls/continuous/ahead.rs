//! Fetching ahead: the playlist, once more and again, and its segments one after the other, until there
//! is enough.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::delivery::Failure;
use crate::delivery::attempt::Patience;
use crate::delivery::hls::continuous::Continuous;
use crate::delivery::hls::continuous::LATE_MAX;
use crate::delivery::hls::continuous::LEAD;
use crate::delivery::hls::continuous::List;
use crate::delivery::hls::continuous::Segment;
use crate::delivery::hls::continuous::Stage;
use crate::delivery::hls::continuous::fetch::Arrived;
use crate::delivery::hls::continuous::fetch::Loaded;
use crate::delivery::hls::continuous::queue::PART;
use crate::delivery::hls::continuous::reached::End;
use crate::delivery::hls::continuous::unpacking::Unpacking;
use crate::delivery::pace::Pace;
use crate::media::m3u8::Media;
use crate::media::m3u8::Piece;
use crate::media::m3u8::Playlist;
use crate::media::m3u8::read;
use crate::upstream;

/// Bytes of a segment after which its clock is looked at: a quarter of a second of the least radio.
const STEP: usize = 7 * 188;

/// How often a playlist is loaded again at most.
const RELOAD_MIN: Duration = Duration::from_millis(500);

/// By how much a stream that has fallen behind its playlist's end is played faster, as a divisor.
const HURRY: u32 = 20;

/// What is later than that is late for good: less than `failover.stall_timeout` is by default.
const LATE: Duration = Duration::from_secs(1);

impl Continuous {
    /// Fetches ahead for as long as there is room and nothing has to be waited for.
    pub(super) fn work(&mut self, cx: &mut Context<'_>) {
        if self.queue.is_full() {
            // Its silence is ours.
            self.heard = Instant::now();
        }
        while !self.queue.is_full() && self.end.is_none() && self.poll_step(cx).is_ready() {}
        self.queue.flush();
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        match &mut self.stage {
            Stage::Resting(until) if now < *until => return Poll::Pending,
            Stage::Resting(_) => self.load(),
            Stage::Loading(loading) => {
                let loaded = ready!(loading.as_mut().poll(cx));
                self.loaded(loaded);
            }
            Stage::Pausing(until) if now < *until => return Poll::Pending,
            Stage::Pausing(_) => self.ask(),
            Stage::Opening(opening) => {
                let arrived = ready!(opening.as_mut().poll(cx));
                self.arrived(arrived);
            }
            Stage::Reading(arrived) => match arrived.poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.heard = now;
                    self.take(&bytes);
                }
                Poll::Ready(Some(Err(error))) => self.segment_fails(error.into()),
                Poll::Ready(None) => self.segment_ends(),
                Poll::Pending => {
                    let patience = self.fetch.question.patience.response;
                    if now < self.heard + patience {
                        return Poll::Pending;
                    }
                    self.segment_fails(upstream::Error::NoMedia(patience).into());
                }
            },
        }
        Poll::Ready(())
    }

    pub(super) fn load(&mut self) {
        self.asked = Instant::now();
        if let Some(url) = self.variants.get(self.variant) {
            self.stage = Stage::Loading(self.fetch.list(url, &self.variables));
        }
    }

    fn loaded(&mut self, loaded: Result<Loaded, Failure>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => return self.load_fails(failure),
        };
        match read(&loaded.text) {
            Ok(Playlist::Media(media)) => self.listed(&media, loaded.began),
            Ok(Playlist::Multivariant(_)) | Err(_) => {
                self.load_fails(Failure::NoStart("a playlist that is no media playlist"));
            }
        }
    }

    pub(super) fn listed(&mut self, media: &Media<'_>, began: Instant) {
        let has_changed = match self.follow.take(media) {
            Ok(has_changed) => has_changed,
            Err(unfit) => return self.variant_fails(unfit.into()),
        };
        self.failures = 0;
        let target = media.target_duration;
        if !self.has_begun && has_changed {
            let ahead = self.follow.left();
            // The next segment may be listed a whole target duration after the last.
            let lead = if media.is_ended { LEAD } else { LEAD.min(ahead.saturating_sub(target)) };
            self.pace = Pace::new(lead, LATE_MAX);
            self.list.ahead = ahead;
        }
        // What a connection before this one has played is nothing new.
        let has_changed = has_changed && !self.follow.left().is_zero();
        self.list = List { began, came: Instant::now(), target, has_changed, ..self.list };
        self.go_on();
    }

    /// What comes next: a segment, the end, or the playlist once more.
    pub(super) fn go_on(&mut self) {
        let now = Instant::now();
        let age = now.saturating_duration_since(self.list.came);
        let is_live = !self.follow.is_ended();
        if is_live && age > (self.list.target * 3).max(Duration::from_secs(3)) {
            // The client has paused: what is listed here may be gone.
            return self.load();
        }
        if let Some(piece) = self.follow.next_piece() {
            self.chain.begin(piece.is_break, self.queue.part());
            self.mark(now);
            self.segment = Some(Segment { piece, unpacking: Unpacking::default(), tries: 0 });
            self.ask();
        } else if is_live {
            let wait = if self.list.has_changed { self.list.target } else { self.list.target / 2 };
            self.stage = Stage::Resting((self.list.began + wait.max(RELOAD_MIN)).max(now));
        } else {
            self.chain.end(self.queue.part());
            self.mark(now);
            self.end = Some(Ok(()));
        }
    }

    /// Asks for the segment, or for what is left of it.
    fn ask(&mut self) {
        if let Some(Segment { piece, unpacking, .. }) = &self.segment {
            let arriving = self.fetch.segment(piece, unpacking.taken(), self.key.as_ref());
            self.stage = Stage::Opening(arriving);
        }
    }

    fn arrived(&mut self, arrived: Result<Arrived, Failure>) {
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(failure) => return self.segment_fails(failure),
        };
        if let Some(Segment { piece, unpacking, .. }) = &mut self.segment
            && let (Some(cipher), Some(key)) = (&piece.cipher, &arrived.key)
        {
            unpacking.decrypt(key.bytes, cipher.iv);
            self.key = Some(key.clone());
        }
        self.heard = Instant::now();
        self.stage = Stage::Reading(Box::new(arrived));
    }

    /// Takes bytes of the segment.
    fn take(&mut self, bytes: &Bytes) {
        for part in bytes.chunks(PART) {
            let Some(mut segment) = self.segment.take() else { return };
            let taken = segment.unpacking.push(part).map(|clear| self.push(clear, &segment.piece));
            self.segment = Some(segment);
            if let Err(failure) = taken {
                return self.segment_fails(failure);
            }
        }
    }

    fn segment_ends(&mut self) {
        let Some(mut segment) = self.segment.take() else { return };
        if let Err(failure) = segment.unpacking.end().map(|clear| self.push(clear, &segment.piece))
        {
            self.segment = Some(segment);
            return self.segment_fails(failure);
        }
        let Piece { number, start, duration, .. } = segment.piece;
        let source = self.fetch.source.index;
        // A live list begins nowhere.
        let is_film = self.follow.is_ended();
        let position = if is_film { start.saturating_add(duration) } else { Duration::ZERO };
        let end = End { source, number, position };
        if !self.queue.ends(end) {
            self.fetch.question.reached.note(end);
        }
        self.pace.segment_ends(segment.piece.duration);
        (self.left_out, self.untried) = (0, self.variants.len() - 1);
        let room = self.list.ahead + 2 * self.list.target;
        if !self.follow.is_ended() && self.follow.left() > room {
            self.pace.hurry(segment.piece.duration / HURRY);
        }
        self.go_on();
    }

    /// Gives bytes of a segment to the client, in steps that are short on any clock.
    fn push(&mut self, clear: &[u8], piece: &Piece) {
        let now = Instant::now();
        for step in clear.chunks(STEP) {
            self.chain.push(step, self.queue.part());
            self.mark(now);
        }
        self.keep_up(piece, now);
    }

    /// What the chain has given since is to be sent when its time has come.
    fn mark(&mut self, now: Instant) {
        if !self.queue.part().is_empty() {
            let due = self.pace.due(self.chain.clock(), now);
            self.queue.mark(due);
            if !std::mem::replace(&mut self.has_begun, true) {
                // Who opens it may be in a hurry; from now on there is something in hand.
                self.fetch.question.patience = Patience::of(&self.fetch.question.config);
            }
        }
    }

    /// Where a live source is late for good, what it sends is late for good: sent at once when it comes,
    /// in bursts, it would look dead in between. So it is due later from now on, but for what can be made
    /// up for by what is listed already.
    fn keep_up(&mut self, piece: &Piece, now: Instant) {
        let late = self.pace.late(now);
        if late <= LATE || self.follow.is_ended() {
            return;
        }
        let ahead = piece.duration.saturating_add(self.follow.left());
        let made_up = ahead.saturating_sub(self.list.target).min(late);
        self.pace.put_off(late - made_up);
    }
}
