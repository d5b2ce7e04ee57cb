//! The folder in which clips are kept: `HASH.ts`, a bounded number of them, the oldest go first.

use fs::DirBuilder;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use crate::delivery::made::looped::Clip;
use crate::delivery::made::render::CLIP_MAX;

/// Clips that are kept: 64 of 8 MiB at most.
const FILES_MAX: usize = 64;

/// See the module. What is called here waits for the disk.
#[derive(Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, for nobody else to read.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// The clip of this name, if it is there and is one.
    pub(super) fn read(&self, name: &str) -> Option<Clip> {
        let file = self.0.join(format!("{name}.ts"));
        let metadata = fs::metadata(&file).ok()?;
        if metadata.len() > CLIP_MAX as u64 {
            return None;
        }
        Clip::new(Bytes::from(fs::read(&file).ok()?))
    }

    /// Keeps a clip, whole or not at all, and makes room.
    pub(super) fn keep(&self, name: &str, clip: &Clip) -> io::Result<()> {
        self.make()?;
        let (new, file) = (self.0.join("new.part"), self.0.join(format!("{name}.ts")));
        fs::write(&new, clip.bytes())?;
        fs::rename(&new, &file)?;
        self.make_room()
    }

    /// Removes the oldest clips beyond [`FILES_MAX`].
    fn make_room(&self) -> io::Result<()> {
        let mut clips: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "ts") {
                let changed = entry.metadata().and_then(|metadata| metadata.modified());
                clips.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
        clips.sort_unstable();
        let too_many = clips.len().saturating_sub(FILES_MAX);
        for (_, path) in clips.into_iter().take(too_many) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::synth::Layout;
    use crate::media::synth::Scene;
    use crate::media::synth::Synth;

    #[test]
    fn clips_come_back_and_only_so_many_are_kept() {
        let path = std::env::temp_dir().join(format!("weir-clips-{}", std::process::id()));
        let folder = Folder::new(path.clone());
        let mut synth = Synth::new(&Scene::default(), Layout::default(), 0);
        let mut bytes = Vec::new();
        (0..30).for_each(|_| synth.next_picture(&mut bytes));
        let clip = Clip::new(bytes.into()).unwrap();
        for number in 0..FILES_MAX + 3 {
            folder.keep(&format!("{number:03}"), &clip).unwrap();
        }
        assert_eq!(fs::read_dir(&path).unwrap().count(), FILES_MAX);
        assert_eq!(folder.read("066"), Some(clip));
        assert_eq!(folder.read("nothing"), None);
        fs::write(path.join("bad.ts"), b"no clip").unwrap();
        assert_eq!(folder.read("bad"), None);
        fs::remove_dir_all(path).unwrap();
    }
}
