//! One track of sound that becomes AAC-LC: from its packets over frames, samples and their times to packets of the
//! same PID.

use std::sync::Arc;

use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::input::Input;
use crate::remux::options::Options;
use crate::remux::output::Output;
use crate::remux::report::Counts;
use conversion::Conversion;

mod conversion;
mod encoding;

/// What a track turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Not known yet.
    Open,
    /// What its PMT says.
    AsTold,
    /// AAC in ADTS already.
    Adts,
    /// Something that is not converted.
    Foreign,
}

/// Converts one track; see the module. About 100 KiB, and what its decoder and encoder have.
#[derive(Debug)]
pub(super) struct Track {
    input: Input,
    conversion: Conversion,
}

impl Track {
    /// Before the first packet; `None` where nothing decodes it. It is sound number `index` of its programme.
    pub(super) fn new(
        coding: Coding,
        (pid, index): (Pid, usize),
        options: &Arc<Options>,
        codecs: &Arc<dyn Codecs>,
    ) -> Option<Self> {
        let conversion = Conversion::new(coding, Output::new(pid, index), options, codecs)?;
        Some(Self { input: Input::new(), conversion })
    }

    pub(super) const fn coding(&self) -> Coding {
        self.conversion.coding()
    }

    /// The same track in another coding from now on: its encoder and its clock go on. False where nothing decodes it.
    pub(super) fn recode(&mut self, coding: Coding) -> bool {
        self.input = Input::new();
        self.conversion.recode(coding)
    }

    /// Takes the next packet and appends what comes of it.
    pub(super) fn push(
        &mut self,
        packet: &[u8; LEN],
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
    ) {
        self.input.push(packet, &mut self.conversion);
        self.conversion.drain(counter, out);
    }

    /// A packet has come that cannot be used: damaged, or scrambled.
    pub(super) fn miss(&mut self, is_scrambled: bool) {
        self.input.miss(&mut self.conversion);
        if is_scrambled {
            self.conversion.scrambled();
        }
    }

    /// The clock of its programme, and how many packets the stream has had since it was told last.
    pub(super) fn tick(
        &mut self,
        clock: (Pcr, u32),
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
    ) {
        self.conversion.tick(clock, counter, out);
    }

    /// The source is over.
    pub(super) fn finish(&mut self, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        self.conversion.encode(true, counter, out);
    }

    pub(super) const fn nature(&self) -> Nature {
        self.conversion.nature()
    }

    pub(super) fn take_counts(&mut self) -> Counts {
        self.conversion.take_counts()
    }

    /// How long before the clock of its programme reaches it the last access unit came, in ticks of 90 kHz.
    pub(super) fn lead(&self) -> Option<i64> {
        self.conversion.lead()
    }
}
