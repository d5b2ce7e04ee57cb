//! FFmpeg as child processes: a stream goes in, a stream or a folder of segments comes out. weir feeds
//! the input itself, so that no address, no credential and no choice of a source is ever FFmpeg's.
//!
//! [`Transcoder`] is the program's account of processes; [`Transcode`] is one channel's, which keeps a
//! process running: `supervisor` starts it again, `watch` says when it does nothing, `child` is one
//! process, `spawner` the thread that starts them all, `exec` what a process does to itself before it
//! becomes FFmpeg.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::config;
use crate::ffmpeg::Arguments;
use crate::ffmpeg::Target;
use crate::ffmpeg::Terms;
use crate::metrics::Metrics;
use child::Task;
use sandbox::Ground;
use sandbox::Sandbox;
use spawner::Spawner;
use trial::Trials;

mod child;
pub mod exec;
mod messages;
mod packets;
mod sandbox;
mod spawner;
mod status;
mod supervisor;
mod trial;
mod usage;
mod watch;

pub use status::Cause;
pub use status::Monitor;
pub use status::State;
pub use status::Status;
pub use supervisor::End;
pub use trial::Trial;

/// Variables that FFmpeg gets of weir's own environment: where programs and libraries are, and what
/// drivers of GPUs are told.
const VARIABLES: [&str; 14] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "LIBVA_DRIVER_NAME",
    "LIBVA_DRIVERS_PATH",
    "LIBVA_DISPLAY",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_CACHE_DISABLE",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "ONEVPL_SEARCH_PATH",
    "ONEVPL_PRIORITY_PATH",
    "INTEL_MEDIA_RUNTIME",
    "MESA_LOADER_DRIVER_OVERRIDE",
    "DRI_PRIME",
];

/// How long an end of the program waits for processes that were killed.
const REST: Duration = Duration::from_secs(2);

/// Every FFmpeg of the program. Cheap to clone; all clones are one account. When the last one and the
/// last [`Transcode`] are dropped, so is the thread that starts processes.
#[derive(Clone)]
pub struct Transcoder(Arc<Inner>);

struct Inner {
    /// Guards what a reload may change.
    limits: Mutex<Limits>,
    /// Processes that may run now, whether they do or not.
    places: Arc<Places>,
    /// The number in the name of the next folder.
    next: AtomicU64,
    helper: PathBuf,
    ground: Ground,
    variables: Vec<(OsString, OsString)>,
    metrics: Arc<Metrics>,
    spawner: Spawner,
    trials: Trials,
}

/// Where FFmpeg runs; fixed for the life of the program.
#[derive(Clone, Debug)]
pub struct Place {
    /// weir itself, which limits itself and becomes FFmpeg: `/proc/self/exe`.
    pub helper: PathBuf,
    /// The folder for folders of processes, which [`Transcoder::start`] empties. Where another program
    /// uses it at this time, one beside it takes its place.
    pub folder: PathBuf,
}

/// What processes may take. A reload may change it; what runs keeps what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// FFmpeg: a path, or a name to look for in `PATH`.
    pub program: PathBuf,
    /// Processes at once.
    pub max_processes: usize,
    /// Bytes that one process may allocate.
    pub memory: usize,
    /// Bytes of files that one process may keep.
    pub disk: usize,
    /// Times in a row that a process may fail and is started again.
    pub restarts: u32,
}

impl Limits {
    /// What a configuration says.
    #[must_use]
    pub fn of(config: &config::Config) -> Self {
        let config::FfmpegProgram { program, memory, disk, restarts } = config.ffmpeg.clone();
        Self { program, max_processes: config.relay.max_processes, memory, disk, restarts }
    }
}

/// Why FFmpeg cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed, or nobody may execute it.
    #[error("FFmpeg is not there: {} is no program; install it, or set ffmpeg.program", program.display())]
    Missing {
        /// What was looked for.
        program: PathBuf,
    },
    /// As many as may run are running.
    #[error("{0} FFmpeg processes are running, which is relay.max_processes")]
    TooMany(usize),
    /// The folder of the process cannot be made.
    #[error("no folder for FFmpeg: {0}")]
    Sandbox(#[source] io::Error),
    /// The arguments were not let through. No configuration that was read holds such ones.
    #[error("the arguments of FFmpeg are refused: {0}")]
    Arguments(String),
}

/// What comes out of FFmpeg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A new process: what follows does not go on from what came before.
    Begins,
    /// Whole transport packets.
    Bytes(Bytes),
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.0.places.taken.load(Ordering::Relaxed);
        f.debug_struct("Transcoder").field("taken", &taken).finish_non_exhaustive()
    }
}

