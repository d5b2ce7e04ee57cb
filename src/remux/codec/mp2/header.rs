//! The header of a frame of layer II (ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-3, 2.4.2.3).

/// Kilobits a second by index, of ISO/IEC 11172-3. 0 is a free format, which broadcasts do not have.
const BITRATES: [u32; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
/// The same for the half sampling rates.
const HALF_BITRATES: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Samples a second by index, of ISO/IEC 11172-3.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// What the decoder needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Of the half sampling rates of ISO/IEC 13818-3.
    pub(super) half: bool,
    /// Samples a second.
    pub(super) rate: u32,
    /// Bits a second.
    pub(super) bitrate: u32,
    /// 1 or 2.
    pub(super) channels: u8,
    /// The subband from which on both channels share their samples; 32 where none do.
    pub(super) bound: usize,
    /// A checksum follows the header.
    pub(super) protected: bool,
    /// Bytes of the whole frame.
    pub(super) length: usize,
}

impl Header {
    /// `None` if `frame` does not begin with one.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let [sync, id, rates, mode, ..] = *frame else { return None };
        if sync != 0xff || id & 0xf6 != 0xf4 {
            return None;
        }
        let half = id & 0x08 == 0;
        let bitrates = if half { HALF_BITRATES } else { BITRATES };
        let bitrate = *bitrates.get(usize::from(rates >> 4)).filter(|rate| **rate > 0)? * 1000;
        let rate = *RATES.get(usize::from(rates >> 2 & 3))? >> u32::from(half);
        let length = 144 * bitrate / rate + u32::from(rates >> 1 & 1);
        Some(Self {
            half,
            rate,
            bitrate,
            channels: if mode >> 6 == 3 { 1 } else { 2 },
            bound: if mode >> 6 == 1 { 4 + 4 * usize::from(mode >> 4 & 3) } else { 32 },
            protected: id & 1 == 0,
            length: usize::try_from(length).ok()?,
        })
    }
}
