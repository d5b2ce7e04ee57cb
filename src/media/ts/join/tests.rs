//! Generated channels joined at every byte, in any pieces; hostile bytes; what happens at the bounds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::media::synth::Layout;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::ts::packet::Adaptation;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;

const GAP: Duration = Duration::from_millis(70);

/// Another layout on another time, half a second before its clock wraps.
pub(super) const OTHER: Layout = Layout {
    transport_stream_id: 9,
    program_number: 300,
    pmt_pid: Pid::masked(0x30),
    video_pid: Pid::masked(0x101),
    audio_pid: Pid::masked(0x100),
};

pub(super) fn channel(layout: Layout, first_frame: u64, pictures: usize) -> Vec<u8> {
    let mut synth = Synth::new(&Scene::default(), layout, first_frame);
    let mut out = Vec::new();
    (0..pictures).for_each(|_| synth.next_picture(&mut out));
    out
}

/// The last picture before PCR and PTS wrap, less 12.
pub(super) const BEFORE_WRAP: u64 = (1 << 33) / 3600 - 12;

/// The output of a client of `first` that goes over to each of `others`.
fn joined(manner: Manner, first: &[u8], others: &[&[u8]], piece: usize) -> Vec<u8> {
    let mut joiner = Joiner::new(manner);
    first.chunks(piece).for_each(|bytes| joiner.watch(bytes));
    let mut out = first.to_vec();
    for other in others {
        let mut audition = joiner.audition();
        let mut pieces = other.chunks(piece);
        for bytes in pieces.by_ref() {
            audition.push(bytes);
            if audition.is_ready() {
                break;
            }
        }
        assert!(audition.is_ready());
        joiner.join(audition, GAP, &mut out);
        assert!(joiner.has_joined());
        pieces.for_each(|bytes| joiner.pass(bytes, &mut out));
    }
    out
}

/// Step, counters, clock and times of all that a client was sent; the PIDs of PES packets.
pub(super) fn assert_one_stream(out: &[u8], cut: usize, what: &str) -> Vec<u16> {
    let (packets, rest) = out.as_chunks::<LEN>();
    assert!(rest.is_empty(), "{what}");
    let mut watcher = Watcher::new();
    let mut clock: Option<Pcr> = None;
    let mut last: BTreeMap<Pid, Pts> = BTreeMap::new();
    let mut seam = cut.div_ceil(LEN) * LEN;
    for (number, bytes) in packets.iter().enumerate() {
        watcher.push(bytes);
        let packet = Packet::parse(bytes).unwrap();
        if let Some(pcr) = packet.pcr() {
            let step = clock.replace(pcr).map_or(1, |before| pcr.since(before));
            assert!((1..=2_700_000 + 27 * 70_000).contains(&step), "{what}: {number}: {step}");
        }
        let begins = packet.payload_unit_start();
        let Some(times) = packet.payload().filter(|_| begins).and_then(Timestamps::parse) else {
            continue;
        };
        let field = packet.adaptation();
        assert!(!field.is_some_and(Adaptation::discontinuity_indicator), "{what}: {number}");
        if packet.pcr().is_some() && number * LEN >= seam {
            assert!(field.unwrap().random_access_indicator(), "{what}: {number}");
            seam = usize::MAX;
        }
        let dts = times.decoding();
        let step = last.insert(packet.pid(), dts).map_or(1, |before| dts.since(before));
        assert!((1..=4 * 3600).contains(&step), "{what}: {number}: {:?} {step}", packet.pid());
    }
    let errors = watcher.errors();
    assert_eq!(errors, watch::Errors::default(), "{what}");
    last.keys().map(|pid| pid.value()).collect()
}

/// What a client of `stream` has that goes over to another source of the same bytes, which sends
/// them from `start` on, when its own ends at `cut`.
fn replicated(joiner: &mut Joiner, stream: &[u8], start: usize, cut: usize) -> (Seam, Vec<u8>) {
    let mut audition = joiner.audition();
    let mut pieces = stream[start..].chunks(1316);
    for bytes in pieces.by_ref() {
        audition.push(bytes);
        if joiner.can_join(&audition) {
            break;
        }
    }
    let mut out = Vec::new();
    let seam = joiner.join(audition, GAP, &mut out);
    pieces.for_each(|bytes| joiner.pass(bytes, &mut out));
    assert!(cut > start);
    (seam, out)
}

