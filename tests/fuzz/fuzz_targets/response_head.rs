//! A source's response head: what is re-serialised must be accepted again as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::message::Normalised;
use weir::message::response_head::{Limits, normalise};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Normalised::Complete { head, .. }) = normalise(bytes, &Limits::default()) {
        let again = normalise(&head, &Limits::default());
        let Ok(Normalised::Complete { head: same, .. }) = again else {
            panic!("a normalised head is refused: {again:?}");
        };
        assert_eq!(head, same);
    }
});
