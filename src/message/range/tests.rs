#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn resolved(field: &str, length: u64) -> Vec<(u64, u64)> {
    let ranges = ByteRanges::parse(field).unwrap().resolve(length);
    ranges.into_iter().map(|range| (range.first, range.last)).collect()
}

#[test]
fn ranges_resolve_against_a_length() {
    let max = POSITION_MAX;
    let cases = [
        ("bytes=0-8", 1000, [(0, 8)].as_slice()),
        ("bytes=0-0", 1000, &[(0, 0)]),
        ("bytes=0-", 1000, &[(0, 999)]),
        ("bytes=-10", 1000, &[(990, 999)]),
        ("bytes=-5000", 1000, &[(0, 999)]),
        ("bytes=-0", 1000, &[]),
        ("bytes=990-", 1000, &[(990, 999)]),
        ("bytes=990-1990", 1000, &[(990, 999)]),
        ("bytes=100000-", 1000, &[]),
        ("bytes=1000-", 1000, &[]),
        ("bytes=0-", 0, &[]),
        ("bytes=-1", 0, &[]),
        ("Bytes = 0-9 ,, -10\t,10-19, 2000-", 1000, &[(0, 9), (990, 999), (10, 19)]),
        ("bytes=4294967295-4294967296", max, &[(4_294_967_295, 4_294_967_296)]),
        ("bytes=9223372036854775806-99999999999999999999", max, &[(max - 1, max - 1)]),
        ("bytes=99999999999999999999-", max, &[]),
        ("bytes=-1", u64::MAX, &[(max - 1, max - 1)]),
    ];
    for (field, length, expected) in cases {
        assert_eq!(resolved(field, length), expected, "{field}");
    }
    assert_eq!(cases.len(), 17);
    assert!(ByteRanges::parse("bytes=0-").unwrap().is_whole());
    assert!(!ByteRanges::parse("bytes=0-1").unwrap().is_whole());
    assert!(!ByteRanges::parse("bytes=0-,0-").unwrap().is_whole());
}

#[test]
fn anything_else_is_ignored() {
    let cases = [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=--1",
        "bytes=1",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=2-1",
        "bytes=0-1,2-1",
        "bytes=0-1;2-3",
        "bytes=+1-2",
        "bytes=0 -1",
        "bytes=0x1-2",
        "bytes 0-1",
        "items=0-1",
        "seconds=0-",
        "bytes=0-1 2-3",
        "bytes=\u{664}-",
    ];
    for field in cases {
        assert_eq!(ByteRanges::parse(field), None, "{field}");
    }
    assert_eq!(cases.len(), 20);
    let many = |count: usize| format!("bytes={}", vec!["0-1"; count].join(","));
    assert_eq!(ByteRanges::parse(&many(64)).unwrap().specs().len(), 64);
    assert_eq!(ByteRanges::parse(&many(65)), None);
}

#[test]
fn content_ranges() {
    let range = |first, last| ByteRange { first, last };
    let cases = [
        ("bytes 0-0/1", ContentRange::Part(range(0, 0), Some(1))),
        ("bytes 5-9/*", ContentRange::Part(range(5, 9), None)),
        ("bytes */1000", ContentRange::Unsatisfied(1000)),
        ("bytes */0", ContentRange::Unsatisfied(0)),
    ];
    for (field, expected) in cases {
        assert_eq!(ContentRange::parse(field), Some(expected));
        assert_eq!(expected.to_string(), field);
    }
    assert_eq!(ContentRange::parse(" BYTES  5-9/* ").unwrap().total(), None);
    let bad = [
        "",
        "bytes",
        "bytes */*",
        "bytes 0-1",
        "bytes 1-0/5",
        "bytes 0-5/5",
        "bytes 0-/5",
        "bytes -1/5",
        "bytes=0-1/5",
        "items 0-1/5",
        "bytes 0-1/5/6",
        "bytes +0-1/5",
        "bytes 0-9223372036854775808/*",
    ];
    for field in bad {
        assert_eq!(ContentRange::parse(field), None, "{field}");
    }
    assert_eq!(cases.len() + bad.len(), 17);
}

proptest! {
    #[test]
    fn nothing_panics_and_what_parses_comes_back(
        field in "(bytes[= ])?[0-9*/, -]{0,40}",
        any in ".{0,40}",
        length: u64,
    ) {
        for field in [field, any] {
            if let Some(ranges) = ByteRanges::parse(&field) {
                prop_assert_eq!(ByteRanges::parse(&ranges.to_string()), Some(ranges.clone()));
                for range in ranges.resolve(length) {
                    prop_assert!(range.first <= range.last && range.last < length);
                    prop_assert!(range.length() <= length);
                }
            }
            if let Some(range) = ContentRange::parse(&field) {
                prop_assert_eq!(ContentRange::parse(&range.to_string()), Some(range));
            }
        }
    }

    #[test]
    fn a_resolved_range_is_what_was_asked(
        first in 0_u64..100,
        more in 0_u64..100,
        length in 0_u64..150,
    ) {
        let asked: Vec<u64> =
            (0..length).filter(|at| (first..=first + more).contains(at)).collect();
        let ranges = ByteRanges::parse(&format!("bytes={first}-{}", first + more)).unwrap();
        let found: Vec<u64> =
            ranges.resolve(length).iter().flat_map(|range| range.first..=range.last).collect();
        prop_assert_eq!(found, asked);
    }
}
