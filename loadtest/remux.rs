//! Converted sound: what it costs in weir, as `Remux` does it, and in FFmpeg, one process for one channel. CPU time,
//! memory, and how much later sound comes.

use std::path::Path;
use std::path::PathBuf;

use weir::remux::codec::Encoder;

use crate::machine;

use self::child::Heard;
use self::child::Job;
use self::latency::Latency;
use self::report::Report;
use self::sound::Sound;
use self::source::Placing;
use self::spent::Spent;

pub(crate) mod child;
mod latency;
mod report;
pub(crate) mod sound;
mod source;
mod spent;

/// Bits per second of the stream, without what converting takes from it.
pub(crate) const BITS: u64 = 8_000_000;

/// Bits per second of the sound that is made.
const SOUND_BITS: u32 = 192_000;

/// Channels converted in one process, to see what each one more takes.
const CHANNELS: usize = 9;

/// Who converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// weir's `Remux`, with this encoder.
    Weir(Encoder),
    /// `ffmpeg`, one process.
    Ffmpeg,
    /// The same with the sound as it is: what reading and writing cost.
    Copy,
}

impl Way {
    /// Those that this build has.
    fn all() -> Vec<Self> {
        let mut ways = vec![Self::Weir(Encoder::BuiltIn)];
        if cfg!(feature = "libav") {
            ways.push(Self::Weir(Encoder::Libavcodec));
        }
        ways.extend([Self::Ffmpeg, Self::Copy]);
        ways
    }

    fn name(self) -> &'static str {
        match self {
            Self::Weir(Encoder::BuiltIn) => "weir",
            Self::Weir(Encoder::Libavcodec) => "weir, libavcodec's encoder",
            Self::Ffmpeg => "ffmpeg",
            Self::Copy => "ffmpeg -c copy",
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Length of each stream.
    pub(crate) seconds: u32,
    pub(crate) rounds: usize,
    pub(crate) sounds: Vec<Sound>,
    /// Locked during each round, for a machine that does other work between them.
    pub(crate) lock: Option<PathBuf>,
    pub(crate) json: PathBuf,
}

/// What one way did with one sound.
struct Row {
    sound: Sound,
    way: Way,
    /// CPU seconds of each round.
    rounds: Vec<Spent>,
    memory: Option<Memory>,
    /// By where the source has its sound.
    latency: Vec<(Placing, Latency)>,
}

/// Peaks of a process, in KiB.
#[derive(Clone, Copy, Debug)]
struct Memory {
    rss: f64,
    pss: f64,
    /// The same with [`CHANNELS`] in it.
    many: Option<(f64, f64)>,
}

impl Memory {
    /// What each channel beyond the first adds, in KiB: the greater of both figures.
    fn each(&self) -> Option<f64> {
        let more = (CHANNELS - 1) as f64;
        self.many.map(|(rss, pss)| (rss - self.rss).max(pss - self.pss) / more)
    }
}

/// Measures, prints and writes everything down; whether the figures can be relied on. A goal that is missed is
/// a figure like any other.
pub(crate) fn run(wish: &Wish) -> Result<bool, String> {
    let facts = facts();
    let (sounds, left_out): (Vec<Sound>, Vec<Sound>) =
        wish.sounds.iter().partition(|sound| sound.is_decoded());
    for sound in &left_out {
        eprintln!("\n*** this build does not decode {}: it is left out ***\n", sound.name());
    }
    let folder = machine::folder();
    let measured = measure(wish, &sounds, &folder);
    std::fs::remove_dir_all(&folder).ok();
    let (rows, others, doubts) = measured?;
    let report = Report { facts: &facts, wish, rows: &rows, others, left_out: &left_out };
    print!("{}", report.text());
    let folder = wish.json.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&wish.json, format!("{:#}\n", report.json(&doubts))))
        .map_err(|error| format!("{}: {error}", wish.json.display()))?;
    for doubt in &doubts {
        eprintln!("*** {doubt}");
    }
    Ok(doubts.is_empty())
}

