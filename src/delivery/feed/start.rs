//! What a feed begins with.

use std::sync::Arc;

use crate::delivery::desk::Desk;
use crate::delivery::feed::Course;
use crate::delivery::feed::Feed;
use crate::delivery::line::Line;
use crate::delivery::slate::Causes;
use crate::media::ts::join::Manner;

/// What a feed begins with.
pub(crate) enum Start {
    /// A source, by its index.
    Source(usize, Box<Line>),
    /// A slate, for these causes.
    Slate(Causes),
    /// What somebody wants to be shown.
    Override,
}

impl Start {
    /// The source, or the first where none plays, and what it is played from.
    pub(crate) fn source(&self) -> (usize, Option<&Line>) {
        match self {
            Self::Source(source, line) => (*source, Some(line)),
            Self::Slate(_) | Self::Override => (0, None),
        }
    }
}

/// All that a feed begins with.
pub(crate) struct Feeding {
    pub(crate) course: Course,
    /// How sources are joined; `None`: bytes follow bytes.
    pub(crate) manner: Option<Manner>,
    pub(crate) start: Start,
    /// Where switches are ordered.
    pub(crate) desk: Arc<Desk>,
}

impl Feeding {
    /// Begins. `seed` decides the jitter of pauses.
    pub(crate) fn begin(self, seed: u64) -> Feed {
        let Self { course, manner, start, desk } = self;
        Feed::new(course, manner, start, desk, seed)
    }
}
