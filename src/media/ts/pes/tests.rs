//! Known headers, round trips, and any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

use proptest::prelude::*;

use super::*;

fn header(pts: Option<u64>, dts: Option<u64>) -> Header {
    let (pts, dts) = (pts.map(Pts::new), dts.map(Pts::new));
    Header { stream_id: stream_id::VIDEO, data_alignment: true, pts, dts }
}

#[test]
fn a_known_header_is_read() {
    // FFmpeg's: PTS 129600, DTS 126000, length not told.
    let bytes = [
        0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 10, 0x31, 0x00, 0x07, 0xF4, 0x81, 0x11, 0x00, 0x07, 0xD8,
        0x61, 0xAA,
    ];
    let pes = Pes::parse(&bytes).unwrap();
    assert_eq!(pes.stream_id(), stream_id::VIDEO);
    assert_eq!(pes.packet_length(), None);
    assert!(!pes.data_alignment_indicator());
    assert_eq!(pes.pts(), Some(Pts::new(129_600)));
    assert_eq!(pes.dts(), Some(Pts::new(126_000)));
    assert_eq!(pes.payload(), [0xAA]);
}

#[test]
fn bits_lie_where_the_standard_has_them() {
    assert_eq!(Pts::new(0).encode(0b0010), [0x21, 0, 1, 0, 1]);
    assert_eq!(Pts::new(u64::MAX).encode(0b0011), [0x3F, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(Pts::new(1 << 32).encode(0b0010), [0x29, 0, 1, 0, 1]);
    assert_eq!(Pts::new(1 << 29).encode(0b0010), [0x21, 0x80, 1, 0, 1]);
    assert_eq!(Pts::new(1 << 14).encode(0b0010), [0x21, 0, 1, 0x80, 1]);
}

#[test]
fn times_are_read_only_where_they_fit() {
    let mut seen = 0;
    // flags, PES_header_data_length, PTS and DTS found
    for (flags, len, pts, dts) in [
        (0x00, 0, false, false),
        (0x40, 10, false, false),
        (0x80, 5, true, false),
        (0x80, 4, false, false),
        (0xC0, 5, true, false),
        (0xC0, 10, true, true),
        (0xC0, 20, true, true),
    ] {
        let mut bytes = vec![0, 0, 1, 0xC0, 0, 9, 0x80, flags, len];
        bytes.extend([0x21, 0, 1, 0, 3, 0x11, 0, 1, 0, 5].iter().cycle().take(usize::from(len)));
        let pes = Pes::parse(&bytes).unwrap();
        assert_eq!((pes.pts().is_some(), pes.dts().is_some()), (pts, dts), "{flags:#x} {len}");
        assert_eq!(pes.packet_length(), Some(9));
        bytes.pop();
        assert!(Pes::parse(&bytes).is_none());
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn streams_without_the_optional_header_have_none() {
    let pes = [0, 0, 1, 0xBF, 0, 2, 0xFF, 0xFF];
    let pes = Pes::parse(&pes).unwrap();
    assert_eq!(pes.payload(), [0xFF, 0xFF]);
    assert_eq!((pes.pts(), pes.dts(), pes.data_alignment_indicator()), (None, None, false));
    assert!(Pes::parse(&[0, 0, 2, 0xE0, 0, 0, 0x80, 0, 0]).is_none());
    assert!(Pes::parse(&[0, 0, 1, 0xE0, 0, 0, 0x40, 0, 0]).is_none());
}

#[test]
fn a_dts_like_the_pts_is_not_written() {
    let mut out = Vec::new();
    header(Some(5), Some(5)).write(3, &mut out);
    assert_eq!(out.len(), 14);
    assert_eq!(Pes::parse(&out).unwrap().dts(), None);
    assert_eq!(Pes::parse(&out).unwrap().packet_length(), Some(3 + 5 + 3));
    out.clear();
    header(None, Some(5)).write(65_533, &mut out);
    assert_eq!(out, [0, 0, 1, 0xE0, 0, 0, 0x84, 0, 0]);
}

#[test]
fn clock_goes_round() {
    let last = Pts::new(u64::MAX);
    assert_eq!(last.ticks(), (1 << 33) - 1);
    assert_eq!(last.wrapping_add(3600), Pts::new(3599));
    assert_eq!(Pts::new(3599).since(last), 3600);
    assert_eq!(last.since(Pts::new(3599)), -3600);
    assert_eq!(Pcr::from(last).ticks(), Pcr::MODULUS - 300);
}

#[test]
fn shifting_moves_both_times_round_the_wrap() {
    let mut bytes = Vec::new();
    header(Some((1 << 33) - 1), Some((1 << 33) - 3601)).write(0, &mut bytes);
    bytes.push(0xEE);
    assert!(shift_timestamps(&mut bytes, 3600));
    let pes = Pes::parse(&bytes).unwrap();
    assert_eq!((pes.pts(), pes.dts()), (Some(Pts::new(3599)), Some(Pts::new((1 << 33) - 1))));
    assert_eq!(bytes[9] >> 4, 0b0011);
    assert_eq!(bytes[14] >> 4, 0b0001);
    assert_eq!(bytes[19], 0xEE);
    assert!(!shift_timestamps(&mut [0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0, 1, 2, 3, 4, 5], 1));
    assert!(!shift_timestamps(&mut [], 1));
}

#[test]
fn times_need_no_more_than_their_own_bytes() {
    for (pts, dts, end) in [(None, None, 9), (Some(5), None, 14), (Some(9), Some(5), 19)] {
        let mut bytes = Vec::new();
        header(pts, dts).write(7, &mut bytes);
        assert_eq!(bytes.len(), end);
        let times = Timestamps::parse(&bytes);
        assert_eq!(times.map(|it| it.pts), pts.map(Pts::new));
        assert_eq!(times.map(|it| it.decoding()), dts.or(pts).map(Pts::new));
        for len in 0..end {
            assert!(Timestamps::end(&bytes[..len]) > len, "{len}");
            assert_eq!(Timestamps::parse(&bytes[..len]), None);
        }
        assert_eq!(Timestamps::end(&bytes), end);
        // Stuffing that has not come makes no difference.
        bytes[8] += 200;
        assert_eq!(Timestamps::end(&bytes), end);
        assert_eq!(Timestamps::parse(&bytes), times);
        assert_eq!(shift_timestamps(&mut bytes, 3), pts.is_some());
        assert_eq!(Timestamps::parse(&bytes), times.map(|times| times.moved(3)));
    }
    assert_eq!(Timestamps::end(&[0, 0, 2]), 0);
    assert_eq!(Timestamps::end(&[0, 0, 1, 0xBE]), 6);
    assert_eq!(Timestamps::end(&[0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 5]), 14);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        id: u8, flags: u8, len: u8, rest in proptest::collection::vec(any::<u8>(), 0..300),
        raw in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        prop_assert!(Pes::parse(&raw).is_none() || raw.len() >= PREFIX_LEN);
        let mut bytes = [&[0, 0, 1, id, 0, 0, 0x80 | flags >> 4, flags, len], &rest[..]].concat();
        let times = |bytes: &[u8]| Pes::parse(bytes).map(|pes| (pes.pts(), pes.dts()));
        if let Some((pts, dts)) = times(&bytes) {
            let read = Timestamps::parse(&bytes);
            prop_assert_eq!(read.map(|it| it.pts), pts);
            prop_assert_eq!(read.and_then(|it| it.dts), dts);
            prop_assert!(Timestamps::end(&bytes) <= bytes.len());
            let before = bytes.clone();
            prop_assert_eq!(shift_timestamps(&mut bytes, 90_000), pts.is_some());
            let shifted = |time: Option<Pts>| time.map(|time| time.wrapping_add(90_000));
            prop_assert_eq!(times(&bytes), Some((shifted(pts), shifted(dts))));
            prop_assert_eq!(bytes.len(), before.len());
        }
    }

    #[test]
    fn what_is_written_reads_back(
        stream_id in 0xC0_u8..0xF0, data_alignment: bool, pts: Option<u64>, dts: Option<u64>,
        payload_len in 0_usize..100_000,
    ) {
        let header = Header { stream_id, data_alignment, ..header(pts, dts) };
        let mut out = Vec::new();
        header.write(payload_len, &mut out);
        let pes = Pes::parse(&out).unwrap();
        prop_assert_eq!(pes.stream_id(), stream_id);
        prop_assert_eq!(pes.data_alignment_indicator(), data_alignment);
        prop_assert_eq!(pes.pts(), header.pts);
        prop_assert_eq!(pes.dts(), header.dts.filter(|_| pts.is_some() && header.pts != header.dts));
        prop_assert!(pes.payload().is_empty());
        let told = pes.packet_length().map(|len| usize::from(len) + PREFIX_LEN - out.len());
        prop_assert_eq!(told, (payload_len + out.len() - PREFIX_LEN < 65_536).then_some(payload_len));
    }

    #[test]
    fn distance_is_undone_by_adding(from: u64, ticks: u64) {
        let (from, to) = (Pts::new(from), Pts::new(from).wrapping_add(ticks));
        prop_assert_eq!(from.wrapping_add(to.since(from).cast_unsigned()), to);
        prop_assert_eq!(Pts::decode(to.encode(ticks as u8 & 0x0F)), to);
    }
}
