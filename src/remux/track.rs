//! One track of sound that becomes AAC-LC: from its packets over frames, samples and their times to packets of the
//! same PID.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::codec::Decode;
use crate::remux::codec::DecodeOptions;
use crate::remux::codec::Encode;
use crate::remux::codec::EncodeOptions;
use crate::remux::codec::Pcm;
use crate::remux::frames::Frame;
use crate::remux::frames::Frames;
use crate::remux::header;
use crate::remux::input::Input;
use crate::remux::input::Sink;
use crate::remux::level;
use crate::remux::options::Options;
use crate::remux::output;
use crate::remux::output::Output;
use crate::remux::probe;
use crate::remux::report::Counts;
use crate::remux::resample::Resampler;
use crate::remux::samples::Samples;
use crate::remux::time;
use crate::remux::time::Flicks;
use crate::remux::timeline::Placement;
use crate::remux::timeline::Timeline;

#[cfg(test)]
mod tests;

/// Damaged frames in a row after which nothing is heard until a good one comes: what a decoder makes of them
/// repeats the last good one.
const BAD_MAX: u32 = 5;

/// Sound that has been missing for so long while the clock runs is filled with silence, so that players go on.
const QUIET_MAX: Flicks = Flicks::millis(500);

/// A longer step of the clock says nothing about how much sound is missing.
const CLOCK_STEP_MAX: Flicks = Flicks::millis(250);

/// How long before its time sound may come, at most, as far as it is believed.
const LEAD_MAX: Flicks = Flicks::millis(2000);

/// How much the least lead may rise with a frame.
const LEAD_RISE: Flicks = Flicks::millis(2);

/// Times that are more than this before the clock, or after it, are damage.
const EARLY_MAX: i64 = 90_000;
const LATE_MAX: i64 = 5 * 90_000;

/// Differences up to this are filled by the sound itself, longer ones by silence.
const STRETCH_MAX: Flicks = Flicks::millis(10);

/// Most access units that an encoder may owe.
const OWED_MAX: usize = 8;

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

/// Converts one track; see the module. About 300 KiB with the memory of its codecs.
#[derive(Debug)]
pub(super) struct Track {
    input: Input,
    sound: Sound,
}

impl Track {
    /// Before the first packet; `None` where nothing decodes it. It is sound number `index` of its programme.
    pub(super) fn new(
        coding: Coding,
        (pid, index): (Pid, usize),
        options: &Arc<Options>,
        codecs: &Arc<dyn Codecs>,
    ) -> Option<Self> {
        let sound = Sound::new(coding, Output::new(pid, index), options, codecs)?;
        Some(Self { input: Input::new(), sound })
    }

    pub(super) const fn coding(&self) -> Coding {
        self.sound.coding
    }

    /// The same track in another coding from now on: its encoder and its clock go on. False where nothing decodes it.
    pub(super) fn recode(&mut self, coding: Coding) -> bool {
        let sound = &mut self.sound;
        let options = DecodeOptions { target_level: sound.options.target_level };
        let Some(decoder) = sound.codecs.decoder(coding, options) else { return false };
        sound.decoder = decoder;
        sound.coding = coding;
        sound.frames = Frames::new(coding);
        self.input = Input::new();
        sound.is_broken_off = true;
        true
    }

    /// Takes the next packet and appends what comes of it.
    pub(super) fn push(
        &mut self,
        packet: &[u8; LEN],
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
    ) {
        self.input.push(packet, &mut self.sound);
        self.sound.drain(counter, out);
    }

    /// A packet has come that cannot be used: damaged, or scrambled.
    pub(super) fn miss(&mut self, is_scrambled: bool) {
        self.input.miss(&mut self.sound);
        if is_scrambled {
            self.sound.counts.scrambled += 1;
            // What is missing is there, for whoever has the key.
            self.sound.quiet_since = None;
        }
    }

    /// The clock of its programme.
    pub(super) fn tick(&mut self, pcr: Pcr, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        self.sound.tick(pcr, counter, out);
    }

    /// The source is over.
    pub(super) fn finish(&mut self, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        self.sound.flush(counter, out);
    }

