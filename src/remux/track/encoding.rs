//! What of a track keeps the rate that it began with: samples that wait for a frame of AAC, and the encoder.

use std::collections::VecDeque;
use std::fmt;

use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::pes::Pts;
use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::Codecs;
use crate::remux::codec::Encode;
use crate::remux::codec::EncodeError;
use crate::remux::codec::EncodeOptions;
use crate::remux::options::Options;
use crate::remux::output;
use crate::remux::output::Output;
use crate::remux::report::Counts;
use crate::remux::samples::Samples;
use crate::remux::time::Flicks;

/// Most access units that an encoder may owe.
const OWED_MAX: usize = 8;

/// Differences up to this are filled by the sound itself, longer ones by silence.
const STRETCH_MAX: Flicks = Flicks::millis(10);

/// See the module. 50 KiB and what the encoder has.
pub(super) struct Encoding {
    samples: Samples,
    encoder: Box<dyn Encode>,
    channels: u8,
    /// When the frames are due whose access units have not come.
    owed: VecDeque<Flicks>,
    frame: Box<[[f32; AAC_FRAME]; 2]>,
    unit: Vec<u8>,
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoding").field("rate", &self.rate()).finish_non_exhaustive()
    }
}

impl Encoding {
    /// Of sound of this rate that begins at `begin`; `None` where no encoder takes it.
    pub(super) fn new(
        options: &Options,
        codecs: &dyn Codecs,
        rate: u32,
        begin: Flicks,
    ) -> Option<Self> {
        let Options { channels, bitrate, encoder, .. } = *options;
        if !output::has_rate(rate) {
            return None;
        }
        Some(Self {
            samples: Samples::new(rate, begin),
            encoder: codecs.encoder(EncodeOptions { rate, channels, bitrate, encoder }).ok()?,
            channels,
            owed: VecDeque::with_capacity(OWED_MAX),
            frame: Box::new([[0.0; AAC_FRAME]; 2]),
            unit: Vec::with_capacity(2048),
        })
    }

    pub(super) const fn rate(&self) -> u32 {
        self.samples.rate()
    }

    /// When the next sample is due that is appended.
    pub(super) fn end(&self) -> Flicks {
        self.samples.end()
    }

    /// From now on samples that pass the ceiling are expected.
    pub(super) fn limit(&mut self) {
        self.samples.limit();
    }

    /// Appends sound that begins at `at`: what is missing before it is filled, and what has been before left out.
    pub(super) fn append(&mut self, sound: [&[f32]; 2], at: Flicks, counts: &mut Counts) {
        let (late, rate) = (at.minus(self.end()), self.rate());
        let (missing, spare) = (late.in_samples(rate), Flicks::ZERO.minus(late).in_samples(rate));
        let samples = &mut self.samples;
        if missing > 0 {
            counts.inserted += Flicks::samples(missing, rate).duration();
            if late <= STRETCH_MAX && missing <= sound[0].len() {
                samples.append_stretched(sound, missing);
            } else {
                samples.silence(missing);
                samples.append(sound);
            }
        } else if spare > 0 {
            let spare = spare.min(sound[0].len());
            counts.dropped += Flicks::samples(spare, rate).duration();
            samples.append_squeezed(sound, spare);
        } else {
            samples.append(sound);
        }
    }

    /// Appends silence up to `until`.
    pub(super) fn silence(&mut self, until: Flicks, counts: &mut Counts) {
        let count = until.minus(self.end()).in_samples(self.rate());
        if count > 0 {
            self.samples.silence(count);
            counts.inserted += Flicks::samples(count, self.rate()).duration();
        }
    }

    /// Begins anew at another time, once everything that was there is encoded.
    pub(super) fn restart(&mut self, begin: Flicks) {
        self.samples.restart(begin);
    }

    /// Encodes the frames that are whole and writes what comes of them; `is_end`: everything that is there. Returns
    /// the presentation time of the last access unit.
    pub(super) fn run(
        &mut self,
        is_end: bool,
        output: &mut Output,
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
        counts: &mut Counts,
    ) -> Result<Option<Pts>, EncodeError> {
        let mut last = None;
        while let Some(at) = self.samples.pop(&mut self.frame, is_end) {
            let [left, right] = &mut *self.frame;
            if self.channels == 1 {
                let both = left.iter_mut().zip(&*right);
                both.for_each(|(left, right)| *left = (*left + right) / 2.0);
            }
            if self.owed.len() == OWED_MAX {
                self.owed.pop_front();
            }
            self.owed.push_back(at);
            self.unit.clear();
            if !self.encoder.encode([left, right], &mut self.unit)? {
                continue;
            }
            // It begins a frame before the samples that it was made of.
            let Some(at) = self.owed.pop_front() else { continue };
            let pts = at.minus(Flicks::samples(AAC_FRAME, self.rate())).pts();
            let form = (self.rate(), self.channels);
            if output.write(&self.unit, form, pts, counter, out) {
                counts.aac_frames += 1;
                last = Some(pts);
            }
        }
        Ok(last)
    }
}
