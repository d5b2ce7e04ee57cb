//! The headers of AC-3 and E-AC-3 (ETSI TS 102 366, 4.3 and E.1.2).

/// Channels of each `acmod` without the low frequency channel (table 4.3).
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// A synchronization frame of an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syncframe<'a> {
    pub(super) bytes: &'a [u8],
    /// How many channels it says that it has, with the low frequency channel.
    pub(super) channels: u8,
    /// Whether it belongs to another programme, or adds channels to the frame before it.
    pub(super) other: bool,
}

/// The frames of an access unit, up to where one does not begin as a frame must. One of AC-3 is all that follows.
pub(super) fn syncframes(mut unit: &[u8]) -> impl Iterator<Item = Syncframe<'_>> {
    std::iter::from_fn(move || {
        let frame = first(unit)?;
        unit = unit.get(frame.bytes.len()..)?;
        Some(frame)
    })
}

fn first(unit: &[u8]) -> Option<Syncframe<'_>> {
    let [0x0b, 0x77, two, three, four, five, six, ..] = *unit else { return None };
    // Up to 8 is AC-3; 9 and 10 are its half and quarter sampling rates, 11 to 16 are E-AC-3.
    if five >> 3 <= 10 {
        return Some(Syncframe {
            bytes: unit,
            channels: ac3_channels(six, *unit.get(7)?)?,
            other: false,
        });
    }
    let length = 2 * (usize::from(u16::from_be_bytes([two, three]) & 0x7ff) + 1);
    let low = four & 1;
    let channels = *CHANNELS.get(usize::from(four >> 1 & 7))? + low;
    // strmtyp 1 is a dependent substream, substreamid tells programmes apart.
    let other = two >> 6 == 1 || two >> 3 & 7 != 0;
    Some(Syncframe { bytes: unit.get(..length)?, channels, other })
}

/// `acmod` and `lfeon`, with the mix levels between them that depend on the former.
fn ac3_channels(six: u8, seven: u8) -> Option<u8> {
    let acmod = six >> 5;
    let mut levels = 0;
    levels += if acmod & 1 == 1 && acmod != 1 { 2 } else { 0 };
    levels += if acmod & 4 != 0 { 2 } else { 0 };
    levels += if acmod == 2 { 2 } else { 0 };
    let low = u16::from_be_bytes([six, seven]) >> (12 - levels) & 1;
    Some(CHANNELS.get(usize::from(acmod))? + u8::from(low == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ac3(acmod: u8, between: &[u8], low: u8) -> Option<u8> {
        let bits =
            between.iter().chain([&low]).fold((u16::from(acmod) << 13, 13), |(bits, at), bit| {
                (bits | u16::from(*bit) << (at - 1), at - 1)
            });
        let [six, seven] = bits.0.to_be_bytes();
        let frame = [0x0b, 0x77, 0, 0, 0, 8 << 3, six, seven];
        Some(syncframes(&frame).next()?.channels)
    }

    #[test]
    fn ac3_tells_its_channels_behind_the_mix_levels_that_it_has() {
        for low in [0, 1] {
            assert_eq!(ac3(0, &[], low), Some(2 + low));
            assert_eq!(ac3(1, &[], low), Some(1 + low));
            assert_eq!(ac3(2, &[1, 0], low), Some(2 + low));
            assert_eq!(ac3(3, &[0, 1], low), Some(3 + low));
            assert_eq!(ac3(4, &[1, 0], low), Some(3 + low));
            assert_eq!(ac3(5, &[0, 1, 1, 0], low), Some(4 + low));
            assert_eq!(ac3(6, &[1, 0], low), Some(4 + low));
            assert_eq!(ac3(7, &[1, 0, 0, 1], low), Some(5 + low));
        }
    }

    #[test]
    fn an_access_unit_of_eac3_is_cut_into_its_frames() {
        let frame = |strmtyp: u8, id: u8, acmod: u8, low: u8| {
            [0x0b, 0x77, strmtyp << 6 | id << 3, 3, acmod << 1 | low, 16 << 3, 0, 0]
        };
        let unit =
            [frame(0, 0, 7, 1), frame(1, 0, 2, 0), frame(0, 1, 1, 0), frame(2, 0, 2, 0)].concat();
        let found: Vec<_> = syncframes(&unit)
            .map(|frame| (frame.bytes.len(), frame.channels, frame.other))
            .collect();
        assert_eq!(found, [(8, 6, false), (8, 2, true), (8, 1, true), (8, 2, false)]);
        // Cut short.
        assert_eq!(syncframes(&unit[..31]).count(), 3);
    }

    #[test]
    fn what_is_no_frame_is_none() {
        assert_eq!(syncframes(&[]).count(), 0);
        assert_eq!(syncframes(&[0x0b, 0x77]).count(), 0);
        assert_eq!(syncframes(&[0; 64]).count(), 0);
    }
}