    pub(super) const fn nature(&self) -> Nature {
        self.sound.nature
    }

    pub(super) fn take_counts(&mut self) -> Counts {
        self.sound.counts.resyncs += self.sound.frames.take_resyncs();
        std::mem::take(&mut self.sound.counts)
    }

    /// How long before the clock of its programme reaches it the last access unit came, in ticks of 90 kHz.
    pub(super) fn lead(&self) -> Option<i64> {
        Some(self.sound.last_pts?.since(time::pts_of(self.sound.clock?)))
    }
}

/// Everything behind the packets of the source.
struct Sound {
    coding: Coding,
    options: Arc<Options>,
    codecs: Arc<dyn Codecs>,
    frames: Frames,
    decoder: Box<dyn Decode>,
    pcm: Pcm,
    /// Samples at the rate of the encoder.
    resampled: [Vec<f32>; 2],
    resampler: Option<Resampler>,
    timeline: Timeline,
    /// `None` before the first frame, which says the rate.
    encoding: Option<Encoding>,
    output: Output,
    gain: f32,
    nature: Nature,
    /// Damaged frames in a row.
    bad: u32,
    /// Something is missing, or the stream says that its clock does not go on.
    is_broken_off: bool,
    clock: Option<Pcr>,
    /// The clock when sound came last, and how long before its time it came.
    quiet_since: Option<Pcr>,
    lead: Flicks,
    last_pts: Option<Pts>,
    counts: Counts,
}

/// What has the rate that the track began with.
struct Encoding {
    samples: Samples,
    encoder: Box<dyn Encode>,
    /// When the frames are due whose access units have not come.
    owed: VecDeque<Flicks>,
    frame: Box<[[f32; AAC_FRAME]; 2]>,
    unit: Vec<u8>,
}

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sound").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Sink for Sound {
    fn begin(&mut self, pts: Option<Pts>) {
        if let Some(pts) = pts {
            self.frames.mark(pts);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.frames.append(bytes);
    }

    fn lost(&mut self, is_told: bool) {
        self.is_broken_off = true;
        if !is_told {
            self.frames.lose();
        }
    }
}

impl Sound {
    fn new(
        coding: Coding,
        output: Output,
        options: &Arc<Options>,
        codecs: &Arc<dyn Codecs>,
    ) -> Option<Self> {
        let decoding = DecodeOptions { target_level: options.target_level };
        Some(Self {
            coding,
            options: Arc::clone(options),
            codecs: Arc::clone(codecs),
            frames: Frames::new(coding),
            decoder: codecs.decoder(coding, decoding)?,
            pcm: Pcm::default(),
            resampled: Default::default(),
            resampler: None,
            timeline: Timeline::default(),
            encoding: None,
            output,
            gain: level::factor(options.downmix_gain_db),
            nature: Nature::Open,
            bad: 0,
            is_broken_off: false,
            clock: None,
            quiet_since: None,
            lead: LEAD_MAX,
            last_pts: None,
            counts: Counts::default(),
        })
    }

    /// Converts the frames that are whole.
    fn drain(&mut self, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        // It is put back; frames borrow their bytes from it while the rest of the track works on them.
        let mut frames = std::mem::replace(&mut self.frames, Frames::empty());
        let nature = probe::nature_of(&mut frames, |frame| self.take(frame, counter, out));
        // What cannot be encoded is not what it should be either.
        if self.nature == Nature::Open {
            self.nature = nature.unwrap_or(Nature::Open);
        }
        self.frames = frames;
    }

