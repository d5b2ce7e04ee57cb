//! Streams that FFmpeg makes, converted, judged, decoded and listened to.

use std::sync::Arc;

use weir::remux::Codecs;
use weir::remux::Options;
use weir::remux::codec::Encoder;

use crate::codecs;
use crate::codecs::Watched;
use crate::drive;
use crate::drive::Pieces;
use crate::drive::Run;
use crate::ears::Heard;
use crate::ffmpeg::Bench;
use crate::ffmpeg::Clip;
use crate::ffmpeg::Noise;
use crate::oracle::Terms;
use crate::oracle::Verdict;
use crate::oracle::judge;
use crate::support::content::Dice;

/// Announced as DVB has it, in PES packets of several frames.
const DVB: [&str; 4] = ["-mpegts_flags", "+system_b", "-pes_payload_size", "8000"];
/// AAC in LATM.
const LATM: [&str; 2] = ["-mpegts_flags", "+latm"];

/// The streams; the codings that they need are found by the tests.
fn clips() -> Vec<Clip> {
    let ac3 = Noise::new("ac3", "192k", 2);
    let surround = Noise::new("ac3", "448k", 6);
    let eac3 = Noise::new("eac3", "256k", 6);
    let mp2 = Noise::new("mp2", "192k", 2);
    let english = |noise: Noise| Noise { language: "eng", ..noise };
    let clip = |name, sounds: &[Noise], mux: &[&'static str]| Clip {
        name,
        video: true,
        sounds: sounds.to_vec(),
        seconds: 6,
        mux: mux.to_vec(),
    };
    vec![
        clip("AC-3 as ATSC has it", &[ac3], &[]),
        clip("AC-3 as DVB has it", &[ac3, english(surround)], &DVB),
        clip("E-AC-3", &[eac3, english(Noise::new("eac3", "128k", 2))], &[]),
        clip("E-AC-3 as DVB has it", &[eac3], &DVB),
        clip("MP2", &[mp2], &[]),
        clip("MP2 mono and stereo", &[Noise::new("mp2", "96k", 1), english(mp2)], &DVB),
        clip("MP2 at 32 kHz", &[Noise { rate: 32_000, ..mp2 }], &[]),
        clip("MP2 at 44.1 kHz", &[Noise { rate: 44_100, ..mp2 }], &[]),
        clip("AC-3 at 44.1 kHz", &[Noise { rate: 44_100, ..ac3 }], &[]),
        clip("AC-3 at 32 kHz", &[Noise { rate: 32_000, ..ac3 }], &DVB),
        clip("AC-3 mono", &[Noise::new("ac3", "96k", 1)], &[]),
        clip("LATM", &[Noise::new("aac", "128k", 2), english(Noise::new("aac", "96k", 1))], &LATM),
        clip("the clock begins anew", &[ac3, english(mp2)], &["-output_ts_offset", "95440"]),
        Clip { video: false, ..clip("radio", &[mp2], &DVB) },
        Clip { video: false, ..clip("radio in AC-3", &[surround], &[]) },
        clip("AAC beside AC-3", &[Noise::new("aac", "128k", 2), english(ac3)], &[]),
        clip("all at once", &[ac3, english(eac3), Noise { language: "fra", ..mp2 }], &DVB),
    ]
}

/// What a test needs: FFmpeg, and codecs; `None`, loudly, without it.
fn equipment() -> Option<(Bench, Arc<Watched>)> {
    Some((Bench::new()?, codecs::of_television()?))
}

/// Converts a stream in pieces of any size, and judges it.
fn convert(what: &str, source: &[u8], options: &Options, codecs: &Arc<Watched>) -> (Run, Verdict) {
    let any = Arc::clone(codecs) as Arc<dyn Codecs>;
    let run = drive::run(source, options, any, Pieces::Random(Dice::new(1), 65_536));
    let verdict = run.assert_good(what, source, &drive::terms(options, codecs.codings()));
    codecs.assert_kept(what);
    (run, verdict)
}

