//! The folder of one process: nobody else's, gone with it, and no larger than it may be.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// Characters of a channel's name that stand in its folder's.
const NAME_MAX: usize = 64;
/// Files that are counted; more are more than any quota.
const FILES_MAX: usize = 10_000;
/// Programs that share a place for folders.
const PROGRAMS_MAX: usize = 16;
/// Folders within folders that are counted.
const DEPTH_MAX: usize = 4;

/// A folder, removed with all that is in it when dropped.
#[derive(Debug)]
pub(super) struct Sandbox(PathBuf);

impl Sandbox {
    /// Makes `folder/name-number`, for this user alone.
    pub(super) fn make(folder: &Path, name: &str, number: u64) -> io::Result<Self> {
        let plain =
            |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
        let name: String = name.chars().take(NAME_MAX).map(plain).collect();
        let path = folder.join(format!("{name}-{number}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is; absolute.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a folder of FFmpeg is left");
        }
    }
}

/// The folder for folders, nobody else's while this lives.
#[derive(Debug)]
pub(super) struct Ground {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl Ground {
    /// Makes the folder, and empties it of what an earlier run has left. Where another program that runs
    /// has it, one beside it is taken: `folder-2` and so on.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        for number in 1..=PROGRAMS_MAX {
            let mut path = folder.as_os_str().to_owned();
            if number > 1 {
                path.push(format!("-{number}"));
            }
            let path = PathBuf::from(path);
            DirBuilder::new().mode(0o700).recursive(true).create(&path)?;
            if !path.symlink_metadata()?.is_dir() {
                return Err(io::Error::other(format!("{} is no folder", path.display())));
            }
            let lock = File::open(&path)?;
            match lock.try_lock() {
                Ok(()) => {
                    empty(&path)?;
                    return Ok(Self { path, _lock: lock });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{PROGRAMS_MAX} programs use {}", folder.display())))
    }

    /// Where it is; absolute if it was asked for so.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Bytes on the disk below `folder`; what cannot be looked at, or is too much to count, is `u64::MAX`.
pub(super) fn bytes(folder: &Path) -> u64 {
    let mut left = FILES_MAX;
    bytes_within(folder, DEPTH_MAX, &mut left).unwrap_or(u64::MAX)
}

fn bytes_within(folder: &Path, depth: usize, left: &mut usize) -> Option<u64> {
    let mut sum = 0_u64;
    for entry in fs::read_dir(folder).ok()? {
        *left = left.checked_sub(1)?;
        let entry = entry.ok()?;
        // A segment may be removed between the two calls.
        let Ok(file) = entry.metadata() else { continue };
        sum = sum.saturating_add(file.blocks().saturating_mul(512));
        if file.is_dir() {
            sum = sum.saturating_add(bytes_within(&entry.path(), depth.checked_sub(1)?, left)?);
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_for_one_measured_and_removed() {
        let root = std::env::temp_dir().join(format!("weir-sandbox-{}", std::process::id()));
        drop(Ground::take(&root).unwrap());
        fs::write(root.join("left"), "x").unwrap();
        fs::create_dir_all(root.join("old-1/sub")).unwrap();
        let ground = Ground::take(&root).unwrap();
        assert_eq!((ground.path(), fs::read_dir(&root).unwrap().count()), (root.as_path(), 0));

        let one = Sandbox::make(&root, "1:0:19/../x", 7).unwrap();
        assert_eq!(one.path().file_name().unwrap(), "1_0_19____x-7");
        assert_eq!(fs::metadata(one.path()).unwrap().mode() & 0o777, 0o700);
        assert!(Sandbox::make(&root, "1:0:19/../x", 7).is_err());
        assert_eq!(bytes(one.path()), 0);
        fs::create_dir(one.path().join("sub")).unwrap();
        fs::write(one.path().join("sub/file"), vec![1; 100_000]).unwrap();
        let measured = bytes(one.path());
        assert!((100_000..300_000).contains(&measured), "{measured}");
        fs::create_dir_all(one.path().join("a/b/c/d/e/f")).unwrap();
        assert_eq!(bytes(one.path()), u64::MAX);
        assert_eq!(bytes(&root.join("none")), u64::MAX);
        drop(one);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        fs::remove_dir(&root).unwrap();
    }
}
