//! Whole packets out of bytes that come in pieces cut anywhere. In step and out of it exactly where
//! [`Watcher`](crate::media::ts::watch::Watcher) is.

use crate::media::ts::packet;
use crate::media::ts::packet::LEN;
use crate::media::ts::watch::search::Search;

/// Keeps the packet that is not whole yet and the one before. 400 bytes.
pub struct Cutter {
    place: Place,
    /// The last whole packet; zeros before the first.
    last: [u8; LEN],
}

/// Where the bytes end.
enum Place {
    /// In step, `len` bytes into `packet`.
    Step { packet: [u8; LEN], len: usize },
    /// Out of step.
    Lost(Search),
}

impl Place {
    const BOUNDARY: Self = Self::Step { packet: [0; LEN], len: 0 };
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new()
    }
}

impl Cutter {
    /// A cutter before the first byte, which should begin a packet.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: Place::BOUNDARY, last: [0; LEN] }
    }

    /// The bytes of a packet that is not whole yet, 0 to 187.
    pub(super) fn torn(&self) -> &[u8] {
        match &self.place {
            Place::Step { packet, len } => packet.get(..*len).unwrap_or_default(),
            Place::Lost(_) => &[],
        }
    }

    /// The packet before it.
    pub(super) const fn last(&self) -> &[u8; LEN] {
        &self.last
    }

    /// Takes the next bytes and hands each packet that they complete to `each`, in order. Each of
    /// them begins with the sync byte.
    #[inline]
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8; LEN])) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.place {
                Place::Step { len: 0, .. } => {
                    let start = rest;
                    while let Some((whole, behind)) = rest.split_first_chunk::<LEN>() {
                        if whole[0] != packet::SYNC {
                            break;
                        }
                        each(whole);
                        rest = behind;
                    }
                    let whole = start.get(..start.len() - rest.len()).unwrap_or_default();
                    if let Some(last) = whole.last_chunk() {
                        self.last = *last;
                    }
                    match rest.first() {
                        None => {}
                        Some(&packet::SYNC) => rest = self.fill(rest),
                        Some(_) => self.place = Place::Lost(Search::new()),
                    }
                }
                Place::Step { .. } => {
                    rest = self.fill(rest);
                    if let Place::Step { packet, len } = &mut self.place
                        && *len == LEN
                    {
                        *len = 0;
                        self.last = *packet;
                        each(packet);
                    }
                }
                Place::Lost(search) => {
                    let Some(found) = search.find(rest) else { return };
                    self.place = Place::BOUNDARY;
                    rest = found;
                }
            }
        }
    }

    /// Adds to the packet that is not whole yet. Returns what is behind it.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Place::Step { packet, len } = &mut self.place else { return bytes };
        let room = packet.get_mut(*len..).unwrap_or_default();
        let (taken, behind) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
        room.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
        *len += taken.len();
        behind
    }
}
