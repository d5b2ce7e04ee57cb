//! The beginning of a stream: sound that may be another coding than its PMT says is looked into first, and what comes
//! meanwhile is kept.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::psi::Pmt;
use crate::remux::codec::Coding;
use crate::remux::probe::Probe;
use crate::remux::report::Stage;
use crate::remux::sound::Sound;
use crate::remux::stream::Stream;
use crate::remux::stream::TRACKS_MAX;
use crate::remux::track::Nature;

/// Bytes after which sound that has not shown what it is, is taken for what its PMT says.
const PROBE_MAX: usize = 2 * 1024 * 1024;

impl Stream {
    /// Whether some of the sound has to be looked into before the stream begins.
    pub(super) fn must_probe(&mut self, pmt: &Pmt<'_>) -> bool {
        if self.stage != Stage::Waiting || self.is_probed {
            return false;
        }
        for entry in pmt.streams() {
            let sound = Sound::of(entry.stream_type, entry.descriptors);
            if let Some(Sound::Convertible(coding @ Coding::Mp2)) = sound
                && self.probes.len() < TRACKS_MAX
            {
                self.probes.push(Probe::new(entry.pid, entry.stream_type, coding));
            }
        }
        !self.probes.is_empty()
    }

    /// Keeps a packet until it is known what the sound is, into which it looks.
    pub(super) fn probe(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) {
        self.held.extend_from_slice(packet);
        let view = Packet::parse(packet).filter(|view| !view.transport_error());
        if let Some(view) = view
            && let Some(place) = self.probes.iter().position(|probe| probe.pid == view.pid())
            && let Some(probe) = self.probes.get_mut(place)
        {
            let is_clear = view.scrambling() == 0;
            let nature = if is_clear { probe.push(packet) } else { Nature::AsTold };
            if nature != Nature::Open {
                let probe = self.probes.swap_remove(place);
                self.natures.push((probe.pid, probe.stream_type, nature));
            }
        }
        if self.probes.is_empty() || self.held.len() >= PROBE_MAX {
            self.begin(out);
        }
    }

    /// The sound is known as far as it is going to be.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.probes.clear();
        self.is_probed = true;
        for (pid, section) in std::mem::take(&mut self.pending) {
            let Ok(pmt) = Pmt::parse(&section) else { continue };
            self.plan(&pmt, (pid, &section), out);
            self.announce(pmt.program_number(), out);
        }
        let held = std::mem::take(&mut self.held);
        held.as_chunks::<LEN>().0.iter().for_each(|packet| self.push(packet, out));
    }
}
