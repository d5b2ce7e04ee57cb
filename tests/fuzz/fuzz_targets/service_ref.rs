//! Enigma2 service references as clients ask for them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::channel::service_ref::ServiceRef;

fuzz_target!(|text: &str| {
    if let Ok(reference) = ServiceRef::parse_path(text) {
        assert!(reference.raw().bytes().all(|byte| byte.is_ascii_graphic()));
    }
});