fn facts() -> Vec<(&'static str, String)> {
    let mut facts = machine::facts(Path::new(""));
    facts.retain(|(name, _)| !matches!(*name, "weir" | "haproxy" | "nginx"));
    let feature = if cfg!(feature = "libav") { "with" } else { "without" };
    let version = env!("CARGO_PKG_VERSION");
    facts.push(("weir", format!("weir {version}, {feature} the feature libav")));
    let ffmpeg = machine::said("ffmpeg", &["-version"]);
    facts.push(("ffmpeg", ffmpeg.split(" Copyright").next().unwrap_or_default().to_owned()));
    facts
}

/// Rows of the table, the foreign share of the machine in each round, and what went wrong.
type Measured = (Vec<Row>, Vec<f64>, Vec<String>);

/// All rows, the foreign share of the machine in each round, and what went wrong.
fn measure(wish: &Wish, sounds: &[Sound], folder: &Path) -> Result<Measured, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    eprintln!("making {} s of television", wish.seconds);
    source::make(folder, sounds, wish.seconds)?;
    let row = |sound, way| Row { sound, way, rounds: vec![], memory: None, latency: vec![] };
    let rows = sounds.iter().flat_map(|sound| Way::all().into_iter().map(|way| row(*sound, way)));
    let mut rows: Vec<Row> = rows.collect();
    let (mut doubts, mut others) = (Vec::new(), Vec::new());
    for number in 1..=wish.rounds {
        let _lock = wish.lock.as_deref().map(machine::lock).transpose()?;
        let before = spent::Machine::now();
        for row in &mut rows {
            let (spent, heard) =
                convert(row.way, &source::file(folder, row.sound, Placing::Muxer))?;
            let (sound, way) = (row.sound.name(), row.way.name());
            let total = spent.cpu.total();
            eprintln!("round {number}/{}  {sound:<14} {way:<28} {total:.3} s", wish.rounds);
            doubts.extend(
                heard
                    .and_then(|heard| heard.doubt(wish.seconds))
                    .map(|why| format!("{sound}, {way}: {why}")),
            );
            row.rounds.push(spent);
        }
        others.push(before.others());
    }
    for row in &mut rows {
        eprintln!("memory and latency  {:<14} {}", row.sound.name(), row.way.name());
        row.memory = Some(memory(row, folder)?);
        let Way::Weir(encoder) = row.way else { continue };
        for placing in Placing::ALL {
            let file = source::file(folder, row.sound, placing);
            row.latency.push((placing, child::latency(row.sound, encoder, &file)?));
        }
    }
    doubts.sort();
    doubts.dedup();
    Ok((rows, others, doubts))
}

/// Converts a file once; of weir also what it counted.
fn convert(way: Way, file: &Path) -> Result<(Spent, Option<Heard>), String> {
    match way {
        Way::Weir(encoder) => {
            let (spent, heard) = child::start(Job::Convert { encoder, channels: 1 }, file)?;
            Ok((spent, Some(heard)))
        }
        Way::Ffmpeg => Ok((spent::ffmpeg(&ffmpeg(file, true), false)?, None)),
        Way::Copy => Ok((spent::ffmpeg(&ffmpeg(file, false), false)?, None)),
    }
}

/// A run of its own, as who looks at memory disturbs.
fn memory(row: &Row, folder: &Path) -> Result<Memory, String> {
    let file = source::file(folder, row.sound, Placing::Muxer);
    let Way::Weir(encoder) = row.way else {
        let spent = spent::ffmpeg(&ffmpeg(&file, row.way == Way::Ffmpeg), true)?;
        return Ok(Memory { rss: spent.rss, pss: spent.pss, many: None });
    };
    let weigh = |channels| {
        child::start(Job::Weigh { encoder, channels }, &file)
            .map(|(_, heard)| (heard.rss, heard.pss))
    };
    let ((rss, pss), many) = (weigh(1)?, weigh(CHANNELS)?);
    Ok(Memory { rss, pss, many: Some(many) })
}

/// What FFmpeg is started with: nothing that it would not do by itself but stereo and the bit rate.
fn ffmpeg(file: &Path, converts: bool) -> Vec<String> {
    let file = file.display().to_string();
    let mut words = vec!["-v", "error", "-nostdin", "-i", &file, "-map", "0", "-c", "copy"];
    let bits = SOUND_BITS.to_string();
    if converts {
        words.extend(["-c:a", "aac", "-b:a", &bits, "-ac", "2"]);
    }
    words.extend(["-f", "mpegts", "-y", "/dev/null"]);
    words.into_iter().map(str::to_owned).collect()
}
