//! Three sources of any bytes, joined one after the other, in one piece and in many: the same
//! output, whole packets from the torn one on, and no more of them than the sources and their
//! tables have room for.
#![no_main]

use std::iter;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir::media::ts::join::Audition;
use weir::media::ts::join::Joiner;
use weir::media::ts::join::Manner;
use weir::media::ts::packet::LEN;
use weir::media::ts::packet::SYNC;

/// Bytes that an audition keeps at most, and a torn packet.
const HELD_MAX: usize = (4 << 20) + LEN;
/// Packets that a PAT and a PMT take at most.
const TABLES: usize = 12;

/// How the joins are made.
#[derive(Clone, Copy)]
struct Form {
    manner: Manner,
    is_finished: bool,
    is_settled: bool,
    gap: Duration,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[form, piece_len, gap], bytes)) = bytes.split_first_chunk() else { return };
    let form_bit = |bit: u8| form >> bit & 1 != 0;
    let packets = form_bit(0);
    let form = Form {
        manner: if form_bit(1) { Manner::Aligned } else { Manner::Seamless },
        is_finished: form_bit(2),
        is_settled: form_bit(3),
        gap: Duration::from_millis(u64::from(gap) * 100),
    };
    let third = bytes.len() / 3;
    let (first, rest) = bytes.split_at(third);
    let (second, third) = rest.split_at(third);
    let sources =
        [first, second, third].map(|part| if packets { grow(part) } else { part.to_vec() });

    let whole = run(form, &sources, usize::MAX);
    assert!(whole == run(form, &sources, usize::from(piece_len) + 1));
    let room: usize = sources.iter().map(|source| source.len() / LEN + 4).sum();
    assert!(whole.len() <= room * TABLES * LEN);
});

/// Makes a packet of every sixteen bytes, unless the first says that they are junk.
fn grow(bytes: &[u8]) -> Vec<u8> {
    let grown = |part: &[u8]| {
        let sync = if part[0] < 0xF0 { Some(SYNC) } else { None };
        let len = if sync.is_some() { LEN } else { part.len() };
        let fill = part.last().copied().unwrap_or(0);
        sync.into_iter().chain(part[1..].to_vec()).chain(iter::repeat(fill)).take(len).collect()
    };
    bytes.chunks(16).flat_map(|part| -> Vec<u8> { grown(part) }).collect()
}

/// The output of all joins, the sources cut in pieces.
fn run(form: Form, sources: &[Vec<u8>; 3], piece_len: usize) -> Vec<u8> {
    let mut joiner = Joiner::new(form.manner);
    let mut out = Vec::new();
    let [active, standbys @ ..] = sources;
    for piece in active.chunks(piece_len) {
        joiner.watch(piece);
        out.extend_from_slice(piece);
    }
    // Where the client is in a packet; out of step it is nowhere.
    let mut at = out.len() - joiner.watcher().torn();
    for standby in standbys {
        let mut audition = Audition::new(form.manner);
        let (heard, passed) = standby.split_at(standby.len() / 2);
        for piece in heard.chunks(piece_len) {
            audition.push(piece);
            assert!(audition.held() <= HELD_MAX);
        }
        if form.is_settled {
            audition.settle();
        }
        if !audition.is_ready() {
            continue;
        }
        if form.is_finished {
            for piece in active.chunks(piece_len) {
                joiner.finish(piece, &mut out);
            }
        }
        joiner.join(audition, form.gap, &mut out);
        assert!(joiner.has_joined());
        for piece in passed.chunks(piece_len) {
            joiner.pass(piece, &mut out);
        }
        if !form.is_finished {
            let packets = out.get(at..).unwrap_or_default();
            assert!(packets.len().is_multiple_of(LEN));
            assert!(packets.iter().step_by(LEN).all(|byte| *byte == SYNC));
        }
        at = out.len();
    }
    out
}
