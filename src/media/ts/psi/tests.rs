//! Known sections, round trips, every split of a section, and any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

use proptest::prelude::*;

use super::*;
use crate::media::ts::packet;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Packet;

/// A PAT with one programme as FFmpeg writes it.
const FFMPEG_PAT: [u8; 16] = [
    0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0x00, 0x00, 0x00, 0x01, 0xF0, 0x00, 0x2A, 0xB1, 0x04, 0xB2,
];

fn pmt(streams: usize) -> Vec<u8> {
    let languages: Vec<_> =
        (0..streams).map(|at| [0x0A, 4, b'a', b'b', b'a' + (at % 26) as u8, 0]).collect();
    let streams: Vec<_> = languages
        .iter()
        .enumerate()
        .map(|(at, descriptors)| Stream {
            stream_type: stream_type::AAC_ADTS,
            pid: Pid::masked(0x100 + at as u16),
            descriptors,
        })
        .collect();
    Pmt::write(7, 3, Pid::masked(0x100), &[0x05, 2, b'x', b'y'], &streams).unwrap()
}

#[test]
fn crc_is_crc_32_mpeg_2() {
    assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    assert_eq!(crc32(&FFMPEG_PAT), 0);
}

#[test]
fn a_known_pat_is_read_and_written() {
    let pat = Pat::parse(&FFMPEG_PAT).unwrap();
    assert_eq!(pat.transport_stream_id(), 1);
    assert_eq!(pat.section().version, 0);
    assert!(pat.section().current_next_indicator);
    assert_eq!(pat.programs().collect::<Vec<_>>(), [(1, Pid::masked(0x1000))]);
    assert_eq!(Pat::write(1, 0, &[(1, Pid::masked(0x1000))]).unwrap(), FFMPEG_PAT);
}

#[test]
fn programme_zero_is_no_programme() {
    let programs = [(0, Pid::masked(0x10)), (9, Pid::masked(0x1FFE))];
    let section = Pat::write(0xFFFF, 31, &programs).unwrap();
    let pat = Pat::parse(&section).unwrap();
    assert_eq!(pat.programs().collect::<Vec<_>>(), programs[1..]);
    assert_eq!(pat.section().version, 31);
}

#[test]
fn a_pmt_reads_back() {
    let section = pmt(3);
    let pmt = Pmt::parse(&section).unwrap();
    assert_eq!((pmt.program_number(), pmt.section().version), (7, 3));
    assert_eq!(pmt.pcr_pid(), Pid::masked(0x100));
    let all: Vec<_> = descriptors(pmt.descriptors()).collect();
    assert_eq!(all, [(0x05, b"xy".as_slice())]);
    let streams: Vec<_> = pmt.streams().collect();
    assert_eq!(streams.len(), 3);
    assert_eq!(streams[2].pid, Pid::masked(0x102));
    assert_eq!(streams[2].language(), Some(*b"abc"));
    assert_eq!(Stream { descriptors: &[0x0A, 2, b'a', b'b'], ..streams[0] }.language(), None);
}

