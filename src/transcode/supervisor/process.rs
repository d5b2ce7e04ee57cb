//! One process from its start to its end: fed, read, listened to and watched, all at once and each at
//! its own pace.

use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStderr;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;

use super::Course;
use super::exit::cause_of;
use crate::ffmpeg::Progress;
use crate::ffmpeg::Target;
use crate::metrics::FfmpegFigures;
use crate::transcode::Cause;
use crate::transcode::Monitor;
use crate::transcode::Output;
use crate::transcode::State;
use crate::transcode::Transcode;
use crate::transcode::child::Child;
use crate::transcode::child::Pipes;
use crate::transcode::packets::Packets;
use crate::transcode::sandbox;
use crate::transcode::usage;
use crate::transcode::watch::Watch;

/// How often a process is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long it may take to end after its input has.
const FINISH: Duration = Duration::from_secs(10);
/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a process came to its end, for the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its input had ended.
    InputEnded,
    /// Nobody takes its output.
    OutputClosed,
    /// In no way it should.
    Failed(Cause),
}

/// What happened first.
enum Turn {
    /// It has ended, and its output has been handed over.
    Exited(ExitStatus),
    /// It is to be ended.
    Stop(Fate),
}

impl Course<'_> {
    /// Runs one process.
    pub(super) async fn process(&mut self) -> Fate {
        let (mut child, pipes) = match self.start().await {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(channel = self.transcode.channel, %error, "FFmpeg cannot be started");
                return Fate::Failed(Cause::Missing);
            }
        };
        let account =
            Account { transcode: self.transcode, figures: self.figures, pid: child.pid() };
        let mut running = account.begin();
        let watch = Mutex::new(Watch::new(self.transcode.input_timeout));
        let has_ended = AtomicBool::new(false);
        let turn = self.follow(&mut child, pipes, &watch, &has_ended).await;
        let input_ended = has_ended.load(Ordering::Relaxed);
        let (cause, fate) = match turn {
            Turn::Exited(status) => {
                let has_begun = lock(&watch).has_begun();
                let cause =
                    self.transcode.monitor.with(|told| cause_of(status, has_begun, &told.messages));
                (cause, if input_ended { Fate::InputEnded } else { Fate::Failed(cause) })
            }
            Turn::Stop(fate) => {
                if !child.has_ended() {
                    account.sample();
                }
                if let Err(error) = child.stop().await {
                    tracing::warn!(channel = self.transcode.channel, %error, "FFmpeg cannot be waited for");
                }
                let cause = if let Fate::Failed(cause) = fate { cause } else { Cause::Stopped };
                (cause, fate)
            }
        };
        running.cause = cause;
        fate
    }

    /// Starts a process, and tells whoever takes the output.
    async fn start(&mut self) -> std::io::Result<(Child, Pipes)> {
        let transcode = self.transcode;
        let goes_on =
            transcode.playlist().is_some_and(|name| transcode.folder().join(name).exists());
        let arguments = self.arguments.command(&transcode.terms, goes_on);
        let task = transcode.transcoder.task(&transcode.limits, &transcode.lease, arguments);
        let started = Child::start(&transcode.transcoder.0.spawner, task).await?;
        // A receiver that is gone is seen at once by who follows the process.
        _ = self.output.send(Output::Begins).await;
        Ok(started)
    }

    /// Does all that is to be done while it runs. The pipes are closed when this returns.
    async fn follow(
        &mut self,
        child: &mut Child,
        pipes: Pipes,
        watch: &Mutex<Watch>,
        has_ended: &AtomicBool,
    ) -> Turn {
        let Self { transcode, figures, input, output, arguments } = self;
        let monitor = &*transcode.monitor;
        let feed = feed(pipes.stdin, input, watch, has_ended);
        let read = read(pipes.stdout, output, watch, monitor);
        let listen = listen(pipes.stderr, watch, monitor, *arguments.target() != Target::Ts);
        let account = Account { transcode, figures, pid: child.pid() };
        let look = look(&account, watch);
        tokio::pin!(feed, read, listen, look);
        let (mut exit, mut is_read, mut is_quiet) = (None, false, false);
        loop {
            tokio::select! {
                () = output.closed() => return Turn::Stop(Fate::OutputClosed),
                end = &mut read, if !is_read => match end {
                    None => {
                        is_read = true;
                        // It is about to end, and nobody can ask afterwards.
                        if exit.is_none() {
                            account.sample();
                        }
                    }
                    Some(fate) => return Turn::Stop(fate),
                },
                () = &mut feed, if exit.is_none() => return Turn::Stop(Fate::InputEnded),
                () = &mut listen, if !is_quiet => is_quiet = true,
                cause = &mut look, if exit.is_none() => return Turn::Stop(Fate::Failed(cause)),
                status = child.wait(), if exit.is_none() => match status {
                    Ok(status) => exit = Some(status),
                    Err(_) => return Turn::Stop(Fate::Failed(Cause::Crashed)),
                },
            }
            if let Some(status) = exit
                && is_read
            {
                if !is_quiet {
                    _ = timeout(LAST_WORDS, &mut listen).await;
                }
                return Turn::Exited(status);
            }
        }
    }
}

