//! Real streams: small ones that lie in `tests/fixtures/ts`, and any others in the folder that the environment
//! variable `WEIR_TEST_CAPTURES` names, and beside it in `../generated`. What a capture does wrong by itself is not held against the
//! converter.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use weir::remux::Codecs;
use weir::remux::Options;
use weir::remux::Stage;

use crate::codecs;
use crate::codecs::Watched;
use crate::drive;
use crate::drive::Pieces;
use crate::drive::Run;
use crate::ears::Heard;
use crate::ffmpeg::Bench;
use crate::oracle::Rule;
use crate::oracle::Verdict;
use crate::oracle::judge;
use crate::oracle::list;
use crate::oracle::stream::Stream;
use crate::support::content::Dice;
use crate::support::programs::skipped;

/// A frame of AC-3 at 48 kHz, in seconds.
const FRAME: f64 = 0.032;

/// A stream from a file.
struct Capture {
    name: String,
    bytes: Vec<u8>,
}

/// All transport streams in a folder and the folders in it, by name.
fn captures(folder: &Path) -> Vec<Capture> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ts") {
                found.push(path);
            }
        }
    }
    found.sort();
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    found.iter().map(|path| Capture { name: name(path), bytes: fs::read(path).unwrap() }).collect()
}

fn fixtures() -> Vec<Capture> {
    captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ts"))
}

/// The captures that the environment names, and generated ones beside them.
fn others() -> Option<Vec<Capture>> {
    let Some(folder) = env::var_os("WEIR_TEST_CAPTURES").filter(|folder| !folder.is_empty()) else {
        skipped("WEIR_TEST_CAPTURES names no folder of transport streams");
        return None;
    };
    let folder = Path::new(&folder);
    let mut all = captures(folder);
    assert!(!all.is_empty(), "no .ts file in {}", folder.display());
    let beside = folder.parent().map(|parent| parent.join("generated"));
    match beside.filter(|beside| beside.is_dir()) {
        Some(beside) => all.extend(captures(&beside)),
        None => skipped("there is no folder generated beside WEIR_TEST_CAPTURES"),
    }
    Some(all)
}

/// What was found with many captures.
#[derive(Default)]
struct Tally {
    /// Captures of which sound was converted.
    converted: usize,
    /// Tracks that were listened to.
    heard: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn check(&mut self, is: bool, what: impl FnOnce() -> String) {
        if !is {
            self.wrong.push(what());
        }
    }

    /// Converts a capture and judges it.
    fn convert(&mut self, capture: &Capture, codecs: &Arc<Watched>) -> (Run, Verdict) {
        let Capture { name, bytes } = capture;
        let options = Options::default();
        let any = Arc::clone(codecs) as Arc<dyn Codecs>;
        let run = drive::run(bytes, &options, Arc::clone(&any), Pieces::Of(65_536));
        let again = drive::run(bytes, &options, any, Pieces::Random(Dice::new(7), 2000));
        self.check(run.output == again.output, || format!("{name}: other pieces, another output"));
        let terms = drive::terms(&options, codecs.codings());
        let mut verdict = judge(bytes, &run.output, &terms);
        let source = Stream::read(bytes);
        if matches!(run.stage, Stage::Refused(_)) {
            self.check(run.output.is_empty(), || format!("{name}: {:?} and an output", run.stage));
            verdict.faults.clear();
        }
        if run.stage == Stage::Waiting {
            // It waits for tables.
            verdict.faults.retain(|fault| fault.rule != Rule::Missing);
        }
        if source.junk > 0 {
            // Out of step three packets are needed to find the place again, so some are lost.
            let loss = [Rule::Missing, Rule::Payload, Rule::PmtCount];
            verdict.faults.retain(|fault| !loss.contains(&fault.rule));
        }
        self.check(verdict.faults.is_empty(), || format!("{name}\n{}", list(&verdict.faults)));
        let leads: Vec<_> =
            verdict.sound.iter().map(|(pid, track)| (*pid, track.leads())).collect();
        println!(
            "{name}: {:?}, {:?}\n  {:?}\n  {} breaks, leads {leads:?}, {} packets left at the start, begins with {}",
            run.stage,
            run.tracks,
            run.counts,
            verdict.breaks(),
            verdict.left_at_start,
            verdict.begins
        );
        let counts = run.counts;
        let counted = counts.aac_frames == verdict.aac_frames()
            && verdict.breaks() <= counts.discontinuities
            && counts.bad_frames <= counts.frames;
        self.check(counted, || format!("{name}: {counts:?}, {} breaks", verdict.breaks()));
        self.converted += usize::from(!verdict.sound.is_empty());
        (run, verdict)
    }

