//! Programmes of which some are not sent, tables in several sections, and packets lost or sent twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::LEN;
use crate::media::ts::psi::Stream;

const RADIO: &[u8] = &[0x03];
const TELEVISION: &[u8] = &[0x03, 0x1B];
const DATA: &[u8] = &[0x0B];

fn packets(pid: u16, section: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    psi::write_packets(Pid::masked(pid), &mut ContinuityCounter::default(), section, &mut out);
    out
}

/// Programmes by number, their PMTs' PIDs from 0x1000 on.
fn pat(numbers: &[u16]) -> Vec<u8> {
    packets(0, &pat_section(numbers, 0, 0))
}

fn pat_section(numbers: &[u16], section_number: u8, last_section_number: u8) -> Vec<u8> {
    let programs: Vec<_> = numbers.iter().map(|number| (*number, pmt_pid(*number))).collect();
    let mut section = Pat::write(1, 0, &programs).unwrap();
    let crc = section.len() - 4;
    (section[6], section[7]) = (section_number, last_section_number);
    let sum = psi::crc32(&section[..crc]).to_be_bytes();
    section[crc..].copy_from_slice(&sum);
    section
}

fn pmt_pid(number: u16) -> Pid {
    Pid::masked(0x1000 + number)
}

fn pmt(number: u16, stream_types: &[u8]) -> Vec<u8> {
    packets(0x1000 + number, &pmt_section(number, stream_types, 0))
}

fn pmt_section(number: u16, stream_types: &[u8], descriptors_len: u8) -> Vec<u8> {
    let descriptors =
        [&[0x80, descriptors_len][..], &vec![1; usize::from(descriptors_len)]].concat();
    let streams: Vec<_> = (0x100..)
        .zip(stream_types)
        .map(|(pid, &stream_type)| Stream {
            stream_type,
            pid: Pid::masked(pid),
            descriptors: &descriptors,
        })
        .collect();
    Pmt::write(number, 0, Pid::masked(0x100), &[], &streams).unwrap()
}

fn push(program: &mut Program, bytes: &[u8]) -> Vec<Heard> {
    let packets = bytes.as_chunks::<LEN>().0.iter();
    packets.map(|packet| program.push(Packet::parse(packet).unwrap())).collect()
}

/// What is chosen when these have come, and whether for good.
fn chosen(wanted: Option<u16>, parts: &[Vec<u8>]) -> (Option<u16>, bool) {
    let mut program = Program::new(wanted);
    push(&mut program, &parts.concat());
    (program.program_number(), program.is_settled())
}

#[test]
fn the_first_with_video_is_taken_at_once() {
    let all = pat(&[7, 8, 9]);
    assert_eq!(chosen(None, &[all.clone(), pmt(8, TELEVISION)]), (Some(8), true));
    assert_eq!(chosen(None, &[all.clone(), pmt(9, DATA)]), (Some(9), false));
    let heard = [all, pmt(9, DATA), pmt(7, RADIO), pmt(9, DATA), pmt(8, TELEVISION), pmt(7, RADIO)];
    let mut program = Program::new(None);
    let heard = push(&mut program, &heard.concat());
    let expected =
        [Heard::Pat, Heard::NewPmt, Heard::NewPmt, Heard::Nothing, Heard::NewPmt, Heard::Nothing];
    assert_eq!(heard, expected);
    assert_eq!((program.program_number(), program.is_settled()), (Some(8), true));
    // Where there is no other, none is waited for.
    assert_eq!(chosen(Some(1), &[pat(&[7]), pmt(7, DATA)]), (Some(7), true));
}

#[test]
fn a_better_one_is_waited_for_until_two_more_pats() {
    let all = pat(&[1, 2, 3]);
    for (wanted, worse) in [(Some(1), TELEVISION), (Some(1), RADIO), (None, RADIO), (None, DATA)] {
        let before = [all.clone(), pmt(2, worse), all.clone(), pmt(2, worse)];
        assert_eq!(chosen(wanted, &before), (Some(2), false), "{wanted:?}");
        let after = [before.concat(), all.clone()];
        assert_eq!(chosen(wanted, &after), (Some(2), true), "{wanted:?}");
        let found = [before.concat(), pmt(1, TELEVISION), all.clone()];
        assert_eq!(chosen(wanted, &found), (Some(1), true), "{wanted:?}");
        let late = [after.concat(), pmt(1, TELEVISION)];
        assert_eq!(chosen(wanted, &late), (Some(2), true), "{wanted:?}");
    }
    // PATs alone make none.
    let late = [all.clone(), all.clone(), all.clone(), all, pmt(3, DATA)];
    assert_eq!(chosen(Some(1), &late), (Some(3), true));
}

