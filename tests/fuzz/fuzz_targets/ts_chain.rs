//! Segments of any bytes, cut from the input: what comes is whole packets, and the same in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::ts::join::Chain;

/// What a client gets of segments of so many bytes, of which those that begin with an odd byte are said
/// to be breaks.
fn chained(bytes: &[u8], segment: usize, piece: usize) -> Vec<u8> {
    let (mut chain, mut out) = (Chain::new(), Vec::new());
    for segment in bytes.chunks(segment) {
        chain.begin(segment.first().is_some_and(|first| first % 2 == 1), &mut out);
        segment.chunks(piece).for_each(|bytes| chain.push(bytes, &mut out));
    }
    chain.end(&mut out);
    out
}

fuzz_target!(|bytes: &[u8]| {
    let Some(([segment, piece], bytes)) = bytes.split_first_chunk() else { return };
    let segment = (usize::from(*segment) + 1) * 188;
    let out = chained(bytes, segment, usize::from(*piece) + 1);
    assert_eq!(out.len() % 188, 0);
    assert!(out == chained(bytes, segment, usize::MAX));
});
