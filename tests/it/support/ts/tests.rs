use super::*;
use crate::support::content::Content;

/// Every shape of stream that [`TsPattern`] makes.
fn shapes() -> Vec<(&'static str, TsPattern)> {
    let plain = TsPattern::new(0xa);
    let tracks = [(Codec::Ac3, "deu"), (Codec::Mp2, "eng"), (Codec::Aac, "fra")];
    vec![
        ("plain", plain.clone()),
        ("small", plain.clone().video_packets(1)),
        ("odd", plain.clone().video_packets(7).nulls(3)),
        ("other PIDs", plain.clone().pids(0x30, 0x1ffe, 0x31).pmt_version(31)),
        ("HEVC", plain.clone().video(Codec::Hevc)),
        ("MPEG-2", plain.clone().video(Codec::Mpeg2)),
        ("three tracks", plain.clone().audio(&tracks)),
        ("silent", plain.clone().audio(&[])),
        ("radio", plain.clone().radio().audio(&[(Codec::Mp2, "deu")])),
        ("near the wrap", plain.first_pcr(TIMESTAMPS - TICKS_PER_SECOND)),
    ]
}

#[test]
fn the_judge_finds_no_fault_with_any_shape() {
    for (name, pattern) in shapes() {
        let seconds = 3;
        let count = pattern.packets_per_second() * seconds;
        let report = TsCheck::of(&pattern.packets(0, usize::try_from(count).unwrap()));
        report.assert_clean(name);
        assert_eq!(report.packets, count, "{name}");
        assert_eq!((report.pats.count, report.pmts.count), (13 * seconds, 13 * seconds), "{name}");
        assert_eq!(report.pcr_step_max, 40 * 27_000, "{name}");
        let random_access = if name == "radio" { 25 } else { 1 };
        assert_eq!(report.random_access, random_access * seconds, "{name}");
        for stream in &report.programmes[&1].streams {
            let seen = report.on(stream.pid);
            assert_eq!(seen.pes, 25 * seconds, "{name}, PID {:#x}", stream.pid);
            assert!(seen.lead_min > Some(0), "{name}: {seen:?}");
        }
    }
}

#[test]
fn any_offset_yields_the_same_bytes() {
    for (name, pattern) in shapes() {
        let from = pattern.bytes_per_second() - 100;
        let whole = pattern.slice(from, 1000);
        for cut in 0..whole.len() {
            let right = pattern.slice(from + cut as u64, 40);
            assert!(
                whole[cut..].starts_with(&right[..right.len().min(whole.len() - cut)]),
                "{name}"
            );
        }
    }
}

#[test]
fn counters_go_on_over_the_second_and_after_years() {
    let pattern = TsPattern::new(3).audio(&[(Codec::Aac, "deu"), (Codec::Ac3, "eng")]);
    let rate = pattern.packets_per_second();
    for first in [0, rate - 5, rate * 5000 - 77, rate * 31_536_000] {
        TsCheck::of(&pattern.packets(first, 1000)).assert_clean("a piece of it");
    }
}

#[test]
fn a_trace_tells_who_made_each_packet() {
    let (a, b) = (TsPattern::new(0xa), TsPattern::new(0xb).nulls(5));
    let mut spliced = a.packets(100, 50);
    spliced.extend(b.packets(7, 70));
    spliced.extend(b.packets(60, 20));
    let mut trace = TsTrace::default();
    spliced.chunks(61).for_each(|part| trace.feed(part));
    assert_eq!((trace.seeds(), trace.switches()), (vec![0xa, 0xb], 1));
    let [from_a, from_b] = *trace.runs() else { panic!("two runs") };
    assert_eq!((from_a.first, from_a.last, from_a.disorder), (100, 149, 0));
    // Packets 60 to 76 came twice.
    assert_eq!((from_b.first, from_b.last), (7, 79));
    assert!(from_b.disorder > 10, "{from_b:?}");
}

#[test]
fn a_splice_of_two_patterns_is_not_clean() {
    let (a, b) = (TsPattern::new(1), TsPattern::new(2).first_pcr(1234));
    let mut bytes = a.packets(0, 701);
    bytes.extend(b.packets(333, 2000));
    let report = TsCheck::of(&bytes);
    for fault in [Fault::Continuity, Fault::PcrNotRising, Fault::DtsNotRising] {
        assert!(report.count(fault) > 0, "{fault:?} not found: {:?}", report.faults());
    }
}

#[test]
fn the_crc_is_that_of_annex_a() {
    // The catalogued check value of CRC-32/MPEG-2.
    assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    // A PAT from the air: transport stream 1, programme 1 on PID 0x1000 (FFmpeg's default).
    let pat = [0x00, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
    assert_eq!(crc32(&pat), 0);
}
