//! What a stream that a PMT names is to the remux, by its `stream_type` and descriptors: sound that becomes AAC, AAC
//! already, sound that nothing is known of, or no sound. What stands in its frames may contradict the PMT, and counts
//! more; this is what there is to go by before they come.

use crate::media::ts::kind::Audio;
use crate::media::ts::kind::Kind;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi::Stream;
use crate::remux::codec::Coding;

/// Enhanced AC-3 of discs (with the registration `HDMV`, which often stands in the descriptors of the programme
/// instead), taken over by some encoders for broadcasts.
const EAC3_OF_DISCS: u8 = 0x84;

/// Sound, as a PMT tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// It becomes AAC-LC, where there is a decoder.
    Convertible(Coding),
    /// AAC in ADTS: it is what the others become.
    Aac,
    /// Sound of another coding, with its stream type.
    Unknown(u8),
}

impl Sound {
    /// Of a stream with this `stream_type` and this loop of descriptors; `None` where it is no sound, as far as they
    /// tell.
    #[must_use]
    pub fn of(stream_type: u8, descriptors: &[u8]) -> Option<Self> {
        let audio = match Kind::of(&Stream { stream_type, pid: Pid::NULL, descriptors }) {
            Kind::Audio(audio) => audio,
            Kind::Other(stream_type, _) => return Self::of_other(stream_type),
            _ => return None,
        };
        Some(match audio {
            Audio::Mpeg => Self::Convertible(Coding::Mp2),
            Audio::AacLatm => Self::Convertible(Coding::Latm),
            Audio::Ac3 => Self::Convertible(Coding::Ac3),
            Audio::Eac3 | Audio::Other(EAC3_OF_DISCS) => Self::Convertible(Coding::Eac3),
            Audio::AacAdts => Self::Aac,
            Audio::Ac4 | Audio::Dts | Audio::Opus | Audio::Other(_) => Self::Unknown(stream_type),
        })
    }

