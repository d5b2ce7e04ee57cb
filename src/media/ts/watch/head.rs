//! The first bytes of a packet, as far as its clock reference may reach: what can be kept of a
//! packet that is cut, where [`Packet`](crate::media::ts::packet::Packet) needs all of it.

use crate::media::ts::packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;

/// Header, length and flags of the adaptation field, PCR.
pub(super) const HEAD_LEN: usize = 4 + 2 + 6;

/// Bytes that an adaptation field can have after its length byte.
const ADAPTATION_MAX: u8 = 183;

/// A view of them. Says the same as a view of the whole packet does.
#[derive(Clone, Copy)]
pub(super) struct Head<'a>(&'a [u8; HEAD_LEN]);

impl<'a> Head<'a> {
    pub(super) const fn new(bytes: &'a [u8; HEAD_LEN]) -> Self {
        Self(bytes)
    }

    /// The head of a whole packet. `None` if that does not begin with the sync byte.
    #[inline]
    pub(super) fn of(packet: &'a [u8; packet::LEN]) -> Option<Self> {
        packet.first_chunk().map(Self).filter(|head| head.0[0] == packet::SYNC)
    }

    pub(super) const fn transport_error(self) -> bool {
        self.0[1] & 0x80 != 0
    }

    #[inline]
    pub(super) const fn pid(self) -> Pid {
        Pid::masked(u16::from_be_bytes([self.0[1], self.0[2]]))
    }

    #[inline]
    pub(super) const fn scrambled(self) -> bool {
        self.0[3] & 0xC0 != 0
    }

    #[inline]
    pub(super) const fn has_payload(self) -> bool {
        self.0[3] & 0x10 != 0
    }

    #[inline]
    pub(super) const fn continuity_counter(self) -> u8 {
        self.0[3] & 0x0F
    }

    /// A payload and nothing else that [`Watcher`](super::Watcher) looks at: no transport error, no
    /// adaptation field.
    #[inline]
    pub(super) const fn plain(self) -> bool {
        self.0[1] & 0x80 == 0 && self.0[3] & 0x30 == 0x10
    }

    pub(super) const fn discontinuity_indicator(self) -> bool {
        matches!(self.adaptation_len(), Some(1..)) && self.0[5] & 0x80 != 0
    }

    pub(super) const fn pcr(self) -> Option<Pcr> {
        let [_, _, _, _, _, flags, field @ ..] = self.0;
        match self.adaptation_len() {
            Some(7..) if *flags & 0x10 != 0 => Some(Pcr::decode(*field)),
            _ => None,
        }
    }

    /// Bytes of the adaptation field after its length byte, if it fits into the packet.
    const fn adaptation_len(self) -> Option<u8> {
        let len = self.0[4];
        if self.0[3] & 0x20 != 0 && len <= ADAPTATION_MAX { Some(len) } else { None }
    }
}
