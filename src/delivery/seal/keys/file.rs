//! The content of a key file: keys and when they were made, as text, and what becomes of them as
//! time goes by. Pure; the time and new secrets are given.

use std::fmt;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::delivery::seal::keys::Keyring;
use crate::delivery::seal::keys::Secret;

#[cfg(test)]
mod tests;

/// How long a key of a file seals.
pub const ROTATE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a key of a file opens after it has stopped sealing: as long as a sealed URL may live.
pub const KEEP: Duration = Duration::from_secs(48 * 3600);

/// Keys that a file may hold. Two or three is what rotation leaves.
const KEYS_MAX: usize = 64;

/// What stands above the keys of a file.
const PREAMBLE: &str = "\
# Secret keys of weir's sealed URLs; weir makes and replaces them itself. Each line: when the key
# was made, in Unix seconds, and the key, 32 random bytes in hexadecimal. The first one seals, all
# open. Without this file new keys are made, and every sealed URL in use is refused.
";

/// Why a file's text holds no keys. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line that is neither empty, a comment nor a key.
    #[error("line {0} is no key: Unix seconds, a space and 64 hexadecimal digits")]
    NoKey(usize),
    /// The same key twice.
    #[error("line {0} is a key that stands further above")]
    Repeated(usize),
    /// More keys than rotation can have left.
    #[error("line {0} is one key more than {KEYS_MAX}")]
    TooMany(usize),
    /// No key at all.
    #[error("there is no key in it")]
    Empty,
    /// Too many bytes.
    #[error("it is too long")]
    TooLong,
    /// No text.
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// The content of a key file: secrets, each with the time it was made. Never empty; the newest
/// seals. A key stopped sealing when the one above it was made.
///
/// A clock that is set back makes nothing due: a key from the future seals until 30 days after
/// that future has come.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    newest: Dated,
    older: Vec<Dated>,
}

#[derive(Clone, PartialEq, Eq)]
struct Dated {
    /// Unix seconds.
    made: u64,
    secret: Secret,
}

impl KeyFile {
    /// A file with one key.
    #[must_use]
    pub fn new(now: SystemTime, secret: Secret) -> Self {
        Self { newest: Dated { made: since_epoch(now).as_secs(), secret }, older: Vec::new() }
    }

    /// Reads a file's text. Empty lines and those that begin with `#` mean nothing.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut keys: Vec<Dated> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = Dated::parse(line).ok_or(Malformed::NoKey(number))?;
            if keys.iter().any(|other| other.secret == key.secret) {
                return Err(Malformed::Repeated(number));
            }
            if keys.len() == KEYS_MAX {
                return Err(Malformed::TooMany(number));
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(Malformed::Empty)?;
        Ok(Self { newest, older: keys.collect() })
    }

    /// The file's text, its secrets in it. [Parses](Self::parse) to an equal one.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let mut text = PREAMBLE.to_owned();
        for Dated { made, secret } in std::iter::once(&self.newest).chain(&self.older) {
            text.push_str(&made.to_string());
            text.push(' ');
            for byte in secret.0 {
                // Writing to a String does not fail.
                write!(text, "{byte:02x}").ok();
            }
            text.push('\n');
        }
        text
    }

    /// The keys at work.
    #[must_use]
    pub fn ring(&self) -> Keyring {
        let opening = self.older.iter().map(|key| key.secret.key()).collect();
        Keyring { sealing: self.newest.secret.key(), opening }
    }

    /// How long until the keys should be [rotated](Self::rotated): zero when they should be now.
    #[must_use]
    pub fn due(&self, now: SystemTime) -> Duration {
        let drop = self.with_stop().map(|(_, stop)| last_use(stop) + 1);
        let next = drop.chain([rotation(&self.newest)]).min().unwrap_or(u64::MAX);
        Duration::from_secs(next).saturating_sub(since_epoch(now))
    }

    /// What follows: `fresh` seals if the newest key is [`ROTATE`] old, and the keys that stopped
    /// sealing more than [`KEEP`] ago are gone. Nothing changes that is not [due](Self::due).
    #[must_use]
    pub fn rotated(mut self, now: SystemTime, fresh: Secret) -> Self {
        let seconds = since_epoch(now).as_secs();
        if rotation(&self.newest) <= seconds {
            let newest = Dated { made: seconds, secret: fresh };
            self.older.insert(0, std::mem::replace(&mut self.newest, newest));
        }
        let kept = self.with_stop().filter(|(_, stop)| seconds <= last_use(*stop));
        let older = kept.map(|(key, _)| key.clone()).collect();
        Self { newest: self.newest, older }
    }

    /// The older keys, each with the time that it stopped sealing. The times do not rise, even where
    /// somebody has put the lines in another order: then a key goes with those above it.
    fn with_stop(&self) -> impl Iterator<Item = (&Dated, u64)> {
        let above = std::iter::once(&self.newest).chain(&self.older);
        let stops = above.scan(u64::MAX, |earliest, key| {
            *earliest = key.made.min(*earliest);
            Some(*earliest)
        });
        self.older.iter().zip(stops)
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({} keys)", self.older.len() + 1)
    }
}

impl Dated {
    fn parse(line: &str) -> Option<Self> {
        let (made, secret) = line.split_once(' ')?;
        Some(Self { made: made.parse().ok()?, secret: Secret::parse(secret.trim_ascii_start())? })
    }
}

/// When a newer key is due.
fn rotation(newest: &Dated) -> u64 {
    newest.made.saturating_add(ROTATE.as_secs())
}

/// The last second that a key is needed in. One less than the largest number at most.
fn last_use(stop: u64) -> u64 {
    stop.saturating_add(KEEP.as_secs()).min(u64::MAX - 1)
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}
