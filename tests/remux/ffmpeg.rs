//! FFmpeg makes streams and decodes them. Without it the tests that need it are skipped, loudly; with
//! `WEIR_REQUIRE_PROGRAMS=1` it is missed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::support::programs::programs;

/// FFmpeg and a folder for its files, which goes with this.
pub(crate) struct Bench {
    ffmpeg: PathBuf,
    folder: PathBuf,
    files: AtomicUsize,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be deleted stays in the system's folder for temporary files.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A track of sound to be made: pink noise, other noise on each channel, so that it is itself only at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// As `-c:a` has it.
    pub(crate) codec: &'static str,
    pub(crate) bitrate: &'static str,
    pub(crate) channels: usize,
    pub(crate) rate: u32,
    pub(crate) language: &'static str,
    /// Of full scale.
    pub(crate) amplitude: &'static str,
}

impl Noise {
    pub(crate) fn new(codec: &'static str, bitrate: &'static str, channels: usize) -> Self {
        Self { codec, bitrate, channels, rate: 48_000, language: "deu", amplitude: "0.4" }
    }
}

/// A stream to be made.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    pub(crate) name: &'static str,
    pub(crate) video: bool,
    pub(crate) sounds: Vec<Noise>,
    pub(crate) seconds: u32,
    /// Further arguments for the multiplexer.
    pub(crate) mux: Vec<&'static str>,
}

impl Bench {
    /// None, loudly, where there is no FFmpeg.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let [ffmpeg] = programs(["ffmpeg"])?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir-remux-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Some(Self { ffmpeg, folder, files: AtomicUsize::new(0) })
    }

    /// Makes a stream.
    ///
    /// # Panics
    /// With what FFmpeg says if it does not.
    pub(crate) fn encode(&self, clip: &Clip) -> Vec<u8> {
        let mut command = self.command("error");
        let seconds = clip.seconds;
        let picture = format!("testsrc2=size=160x96:rate=25:duration={seconds}");
        command.args(["-f", "lavfi", "-i", &picture]);
        for (number, sound) in clip.sounds.iter().enumerate() {
            command.args(["-f", "lavfi", "-i", &noise(sound, number, seconds)]);
        }
        if clip.video {
            command.args(["-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25"]);
            command.args(["-pix_fmt", "yuv420p"]);
        }
        for (number, sound) in clip.sounds.iter().enumerate() {
            command.args(["-map", &format!("{}:a", number + 1)]);
            command.args([&format!("-c:a:{number}"), sound.codec]);
            command.args([&format!("-b:a:{number}"), sound.bitrate]);
            let language = format!("language={}", sound.language);
            command.args([&format!("-metadata:s:a:{number}"), &language]);
        }
        command.args(&clip.mux);
        self.made(command)
    }

    /// What these arguments make of a stream.
    pub(crate) fn convert(&self, source: &[u8], arguments: &[&str]) -> Vec<u8> {
        let input = self.file();
        fs::write(&input, source).unwrap();
        let mut command = self.command("error");
        command.arg("-i").arg(&input).args(arguments);
        let made = self.made(command);
        fs::remove_file(input).unwrap();
        made
    }

    /// What FFmpeg says while it decodes picture and sound: how often which of its parts says something.
    pub(crate) fn complaints(&self, stream: &[u8]) -> BTreeMap<String, usize> {
        let input = self.file();
        fs::write(&input, stream).unwrap();
        let mut command = self.command("error");
        command.arg("-i").arg(&input);
        command.args(["-map", "0:v?", "-map", "0:a?", "-f", "null", "-"]);
        let said = run(&mut command);
        fs::remove_file(input).unwrap();
        let mut parts: BTreeMap<String, usize> = BTreeMap::new();
        for line in String::from_utf8_lossy(&said.stderr).lines() {
            // "[aac @ 0x55..] something"
            let part = line.strip_prefix('[').and_then(|line| line.split(" @ ").next());
            *parts.entry(part.unwrap_or("ffmpeg").to_owned()).or_default() += 1;
        }
        parts
    }

    /// Decodes the sound on a PID to two channels of `f32`: standard output, and what the filter `ashowinfo` says
    /// of each frame.
    pub(crate) fn samples(&self, stream: &[u8], pid: u16, decoder: &[&str]) -> Output {
        let input = self.file();
        fs::write(&input, stream).unwrap();
        let mut command = self.command("info");
        command.args(decoder).arg("-copyts").arg("-i").arg(&input);
        command.args([
            "-map",
            &format!("0:i:{pid}"),
            "-af",
            "aformat=channel_layouts=stereo,ashowinfo",
        ]);
        command.args(["-f", "f32le", "-c:a", "pcm_f32le", "-"]);
        let output = run(&mut command);
        fs::remove_file(input).unwrap();
        output
    }

    fn command(&self, level: &str) -> Command {
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-hide_banner", "-nostats", "-v", level, "-nostdin", "-threads", "1"]);
        command
    }

    fn file(&self) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number}.ts"))
    }

    fn made(&self, mut command: Command) -> Vec<u8> {
        let output = self.file();
        let done = run(command.args(["-f", "mpegts", "-y"]).arg(&output));
        assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
        let bytes = fs::read(&output).unwrap();
        fs::remove_file(output).unwrap();
        bytes
    }
}

/// A source of sound as lavfi has it.
fn noise(sound: &Noise, number: usize, seconds: u32) -> String {
    let Noise { channels, rate, amplitude, .. } = sound;
    let one = |channel: usize| {
        let seed = 100 * number + channel + 1;
        format!(
            "anoisesrc=color=pink:seed={seed}:amplitude={amplitude}:sample_rate={rate}:duration={seconds}"
        )
    };
    let all: Vec<String> =
        (0..*channels).map(|channel| format!("{}[c{channel}]", one(channel))).collect();
    let layout = ["mono", "stereo", "3.0", "4.0", "5.0", "5.1"][channels - 1];
    let inputs: String = (0..*channels).map(|channel| format!("[c{channel}]")).collect();
    if *channels == 1 {
        return one(0);
    }
    format!("{};{inputs}join=inputs={channels}:channel_layout={layout}", all.join(";"))
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the program runs")
}
