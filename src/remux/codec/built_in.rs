//! The codecs of this build: MP2 and AAC-LC in Rust always, libavcodec's with the feature `libav`.

use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::codec::Decode;
use crate::remux::codec::DecodeOptions;
use crate::remux::codec::Encode;
use crate::remux::codec::EncodeError;
use crate::remux::codec::EncodeOptions;
use crate::remux::codec::Encoder;
use crate::remux::codec::aac;
#[cfg(feature = "libav")]
use crate::remux::codec::libav;
use crate::remux::codec::mp2;

#[cfg(test)]
mod tests;

/// Decodes MP2, and with the feature `libav` AC-3, E-AC-3 and AAC in LATM. Holds nothing.
///
/// A decoder of MP2 takes 25 KiB, one of AC-3 or E-AC-3 0.3 MiB, one of LATM 0.6 MiB for stereo; the encoder in Rust
/// takes 0.2 MiB, libavcodec's 1.3 MiB. All of it is taken once: what a frame needs besides is small and is given back
/// before the next one.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

impl Codecs for BuiltIn {
    fn decodes(&self, coding: Coding) -> bool {
        // By the same decoder in every build, so that they do not differ in what everybody has.
        coding == Coding::Mp2 || libav_decodes(coding)
    }

    fn decoder(&self, coding: Coding, options: DecodeOptions) -> Option<Box<dyn Decode>> {
        match coding {
            Coding::Mp2 => Some(Box::new(mp2::Decoder::new()?)),
            Coding::Ac3 | Coding::Eac3 | Coding::Latm => libav_decoder(coding, options),
        }
    }

    fn encoder(&self, options: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
        aac::check(options)?;
        match options.encoder {
            Encoder::BuiltIn => Ok(Box::new(aac::Encoder::new(options)?)),
            Encoder::Libavcodec => libav_encoder(options),
        }
    }
}

#[cfg(feature = "libav")]
fn libav_decodes(coding: Coding) -> bool {
    libav::decodes(coding)
}

#[cfg(not(feature = "libav"))]
const fn libav_decodes(_coding: Coding) -> bool {
    false
}

#[cfg(feature = "libav")]
fn libav_decoder(coding: Coding, options: DecodeOptions) -> Option<Box<dyn Decode>> {
    Some(Box::new(libav::Decoder::new(coding, options)?))
}

#[cfg(not(feature = "libav"))]
const fn libav_decoder(_coding: Coding, _options: DecodeOptions) -> Option<Box<dyn Decode>> {
    None
}

#[cfg(feature = "libav")]
fn libav_encoder(options: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
    Ok(Box::new(libav::Encoder::new(options)?))
}

#[cfg(not(feature = "libav"))]
fn libav_encoder(options: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
    Ok(Box::new(aac::Encoder::new(options)?))
}
