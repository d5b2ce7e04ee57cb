//! One PID of sound: converted, passed or left out, with counters that go on whichever it is.

use crate::media::ts::packet;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::remux::report::Counts;
use crate::remux::track::Nature;
use crate::remux::track::Track;

/// Most bytes of a track that are held until it is known whether its sound is what its PMT says.
const HELD_MAX: usize = 32 * 1024;

/// What is done with the packets of a PID.
#[derive(Debug)]
pub(super) enum Work {
    Convert(Box<Track>),
    Pass,
    Drop,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) pid: Pid,
    /// The programme that it belongs to.
    pub(super) program: u16,
    pub(super) work: Work,
    /// Of the next packet that goes out.
    counter: ContinuityCounter,
    /// The counter of the last packet that came, while it is passed.
    last: Option<u8>,
    /// Whether counters go out as they come.
    is_shifted: bool,
    /// Packets whose coding is not known yet.
    held: Vec<u8>,
    /// Packets of the stream when its clock came last.
    ticked: u32,
}

impl Lane {
    pub(super) const fn new(pid: Pid, program: u16, work: Work) -> Self {
        Self {
            pid,
            program,
            work,
            counter: ContinuityCounter::after(15),
            last: None,
            is_shifted: false,
            held: Vec::new(),
            ticked: 0,
        }
    }

    /// From now on this is done with it. What a track has not said yet is appended.
    pub(super) fn turn(&mut self, work: Work, out: &mut Vec<u8>) -> Counts {
        let counts = self.take_counts();
        if let Work::Convert(track) = &mut self.work {
            track.finish(&mut self.counter, out);
        }
        self.last = None;
        self.work = work;
        if matches!(self.work, Work::Pass) {
            let held = std::mem::take(&mut self.held);
            for packet in held.as_chunks::<LEN>().0 {
                self.pass(packet, out);
            }
        }
        self.held = Vec::new();
        counts
    }

    /// Takes the next packet, whose clock reference, if it has one, has become `pcr`. What its sound has turned out to
    /// be where it is not what it was taken for.
    pub(super) fn push(
        &mut self,
        packet: &[u8; LEN],
        pcr: Option<(Pcr, bool)>,
        out: &mut Vec<u8>,
    ) -> Option<Nature> {
        let view = Packet::parse(packet)?;
        if matches!(self.work, Work::Pass) {
            self.pass(packet, out);
            return None;
        }
        if let Some((pcr, jumps)) = pcr {
            // The clock goes on where the packets of sound do not.
            let counter = self.last_out();
            let header =
                Header { pcr: Some(pcr), discontinuity: jumps, ..Header::new(self.pid, counter) };
            header.write(&[], out);
        }
        let Work::Convert(track) = &mut self.work else { return None };
        if view.transport_error() {
            track.miss(false);
            return None;
        }
        if view.scrambling() != 0 {
            track.miss(true);
            if view.has_payload() {
                self.last = None;
                self.pass(packet, out);
            }
            return None;
        }
        let counter = self.counter;
        track.push(packet, &mut self.counter, out);
        self.is_shifted |= self.counter != counter;
        let nature = track.nature();
        match nature {
            Nature::Open if self.held.len() < HELD_MAX => self.held.extend_from_slice(packet),
            Nature::AsTold if !self.held.is_empty() => self.held = Vec::new(),
            Nature::Open | Nature::AsTold => {}
            Nature::Adts | Nature::Foreign => return Some(nature),
        }
        None
    }

    /// Passes a packet with a counter that goes on.
    fn pass(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) {
        let Some(view) = Packet::parse(packet) else { return };
        let counter = view.continuity_counter();
        let start = out.len();
        out.extend_from_slice(packet);
        if !self.is_shifted {
            self.counter = ContinuityCounter::after(counter);
            return;
        }
        let step =
            self.last.map_or(u8::from(view.has_payload()), |last| counter.wrapping_sub(last));
        self.last = Some(counter);
        let counter = self.last_out().wrapping_add(step) & 0x0F;
        self.counter = ContinuityCounter::after(counter);
        if let Some(written) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            packet::set_continuity_counter(written, counter);
        }
    }

    /// The clock of its programme, and how many packets the stream has had by now.
    pub(super) fn tick(&mut self, pcr: Pcr, packets: u32, out: &mut Vec<u8>) {
        let since = packets.wrapping_sub(std::mem::replace(&mut self.ticked, packets));
        if let Work::Convert(track) = &mut self.work {
            track.tick((pcr, since), &mut self.counter, out);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Work::Convert(track) = &mut self.work {
            track.finish(&mut self.counter, out);
        }
    }

    pub(super) fn take_counts(&mut self) -> Counts {
        match &mut self.work {
            Work::Convert(track) => track.take_counts(),
            Work::Pass | Work::Drop => Counts::default(),
        }
    }

    /// The counter of the last packet that went out.
    fn last_out(&self) -> u8 {
        let mut counter = self.counter;
        counter.advance().wrapping_sub(1) & 0x0F
    }
}
