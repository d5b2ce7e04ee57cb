//! Packets of 192 and 204 bytes as packets of 188: some sources put a time stamp before each packet, or parity
//! behind it. Only where the bytes show it.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::SYNC;

/// Bytes from one packet to the next, the usual one first.
const STRIDES: [usize; 3] = [LEN, 192, 204];

/// Packets in a row that show a stride.
const SHOWN: usize = 4;

/// Bytes after which the usual stride is taken for granted.
const PROBE_MAX: usize = 16 * 1024;

/// Takes what is no packet out of the bytes. Holds at most 16 KiB, before it knows the stride.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing is known yet.
    Probing(Vec<u8>),
    /// Nothing has to be done.
    Plain,
    /// So many bytes from one packet to the next, so far into one of them.
    Padded { stride: usize, at: usize },
}

impl Default for State {
    fn default() -> Self {
        Self::Probing(Vec::new())
    }
}

impl Framing {
    /// Takes the next bytes and hands those of packets to `each`.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        match &mut self.state {
            State::Plain => each(bytes),
            State::Padded { stride, at } => {
                let (stride, mut place) = (*stride, *at);
                let mut rest = bytes;
                while let Some(first) = rest.first() {
                    if place == 0 && *first != SYNC {
                        // Out of step: what comes shows the stride again.
                        self.state = State::default();
                        self.push(rest, each);
                        return;
                    }
                    let end = if place < LEN { LEN } else { stride };
                    let (taken, behind) = rest.split_at_checked(end - place).unwrap_or((rest, &[]));
                    if place < LEN {
                        each(taken);
                    }
                    place = (place + taken.len()) % stride;
                    rest = behind;
                }
                *at = place;
            }
            State::Probing(held) => {
                held.extend_from_slice(bytes);
                let found =
                    STRIDES.iter().find_map(|stride| Some((*stride, shown(held, *stride)?)));
                let is_enough = held.len() >= PROBE_MAX;
                let (stride, start) = match found {
                    Some(found) => found,
                    None if is_enough => (LEN, 0),
                    None => return,
                };
                let held = std::mem::take(held);
                self.state =
                    if stride == LEN { State::Plain } else { State::Padded { stride, at: 0 } };
                self.push(held.get(start..).unwrap_or_default(), each);
            }
        }
    }

    /// Nothing more will come: what is held is handed to `each`.
    pub(super) fn finish(&mut self, each: impl FnMut(&[u8])) {
        if let State::Probing(held) = &mut self.state {
            let held = std::mem::take(held);
            self.state = State::Plain;
            self.push(&held, each);
        }
    }
}

/// Where packets begin that are so far apart.
fn shown(bytes: &[u8], stride: usize) -> Option<usize> {
    let last = bytes.len().checked_sub(stride * (SHOWN - 1) + 1)?;
    let is_packet =
        |start: usize| (0..SHOWN).all(|packet| bytes.get(start + packet * stride) == Some(&SYNC));
    (0..=last).find(|start| is_packet(*start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: usize) -> Vec<u8> {
        let packet = |index: usize| {
            let mut packet = [index.to_le_bytes()[0] & 0x3F; LEN];
            packet[0] = SYNC;
            packet
        };
        (0..count).flat_map(packet).collect()
    }

    fn out(bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut framing, mut out) = (Framing::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            framing.push(piece, |bytes| out.extend_from_slice(bytes));
        }
        framing.finish(|bytes| out.extend_from_slice(bytes));
        out
    }

    #[test]
    fn what_is_no_packet_is_taken_out() {
        let plain = packets(20);
        let stamped: Vec<u8> =
            plain.chunks(LEN).flat_map(|packet| [&[9, 9, 9, 9], packet].concat()).collect();
        let parity: Vec<u8> =
            plain.chunks(LEN).flat_map(|packet| [packet, &[8; 16]].concat()).collect();
        for piece in [1, 7, 188, 192, 1000, 100_000] {
            assert_eq!(out(&plain, piece), plain, "{piece}");
            assert_eq!(out(&stamped, piece), plain, "{piece}");
            assert_eq!(out(&parity, piece), plain, "{piece}");
        }
    }

    #[test]
    fn it_finds_its_step_again() {
        let plain = packets(20);
        let parity: Vec<u8> =
            plain.chunks(LEN).flat_map(|packet| [packet, &[8; 16]].concat()).collect();
        let cut = [&parity[..204 * 6], &parity[204 * 6 + 50..]].concat();
        let due = [&plain[..LEN * 6], &plain[LEN * 7..]].concat();
        let got = out(&cut, 333);
        assert_eq!(got[got.len() - LEN * 12..], due[due.len() - LEN * 12..]);
    }

    #[test]
    fn bytes_that_show_nothing_pass_after_a_while() {
        let noise = vec![0x11; PROBE_MAX + 500];
        assert_eq!(out(&noise, 1000), noise);
        assert_eq!(out(&noise[..100], 10), noise[..100]);
    }
}