/// One process in the books.
struct Account<'a> {
    transcode: &'a Transcode,
    figures: &'a FfmpegFigures,
    pid: u32,
}

/// Has a process in the books for as long as it is followed: its end is noted when this is dropped.
struct Running<'a> {
    account: &'a Account<'a>,
    /// That it is dropped with whoever follows the process, unless something else is known.
    cause: Cause,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.account.end(self.cause);
    }
}

impl Account<'_> {
    fn begin(&self) -> Running<'_> {
        let what = if self.transcode.playlist().is_some() { "HLS" } else { "a transport stream" };
        tracing::info!(channel = self.transcode.channel, pid = self.pid, what, "FFmpeg starts");
        self.figures.starts.add(1);
        self.transcode.monitor.with(|told| {
            told.status.state = State::Starting;
            told.status.pid = Some(self.pid);
            told.status.starts += 1;
            told.status.progress = Progress::default();
            told.messages.begin();
        });
        Running { account: self, cause: Cause::Stopped }
    }

    /// Looks at what it has taken by now.
    fn sample(&self) {
        let Some(usage) = usage::of(self.pid) else { return };
        let cpu = self.figures.usage(self.pid, usage.cpu, usage.rss_bytes);
        self.transcode.monitor.with(|told| {
            told.status.cpu = cpu;
            told.status.rss_bytes = usage.rss_bytes;
        });
    }

    fn end(&self, cause: Cause) {
        tracing::info!(
            channel = self.transcode.channel,
            pid = self.pid,
            cause = cause.word(),
            "FFmpeg ended"
        );
        self.figures.ended(cause.word());
        self.transcode.monitor.with(|told| {
            told.status.pid = None;
            told.status.rss_bytes = 0;
            told.status.last_exit = Some(cause);
        });
    }
}

/// Feeds it. Returns when it has not ended in time after its input has; before that `has_ended` is set.
async fn feed(
    mut stdin: ChildStdin,
    input: &mut mpsc::Receiver<Bytes>,
    watch: &Mutex<Watch>,
    has_ended: &AtomicBool,
) {
    let mut is_open = true;
    while let Some(bytes) = input.recv().await {
        if !is_open {
            continue;
        }
        lock(watch).offered(Instant::now());
        // It reads no more: it is about to end, and until then input is thrown away.
        is_open = stdin.write_all(&bytes).await.is_ok();
        lock(watch).taken(Instant::now());
    }
    has_ended.store(true, Ordering::Relaxed);
    drop(stdin);
    sleep(FINISH).await;
}

/// Hands over what it writes. `None` at the end of it.
async fn read(
    mut stdout: ChildStdout,
    output: &mpsc::Sender<Output>,
    watch: &Mutex<Watch>,
    monitor: &Monitor,
) -> Option<Fate> {
    let mut packets = Packets::default();
    loop {
        match stdout.read_buf(packets.buffer()).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let Ok(bytes) = packets.take() else { return Some(Fate::Failed(Cause::Garbage)) };
        if bytes.is_empty() {
            continue;
        }
        progressed(watch, monitor);
        match output.try_send(Output::Bytes(bytes)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return Some(Fate::OutputClosed),
            Err(mpsc::error::TrySendError::Full(bytes)) => {
                lock(watch).held();
                if output.send(bytes).await.is_err() {
                    return Some(Fate::OutputClosed);
                }
                lock(watch).released(Instant::now());
            }
        }
    }
}

/// Listens to what it says. Where it writes files (`has_files`), its progress is the only sign of it.
async fn listen(mut stderr: ChildStderr, watch: &Mutex<Watch>, monitor: &Monitor, has_files: bool) {
    let mut buffer = vec![0; 4096];
    while let Ok(length) = stderr.read(&mut buffer).await {
        if length == 0 {
            return;
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        let is_new = monitor.with(|told| {
            let progress = told.messages.push(bytes)?;
            let before = std::mem::replace(&mut told.status.progress, progress);
            Some((before.out_time, before.frame) != (progress.out_time, progress.frame))
        });
        if has_files && is_new == Some(true) {
            progressed(watch, monitor);
        }
    }
}

/// Looks at it once a second: what it takes, what it keeps, whether it does anything. Returns what is
/// wrong with it.
async fn look(account: &Account<'_>, watch: &Mutex<Watch>) -> Cause {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        account.sample();
        if let Some(cause) = lock(watch).look(Instant::now()) {
            return cause;
        }
        let folder = account.transcode.folder().to_owned();
        // A thread that cannot be had counts nothing this time.
        let bytes = spawn_blocking(move || sandbox::bytes(&folder)).await.unwrap_or_default();
        if bytes > account.transcode.limits.disk as u64 {
            return Cause::Quota;
        }
    }
}

fn progressed(watch: &Mutex<Watch>, monitor: &Monitor) {
    lock(watch).progressed(Instant::now());
    monitor.with(|told| told.status.state = State::Running);
}

fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}
