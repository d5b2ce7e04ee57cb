//! What passes through a client's connection, followed packet by packet (ISO/IEC 13818-1, 2.4.3):
//! [`Watcher`] takes the bytes of one transport stream in pieces cut anywhere and knows where in
//! the stream they end, what each PID's counter is, and what was wrong. Changes and keeps nothing.

use std::fmt;

use crate::media::ts::packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use counters::Counters;
use head::HEAD_LEN;
use head::Head;
use search::Search;

mod counters;
mod head;
pub(super) mod search;
#[cfg(test)]
mod tests;

/// What was wrong with a stream, in events since its beginning. A packet or a loss is one event of
/// one kind: what it makes of the packets after it is not counted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Packets whose continuity counter is not the one due (2.4.3.3). A packet may be repeated
    /// once; its content is not compared. `discontinuity_indicator` allows any counter.
    pub continuity: u64,
    /// Times that the bytes fell out of step, the first bytes included: a packet did not start with
    /// the sync byte. However long it takes to find the next one.
    pub sync: u64,
    /// Packets with `transport_error_indicator`. Nothing else in them is believed.
    pub transport: u64,
}

impl Errors {
    /// What came to these since they were `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            continuity: self.continuity.wrapping_sub(earlier.continuity),
            sync: self.sync.wrapping_sub(earlier.sync),
            transport: self.transport.wrapping_sub(earlier.transport),
        }
    }
}

/// A place in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media::ts) struct Position {
    /// The last clock reference before it, and its PID.
    pub(in crate::media::ts) pcr: (Pid, Pcr),
    /// Bytes since the end of that packet.
    pub(in crate::media::ts) behind: usize,
}

/// The state of one stream; see the module. Any cuts of the same bytes lead to the same state.
///
/// Packets of 188 bytes only: in a stream of 192 or 204 it finds no step. About 500 bytes, and 64
/// on the heap for each page of PIDs in use: 0.7 to 1.5 KiB for a usual stream, 8.5 KiB at most.
/// Allocates only when the first packet of a new page comes.
#[derive(Clone, PartialEq, Eq)]
pub struct Watcher {
    place: Place,
    counters: Counters,
    packets: u64,
    payload_packets: u64,
    scrambled_packets: u64,
    null_packets: u64,
    pcr: Option<(Pid, Pcr)>,
    /// `packets` with the last clock reference; `None` if the step was lost since.
    pcr_packet: Option<u64>,
    pcr_changes: u64,
    errors: Errors,
    /// `errors` when they were last taken.
    errors_taken: Errors,
}

/// Where the bytes end.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// In step, this many bytes into a packet, below its length. `head` is what of its first bytes
    /// has passed, then zeros.
    Packet { torn: usize, head: [u8; HEAD_LEN] },
    /// Out of step.
    Lost(Search),
}

