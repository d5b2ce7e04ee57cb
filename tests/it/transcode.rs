//! FFmpeg under weir: what it makes of a stream, and what becomes of it when it misbehaves. The real one
//! where it is installed; small shell scripts in its place where something must go wrong.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use weir::config::Environment;
use weir::config::Ffmpeg;
use weir::metrics::Metrics;
use weir::transcode::End;
use weir::transcode::Limits;
use weir::transcode::Monitor;
use weir::transcode::Output;
use weir::transcode::Place;
use weir::transcode::Transcode;
use weir::transcode::Transcoder;

use crate::programs::Folder;
use crate::support::eventually::eventually;
use crate::support::eventually::within;

mod account;
mod faults;
mod orphans;
mod real;

/// The program under test, which becomes FFmpeg.
const WEIR: &str = env!("CARGO_BIN_EXE_weir");
/// What makes a transport stream of one.
const COPY: &str = "-i {input_url} -c copy -f mpegts {output}";

/// A transcoder with a folder of its own.
struct Stage {
    transcoder: Transcoder,
    metrics: Arc<Metrics>,
    folder: Folder,
}

impl Stage {
    /// With this program as FFmpeg. Nothing is started again unless `change` says so.
    fn new(program: &Path, change: impl FnOnce(&mut Limits)) -> Self {
        let folder = Folder::new();
        let program = program.to_owned();
        let mut limits =
            Limits { program, max_processes: 10, memory: 4 << 30, disk: 512 << 20, restarts: 0 };
        change(&mut limits);
        let metrics = Arc::new(Metrics::new());
        let place = Place { helper: PathBuf::from(WEIR), folder: folder.join("ffmpeg") };
        let path = std::env::var("PATH").unwrap();
        let environment = Environment::new([("PATH", path.as_str()), ("WEIR_SECRET", "canary")]);
        let transcoder = Transcoder::start(place, limits, &environment, Arc::clone(&metrics));
        Self { transcoder: transcoder.unwrap(), metrics, folder }
    }

    /// With a shell script as FFmpeg.
    fn scripted(text: &str, change: impl FnOnce(&mut Limits)) -> Self {
        let stage = Self::new(Path::new("none"), change);
        stage.rescript(text, |_| {});
        stage
    }

    /// Puts another script in its place.
    fn rescript(&self, text: &str, change: impl FnOnce(&mut Limits)) {
        let program = self.folder.join("fake-ffmpeg");
        // Written by another process: one of ours that is open for writing while a test beside this one
        // starts a program could not be executed.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod +x \"$2\"";
        let written = Command::new("sh").args(["-c", write, "sh", text]).arg(&program).status();
        assert!(written.unwrap().success());
        let mut limits =
            Limits { program, max_processes: 10, memory: 4 << 30, disk: 512 << 20, restarts: 0 };
        change(&mut limits);
        self.transcoder.set_limits(limits);
    }

    /// Begins a channel `tv` with these arguments.
    fn begin(&self, args: &str) -> Transcode {
        self.transcoder.try_begin("tv", &profile(args)).unwrap()
    }

    /// Runs it.
    fn run(&self, args: &str) -> Running {
        Running::of(self.begin(args))
    }

    /// The folders of processes that are there.
    fn folders(&self) -> usize {
        std::fs::read_dir(self.folder.join("ffmpeg")).unwrap().count()
    }

    /// A line of the metrics.
    fn shows(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|one| one == line)
    }

    /// Waits until nothing is left of any process.
    async fn is_empty(&self) {
        eventually("no process and no folder", || {
            (self.shows("weir_ffmpeg_processes 0") && self.folders() == 0).then_some(())
        })
        .await;
        assert_eq!(self.transcoder.free(), 10);
    }
}

/// One channel's FFmpeg while it runs.
struct Running {
    task: JoinHandle<End>,
    input: mpsc::Sender<Bytes>,
    output: mpsc::Receiver<Output>,
    monitor: Arc<Monitor>,
}

impl Running {
    fn of(transcode: Transcode) -> Self {
        let monitor = transcode.monitor();
        let (input, feed) = mpsc::channel(4);
        let (taken, output) = mpsc::channel(4);
        let task = tokio::spawn(transcode.run(feed, taken));
        Self { task, input, output, monitor }
    }

    /// The next thing that comes out.
    async fn next(&mut self) -> Option<Output> {
        within("output", self.output.recv()).await
    }

    /// Gives these bytes, and again, for as long as it runs.
    fn feed_for_ever(&self, bytes: Vec<u8>) {
        let input = self.input.clone();
        let bytes = Bytes::from(bytes);
        tokio::spawn(async move {
            while input.send(bytes.clone()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    /// Gives all of this, ends the input, and collects what comes out until the end.
    async fn pass(mut self, bytes: Vec<u8>) -> (Vec<u8>, End) {
        let input = self.input.clone();
        drop(self.input);
        let feed = async move {
            for piece in Bytes::from(bytes).chunks(10_000) {
                if input.send(Bytes::copy_from_slice(piece)).await.is_err() {
                    return;
                }
            }
        };
        let collect = async {
            let mut all = Vec::new();
            while let Some(output) = self.output.recv().await {
                if let Output::Bytes(bytes) = output {
                    all.extend_from_slice(&bytes);
                }
            }
            all
        };
        let (_, all) = tokio::join!(feed, collect);
        (all, within("the end", self.task).await.unwrap())
    }

    /// Ends the input.
    fn close_input(&mut self) {
        self.input = mpsc::channel(1).0;
    }

    /// How it ended; what comes out is thrown away.
    async fn end(mut self) -> End {
        while self.next().await.is_some() {}
        within("the end", self.task).await.unwrap()
    }

    /// Its process, once there is one.
    async fn pid(&self) -> u32 {
        eventually("a process", || self.monitor.status().pid).await
    }
}

fn profile(args: &str) -> Ffmpeg {
    Ffmpeg { args: args.split(' ').map(str::to_owned).collect(), ..Ffmpeg::default() }
}

/// Whether a process is there, a zombie included.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
