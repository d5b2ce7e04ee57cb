//! Keys of sealed URLs at work: the [`Keyring`], which seals and opens bytes, and how its keys are
//! derived. Pure but for the system's randomness.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Okm, Prk, Salt};
use ring::hmac;
use ring::hmac::HMAC_SHA256;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

mod file;
#[cfg(test)]
mod tests;

pub use file::{KEEP, KeyFile, Malformed, ROTATE};

/// Characters of a configured secret, at least.
pub const SECRET_MIN: usize = 32;

/// Salts and purposes of the derivation (RFC 5869 sections 3.1 and 3.2). A change of the layout or
/// of the cipher needs other purposes: then no old text opens as something else.
const SALT_RANDOM: &[u8] = b"weir sealed URLs, random secret";
const SALT_CONFIGURED: &[u8] = b"weir sealed URLs, configured secret";
const FOR_CIPHER: &[&[u8]] = &[b"weir sealed URLs 1, ChaCha20-Poly1305 key"];
const FOR_NONCE: &[&[u8]] = &[b"weir sealed URLs 1, HMAC-SHA256 key of nonces"];
const FOR_ID: &[&[u8]] = &[b"weir sealed URLs 1, key id"];

/// The system has no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// Why configured secrets cannot be used. Says nothing about them but which one it is, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is none.
    #[error("there is no secret to seal URLs with")]
    Missing,
    /// Too easily guessed.
    #[error("secret {0} has fewer than {SECRET_MIN} characters")]
    Short(usize),
    /// The same one twice.
    #[error("secret {0} stands there twice")]
    Repeated(usize),
}

/// Keys at work: the first one seals, all open.
pub struct Keyring {
    sealing: Key,
    opening: Vec<Key>,
}

impl Keyring {
    /// A key for this run only: URLs made before a restart are refused after it.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn ephemeral() -> Result<Self, NoRandomness> {
        Ok(Self { sealing: Secret::random()?.key(), opening: Vec::new() })
    }

    /// Keys that an operator gave to several gateways: what one of them seals, all of them open.
    /// To change the secret, add the new one second everywhere, then put it first everywhere, and
    /// take the old one away when the last URL of it has expired.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub fn configured(secrets: &[&str]) -> Result<Self, Unusable> {
        let mut keys = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            if secret.chars().count() < SECRET_MIN {
                return Err(Unusable::Short(index + 1));
            }
            if secrets.iter().take(index).any(|other| other == secret) {
                return Err(Unusable::Repeated(index + 1));
            }
            keys.push(Key::derive(SALT_CONFIGURED, secret.as_bytes()));
        }
        let mut keys = keys.into_iter();
        let sealing = keys.next().ok_or(Unusable::Missing)?;
        Ok(Self { sealing, opening: keys.collect() })
    }

    /// Seals: the key's id (1 byte), the nonce (12), `plain` encrypted, its tag (16).
    ///
    /// # Errors
    /// When `plain` is longer than the cipher can take, 256 GiB.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let key = &self.sealing;
        let nonce = key.nonce(plain);
        let mut text = plain.to_vec();
        let sealing = Nonce::assume_unique_for_key(nonce);
        key.cipher.seal_in_place_append_tag(sealing, Aad::empty(), &mut text)?;
        Ok([&[key.id][..], &nonce, &text].concat())
    }

    /// Opens what [`Keyring::seal`] made; `None` for anything else. The id names one key; where two
    /// keys happen to have the same one (one pair in 256), both are tried.
    #[must_use]
    pub fn open(&self, whole: &[u8]) -> Option<Vec<u8>> {
        let (&id, rest) = whole.split_first()?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
        let named = std::iter::once(&self.sealing).chain(&self.opening).filter(|key| key.id == id);
        named.into_iter().find_map(|key| key.open(*nonce, text))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.opening.len() + 1)
    }
}

/// One key, as it is derived from a secret by HKDF-SHA256 (RFC 5869).
///
/// Its nonces are the first 12 bytes of HMAC-SHA256 over what is sealed, under a key of their own:
/// the construction of a synthetic initialization vector (RFC 5297, RFC 8452). ChaCha20-Poly1305
/// (RFC 8439) must never see a nonce twice with different texts. Here a nonce comes twice when the
/// text does, which gives the same sealed bytes and so tells nothing but that; or when 96 bits of a
/// pseudo-random function collide, which is to be expected after 2^48 different texts. After 2^32,
/// more than a thousand a second for the 30 days of a key, the odds are 2^-33. Opening checks that
/// the nonce belongs to the text (RFC 8452 section 4), so that even then nothing can be forged.
struct Key {
    id: u8,
    cipher: LessSafeKey,
    nonce: hmac::Key,
}

impl Key {
    fn derive(salt: &[u8], secret: &[u8]) -> Self {
        let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
        let cipher = UnboundKey::from(expand(&prk, FOR_CIPHER, &CHACHA20_POLY1305));
        let nonce = hmac::Key::from(expand(&prk, FOR_NONCE, HMAC_SHA256));
        let [id] = Id::from(expand(&prk, FOR_ID, IdLength)).0;
        Self { id, cipher: LessSafeKey::new(cipher), nonce }
    }

    fn nonce(&self, plain: &[u8]) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let code = hmac::sign(&self.nonce, plain);
        nonce.iter_mut().zip(code.as_ref()).for_each(|(to, from)| *to = *from);
        nonce
    }

    fn open(&self, nonce: [u8; NONCE_LEN], text: &[u8]) -> Option<Vec<u8>> {
        let mut text = text.to_vec();
        let opening = Nonce::assume_unique_for_key(nonce);
        let length = self.cipher.open_in_place(opening, Aad::empty(), &mut text).ok()?.len();
        text.truncate(length);
        bool::from(self.nonce(&text).ct_eq(&nonce)).then_some(text)
    }
}

/// What is asked for is far below the limit of 255 hashes (RFC 5869 section 2.3).
fn expand<'a, L: KeyType>(prk: &'a Prk, purpose: &'a [&'a [u8]], length: L) -> Okm<'a, L> {
    prk.expand(purpose, length).expect("a key of at most 255 hashes")
}

/// The first byte of whatever a key seals.
struct Id([u8; 1]);

struct IdLength;

impl KeyType for IdLength {
    fn len(&self) -> usize {
        1
    }
}

impl From<Okm<'_, IdLength>> for Id {
    fn from(derived: Okm<'_, IdLength>) -> Self {
        let mut id = [0];
        derived.fill(&mut id).expect("a byte for a byte");
        Self(id)
    }
}

/// 32 random bytes that a key is derived from. Never formatted but into its file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    fn key(&self) -> Key {
        Key::derive(SALT_RANDOM, &self.0)
    }

    fn parse(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        }
        Some(Self(bytes))
    }
}
