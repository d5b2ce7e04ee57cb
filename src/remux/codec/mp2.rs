//! MPEG-1 layer II and its half sampling rates by symphonia, in Rust.

use symphonia_bundle_mp3::MpaDecoder;
use symphonia_core::audio::Audio;
use symphonia_core::audio::GenericAudioBufferRef;
use symphonia_core::codecs::audio::AudioCodecParameters;
use symphonia_core::codecs::audio::AudioDecoder;
use symphonia_core::codecs::audio::AudioDecoderOptions;
use symphonia_core::codecs::audio::well_known::CODEC_ID_MP2;
use symphonia_core::packet::PacketRef;
use symphonia_core::units::Duration;
use symphonia_core::units::Timestamp;

use crate::remux::codec::Damaged;
use crate::remux::codec::Decode;
use crate::remux::codec::Pcm;
use crate::remux::codec::level;
use header::Header;

mod header;
mod protection;
#[cfg(test)]
mod tests;

/// Decodes one stream. Nothing is allocated for a frame unless sampling rate or number of channels change.
pub(super) struct Decoder {
    decoder: MpaDecoder,
    /// The sampling rate and the number of channels that `decoder` is for: symphonia's takes no others after the
    /// first ones.
    format: Option<(u32, u8)>,
}

impl Decoder {
    /// `None` where this build has none, which cannot be.
    pub(super) fn new() -> Option<Self> {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_MP2);
        let options = AudioDecoderOptions::default().gapless(false);
        let decoder = MpaDecoder::try_new(&parameters, &options).ok()?;
        Some(Self { decoder, format: None })
    }

    fn samples(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        let header =
            Header::of(frame).filter(|header| header.length == frame.len()).ok_or(Damaged)?;
        // symphonia does not look at it.
        if header.protected && !protection::holds(frame, &header) {
            return Err(Damaged);
        }
        let format = Some((header.rate, header.channels));
        if self.format != format {
            *self = Self::new().ok_or(Damaged)?;
            self.format = format;
        }
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, frame);
        let Ok(GenericAudioBufferRef::F32(samples)) = self.decoder.decode_ref(&packet) else {
            return Err(Damaged);
        };
        pcm.rate = header.rate;
        pcm.source_channels = header.channels;
        for (channel, into) in pcm.channels.iter_mut().take(header.channels.into()).enumerate() {
            into.extend_from_slice(samples.plane(channel).ok_or(Damaged)?);
        }
        if let Err(damaged) = level::check(pcm, level::PLAUSIBLE) {
            // The filters hold the rest of it.
            self.decoder.reset();
            return Err(damaged);
        }
        Ok(())
    }
}

impl Decode for Decoder {
    fn decode(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        pcm.clear();
        self.samples(frame, pcm).inspect_err(|_| pcm.clear())
    }
}
