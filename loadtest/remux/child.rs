//! weir's side: this program again, which converts a file with `Remux`, so that what it takes is a process's.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use weir::remux::Options;
use weir::remux::Remux;
use weir::remux::codec::AAC_FRAME;
use weir::remux::codec::BuiltIn;
use weir::remux::codec::Encoder;

use crate::process;

use super::SOUND_BITS;
use super::latency;
use super::latency::Latency;
use super::sound::RATE;
use super::sound::Sound;
use super::spent;
use super::spent::Spent;

/// What is pushed at a time.
const BATCH: usize = 64 * 1024;

/// Batches between two looks at the memory: 4 s of the stream.
const LOOK: usize = 64;

/// What the child is to do with the file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Convert it.
    Convert { encoder: Encoder, channels: usize },
    /// The same, and look at the memory.
    Weigh { encoder: Encoder, channels: usize },
}

/// What the child tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// Access units of AAC, and frames that no decoder made anything of, of the first channel.
    units: u64,
    bad: u64,
    /// Largest resident set size in KiB, and proportional one while there was a look at it.
    pub(crate) rss: f64,
    pub(crate) pss: f64,
}

impl Heard {
    /// Why what was measured is no conversion of the whole stream.
    pub(crate) fn doubt(&self, seconds: u32) -> Option<String> {
        let due = f64::from(seconds) * RATE as f64 / AAC_FRAME as f64;
        let (units, bad) = (self.units, self.bad);
        let is_whole = units as f64 > 0.97 * due && bad == 0;
        (!is_whole).then(|| format!("{units} access units of {due:.0}, {bad} bad frames"))
    }
}

/// Has a child do it.
pub(crate) fn start(job: Job, file: &Path) -> Result<(Spent, Heard), String> {
    let (word, encoder, channels) = match job {
        Job::Convert { encoder, channels } => ("convert", encoder, channels),
        Job::Weigh { encoder, channels } => ("weigh", encoder, channels),
    };
    let own = ["remux-child", word, name(encoder), &file.display().to_string()];
    let mut arguments: Vec<String> = own.map(str::to_owned).to_vec();
    arguments.push(channels.to_string());
    let (spent, told) = spent::own(&arguments)?;
    let told: Value = serde_json::from_str(&told).map_err(|error| error.to_string())?;
    let number = |name: &str| told.get(name).and_then(Value::as_f64).unwrap_or_default();
    let (rss, pss) = (number("rss"), number("pss"));
    let heard = Heard { units: number("units") as u64, bad: number("bad") as u64, rss, pss };
    Ok((spent, heard))
}

/// How much later the sound of a file comes; here, as it needs no process of its own.
pub(crate) fn latency(sound: Sound, encoder: Encoder, file: &Path) -> Result<Latency, String> {
    latency::measure(sound, file, remux(encoder))
        .map_err(|error| format!("{}: {error}", sound.name()))
}

/// The child; what it tells goes to standard output.
pub(crate) fn become_child(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let mut next = || arguments.next().unwrap_or_default();
    let (word, encoder, file, channels) = (next(), next(), next(), next());
    let encoder =
        [Encoder::BuiltIn, Encoder::Libavcodec].into_iter().find(|known| name(*known) == encoder);
    let encoder = encoder.ok_or("no such encoder")?;
    let channels = channels.parse().map_err(|_| "no number of channels")?;
    let told = convert(&file, encoder, channels, word == "weigh");
    println!("{}", told.map_err(|error| format!("{file}: {error}"))?);
    Ok(())
}

fn convert(file: &str, encoder: Encoder, channels: usize, looks: bool) -> std::io::Result<Value> {
    let mut file = File::open(file)?;
    let mut batch = vec![0; BATCH];
    // A buffer each, as each channel's batches have in the gateway.
    let mut all: Vec<(Remux, Vec<u8>)> =
        (0..channels).map(|_| (remux(encoder), Vec::new())).collect();
    let (mut number, mut pss) = (0, 0.0_f64);
    loop {
        let count = file.read(&mut batch)?;
        for (remux, out) in &mut all {
            out.clear();
            match batch.get(..count) {
                Some(bytes) if count > 0 => remux.push(bytes, out),
                _ => remux.finish(out),
            }
            std::hint::black_box(out);
        }
        if looks && (number % LOOK == 0 || count == 0) {
            let own = process::memory(std::process::id(), "Pss:");
            pss = own.map_or(pss, |own| own.max(pss));
        }
        number += 1;
        if count == 0 {
            break;
        }
    }
    let rss = process::peak(std::process::id());
    let counts = all.first_mut().map(|(remux, _)| remux.take_counts()).unwrap_or_default();
    Ok(json!({ "units": counts.aac_frames, "bad": counts.bad_frames, "rss": rss, "pss": pss }))
}

fn remux(encoder: Encoder) -> Remux {
    let options = Options { encoder, bitrate: SOUND_BITS, ..Options::default() };
    Remux::new(options, Arc::new(BuiltIn))
}

fn name(encoder: Encoder) -> &'static str {
    match encoder {
        Encoder::BuiltIn => "built-in",
        Encoder::Libavcodec => "libavcodec",
    }
}
