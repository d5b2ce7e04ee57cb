//! The sound of a track, behind its packets: frames are decoded, placed in time and handed to the encoder.

use std::fmt;
use std::sync::Arc;

use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Pcr;
use crate::media::ts::pes::Pts;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::codec::Decode;
use crate::remux::codec::DecodeOptions;
use crate::remux::codec::Pcm;
use crate::remux::frames::Frame;
use crate::remux::frames::Frames;
use crate::remux::header;
use crate::remux::input::Sink;
use crate::remux::level;
use crate::remux::options::Options;
use crate::remux::output::Output;
use crate::remux::probe;
use crate::remux::report::Counts;
use crate::remux::resample::Resampler;
use crate::remux::time;
use crate::remux::time::Flicks;
use crate::remux::timeline::Placement;
use crate::remux::timeline::Timeline;
use crate::remux::track::Nature;
use crate::remux::track::encoding::Encoding;

/// Damaged frames in a row after which nothing is heard until a good one comes: what a decoder makes of them
/// repeats the last good one.
const BAD_MAX: u32 = 5;

/// Frames of which the first ones all come to nothing after which they are not what they seem, or not what the
/// decoder takes.
const TRIES_MAX: u32 = 100;

/// Sound that has been missing for so long while the clock runs is filled with silence, so that players go on.
const QUIET_MAX: Flicks = Flicks::millis(500);

/// A longer step of the clock says nothing about how much sound is missing.
const CLOCK_STEP_MAX: Flicks = Flicks::millis(250);

/// What is filled at once at most: what had to be waited for, and a step of the clock at both ends.
const FILL_MAX: Flicks = Flicks::millis(1000);

/// What is filled for each packet of the stream at most, so that a clock without a stream does not make one: 25 ms,
/// which is 60 kbit/s.
const FILL_OF_PACKET: Flicks = Flicks::millis(25);

/// How long before its time sound may come, at most, as far as it is believed.
const LEAD_MAX: Flicks = Flicks::millis(2000);

/// How much the least lead may rise with a frame.
const LEAD_RISE: Flicks = Flicks::millis(2);

/// Times that are further before the clock or after it, in ticks of 90 kHz, are damage.
const PLAUSIBLE: std::ops::RangeInclusive<i64> = -90_000..=5 * 90_000;

/// See the module.
pub(super) struct Conversion {
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
    /// Of sound that was mixed down.
    gain: f32,
    nature: Nature,
    /// Damaged frames in a row.
    bad: u32,
    /// Something has come of a frame.
    has_decoded: bool,
    /// Something is missing, or the stream says that its clock does not go on.
    is_broken_off: bool,
    clock: Option<Pcr>,
    /// The clock when sound came last, and how long before its time it came.
    quiet_since: Option<Pcr>,
    lead: Flicks,
    /// How much may be filled by now.
    room: Flicks,
    last_pts: Option<Pts>,
    counts: Counts,
}

impl fmt::Debug for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversion").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Sink for Conversion {
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

