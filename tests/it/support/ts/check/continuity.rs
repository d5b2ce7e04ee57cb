//! continuity_counter of one PID, by the letter of ISO/IEC 13818-1 2.4.3.3 and 2.4.3.5:
//! - it counts packets with a payload, modulo 16, and stands still in packets without;
//! - a packet with a payload may be sent twice, and only twice, in direct succession on its PID;
//!   the copy keeps the counter and every byte but those of a PCR;
//! - a packet with discontinuity_indicator may jump, once in a succession of such packets, on the
//!   PCR_PID only where the packet brings the PCR of a new time base, and never onto the counter of
//!   the packet before, which a decoder might then discard as a copy;
//! - such a succession is at most two packets long, on the PCR_PID it ends with the new PCR.

use super::super::PACKET;
use super::packet::Packet;

/// What has gone before on a PID.
#[derive(Clone, Debug, Default)]
pub(crate) struct Continuity {
    last: Option<Last>,
}

#[derive(Clone, Debug)]
struct Last {
    bytes: [u8; PACKET],
    counter: u8,
    has_payload: bool,
    is_duplicate: bool,
    /// Packets with discontinuity_indicator in succession, this one included.
    run: u32,
    /// That succession has had its jump.
    jumped: bool,
    /// That succession waits for the PCR of a new time base.
    owes_pcr: bool,
}

/// How a packet follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// As it should, or the first of its PID.
    Next,
    /// The one legal copy of the packet before.
    Duplicate,
    /// A jump that discontinuity_indicator allows.
    Jumped,
    /// Wrongly.
    Broken {
        /// The counter that was due.
        expected: u8,
    },
}

impl Continuity {
    /// Judges `packet`; `clock` says that its PID is a PCR_PID.
    pub(crate) fn step(&mut self, packet: &Packet<'_>, clock: bool) -> Step {
        let step = self.last.as_ref().map_or(Step::Next, |last| last.step(packet, clock));
        let before = self.last.as_ref();
        let run = before.map_or(0, |last| last.run);
        let jumped = run > 0 && before.is_some_and(|last| last.jumped);
        self.last = Some(Last {
            bytes: *packet.bytes,
            counter: packet.counter,
            has_payload: packet.has_payload,
            is_duplicate: step == Step::Duplicate,
            run: if packet.discontinuity { run + 1 } else { 0 },
            jumped: packet.discontinuity && (jumped || step == Step::Jumped),
            owes_pcr: clock && packet.discontinuity && packet.pcr.is_none(),
        });
        step
    }

    /// What is wrong with the discontinuity_indicator of `packet`, which comes next.
    pub(crate) fn misuse(&self, packet: &Packet<'_>, clock: bool) -> Option<&'static str> {
        let last = self.last.as_ref()?;
        if last.owes_pcr && !packet.discontinuity {
            return Some("discontinuity_indicator ends before the PCR of the new time base");
        }
        let third = packet.discontinuity && last.run >= 2 && !clock;
        third.then_some("discontinuity_indicator in three packets in succession")
    }
}

impl Last {
    fn step(&self, packet: &Packet<'_>, clock: bool) -> Step {
        let expected = (self.counter + u8::from(packet.has_payload)) % 16;
        if packet.counter == expected {
            return Step::Next;
        }
        // The counter of a copy is that of `self`, which `expected` is not: both have a payload.
        let first = packet.has_payload && self.has_payload && !self.is_duplicate;
        if first && packet.counter == self.counter && packet.repeats(&self.bytes) {
            return Step::Duplicate;
        }
        let spent = self.run > 0 && self.jumped;
        let like_a_copy = packet.has_payload && self.has_payload && packet.counter == self.counter;
        let licensed =
            packet.discontinuity && !spent && !like_a_copy && (!clock || packet.pcr.is_some());
        if licensed { Step::Jumped } else { Step::Broken { expected } }
    }
}
