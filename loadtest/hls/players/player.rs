//! One player: loads the playlist, then what is new in it, as RFC 8216 section 6.3 says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;
use weir::message::Url;

use crate::hls::channel::Channel;
use crate::hls::channel::TARGET;
use crate::hls::channel::WINDOW;

use super::Tally;
use super::connection::Body;
use super::connection::Connection;

/// A player begins so many segments before the end: three target durations (section 6.3.3).
pub(crate) const BEGIN: u64 = 3;

/// One player.
pub(crate) struct Player {
    playlist: Url,
    connection: Connection,
    channel: Arc<Channel>,
    tally: Arc<Tally>,
    /// The last playlist.
    known: Option<List>,
    /// The segment to fetch next.
    next: Option<u64>,
}

/// A playlist.
#[derive(Debug)]
pub(crate) struct List {
    /// Its media sequence number.
    pub(crate) first: u64,
    uris: Vec<String>,
}

impl List {
    pub(crate) fn end(&self) -> u64 {
        self.first + self.uris.len() as u64
    }

    pub(crate) fn uri(&self, number: u64) -> Option<&String> {
        self.uris.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

impl Player {
    pub(crate) fn new(
        number: usize,
        playlist: &Url,
        channel: Arc<Channel>,
        tally: &Arc<Tally>,
    ) -> Self {
        let to = SocketAddr::from(([127, 0, 0, 1], playlist.port()));
        Self {
            playlist: playlist.clone(),
            connection: Connection::new(to, format!("player/{number}")),
            channel,
            tally: Arc::clone(tally),
            known: None,
            next: None,
        }
    }

    /// Plays from `phase` on, for ever.
    pub(crate) async fn play(mut self, phase: Duration) {
        sleep(phase).await;
        loop {
            let asked = Instant::now();
            // Section 6.3.4: one target duration after the last load began, half of it where nothing
            // was new.
            let is_new = self.load(asked).await;
            sleep_until(asked + if is_new { TARGET } else { TARGET / 2 }).await;
        }
    }

    /// Loads the playlist and whatever is new in it; whether there was anything.
    async fn load(&mut self, asked: Instant) -> bool {
        let mut body = Body::Keep(Vec::new());
        let path = self.playlist.path_and_query().to_owned();
        let answer = self.connection.get(&path, &mut body, &self.tally).await;
        let Body::Keep(text) = body else { return false };
        if let Err(error) = answer {
            self.tally.fault(|faults| &mut faults.failed, &error);
            return false;
        }
        let took = millis(asked.elapsed());
        let list = match read(&String::from_utf8_lossy(&text)) {
            Some(list) if self.fits(&list) => list,
            _ => {
                self.tally.fault(|faults| &mut faults.back, "a playlist that cannot be");
                return false;
            }
        };
        let behind = millis(asked.saturating_duration_since(self.channel.published(list.end())));
        self.tally.note(|seen| {
            seen.playlists.push(took);
            seen.behind.push(behind);
        });
        let is_new = self.known.as_ref().is_none_or(|known| known.end() < list.end());
        self.fetch(&list).await;
        self.known = Some(list);
        is_new
    }

    /// Whether the playlist can come after the last one, and is one of the channel's.
    fn fits(&self, list: &List) -> bool {
        let newest = self.channel.newest(Instant::now());
        if list.uris.len() as u64 != WINDOW || list.end() > newest + 1 {
            return false;
        }
        let Some(known) = &self.known else { return true };
        // What a playlist names stays what it is (section 6.2.1).
        let renamed = (list.first..known.end())
            .any(|number| list.uri(number).is_some_and(|uri| known.uri(number) != Some(uri)));
        if renamed && known.first <= list.first {
            self.tally.fault(|faults| &mut faults.renamed, "a segment has another URI");
        }
        known.first <= list.first
    }

    /// Fetches in order what has not been fetched.
    async fn fetch(&mut self, list: &List) {
        let next = self.next.unwrap_or(list.end() - BEGIN);
        for _ in next..list.first {
            self.tally.fault(|faults| &mut faults.missed, "a segment left the playlist too soon");
        }
        for number in next.max(list.first)..list.end() {
            let Some(uri) = list.uri(number) else { return };
            let asked = Instant::now();
            match self.segment(uri, number).await {
                Ok(()) => self.tally.note(|seen| seen.segments.push(millis(asked.elapsed()))),
                Err(error) => self.tally.fault(|faults| &mut faults.failed, &error),
            }
        }
        self.next = Some(list.end().max(next));
    }

    async fn segment(&mut self, uri: &str, number: u64) -> Result<(), String> {
        let url = self.playlist.resolve(uri).map_err(|error| format!("{uri}: {error}"))?;
        let bytes = self.channel.bytes(number);
        let mut body = Body::Compare { with: &bytes, is_same: true };
        let length = self.connection.get(url.path_and_query(), &mut body, &self.tally).await?;
        let is_same = matches!(body, Body::Compare { is_same: true, .. });
        if !is_same || length != bytes.len() {
            self.tally.fault(|faults| &mut faults.wrong, "a segment with other bytes");
        }
        Ok(())
    }
}

/// Reads a media playlist, as far as a player of this channel needs it.
pub(crate) fn read(text: &str) -> Option<List> {
    let mut lines = text.lines();
    if lines.next() != Some("#EXTM3U") {
        return None;
    }
    let (mut first, mut uris) = (None, Vec::new());
    for line in lines {
        if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            first = Some(number.parse().ok()?);
        } else if !line.is_empty() && !line.starts_with('#') {
            uris.push(line.to_owned());
        }
    }
    Some(List { first: first?, uris })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
