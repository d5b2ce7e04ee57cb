//! Layouts that go on one another.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::media::ts::join::program::Program;
use crate::media::ts::packet;
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
    planned_after(&[], client, standby)
}

fn planned_after(running: &[Way], client: &[u8], standby: &[u8]) -> Plan {
    let mut sent = Sent::new();
    client.as_chunks::<LEN>().0.iter().for_each(|packet| sent.note(packet));
    let mut watcher = Watcher::new();
    watcher.push(client);
    let mut program = Program::new(None);
    for packet in standby.as_chunks::<LEN>().0 {
        program.push(Packet::parse(packet).unwrap());
    }
    plan(&sent, &Sequence::after(&watcher), running, &program.announced().unwrap())
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

#[test]
fn ways_that_there_are_go_on() {
    let (video, first, second) = ((0x1B, 0x40, &[][..]), (3, 0x41, GERMAN), (3, 0x42, GERMAN));
    let client: Streams<'_> = &[(0x1B, 0x100, &[]), (3, 0x101, GERMAN), (3, 0x102, GERMAN)];
    let client = tables(0x100, &[], client, false);
    let plan = planned(&client, &tables(0x40, &[], &[video, first, second], false));
    let without = tables(0x40, &[], &[video, second], false);
    let with_another = tables(0x40, &[], &[video, (3, 0x43, GERMAN), first, second], false);
    let after = pids(&planned_after(&plan.ways, &client, &without));
    assert_eq!(after, [(0x40, 0x100), (0x42, 0x102)]);
    let after = pids(&planned_after(&plan.ways, &client, &with_another));
    assert_eq!(after, [(0x40, 0x100), (0x43, 0x43), (0x41, 0x101), (0x42, 0x102)]);
    // Another kind has no way yet.
    let other = tables(0x40, &[], &[video, (0x81, 0x41, GERMAN), second], false);
    assert_eq!(pids(&planned_after(&plan.ways, &client, &other))[1], (0x41, 0x41));
}

#[test]
fn other_pages_or_languages_make_a_new_version_on_the_same_pids() {
    let page_1: &[u8] = b"\x59\x08deu\x10\0\x01\0\x01";
    let page_5: &[u8] = b"\x59\x08deu\x10\0\x05\0\x05";
    let with =
        |descriptors| tables(0x100, &[], &[(0x1B, 0x100, &[]), (6, 0x102, descriptors)], false);
    let version = |plan: &Plan| Pmt::parse(&plan.pmt).unwrap().section().version;
    assert_eq!(version(&planned(&with(page_1), &with(page_1))), 31);
    let plan = planned(&with(page_1), &with(page_5));
    assert_eq!((version(&plan), pids(&plan)[1]), (0, (0x102, 0x102)));
    assert_eq!(Pmt::parse(&plan.pmt).unwrap().streams().last().unwrap().descriptors, page_5);
}

#[test]
fn new_streams_have_pids_of_their_own_where_all_have_been_used() {
    let client = tables(0x100, &[], &[(0x1B, 0x100, &[])], false);
    let mut all = client.clone();
    for pid in 0x20..0x1FF0 {
        packet::Header::new(Pid::masked(pid), 0).write(&[0; LEN], &mut all);
    }
    let streams: Vec<(u8, u16, &[u8])> = (0..200).map(|at| (0x95, 0x40 + at, &[][..])).collect();
    let plan = planned(&all, &tables(0x40, &[], &streams, false));
    let mut pids: Vec<u16> = plan.ways.iter().map(|way| way.to.value()).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 200);
    assert!(pids.iter().all(|pid| (0x20..0x1FF0).contains(pid) && ![0x100, 0x1000].contains(pid)));
}

#[test]
fn a_clock_on_the_pid_of_the_pmt_has_a_way() {
    let streams: Streams<'_> = &[(0x1B, 0x100, &[])];
    let (usual, odd) = (tables(0x100, &[], streams, false), tables(0x1000, &[], streams, false));
    let plan = planned(&usual, &odd);
    let place = plan.ways[1].to;
    assert_eq!(plan.ways[1], Way { from: Pid::masked(0x1000), to: place, role: Role::Clock });
    assert_ne!(place, Pid::masked(0x1000));
    assert_eq!(Pmt::parse(&plan.pmt).unwrap().pcr_pid(), place);
    assert_eq!(Pmt::parse(&planned(&odd, &odd).pmt).unwrap().section().version, 31);
    // Nothing can be sent on the PAT's.
    let plan = planned(&usual, &tables(0, &[], streams, false));
    assert_eq!(Pmt::parse(&plan.pmt).unwrap().pcr_pid(), Pid::NULL);
}
