//! A playlist through a rewrite that changes no URI reads as the same playlist, and once what tells
//! of the source is gone, a second rewrite changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::m3u8::Scope;
use weir::media::m3u8::read;
use weir::media::m3u8::rewrite;

fuzz_target!(|bytes: &[u8]| {
    let scope = Scope { secrets: &["password", "host.example"], ..Scope::default() };
    let Ok(once) = rewrite(bytes, &scope, |uri, _| Ok(Some(uri.to_owned()))) else { return };
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(once.text.as_bytes()), lines(bytes));
    // A variable may make a URI line what a reader takes for a comment.
    if once.variables.is_empty() {
        let twice = rewrite(once.text.as_bytes(), &scope, |uri, _| Ok(Some(uri.to_owned())));
        assert_eq!(twice.map(|twice| twice.text), Ok(once.text.clone()));
    }
    drop(read(&once.text));
    let sealed = rewrite(bytes, &scope, |_, _| Ok(Some("sealed".to_owned())));
    assert!(sealed.is_ok_and(|sealed| lines(sealed.text.as_bytes()) == lines(bytes)));
});
