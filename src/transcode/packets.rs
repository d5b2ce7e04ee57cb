//! What FFmpeg writes into its pipe, cut into whole transport packets. Pure.

use bytes::Bytes;
use bytes::BytesMut;

/// Length of a transport packet (ISO/IEC 13818-1, 2.4.3.2).
const PACKET: usize = 188;
/// What each begins with.
const SYNC: u8 = 0x47;
/// Room for one read: what a pipe holds.
const READ: usize = 64 * 1024;

/// Bytes that are no transport stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// Keeps less than one packet, and room for one read.
#[derive(Debug, Default)]
pub(super) struct Packets {
    buffer: BytesMut,
}

impl Packets {
    /// Where the next bytes are to be put, with room for some.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// Takes the whole packets out; empty while there is none. FFmpeg begins with a packet, so one that
    /// is out of step means that something else is written.
    pub(super) fn take(&mut self) -> Result<Bytes, Garbage> {
        let mut starts = self.buffer.chunks(PACKET).filter_map(<[u8]>::first);
        if starts.any(|start| *start != SYNC) {
            return Err(Garbage);
        }
        let whole = self.buffer.len() / PACKET * PACKET;
        Ok(self.buffer.split_to(whole).freeze())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packets(count: usize) -> Vec<u8> {
        (0..count * PACKET).map(|at| if at % PACKET == 0 { SYNC } else { 7 }).collect()
    }

    #[test]
    fn anything_else_is_told_at_its_first_byte() {
        let mut taken = Packets::default();
        taken.buffer().extend_from_slice(&packets(2));
        taken.buffer().extend_from_slice(b"<");
        assert_eq!(taken.take(), Err(Garbage));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_packets(cuts in proptest::collection::vec(1..600_usize, 1..20)) {
            let all = packets(20);
            let (mut taken, mut out, mut rest) = (Packets::default(), Vec::new(), &all[..]);
            for cut in cuts.into_iter().chain([all.len()]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                taken.buffer().extend_from_slice(piece);
                let whole = taken.take().unwrap();
                prop_assert_eq!(whole.len() % PACKET, 0);
                out.extend_from_slice(&whole);
                rest = after;
            }
            prop_assert_eq!(out, all);
        }
    }
}
