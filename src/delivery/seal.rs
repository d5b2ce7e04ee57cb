//! Sealed URLs: an upstream URL, its channel, session and expiry, encrypted and authenticated, as a
//! path segment that only gateways with the same keys can make or read.
//!
//! The same content under the same key gives the same text, so that a segment keeps its URL from
//! one reload of its playlist to the next: players and caches know it again. The bytes are those of
//! `layout`, sealed by [`keys::Keyring`], in base64url without padding (RFC 4648 section 5).

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::delivery::seal::keys::Keyring;

pub mod keys;
mod layout;
pub mod store;
#[cfg(test)]
mod tests;

/// Characters of a sealed path segment: more are neither made nor looked at.
pub const SEALED_MAX: usize = 12 * 1024;

/// What is behind a sealed URL. Sealed with it: if the client chose, it could have a playlist passed
/// through as it is, the source's URLs and keys in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A playlist, to be rewritten.
    Playlist,
    /// Bytes to pass on.
    Media,
    /// As [`Behind::Media`], but the source may hold them back until they are there.
    Part,
    /// Bytes to pass on, which may be sixteen of any value.
    Key,
    /// A document for the player, to be read before it is passed on.
    Document,
}

/// What a sealed URL says.
///
/// Two of these that are equal give the same text, so everything in it has to stay the same for as
/// long as the URL should: `expires` above all, which must not follow the clock from one reload of
/// a playlist to the next.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The channel that it belongs to.
    pub channel: String,
    /// Which of its sources.
    pub source: u8,
    /// What it leads to.
    pub behind: Behind,
    /// Whose it is. Numbers that are counted up take fewer characters than random ones.
    pub session: u32,
    /// Unix seconds after which it is refused; not looked at here. At most 48 hours
    /// ([`keys::KEEP`]) after it was sealed, or its key may be gone first.
    pub expires: u32,
    /// The upstream URL; secret.
    pub url: String,
    /// Names and values of the playlist's variables (RFC 8216bis, `EXT-X-DEFINE`); secret.
    pub variables: Vec<(String, String)>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, source, behind, session, expires, url: _, variables: _ } = self;
        write!(f, "Sealed({channel} {source} {behind:?} session {session} until {expires})")
    }
}

/// A URL or variables too long to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed URL would be longer than {SEALED_MAX} characters")]
pub struct TooLong;

/// Seals and opens with the keys of the moment. One for the program; shared by reference.
#[derive(Debug)]
pub struct Seal {
    ring: ArcSwap<Keyring>,
}

impl Seal {
    /// With these keys, until others [replace](Self::replace) them.
    #[must_use]
    pub fn new(ring: Keyring) -> Self {
        Self { ring: ArcSwap::from_pointee(ring) }
    }

    /// Goes on with other keys. Whoever is sealing or opening at that moment finishes with those
    /// that it began with.
    pub fn replace(&self, ring: Keyring) {
        self.ring.store(Arc::new(ring));
    }

    /// Seals; the answer is safe in a path segment and at most [`SEALED_MAX`] long.
    ///
    /// # Errors
    /// When it would be longer.
    pub fn seal(&self, sealed: &Sealed) -> Result<String, TooLong> {
        let plain = layout::write(sealed).ok_or(TooLong)?;
        let whole = self.ring.load().seal(&plain).map_err(|_| TooLong)?;
        let text = BASE64_URL_SAFE_NO_PAD.encode(whole);
        if text.len() > SEALED_MAX { Err(TooLong) } else { Ok(text) }
    }

    /// Opens what [`Seal::seal`] made, whether or not it has expired; `None` for anything else.
    /// Never more work than for [`SEALED_MAX`] characters, and under 64 KiB of memory; what was
    /// sealed here with thousands of variables takes 48 bytes more for each.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<Sealed> {
        if text.len() > SEALED_MAX {
            return None;
        }
        // Strict: no padding, and no bits left over that could be changed unnoticed.
        let whole = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        layout::read(&self.ring.load().open(&whole)?)
    }
}
