//! What a process does to itself before it becomes FFmpeg: it is to end with its parent, to gain no
//! privilege and to stay within limits. weir executes itself for that (`weir exec-child …`), because
//! nothing may allocate between fork and exec, and because all of it is then safe code.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Pid;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use rustix::process::getppid;
use rustix::process::getrlimit;
use rustix::process::set_parent_process_death_signal;
use rustix::process::setrlimit;
use rustix::thread::set_no_new_privs;

/// The first argument that makes weir such a process.
pub const WORD: &str = "exec-child";
/// How its own messages begin.
pub(super) const PREFIX: &str = "weir exec-child: ";
/// Its exit code when it did not become FFmpeg, as a shell has it.
pub(super) const NOT_EXECUTED: u8 = 127;
/// Open files of FFmpeg: three pipes, some segments, libraries and devices of a GPU.
const FILES_MAX: u64 = 512;

/// What a process is to become.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Terms {
    /// Largest file (`RLIMIT_FSIZE`).
    pub(super) file_bytes: u64,
    /// Most memory that is not of files (`RLIMIT_DATA`).
    pub(super) data_bytes: u64,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

impl Terms {
    /// The arguments for `weir`, behind its own name.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let parent = std::process::id();
        let numbers =
            [u64::from(parent), self.file_bytes, self.data_bytes].map(|one| one.to_string());
        let words = std::iter::once(WORD.to_owned()).chain(numbers).map(OsString::from);
        let program = std::iter::once(self.program.clone().into_os_string());
        words.chain(program).chain(self.arguments.iter().map(OsString::from)).collect()
    }
}

/// Becomes the program that `arguments` (behind `exec-child`) ask for: the parent's pid, the largest
/// file, the most memory, the program, its arguments. Answers only when that failed.
#[must_use]
pub fn become_child(arguments: impl Iterator<Item = OsString>) -> (u8, String) {
    let text = match execute(arguments) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    (NOT_EXECUTED, format!("{PREFIX}{text}"))
}

fn execute(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let parent = number(&mut arguments)?;
    let file_bytes = number(&mut arguments)?;
    let data_bytes = number(&mut arguments)?;
    let program = arguments.next().ok_or_else(|| io::Error::other("no program"))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before the kernel was told to watch it.
    if getppid() != i32::try_from(parent).ok().and_then(Pid::from_raw) {
        return Err(io::Error::other("the parent is gone"));
    }
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, FILES_MAX)?;
    limit(Resource::Fsize, file_bytes)?;
    limit(Resource::Data, data_bytes)?;
    set_no_new_privs(true)?;
    // Not the program's own text, which could be taken for one of FFmpeg's.
    let error = Command::new(&program).args(arguments).exec();
    let name = program.to_string_lossy();
    Err(io::Error::other(format!("cannot execute {name}: {error}")))
}

fn number(arguments: &mut impl Iterator<Item = OsString>) -> io::Result<u64> {
    let word = arguments.next().and_then(|word| word.to_str().and_then(|word| word.parse().ok()));
    word.ok_or_else(|| io::Error::other("weir runs this itself; it is no command for people"))
}

/// Lowers a limit for good; one that is lower already stays.
fn limit(resource: Resource, wanted: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(wanted, |most| most.min(wanted));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let terms = Terms {
            file_bytes: 7,
            data_bytes: 8,
            program: PathBuf::from("ffmpeg"),
            arguments: vec!["-i".to_owned(), "pipe:0".to_owned()],
        };
        let own = std::process::id().to_string();
        let words = ["exec-child", &own, "7", "8", "ffmpeg", "-i", "pipe:0"];
        assert_eq!(terms.arguments(), words);
    }

    #[test]
    fn nonsense_is_refused_and_nobody_elses_child_is_made() {
        for (text, why) in [
            ("", "no command for people"),
            ("1 2", "no command for people"),
            ("1 2 x", "no command for people"),
            ("-1 2 3 true", "no command for people"),
            ("1 2 3", "no program"),
        ] {
            let (code, said) = become_child(text.split_whitespace().map(OsString::from));
            assert!(code == 127 && said.contains(why), "{text}: {said}");
        }
    }
}
