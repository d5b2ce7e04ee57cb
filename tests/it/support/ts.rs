//! Transport streams for tests (ISO/IEC 13818-1): [`TsPattern`] makes one, byte for byte
//! reproducible at any offset; [`TsCheck`] judges one, whoever made it; [`TsTrace`] says which
//! pattern each packet of a spliced stream came from. The judge shares no code with the maker but
//! [`crc32`].

pub(crate) mod check;
mod layout;
pub(crate) mod pattern;
pub(crate) mod psi;
pub(crate) mod spoilt;
#[cfg(test)]
mod tests;
pub(crate) mod trace;
mod write;

pub(crate) use check::Fault;
pub(crate) use check::TsCheck;
pub(crate) use pattern::Codec;
pub(crate) use pattern::TsPattern;
pub(crate) use spoilt::Spoil;
pub(crate) use spoilt::Spoilt;
pub(crate) use trace::TsTrace;

/// Bytes of a transport packet.
pub(crate) const PACKET: usize = 188;
/// The first byte of each packet.
pub(crate) const SYNC: u8 = 0x47;
/// The PID of stuffing.
pub(crate) const NULL_PID: u16 = 0x1fff;
/// PCR, PTS and DTS base: ticks a second.
pub(crate) const TICKS_PER_SECOND: u64 = 90_000;
/// Values of a 33-bit timestamp.
pub(crate) const TIMESTAMPS: u64 = 1 << 33;

/// CRC_32 of ISO/IEC 13818-1 annex A. Over a whole section, its CRC field included, it is zero.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            let carry = crc & 0x8000_0000 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x04c1_1db7;
            }
        }
    }
    crc
}
