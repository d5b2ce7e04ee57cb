//! A request head, whole and in two parts: the verdict must not depend on the split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::message::HeadScanner;
use weir::message::Scan;
use weir::message::request_head::{Limits, scan};

fuzz_target!(|input: (usize, &[u8])| {
    let (split, bytes) = input;
    let whole = scan(bytes, &Limits::default());
    let mut scanner = HeadScanner::new(Limits::default());
    let first = scanner.advance(&bytes[..split.min(bytes.len())]);
    match first {
        Ok(Scan::Partial) => assert_eq!(scanner.advance(bytes), whole),
        decided => assert_eq!(decided, whole),
    }
});
