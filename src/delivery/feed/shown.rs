//! What the client is shown where no source plays, and how sources are tried again meanwhile.

use tokio::time::Instant;

use crate::config::OnExhausted;
use crate::delivery::failover::Event;
use crate::delivery::failover::Generation;
use crate::delivery::feed::Active;
use crate::delivery::feed::Feed;
use crate::delivery::feed::Start;
use crate::delivery::line::Line;
use crate::delivery::made::Clip;
use crate::delivery::made::Made;
use crate::delivery::sessions::Session;
use crate::delivery::slate;
use crate::delivery::slate::Cause;
use crate::delivery::slate::Slate;
use crate::media::ts::join::Codings;

/// The generation of what is made in the place of sources: no attempt that the machine knows.
const MADE: Generation = Generation::MAX;

/// What the client is fed.
pub(super) enum Shown {
    /// The source with this index.
    Source(usize),
    /// Why there is none.
    Slate { _told: Slate },
    /// What somebody wants to be shown.
    Override,
}

impl Shown {
    /// The source's index, if it is one.
    pub(super) fn source(&self) -> Option<usize> {
        match self {
            Self::Source(source) => Some(*source),
            Self::Slate { .. } | Self::Override => None,
        }
    }
}

impl Feed {
    /// Begins where no source has been found to begin with.
    pub(super) fn begin(&mut self, session: &mut Session) {
        if !std::mem::replace(&mut self.has_looked, true) {
            self.look(session);
        }
        let start = self.start.take().filter(|_| self.active.is_none());
        match start {
            Some(Start::Slate(causes)) => {
                self.causes = causes;
                self.exhausted(session);
            }
            // It has been taken back meanwhile.
            Some(Start::Override) => self.tell(Event::Start, session),
            Some(Start::Source(..)) | None => {}
        }
    }

    /// Whether a slate is shown where nothing is left.
    pub(super) fn may_slate(&self) -> bool {
        let failover = &self.course.question.config.failover;
        failover.on_exhausted == OnExhausted::Slate && self.joiner.is_some()
    }

    /// Nothing is left: the stream ends, or a slate is shown and sources are tried again later.
    pub(super) fn exhausted(&mut self, session: &mut Session) {
        if !self.may_slate() {
            self.is_over = true;
            return;
        }
        self.again.later(Instant::now());
        let shown = self.active.as_ref().map(|active| &active.shown);
        if matches!(shown, Some(Shown::Slate { .. })) {
            return;
        }
        let cause = self.causes.main();
        let made = self
            .slate_clip(Some(&cause))
            .or_else(|| self.slate_clip(None))
            .map_or_else(|| Made::drawn(&slate::scene(&cause, &self.course.channel)), Made::looped);
        let slate = Slate::begin(&cause, session, &self.course.delivery.metrics);
        self.show(made, Shown::Slate { _told: slate });
    }

    /// The clip of a slate in the codings of the client's stream, where the built-in picture has others
    /// and the clip is at hand; if it is not, it is for the next time.
    pub(super) fn slate_clip(&self, cause: Option<&Cause>) -> Option<Clip> {
        let codings = self.joiner.as_ref()?.codings();
        if codings == Codings::default() {
            return None;
        }
        self.course.delivery.clips.get(&slate::clip(cause, &self.course.channel, codings))
    }

    /// Goes over to what is made: its beginning is at hand.
    pub(super) fn show(&mut self, mut made: Made, shown: Shown) {
        let mut audition = self.joiner.as_ref().map(|joiner| joiner.audition());
        if let Some(audition) = &mut audition {
            while !audition.is_ready() {
                let Some(bytes) = made.take(Instant::now()) else {
                    audition.settle();
                    break;
                };
                audition.push(&bytes);
            }
        }
        self.join_at(audition, self.given.elapsed());
        self.play(Active { generation: MADE, shown, line: Line::made(made) });
    }
}