    /// Listens to what was converted.
    fn listen(&mut self, bench: &Bench, capture: &Capture, run: &Run, verdict: &Verdict) {
        let Capture { name, bytes } = capture;
        let (before, after) = (bench.complaints(bytes), bench.complaints(&run.output));
        let said = |parts: &std::collections::BTreeMap<String, usize>, part: &str| {
            parts.get(part).copied().unwrap_or(0)
        };
        // Who is given less of the beginning has more to say of pictures.
        let pictures = |part: &str| verdict.left_at_start > 0 && !part.starts_with("aac");
        let more: Vec<_> = after
            .iter()
            .filter(|(part, count)| **count > said(&before, part) && !pictures(part))
            .collect();
        // What nothing comes of at all has no parameters either.
        let silent = run.counts.aac_frames == 0;
        if silent {
            println!("  nothing comes of {} frames", run.counts.frames);
        }
        self.check(more.is_empty() || silent, || {
            format!("{name}: FFmpeg says {after:?}, before {before:?}")
        });
        for pid in verdict.sound.keys() {
            let heard = [bytes, &run.output].map(|stream| Heard::of(bench, stream, *pid, &[]));
            let [Some(before), Some(after)] = heard else {
                println!("  PID {pid:#x}: not heard");
                continue;
            };
            let likeness = before.likeness(&after, 5);
            println!("  PID {pid:#x}: {:.2} s of {:.2}", after.seconds(), before.seconds());
            if likeness.is_empty() {
                continue;
            }
            self.heard += 1;
            let mut late: Vec<f64> = likeness.iter().map(|found| found.late).collect();
            late.sort_by(f64::total_cmp);
            let mut like: Vec<f32> = likeness.iter().map(|found| found.correlation).collect();
            like.sort_by(f32::total_cmp);
            let middle = (late[late.len() / 2], like[like.len() / 2]);
            println!("  PID {pid:#x}: {:.3} ms late, {:.4} alike", middle.0 * 1000.0, middle.1);
            // FFmpeg makes noise of damaged frames where others make nothing of them.
            let weir::remux::Counts { bad_frames, resyncs, inserted, .. } = run.counts;
            let whole = bad_frames + resyncs == 0 && inserted.is_zero();
            let good = middle.0.abs() <= FRAME && middle.1 > if whole { 0.9 } else { 0.7 };
            self.check(good, || format!("{name}, PID {pid:#x}: {likeness:?}"));
        }
    }

    #[track_caller]
    fn assert_clean(&self) {
        let count = self.wrong.len();
        assert!(count == 0, "{count} faults\n{}", self.wrong.join("\n\n"));
    }
}

/// Converts all, and listens if FFmpeg is there.
fn convert_all(captures: &[Capture], codecs: &Arc<Watched>) -> Tally {
    let bench = Bench::new();
    let mut tally = Tally::default();
    for capture in captures {
        let (run, verdict) = tally.convert(capture, codecs);
        if let Some(bench) = &bench {
            tally.listen(bench, capture, &run, &verdict);
        }
    }
    codecs.assert_kept("captures");
    println!(
        "{} captures, {} converted, {} tracks heard",
        captures.len(),
        tally.converted,
        tally.heard
    );
    tally
}

#[test]
fn fixtures_are_converted() {
    let Some(codecs) = codecs::of_television() else { return };
    let tally = convert_all(&fixtures(), &codecs);
    tally.assert_clean();
    assert!(tally.converted > 0);
}

#[test]
fn other_captures_are_converted() {
    let Some(codecs) = codecs::of_television() else { return };
    let Some(captures) = others() else { return };
    let tally = convert_all(&captures, &codecs);
    tally.assert_clean();
}
