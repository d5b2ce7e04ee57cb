//! A playlist through a rewrite that changes nothing is the same playlist.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::m3u8::rewrite;

fuzz_target!(|bytes: &[u8]| {
    // A byte order mark is dropped.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if let Ok(same) = rewrite(bytes, |uri, _| Ok(Some(uri.to_owned()))) {
        assert_eq!(same.as_bytes(), bytes);
    }
});