    /// Of a stream type that means sound without a registration that says so.
    const fn of_other(stream_type: u8) -> Option<Self> {
        match stream_type {
            EAC3_OF_DISCS => Some(Self::Convertible(Coding::Eac3)),
            // PCM and TrueHD, DTS, DTS-HD (SCTE 194-2), DTS (as ATSC streams have it), and the second sound of discs.
            // 0x82 is not among them: without a registration it means subtitles (SCTE 27).
            0x83 | 0x85 | 0x88 | 0x8A | 0xA1 | 0xA2 => Some(Self::Unknown(stream_type)),
            // AC-3, Enhanced AC-3 and AAC that are encrypted by the frame (HLS Sample Encryption).
            0xC1 | 0xC2 | 0xCF => Some(Self::Unknown(stream_type)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AC3: Option<Sound> = Some(Sound::Convertible(Coding::Ac3));
    const EAC3: Option<Sound> = Some(Sound::Convertible(Coding::Eac3));
    const MP2: Option<Sound> = Some(Sound::Convertible(Coding::Mp2));
    const LATM: Option<Sound> = Some(Sound::Convertible(Coding::Latm));

    #[test]
    fn what_becomes_aac_is_known_by_type_or_descriptor() {
        let cases: [(u8, &[u8], Option<Sound>); 24] = [
            (0x03, &[], MP2),
            (0x04, &[], MP2),
            (0x04, b"\x0A\x04deu\0", MP2),
            (0x11, &[], LATM),
            (0x11, b"\x7C\x02\x58\x00\x0A\x04fra\0", LATM),
            (0x81, &[], AC3),
            (0x81, b"\x05\x04AC-3\x81\x04\x06\x28\x05\xFF", AC3),
            (0x81, b"\x05\x04HDMV", AC3),
            (0x87, &[], EAC3),
            (0x87, b"\xCC\x05\x80\xC0\x0A\x04\0", EAC3),
            (0x84, &[], EAC3),
            (0x84, b"\x05\x04HDMV", EAC3),
            (0x84, b"\x05\x04EAC3", EAC3),
            (0x84, b"\x0A\x04eng\0", EAC3),
            // DVB: private data, and a descriptor that says of what.
            (0x06, b"\x6A\x01\x00", AC3),
            (0x06, b"\x52\x01\x05\x0A\x04deu\0\x6A\x03\x80\x40\x05", AC3),
            (0x06, b"\x7A\x01\x00", EAC3),
            (0x06, b"\x0A\x04fra\x03\x7A\x02\x80\xC4\x7F\x03\x06\x80\x00", EAC3),
            (0x06, b"\x7C\x01\x58", LATM),
            // Or a registration alone.
            (0x06, b"\x05\x04AC-3", AC3),
            (0x06, b"\x0A\x04eng\0\x05\x04AC-3", AC3),
            (0x06, b"\x05\x04EAC3", EAC3),
            (0x06, b"\x05\x06EAC3xy", EAC3),
            (0x06, b"\x05\x04EAC3\x6A\x00", AC3),
        ];
        for (stream_type, descriptors, sound) in cases {
            let told = Sound::of(stream_type, descriptors);
            assert_eq!(told, sound, "{stream_type:#04x} {descriptors:02x?}");
        }
    }

    #[test]
    fn aac_is_what_it_is() {
        for descriptors in
            [&[][..], b"\x0A\x04deu\0", b"\x7C\x01\x58", b"\x05\x04AC-3", b"\x6A\x01\x00"]
        {
            assert_eq!(Sound::of(0x0F, descriptors), Some(Sound::Aac), "{descriptors:02x?}");
        }
    }

    #[test]
    fn other_sound_is_told_by_its_stream_type() {
        let cases: [(u8, &[u8]); 25] = [
            (0x1C, &[]),                     // AAC without transport
            (0x2D, &[]),                     // MPEG-H
            (0x2E, &[]),                     // MPEG-H, auxiliary
            (0x06, b"\x7B\x05\x40\0\0\0\0"), // DTS
            (0x06, b"\x05\x04DTS1"),         // DTS
            (0x06, b"\x05\x04DTS2"),         // DTS
            (0x06, b"\x05\x04DTS3"),         // DTS
            (0x06, b"\x7F\x01\x0E"),         // DTS-HD
            (0x06, b"\x7F\x02\x15\0"),       // AC-4
            (0x06, b"\x05\x04AC-4"),         // AC-4
            (0x06, b"\x05\x04Opus\x7F\x02\x80\x02"),
            (0x06, b"\x7F\x02\x80\x02"), // Opus
            (0x06, b"\x05\x04BSSD"),     // SMPTE 302M
            (0x80, b"\x05\x04HDMV"),     // PCM of discs
            (0x82, b"\x05\x04HDMV"),     // DTS of discs
            (0x83, b"\x05\x04HDMV"),     // TrueHD
            (0x85, b"\x05\x04HDMV"),     // DTS-HD
            (0x86, b"\x05\x04HDMV"),     // DTS-HD Master Audio
            (0x85, &[]),
            (0x88, &[]),
            (0x8A, &[]),
            (0xA1, &[]),
            (0xA2, b"\x05\x04HDMV"),
            (0xC1, b"\x05\x04ac3d"),
            (0xCF, b"\x05\x04aacd"),
        ];
        for (stream_type, descriptors) in cases {
            let told = Sound::of(stream_type, descriptors);
            assert_eq!(
                told,
                Some(Sound::Unknown(stream_type)),
                "{stream_type:#04x} {descriptors:02x?}"
            );
        }
    }

    #[test]
    fn what_is_no_sound_is_none() {
        let cases: [(u8, &[u8]); 26] = [
            (0x00, &[]),
            (0x01, &[]),
            (0x02, &[]),
            (0x1B, &[]),
            (0x1B, b"\x05\x04HDMV"),
            (0x24, b"\x05\x04HEVC"),
            (0x10, &[]),
            (0x33, &[]),
            (0xEA, b"\x05\x04VC-1"),
            (0x05, b"\x6F\x01\xE1"), // application information
            (0x06, &[]),
            (0x06, b"\x56\x05deu\x09\x00"),         // teletext
            (0x06, b"\x59\x08deu\x10\0\x01\0\x01"), // subtitles
            (0x06, b"\x05\x04KLVA"),
            (0x06, b"\x05\x04VANC"),
            (0x06, b"\x0A\x04deu\0"), // private data with a language and no coding
            (0x06, b"\x52\x01\x05"),
            (0x0B, &[]),
            (0x0D, &[]),
            (0x15, b"\x26\x0D\xFF\xFFID3 \xFFID3 \0\x0F"),
            (0x80, &[]),              // video in North America
            (0x82, b"\x0A\x04eng\0"), // subtitles there
            (0x86, &[]),              // splice information
            (0x86, b"\x05\x04CUEI"),
            (0x90, b"\x05\x04HDMV"), // subtitles of discs
            (0xFF, &[]),
        ];
        for (stream_type, descriptors) in cases {
            let told = Sound::of(stream_type, descriptors);
            assert_eq!(told, None, "{stream_type:#04x} {descriptors:02x?}");
        }
    }

    #[test]
    fn descriptors_that_are_cut_say_nothing() {
        for descriptors in
            [&b"\x6A"[..], b"\x6A\x05\x00", b"\x05\x04AC-", b"\x05\x03AC-", b"\x05\x00"]
        {
            assert_eq!(Sound::of(0x06, descriptors), None, "{descriptors:02x?}");
        }
        assert_eq!(Sound::of(0x06, b"\x6A\x00"), AC3, "an empty one says what it is");
        assert_eq!(Sound::of(0x81, b"\x05\x04AC"), AC3);
    }

    proptest! {
        #[test]
        fn no_descriptors_panic(stream_type: u8, descriptors in proptest::collection::vec(any::<u8>(), 0..64)) {
            let told = Sound::of(stream_type, &descriptors);
            if let Some(Sound::Unknown(told)) = told {
                prop_assert_eq!(told, stream_type);
            }
        }
    }
}
