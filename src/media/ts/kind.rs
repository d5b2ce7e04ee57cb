//! What an elementary stream is, by its `stream_type` (ISO/IEC 13818-1, table 2-34; SCTE and ATSC
//! ranges as receivers read them) and the descriptors that say more of private data (ETSI EN 300
//! 468; ETSI TS 101 154, annex H). Streams of one kind can follow one another on a PID.

use crate::media::ts::psi;
use crate::media::ts::psi::Stream;
use crate::media::ts::psi::descriptor_tag;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pictures.
    Video(Video),
    /// Sound.
    Audio(Audio),
    /// Teletext.
    Teletext,
    /// DVB subtitles.
    Subtitles,
    /// Private sections, DSM-CC and the like, with their stream type.
    Sections(u8),
    /// SCTE 35 splice information.
    Splice,
    /// Entitlement control messages of this CA system.
    Ecm(u16),
    /// Anything else: stream type and registration, if there is one.
    Other(u8, Option<[u8; 4]>),
}

/// How pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Video {
    /// MPEG-1 and MPEG-2.
    Mpeg2,
    /// H.264.
    H264,
    /// H.265.
    Hevc,
    /// One that is not read, with its stream type.
    Other(u8),
}

/// How sound is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// MPEG-1 and MPEG-2, layer II as a rule.
    Mpeg,
    /// AAC in ADTS.
    AacAdts,
    /// AAC in LATM and LOAS.
    AacLatm,
    /// AC-3.
    Ac3,
    /// Enhanced AC-3.
    Eac3,
    /// AC-4.
    Ac4,
    /// DTS.
    Dts,
    /// Opus.
    Opus,
    /// Another one, with its stream type.
    Other(u8),
}

impl Kind {
    /// What a PMT says of `stream`.
    #[must_use]
    pub fn of(stream: &Stream<'_>) -> Self {
        match stream.stream_type {
            0x01 | 0x02 => Self::Video(Video::Mpeg2),
            0x1B => Self::Video(Video::H264),
            0x24 => Self::Video(Video::Hevc),
            // MPEG-4, JPEG 2000, VVC, EVC, AVS and its successors, VC-1, Dirac.
            other @ (0x10 | 0x21 | 0x33 | 0x35 | 0x42 | 0xD1 | 0xD2 | 0xD4 | 0xEA) => {
                Self::Video(Video::Other(other))
            }
            0x03 | 0x04 => Self::Audio(Audio::Mpeg),
            0x0F => Self::Audio(Audio::AacAdts),
            0x11 => Self::Audio(Audio::AacLatm),
            // AAC without transport, MPEG-H.
            other @ (0x1C | 0x2D | 0x2E) => Self::Audio(Audio::Other(other)),
            0x81 => Self::Audio(Audio::Ac3),
            0x87 => Self::Audio(Audio::Eac3),
            other @ (0x05 | 0x0A..=0x0D | 0x13 | 0x14 | 0x16) => Self::Sections(other),
            0x86 if registration(stream) != Some(*b"HDMV") => Self::Splice,
            0x06 => Self::of_private_data(stream),
            // DigiCipher II is MPEG-2; on a disc the same value is sound.
            0x80 if registration(stream) != Some(*b"HDMV") => Self::Video(Video::Mpeg2),
            other @ 0x80..=0x8F => match registration(stream) {
                Some(id) => Self::registered(other, id),
                None => Self::Other(other, None),
            },
            other => Self::Other(other, registration(stream)),
        }
    }

    /// PES packets with private data: the first descriptor that names a coding says which.
    fn of_private_data(stream: &Stream<'_>) -> Self {
        psi::descriptors(stream.descriptors)
            .find_map(|(tag, data)| match (tag, data.first()) {
                (descriptor_tag::TELETEXT, _) => Some(Self::Teletext),
                (descriptor_tag::SUBTITLING, _) => Some(Self::Subtitles),
                (0x6A, _) => Some(Self::Audio(Audio::Ac3)),
                (0x7A, _) => Some(Self::Audio(Audio::Eac3)),
                (0x7B, _) | (0x7F, Some(0x0E)) => Some(Self::Audio(Audio::Dts)),
                (0x7C, _) => Some(Self::Audio(Audio::AacLatm)),
                (0x7F, Some(0x15)) => Some(Self::Audio(Audio::Ac4)),
                (0x7F, Some(0x80)) => Some(Self::Audio(Audio::Opus)),
                _ => None,
            })
            .unwrap_or_else(|| match registration(stream) {
                Some(id) => Self::registered(stream.stream_type, id),
                None => Self::Other(stream.stream_type, None),
            })
    }

    fn registered(stream_type: u8, id: [u8; 4]) -> Self {
        match (&id, stream_type) {
            (b"AC-3", _) => Self::Audio(Audio::Ac3),
            (b"EAC3", _) => Self::Audio(Audio::Eac3),
            (b"AC-4", _) => Self::Audio(Audio::Ac4),
            (b"DTS1" | b"DTS2" | b"DTS3" | b"DTSH", _) => Self::Audio(Audio::Dts),
            (b"Opus", _) => Self::Audio(Audio::Opus),
            (b"BSSD", _) | (b"HDMV", 0x80 | 0x82..=0x86) => Self::Audio(Audio::Other(stream_type)),
            (b"HEVC", _) => Self::Video(Video::Hevc),
            (b"VC-1" | b"AV01" | b"drac", _) => Self::Video(Video::Other(stream_type)),
            _ => Self::Other(stream_type, Some(id)),
        }
    }

