use proptest::prelude::*;

use super::*;

/// An AC-3 frame of 128 bytes that is full of `fill`.
fn ac3(fill: u8) -> Vec<u8> {
    let mut frame = vec![fill; 128];
    frame[..8].copy_from_slice(&[0x0B, 0x77, 0, 0, 0, 8 << 3, 2 << 5, 0]);
    frame
}

/// An E-AC-3 frame of 64 bytes: independent, or an addition.
fn eac3(kind: u8, fill: u8) -> Vec<u8> {
    let mut frame = vec![fill; 64];
    frame[..8].copy_from_slice(&[0x0B, 0x77, kind << 6, 31, 0x34, 16 << 3, 0, 0]);
    frame
}

type Seen = (Vec<u8>, Option<u64>);

fn drain(frames: &mut Frames, seen: &mut Vec<Seen>) {
    while let Next::Frame(frame) = frames.next() {
        seen.push((frame.bytes.to_vec(), frame.pts.map(Pts::ticks)));
    }
}

#[test]
fn a_time_is_that_of_the_first_frame_that_begins_in_its_packet() {
    let (mut frames, mut seen) = (Frames::new(Coding::Ac3), Vec::new());
    let bytes = [ac3(1), ac3(2), ac3(3), ac3(4)].concat();
    // The first packet ends within the second frame; the second holds nothing but a part of it.
    for (pts, part) in
        [(10, &bytes[..200]), (20, &bytes[200..220]), (30, &bytes[220..300]), (40, &bytes[300..])]
    {
        frames.mark(Pts::new(pts));
        frames.append(part);
        drain(&mut frames, &mut seen);
    }
    let due = vec![(ac3(1), Some(10)), (ac3(2), None), (ac3(3), Some(30)), (ac3(4), Some(40))];
    assert_eq!(seen, due);
    assert_eq!(frames.take_resyncs(), 0);
}

#[test]
fn before_the_first_frame_another_one_must_follow() {
    let (mut frames, mut seen) = (Frames::new(Coding::Ac3), Vec::new());
    let mut bytes = vec![0x55; 10];
    bytes.extend_from_slice(&ac3(1)[..60]); // One that is cut.
    bytes.extend_from_slice(&[ac3(2), ac3(3)].concat());
    frames.append(&bytes);
    drain(&mut frames, &mut seen);
    assert_eq!(seen, vec![(ac3(2), None), (ac3(3), None)]);
    // Damage in the head of one costs that one.
    let mut bytes = [ac3(4), ac3(5), ac3(6), ac3(7)].concat();
    bytes[128] = 0;
    seen.clear();
    frames.append(&bytes);
    drain(&mut frames, &mut seen);
    assert_eq!(seen, vec![(ac3(4), None), (ac3(6), None), (ac3(7), None)]);
    assert_eq!(frames.take_resyncs(), 1);
    assert_eq!(frames.take_resyncs(), 0);
}

#[test]
fn a_loss_drops_the_frame_that_is_not_whole() {
    let (mut frames, mut seen) = (Frames::new(Coding::Ac3), Vec::new());
    frames.append(&[ac3(1), ac3(2)].concat());
    frames.append(&ac3(3)[..50]);
    drain(&mut frames, &mut seen);
    frames.lose();
    frames.append(&ac3(4)[70..]);
    frames.mark(Pts::new(9));
    frames.append(&[ac3(5), ac3(6)].concat());
    drain(&mut frames, &mut seen);
    let due = vec![(ac3(1), None), (ac3(2), None), (ac3(5), Some(9)), (ac3(6), None)];
    assert_eq!(seen, due);
    assert_eq!(frames.take_resyncs(), 1);
}

#[test]
fn additions_are_kept_with_what_they_add_to() {
    let (mut frames, mut seen) = (Frames::new(Coding::Eac3), Vec::new());
    let pair = [eac3(0, 1), eac3(1, 2)].concat();
    frames.append(&[eac3(1, 9), pair.clone(), pair.clone()].concat());
    drain(&mut frames, &mut seen);
    frames.append(&pair);
    drain(&mut frames, &mut seen);
    assert_eq!(seen, vec![(pair.clone(), None), (pair, None)], "the last one may have more");
}

#[test]
fn adts_and_foreign_bytes_are_told() {
    let adts = |fill: u8| [&[0xFF, 0xF1, 0x4C, 0x80, 0x03, 0x1F, 0xFC][..], &[fill; 17]].concat();
    let mut frames = Frames::new(Coding::Mp2);
    frames.append(&[adts(1), adts(2), adts(3)].concat());
    assert_eq!(frames.next(), Next::More);
    assert!(frames.is_adts() && !frames.is_foreign());
    let mut frames = Frames::new(Coding::Mp2);
    for _ in 0..200 {
        frames.append(&[0xAA; 170]);
        assert_eq!(frames.next(), Next::More);
    }
    assert!(frames.is_foreign() && !frames.is_adts());
    assert_eq!(frames.take_resyncs(), 0, "there was no frame to go on from");
}

#[test]
fn the_backlog_is_bounded() {
    let mut frames = Frames::new(Coding::Latm);
    // The longest frame there can be, again and again begun and never whole.
    for _ in 0..10_000 {
        frames.append(&[0x56, 0xFF, 0xFF, 0, 0, 0, 0, 0]);
        frames.mark(Pts::new(1));
        assert!(frames.buffer.len() <= BACKLOG_MAX && frames.marks.len() <= MARKS_MAX);
        drain(&mut frames, &mut Vec::new());
    }
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        fills in prop::collection::vec((any::<u8>(), any::<bool>(), 0_usize..3), 1..12),
        cuts in prop::collection::vec(1_usize..300, 1..20),
    ) {
        let mut bytes = Vec::new();
        for (fill, is_cut, junk) in fills {
            let frame = ac3(fill);
            bytes.extend_from_slice(if is_cut { &frame[..77] } else { &frame });
            bytes.extend(std::iter::repeat_n(fill, junk));
        }
        let mut whole = (Frames::new(Coding::Ac3), Vec::new());
        whole.0.append(&bytes);
        drain(&mut whole.0, &mut whole.1);
        let mut pieces = (Frames::new(Coding::Ac3), Vec::new());
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at_checked(*cut).unwrap_or((rest, &[]));
            pieces.0.append(piece);
            drain(&mut pieces.0, &mut pieces.1);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(whole.1, pieces.1);
    }

    #[test]
    fn hostile_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..3000), coding in 0_usize..4) {
        let mut frames = Frames::new(Coding::ALL[coding]);
        for piece in bytes.chunks(97) {
            frames.append(piece);
            drain(&mut frames, &mut Vec::new());
        }
    }
}
