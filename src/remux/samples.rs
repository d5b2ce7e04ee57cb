//! Samples on their way from the decoder to the encoder: whose frames are of another length, whose sound must not
//! click where some is missing, and who wants one rate and no sample above full scale.

use crate::remux::codec::AAC_FRAME;
use crate::remux::level;
use crate::remux::level::Limiter;
use crate::remux::time::Flicks;

/// Samples over which sound is faded or goes over into other sound: 5 ms at 48 kHz.
const FADE: usize = 240;

/// A queue of two channels whose first sample has a time. Holds what is appended until it is popped, which is one
/// frame of the source and one of AAC: 24 KiB.
#[derive(Debug)]
pub(super) struct Samples {
    rate: u32,
    channels: [Vec<f32>; 2],
    /// When the first of them is due.
    begin: Flicks,
    limiter: Option<Limiter>,
    /// What is appended next follows silence.
    fades_in: bool,
}

impl Samples {
    pub(super) fn new(rate: u32, begin: Flicks) -> Self {
        let channel = || Vec::with_capacity(4 * AAC_FRAME);
        Self { rate, channels: [channel(), channel()], begin, limiter: None, fades_in: false }
    }

    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// When the next sample is due that is appended.
    pub(super) fn end(&self) -> Flicks {
        self.begin.plus(Flicks::samples(self.len(), self.rate))
    }

    /// From now on samples that pass the ceiling are expected.
    pub(super) fn limit(&mut self) {
        self.limiter.get_or_insert_with(Limiter::new);
    }

    /// Appends sound.
    pub(super) fn append(&mut self, sound: [&[f32]; 2]) {
        let fades_in = std::mem::take(&mut self.fades_in);
        for (channel, sound) in self.channels.iter_mut().zip(sound) {
            let start = channel.len();
            channel.extend_from_slice(sound);
            let new = channel.get_mut(start..).unwrap_or_default();
            if fades_in && let Some(begin) = new.get_mut(..FADE.min(sound.len())) {
                level::ramp(begin, 0.0, 1.0);
            }
        }
    }

    /// Appends so many samples of silence.
    pub(super) fn silence(&mut self, count: usize) {
        for channel in &mut self.channels {
            if !self.fades_in {
                let start = channel.len().saturating_sub(FADE);
                level::ramp(channel.get_mut(start..).unwrap_or_default(), 1.0, 0.0);
            }
            channel.resize(channel.len() + count, 0.0);
        }
        self.fades_in = true;
    }

    /// Appends sound after so few samples that its own beginning can stand for them: it is heard twice, the second
    /// time out of the first.
    pub(super) fn append_stretched(&mut self, sound: [&[f32]; 2], by: usize) {
        let by = by.min(sound[0].len());
        let begin = sound.map(|sound| sound.get(..by).unwrap_or_default());
        self.append(begin);
        let start = self.len();
        self.append(sound);
        self.cross(start, sound.map(|sound| sound.get(by..).unwrap_or_default()));
    }

    /// Appends sound without its first samples, out of which it goes over into itself. All of it may be left out.
    pub(super) fn append_squeezed(&mut self, sound: [&[f32]; 2], by: usize) {
        let start = self.len();
        self.append(sound.map(|sound| sound.get(by..).unwrap_or_default()));
        self.cross(start, sound);
    }

    /// Lets what was appended at `start` come out of `from`.
    fn cross(&mut self, start: usize, from: [&[f32]; 2]) {
        for (channel, from) in self.channels.iter_mut().zip(from) {
            let into = channel.get_mut(start..).unwrap_or_default();
            let len = FADE.min(into.len()).min(from.len());
            #[expect(clippy::cast_precision_loss, reason = "at most 240")]
            for (index, (sample, from)) in into.iter_mut().zip(from).take(len).enumerate() {
                let part = index as f32 / len as f32;
                *sample = *sample * part + from * (1.0 - part);
            }
        }
    }

    /// The first frame, and when it is due, once it is whole. Its samples are within full scale. `is_end`: what is
    /// there is all, and silence stands for what is missing.
    pub(super) fn pop(
        &mut self,
        frame: &mut [[f32; AAC_FRAME]; 2],
        is_end: bool,
    ) -> Option<Flicks> {
        let ahead = if self.limiter.is_some() { level::BLOCK } else { 0 };
        if self.len() == 0 || (self.len() < AAC_FRAME + ahead && !is_end) {
            return None;
        }
        let taken = AAC_FRAME.min(self.len());
        for (frame, channel) in frame.iter_mut().zip(&self.channels) {
            let (to, rest) = frame.split_at_mut(taken);
            to.iter_mut().zip(channel).for_each(|(to, from)| *to = *from);
            rest.fill(0.0);
        }
        if let Some(limiter) = &mut self.limiter {
            let [left, right] = frame;
            let ahead = self.channels.each_ref().map(|channel| {
                let rest = channel.get(taken..).unwrap_or_default();
                rest.get(..level::BLOCK).unwrap_or(rest)
            });
            limiter.run([left, right], ahead);
        }
        self.channels.iter_mut().for_each(|channel| _ = channel.drain(..taken));
        frame.iter_mut().for_each(|frame| level::clamp(frame));
        let at = self.begin;
        self.begin = at.plus(Flicks::samples(AAC_FRAME, self.rate));
        Some(at)
    }

