//! What viewers see while no source plays, and what weir makes itself: real sockets, streams that are
//! judged packet by packet, and a decoder that has nothing to complain of.

mod begins;
mod images;
mod made;
mod overrides;
mod returns;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use weir::media::synth::Layout;
use weir::media::synth::Palette;
use weir::media::synth::Scene;
use weir::media::synth::Synth;
use weir::media::synth::Tone;
use weir::media::ts::packet::Pid;

use crate::programs::Folder;
use crate::programs::run_clean;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Feed;
use crate::support::player::Player;
use crate::support::programs::programs;
use crate::support::ts::Fault;
use crate::support::ts::PACKET;
use crate::support::ts::TsCheck;
use crate::support::ts::check::TsReport;

/// Failures show soon, and nothing is hedged.
const SLATE: &str = "failover: {stall_timeout: 800ms, hedge_after: 20s, response_timeout: 2s, \
                     rounds: 1, on_exhausted: slate}\n";

/// Pictures in a second.
const RATE: u64 = Synth::FRAMES_PER_SECOND;

/// A real programme that was recorded: pictures and sound that a decoder can make something of.
#[derive(Clone)]
struct Film(Arc<Vec<u8>>);

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Film({} bytes)", self.0.len())
    }
}

impl Film {
    /// So many pictures from `first` on, on PIDs that nobody else uses.
    fn of(title: &str, first: u64, pictures: u64) -> Self {
        let scene = Scene {
            title: title.to_owned(),
            text: String::new(),
            palette: Palette::Amber,
            tone: Tone::Low,
        };
        let layout = Layout {
            transport_stream_id: 7,
            program_number: 77,
            pmt_pid: Pid::masked(0x50),
            video_pid: Pid::masked(0x51),
            audio_pid: Pid::masked(0x52),
        };
        let mut synth = Synth::new(&scene, layout, first);
        let mut bytes = Vec::new();
        (0..pictures).for_each(|_| synth.next_picture(&mut bytes));
        Self(Arc::new(bytes))
    }

    /// Three seconds that FFmpeg encodes with these encoders.
    async fn encoded(ffmpeg: &Path, video: &str, audio: &str) -> Self {
        let folder = Folder::new();
        let file = folder.join("film.ts");
        let mut command = Command::new(ffmpeg);
        command.args(["-v", "error", "-nostdin", "-f", "lavfi"]);
        command.args(["-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi"]);
        command.args(["-i", "sine=frequency=440:sample_rate=48000", "-t", "3", "-c:v", video]);
        command.args(["-g", "25", "-bf", "0", "-pix_fmt", "yuv420p", "-c:a", audio]);
        command.args(["-f", "mpegts", "-mpegts_start_pid", "0x200"]).arg(&file);
        run_clean(&mut command).await;
        Self(Arc::new(std::fs::read(&file).unwrap()))
    }

    /// As a live source sends it, about as fast as it is played.
    fn live(&self, pictures: u64) -> Feed {
        Feed::of(self.clone()).rate(self.0.len() as u64 * RATE / pictures)
    }
}

impl Content for Film {
    fn fill(&self, offset: u64, into: &mut [u8]) {
        let from = usize::try_from(offset).expect("a film is in memory").min(self.0.len());
        let there = &self.0[from..(from + into.len()).min(self.0.len())];
        into[..there.len()].copy_from_slice(there);
    }

