//! AAC-LC by syom, in Rust.

use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::Encode;
use crate::remux::codec::EncodeError;
use crate::remux::codec::EncodeOptions;
use crate::remux::codec::level;

#[cfg(test)]
mod tests;

/// Sampling frequencies of ISO/IEC 14496-3, table 1.18, without 7350 Hz, which no broadcast has.
const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/// Most bits that a frame has for each channel (ISO/IEC 14496-3, 4.5.3.1).
const CHANNEL_BITS: u64 = 6144;

/// Whether an encoder of AAC-LC can do it.
///
/// # Errors
/// Where it cannot, with the value.
pub(super) fn check(options: EncodeOptions) -> Result<(), EncodeError> {
    let EncodeOptions { rate, channels, bitrate, .. } = options;
    if !RATES.contains(&rate) {
        return Err(EncodeError(format!("no AAC of {rate} Hz")));
    }
    if !matches!(channels, 1 | 2) {
        return Err(EncodeError(format!("{channels} channels, 1 or 2 are possible")));
    }
    let most = CHANNEL_BITS * u64::from(channels) * u64::from(rate) / AAC_FRAME as u64;
    if bitrate == 0 || u64::from(bitrate) > most {
        return Err(EncodeError(format!("{bitrate} bit/s, 1 to {most} are possible")));
    }
    Ok(())
}

/// Encodes one stream. An access unit comes with each frame. syom takes about five buffers of 2 KiB for it and gives them
/// back.
///
/// The bit rate is kept as an average: a frame takes what earlier ones left, and is filled up where it needs less.
pub(super) struct Encoder {
    encoder: syom::Encoder,
    channels: usize,
    /// The frame as it is encoded.
    frame: Box<[[f32; AAC_FRAME]; 2]>,
}

impl Encoder {
    /// # Errors
    /// Where syom does not take the options.
    pub(super) fn new(options: EncodeOptions) -> Result<Self, EncodeError> {
        let channels = usize::from(options.channels);
        let how = syom::EncodeOptions::raw().with_bitrate_bps(options.bitrate);
        let encoder = syom::Encoder::new(options.rate, channels, &how).map_err(failure)?;
        Ok(Self { encoder, channels, frame: Box::new([[0.0; AAC_FRAME]; 2]) })
    }
}

impl Encode for Encoder {
    fn encode(&mut self, frame: [&[f32]; 2], out: &mut Vec<u8>) -> Result<bool, EncodeError> {
        for (into, from) in self.frame.iter_mut().zip(frame) {
            level::clamp(from, into);
        }
        let [left, right] = &*self.frame;
        let planes: [&[f32]; 2] = [left, right];
        let planes = planes.get(..self.channels).unwrap_or(&planes);
        let mut units = 0;
        let unit = |frame: syom::EncodedFrame<'_>| {
            units += 1;
            out.extend_from_slice(frame.payload);
            Ok(())
        };
        self.encoder.feed(planes, unit).map_err(failure)?;
        if units == 1 {
            Ok(true)
        } else {
            Err(EncodeError(format!("{units} access units of one frame")))
        }
    }
}

fn failure(error: syom::AacError) -> EncodeError {
    EncodeError(error.to_string())
}
