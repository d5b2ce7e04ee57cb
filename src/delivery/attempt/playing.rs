//! A source that plays, wherever its bytes come from.

use http::HeaderMap;

use crate::channel::Slot;
use crate::delivery::attempt::Opened;
use crate::delivery::hls::Continuous;
use crate::delivery::made::Made;
use crate::media::sniff::Container;
use crate::upstream::Answer;

/// A source that gives a stream; its slot is held for as long as it does.
pub(crate) struct Playing {
    pub(crate) source: usize,
    pub(crate) slot: Slot,
    pub(crate) container: Container,
    pub(crate) origin: Origin,
}

/// Where the bytes of a stream come from.
pub(crate) enum Origin {
    /// The body of an answer.
    Answer(Box<Answer>),
    /// The segments of a playlist.
    Continuous(Box<Continuous>),
    /// weir itself.
    Made(Box<Made>),
}

impl Playing {
    /// The fields of the answer that it is, if it is one.
    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        match &self.origin {
            Origin::Answer(answer) => Some(&answer.head.headers),
            Origin::Continuous(_) | Origin::Made(_) => None,
        }
    }
}

impl From<Opened> for Playing {
    fn from(opened: Opened) -> Self {
        let Opened { source, answer, slot, container, .. } = opened;
        Self { source, slot, container, origin: Origin::Answer(Box::new(answer)) }
    }
}