    fn length(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

/// A source that can be switched off and on again.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::SeqCst);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Somebody who watches, in a task of its own, and keeps all of it.
struct Recorder {
    bytes: Arc<Mutex<Vec<u8>>>,
    since: Instant,
    watching: JoinHandle<()>,
}

impl Recorder {
    async fn tune(gateway: &Gateway, channel: &str) -> Self {
        Self::tune_as(gateway, channel, "somebody").await
    }

    /// As [`Recorder::tune`], by a player with this User-Agent.
    async fn tune_as(gateway: &Gateway, channel: &str, player: &str) -> Self {
        let request =
            format!("GET /stream/{channel} HTTP/1.1\r\nHost: x\r\nUser-Agent: {player}\r\n\r\n");
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!((head.status, head.header("Content-Type")), (200, Some("video/mp2t")));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let watching = tokio::spawn(async move {
            while let Ok(chunk) = player.chunk().await {
                kept.lock().unwrap().extend(chunk);
            }
        });
        Self { bytes, since: Instant::now(), watching }
    }

    fn count(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }

    /// Waits until so many bytes more have come.
    async fn more(&self, bytes: usize) {
        let enough = self.count() + bytes;
        let there = async || (self.count() >= enough).then_some(());
        eventually_async("the stream goes on", there).await;
    }

    fn is_watching(&self) -> bool {
        !self.watching.is_finished()
    }

    /// How long it has watched.
    fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Leaves.
    fn leave_at_once(self) {
        self.watching.abort();
    }

    /// Leaves, with all that came before the last PAT: in these streams nothing is unfinished there.
    fn leave(self) -> Vec<u8> {
        self.watching.abort();
        let mut bytes = self.bytes.lock().unwrap().clone();
        let is_pat = |packet: &[u8]| packet[1] & 0x1F == 0 && packet[2] == 0;
        let whole = bytes.chunks_exact(PACKET).rposition(is_pat).expect("a PAT");
        bytes.truncate(whole * PACKET);
        bytes
    }
}

/// The only session of a channel in `/api/v1/sessions`.
async fn session(gateway: &Gateway, channel: &str) -> Option<Value> {
    let text = gateway.admin_get("/api/v1/sessions").await;
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    all.into_iter().find(|session| session["channel"] == channel)
}

/// Waits until the session of a channel shows a slate.
async fn shows_slate(gateway: &Gateway, channel: &str) {
    eventually_async("the session shows a slate", async || {
        let session = session(gateway, channel).await?;
        (session["way"] == "slate" && session["source"].is_null()).then_some(())
    })
    .await;
}

/// Waits until the session of a channel plays from a source.
async fn shows_source(gateway: &Gateway, channel: &str, source: u64) {
    eventually_async("the session plays from a source", async || {
        let session = session(gateway, channel).await?;
        (session["way"] != "slate" && session["source"] == source).then_some(())
    })
    .await;
}

async fn slates(gateway: &Gateway, channel: &str) -> String {
    gateway.figures("weir_slates_total", channel).await
}

/// Judges a stream of several sources packet by packet: counters go on, clocks rise.
fn judge(bytes: &[u8], what: &str) -> TsReport {
    let report = TsCheck::of(bytes);
    report.assert_only(what, &[Fault::PcrJump]);
    report
}

/// What FFmpeg finds in a stream.
#[derive(Debug)]
struct Decoded {
    /// Names of the streams' codecs, in order.
    codecs: Vec<String>,
    pictures: u64,
}

/// Decodes all of a stream. `None`, loudly, where there is no FFmpeg.
///
/// # Panics
/// With what FFmpeg says, if it says anything.
async fn decode(bytes: &[u8]) -> Option<Decoded> {
    let [ffmpeg, ffprobe] = programs(["ffmpeg", "ffprobe"])?;
    let folder = Folder::new();
    let file = folder.join("stream.ts");
    std::fs::write(&file, bytes).unwrap();
    let mut probe = Command::new(ffprobe);
    probe.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]).arg(&file);
    // A stream that is in a programme is listed with it, too.
    let listed = run_clean(&mut probe).await;
    // Of some it has more to say behind a comma.
    let names = listed.split_whitespace().map(|line| line.trim_end_matches(','));
    let mut codecs: Vec<String> = names.map(str::to_owned).collect();
    codecs.truncate(codecs.len() / 2);
    let mut decoder = Command::new(ffmpeg);
    decoder.args(["-v", "error", "-nostdin", "-xerror", "-i"]).arg(&file);
    decoder.args(["-map", "0", "-f", "null", "-progress", "-", "-"]);
    let progress = run_clean(&mut decoder).await;
    let pictures = progress.lines().rev().find_map(|line| line.strip_prefix("frame="));
    let pictures = pictures.map_or(0, |pictures| pictures.trim().parse().unwrap());
    Some(Decoded { codecs, pictures })
}
