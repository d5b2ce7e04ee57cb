//! PAT and PMT of a [`Recipe`], and tables that nobody reads.

use super::AIT;
use super::CUES;
use super::PMT;
use super::Recipe;
use super::SOUND;
use super::SUBTITLES;
use super::Signal;
use super::TELETEXT;
use super::VIDEO;
use crate::support::ts::crc32;

/// The PAT.
pub(super) fn pat() -> Vec<u8> {
    let [high, low] = (0xe000 | PMT).to_be_bytes();
    finished(0, 0xb000, &[0, 1, 0xc1, 0, 0, 0, 7, high, low])
}

/// The PMT, with another track of sound after a change; with AAC in place of AC-3 if it is `converted`.
pub(super) fn pmt(recipe: &Recipe, changed: bool, converted: bool) -> Vec<u8> {
    let clock = if recipe.radio { SOUND } else { VIDEO };
    let mut body = vec![0, 7, 0xc3 + if changed { 2 } else { 0 }, 0, 0];
    body.extend((0xe000 | clock).to_be_bytes());
    body.extend([0xf0, 6, 0x05, 4, b'H', b'D', b'M', b'V']);
    let mut add = |kind: u8, pid: u16, descriptors: &[u8]| {
        let [high, low] = (0xe000 | pid).to_be_bytes();
        body.extend([kind, high, low, 0xf0, u8::try_from(descriptors.len()).expect("a few")]);
        body.extend(descriptors);
    };
    if !recipe.radio {
        add(0x1b, VIDEO, &[0x52, 1, 1]);
    }
    for (number, track) in recipe.tracks.iter().enumerate() {
        let [a, b, c] = track.language;
        let language = [0x0a, 4, a, b, c, track.audio_type];
        let tag = [0x52, 1, 0x20 + number as u8];
        let (kind, coding): (u8, &[u8]) = match track.signal {
            Signal::Aac => (0x0f, &[]),
            _ if converted => (0x0f, &[]),
            Signal::Atsc => (0x81, &[0x05, 4, b'A', b'C', b'-', b'3', 0x81, 3, 8, 0x28, 5]),
            Signal::Dvb => (0x06, &[0x6a, 1, 0]),
        };
        add(kind, SOUND + number as u16, &[coding, &tag, &language].concat());
    }
    if changed {
        add(0x0f, SOUND + 8, &[0x0a, 4, b'i', b't', b'a', 0]);
    }
    if recipe.data {
        add(0x06, TELETEXT, &[0x56, 5, b'd', b'e', b'u', 0x09, 0]);
        add(0x06, SUBTITLES, &[0x59, 8, b'd', b'e', b'u', 0x10, 0, 1, 0, 1]);
        add(0x05, AIT, &[0x6f, 3, 0, 0x10, 1]);
        add(0x86, CUES, &[0x05, 4, b'C', b'U', b'E', b'I']);
    }
    finished(2, 0xb000, &body)
}

/// A section of some other table behind its pointer_field.
pub(super) fn other(table: u8, number: u64) -> Vec<u8> {
    let body = [&[0, 1, 0xc1, 0, 0][..], &number.to_be_bytes()].concat();
    [vec![0], finished(table, 0xf000, &body)].concat()
}

/// A section with its header and CRC around `body`, which begins after section_length.
fn finished(table: u8, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = flags | u16::try_from(body.len() + 4).expect("a short section");
    let mut section = vec![table];
    section.extend(length.to_be_bytes());
    section.extend(body);
    let crc = crc32(&section);
    section.extend(crc.to_be_bytes());
    section
}
