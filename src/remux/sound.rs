//! Which streams of a PMT are sound, and what can be made of it.

use crate::media::ts::psi;
use crate::media::ts::psi::descriptor_tag;
use crate::remux::codec::Coding;

/// A stream of sound as its PMT has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// It becomes AAC-LC, where this build has the decoder.
    Convertible(Coding),
    /// AAC in ADTS already.
    Aac,
    /// Another coding, with its stream type.
    Unknown(u8),
}

impl Sound {
    /// What an entry of a PMT says; `None` where it is no sound.
    #[must_use]
    pub fn of(stream_type: u8, descriptors: &[u8]) -> Option<Self> {
        let registration = psi::descriptors(descriptors)
            .find(|(tag, _)| *tag == descriptor_tag::REGISTRATION)
            .and_then(|(_, data)| data.first_chunk::<4>());
        let sound = match (stream_type, registration) {
            (0x03 | 0x04, _) => Self::Convertible(Coding::Mp2),
            (0x0F, _) => Self::Aac,
            (0x11, _) => Self::Convertible(Coding::Latm),
            (0x81, _) => Self::Convertible(Coding::Ac3),
            (0x84 | 0x87, _) => Self::Convertible(Coding::Eac3),
            (0x1C | 0x2D | 0x2E, _) => Self::Unknown(stream_type),
            (0x80..=0x8F, Some(b"HDMV")) => Self::Unknown(stream_type),
            (0x82 | 0x85 | 0x88 | 0x8A, _) => Self::Unknown(stream_type),
            (0x06, _) => return Self::of_private_data(descriptors, registration),
            _ => return None,
        };
        Some(sound)
    }

    /// The first descriptor that names a coding says which.
    fn of_private_data(descriptors: &[u8], registration: Option<&[u8; 4]>) -> Option<Self> {
        let named =
            psi::descriptors(descriptors).find_map(|(tag, data)| match (tag, data.first()) {
                (0x6A, _) => Some(Self::Convertible(Coding::Ac3)),
                (0x7A, _) => Some(Self::Convertible(Coding::Eac3)),
                (0x7B | 0x7C, _) | (0x7F, Some(0x0E | 0x15 | 0x80)) => Some(Self::Unknown(0x06)),
                _ => None,
            });
        named.or_else(|| match registration? {
            b"AC-3" => Some(Self::Convertible(Coding::Ac3)),
            b"EAC3" => Some(Self::Convertible(Coding::Eac3)),
            b"AC-4" | b"DTS1" | b"DTS2" | b"DTS3" | b"DTSH" | b"Opus" | b"BSSD" => {
                Some(Self::Unknown(0x06))
            }
            _ => None,
        })
    }
}