    pub(super) const fn is_video(self) -> bool {
        matches!(self, Self::Video(_))
    }

    pub(super) const fn is_audio(self) -> bool {
        matches!(self, Self::Audio(_))
    }

    /// The payload is in PES packets, as far as the kind tells; [`Kind::Other`] may be either.
    pub(super) const fn is_sections(self) -> bool {
        matches!(self, Self::Sections(_) | Self::Splice | Self::Ecm(_))
    }
}

/// Language and `audio_type` of ISO 639, or language and type of the first teletext page or
/// subtitle; zeros where nothing is said.
pub(super) fn language(stream: &Stream<'_>) -> [u8; 4] {
    psi::descriptors(stream.descriptors)
        .find(|(tag, _)| {
            matches!(
                *tag,
                descriptor_tag::ISO_639_LANGUAGE
                    | descriptor_tag::TELETEXT
                    | descriptor_tag::SUBTITLING
            )
        })
        .and_then(|(_, data)| data.first_chunk().copied())
        .unwrap_or_default()
}

/// Whether a decoder that goes by the `client`'s descriptors reads a stream with those of the
/// `standby` as it is meant: the languages, the pages of teletext and subtitles (ETSI EN 300 468,
/// 6.2.41 and 6.2.43), the channels of Opus and the like (extension descriptor, 6.2.18). What the
/// standby says nothing of may be as it was.
pub(super) fn tells_the_same(client: &[u8], standby: &[u8]) -> bool {
    const EXTENSION: u8 = 0x7F;
    let is_told = |tag: u8| {
        matches!(
            tag,
            descriptor_tag::ISO_639_LANGUAGE
                | descriptor_tag::TELETEXT
                | descriptor_tag::SUBTITLING
                | EXTENSION
        )
    };
    psi::descriptors(standby)
        .filter(|(tag, _)| is_told(*tag))
        .all(|told| psi::descriptors(client).any(|known| known == told))
}

fn registration(stream: &Stream<'_>) -> Option<[u8; 4]> {
    psi::descriptors(stream.descriptors)
        .find(|(tag, _)| *tag == descriptor_tag::REGISTRATION)
        .and_then(|(_, data)| data.first_chunk().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ts::packet::Pid;

    fn stream(stream_type: u8, descriptors: &[u8]) -> Stream<'_> {
        Stream { stream_type, pid: Pid::masked(0x100), descriptors }
    }

    #[test]
    fn kinds_follow_type_and_descriptors() {
        let cases: [(u8, &[u8], Kind); 15] = [
            (0x01, &[], Kind::Video(Video::Mpeg2)),
            (0x1B, b"\x05\x04HDMV", Kind::Video(Video::H264)),
            (0x33, &[], Kind::Video(Video::Other(0x33))),
            (0x04, &[], Kind::Audio(Audio::Mpeg)),
            (0x81, &[], Kind::Audio(Audio::Ac3)),
            (0x06, b"\x52\x01\x05\x6A\x01\x00", Kind::Audio(Audio::Ac3)),
            (0x06, b"\x7A\x01\x00", Kind::Audio(Audio::Eac3)),
            (0x06, b"\x05\x04AC-3", Kind::Audio(Audio::Ac3)),
            (0x06, b"\x05\x04EAC3\x0A\x04eng\0", Kind::Audio(Audio::Eac3)),
            (0x06, b"\x56\x05deu\x09\x00", Kind::Teletext),
            (0x06, b"\x59\x08deu\x10\0\x01\0\x01", Kind::Subtitles),
            (0x06, b"\x05\x04KLVA", Kind::Other(0x06, Some(*b"KLVA"))),
            (0x86, &[], Kind::Splice),
            (0x86, b"\x05\x04HDMV", Kind::Audio(Audio::Other(0x86))),
            (0x0B, &[], Kind::Sections(0x0B)),
        ];
        for (stream_type, descriptors, kind) in cases {
            assert_eq!(Kind::of(&stream(stream_type, descriptors)), kind, "{stream_type:#x}");
        }
    }

    #[test]
    fn what_decoders_go_by_is_told_again_where_it_differs() {
        let page_1: &[u8] = b"\x52\x01\x05\x59\x08deu\x10\0\x01\0\x01";
        let page_5: &[u8] = b"\x59\x08deu\x10\0\x05\0\x05";
        let german: &[u8] = b"\x0A\x04deu\0";
        assert!(tells_the_same(page_1, b"\x52\x01\x07\x59\x08deu\x10\0\x01\0\x01"));
        assert!(!tells_the_same(page_1, page_5));
        assert!(tells_the_same(german, b"\x6A\x01\0"));
        assert!(!tells_the_same(&[], german));
        assert!(!tells_the_same(b"\x7F\x02\x80\x02", b"\x7F\x02\x80\x06"));
        assert!(!tells_the_same(b"\x56\x05deu\x09\0", b"\x56\x05deu\x0A\x88"));
    }

    #[test]
    fn language_is_that_of_the_first_descriptor_with_one() {
        assert_eq!(language(&stream(6, b"\x52\x01\x05\x56\x05deu\x09\x00")), *b"deu\x09");
        assert_eq!(language(&stream(4, b"\x0A\x04eng\x03")), *b"eng\x03");
        assert_eq!(language(&stream(4, b"\x0A\x03eng")), [0; 4]);
        assert_eq!(language(&stream(4, &[])), [0; 4]);
    }
}
