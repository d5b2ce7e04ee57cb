//! Codecs for tests: such that carry the time of their samples from one end to the other, and a look over the
//! shoulder of real ones.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use weir::remux::Codecs;
use weir::remux::Coding;
use weir::remux::codec::AAC_FRAME;
use weir::remux::codec::BuiltIn;
use weir::remux::codec::Damaged;
use weir::remux::codec::Decode;
use weir::remux::codec::DecodeOptions;
use weir::remux::codec::Encode;
use weir::remux::codec::EncodeError;
use weir::remux::codec::EncodeOptions;
use weir::remux::codec::Pcm;
use weir::remux::codec::SAMPLES_MAX;

use crate::frames;
use crate::frames::AC3_SAMPLES;
use crate::support::programs::skipped;

/// Samples after which a value comes again: f32 tells so many apart.
pub(crate) const AGAIN: u64 = 1 << 20;

/// The value of sample `number`.
fn value(number: u64) -> f32 {
    (number % AGAIN) as f32 / AGAIN as f32 - 0.5
}

/// The number of a sample, from 0 to [`AGAIN`].
pub(crate) fn number(value: f32) -> u64 {
    ((f64::from(value) + 0.5) * AGAIN as f64).round() as u64
}

/// What an encoder was given: samples of the left channel at the beginning, a quarter, a half and so on.
pub(crate) type Note = [f32; 4];

/// Decoders that give each sample of [`frames::ac3`] its number as its value, and encoders that note it. An access unit holds
/// the number of its note.
#[derive(Debug, Default)]
pub(crate) struct Numbered {
    pub(crate) notes: Arc<Mutex<Vec<Note>>>,
    /// Frames that an encoder has before the first access unit comes.
    pub(crate) lag: usize,
}

impl Codecs for Numbered {
    fn decodes(&self, coding: Coding) -> bool {
        coding == Coding::Ac3
    }

    fn decoder(&self, coding: Coding, _: DecodeOptions) -> Option<Box<dyn Decode>> {
        self.decodes(coding).then(|| Box::new(NumberedDecoder) as _)
    }

    fn encoder(&self, options: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
        assert_eq!(options.rate, 48_000);
        let notes = Arc::clone(&self.notes);
        Ok(Box::new(NumberedEncoder { notes, waiting: Vec::new(), lag: self.lag }))
    }
}

struct NumberedDecoder;

impl Decode for NumberedDecoder {
    fn decode(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        pcm.clear();
        let first = frames::number(frame).ok_or(Damaged)?.wrapping_mul(AC3_SAMPLES);
        (pcm.rate, pcm.source_channels) = (48_000, 2);
        let [left, right] = &mut pcm.channels;
        left.extend((0..AC3_SAMPLES).map(|at| value(first.wrapping_add(at))));
        right.extend(left.iter().map(|value| -value));
        Ok(())
    }
}

struct NumberedEncoder {
    notes: Arc<Mutex<Vec<Note>>>,
    waiting: Vec<u64>,
    lag: usize,
}

impl Encode for NumberedEncoder {
    fn encode(
        &mut self,
        [left, right]: [&[f32]; 2],
        out: &mut Vec<u8>,
    ) -> Result<bool, EncodeError> {
        assert_eq!((left.len(), right.len()), (AAC_FRAME, AAC_FRAME));
        assert!(
            left.iter().zip(right).all(|(left, right)| *left == -right),
            "the channels are apart"
        );
        let mut notes = self.notes.lock().unwrap();
        self.waiting.push(notes.len() as u64);
        notes.push([0, 256, 512, 768].map(|at| left[at]));
        if self.waiting.len() <= self.lag {
            return Ok(false);
        }
        out.extend(self.waiting.remove(0).to_be_bytes());
        Ok(true)
    }
}

/// The codecs of this build, watched.
pub(crate) fn real() -> Arc<Watched> {
    Arc::new(Watched { codecs: Arc::new(BuiltIn), seen: Arc::default() })
}

