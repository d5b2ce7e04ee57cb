//! FFmpeg on files of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::programs::programs;

/// Two seconds of noise and tones, other ones in each channel, with steps in them.
const NOISE: &str = "anoisesrc=d=2:c=pink:r=48000:a=0.4:s=1";
const TONES: &str =
    "aevalsrc=0.2*sin(2*PI*440*t*(1+0.1*t))|0.3*sin(2*PI*554*t)*lt(mod(t\\,0.5)\\,0.2):s=48000:d=2";

/// FFmpeg and a folder for its files, which goes with this.
pub(crate) struct Bench {
    ffmpeg: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// `None`, loudly, without FFmpeg. `name` is the test's own.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let [ffmpeg] = programs(["ffmpeg"])?;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("codecs-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Some(Self { ffmpeg, folder })
    }

    /// What FFmpeg writes to its standard output and no word besides.
    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(&self.ffmpeg)
            .current_dir(&self.folder)
            .args(["-nostdin", "-v", "error"])
            .args(arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "ffmpeg {arguments:?}: {told}");
        output.stdout
    }

    /// The sound through a filter by an encoder of FFmpeg: `arguments` choose encoder and format.
    pub(crate) fn encoded(&self, filter: &str, arguments: &[&str]) -> Vec<u8> {
        let inputs = ["-f", "lavfi", "-i", NOISE, "-f", "lavfi", "-i", TONES];
        let mix = "[0]aformat=channel_layouts=stereo[n];[n][1]amix=weights=0.3 1:normalize=0";
        let graph = format!("{mix},{filter}");
        self.run(&[&inputs[..], &["-filter_complex", &graph], arguments, &["-"]].concat())
    }

    /// Both channels of the sound as it is.
    pub(crate) fn sound(&self) -> [Vec<f32>; 2] {
        planes(&self.encoded("anull", &["-f", "f32le"]), 2).try_into().unwrap()
    }

    /// The samples of each channel by FFmpeg's decoder: `arguments` choose it.
    pub(crate) fn decoded(
        &self,
        stream: &[u8],
        arguments: &[&str],
        channels: usize,
    ) -> Vec<Vec<f32>> {
        fs::write(self.folder.join("stream"), stream).unwrap();
        planes(&self.run(&[arguments, &["-i", "stream", "-f", "f32le", "-"]].concat()), channels)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be deleted stays with what cargo builds.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn planes(bytes: &[u8], channels: usize) -> Vec<Vec<f32>> {
    let samples: Vec<_> =
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (0..channels)
        .map(|channel| samples.iter().skip(channel).step_by(channels).copied().collect())
        .collect()
}

/// How much stronger `sound` is than its difference from `other`, in dB.
pub(crate) fn signal_to_noise(sound: &[f32], other: &[f32]) -> f32 {
    let energy = |samples: &mut dyn Iterator<Item = f32>| {
        samples.map(|sample| f64::from(sample).powi(2)).sum::<f64>()
    };
    let noise = energy(&mut sound.iter().zip(other).map(|(one, other)| one - other));
    (10.0 * (energy(&mut sound.iter().copied()) / noise).log10()) as f32
}
