//! The writing side of packets, tables and PES headers, for [`super::TsPattern`].

use super::PACKET;
use super::SYNC;
use super::crc32;
use super::pattern::Codec;

/// Writes the packet header.
pub(super) fn head(packet: &mut [u8; PACKET], pid: u16, start: bool, control: u8, counter: u8) {
    let [high, low] = pid.to_be_bytes();
    let start = if start { 0x40 } else { 0 };
    packet[..4].copy_from_slice(&[SYNC, start | high, low, control << 4 | counter]);
}

/// Writes a packet that holds `section` alone.
pub(super) fn section(packet: &mut [u8; PACKET], pid: u16, counter: u8, section: &[u8]) {
    head(packet, pid, true, 1, counter);
    packet[4] = 0;
    packet[5..5 + section.len()].copy_from_slice(section);
}

/// An adaptation field with a PCR; returns where the payload begins.
pub(super) fn pcr_field(packet: &mut [u8; PACKET], random_access: bool, base: u64) -> usize {
    let flags = if random_access { 0x50 } else { 0x10 };
    // 33 bits of base, 6 reserved ones, 9 bits of extension that stay 0.
    let [_, _, field @ ..] = (base << 15 | 0x7e00).to_be_bytes();
    packet[4..6].copy_from_slice(&[7, flags]);
    packet[6..12].copy_from_slice(&field);
    12
}

/// An adaptation field of `bytes` in all (2 or more); returns where the payload begins.
pub(super) fn stuffing(packet: &mut [u8; PACKET], bytes: usize) -> usize {
    packet[4] = u8::try_from(bytes - 1).expect("less than a packet");
    packet[5] = 0;
    4 + bytes
}

/// A PTS or DTS behind its four-bit prefix.
pub(super) fn stamp(prefix: u64, ticks: u64) -> [u8; 5] {
    let high = prefix << 4 | (ticks >> 30 & 7) << 1 | 1;
    let middle = (ticks >> 15 & 0x7fff) << 1 | 1;
    let low = (ticks & 0x7fff) << 1 | 1;
    let [_, _, _, bytes @ ..] = (high << 32 | middle << 16 | low).to_be_bytes();
    bytes
}

/// How many pictures after its decoding a picture is shown: I P B P B ... in decoding order.
pub(super) fn reorder(in_second: u64) -> u64 {
    match in_second {
        0 => 1,
        odd if odd % 2 == 1 => 2,
        _ => 0,
    }
}

/// A section with its header and CRC around `body`, which begins after section_length.
pub(super) fn finished(table_id: u8, body: Vec<u8>) -> Vec<u8> {
    let [high, low] = u16::try_from(0xb000 + body.len() + 4).expect("one packet").to_be_bytes();
    let mut section = vec![table_id, high, low];
    section.extend(body);
    let crc = crc32(&section);
    section.extend(crc.to_be_bytes());
    section
}

/// The stream_type of `codec` in the PMT.
pub(super) fn stream_type(codec: Codec) -> u8 {
    match codec {
        Codec::H264 => 0x1b,
        Codec::Hevc => 0x24,
        Codec::Mpeg2 => 0x02,
        Codec::Aac => 0x0f,
        Codec::Ac3 => 0x06,
        Codec::Mp2 => 0x04,
    }
}

/// The descriptors of an elementary stream in the PMT.
pub(super) fn descriptors_of(codec: Codec, language: [u8; 3]) -> Vec<u8> {
    let [a, b, c] = language;
    match codec {
        Codec::H264 | Codec::Hevc | Codec::Mpeg2 => vec![],
        Codec::Ac3 => vec![0x6a, 1, 0, 0x0a, 4, a, b, c, 0],
        Codec::Aac | Codec::Mp2 => vec![0x0a, 4, a, b, c, 0],
    }
}

/// The start of an access unit; picture 0 of a second is a random access point.
pub(super) fn access_unit(codec: Codec, in_second: u64) -> Vec<u8> {
    let key = in_second == 0;
    match (codec, key) {
        (Codec::H264, true) => [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10],
            &[0, 0, 0, 1, 0x68, 0xcb, 0x83, 0xcb, 0x20],
            &[0, 0, 1, 0x65, 0x88],
        ]
        .concat(),
        (Codec::H264, false) => vec![0, 0, 0, 1, 9, 0x50, 0, 0, 1, 0x41, 0x9a],
        (Codec::Hevc, true) => [
            &[0, 0, 0, 1, 0x46, 1, 0x10][..],
            &[0, 0, 0, 1, 0x40, 1, 0x0c, 1, 0xff],
            &[0, 0, 0, 1, 0x42, 1, 1, 1, 0x60],
            &[0, 0, 0, 1, 0x44, 1, 0xc1, 0x72],
            &[0, 0, 1, 0x26, 1, 0xaf],
        ]
        .concat(),
        (Codec::Hevc, false) => vec![0, 0, 0, 1, 0x46, 1, 0x30, 0, 0, 1, 2, 1, 0xd0],
        (Codec::Mpeg2, true) => [
            &[0, 0, 1, 0xb3, 0x14, 0, 0xf0, 0x13, 0xff, 0xff, 0xe0, 0x18][..],
            &[0, 0, 1, 0xb5, 0x14, 0x8a, 0, 1, 0, 0],
            &[0, 0, 1, 0xb8, 0, 8, 0, 0x40],
            &[0, 0, 1, 0, 0, 0x0f, 0xff, 0xf8],
            &[0, 0, 1, 0xb5, 0x8f, 0xff, 0xf3, 0x41, 0x80, 0, 0, 1, 1],
        ]
        .concat(),
        (Codec::Mpeg2, false) => [
            &[0, 0, 1, 0, 0, 0x57, 0xff, 0xf8][..],
            &[0, 0, 1, 0xb5, 0x8f, 0xff, 0xf3, 0x41, 0x80, 0, 0, 1, 1],
        ]
        .concat(),
        (Codec::Aac, _) => vec![0xff, 0xf1, 0x4c, 0x80, 0x28, 0x1f, 0xfc],
        (Codec::Ac3, _) => vec![0x0b, 0x77, 0xaa, 0xaa, 0x14, 0x40],
        (Codec::Mp2, _) => vec![0xff, 0xfd, 0x84, 0x04],
    }
}