    /// Takes a frame.
    fn take(&mut self, frame: &Frame<'_>, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        let head = frame.head;
        self.counts.frames += 1;
        let own = frame.bytes.get(..head.len).unwrap_or_default();
        let is_intact = !head.is_checked || header::is_intact(own);
        let is_decoded = self.decoder.decode(frame.bytes, &mut self.pcm).is_ok();
        let is_usable = is_decoded && !self.pcm.is_empty() && time::is_rate(self.pcm.rate);
        if is_intact && is_decoded {
            self.bad = 0;
        } else {
            self.bad = self.bad.saturating_add(1);
            self.counts.bad_frames += 1;
        }
        let is_plausible = std::mem::take(&mut self.is_broken_off)
            || frame.pts.is_none_or(|pts| self.is_plausible(pts));
        match self.timeline.place(frame.pts, is_plausible) {
            Placement::Nowhere => return,
            Placement::Follows | Placement::Moved(_) => {}
            Placement::Jump(at) => self.jump(at, counter, out),
        }
        if is_usable {
            self.append(head.channels);
        } else if head.samples > 0 && time::is_rate(head.rate) {
            self.miss(Flicks::samples(head.samples, head.rate));
        }
        self.encode(false, counter, out);
        self.heard();
    }

    /// Whether a frame with this time can come now.
    fn is_plausible(&self, pts: Pts) -> bool {
        self.clock.is_none_or(|pcr| (-EARLY_MAX..=LATE_MAX).contains(&pts.since(time::pts_of(pcr))))
    }

    /// The clock begins anew: what is there is encoded as it is.
    fn jump(&mut self, at: Flicks, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        if self.encoding.is_none() {
            return; // It is the first frame.
        }
        self.counts.discontinuities += 1;
        self.flush(counter, out);
        self.resampler = None;
        if let Some(encoding) = &mut self.encoding {
            encoding.samples.restart(at);
        }
    }

    /// So much time has passed in a frame that is no sound.
    fn miss(&mut self, time: Flicks) {
        if let Some(encoding) = &mut self.encoding {
            let samples = &mut encoding.samples;
            let count = self.timeline.next().unwrap_or_default().plus(time).minus(samples.end());
            let count = count.in_samples(samples.rate());
            samples.silence(count);
            self.counts.inserted += Flicks::samples(count, samples.rate()).duration();
            self.resampler = None;
        }
        self.timeline.advance(time);
    }

    /// Appends what was decoded where the timeline says.
    fn append(&mut self, channels: u8) {
        let rate = self.pcm.rate;
        let Some(at) = self.timeline.next() else { return };
        if self.encoding.is_none() {
            self.encoding = self.encoding(rate, at);
        }
        let Some(encoding) = &mut self.encoding else {
            self.nature = Nature::Foreign;
            return;
        };
        let samples = &mut encoding.samples;
        let [left, right] = &mut self.pcm.channels;
        if right.len() != left.len() {
            right.clone_from(left);
        }
        let is_mixed_down = channels.max(self.pcm.source_channels) > 2;
        if is_mixed_down && self.gain > 1.0 {
            level::amplify(left, self.gain);
            level::amplify(right, self.gain);
            samples.limit();
        }
        if self.bad >= BAD_MAX {
            // The last one that is heard fades away.
            let end = if self.bad == BAD_MAX { 1.0 } else { 0.0 };
            level::ramp(left, end, 0.0);
            level::ramp(right, end, 0.0);
        }
        self.timeline.advance(Flicks::samples(left.len(), rate));
        let mut late = at.minus(samples.end());
        let mut sound = [&left[..], &right[..]];
        if rate == samples.rate() {
            self.resampler = None;
        } else {
            let fits = |resampler: &Resampler| resampler.from() == rate;
            if !self.resampler.as_ref().is_some_and(fits) {
                self.resampler = Some(Resampler::new(rate, samples.rate()));
            }
            self.resampled.iter_mut().for_each(Vec::clear);
            if let Some(resampler) = &mut self.resampler {
                late = late.minus(resampler.held());
                resampler.push(sound, &mut self.resampled);
            }
            sound = self.resampled.each_ref().map(|samples| &samples[..]);
        }
        let rate = samples.rate();
        let (missing, spare) = (late.in_samples(rate), Flicks::ZERO.minus(late).in_samples(rate));
        if missing == 0 && spare == 0 {
            samples.append(sound);
        } else if missing > 0 {
            self.counts.inserted += Flicks::samples(missing, rate).duration();
            if late <= STRETCH_MAX && missing <= sound[0].len() {
                samples.append_stretched(sound, missing);
            } else {
                samples.silence(missing);
                samples.append(sound);
            }
        } else {
            let spare = spare.min(sound[0].len());
            self.counts.dropped += Flicks::samples(spare, rate).duration();
            samples.append_squeezed(sound, spare);
        }
    }

