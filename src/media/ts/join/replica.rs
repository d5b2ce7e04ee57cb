//! Replicas: sources that send the same packets at about the same time, as two outputs of one encoder
//! do, or two ways to one. The place in such a stream is told by a clock reference and the bytes
//! since it. Where a standby has the packets around the client's place, it is gone on with from
//! there: nothing is lost, nothing comes twice, and nothing has to be rewritten.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::watch::Position;

/// Most bytes that are kept from the clock reference on.
const KEPT_MAX: usize = 4 << 20;

/// Looks among the packets of a standby for the client's place.
///
/// Until the clock reference is found nothing is kept; from there on at most 4 MiB, at which it is
/// given up.
pub(super) struct Replica {
    /// Where the client was when the audition began.
    sought: Option<Position>,
    /// The packets behind its clock reference; `None` until that has come.
    kept: Option<Vec<u8>>,
}

impl Replica {
    /// `sought` is the client's place in its source; `None`: nothing will be found.
    pub(super) const fn of(sought: Option<Position>) -> Self {
        Self { sought, kept: None }
    }

    /// Takes the next packet of the standby.
    #[inline]
    pub(super) fn push(&mut self, packet: &[u8; LEN]) {
        let Some(sought) = self.sought else { return };
        if clock(packet) == Some(sought.pcr) {
            self.kept = Some(Vec::new());
        } else if let Some(kept) = &mut self.kept {
            if kept.len() + LEN > KEPT_MAX {
                (self.sought, self.kept) = (None, None);
                return;
            }
            kept.extend_from_slice(packet);
        }
    }

    /// What a client that is `at` this position, whose last bytes are `last`, is to get next. `torn` is what the
    /// standby has sent of a packet that is not whole. `None` if the standby is no replica or has not
    /// come so far.
    pub(super) fn rest(
        &self,
        at: Option<Position>,
        last: [&[u8]; 2],
        torn: &[u8],
    ) -> Option<Vec<u8>> {
        let (sought, at, kept) = (self.sought?, at?, self.kept.as_ref()?);
        let from = if at.pcr == sought.pcr { kept } else { behind(kept, at.pcr)? };
        let whole = [from, torn].concat();
        let (had, rest) = whole.split_at_checked(at.behind)?;
        let last = last.concat();
        // The clock reference itself is not kept.
        let last = last.get(last.len().saturating_sub(had.len())..).unwrap_or_default();
        had.ends_with(last).then(|| rest.to_vec())
    }

    /// Whether the client has got no further than where it was when the audition began.
    pub(super) fn is_still_at(&self, at: Option<Position>) -> bool {
        self.kept.is_some() && self.sought == at
    }
}

fn clock(packet: &[u8; LEN]) -> Option<(Pid, Pcr)> {
    let packet = Packet::parse(packet).filter(|packet| !packet.transport_error())?;
    Some((packet.pid(), packet.pcr()?))
}

/// The packets behind the last one with this clock reference.
fn behind(packets: &[u8], pcr: (Pid, Pcr)) -> Option<&[u8]> {
    let place = packets.as_chunks().0.iter().rposition(|packet| clock(packet) == Some(pcr))?;
    packets.get((place + 1) * LEN..)
}
