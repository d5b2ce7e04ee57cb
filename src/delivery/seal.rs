//! Sealed URLs: an upstream URL, its channel and its expiry, encrypted and authenticated, as a path
//! segment that only this gateway can make or read.
//!
//! ChaCha20-Poly1305 (RFC 8439) with a random 96-bit nonce under a key drawn at start. Layout before
//! base64url: nonce (12), then sealed: expiry in Unix seconds (4, big endian), source index (1),
//! what is behind it (1), length of the channel's id (1), the id, the URL; then the tag (16).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a sealed path segment that are looked at.
const SEALED_MAX: usize = 12 * 1024;

/// What is behind a sealed URL. Sealed with it: if the client chose, it could have a playlist passed
/// through as it is, the source's URLs and keys in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A playlist, to be rewritten.
    Playlist,
    /// Bytes to pass on.
    Media,
}

/// What a sealed URL says.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The channel that it belongs to.
    pub channel: String,
    /// Which of its sources.
    pub source: u8,
    /// What it leads to.
    pub behind: Behind,
    /// Unix seconds after which it is refused.
    pub expires: u32,
    /// The upstream URL; secret.
    pub url: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, source, behind, expires, url: _ } = self;
        write!(f, "Sealed({channel} {source} {behind:?} until {expires})")
    }
}

/// Seals and opens.
#[derive(Debug)]
pub struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Seal {
    /// With a key of its own: URLs made before a restart are refused after it.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        let mut key = [0; 32];
        random.fill(&mut key)?;
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key)?), random })
    }

    /// Seals; the answer is safe in a path segment.
    ///
    /// # Errors
    /// When the id is longer than 255 bytes or the system has no randomness.
    pub fn seal(&self, sealed: &Sealed) -> Result<String, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let length = u8::try_from(sealed.channel.len()).map_err(|_| Unspecified)?;
        let mut text = Vec::with_capacity(64 + sealed.url.len());
        text.extend_from_slice(&sealed.expires.to_be_bytes());
        text.push(sealed.source);
        text.push(match sealed.behind {
            Behind::Playlist => 0,
            Behind::Media => 1,
        });
        text.push(length);
        text.extend_from_slice(sealed.channel.as_bytes());
        text.extend_from_slice(sealed.url.as_bytes());
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(sealing, Aad::empty(), &mut text)?;
        let mut whole = nonce.to_vec();
        whole.extend_from_slice(&text);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(whole))
    }

    /// Opens what [`Seal::seal`] made; `None` for anything else.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<Sealed> {
        if text.len() > SEALED_MAX {
            return None;
        }
        let whole = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, rest) = whole.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened: &[u8] = self.key.open_in_place(nonce, Aad::empty(), &mut rest).ok()?;
        let (expires, rest) = opened.split_first_chunk::<4>()?;
        let (&[source, behind, length], rest) = rest.split_first_chunk::<3>()?;
        let (channel, url) = rest.split_at_checked(usize::from(length))?;
        Some(Sealed {
            channel: String::from_utf8(channel.to_vec()).ok()?,
            source,
            behind: if behind == 0 { Behind::Playlist } else { Behind::Media },
            expires: u32::from_be_bytes(*expires),
            url: String::from_utf8(url.to_vec()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let seal = Seal::new().unwrap();
        let sealed = Sealed {
            channel: "orf1".into(),
            source: 1,
            behind: Behind::Media,
            expires: 1_800_000_000,
            url: "http://u:p@h/live/secret.m3u8?token=x".into(),
        };
        let text = seal.seal(&sealed).unwrap();
        assert!(!text.contains("secret"));
        assert_eq!(seal.open(&text), Some(sealed.clone()));
        assert_ne!(seal.seal(&sealed).unwrap(), text, "every nonce is new");
        let mut changed = 0;
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.open(&String::from_utf8(bytes).unwrap()), None, "byte {index}");
            changed += 1;
        }
        assert_eq!(changed, text.len());
        let (cut, _) = text.split_at(text.len() - 4);
        assert_eq!(seal.open(cut), None);
        assert_eq!(seal.open(""), None);
        assert_eq!(Seal::new().unwrap().open(&text), None, "another key");
    }
}
