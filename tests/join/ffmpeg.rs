//! FFmpeg encodes streams, weir joins them, FFmpeg decodes the result and has nothing to say.
//!
//! Without FFmpeg these tests are skipped, loudly; with `WEIR_REQUIRE_PROGRAMS=1` it is missed.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use weir::media::ts::join::Manner;

use crate::drive::Pieces;
use crate::drive::Turn;
use crate::drive::drive;
use crate::oracle::Joined;
use crate::oracle::Source;
use crate::support::content::Dice;
use crate::support::programs::programs;

/// FFmpeg and a folder for its files, which goes with this.
struct Bench {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be deleted stays in the system's folder for temporary files.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What an encoder is told.
struct Clip {
    name: String,
    arguments: Vec<&'static str>,
}

const X264: [&str; 6] = ["-c:v", "libx264", "-preset", "veryfast", "-g", "12"];
const X265: [&str; 5] = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params"];

/// Arguments for the video encoders.
const VIDEO: [(&str, &[&str]); 6] = [
    ("h264", &["-bf", "0"]),
    ("h264-b", &["-bf", "2"]),
    ("h264-open", &["-bf", "2", "-x264-params", "open-gop=1:keyint=12:min-keyint=12:scenecut=0"]),
    ("hevc", &["log-level=none:keyint=12:min-keyint=12:open-gop=0:bframes=2"]),
    ("hevc-open", &["log-level=none:keyint=12:min-keyint=12:open-gop=1:bframes=3"]),
    ("mpeg2", &["-c:v", "mpeg2video", "-b:v", "400k", "-bf", "2", "-g", "12"]),
];

/// Everything that a multiplexer may number otherwise.
const MOVED: [&str; 10] = [
    "-mpegts_start_pid",
    "0x341",
    "-mpegts_pmt_start_pid",
    "0x2f0",
    "-mpegts_service_id",
    "77",
    "-output_ts_offset",
    "7654.321",
    "-muxdelay",
    "0.4",
];

impl Clip {
    fn new(video: &str, audio: &'static str, is_moved: bool) -> Self {
        let codec = match video {
            h264 if h264.starts_with("h264") => X264.as_slice(),
            hevc if hevc.starts_with("hevc") => X265.as_slice(),
            _ => &[],
        };
        let own = VIDEO.iter().find(|(name, _)| *name == video).unwrap().1;
        let moved = if is_moved { MOVED.as_slice() } else { &[] };
        let arguments = [codec, own, &["-c:a", audio], moved].concat();
        Self { name: format!("{video}-{audio}-{is_moved}"), arguments }
    }
}

impl Bench {
    fn new(name: &str) -> Option<Self> {
        let [ffmpeg, ffprobe] = programs(["ffmpeg", "ffprobe"])?;
        let folder = std::env::temp_dir().join(format!("weir-join-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Some(Self { ffmpeg, ffprobe, folder })
    }

    /// Two seconds of a clip; `tone` tells one from another.
    fn encode(&self, clip: &Clip, tone: u32) -> Source {
        let file = self.folder.join(format!("{}-{tone}.ts", clip.name));
        let picture = format!("testsrc2=size=96x64:rate=25:duration=2,hue=h={tone}");
        let sound = format!("sine=frequency={tone}:duration=2:sample_rate=48000");
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-threads", "1"]);
        command.args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound, "-shortest"]);
        command.args(["-pix_fmt", "yuv420p"]).args(&clip.arguments);
        let done = run(command.args(["-f", "mpegts", "-y"]).arg(&file));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Source::new(clip.name.clone(), fs::read(file).unwrap())
    }

    /// What FFmpeg says to a stream, and how many pictures it decodes.
    fn decode(&self, name: &str, bytes: &[u8]) -> (String, usize) {
        let file = self.folder.join(format!("{name}.ts"));
        fs::write(&file, bytes).unwrap();
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-i"]).arg(&file);
        let done = run(command.args(["-map", "0", "-f", "null", "-"]));
        (String::from_utf8_lossy(&done.stderr).into_owned(), self.count(&file))
    }