#[test]
fn a_replica_is_gone_on_with_at_the_byte() {
    let stream = channel(Layout::default(), 7, 60);
    for cut in (stream.len() / 2..).take(20 * LEN) {
        let mut joiner = Joiner::new(Manner::Seamless);
        joiner.watch(&stream[..cut]);
        let start = cut - 60 * LEN - cut % 577;
        let (seam, rest) = replicated(&mut joiner, &stream, start, cut);
        assert_eq!(seam, Seam::Byte, "cut at {cut}");
        assert!(rest == stream[cut..], "cut at {cut}");
        assert!(!joiner.has_joined());
    }
}

#[test]
fn a_replica_of_a_rewritten_source_is_rewritten_on() {
    let first = channel(Layout::default(), 7, 10);
    let other = channel(OTHER, BEFORE_WRAP + 9, 60);
    let whole = joined(Manner::Seamless, &first, &[&other], 65_536);
    let mut joiner = Joiner::new(Manner::Seamless);
    joiner.watch(&first);
    let mut audition = joiner.audition();
    let cut = other.len() / 2 + 77;
    audition.push(&other[..cut]);
    let mut out = first.clone();
    assert_eq!(joiner.join(audition, GAP, &mut out), Seam::Picture);
    let (seam, rest) = replicated(&mut joiner, &other, cut - 3000, cut);
    assert_eq!(seam, Seam::Byte);
    out.extend(rest);
    assert!(out == whole);
}

#[test]
fn what_was_left_out_is_no_byte_to_go_on_from() {
    let stream = channel(Layout::default(), 7, 60);
    let mut joiner = Joiner::new(Manner::Seamless);
    let cut = stream.len() / 2;
    joiner.watch(&stream[..cut]);
    let mut audition = joiner.audition();
    audition.push(&stream[cut - 3000..]);
    assert!(joiner.is_continued_by(&audition));
    joiner.finish(&[], &mut Vec::new());
    assert!(!joiner.is_continued_by(&audition));
    assert_eq!(joiner.join(audition, GAP, &mut Vec::new()), Seam::Picture);
}

#[test]
fn every_cut_goes_on() {
    let first = channel(Layout::default(), 7, 3);
    let other = channel(OTHER, BEFORE_WRAP + 9, 4);
    let start = first.len() - 60 * LEN;
    assert!(first.len() > 60 * LEN);
    let mut seen = 0;
    for cut in (0..=50 * LEN).map(|at| start + at) {
        let out = joined(Manner::Seamless, &first[..cut], &[&other], 65_536);
        assert!(out.starts_with(&first[..cut]));
        let pids = assert_one_stream(&out, cut, &format!("cut at {cut}"));
        assert_eq!(pids, [0x100, 0x101], "cut at {cut}");
        seen += 1;
    }
    assert_eq!(seen, 50 * LEN + 1);
}

#[test]
fn the_very_first_bytes_go_on() {
    let first = channel(Layout::default(), 7, 1);
    let other = channel(Layout::default(), BEFORE_WRAP + 9, 4);
    for cut in 0..=12 * LEN {
        let out = joined(Manner::Seamless, &first[..cut], &[&other], 65_536);
        assert_one_stream(&out, cut, &format!("cut at {cut}"));
    }
}

#[test]
fn any_pieces_give_the_same() {
    let (first, second) = (channel(Layout::default(), 0, 4), channel(OTHER, BEFORE_WRAP, 30));
    let (third, cut) = (channel(Layout::default(), 1000, 5), first.len() - 777);
    for manner in [Manner::Aligned, Manner::Seamless] {
        let join = |piece| joined(manner, &first[..cut], &[&second[100..], &third], piece);
        let whole = join(1 << 20);
        // A standby is joined where a piece makes it ready, which changes nothing.
        for piece in [1, 187, 188, 189, 1316, 5000] {
            assert!(join(piece) == whole, "{manner:?} {piece}");
        }
        if manner == Manner::Seamless {
            assert_one_stream(&whole, cut, "pieces");
        }
    }
}

