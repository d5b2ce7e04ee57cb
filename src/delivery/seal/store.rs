//! The key file in the state directory, `seal.keys`: made at the first start, read at every other,
//! rotated when that is due. Readers see a whole file or none, as it is replaced by renaming;
//! writers take turns at a lock (`seal.lock`), so that several processes can share a directory.

use std::fs;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::delivery::seal::Seal;
use crate::delivery::seal::keys::KeyFile;
use crate::delivery::seal::keys::Keyring;
use crate::delivery::seal::keys::Malformed;
use crate::delivery::seal::keys::NoRandomness;
use crate::delivery::seal::keys::Secret;

#[cfg(test)]
mod tests;

/// Names in the state directory.
const FILE: &str = "seal.keys";
const TEMPORARY: &str = "seal.keys.new";
const LOCK: &str = "seal.lock";

/// Bytes of a key file: room for its keys and some comments.
const FILE_MAX: u64 = 16 * 1024;

/// The bits that let the group or others read or change a file.
const EXPOSED: u32 = 0o066;

/// How often, and how many times, a lock is tried that another process holds: two seconds in all,
/// for something that takes milliseconds.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_TRIES: u32 = 100;

/// The longest time between two looks at the file: the clock may have been set in between.
const LOOK: Duration = Duration::from_secs(24 * 3600);

/// When a rotation that failed is tried again.
const RETRY: Duration = Duration::from_secs(3600);

/// Why there are no keys, or no new ones.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A file that was changed or damaged.
    #[error(
        "the key file {}: {mistake}; restore it or remove it (without it new keys are made, and \
         every sealed URL in use is refused)",
        path.display()
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and where.
        mistake: Malformed,
    },
    /// Another process has the lock and does not let go of it.
    #[error("another process is writing keys and does not finish; it holds {}", .0.display())]
    Busy(PathBuf),
    /// The system has no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// The keys of one state directory, as they were last read or written.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    file: KeyFile,
    exposed: bool,
}

impl Store {
    /// Reads the keys in `directory`; where there are none, makes the first one, and the directory
    /// (mode 0700). Does not rotate: a directory that cannot be written is good enough as long as
    /// there are keys in it. Blocks, at most for two seconds beside the disk's own time.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(directory: &Path, now: SystemTime) -> Result<Self, Error> {
        let (file, exposed) = match read(directory)? {
            Some((file, mode)) => (file, mode & EXPOSED != 0),
            None => (renew(directory, now)?, false),
        };
        Ok(Self { directory: directory.to_owned(), file, exposed })
    }

    /// What somebody should know who looks after the file.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let path = self.directory.join(FILE);
        self.exposed.then(|| {
            let path = path.display();
            format!("others can read or change {path}, the keys of sealed URLs; chmod 600 it")
        })
    }

    /// The keys at work.
    #[must_use]
    pub fn ring(&self) -> Keyring {
        self.file.ring()
    }

    /// How long until [`Store::refresh`] has something to do.
    #[must_use]
    pub fn due(&self, now: SystemTime) -> Duration {
        self.file.due(now)
    }

    /// Reads the file again, which another process may have rotated; rotates it if that is due, and
    /// makes a new one if it is gone. Blocks as [`Store::open`] does.
    ///
    /// # Errors
    /// See [`Error`]; the keys stay as they were, or as another process has made them.
    pub fn refresh(&mut self, now: SystemTime) -> Result<(), Error> {
        let found = read(&self.directory)?;
        let gone = found.is_none();
        if let Some((file, mode)) = found {
            (self.file, self.exposed) = (file, mode & EXPOSED != 0);
        }
        if gone || self.file.due(now).is_zero() {
            (self.file, self.exposed) = (renew(&self.directory, now)?, false);
        }
        Ok(())
    }

    /// Keeps the keys of `seal` and of the file fresh, for ever: sleeps until the next rotation is
    /// due, but looks at the file once a day. A rotation that fails is logged and tried again after
    /// an hour; until then the old keys go on. Cancel safe: a rotation that runs is finished by
    /// itself.
    pub async fn keep(mut self, seal: Arc<Seal>, clock: impl Fn() -> SystemTime) {
        let mut pause = self.due(clock()).min(LOOK);
        loop {
            tokio::time::sleep(pause).await;
            let now = clock();
            let refresh = tokio::task::spawn_blocking(move || {
                let refreshed = self.refresh(now);
                (self, refreshed)
            });
            // Not when it is cancelled, as it is not, nor when the runtime ends, as this does too.
            let Ok((store, refreshed)) = refresh.await else { return };
            self = store;
            seal.replace(self.ring());
            if let Err(error) = refreshed {
                tracing::warn!("the keys of sealed URLs are not replaced: {error}");
            }
            let due = self.due(clock());
            pause = if due.is_zero() { RETRY } else { due.min(LOOK) };
        }
    }
}

/// Rotates what the file holds, or makes one, unless another process has just done so.
fn renew(directory: &Path, now: SystemTime) -> Result<KeyFile, Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(failed("make", directory))?;
    let _lock = lock(directory)?;
    let file = match read(directory)? {
        Some((file, _)) if !file.due(now).is_zero() => return Ok(file),
        Some((file, _)) => file.rotated(now, Secret::random()?),
        None => KeyFile::new(now, Secret::random()?),
    };
    write(directory, &file)?;
    Ok(file)
}

/// Waits for its turn; the turn ends when the answer is dropped, or the process dies.
fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let opened =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(failed("open", &path))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(cause)) => return Err(failed("lock", &path)(cause)),
        }
    }
    Err(Error::Busy(path))
}

/// The keys in `directory` and the mode of their file; `None` where there is no file.
fn read(directory: &Path) -> Result<Option<(KeyFile, u32)>, Error> {
    let path = directory.join(FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed("read", &path))?,
    };
    let mode = file.metadata().map_err(failed("read", &path))?.mode();
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed("read", &path))?;
    let text = match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 > FILE_MAX => Err(Malformed::TooLong),
        text => text.map_err(|_| Malformed::NotUtf8),
    };
    let keys = text.and_then(|text| KeyFile::parse(&text));
    Ok(Some((keys.map_err(|mistake| Error::Malformed { path, mistake })?, mode)))
}

/// Replaces the file. Call with the lock held: whatever has the temporary name is then left over
/// from a process that died.
fn write(directory: &Path, file: &KeyFile) -> Result<(), Error> {
    let (path, temporary) = (directory.join(FILE), directory.join(TEMPORARY));
    fs::remove_file(&temporary).ok();
    let written = write_new(&temporary, file.to_secret_text().as_bytes())
        .map_err(failed("write", &temporary))
        .and_then(|()| fs::rename(&temporary, &path).map_err(failed("replace", &path)));
    if written.is_err() {
        fs::remove_file(&temporary).ok();
        return written;
    }
    // So that the name outlives a loss of power. Not every file system can; the file is whole then
    // too, but may be the one before.
    File::open(directory).and_then(|directory| directory.sync_all()).ok();
    Ok(())
}

/// O_EXCL: nobody else has it open, and no link leads elsewhere.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::Io { action, path, cause }
}
