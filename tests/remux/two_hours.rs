//! Two hours of sound through codecs that carry the time of each sample: where does it come out?

use std::sync::Arc;

use weir::remux::Options;
use weir::remux::Remux;
use weir::remux::codec::AAC_FRAME;

use crate::codecs::AGAIN;
use crate::codecs::Numbered;
use crate::codecs::number;
use crate::drive;
use crate::drive::Pieces;
use crate::frames::AC3_SAMPLES;
use crate::maker::Maker;
use crate::maker::Recipe;
use crate::oracle::judge;
use crate::oracle::sound::Frame;
use crate::support::content::Dice;
use crate::support::ts::TIMESTAMPS;

/// Pictures in a second.
const PICTURES: u64 = 25;
/// Seconds of a part, which the oracle looks at on its own.
const PART: u64 = 60;
/// Ticks of 90 kHz in a millisecond.
const MILLISECOND: f64 = 90.0;

/// What is made of two hours; the wrap of the clock is in the middle.
struct Watch {
    /// Ticks of 90 kHz that a sample takes by the clock.
    tick: f64,
    first: u64,
    /// How far the time of the sound is off, at most, in ticks.
    worst: f64,
    frames: u64,
    /// Frames with samples that are not the source's.
    mixed: u64,
}

impl Watch {
    /// A frame that comes out, and the samples that went into it.
    fn frame(&mut self, frame: &Frame, note: [f32; 4]) {
        // What went in with the frame is heard a frame after its PTS.
        let heard = frame.pts + (AAC_FRAME as u64 * 15).div_euclid(8);
        let ticks = (heard + TIMESTAMPS - self.first) % TIMESTAMPS;
        if ticks > TIMESTAMPS / 2 {
            return;
        }
        let due = ticks as f64 / self.tick;
        let numbers = note.map(number);
        let mut off = Vec::new();
        for (quarter, number) in numbers.iter().enumerate() {
            let due = due + (quarter * AAC_FRAME / 4) as f64;
            let apart = (*number as f64 - due).rem_euclid(AGAIN as f64);
            off.push(if apart > AGAIN as f64 / 2.0 { apart - AGAIN as f64 } else { apart });
        }
        self.frames += 1;
        let off = off.into_iter().map(|samples| (samples * self.tick).abs());
        let (close, far): (Vec<f64>, Vec<f64>) = off.partition(|ticks| *ticks < 40.0 * MILLISECOND);
        self.mixed += u64::from(!far.is_empty());
        self.worst = close.into_iter().fold(self.worst, f64::max);
    }
}

/// Two hours through the converter, a second at a time.
fn two_hours(drift: u64, lag: usize) -> Watch {
    let first = TIMESTAMPS - 3600 * 90_000;
    let recipe = Recipe { first, drift, ..Recipe::default() };
    let codecs = Arc::new(Numbered { lag, ..Numbered::default() });
    let notes = Arc::clone(&codecs.notes);
    let options = Options::default();
    let mut remux = Remux::new(options.clone(), codecs);
    let mut maker = Maker::source(recipe);
    let tick = maker.time(AC3_SAMPLES * 1_000_000 / AC3_SAMPLES) - first;
    let tick = tick as f64 / (1_000_000 * AC3_SAMPLES) as f64;
    let mut watch = Watch { tick, first, worst: 0.0, frames: 0, mixed: 0 };
    let terms = drive::terms(&options, vec![weir::remux::Coding::Ac3]);
    for part in 0..7200 / PART {
        let (mut source, mut output) = (Vec::new(), Vec::new());
        for _ in 0..PART {
            let piece = maker.pictures(PICTURES);
            remux.push(&piece, &mut output);
            source.extend(piece);
        }
        if part + 1 == 7200 / PART {
            remux.finish(&mut output);
        }
        // The judge has no memory of the part before, so at its edges sound is not the source's.
        let verdict = judge(&source, &output, &terms);
        verdict.assert_clean(&format!("part {part}"));
        let notes = notes.lock().unwrap();
        for frame in verdict.sound.values().flat_map(|track| &track.frames) {
            let number = u64::from_be_bytes(frame.unit.as_slice().try_into().unwrap());
            watch.frame(frame, notes[number as usize]);
        }
        assert_eq!(verdict.breaks(), 0, "part {part}");
    }
    let counts = remux.take_counts();
    assert_eq!(
        (counts.discontinuities, counts.bad_frames, counts.resyncs),
        (0, 0, 0),
        "{counts:?}"
    );
    println!("drift {drift}: {counts:?}, {} frames, {} mixed", watch.frames, watch.mixed);
    println!("at most {:.3} ms off", watch.worst / MILLISECOND);
    watch
}

#[test]
fn two_hours_of_an_exact_clock_stay_in_time() {
    let watch = two_hours(0, 0);
    // A frame for each 1024 samples, but for what is in flight at the end.
    assert!(watch.frames.abs_diff(7200 * 48_000 / 1024) < 20, "{} frames", watch.frames);
    assert!(watch.worst < MILLISECOND, "{} ticks off", watch.worst);
    assert!(watch.mixed <= 2, "{} frames with other samples", watch.mixed);
}

#[test]
fn two_hours_of_a_clock_that_drifts_stay_in_time() {
    let watch = two_hours(20, 1);
    assert!(watch.frames.abs_diff(7200 * 48_000 / 1024) < 30, "{} frames", watch.frames);
    assert!(watch.worst < MILLISECOND, "{} ticks off", watch.worst);
    // 144 ms are put in within the two hours, a millisecond or less at a time.
    assert!(watch.mixed < 2_000, "{} frames with other samples", watch.mixed);
}

#[test]
fn a_minute_comes_out_the_same_however_it_is_cut() {
    for radio in [false, true] {
        let recipe = Recipe { radio, drift: 20, ..Recipe::default() };
        let source = Maker::source(recipe).pictures(60 * PICTURES);
        let options = Options::default();
        let whole =
            || drive::run(&source, &options, Arc::new(Numbered::default()), Pieces::Of(usize::MAX));
        let first = whole();
        let pieces = [
            Pieces::Of(1),
            Pieces::Of(188),
            Pieces::Of(1000),
            Pieces::Of(65536),
            Pieces::Random(Dice::new(1), 400),
            Pieces::Random(Dice::new(2), 5000),
        ];
        for pieces in pieces {
            // Notes are numbered over all runs of the same codecs.
            let codecs = Arc::new(Numbered::default());
            let cut = drive::run(&source, &options, codecs, pieces.clone());
            assert!(first.output == cut.output, "{pieces:?}");
            assert_eq!((first.counts, &first.stage), (cut.counts, &cut.stage), "{pieces:?}");
        }
        let terms = drive::terms(&options, vec![weir::remux::Coding::Ac3]);
        let verdict = first.assert_good("a minute", &source, &terms);
        assert!(verdict.aac_frames().abs_diff(60 * 48_000 / 1024) < 20);
    }
}
