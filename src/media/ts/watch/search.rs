//! Where packets begin in bytes that are out of step.

use crate::media::ts::packet;

/// Sync bytes, each a packet after the one before, that make a place the start of packets. Payload
/// imitates two of them once in some 350 packets, three once in 90,000.
const IN_LINE: u8 = 3;

/// Looks for three sync bytes in line. Every byte is looked at once, as it passes, and none is kept.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::media::ts) struct Search {
    /// Sync bytes in line so far, by their place modulo the length of a packet.
    hits: [u8; packet::LEN],
    /// The place of the next byte, below the length of a packet.
    place: usize,
}

impl Search {
    pub(in crate::media::ts) const fn new() -> Self {
        Self { hits: [0; packet::LEN], place: 0 }
    }

    /// Takes the next bytes. Returns them from the last of three sync bytes on, where a packet
    /// begins; `None` when all were passed over. To be dropped once it has found its place.
    pub(in crate::media::ts) fn find<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let row = self.hits.get_mut(self.place..).unwrap_or_default();
            let row_len = row.len();
            // Branchless, for the compiler to do many at a time.
            for (hits, byte) in row.iter_mut().zip(rest) {
                *hits = if *byte == packet::SYNC { *hits + 1 } else { 0 };
            }
            // Where no byte has come the row is as it was, without a place that was found. To ask
            // first whether there is one costs a third of looking for it at once.
            if row.contains(&IN_LINE) {
                return rest.get(row.iter().position(|hits| *hits == IN_LINE)?..);
            }
            let (taken, left) = rest.split_at_checked(row_len).unwrap_or((rest, &[]));
            self.place = (self.place + taken.len()) % packet::LEN;
            rest = left;
        }
        None
    }
}
