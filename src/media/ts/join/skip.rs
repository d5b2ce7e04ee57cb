//! A client's way into a stream that runs, and from one place of it to a later one: what it has begun
//! with is completed ([`Departure`]), and what it begins with is whole ([`Arrival`]). Everything else
//! passes as it is, in its own time: the skip is a discontinuity that the packets say (ISO/IEC 13818-1,
//! 2.4.3.5), and no demultiplexer counts an error.

use std::sync::Arc;

use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::entry::Entry;
use crate::media::ts::join::entry::Tables;
use crate::media::ts::packet;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;

#[cfg(test)]
mod tests;

/// Packets in which the rest of what was begun, or the first of what is to begin, is looked for: 1 MiB.
/// A stream of which nothing comes for so long is not waited for.
const PACKETS_MAX: u32 = 5600;

/// Leads into a stream at an [`Entry`]. 100 bytes and 5 for each PID.
#[derive(Debug)]
pub struct Arrival {
    tables: Arc<Tables>,
    counters: Sequence,
    /// Streams of which the client has had nothing: what comes before their first PES packet is left
    /// out.
    awaited: Vec<Pid>,
    /// PIDs whose counters the client knows; `None`: it has come anew and knows none.
    repaired: Option<Vec<Pid>>,
    /// What the clock says at the entry.
    clock: Option<Pcr>,
    left: u32,
}

/// Leads out of a stream.
#[derive(Debug)]
pub struct Departure {
    /// Streams whose PES packets are not complete.
    unfinished: Vec<Pid>,
    left: u32,
}

impl Arrival {
    /// For a client that has had nothing. The stream's packets from the entry on are to follow.
    #[must_use]
    pub fn new(entry: &Entry) -> Self {
        Self {
            tables: Arc::clone(&entry.tables),
            counters: entry.counters.clone(),
            awaited: entry.tables.streams.clone(),
            repaired: None,
            clock: entry.clock,
            left: PACKETS_MAX,
        }
    }

    /// For one that has left the stream at an earlier place.
    #[must_use]
    pub fn again(entry: &Entry) -> Self {
        Self { repaired: Some(Vec::new()), ..Self::new(entry) }
    }

    /// Appends PAT and PMT. Comes before the first packet.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let tables = Arc::clone(&self.tables);
        for (pid, section) in tables.sections() {
            let before = Tables::before(section, self.counters.last(pid));
            self.repair(pid, before, out);
            Tables::write(pid, section, before, out);
        }
    }

    /// Takes the next packets of the stream and appends what the client gets of them. True once all
    /// that follows passes as it is; no more packets are to be given then.
    pub fn pass(&mut self, packets: &[[u8; LEN]], out: &mut Vec<u8>) -> bool {
        for packet in packets {
            self.take(packet, out);
        }
        let taken = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_sub(taken);
        if !self.awaited.is_empty() && self.left > 0 {
            return false;
        }
        // What has not come yet goes on from where it is.
        for pid in self.counters.pids().collect::<Vec<_>>() {
            let last = self.counters.last(pid).unwrap_or_default();
            self.repair(pid, last, out);
        }
        true
    }

    fn take(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) {
        let is_useful = |view: &Packet<'_>| !view.transport_error() && !view.is_null();
        let Some(view) = Packet::parse(packet).filter(is_useful) else { return };
        let (pid, counter) = (view.pid(), view.continuity_counter());
        let place = self.awaited.iter().position(|awaited| *awaited == pid);
        let begins = view.payload_unit_start() && view.has_payload();
        if let (Some(place), true) = (place, begins) {
            self.awaited.swap_remove(place);
        }
        if place.is_none() || begins {
            let mut packet = *packet;
            // On the PID of the clock only a packet with a clock reference may say it (2.4.3.5).
            let can_say = pid != self.tables.pcr_pid || view.pcr().is_some();
            let says = can_say && self.is_due(pid) && packet::set_discontinuity(&mut packet);
            if says {
                self.said(pid);
            } else {
                let before = if view.has_payload() { counter.wrapping_sub(1) } else { counter };
                self.repair(pid, before, out);
            }
            out.extend_from_slice(&packet);
        }
        self.counters.note(packet);
    }

    /// Says, once for each PID, that its counters go on from `last`, in a packet of its own.
    fn repair(&mut self, pid: Pid, last: u8, out: &mut Vec<u8>) {
        if self.is_due(pid) {
            self.said(pid);
            let pcr = self.clock.filter(|_| pid == self.tables.pcr_pid);
            Header { discontinuity: true, pcr, ..Header::new(pid, last & 0x0F) }.write(&[], out);
        }
    }

    /// Whether the client is to be told yet that the counters of `pid` jump.
    fn is_due(&self, pid: Pid) -> bool {
        self.repaired.as_ref().is_some_and(|repaired| repaired.binary_search(&pid).is_err())
    }

    fn said(&mut self, pid: Pid) {
        if let Some(repaired) = &mut self.repaired
            && let Err(place) = repaired.binary_search(&pid)
        {
            repaired.insert(place, pid);
        }
    }
}

impl Departure {
    /// From a stream of whose video and sound the client may have had anything.
    #[must_use]
    pub fn new(entry: &Entry) -> Self {
        Self { unfinished: entry.tables.streams.clone(), left: PACKETS_MAX }
    }

    /// Takes the next packets of the stream, which follow what the client has had, and appends those
    /// that complete something. True once nothing is unfinished.
    pub fn pass(&mut self, packets: &[[u8; LEN]], out: &mut Vec<u8>) -> bool {
        for packet in packets {
            if self.unfinished.is_empty() {
                return true;
            }
            let is_sound = |view: &Packet<'_>| !view.transport_error();
            let Some(view) = Packet::parse(packet).filter(is_sound) else { continue };
            let pid = view.pid();
            let Some(place) = self.unfinished.iter().position(|open| *open == pid) else {
                continue;
            };
            if view.payload_unit_start() {
                self.unfinished.swap_remove(place);
            } else {
                out.extend_from_slice(packet);
            }
        }
        let taken = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_sub(taken);
        self.unfinished.is_empty() || self.left == 0
    }
}