#[test]
fn each_mistake_has_its_error() {
    let with_crc = |mut section: Vec<u8>| {
        let at = section.len() - 4;
        let crc = crc32(&section[..at]);
        section[at..].copy_from_slice(&crc.to_be_bytes());
        section
    };
    let mut flipped = FFMPEG_PAT;
    flipped[9] ^= 1;
    let mut short_form = FFMPEG_PAT;
    short_form[1] = 0x30;
    // The programme's loop and the stream's loop each say one byte more than there is.
    let mut program_loop = pmt(1);
    program_loop[11] = 16;
    let mut stream_loop = pmt(1);
    stream_loop[20] += 1;
    let mut odd = FFMPEG_PAT.to_vec();
    odd.insert(12, 0);
    odd[2] += 1;
    let cases = [
        (Pat::parse(&FFMPEG_PAT[..15]).err(), Error::Cut),
        (Pat::parse(&[]).err(), Error::Cut),
        (Pat::parse(&flipped).err(), Error::Crc),
        (Pat::parse(&short_form).err(), Error::ShortForm),
        (Pat::parse(&[0, 0xB0, 1, 0]).err(), Error::Length(1)),
        (Pat::parse(&pmt(1)).err(), Error::Table(2)),
        (Pat::parse(&with_crc(odd)).err(), Error::Body),
        (Pmt::parse(&FFMPEG_PAT).err(), Error::Table(0)),
        (Pmt::parse(&with_crc(program_loop)).err(), Error::Body),
        (Pmt::parse(&with_crc(stream_loop)).err(), Error::Body),
        (Pat::write(1, 0, &[(1, Pid::PAT); 254]).err(), Error::Length(1025)),
        (Pmt::write(1, 0, Pid::NULL, &[0; 1024], &[]).err(), Error::Length(1024)),
    ];
    let mut seen = 0;
    for (error, expected) in cases {
        assert_eq!(error, Some(expected), "case {seen}");
        seen += 1;
    }
    assert_eq!(seen, 12);
    assert!(Pat::write(1, 0, &[(1, Pid::PAT); 253]).is_ok());
}

/// Feeds whole packets to an assembler.
fn assemble(packets: &[u8]) -> Vec<Vec<u8>> {
    let mut assembler = Assembler::new();
    let mut sections = Vec::new();
    for bytes in packets.as_chunks::<{ packet::LEN }>().0 {
        let packet = Packet::parse(bytes).unwrap();
        let payload = packet.payload().unwrap();
        assembler.push(packet.payload_unit_start(), payload, |section| {
            sections.push(section.to_vec());
        });
    }
    sections
}

#[test]
fn sections_of_every_length_survive_packets() {
    let mut seen = 0;
    for streams in 0..=80 {
        let section = pmt(streams);
        let (mut counter, mut out) = (ContinuityCounter::default(), Vec::new());
        write_packets(Pid::SDT, &mut counter, &section, &mut out);
        write_packets(Pid::SDT, &mut counter, &section, &mut out);
        assert_eq!(out.len() % packet::LEN, 0);
        assert_eq!(assemble(&out), [section.clone(), section]);
        seen += 1;
    }
    assert_eq!(seen, 81);
}

#[test]
fn sections_back_to_back_are_told_apart() {
    let (one, two) = (pmt(40), pmt(2));
    let both = [one.clone(), two.clone(), FFMPEG_PAT.to_vec()].concat();
    let mut seen = 0;
    for cut in 1..one.len() {
        // The first packet ends within the first section, the second points behind its end.
        let mut assembler = Assembler::new();
        let mut sections = Vec::new();
        let mut each = |section: &[u8]| sections.push(section.to_vec());
        assembler.push(true, &[&[0], &both[..cut]].concat(), &mut each);
        let left = one.len() - cut;
        let tail = [&both[cut..], &[0xFF; 20]].concat();
        match u8::try_from(left) {
            Ok(pointer) => assembler.push(true, &[&[pointer], &tail[..]].concat(), &mut each),
            Err(_) => {
                let (middle, last) = tail.split_at(left - 10);
                assembler.push(false, middle, &mut each);
                assembler.push(true, &[&[10], last].concat(), &mut each);
            }
        }
        assert_eq!(sections, [one.clone(), two.clone(), FFMPEG_PAT.to_vec()], "cut at {cut}");
        seen += 1;
    }
    assert!(seen > 300);
}

#[test]
fn a_lost_packet_loses_one_section() {
    let section = pmt(60);
    let (mut counter, mut out) = (ContinuityCounter::default(), Vec::new());
    write_packets(Pid::SDT, &mut counter, &section, &mut out);
    let first = out[..packet::LEN].to_vec();
    assert_eq!(assemble(&[first, out.clone()].concat()), std::slice::from_ref(&section));
    let mut assembler = Assembler::new();
    let mut sections = 0;
    assembler.push(true, &[&[0], &section[..100]].concat(), |_| sections += 1);
    assembler.reset();
    assembler.push(false, &section[100..], |_| sections += 1);
    assembler.push(true, &[200, 1, 2], |_| sections += 1); // Points outside.
    assert_eq!(sections, 0);
}

