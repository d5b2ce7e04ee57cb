//! The watcher in one piece and in many: the same state, and counts that the bytes have room for.
#![no_main]

use std::iter;

use libfuzzer_sys::fuzz_target;
use weir::media::ts::packet::LEN;
use weir::media::ts::watch::Watcher;

fuzz_target!(|bytes: &[u8]| {
    let Some((&[form, piece_len], bytes)) = bytes.split_first_chunk() else { return };
    let stream: Vec<u8> = if form & 1 == 0 {
        bytes.to_vec()
    } else {
        // Each twelve bytes begin a packet, unless the first says that they are junk.
        let grow = |head: &[u8]| if head[0] < 0xF0 { LEN } else { head.len() };
        let parts = bytes.chunks(12).map(|head| (head, grow(head)));
        parts
            .flat_map(|(head, len)| head.iter().copied().chain(iter::repeat(0)).take(len))
            .collect()
    };

    let mut whole = Watcher::new();
    whole.push(&stream);
    let mut cut = Watcher::new();
    stream.chunks(usize::from(piece_len) + 1).for_each(|piece| cut.push(piece));
    assert!(whole == cut);

    let errors = whole.errors();
    assert!(whole.packets() as usize * LEN + whole.torn() <= stream.len());
    assert!(whole.payload_packets() + whole.null_packets() + errors.transport <= whole.packets());
    assert!(whole.scrambled_packets() <= whole.payload_packets());
    assert!(errors.continuity + whole.pcr_changes() <= 2 * whole.packets());
    assert!(whole.torn() < LEN && whole.torn_head().len() == whole.torn().min(12));
    assert!(whole.continuity_counters().count() as u64 <= whole.packets());
    assert_eq!(cut.take_errors(), errors);
});