#[test]
fn joins_follow_joins() {
    let first = channel(Layout::default(), BEFORE_WRAP, 4);
    let others = [channel(OTHER, 0, 13), channel(Layout::default(), 77, 13), channel(OTHER, 5, 13)];
    let others: Vec<&[u8]> = others.iter().map(|other| &other[..other.len() - 500]).collect();
    let out = joined(Manner::Seamless, &first, &others, 1316);
    assert_eq!(assert_one_stream(&out, first.len(), "three joins"), [0x100, 0x101]);
    assert!(out.len() > first.len() + others.concat().len() * 8 / 10);
}

#[test]
fn an_aligned_join_changes_nothing() {
    let (first, other) = (channel(Layout::default(), 0, 2), channel(OTHER, 50, 2));
    for cut in first.len() - 2 * LEN..=first.len() {
        let out = joined(Manner::Aligned, &first[..cut], &[&other], 1000);
        let seam = cut.div_ceil(LEN) * LEN;
        assert!(out.starts_with(&first[..cut]));
        assert_eq!(out.len() % LEN, 0);
        assert!(out[seam..] == other[..other.len() / LEN * LEN], "{cut}");
    }
    let out = joined(Manner::Aligned, &first, &[&other[33..]], 1000);
    // Out of step: from the third sync byte in line on.
    assert!(other.ends_with(&out[first.len()..]) && out.len() > first.len());
}

#[test]
fn a_source_that_is_left_ends_its_units() {
    let (first, other) = (channel(Layout::default(), 0, 9), channel(OTHER, 50, 20));
    for cut in (first.len() - 70 * LEN..first.len() - 45 * LEN).step_by(61) {
        for manner in [Manner::Aligned, Manner::Seamless] {
            let mut joiner = Joiner::new(manner);
            let mut out = first[..cut].to_vec();
            joiner.watch(&first[..cut]);
            let done = first[cut..].chunks(50).any(|bytes| joiner.finish(bytes, &mut out));
            assert!(done, "{cut}");
            assert!(first.starts_with(&out) && out.len() - cut < 30 * LEN, "{cut}");
            let mut audition = joiner.audition();
            audition.push(&other);
            joiner.join(audition, GAP, &mut out);
            if manner == Manner::Aligned {
                continue;
            }
            let seam = out.len();
            assert_one_stream(&out, cut, "finished");
            // Nothing is open where every length is told.
            assert!(joiner.finish(&[], &mut out) && joiner.finish(&first, &mut out));
            assert_eq!(out.len(), seam);
        }
    }
}

#[test]
fn a_standby_is_ready_at_its_random_access_point() {
    let mut synth = Synth::new(&Scene::default(), OTHER, 1);
    let (mut idr, mut others) = (Vec::new(), Vec::new());
    synth.next_picture(&mut idr);
    (0..23).for_each(|_| synth.next_picture(&mut others));
    let mut audition = Audition::new(Manner::Seamless);
    assert!(!audition.has_media());
    audition.push(&others[..others.len() - 1]);
    assert!(audition.has_media() && !audition.is_ready());
    assert!(audition.held() < 400 * LEN);
    audition.push(&others[others.len() - 1..]);
    // Picture 25 is an IDR.
    audition.push(&idr);
    let ready = audition.is_ready();
    idr.clear();
    synth.next_picture(&mut idr);
    audition.push(&idr);
    assert!(audition.is_ready() && ready);
    assert!(audition.watcher().errors().continuity > 0, "a picture was sent twice");
}

#[test]
fn what_settles_takes_the_next_picture() {
    let mut synth = Synth::new(&Scene::default(), OTHER, 1);
    let mut others = Vec::new();
    synth.next_picture(&mut Vec::new());
    (0..5).for_each(|_| synth.next_picture(&mut others));
    let mut audition = Audition::new(Manner::Seamless);
    audition.push(&others);
    assert!(!audition.is_ready());
    audition.settle();
    assert!(!audition.is_ready());
    let mut next = Vec::new();
    synth.next_picture(&mut next);
    audition.push(&next);
    assert!(audition.is_ready());
}

