//! AC-3, E-AC-3 and AAC in LATM by libavcodec, and its encoder of AAC-LC.

use std::ffi::CStr;

use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::Coding;
use crate::remux::codec::Damaged;
use crate::remux::codec::Decode;
use crate::remux::codec::DecodeOptions;
use crate::remux::codec::Encode;
use crate::remux::codec::EncodeError;
use crate::remux::codec::EncodeOptions;
use crate::remux::codec::Pcm;
use crate::remux::codec::SAMPLES_MAX;
use crate::remux::codec::downmix;
use crate::remux::codec::level;
use ffi::Sound;
use syncframe::syncframes;

mod ffi;
mod syncframe;
#[cfg(test)]
mod tests;

/// What dialogue is at most below full scale, and so at most made louder by, in dB (ETSI TS 102 366, 4.4.2.8).
const DIALNORM_MAX: f32 = 31.0;

/// Whether this libavcodec has a decoder.
pub(super) fn decodes(coding: Coding) -> bool {
    name(coding).is_some_and(ffi::has_decoder)
}

/// libavcodec's name of it. The fixed point decoders have other names.
const fn name(coding: Coding) -> Option<&'static CStr> {
    match coding {
        Coding::Ac3 => Some(c"ac3"),
        Coding::Eac3 => Some(c"eac3"),
        Coding::Latm => Some(c"aac_latm"),
        Coding::Mp2 => None,
    }
}

/// Decodes one stream.
///
/// A frame of AC-3 whose checksum is wrong is concealed: what was heard before it fades, or goes on, and it counts as
/// decoded. Of E-AC-3 the first programme is decoded, and of that what every decoder plays: substreams that add
/// channels to it hold nothing that the mix to stereo lacks.
pub(super) struct Decoder {
    decoder: ffi::Decoder,
    coding: Coding,
    /// What a sample cannot be above.
    limit: f32,
}

impl Decoder {
    /// `None` where this libavcodec has none, or where there is no memory.
    pub(super) fn new(coding: Coding, options: DecodeOptions) -> Option<Self> {
        let target = options.target_level.map_or(0, |level| level.clamp(-31, -1));
        let louder = options
            .target_level
            .map_or(0.0, |level| DIALNORM_MAX + f32::from(level.clamp(-31, -1)));
        let decoder = ffi::Decoder::new(name(coding)?, target)?;
        Some(Self { decoder, coding, limit: level::PLAUSIBLE * 10_f32.powf(louder / 20.0) })
    }

    fn unit(&mut self, unit: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        if unit.len() > ffi::UNIT_MAX {
            return Err(Damaged);
        }
        if self.coding == Coding::Latm {
            return self.frame(unit, pcm);
        }
        for frame in syncframes(unit).filter(|frame| !frame.other) {
            self.frame(frame.bytes, pcm)?;
            pcm.source_channels = frame.channels;
        }
        if pcm.is_empty() { Err(Damaged) } else { Ok(()) }
    }

    /// Decodes one of libavcodec's packets, and takes all that comes of it even when some of it is damaged.
    fn frame(&mut self, bytes: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        let mut outcome = self.decoder.send(bytes).map_err(|_| Damaged);
        while let Some(sound) = self.decoder.receive() {
            let appended = sound.map_err(|_| Damaged).and_then(|sound| append(&sound, pcm));
            outcome = outcome.and(appended);
        }
        outcome
    }
}

impl Decode for Decoder {
    fn decode(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        pcm.clear();
        let decoded = self.unit(frame, pcm);
        let possible = level::check(pcm, self.limit);
        if possible.is_err() {
            // The rest of it is in the overlap with the next frame.
            self.decoder.flush();
        }
        decoded.and(possible).inspect_err(|_| pcm.clear())
    }
}

/// Appends a frame to what has come of the same access unit, which must be alike.
fn append(sound: &Sound<'_>, pcm: &mut Pcm) -> Result<(), Damaged> {
    let channels = sound.channels();
    let first = pcm.is_empty();
    let alike =
        first || (pcm.rate == sound.rate && pcm.channels[1].is_empty() == (channels.len() == 1));
    if !alike || sound.rate == 0 || pcm.len() + sound.samples > SAMPLES_MAX {
        return Err(Damaged);
    }
    pcm.rate = sound.rate;
    pcm.source_channels = u8::try_from(channels.len()).unwrap_or_default();
    let [left, right] = &mut pcm.channels;
    match *channels {
        [(_, only)] => left.extend_from_slice(only),
        [(_, one), (_, two)] => {
            left.extend_from_slice(one);
            right.extend_from_slice(two);
        }
        _ => downmix::mix(channels.iter().copied(), &mut pcm.channels),
    }
    Ok(())
}

/// Encodes one stream. The access unit of a frame comes with the next one.
pub(super) struct Encoder {
    encoder: ffi::Encoder,
    /// The frame as it is encoded.
    frame: Box<[[f32; AAC_FRAME]; 2]>,
}

impl Encoder {
    /// # Errors
    /// Where this libavcodec has none or does not take the options, or where there is no memory.
    pub(super) fn new(options: EncodeOptions) -> Result<Self, EncodeError> {
        let encoder = ffi::Encoder::new(options).ok_or_else(|| {
            EncodeError("libavcodec has none that takes these options".to_owned())
        })?;
        Ok(Self { encoder, frame: Box::new([[0.0; AAC_FRAME]; 2]) })
    }
}

impl Encode for Encoder {
    fn encode(&mut self, frame: [&[f32]; 2], out: &mut Vec<u8>) -> Result<bool, EncodeError> {
        for (into, from) in self.frame.iter_mut().zip(frame) {
            level::clamp(from, into);
        }
        let failed = |_| EncodeError("libavcodec refuses a frame".to_owned());
        self.encoder.send(&self.frame).map_err(failed)?;
        match self.encoder.receive().transpose().map_err(failed)? {
            Some(unit) => {
                out.extend_from_slice(unit);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}
