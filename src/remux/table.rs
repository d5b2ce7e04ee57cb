//! The packets of one PID that carries PMTs: as they come while nothing in them is changed, and from then on written
//! anew with counters of their own.

use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Assembler;

/// Most bytes of packets that wait for a section to be whole.
const HELD_MAX: usize = 32 * LEN;

/// See the module. At most 12 KiB.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) pid: Pid,
    assembler: Assembler,
    /// The packets of the sections that are not whole.
    held: Vec<u8>,
    /// What is to go out in their place.
    due: Vec<u8>,
    lengths: Vec<usize>,
    counter: ContinuityCounter,
    is_rewritten: bool,
}

/// What goes out in place of a section.
pub(super) enum Edition<'s> {
    /// The section as it is.
    Same,
    /// Another one.
    Other(&'s [u8]),
    /// Nothing.
    Nothing,
}

impl Table {
    pub(super) const fn new(pid: Pid) -> Self {
        Self {
            pid,
            assembler: Assembler::new(),
            held: Vec::new(),
            due: Vec::new(),
            lengths: Vec::new(),
            counter: ContinuityCounter::after(15),
            is_rewritten: false,
        }
    }

    /// Takes the next packet and hands the sections that it completes to `each`.
    pub(super) fn gather(&mut self, packet: &[u8; LEN], each: impl FnMut(&[u8])) {
        let Some(view) = Packet::parse(packet) else { return };
        if self.held.len() >= HELD_MAX {
            self.held.clear();
        }
        self.held.extend_from_slice(packet);
        self.assembler.push_packet(view, each);
        if !self.is_rewritten {
            self.counter = ContinuityCounter::after(view.continuity_counter());
        }
    }

    /// This goes out for a section that was gathered.
    pub(super) fn put(&mut self, section: &[u8], edition: &Edition<'_>) {
        let due = match edition {
            Edition::Same => section,
            Edition::Other(other) => other,
            Edition::Nothing => &[],
        };
        if !matches!(edition, Edition::Same) && !self.is_rewritten {
            self.is_rewritten = true;
            // The packets that are held have not gone out.
            let held = u8::try_from(self.held.len() / LEN % 16).unwrap_or(0);
            let mut next = self.counter;
            self.counter = ContinuityCounter::after(next.advance().wrapping_sub(held + 1) & 0x0F);
        }
        if !due.is_empty() {
            self.due.extend_from_slice(due);
            self.lengths.push(due.len());
        }
    }

    /// Appends what is due: packets as they came once no section in them is unfinished, or written ones.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        if self.is_rewritten {
            let mut rest = &self.due[..];
            for len in self.lengths.drain(..) {
                let (section, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                psi::write_packets(self.pid, &mut self.counter, section, out);
                rest = behind;
            }
            self.held.clear();
        } else if self.assembler.is_idle() {
            out.append(&mut self.held);
            self.lengths.clear();
        } else {
            return;
        }
        self.due.clear();
    }

    /// Nothing may go out yet.
    pub(super) fn discard(&mut self) {
        self.due.clear();
        self.lengths.clear();
        if self.assembler.is_idle() {
            self.held.clear();
        }
    }

    /// Appends a section at once, between those of the source.
    pub(super) fn insert(&mut self, section: &[u8], out: &mut Vec<u8>) {
        self.is_rewritten = true;
        psi::write_packets(self.pid, &mut self.counter, section, out);
    }
}