impl Conversion {
    /// `None` where nothing decodes it.
    pub(super) fn new(
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
            has_decoded: false,
            is_broken_off: false,
            clock: None,
            quiet_since: None,
            lead: LEAD_MAX,
            room: Flicks::ZERO,
            last_pts: None,
            counts: Counts::default(),
        })
    }

    pub(super) const fn coding(&self) -> Coding {
        self.coding
    }

    pub(super) const fn nature(&self) -> Nature {
        self.nature
    }

    /// See [`Track::recode`](super::Track::recode).
    pub(super) fn recode(&mut self, coding: Coding) -> bool {
        let options = DecodeOptions { target_level: self.options.target_level };
        let Some(decoder) = self.codecs.decoder(coding, options) else { return false };
        self.counts.resyncs += self.frames.take_resyncs();
        self.decoder = decoder;
        self.coding = coding;
        self.frames = Frames::new(coding);
        self.nature = Nature::Open;
        (self.bad, self.has_decoded, self.is_broken_off) = (0, false, true);
        true
    }

    /// What comes is not for here: nothing is filled because of it.
    pub(super) fn scrambled(&mut self) {
        self.counts.scrambled += 1;
        self.quiet_since = None;
    }

    pub(super) fn take_counts(&mut self) -> Counts {
        self.counts.resyncs += self.frames.take_resyncs();
        std::mem::take(&mut self.counts)
    }

    /// See [`Track::lead`](super::Track::lead).
    pub(super) fn lead(&self) -> Option<i64> {
        Some(self.last_pts?.since(time::pts_of(self.clock?)))
    }

    /// Converts the frames that are whole.
    pub(super) fn drain(&mut self, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        // It is put back; frames borrow their bytes from it while everything else works on them.
        let mut frames = std::mem::replace(&mut self.frames, Frames::empty());
        let nature = probe::nature_of(&mut frames, |frame| self.take(frame, counter, out));
        // What cannot be decoded or encoded is not what it should be either.
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
        let is_sound = is_decoded && !self.pcm.is_empty() && time::is_rate(self.pcm.rate);
        self.has_decoded |= is_sound;
        if is_intact && is_decoded {
            self.bad = 0;
        } else {
            self.bad = self.bad.saturating_add(1);
            self.counts.bad_frames += 1;
        }
        if !self.has_decoded && self.bad >= TRIES_MAX {
            self.nature = Nature::Foreign;
            return;
        }
        let is_plausible = std::mem::take(&mut self.is_broken_off)
            || frame.pts.is_none_or(|pts| self.is_plausible(pts));
        match self.timeline.place(frame.pts, is_plausible) {
            Placement::Nowhere => return,
            Placement::Follows | Placement::Moved(_) => {}
            Placement::Jump(at) => self.jump(at, counter, out),
        }
        if is_sound {
            self.append(head.channels);
        } else if head.samples > 0 && time::is_rate(head.rate) {
            self.miss(Flicks::samples(head.samples, head.rate));
        }
        self.encode(false, counter, out);
        self.heard();
    }

    /// Whether a frame with this time can come now.
    fn is_plausible(&self, pts: Pts) -> bool {
        self.clock.is_none_or(|pcr| PLAUSIBLE.contains(&pts.since(time::pts_of(pcr))))
    }

    /// The clock begins anew: what is there is encoded as it is.
    fn jump(&mut self, at: Flicks, counter: &mut ContinuityCounter, out: &mut Vec<u8>) {
        if self.encoding.is_none() {
            return; // It is the first frame.
        }
        self.counts.discontinuities += 1;
        self.encode(true, counter, out);
        self.resampler = None;
        if let Some(encoding) = &mut self.encoding {
            encoding.restart(at);
        }
    }

    /// So much time has passed in a frame that is no sound.
    fn miss(&mut self, time: Flicks) {
        self.timeline.advance(time);
        if let (Some(encoding), Some(next)) = (&mut self.encoding, self.timeline.next()) {
            encoding.silence(next, &mut self.counts);
            self.resampler = None;
        }
    }

    /// Appends what was decoded where the timeline says.
    fn append(&mut self, channels: u8) {
        let rate = self.pcm.rate;
        let Some(at) = self.timeline.next() else { return };
        if self.encoding.is_none() {
            self.encoding = Encoding::new(&self.options, &*self.codecs, rate, at);
        }
        let Some(encoding) = &mut self.encoding else {
            self.nature = Nature::Foreign;
            return;
        };
        let [left, right] = &mut self.pcm.channels;
        if right.len() != left.len() {
            right.clone_from(left);
        }
        let is_mixed_down = channels.max(self.pcm.source_channels) > 2;
        if is_mixed_down && self.gain > 1.0 {
            level::amplify(left, self.gain);
            level::amplify(right, self.gain);
            encoding.limit();
        }
        if self.bad >= BAD_MAX {
            // The last one that is heard fades away.
            let begin = if self.bad == BAD_MAX { 1.0 } else { 0.0 };
            level::ramp(left, begin, 0.0);
            level::ramp(right, begin, 0.0);
        }
        self.timeline.advance(Flicks::samples(left.len(), rate));
        let sound = [&left[..], &right[..]];
        if rate == encoding.rate() {
            self.resampler = None;
            encoding.append(sound, at, &mut self.counts);
            return;
        }
        let resampler = match self.resampler.take() {
            Some(resampler) if resampler.from() == rate => resampler,
            _ => Resampler::new(rate, encoding.rate()),
        };
        let resampler = self.resampler.insert(resampler);
        self.resampled.iter_mut().for_each(Vec::clear);
        let at = at.minus(resampler.held());
        resampler.push(sound, &mut self.resampled);
        let sound = self.resampled.each_ref().map(|samples| &samples[..]);
        encoding.append(sound, at, &mut self.counts);
    }

    /// Encodes what is whole; `is_end`: all there is.
    pub(super) fn encode(
        &mut self,
        is_end: bool,
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
    ) {
        let Some(encoding) = &mut self.encoding else { return };
        match encoding.run(is_end, &mut self.output, counter, out, &mut self.counts) {
            Ok(last) => self.last_pts = last.or(self.last_pts),
            Err(_) => {
                self.encoding = None;
                self.nature = Nature::Foreign;
            }
        }
    }

    /// Sound has come.
    fn heard(&mut self) {
        let Some(pcr) = self.clock else { return };
        self.quiet_since = Some(pcr);
        if let Some(encoding) = &self.encoding {
            let end = encoding.end();
            let lead = end.minus(end.near(time::pts_of(pcr)));
            // The least of late: what is filled beyond what is missing would have to be left out again.
            self.lead = lead.min(self.lead.plus(LEAD_RISE));
        }
    }

    /// Fills with silence what has been missing for too long.
    pub(super) fn tick(
        &mut self,
        (pcr, packets): (Pcr, u32),
        counter: &mut ContinuityCounter,
        out: &mut Vec<u8>,
    ) {
        let room = Flicks(FILL_OF_PACKET.0.saturating_mul(i64::from(packets)));
        self.room = self.room.plus(room).min(FILL_MAX);
        let step = self.clock.replace(pcr).map(|last| Flicks::ticks(pcr.since(last) / 300));
        if step.is_none_or(|step| step < Flicks::ZERO || step > CLOCK_STEP_MAX) {
            // A clock that jumps says nothing about what is missing.
            self.quiet_since = self.quiet_since.map(|_| pcr);
            return;
        }
        let (Some(since), Some(encoding)) = (self.quiet_since, &mut self.encoding) else { return };
        if Flicks::ticks(pcr.since(since) / 300) < QUIET_MAX {
            return;
        }
        let end = encoding.end();
        let lead = self.lead.clamp(Flicks::ZERO, LEAD_MAX);
        let due = end.near(time::pts_of(pcr)).plus(lead);
        if due <= end || due.minus(end) > FILL_MAX {
            return;
        }
        encoding.silence(due.min(end.plus(self.room)), &mut self.counts);
        let filled = encoding.end();
        self.room = self.room.minus(filled.minus(end));
        self.timeline.advance(filled.minus(self.timeline.next().unwrap_or(filled)));
        self.resampler = None;
        self.encode(false, counter, out);
    }
}