/// Every track that has been converted sounds as it did, at the time at which it did.
#[track_caller]
fn assert_sounds(
    bench: &Bench,
    what: &str,
    source: &[u8],
    run: &Run,
    verdict: &Verdict,
    clip: &Clip,
) {
    for (number, noise) in clip.sounds.iter().enumerate() {
        let pid = 0x100 + u16::from(clip.video) + number as u16;
        if !verdict.sound.contains_key(&pid) {
            continue;
        }
        let mixed = noise.channels > 2;
        let downmix: &[&str] = if mixed { &["-downmix", "stereo"] } else { &[] };
        let before = Heard::of(bench, source, pid, downmix).expect("the source has sound");
        let after = Heard::of(bench, &run.output, pid, &[]).expect("the output has sound");
        let what = format!("{what}, PID {pid:#x}");
        assert!(before.seconds() - after.seconds() < 0.2, "{what}: {} s", after.seconds());
        let likeness = before.likeness(&after, 5);
        assert_eq!(likeness.len(), 10, "{what}");
        // More than two channels are mixed by levels of their own, and louder then limited.
        let least = if mixed { 0.8 } else { 0.9 };
        for found in &likeness {
            assert!(found.late.abs() < 0.001, "{what}: {likeness:?}");
            assert!(found.correlation > least, "{what}: {likeness:?}");
        }
        assert!(after.peak <= 1.0, "{what}: {}", after.peak);
        println!("{what}: {:?}, peak {} -> {}", likeness[0], before.peak, after.peak);
    }
}

/// FFmpeg decodes what came out without a word.
#[track_caller]
fn assert_decodes(bench: &Bench, what: &str, source: &[u8], output: &[u8]) {
    let (before, after) = (bench.complaints(source), bench.complaints(output));
    assert!(after.is_empty(), "{what}: {after:?}, before {before:?}");
}

#[test]
fn everything_that_ffmpeg_makes_is_converted_and_sounds_as_before() {
    let Some((bench, codecs)) = equipment() else { return };
    let options = Options::default();
    for clip in clips() {
        let source = bench.encode(&clip);
        let (run, verdict) = convert(clip.name, &source, &options, &codecs);
        assert_eq!(verdict.sound.len(), verdict.expected.len(), "{}: {:?}", clip.name, run.tracks);
        assert_decodes(&bench, clip.name, &source, &run.output);
        assert_sounds(&bench, clip.name, &source, &run, &verdict, &clip);
        for (pid, track) in &verdict.sound {
            assert_eq!(track.breaks().count(), 0, "{}, PID {pid:#x}", clip.name);
            let (least, middle) = track.leads().expect("there is a clock");
            println!("{}, PID {pid:#x}: lead {least} at least, {middle}", clip.name);
            assert!(least > 0, "{}, PID {pid:#x}: {least} ticks before its time", clip.name);
        }
        assert_eq!((run.counts.bad_frames, run.counts.resyncs), (0, 0), "{}", clip.name);
    }
}

#[test]
fn other_options_are_kept_too() {
    let Some((bench, codecs)) = equipment() else { return };
    let mp2 = Noise::new("mp2", "192k", 2);
    let sounds = ["deu", "eng", "fra"].map(|language| Noise { language, ..mp2 });
    let clip =
        Clip { name: "three", video: true, sounds: sounds.to_vec(), seconds: 3, mux: vec![] };
    let source = bench.encode(&clip);
    let usual = Options::default();
    let asked = [
        (3, Options { channels: 1, bitrate: 96_000, ..usual.clone() }),
        (3, Options { pcr_offset: std::time::Duration::ZERO, ..usual.clone() }),
        (3, Options { encoder: Encoder::Libavcodec, ..usual.clone() }),
        (1, Options { tracks: 1, ..usual.clone() }),
        (1, Options { languages: vec![*b"eng"], ..usual.clone() }),
        (2, Options { languages: vec![*b"fra", *b"deu", *b"xxx"], ..usual.clone() }),
        (3, Options { languages: vec![*b"xxx"], ..usual.clone() }),
        (1, Options { languages: vec![*b"fra", *b"deu"], tracks: 1, ..usual }),
    ];
    for (tracks, options) in asked {
        let what = format!("{options:?}");
        let (run, verdict) = convert(&what, &source, &options, &codecs);
        assert_eq!(verdict.sound.len(), tracks, "{what}: {:?}", run.tracks);
        if options.languages.first() == Some(b"fra") && tracks == 1 {
            assert!(verdict.sound.contains_key(&0x103), "{what}: {:?}", verdict.sound.keys());
        }
        assert_decodes(&bench, &what, &source, &run.output);
    }
}