    /// Begins anew at another time, once there is nothing in it.
    pub(super) fn restart(&mut self, begin: Flicks) {
        self.channels.iter_mut().for_each(Vec::clear);
        self.begin = begin;
        self.fades_in = true;
    }

    fn len(&self) -> usize {
        self.channels[0].len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn tone(from: usize, count: usize) -> Vec<f32> {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let sample = |index: usize| ((from + index) as f32 * 0.05).sin() * 0.5;
        (0..count).map(sample).collect()
    }

    /// The largest step from one sample to the next.
    fn step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    fn frame() -> Box<[[f32; AAC_FRAME]; 2]> {
        Box::new([[0.0; AAC_FRAME]; 2])
    }

    #[test]
    fn frames_come_out_whole_with_their_times() {
        let mut samples = Samples::new(RATE, Flicks::ticks(1000));
        let mut out = frame();
        assert_eq!(samples.pop(&mut out, false), None);
        samples.append([&tone(0, 1536), &tone(7, 1536)]);
        assert_eq!(samples.end(), Flicks::ticks(1000 + 2880));
        assert_eq!(samples.pop(&mut out, false), Some(Flicks::ticks(1000)));
        assert_eq!((&out[0][..], &out[1][..]), (&tone(0, 1024)[..], &tone(7, 1024)[..]));
        assert_eq!(samples.pop(&mut out, false), None);
        assert_eq!(samples.pop(&mut out, true), Some(Flicks::ticks(1000 + 1920)));
        assert_eq!(out[0][..512], tone(1024, 512));
        assert!(out[0][512..].iter().all(|sample| *sample == 0.0));
        assert_eq!(samples.pop(&mut out, true), None);
    }

    #[test]
    fn nothing_clicks_where_some_is_missing_or_too_much() {
        let smooth = step(&tone(0, 1000));
        for by in [1, 30, 200, 480] {
            let mut samples = Samples::new(RATE, Flicks::ZERO);
            samples.append([&tone(0, 1000), &tone(0, 1000)]);
            // What follows is as if there had been more, or less.
            samples.append_stretched([&tone(1000, 1536), &tone(1000, 1536)], by);
            assert_eq!(samples.len(), 2536 + by);
            assert!(step(&samples.channels[0]) < 2.0 * smooth, "{by}");
            assert_eq!(samples.channels[0].last(), tone(1000, 1536).last());
            samples.append_squeezed([&tone(2536, 1536), &tone(2536, 1536)], by);
            assert_eq!(samples.len(), 2536 + 1536);
            assert!(step(&samples.channels[0]) < 2.0 * smooth, "{by}");
        }
        let mut samples = Samples::new(RATE, Flicks::ZERO);
        samples.append([&tone(0, 1000), &tone(0, 1000)]);
        samples.silence(700);
        samples.silence(300);
        samples.append([&tone(5, 1000), &tone(5, 1000)]);
        assert_eq!(samples.len(), 3000);
        assert!(step(&samples.channels[0]) < 2.0 * smooth);
        assert!(samples.channels[0][1000..2001].iter().all(|sample| *sample == 0.0));
        // All of it may be left out.
        samples.append_squeezed([&[1.0; 100], &[1.0; 100]], 100);
        assert_eq!(samples.len(), 3000);
    }

    #[test]
    fn loud_sound_is_limited_only_where_it_was_mixed_down() {
        let loud = vec![1.5_f32; 2 * AAC_FRAME];
        let mut out = frame();
        let mut samples = Samples::new(RATE, Flicks::ZERO);
        samples.append([&loud, &loud]);
        samples.pop(&mut out, false).unwrap();
        assert!(out[0].iter().all(|sample| *sample == 1.0));
        let mut samples = Samples::new(RATE, Flicks::ZERO);
        samples.limit();
        samples.append([&loud[..AAC_FRAME], &loud[..AAC_FRAME]]);
        assert_eq!(samples.pop(&mut out, false), None, "it looks ahead");
        samples.append([&loud[..AAC_FRAME], &loud[..AAC_FRAME]]);
        samples.pop(&mut out, false).unwrap();
        assert!(out[0].iter().all(|sample| *sample < 0.9));
    }
}
