//! Range and Content-Range: every resolved range lies within the length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::message::{ByteRanges, ContentRange};

fuzz_target!(|input: (u64, &str)| {
    let (length, text) = input;
    if let Some(ranges) = ByteRanges::parse(text) {
        for range in ranges.resolve(length) {
            assert!(range.first <= range.last && range.last < length);
        }
    }
    if let Some(range) = ContentRange::parse(text) {
        assert_eq!(ContentRange::parse(&range.to_string()), Some(range));
    }
});