/// Full scale in all channels at once, which comes out at most at full scale.
#[test]
fn sound_at_full_scale_stays_within() {
    let Some((bench, codecs)) = equipment() else { return };
    let loud = |noise: Noise| Noise { amplitude: "1", ..noise };
    for noise in
        [Noise::new("ac3", "448k", 6), Noise::new("mp2", "192k", 2), Noise::new("eac3", "384k", 6)]
    {
        let sounds = vec![loud(noise)];
        let clip = Clip { name: "loud", video: true, sounds, seconds: 3, mux: vec![] };
        let source = bench.encode(&clip);
        // What an encoder is given is looked at there.
        convert(noise.codec, &source, &Options::default(), &codecs);
    }
}

#[test]
fn however_a_stream_is_cut_the_same_comes_out() {
    let Some((bench, codecs)) = equipment() else { return };
    for name in ["AC-3 as DVB has it", "MP2 at 44.1 kHz", "radio"] {
        let clip = clips().into_iter().find(|clip| clip.name == name).unwrap();
        let source = bench.encode(&Clip { seconds: 2, ..clip });
        let pieces = [
            Pieces::Of(1),
            Pieces::Of(188),
            Pieces::Of(1000),
            Pieces::Random(Dice::new(3), 300),
            Pieces::Random(Dice::new(4), 100_000),
        ];
        let any = Arc::clone(&codecs) as Arc<dyn Codecs>;
        drive::assert_same_in_pieces(name, &source, &Options::default(), &any, &pieces);
    }
}

/// Some packets are lost on the way.
#[test]
fn lost_packets_are_no_faults_of_the_converter() {
    let Some((bench, codecs)) = equipment() else { return };
    for clip in clips().into_iter().filter(|clip| clip.video) {
        let source = bench.encode(&clip);
        for share in [200, 30] {
            let mut dice = Dice::new(share as u64);
            let lossy: Vec<u8> =
                source.chunks(188).filter(|_| dice.roll(share) != 1).flatten().copied().collect();
            let what = format!("{}, one of {share} lost", clip.name);
            let (run, _) = convert(&what, &lossy, &Options::default(), &codecs);
            let (before, after) = (bench.complaints(&lossy), bench.complaints(&run.output));
            let aac = after.get("aac").copied().unwrap_or_default();
            let was = before.get("aac").copied().unwrap_or_default();
            assert!(aac <= was, "{what}: {after:?}, before {before:?}");
        }
    }
}

/// What FFmpeg's own conversion looks like to the oracle: its sound is right, and nothing else is held against
/// it than that FFmpeg multiplexes everything anew.
#[test]
fn the_oracle_accepts_the_sound_that_ffmpeg_converts() {
    use crate::oracle::Rule;
    let Some(bench) = Bench::new() else { return };
    for name in ["AC-3 as ATSC has it", "AC-3 as DVB has it", "MP2", "E-AC-3"] {
        let clip = clips().into_iter().find(|clip| clip.name == name).unwrap();
        let source = bench.encode(&clip);
        let arguments = ["-map", "0", "-c:v", "copy", "-c:a", "aac", "-ac", "2", "-b:a", "192k"];
        let small = ["-pes_payload_size", "0"];
        // Otherwise all times are moved by the 1024 samples with which an encoder begins.
        let times = ["-copyts", "-mpegts_copyts", "1", "-avoid_negative_ts", "disabled"];
        let output = bench.convert(&source, &[&arguments[..], &small, &times].concat());
        let terms = Terms { pcr_offset: 0, ..Terms::default() };
        let verdict = judge(&source, &output, &terms);
        let broken = verdict.broken();
        let sound =
            [Rule::PesHeader, Rule::PesLength, Rule::AdtsFrame, Rule::AdtsHeader, Rule::Continuity];
        assert!(sound.iter().all(|rule| !broken.contains(rule)), "{name}: {broken:?}");
        assert!(verdict.aac_frames() > 250 && verdict.breaks() == 0, "{name}: {broken:?}");
        assert!(broken.contains(&Rule::Passed), "{name}: {broken:?}");
        let run = Run {
            counts: weir::remux::Counts::default(),
            stage: weir::remux::Stage::Running,
            tracks: Vec::new(),
            output,
        };
        assert_sounds(&bench, name, &source, &run, &verdict, &clip);
    }
}
