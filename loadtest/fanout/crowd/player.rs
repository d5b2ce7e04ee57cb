//! What a client of a playlist fetches when (RFC 8216 section 6.3).

use crate::hls::channel::TARGET;
use crate::hls::players::player;
use crate::hls::players::player::BEGIN;
use crate::hls::players::player::List;

/// See the module.
#[derive(Debug)]
pub(crate) struct Player {
    /// The path of the playlist.
    path: &'static str,
    list: Option<List>,
    /// Number of the segment to fetch next.
    next: Option<u64>,
    /// When the playlist was asked for last, and whether there was anything new in it.
    asked: u64,
    was_new: bool,
}

impl Player {
    pub(crate) fn new(path: &'static str) -> Self {
        Self { path, list: None, next: None, asked: 0, was_new: false }
    }

    /// The playlist's path, which is asked for at `now`.
    pub(crate) fn playlist(&mut self, now: u64) -> String {
        self.asked = now;
        self.path.to_owned()
    }

    /// Takes a playlist.
    pub(crate) fn load(&mut self, text: &str) -> Result<(), String> {
        let list = player::read(text).ok_or("a playlist that is none")?;
        let end = self.list.as_ref().map(List::end);
        self.was_new = end.is_none_or(|end| end < list.end());
        let next = self.next.unwrap_or(list.end().saturating_sub(BEGIN));
        let missed = list.first.saturating_sub(next);
        self.next = Some(next.max(list.first));
        self.list = Some(list);
        if missed > 0 { Err(format!("{missed} segments left the playlist")) } else { Ok(()) }
    }

    /// The path of the next segment that the playlist names.
    pub(crate) fn segment(&mut self) -> Option<String> {
        let (list, next) = (self.list.as_ref()?, self.next?);
        let uri = list.uri(next)?;
        self.next = Some(next + 1);
        let (folder, _) = self.path.rsplit_once('/')?;
        Some(format!("{folder}/{uri}"))
    }

    /// When the playlist is asked for again: one target duration after it was last asked for, or half of
    /// one where nothing was new (section 6.3.4).
    pub(crate) fn again(&self) -> u64 {
        let target = TARGET.as_nanos() as u64;
        self.asked + if self.was_new { target } else { target / 2 }
    }
}
