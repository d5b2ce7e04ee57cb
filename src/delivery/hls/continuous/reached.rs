//! How far a session has come in playlists that it is given as one stream.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::media::m3u8::Follow;

/// The end of the last segment that a session was given whole: who opens the same source again goes on
/// behind it, and who opens another one whose list has ended, at the same time of the film. Guards a few
/// words.
#[derive(Debug, Default)]
pub(crate) struct Reached(Mutex<Option<End>>);

/// The end of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) source: usize,
    pub(super) number: u64,
    /// After the beginning of the list.
    pub(super) position: Duration,
}

impl Reached {
    pub(super) fn note(&self, end: End) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Where a list of this source is begun.
    pub(super) fn follow(&self, source: usize) -> Follow {
        let Some(end) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Follow::new();
        };
        let number = (end.source == source).then(|| end.number.saturating_add(1));
        Follow::after(number, end.position)
    }
}