#[test]
fn what_is_settled_upon_stays_while_it_is_listed() {
    let mut program = Program::new(None);
    push(&mut program, &[pat(&[7, 8]), pmt(7, RADIO)].concat());
    program.settle();
    assert!(program.is_settled() && !program.listens_to(pmt_pid(8)));
    assert_eq!(push(&mut program, &pmt(8, TELEVISION)), [Heard::Nothing]);
    assert_eq!(push(&mut program, &pat(&[7, 8, 9])), [Heard::Pat]);
    assert_eq!(push(&mut program, &pmt(8, TELEVISION)), [Heard::Nothing]);
    assert_eq!(program.program_number(), Some(7));
    let (moved, pid) =
        (Pat::write(1, 1, &[(7, Pid::masked(0x300)), (8, pmt_pid(8))]).unwrap(), 0x300);
    push(&mut program, &packets(0, &moved));
    assert!(!program.listens_to(pmt_pid(8)));
    let section = pmt_section(7, RADIO, 0);
    assert_eq!(push(&mut program, &packets(pid, &section)), [Heard::NewPmt]);
    // The number has gone: the first one that comes, for good.
    push(&mut program, &[pat(&[8, 9]), pmt(9, RADIO), pmt(8, TELEVISION)].concat());
    assert_eq!((program.program_number(), program.is_settled()), (Some(9), true));
}

#[test]
fn every_programme_of_a_pat_is_listened_to() {
    let numbers: Vec<u16> = (1..=253).collect();
    let mut program = Program::new(None);
    push(&mut program, &[pat(&numbers), pmt(253, TELEVISION)].concat());
    assert_eq!(program.program_number(), Some(253));
    assert!(program.listed.capacity() < 8);
}

#[test]
fn the_sections_of_a_pat_add_up() {
    let sections = |one: &[u16], two: &[u16]| {
        [packets(0, &pat_section(one, 0, 1)), packets(0, &pat_section(two, 1, 1))].concat()
    };
    for (number, wanted) in [(1, None), (2, None), (1, Some(1)), (2, Some(2))] {
        let mut program = Program::new(wanted);
        push(&mut program, &[sections(&[1], &[2]), pmt(number, TELEVISION)].concat());
        let announced = program.announced().unwrap();
        assert_eq!((program.program_number(), program.is_settled()), (Some(number), true));
        let pat = Pat::parse(announced.pat).unwrap();
        assert!(pat.programs().any(|entry| entry == (number, pmt_pid(number))));
        push(&mut program, &sections(&[1], &[2]));
        let section_number = u8::try_from(number - 1).unwrap();
        assert_eq!(program.pat(), pat_section(&[number], section_number, 1));
        assert_eq!(push(&mut program, &pmt(number, TELEVISION)), [Heard::SamePmt]);
    }
    // No more of them than one section has room for.
    let (one, two): (Vec<u16>, Vec<u16>) = ((1..=200).collect(), (201..=400).collect());
    let mut program = Program::new(None);
    push(&mut program, &sections(&one, &two));
    assert_eq!(program.listed.len(), LISTED_MAX);
    // Two cycles are waited for, not two sections.
    let parts = [sections(&[1], &[2]), pmt(2, RADIO), sections(&[1], &[2])];
    assert_eq!(chosen(Some(1), &parts), (Some(2), false));
    assert_eq!(chosen(Some(1), &[parts.concat(), sections(&[1], &[2])]), (Some(2), true));
}

#[test]
fn programmes_share_a_pid() {
    let listed = Pat::write(1, 0, &[(7, Pid::masked(0x30)), (8, Pid::masked(0x30))]).unwrap();
    let mut program = Program::new(Some(8));
    let of = |number| packets(0x30, &pmt_section(number, TELEVISION, 0));
    push(&mut program, &[packets(0, &listed), of(7), of(8), of(7)].concat());
    assert_eq!(program.announced().unwrap().pmt.program_number(), 8);
    assert_eq!(push(&mut program, &[of(7), of(8)].concat()), [Heard::Nothing, Heard::SamePmt]);
}

#[test]
fn packets_sent_twice_make_one_table() {
    let long = pmt_section(7, TELEVISION, 200);
    let once = [pat(&[7]), packets(0x1007, &long)].concat();
    assert_eq!(once.len(), 4 * LEN);
    let twice: Vec<u8> = once.chunks(LEN).flat_map(|packet| [packet, packet].concat()).collect();
    let mut program = Program::new(None);
    push(&mut program, &twice);
    assert_eq!(program.announced().unwrap().pmt_section, long);
    assert!(program.amid().next().is_none());
    // Without its second packet nothing of it is waited for.
    let mut program = Program::new(None);
    push(&mut program, &once[..2 * LEN]);
    assert!(program.amid().eq([pmt_pid(7)]));
    push(&mut program, &once[3 * LEN..]);
    assert!(program.announced().is_none() && program.amid().next().is_none());
}

#[test]
fn unfinished_sections_are_bounded() {
    let numbers: Vec<u16> = (1..=20).collect();
    let mut program = Program::new(None);
    push(&mut program, &pat(&numbers));
    let long = |number| packets(0x1000 + number, &pmt_section(number, TELEVISION, 200));
    numbers.iter().for_each(|number| _ = push(&mut program, &long(*number)[..LEN]));
    assert!(program.amid().eq(numbers[4..].iter().map(|number| pmt_pid(*number))));
    // What is dropped comes again.
    push(&mut program, &long(3)[LEN..]);
    assert_eq!(program.program_number(), None);
    push(&mut program, &long(3));
    assert_eq!(program.program_number(), Some(3));
    assert!(program.amid().next().is_none());
    // A section that is longer than a table may be is none.
    let mut packet = Vec::new();
    Header { payload_unit_start: true, ..Header::new(pmt_pid(3), 7) }
        .write(&[&[0, 2, 0xBF, 0xFF][..], &[0; 180]].concat(), &mut packet);
    push(&mut program, &packet);
    assert!(program.amid().next().is_none());
}