/// The same; `None`, loudly, where they do not decode what most television has.
pub(crate) fn of_television() -> Option<Arc<Watched>> {
    if BuiltIn.decodes(Coding::Ac3) {
        return Some(real());
    }
    skipped("this build does not decode AC-3: it is without the feature libav");
    None
}

/// Codecs whose contract with the converter is checked at every call.
#[derive(Debug)]
pub(crate) struct Watched {
    codecs: Arc<dyn Codecs>,
    seen: Arc<Seen>,
}

/// What was seen of both sides.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Frames that decoders were given, those that they made nothing of, and samples that they gave.
    pub(crate) frames: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) samples: AtomicU64,
    /// Frames that encoders were given.
    pub(crate) encoded: AtomicU64,
    /// Samples that no encoder should be given: beyond full scale, or no number.
    pub(crate) beyond: AtomicU64,
    /// Answers of decoders that break the rules.
    pub(crate) wrong: AtomicU64,
}

impl Watched {
    /// What these decode.
    pub(crate) fn codings(&self) -> Vec<Coding> {
        Coding::ALL.into_iter().filter(|coding| self.codecs.decodes(*coding)).collect()
    }

    /// Fails the test if either side has broken the rules.
    ///
    /// # Panics
    /// With what was seen.
    #[track_caller]
    pub(crate) fn assert_kept(&self, what: &str) {
        let Seen { beyond, wrong, .. } = &*self.seen;
        let [beyond, wrong] = [beyond, wrong].map(|count| count.load(Ordering::Relaxed));
        assert_eq!((beyond, wrong), (0, 0), "{what}: {:?}", self.seen);
    }
}

impl Codecs for Watched {
    fn decodes(&self, coding: Coding) -> bool {
        self.codecs.decodes(coding)
    }

    fn decoder(&self, coding: Coding, options: DecodeOptions) -> Option<Box<dyn Decode>> {
        let decoder = self.codecs.decoder(coding, options);
        assert!(
            decoder.is_none() || self.decodes(coding),
            "{coding} is decoded, and is not said to be"
        );
        Some(Box::new(WatchedDecoder { decoder: decoder?, seen: Arc::clone(&self.seen) }))
    }

    fn encoder(&self, options: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
        let encoder = self.codecs.encoder(options)?;
        Ok(Box::new(WatchedEncoder { encoder, seen: Arc::clone(&self.seen) }))
    }
}

struct WatchedDecoder {
    decoder: Box<dyn Decode>,
    seen: Arc<Seen>,
}

impl Decode for WatchedDecoder {
    fn decode(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        let answer = self.decoder.decode(frame, pcm);
        self.seen.frames.fetch_add(1, Ordering::Relaxed);
        self.seen.samples.fetch_add(pcm.len() as u64, Ordering::Relaxed);
        self.seen.damaged.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
        let [left, right] = &pcm.channels;
        let lengths = right.is_empty() || right.len() == left.len();
        let kept = left.len() <= SAMPLES_MAX && lengths && (answer.is_ok() || pcm.is_empty());
        self.seen.wrong.fetch_add(u64::from(!kept), Ordering::Relaxed);
        answer
    }
}

struct WatchedEncoder {
    encoder: Box<dyn Encode>,
    seen: Arc<Seen>,
}

impl Encode for WatchedEncoder {
    fn encode(&mut self, frame: [&[f32]; 2], out: &mut Vec<u8>) -> Result<bool, EncodeError> {
        let samples = frame.iter().flat_map(|channel| channel.iter());
        let beyond = samples.filter(|sample| !(-1.0..=1.0).contains(*sample)).count();
        let short = usize::from(frame[0].len() != AAC_FRAME);
        self.seen.encoded.fetch_add(1, Ordering::Relaxed);
        self.seen.beyond.fetch_add((beyond + short) as u64, Ordering::Relaxed);
        self.encoder.encode(frame, out)
    }
}