#[test]
fn what_is_kept_is_bounded() {
    for manner in [Manner::Aligned, Manner::Seamless] {
        let mut audition = Audition::new(manner);
        audition.push(&channel(OTHER, 0, 1));
        assert!(audition.is_ready());
        let mut packet = Vec::new();
        Header::new(OTHER.video_pid, 3).write(&[0x55; LEN], &mut packet);
        let mut lost = 0;
        for _ in 0..50_000 {
            audition.push(&packet);
            lost += usize::from(!audition.is_ready());
            assert!(audition.held() <= 4 << 20);
        }
        assert!(lost > 0);
    }
    // Without tables.
    let mut audition = Audition::new(Manner::Seamless);
    let mut packet = Vec::new();
    Header::new(OTHER.video_pid, 3).write(&[0x55; LEN], &mut packet);
    (0..50_000).for_each(|_| audition.push(&packet));
    assert!(audition.held() <= 1 << 20);
}

#[test]
fn bytes_out_of_step_end_at_the_join() {
    let (first, other) = (channel(Layout::default(), 0, 3), channel(OTHER, 50, 20));
    let lost = [&first[..], &[0; 100], &first[..LEN + 5]].concat();
    let out = joined(Manner::Seamless, &lost, &[&other], 1316);
    assert!(out.starts_with(&lost) && out[lost.len()] == 0x47);
    assert_eq!((out.len() - lost.len()) % LEN, 0);
}

/// Packets that look like those of a programme, with anything in them, and junk.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let pid = prop_oneof![
        Just(0_u16),
        Just(0x30),
        Just(0x100),
        Just(0x101),
        Just(0x1000),
        Just(0x1FFF),
        0..0x2000_u16
    ];
    let head = (pid, 0..8_u8, any::<u8>(), prop_oneof![Just(7_u8), Just(183), any::<u8>()]);
    let start = prop_oneof![
        Just(vec![0, 0, 1, 0xE0, 0, 0, 0x84, 0xC0, 10]),
        Just(vec![0, 0, 1, 0xC0, 1, 9, 0x84, 0x80, 5]),
        Just(vec![0, 2, 0xB0]),
        Just(vec![0, 0, 0xB0]),
        Just(vec![])
    ];
    let packet = (head, start, prop::collection::vec(any::<u8>(), LEN)).prop_map(
        |((pid, flags, control, len), start, mut packet)| {
            let [high, low] = pid.to_be_bytes();
            packet[..5].copy_from_slice(&[0x47, flags << 5 | high, low, control, len]);
            let begin = if control & 0x20 == 0 { 4 } else { 5 + usize::from(len).min(150) };
            packet[begin..begin + start.len()].copy_from_slice(&start);
            packet
        },
    );
    prop_oneof![
        20 => packet,
        1 => prop::collection::vec(any::<u8>(), 0..500),
        2 => (0..8_usize).prop_map(|from| channel(OTHER, 7, 2)[from * LEN..][..9 * LEN].to_vec()),
        1 => Just(channel(Layout::default(), BEFORE_WRAP, 2)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_bytes_are_carried_in_step(
        first in prop::collection::vec(part(), 0..12),
        second in prop::collection::vec(part(), 0..12),
        third in prop::collection::vec(part(), 0..12),
        piece in 1..2000_usize, finish: bool, settle: bool, aligned: bool,
    ) {
        let manner = if aligned { Manner::Aligned } else { Manner::Seamless };
        let run = |piece: usize| {
            let mut joiner = Joiner::new(manner);
            let mut out = Vec::new();
            first.concat().chunks(piece).for_each(|bytes| joiner.watch(bytes));
            let mut torn = 0;
            for source in [&second, &third] {
                if !joiner.has_joined() {
                    // Up to here the client has the bytes as they came.
                    torn = joiner.watcher().torn();
                    out.clear();
                }
                let mut audition = joiner.audition();
                if settle {
                    audition.settle();
                }
                source.concat().chunks(piece).for_each(|bytes| audition.push(bytes));
                joiner.join(audition, GAP, &mut out);
                source.concat().chunks(piece).for_each(|bytes| joiner.pass(bytes, &mut out));
                if finish {
                    first.concat().chunks(piece).for_each(|bytes| _ = joiner.finish(bytes, &mut out));
                }
            }
            if !joiner.has_joined() {
                out.clear();
                torn = 0;
            }
            (torn, out)
        };
        let (torn, out) = run(piece);
        let rest = if torn == 0 { 0 } else { LEN - torn };
        prop_assert_eq!((out.len() - rest) % LEN, 0);
        prop_assert!(out[rest..].as_chunks::<LEN>().0.iter().all(|packet| packet[0] == 0x47));
        prop_assert!(run(1 << 20).1 == out);
    }
}
