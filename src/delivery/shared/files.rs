//! Segments and playlists that FFmpeg writes into its folder, given to clients as files. Those who fetch
//! them watch the relay for as long as they come back in time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::config;
use crate::delivery::shared::watchers::Watching;
use crate::delivery::viewer::Viewer;
use crate::message::is_plain_name;

/// Bytes of the largest file that is given: a minute of 8 Mbit/s.
const FILE_MAX: u64 = 64 << 20;

/// Files that are remembered while somebody has them, and viewers that are. Beyond it a file is read anew,
/// and a viewer does not count, which those who do make up for.
const KNOWN_MAX: usize = 4096;

/// A playlist that is being written is looked at again so often, after so long.
const LOOKS_MAX: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The folder of one relay's FFmpeg, and who fetches what is in it.
///
/// Memory: a file that is being sent is in memory once, however many fetch it.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    playlist: String,
    /// How long a viewer counts who does not come back.
    patience: Duration,
    /// Guards what is being sent; held to look one up.
    sent: Mutex<HashMap<String, Weak<Vec<u8>>>>,
    /// Guards who watches; held to add one or to look for those who have gone.
    viewers: Mutex<HashMap<Viewer, (Instant, Watching)>>,
    /// Told when the first viewer has come.
    come: Notify,
}

/// A file's bytes, which keep it known.
struct View(Arc<Vec<u8>>);

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Files {
    pub(super) fn new(folder: PathBuf, playlist: String, ffmpeg: &config::Ffmpeg) -> Self {
        // A player asks for the playlist once in the time of a segment.
        let patience = (ffmpeg.segment_duration * 3).max(Duration::from_secs(10));
        Self {
            folder,
            playlist,
            patience,
            sent: Mutex::default(),
            viewers: Mutex::default(),
            come: Notify::new(),
        }
    }

    /// Whether there is a playlist to begin with.
    pub(super) fn have_begun(&self) -> bool {
        self.folder.join(&self.playlist).is_file()
    }

    /// The playlist, whole. Cancel safe.
    ///
    /// # Errors
    /// When it cannot be read, or does not come to its end.
    pub(super) async fn playlist(&self) -> io::Result<Bytes> {
        for _ in 0..LOOKS_MAX {
            let text = read(self.folder.join(&self.playlist)).await?;
            if text.starts_with(b"#EXTM3U") && text.ends_with(b"\n") {
                return Ok(text.into());
            }
            sleep(LOOK_AGAIN).await;
        }
        Err(io::Error::other("the playlist is never whole"))
    }

    /// A file by its name, which [`is_name`] has let through. Cancel safe.
    ///
    /// # Errors
    /// When it is not there, or too large.
    pub(super) async fn file(&self, name: &str) -> io::Result<Bytes> {
        let known = self.sent().get(name).and_then(Weak::upgrade);
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = Arc::new(read(self.folder.join(name)).await?);
                let mut sent = self.sent();
                sent.retain(|_, bytes| bytes.strong_count() > 0);
                if sent.len() < KNOWN_MAX {
                    sent.insert(name.to_owned(), Arc::downgrade(&bytes));
                }
                bytes
            }
        };
        Ok(Bytes::from_owner(View(bytes)))
    }

    /// `viewer` watches, from now on for a while.
    pub(super) fn watched(&self, viewer: Viewer, watching: Watching) {
        let mut viewers = self.viewers();
        let is_first = viewers.is_empty();
        if viewers.len() < KNOWN_MAX || viewers.contains_key(&viewer) {
            viewers.insert(viewer, (Instant::now(), watching));
        }
        drop(viewers);
        if is_first {
            self.come.notify_one();
        }
    }

    /// Whether `viewer` watches. If it does, it goes on.
    pub(super) fn goes_on(&self, viewer: &Viewer) -> bool {
        let mut viewers = self.viewers();
        let known = viewers.get_mut(viewer);
        known.map(|(since, _)| *since = Instant::now()).is_some()
    }

    /// Lets viewers go who have not come back. Never ends; cancel safe.
    pub(super) async fn tend(&self) -> Infallible {
        loop {
            let next = {
                let (mut viewers, now) = (self.viewers(), Instant::now());
                viewers.retain(|_, (since, _)| *since + self.patience > now);
                viewers.values().map(|(since, _)| *since + self.patience).min()
            };
            match next {
                Some(next) => sleep_until(next).await,
                None => self.come.notified().await,
            }
        }
    }

    fn sent(&self) -> MutexGuard<'_, HashMap<String, Weak<Vec<u8>>>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn viewers(&self) -> MutexGuard<'_, HashMap<Viewer, (Instant, Watching)>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a name may be one of FFmpeg's files: no path, nothing hidden, nothing half written.
pub(super) fn is_name(name: &str) -> bool {
    is_plain_name(name, 128) && !name.starts_with('.') && media_type(name).is_some()
}

/// The media type of a file by its name; `None`: it is none to be given.
pub(super) fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "m3u8" => "application/vnd.apple.mpegurl",
        "ts" => "video/mp2t",
        "m4s" | "mp4" => "video/mp4",
        "aac" => "audio/aac",
        "vtt" => "text/vtt",
        _ => return None,
    })
}

/// Every URI of a playlist with `token` behind it, for players that were given one in a query: a line of
/// its own, and the `URI` attribute of a tag (RFC 8216, 4.3.2.5).
pub(super) fn with_token(playlist: &Bytes, token: &str) -> Bytes {
    const URI: &[u8] = b"URI=\"";
    let mut out = Vec::with_capacity(playlist.len() + 1024);
    for line in playlist.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        let end = if text.starts_with(b"#") {
            let begin = text.windows(URI.len()).position(|bytes| bytes == URI);
            begin.and_then(|begin| {
                let uri = text.get(begin + URI.len()..)?;
                Some(begin + URI.len() + uri.iter().position(|byte| *byte == b'"')?)
            })
        } else {
            Some(text.len()).filter(|length| *length > 0)
        };
        let (uri, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, b""));
        out.extend_from_slice(uri);
        if end.is_some() {
            out.extend_from_slice(b"?token=");
            out.extend_from_slice(token.as_bytes());
        }
        out.extend_from_slice(rest);
        out.push(b'\n');
    }
    out.into()
}

/// Reads a file on a thread that may wait for a disk.
async fn read(path: PathBuf) -> io::Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX {
            return Err(io::Error::other("the file is too large"));
        }
        Ok(bytes)
    });
    reading.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["playlist.m3u8", "segment_001.ts", "init.mp4", "a-b.m4s"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "..", "../x.ts", ".x.ts", "x", "x.ts.tmp", "a/b.ts", "a%2f.ts", "x.sh"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_token_goes_behind_every_uri() {
        let playlist = Bytes::from_static(b"#EXTM3U\r\n#EXTINF:6,\nsegment_000.ts\n");
        let expected: &[u8] = b"#EXTM3U\n#EXTINF:6,\nsegment_000.ts?token=abc\n";
        assert_eq!(with_token(&playlist, "abc"), expected);
        let playlist =
            Bytes::from_static(b"#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\",X=1\n\n#EXT-X-MAP:URI=\"\n");
        let expected: &[u8] =
            b"#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4?token=abc\",X=1\n\n#EXT-X-MAP:URI=\"\n";
        assert_eq!(with_token(&playlist, "abc"), expected);
    }
}