    /// What encodes sound of this rate that begins at this time.
    fn encoding(&self, rate: u32, at: Flicks) -> Option<Encoding> {
        let options = EncodeOptions {
            rate,
            channels: self.options.channels,
            bitrate: self.options.bitrate,
            encoder: self.options.encoder,
        };
        if !output::has_rate(rate) {
            return None;
        }
        Some(Encoding {
            samples: Samples::new(rate, at),
            encoder: self.codecs.encoder(options).ok()?,
            owed: VecDeque::with_capacity(OWED_MAX),
            frame: Box::new([[0.0; AAC_FRAME]; 2]),
            unit: Vec::with_capacity(2048),
        })
    }

    /// Encodes what is whole; `is_end`: all there is.
    fn encode(&mut self, is_end: bool, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        let Some(encoding) = &mut self.encoding else { return };
        let (rate, channels) = (encoding.samples.rate(), self.options.channels);
        while let Some(at) = encoding.samples.pop(&mut encoding.frame, is_end) {
            let [left, right] = &mut *encoding.frame;
            if channels == 1 {
                left.iter_mut()
                    .zip(&*right)
                    .for_each(|(left, right)| *left = (*left + right) / 2.0);
            }
            if encoding.owed.len() == OWED_MAX {
                encoding.owed.pop_front();
            }
            encoding.owed.push_back(at);
            encoding.unit.clear();
            match encoding.encoder.encode([left, right], &mut encoding.unit) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(_) => {
                    self.encoding = None;
                    self.nature = Nature::Foreign;
                    return;
                }
            }
            // It begins a frame before the samples that it was made of.
            let Some(at) = encoding.owed.pop_front() else { continue };
            let pts = at.minus(Flicks::samples(AAC_FRAME, rate)).pts();
            if self.output.write(&encoding.unit, (rate, channels), pts, counter, out) {
                self.counts.aac_frames += 1;
                self.last_pts = Some(pts);
            }
        }
    }

    fn flush(&mut self, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        self.encode(true, counter, out);
    }

    /// Sound has come.
    fn heard(&mut self) {
        let Some(pcr) = self.clock else { return };
        self.quiet_since = Some(pcr);
        if let Some(encoding) = &self.encoding {
            let end = encoding.samples.end();
            let lead = end.minus(end.near(time::pts_of(pcr)));
            // The least of late: what is filled beyond what is missing would have to be left out again.
            self.lead = lead.min(self.lead.plus(LEAD_RISE));
        }
    }

    /// Fills with silence what has been missing for too long.
    fn tick(&mut self, pcr: Pcr, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        let step = self.clock.replace(pcr).map(|last| pcr.since(last));
        let step = step.map(|step| Flicks::ticks(step / 300));
        if step.is_none_or(|step| step < Flicks::ZERO || step > CLOCK_STEP_MAX) {
            // A clock that jumps says nothing about what is missing.
            self.quiet_since = self.quiet_since.map(|_| pcr);
            return;
        }
        let (Some(since), Some(encoding)) = (self.quiet_since, &mut self.encoding) else { return };
        if Flicks::ticks(pcr.since(since) / 300) < QUIET_MAX {
            return;
        }
        let samples = &mut encoding.samples;
        let end = samples.end();
        let due = end.near(time::pts_of(pcr)).plus(self.lead.clamp(Flicks::ZERO, LEAD_MAX));
        let missing = due.minus(end);
        // At most what a step of the clock and the time until now are.
        if missing > QUIET_MAX.plus(CLOCK_STEP_MAX).plus(CLOCK_STEP_MAX) {
            return;
        }
        let count = missing.in_samples(samples.rate());
        if count == 0 {
            return;
        }
        samples.silence(count);
        let inserted = Flicks::samples(count, samples.rate());
        self.counts.inserted += inserted.duration();
        let end = samples.end();
        self.timeline.advance(end.minus(self.timeline.next().unwrap_or(end)));
        self.resampler = None;
        self.encode(false, counter, out);
    }
}