impl Place {
    const BOUNDARY: Self = Self::Packet { torn: 0, head: [0; HEAD_LEN] };
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher {
    /// A watcher before the first byte of a stream, which should begin a packet.
    #[must_use]
    pub const fn new() -> Self {
        let errors = Errors { continuity: 0, sync: 0, transport: 0 };
        Self {
            place: Place::BOUNDARY,
            counters: Counters::new(),
            packets: 0,
            payload_packets: 0,
            scrambled_packets: 0,
            null_packets: 0,
            pcr: None,
            pcr_packet: None,
            pcr_changes: 0,
            errors,
            errors_taken: errors,
        }
    }

    /// Takes the next bytes. Each is looked at no more than twice, whatever they are.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match &mut self.place {
                Place::Packet { torn: 0, .. } => self.pass_packets(rest),
                Place::Packet { .. } => self.mend(rest),
                Place::Lost(search) => {
                    let Some(rest) = search.find(rest) else { return };
                    self.place = Place::BOUNDARY;
                    rest
                }
            }
        }
    }

    /// Packets that have passed whole and in step. What passes while the step is searched for is in
    /// none of the counts.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Of these, packets with a payload, without null packets and transport errors.
    #[must_use]
    pub const fn payload_packets(&self) -> u64 {
        self.payload_packets
    }

    /// Of these with a payload, packets whose payload is scrambled. Tables stay clear where
    /// everything else is scrambled.
    #[must_use]
    pub const fn scrambled_packets(&self) -> u64 {
        self.scrambled_packets
    }

    /// Null packets.
    #[must_use]
    pub const fn null_packets(&self) -> u64 {
        self.null_packets
    }

    /// The last clock reference and where it was.
    #[must_use]
    pub const fn pcr(&self) -> Option<(Pid, Pcr)> {
        self.pcr
    }

    /// How far the bytes have come since the last clock reference; `None` before the first and where
    /// the step was lost since.
    pub(in crate::media::ts) fn position(&self) -> Option<Position> {
        let packets = usize::try_from(self.packets - self.pcr_packet?).ok()?;
        Some(Position { pcr: self.pcr?, behind: packets * packet::LEN + self.torn() })
    }

    /// Clock references that were not the same, in value and PID, as the one before. With several
    /// programmes this rises even if each of their clocks stands still.
    #[must_use]
    pub const fn pcr_changes(&self) -> u64 {
        self.pcr_changes
    }

    /// Whether the bytes are in step: every packet started with the sync byte since it was last
    /// looked for. True before the first byte.
    #[must_use]
    pub const fn in_sync(&self) -> bool {
        matches!(self.place, Place::Packet { .. })
    }

    /// Bytes of a packet that has not passed whole, 0 to 187. Always 0 out of step.
    #[must_use]
    pub const fn torn(&self) -> usize {
        match self.place {
            Place::Packet { torn, .. } => torn,
            Place::Lost(_) => 0,
        }
    }

    /// The first of these [`torn`](Self::torn) bytes, at most 12: header, flags of the adaptation
    /// field, PCR. The packet itself is in no count before it has passed whole.
    #[must_use]
    pub fn torn_head(&self) -> &[u8] {
        match &self.place {
            Place::Packet { torn, head } => head.get(..*torn).unwrap_or(head),
            Place::Lost(_) => &[],
        }
    }

    /// The last continuity counter of a PID, 0 to 15: of its last packet, with or without payload,
    /// that had no transport error. `None` for a PID not seen and for [`Pid::NULL`].
    #[must_use]
    pub fn continuity_counter(&self, pid: Pid) -> Option<u8> {
        self.counters.last(pid)
    }

    /// All PIDs seen, in rising order, each with its [`continuity_counter`](Self::continuity_counter).
    pub fn continuity_counters(&self) -> impl Iterator<Item = (Pid, u8)> + '_ {
        self.counters.iter()
    }

    /// What was wrong since the beginning.
    #[must_use]
    pub const fn errors(&self) -> Errors {
        self.errors
    }

    /// What was wrong since this was last called.
    pub const fn take_errors(&mut self) -> Errors {
        let new = self.errors.since(self.errors_taken);
        self.errors_taken = self.errors;
        new
    }

    /// Passes packets from a boundary on; what is left of the last one is torn. Returns the bytes
    /// from where they are out of step.
    fn pass_packets<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        while let Some((packet, behind)) = rest.split_first_chunk::<{ packet::LEN }>() {
            let Some(head) = Head::of(packet) else { return self.lose(rest) };
            if head.plain() && self.counters.advance(head) {
                self.packets += 1;
                self.payload_packets += 1;
                self.scrambled_packets += u64::from(head.scrambled());
            } else {
                self.pass(head);
            }
            rest = behind;
        }
        self.tear(rest)
    }

    /// Notes the beginning of a packet.
    fn tear<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if bytes.first().is_some_and(|byte| *byte != packet::SYNC) {
            return self.lose(bytes);
        }
        let mut head = [0; HEAD_LEN];
        head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.place = Place::Packet { torn: bytes.len(), head };
        &[]
    }

    /// Goes on with a torn packet. Returns the bytes behind it.
    fn mend<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Place::Packet { torn, head } = &mut self.place else { return bytes };
        head.iter_mut().skip(*torn).zip(bytes).for_each(|(to, from)| *to = *from);
        let Some((_, behind)) = bytes.split_at_checked(packet::LEN - *torn) else {
            *torn += bytes.len();
            return &[];
        };
        let head = *head;
        self.place = Place::BOUNDARY;
        self.pass(Head::new(&head));
        behind
    }

    /// Counts any packet that has passed whole.
    #[inline(never)]
    fn pass(&mut self, head: Head<'_>) {
        self.packets += 1;
        if head.transport_error() {
            self.errors.transport += 1;
            // Most likely its PID is right; then the next counter seems to skip one.
            self.counters.pardon(head.pid());
            return;
        }
        if head.pid() == Pid::NULL {
            self.null_packets += 1;
            return;
        }
        if !self.counters.judge(head, head.discontinuity_indicator()) {
            self.errors.continuity += 1;
        }
        if head.has_payload() {
            self.payload_packets += 1;
            self.scrambled_packets += u64::from(head.scrambled());
        }
        if let Some(pcr) = head.pcr() {
            let pcr = Some((head.pid(), pcr));
            self.pcr_changes += u64::from(self.pcr != pcr);
            self.pcr = pcr;
            self.pcr_packet = Some(self.packets);
        }
    }

    /// Out of step from `bytes` on, which do not begin with the sync byte.
    #[cold]
    fn lose<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.errors.sync += 1;
        self.pcr_packet = None;
        // Packets may be missing, and those that the search takes for its proof are not counted.
        self.counters.pardon_all();
        self.place = Place::Lost(Search::new());
        bytes
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("packets", &self.packets)
            .field("in_sync", &self.in_sync())
            .field("torn", &self.torn())
            .field("pcr", &self.pcr)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}
