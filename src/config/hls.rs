//! `hls`: what HLS channels share.

use std::time::Duration;

use super::forms::Count;
use super::forms::Size;
use super::forms::Span;
use super::secret::Secret;
use super::walk::Section;
use super::walk::Walk;

/// Characters of a key for sealed URLs, at least: too many to be guessed.
const SEAL_KEY_MIN: usize = 32;

/// What HLS channels share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hls {
    /// Connections to sources that are kept for the next playlist or segment, used and unused; a tenth of them is for
    /// playlists. Default 100, 1 to 10000.
    pub connections: usize,
    /// Unused ones among them. Default 20, 0 to 10000.
    pub idle_connections: usize,
    /// An unused one is closed after so long. Default 30s, 1s to 10m.
    pub idle_timeout: Duration,
    /// Memory for playlists and segments that several clients of a channel watch at the same time, in bytes. Default
    /// 64MiB, 0 (each client fetches its own) to 4GiB.
    pub shared_bytes: usize,
    /// What URLs in playlists are sealed with, at least 32 characters: the same for several weirs behind one address.
    /// `None`: keys of its own in `state_dir`, renewed every 30 days.
    pub seal_key: Option<Secret>,
    /// The one before it: URLs that were sealed with it still open.
    pub old_seal_key: Option<Secret>,
}

impl Default for Hls {
    fn default() -> Self {
        Self {
            connections: 100,
            idle_connections: 20,
            idle_timeout: Duration::from_secs(30),
            shared_bytes: 64 << 20,
            seal_key: None,
            old_seal_key: None,
        }
    }
}

impl Hls {
    /// Reads `hls`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let open = Count { min: 1, max: 10_000 };
        let idle = Count { min: 0, max: 10_000 };
        let timeout = Span { min: Duration::from_secs(1), max: Duration::from_mins(10) };
        let shared = Size { min: 0, max: 4 << 30 };
        let mut section = root.section(walk, "hls");
        let hls = Self {
            connections: section.value(walk, "connections", &open, default.connections),
            idle_connections: section.value(
                walk,
                "idle_connections",
                &idle,
                default.idle_connections,
            ),
            idle_timeout: section.value(walk, "idle_timeout", &timeout, default.idle_timeout),
            shared_bytes: section.value(walk, "shared_bytes", &shared, default.shared_bytes),
            seal_key: read_key(&mut section, walk, "seal_key"),
            old_seal_key: read_key(&mut section, walk, "old_seal_key"),
        };
        if hls.old_seal_key.is_some() && hls.seal_key.is_none() {
            section.missing(
                walk,
                "seal_key",
                "old_seal_key opens what seal_key no longer seals; set both",
            );
        }
        section.finish(walk);
        hls
    }
}

fn read_key(section: &mut Section<'_>, walk: &mut Walk<'_>, key: &'static str) -> Option<Secret> {
    let (secret, origin) = section.secret(walk, key)?;
    if secret.expose().chars().count() < SEAL_KEY_MIN {
        let text =
            format!("shorter than {SEAL_KEY_MIN} characters; `openssl rand -hex 32` makes one");
        walk.mistake(&origin, &section.path.key(key), text);
        return None;
    }
    Some(secret)
}