    fn count(&self, file: &Path) -> usize {
        let mut command = Command::new(&self.ffprobe);
        command.args(["-v", "quiet", "-count_frames", "-select_streams", "v:0"]);
        command.args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]).arg(file);
        let text = String::from_utf8(run(&mut command).stdout).unwrap();
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("pictures: {text:?}"))
    }

    /// The streams that ffprobe sees: codec and PID.
    fn streams(&self, name: &str, bytes: &[u8]) -> Vec<String> {
        let file = self.folder.join(format!("{name}.ts"));
        fs::write(&file, bytes).unwrap();
        let mut command = Command::new(&self.ffprobe);
        command.args(["-v", "quiet", "-show_entries", "stream=codec_name,id", "-of", "csv=p=0"]);
        let text = String::from_utf8(run(command.arg(&file)).stdout).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // Each stream is listed once more within its programme.
        lines.retain(|line| !line.is_empty());
        lines.sort();
        lines.dedup();
        lines
    }
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the program runs")
}

/// Joins at several places of the active, at the end of its units and amid them.
fn pair(active: &Clip, standby: &Clip) {
    let name = format!("{}-{}", active.name, standby.name);
    let Some(bench) = Bench::new(&name) else { return };
    let (active, standby) = (bench.encode(active, 440), bench.encode(standby, 330));
    let expected = bench.streams("active", &active.bytes);
    let (silence, pictures) = bench.decode("active", &active.bytes);
    assert!(silence.is_empty() && pictures == 50, "{silence}");
    for cut in [2, 3, 4].map(|part| active.bytes.len() * part / 5 + part * 41) {
        let finished = join(&active, &standby, cut, true);
        let what = format!("{name} at {cut}");
        finished.assert_clean(&what);
        assert_eq!(bench.streams("finished", &finished.output), expected, "{what}");
        let (said, whole) = bench.decode("finished", &finished.output);
        assert!(said.is_empty(), "{what}, between units: {said}");

        // Amid a unit: that unit may be lost, none other.
        let torn = join(&active, &standby, cut, false);
        torn.assert_clean(&what);
        assert_eq!(bench.streams("torn", &torn.output), expected, "{what}");
        let (_, decoded) = bench.decode("torn", &torn.output);
        assert!(decoded + 1 >= whole && decoded <= whole, "{what}: {decoded} of {whole} pictures");
    }
}

fn join<'a>(active: &'a Source, standby: &'a Source, cut: usize, finish: bool) -> Joined<'a> {
    let first = Turn { finish: finish.then_some(active.bytes.len()), ..Turn::new(active, cut) };
    let second = Turn { gap: Duration::from_millis(20), ..Turn::whole(standby) };
    let mut pieces = Pieces::Random(Dice::new(cut as u64), 1316);
    drive(Manner::Seamless, &[first, second], &mut pieces).joined("ffmpeg")
}

#[test]
fn h264_and_aac() {
    pair(&Clip::new("h264", "aac", false), &Clip::new("h264", "aac", true));
    pair(&Clip::new("h264-b", "aac", true), &Clip::new("h264-open", "aac", false));
}

#[test]
fn open_groups_of_h264_and_ac3() {
    pair(&Clip::new("h264-open", "ac3", true), &Clip::new("h264-open", "ac3", false));
}

#[test]
fn hevc_and_eac3() {
    pair(&Clip::new("hevc", "eac3", false), &Clip::new("hevc", "eac3", true));
    pair(&Clip::new("hevc-open", "eac3", true), &Clip::new("hevc-open", "eac3", false));
}

#[test]
fn mpeg2_and_mp2() {
    pair(&Clip::new("mpeg2", "mp2", false), &Clip::new("mpeg2", "mp2", true));
}
