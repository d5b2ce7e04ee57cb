//! Layouts that go on one another.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::media::ts::join::program::Program;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::watch::Watcher;

type Streams<'a> = &'a [(u8, u16, &'a [u8])];

const ENGLISH: &[u8] = b"\x0A\x04eng\0";
const GERMAN: &[u8] = b"\x0A\x04deu\0";
const AC3: &[u8] = b"\x6A\x01\0";

/// PAT and PMT in packets. The PAT names another programme where `other` is set.
fn tables(pcr_pid: u16, descriptors: &[u8], streams: Streams<'_>, other: bool) -> Vec<u8> {
    let streams: Vec<Stream<'_>> = streams
        .iter()
        .map(|&(stream_type, pid, descriptors)| Stream {
            stream_type,
            pid: Pid::masked(pid),
            descriptors,
        })
        .collect();
    let pmt_pid = Pid::masked(0x1000);
    let programs = [(7, pmt_pid), (8, Pid::masked(0x1001))];
    let pat = Pat::write(3, 31, &programs[..if other { 2 } else { 1 }]).unwrap();
    let pmt = Pmt::write(7, 31, Pid::masked(pcr_pid), descriptors, &streams).unwrap();
    let mut out = Vec::new();
    psi::write_packets(Pid::PAT, &mut ContinuityCounter::default(), &pat, &mut out);
    psi::write_packets(pmt_pid, &mut ContinuityCounter::default(), &pmt, &mut out);
    out
}

fn planned(client: &[u8], standby: &[u8]) -> Plan {
    let mut sent = Sent::new();
    client.as_chunks::<LEN>().0.iter().for_each(|packet| sent.note(packet));
    let mut watcher = Watcher::new();
    watcher.push(client);
    let mut program = Program::new(None);
    for packet in standby.as_chunks::<LEN>().0 {
        program.push(Packet::parse(packet).unwrap());
    }
    plan(&sent, &Sequence::after(&watcher), &program.announced().unwrap())
}

fn pids(plan: &Plan) -> Vec<(u16, u16)> {
    plan.ways.iter().map(|way| (way.from.value(), way.to.value())).collect()
}

#[test]
fn the_same_streams_keep_the_tables() {
    let client: Streams<'_> =
        &[(0x1B, 0x100, &[]), (0x03, 0x101, ENGLISH), (0x06, 0x102, AC3), (0x03, 0x103, GERMAN)];
    let standby: Streams<'_> =
        &[(0x81, 0x50, &[]), (0x04, 0x51, GERMAN), (0x1B, 0x100, &[]), (0x04, 0x53, &[])];
    let old = tables(0x100, &[], client, true);
    let plan = planned(&old, &tables(0x100, &[], standby, false));
    assert_eq!(pids(&plan), [(0x50, 0x102), (0x51, 0x103), (0x100, 0x100), (0x53, 0x101)]);
    assert_eq!(Pat::parse(&plan.pat).unwrap().programs().count(), 2);
    assert_eq!(Pmt::parse(&plan.pmt).unwrap().section().version, 31);
    assert_eq!(plan.pmt_pid, Pid::masked(0x1000));
}

#[test]
fn other_streams_make_a_new_version() {
    let client: Streams<'_> = &[(0x1B, 0x100, &[]), (0x03, 0x101, ENGLISH)];
    let standby: Streams<'_> =
        &[(0x24, 0x100, &[]), (0x03, 0x101, ENGLISH), (0x81, 0x200, &[]), (0x06, 0x1000, &[])];
    let old = tables(0x100, &[], client, true);
    let plan = planned(&old, &tables(0x100, &[], standby, false));
    // The last one is where the standby's own PMT is.
    assert_eq!(pids(&plan), [(0x100, 0x102), (0x101, 0x101), (0x200, 0x200)]);
    let pmt = Pmt::parse(&plan.pmt).unwrap();
    assert_eq!((pmt.section().version, pmt.program_number(), pmt.pcr_pid().value()), (0, 7, 0x102));
    let streams: Vec<_> = pmt.streams().map(|it| (it.stream_type, it.pid.value())).collect();
    assert_eq!(streams[..3], [(0x24, 0x102), (0x03, 0x101), (0x81, 0x200)]);
    let pat = Pat::parse(&plan.pat).unwrap();
    assert!(pat.programs().eq([(7, Pid::masked(0x1000))]));
    assert_eq!((pat.section().version, pat.transport_stream_id()), (0, 3));
}

#[test]
fn a_clock_in_another_place_makes_a_new_version() {
    let streams: Streams<'_> = &[(0x1B, 0x100, &[]), (0x03, 0x101, &[])];
    let old = tables(0x100, &[], streams, false);
    for (pcr_pid, place) in [(0x101, 0x101), (0x30, 0x30), (0x1FFF, 0x1FFF)] {
        let plan = planned(&old, &tables(pcr_pid, &[], streams, false));
        let pmt = Pmt::parse(&plan.pmt).unwrap();
        assert_eq!((pmt.section().version, pmt.pcr_pid().value()), (0, place));
    }
    let (old, new) = (tables(0x30, &[], streams, false), tables(0x31, &[], streams, false));
    let plan = planned(&old, &new);
    assert_eq!(Pmt::parse(&plan.pmt).unwrap().section().version, 31);
    assert_eq!(pids(&plan)[2], (0x31, 0x30));
}

#[test]
fn control_messages_are_mapped_where_they_are_named() {
    let ca = |pid: u8| [0x09, 4, 0x05, 0x00, 0xE0, pid];
    let client = tables(0x100, &ca(0x40), &[(0x1B, 0x100, &[])], false);
    let standby = tables(0x100, &ca(0x50), &[(0x1B, 0x100, &[])], false);
    assert_eq!(pids(&planned(&client, &standby)), [(0x100, 0x100), (0x50, 0x40)]);
    let clear = tables(0x100, &[], &[(0x1B, 0x50, &[])], false);
    let plan = planned(&clear, &standby);
    assert_eq!(pids(&plan), [(0x100, 0x50), (0x50, 0x51)]);
    assert_eq!(Pmt::parse(&plan.pmt).unwrap().descriptors(), ca(0x51));
}

#[test]
fn a_client_without_tables_gets_the_standbys() {
    let standby = tables(0x100, &[], &[(0x1B, 0x100, &[])], true);
    let plan = planned(&[], &standby);
    assert_eq!(pids(&plan), [(0x100, 0x100)]);
    assert!(Pat::parse(&plan.pat).unwrap().programs().eq([(7, Pid::masked(0x1000))]));
    // Its PAT came, its PMT did not.
    let other = tables(0x100, &[], &[], false);
    let plan = planned(&other[..LEN], &standby);
    assert_eq!(Pat::parse(&plan.pat).unwrap().section().version, 31);
    let plan = planned(&standby[..LEN], &other);
    assert_eq!(Pat::parse(&plan.pat).unwrap().section().version, 0);
}
