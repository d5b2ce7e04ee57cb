//! PAT, PMT, SDT and TDT of a [`super::Recipe`].

use super::AudioCodec;
use super::ClockPid;
use super::DataKind;
use super::Recipe;
use super::VideoCodec;
use crate::support::ts::crc32;

/// The PAT.
pub(super) fn pat(recipe: &Recipe) -> Vec<u8> {
    let mut body = vec![0, 1, 0xc1, 0, 0];
    for recipe in std::iter::once(recipe).chain(recipe.second.as_deref()) {
        body.extend(recipe.programme.to_be_bytes());
        body.extend((0xe000 | recipe.pmt_pid).to_be_bytes());
    }
    finished(0x00, 0xb000, &body)
}

/// The PMT at a picture.
pub(super) fn pmt(recipe: &Recipe, number: u64) -> Vec<u8> {
    let audio = recipe.audio_at(number);
    let changes = recipe.changes().filter(|from| *from <= number).count() as u8;
    let version = 0xc1 | ((recipe.pmt_version + changes) & 0x1f) << 1;
    let mut body = recipe.programme.to_be_bytes().to_vec();
    body.extend([version, 0, 0]);
    body.extend((0xe000 | clock_pid(recipe)).to_be_bytes());
    body.extend([0xf0, 0]);
    let mut add = |kind: u8, pid: u16, descriptors: Vec<u8>| {
        let [high, low] = (0xe000 | pid).to_be_bytes();
        body.extend([kind, high, low, 0xf0, u8::try_from(descriptors.len()).expect("a few")]);
        body.extend(descriptors);
    };
    if let Some((pid, codec, _)) = recipe.video {
        let kind = match codec {
            VideoCodec::H264 => 0x1b,
            VideoCodec::Hevc => 0x24,
            VideoCodec::Mpeg2 => 0x02,
        };
        add(kind, pid, vec![]);
    }
    for track in audio {
        let (kind, descriptors) = audio_entry(track.kind, track.language);
        add(kind, track.pid, descriptors);
    }
    for track in &recipe.data {
        let [a, b, c] = track.language;
        let descriptor = match track.kind {
            DataKind::Teletext => vec![0x56, 5, a, b, c, 0x09, 0x00],
            DataKind::Subtitles => vec![0x59, 8, a, b, c, 0x10, 0, 1, 0, 1],
        };
        add(0x06, track.pid, descriptor);
    }
    finished(0x02, 0xb000, &body)
}

/// The PID of the PCR.
pub(super) fn clock_pid(recipe: &Recipe) -> u16 {
    match recipe.clock {
        ClockPid::Video => recipe.video.map_or(0x1fff, |(pid, ..)| pid),
        ClockPid::Audio => recipe.audio.first().map_or(0x1fff, |track| track.pid),
        ClockPid::Own(pid) => pid,
    }
}

/// An SDT with one service (EN 300 468, 5.2.3).
pub(super) fn sdt(recipe: &Recipe) -> Vec<u8> {
    let [high, low] = recipe.programme.to_be_bytes();
    let name = [0x48, 7, 0x01, 0, 4, b'w', b'e', b'i', b'r'];
    let mut body = vec![0, 1, 0xc1, 0, 0, 0, 1, 0xff, high, low, 0xfc, 0x80, 9];
    body.extend(name);
    finished(0x42, 0xf000, &body)
}

/// A TDT (EN 300 468, 5.2.5): no CRC.
pub(super) fn tdt(number: u64) -> Vec<u8> {
    vec![0x70, 0x70, 5, 0xec, 0x00, 0x12, 0x00, (number % 60) as u8]
}

fn audio_entry(codec: AudioCodec, [a, b, c]: [u8; 3]) -> (u8, Vec<u8>) {
    let language = [0x0a, 4, a, b, c, 0];
    let with = |first: &[u8]| [first, &language].concat();
    match codec {
        AudioCodec::Ac3Atsc => (0x81, with(&[0x05, 4, b'A', b'C', b'-', b'3'])),
        AudioCodec::Ac3Dvb => (0x06, with(&[0x6a, 1, 0])),
        AudioCodec::Eac3Dvb => (0x06, with(&[0x7a, 1, 0])),
        AudioCodec::Eac3Atsc => (0x87, with(&[])),
        AudioCodec::Aac => (0x0f, with(&[])),
        AudioCodec::Latm => (0x11, with(&[])),
        AudioCodec::Mp2 => (0x03, with(&[])),
    }
}

/// A section with its header and CRC around `body`, which begins after section_length.
fn finished(table_id: u8, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = flags | u16::try_from(body.len() + 4).expect("a short section");
    let mut section = vec![table_id];
    section.extend(length.to_be_bytes());
    section.extend(body);
    let crc = crc32(&section);
    section.extend(crc.to_be_bytes());
    section
}