impl Transcoder {
    /// Takes and empties the folder and starts the thread that starts processes; no process yet.
    ///
    /// # Errors
    /// When the folder cannot be made or emptied, or the system gives no thread.
    pub fn start(
        place: Place,
        limits: Limits,
        environment: &config::Environment,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        // A process runs in a folder of its own, so no path may depend on this one.
        let folder = std::path::absolute(&place.folder)?;
        let ground = Ground::take(&folder)?;
        let variable = |name: &&str| Some((OsString::from(name), environment.get(name)?.into()));
        let inner = Inner {
            limits: Mutex::new(limits),
            places: Arc::default(),
            next: AtomicU64::new(1),
            helper: place.helper,
            ground,
            variables: VARIABLES.iter().filter_map(variable).collect(),
            spawner: Spawner::start(metrics.ffmpeg_processes())?,
            metrics,
            trials: Trials::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Changes what processes may take from now on.
    pub fn set_limits(&self, limits: Limits) {
        let changed = {
            let mut current = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, limits.clone()).program != limits.program
        };
        if changed {
            self.0.trials.forget();
        }
    }

    /// Takes a place for one process of `channel`, and a folder. Nothing runs before
    /// [`Transcode::run`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn try_begin(&self, channel: &str, ffmpeg: &config::Ffmpeg) -> Result<Transcode, Error> {
        let arguments = Arguments::parse(&ffmpeg.args).map_err(|refusals| {
            Error::Arguments(refusals.first().map_or(String::new(), ToString::to_string))
        })?;
        let limits = self.limits();
        self.find(&limits.program)?;
        let slot = Slot::take(&self.0.places, limits.max_processes)
            .ok_or(Error::TooMany(limits.max_processes))?;
        let lease = self.lease(channel, Some(slot)).map_err(Error::Sandbox)?;
        Ok(Transcode {
            transcoder: self.clone(),
            channel: channel.to_owned(),
            arguments,
            terms: Terms {
                segment_duration: ffmpeg.segment_duration,
                max_segments: ffmpeg.max_segments,
            },
            input_timeout: ffmpeg.input_timeout,
            limits,
            lease: Arc::new(lease),
            monitor: Arc::new(Monitor::default()),
        })
    }

    /// How many more processes may be begun now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.limits().max_processes.saturating_sub(self.0.places.taken.load(Ordering::Relaxed))
    }

    /// Resolves when no channel has a process or a folder any more, or after 2 s: a killed process may
    /// wait for a device. Cancel safe.
    pub async fn at_rest(&self) {
        let places = &self.0.places;
        let all_left = async {
            while places.taken.load(Ordering::Acquire) > 0 {
                places.left.notified().await;
            }
        };
        _ = timeout(REST, all_left).await;
    }

    fn limits(&self) -> Limits {
        self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A folder of its own, with or without a place among the processes.
    fn lease(&self, name: &str, slot: Option<Slot>) -> io::Result<Lease> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let sandbox = Sandbox::make(self.0.ground.path(), name, number)?;
        Ok(Lease { sandbox, _slot: slot })
    }

    /// A process to be started in the folder of `lease`.
    fn task(&self, limits: &Limits, lease: &Arc<Lease>, arguments: Vec<String>) -> Task {
        Task {
            helper: self.0.helper.clone(),
            terms: exec::Terms {
                file_bytes: limits.disk as u64,
                data_bytes: limits.memory as u64,
                program: limits.program.clone(),
                arguments,
            },
            variables: self.0.variables.clone(),
            lease: Arc::clone(lease),
        }
    }

    /// Whether there is such a program, as `execvp(3)` looks for it.
    fn find(&self, program: &Path) -> Result<(), Error> {
        let is_there = if program.components().count() > 1 || program.is_absolute() {
            is_program(program)
        } else {
            let path = self.0.variables.iter().find(|(name, _)| name == "PATH");
            let folders = path.map(|(_, path)| std::env::split_paths(path).collect::<Vec<_>>());
            folders.unwrap_or_default().iter().any(|folder| is_program(&folder.join(program)))
        };
        if is_there { Ok(()) } else { Err(Error::Missing { program: program.to_owned() }) }
    }
}

/// FFmpeg for one channel: a place among the processes and a folder, both given back when it is dropped
/// and its last process is gone.
#[derive(Debug)]
pub struct Transcode {
    transcoder: Transcoder,
    channel: String,
    arguments: Arguments,
    terms: Terms,
    input_timeout: Duration,
    limits: Limits,
    lease: Arc<Lease>,
    monitor: Arc<Monitor>,
}

impl Transcode {
    /// The folder of its segments.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lease.sandbox.path()
    }

    /// The file name of its playlist in [`Transcode::folder`]; `None` where it writes a stream.
    #[must_use]
    pub fn playlist(&self) -> Option<&str> {
        match self.arguments.target() {
            Target::Ts => None,
            Target::Hls { playlist } => Some(playlist),
        }
    }

    /// How it fares, for whoever asks while it runs.
    #[must_use]
    pub fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(&self.monitor)
    }
}

/// What a process needs for as long as it exists, so that neither its folder nor its place is given to
/// another while it may still write. The folder goes first.
#[derive(Debug)]
struct Lease {
    sandbox: Sandbox,
    _slot: Option<Slot>,
}

/// All places among the processes.
#[derive(Debug, Default)]
struct Places {
    /// Changed by [`Slot`].
    taken: AtomicUsize,
    /// Told when one is given back.
    left: Notify,
}

/// A place among the processes.
#[derive(Debug)]
struct Slot(Arc<Places>);

impl Slot {
    fn take(places: &Arc<Places>, max: usize) -> Option<Self> {
        let more = |count: usize| (count < max).then_some(count + 1);
        let took = places.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        took.is_ok().then(|| Self(Arc::clone(places)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Release);
        self.0.left.notify_one();
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
