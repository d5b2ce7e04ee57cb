//! Whether hardware encoders work here, found out by using them: a driver, a device and a permission are
//! needed, and only FFmpeg knows whether it has all three.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::ffmpeg::Hardware;
use crate::transcode::Transcoder;
use crate::transcode::child::Child;
use crate::transcode::messages::Messages;

/// How long a program may take to encode one second, or to tell its version: a driver that is asked for
/// the first time takes its time.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of output that are read.
const OUTPUT_MAX: u64 = 64 * 1024;
/// Render nodes are counted from here.
const FIRST_NODE: u32 = 128;
/// And there are rarely more than these.
const NODES_MAX: u32 = 16;

/// How a trial went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// It encoded.
    pub works: bool,
    /// What FFmpeg said first, which is nearest to the cause; empty if nothing.
    pub message: String,
}

/// Trials that have been made: each once for a program.
#[derive(Debug, Default)]
pub(super) struct Trials(Mutex<Arc<[OnceCell<Trial>; 3]>>);

impl Trials {
    /// Another program may know what this one does not.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    fn all(&self) -> Arc<[OnceCell<Trial>; 3]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transcoder {
    /// Whether this hardware works here, by a trial of one second that is made once. Counts as no
    /// process of `max_processes`. Cancel safe.
    pub async fn trial(&self, hardware: Hardware) -> Trial {
        let all = self.0.trials.all();
        let place = Hardware::ALL.iter().position(|one| *one == hardware).unwrap_or_default();
        let Some(cell) = all.get(place) else {
            return Trial { works: false, message: String::new() };
        };
        cell.get_or_init(|| self.try_out(hardware)).await.clone()
    }

    async fn try_out(&self, hardware: Hardware) -> Trial {
        let (works, _, message) = self.run_briefly(hardware.trial(&render_node())).await;
        tracing::info!(%hardware, works, message, "tried an encoder in hardware");
        Trial { works, message }
    }

    /// The first line that FFmpeg tells of its version.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn version(&self) -> Result<String, String> {
        self.find(&self.limits().program).map_err(|error| error.to_string())?;
        let (works, output, message) = self.run_briefly(vec!["-version".to_owned()]).await;
        let line = output.lines().next().unwrap_or_default();
        if works && line.starts_with("ffmpeg version") {
            let version = line.split(" Copyright").next().unwrap_or_default();
            Ok(version.chars().take(60).collect())
        } else {
            Err(if message.is_empty() {
                "it does not tell its version".to_owned()
            } else {
                message
            })
        }
    }

    /// Runs FFmpeg to its end without input: whether it succeeded, what it wrote and what it said first.
    async fn run_briefly(&self, arguments: Vec<String>) -> (bool, String, String) {
        match timeout(PATIENCE, self.run_to_end(arguments)).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => (false, String::new(), error.to_string()),
            Err(_) => (false, String::new(), format!("no end after {} s", PATIENCE.as_secs())),
        }
    }

    async fn run_to_end(&self, arguments: Vec<String>) -> io::Result<(bool, String, String)> {
        let lease = Arc::new(self.lease("trial", None)?);
        let task = self.task(&self.limits(), &lease, arguments);
        let (mut child, pipes) = Child::start(&self.0.spawner, task).await?;
        drop(pipes.stdin);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) =
            (pipes.stdout.take(OUTPUT_MAX), pipes.stderr.take(OUTPUT_MAX));
        tokio::try_join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err))?;
        // What it may have to say beyond is not waited for: a full pipe must not hold it.
        drop((stdout, stderr));
        let status = child.wait().await?;
        let mut messages = Messages::default();
        messages.push(&err);
        messages.push(b"\n");
        let output = String::from_utf8_lossy(&out).into_owned();
        let message = messages.lines().next().cloned().unwrap_or_default();
        Ok((status.success(), output, message))
    }
}

/// The first render node there is, else the usual one.
fn render_node() -> String {
    let node = |number| format!("/dev/dri/renderD{number}");
    let mut all = (FIRST_NODE..FIRST_NODE + NODES_MAX).map(node);
    all.find(|path| Path::new(path).exists()).unwrap_or_else(|| node(FIRST_NODE))
}
