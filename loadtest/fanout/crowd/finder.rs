//! Looks for the first random access point in a stream that may begin anywhere.

use weir::media::ts::packet;
use weir::media::ts::packet::Packet;
use weir::media::ts::packet::Pcr;

/// Packets in a row that begin with the sync byte where a stream is taken to be in step.
const IN_STEP: usize = 3;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    /// What has not been looked at.
    rest: Vec<u8>,
    is_in_step: bool,
}

impl Finder {
    /// Takes the next bytes; the clock of the first random access point if it is among them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<u64> {
        self.rest.extend_from_slice(bytes);
        if !self.is_in_step {
            let begin = (0..packet::LEN).find(|begin| self.begins(*begin))?;
            self.rest.drain(..begin);
            self.is_in_step = true;
        }
        let packets = self.rest.as_chunks::<{ packet::LEN }>().0;
        let found = packets.iter().find_map(random_access);
        self.rest.drain(..packets.len() * packet::LEN);
        found
    }

    /// Whether packets begin here.
    fn begins(&self, at: usize) -> bool {
        (0..IN_STEP).all(|packet| self.rest.get(at + packet * packet::LEN) == Some(&packet::SYNC))
    }
}

/// The base of the PCR of a packet at which a decoder can begin (ISO/IEC 13818-1 2.4.3.5); the stream has
/// one in each.
fn random_access(bytes: &[u8; packet::LEN]) -> Option<u64> {
    let packet = Packet::parse(bytes)?;
    let begins = packet.payload_unit_start()
        && packet.adaptation().is_some_and(|field| field.random_access_indicator());
    let pcr = packet.pcr().filter(|_| begins)?;
    Some(pcr.ticks() / (Pcr::HZ / 90_000))
}