#[test]
fn packets_that_come_again_or_not_at_all_are_told_by_their_counters() {
    let section = pmt(60);
    let (mut counter, mut out) = (ContinuityCounter::after(13), Vec::new());
    write_packets(Pid::SDT, &mut counter, &section, &mut out);
    write_packets(Pid::SDT, &mut counter, &section, &mut out);
    let whole: Vec<_> = out.as_chunks::<{ packet::LEN }>().0.iter().collect();
    let assemble = |packets: &[&[u8; packet::LEN]]| {
        let mut assembler = Assembler::new();
        let mut sections = Vec::new();
        for bytes in packets {
            let packet = Packet::parse(bytes).unwrap();
            assembler.push_packet(packet, |section| sections.push(section.to_vec()));
        }
        assert!(assembler.is_idle());
        sections
    };
    let twice = whole.iter().flat_map(|packet| [*packet, *packet]).collect::<Vec<_>>();
    assert_eq!(assemble(&twice), [section.clone(), section.clone()]);
    for lost in 0..whole.len() / 2 {
        let mut left = whole.clone();
        left.remove(lost);
        assert_eq!(assemble(&left), std::slice::from_ref(&section), "packet {lost}");
    }
}

#[test]
fn memory_is_that_of_the_longest_table() {
    for (high, most) in [(0xB3, 1024), (0xBF, 8)] {
        let mut assembler = Assembler::new();
        // The length is told in the second payload.
        assembler.push(true, &[0, 2], |_| {});
        for _ in 0..6 {
            assembler.push(false, &[high; 184], |_| {});
            assert!(assembler.heap_bytes() <= most);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300), table in 0_u8..3,
    ) {
        let _ = (Pat::parse(&bytes).is_ok(), Pmt::parse(&bytes).is_ok());
        let _ = descriptors(&bytes).count();
        // The same with a right length and CRC, so that the lists are reached.
        if bytes.len() >= 12 {
            let len = bytes.len();
            bytes[0] = table;
            bytes[1] = 0xB0 | ((len - 3) >> 8) as u8;
            bytes[2] = (len - 3) as u8;
            let crc = crc32(&bytes[..len - 4]);
            bytes[len - 4..].copy_from_slice(&crc.to_be_bytes());
            prop_assert!(Section::parse(&bytes).is_ok());
            if let Ok(pat) = Pat::parse(&bytes) {
                prop_assert!(pat.programs().count() <= len / 4);
            }
            if let Ok(pmt) = Pmt::parse(&bytes) {
                prop_assert!(pmt.streams().count() <= len / 5);
            }
        }
    }

    #[test]
    fn any_payloads_are_assembled_within_bounds(
        payloads in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..184)), 0..100,
        ),
    ) {
        let mut assembler = Assembler::new();
        for (start, payload) in payloads {
            assembler.push(start, &payload, |section| assert!(section.len() >= 3));
            let shown = format!("{assembler:?}"); // At most five characters a byte.
            prop_assert!(shown.len() < 5 * (4098 + 184) + 100);
        }
    }

    #[test]
    fn tables_read_back(
        id: u16, version in 0_u8..32,
        programs in proptest::collection::vec((1_u16.., 0_u16..0x2000), 0..253),
    ) {
        let programs: Vec<_> = programs.into_iter().map(|(n, pid)| (n, Pid::masked(pid))).collect();
        let section = Pat::write(id, version, &programs).unwrap();
        let pat = Pat::parse(&section).unwrap();
        prop_assert_eq!(pat.transport_stream_id(), id);
        prop_assert_eq!(pat.section().version, version);
        prop_assert_eq!(pat.programs().collect::<Vec<_>>(), programs);
    }
}
