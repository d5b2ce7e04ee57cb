//! URLs and references: what resolves is a URL that parses to itself and shows no path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::message::Url;

fuzz_target!(|input: (&str, &str)| {
    let (base, reference) = input;
    let Ok(base) = Url::parse(base) else { return };
    let Ok(url) = base.resolve(reference) else { return };
    assert!(Url::parse(&url.to_secret_text()) == Ok(url));
});
