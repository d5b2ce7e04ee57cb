//! Standbys that are odd in one way each, joined to a plain client and looked at packet by packet.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::media::ts::join::Joiner;
use crate::media::ts::join::Manner;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;
use crate::media::ts::psi;
use crate::media::ts::psi::Assembler;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream;
use crate::media::ts::watch;
use crate::media::ts::watch::Watcher;

mod changes;

/// 25 pictures a second.
const FRAME: u64 = Pts::HZ / 25;

/// An access unit with parameter sets and an I slice of H.264.
const I: &[u8] = &[
    0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0, 0, 1, 0x68, 0xEE, 0, 0, 1, 0x61, 0x88, 0x55,
];

/// Another slice.
const P: &[u8] = &[0, 0, 1, 9, 0xF0, 0, 0, 1, 0x41, 0x9A, 0x55];

const SUBTITLES: &[u8] = b"\x59\x08deu\x10\0\x01\0\x01";

type Streams<'a> = &'a [(u8, u16, &'a [u8])];

/// A stream that is put together packet by packet.
#[derive(Default)]
struct Mux {
    counters: BTreeMap<u16, ContinuityCounter>,
    out: Vec<u8>,
}

impl Mux {
    /// PAT and PMT of programme 1.
    fn tables(&mut self, pmt_pid: u16, version: u8, pcr_pid: u16, streams: Streams<'_>) {
        let stream = |&(stream_type, pid, descriptors)| Stream {
            stream_type,
            pid: Pid::masked(pid),
            descriptors,
        };
        let streams: Vec<Stream<'_>> = streams.iter().map(stream).collect();
        let pat = Pat::write(1, 0, &[(1, Pid::masked(pmt_pid))]).unwrap();
        let pmt = Pmt::write(1, version, Pid::masked(pcr_pid), &[], &streams).unwrap();
        for (pid, section) in [(0, pat), (pmt_pid, pmt)] {
            let counter = self.counters.entry(pid).or_default();
            psi::write_packets(Pid::masked(pid), counter, &section, &mut self.out);
        }
    }

    /// A packet with nothing but the clock, in ticks of 90 kHz.
    fn clock(&mut self, pid: u16, at: u64) {
        let pcr = Some(Pcr::from(Pts::new(at)));
        Header { pcr, ..Header::new(Pid::masked(pid), 15) }.write(&[], &mut self.out);
    }

    /// A PES packet, its clock in ticks of 90 kHz. The first packet holds `first` bytes at most.
    fn unit(&mut self, pid: u16, pts: u64, clock: Option<u64>, body: &[u8], first: usize) {
        let (stream_id, pts) = (pes::stream_id::AUDIO, Some(Pts::new(pts)));
        let mut unit = Vec::new();
        pes::Header { stream_id, data_alignment: true, pts, dts: None }
            .write(body.len(), &mut unit);
        unit.extend_from_slice(body);
        let (head, rest) = unit.split_at(first.min(unit.len()));
        let counter = self.counters.entry(pid).or_default();
        let mut header = |payload_unit_start, clock: Option<u64>| Header {
            payload_unit_start,
            pcr: clock.map(|at| Pcr::from(Pts::new(at))),
            ..Header::new(Pid::masked(pid), counter.advance())
        };
        let left = header(true, clock).write(head, &mut self.out);
        let mut rest = [left, rest].concat();
        while !rest.is_empty() {
            rest = header(false, None).write(&rest, &mut self.out).to_vec();
        }
    }

    /// Pictures on `video` with the clock, and sound behind it.
    fn channel(&mut self, video: u16, begin: u64, pictures: u64) {
        for at in (0..pictures).map(|number| begin + number * FRAME) {
            let picture = if at == begin { I } else { P };
            self.unit(video, at, Some(at - 9000), picture, LEN);
            self.unit(video + 1, at, None, &[0x55; 300], LEN);
        }
    }
}

/// A client that has had ten pictures on 0x100, sound on 0x101 and `more` in its PMT.
fn client(more: Streams<'_>) -> Mux {
    let mut mux = Mux::default();
    let streams = [&[(0x1B, 0x100, &[][..]), (3, 0x101, &[])], more].concat();
    mux.tables(0x1000, 0, 0x100, &streams);
    mux.channel(0x100, 900_000, 10);
    mux
}

/// Joins `standby` to a client that has had `first`; what the client gets of it.
fn joined(first: &[u8], standby: &[u8]) -> (Joiner, Vec<u8>) {
    let mut joiner = Joiner::new(Manner::Seamless);
    joiner.watch(first);
    let mut audition = joiner.audition();
    let mut packets = standby.chunks(LEN);
    while !audition.is_ready() {
        audition.push(packets.next().unwrap());
    }
    let mut out = Vec::new();
    joiner.join(audition, Duration::from_millis(40), &mut out);
    packets.for_each(|packet| joiner.pass(packet, &mut out));
    (joiner, out)
}

fn packets(out: &[u8]) -> impl Iterator<Item = Packet<'_>> + Clone {
    out.as_chunks().0.iter().map(|packet| Packet::parse(packet).unwrap())
}

/// The presentation times on a PID.
fn times(out: &[u8], pid: u16) -> Vec<u64> {
    packets(out)
        .filter(|packet| packet.pid().value() == pid && packet.payload_unit_start())
        .filter_map(|packet| Some(Timestamps::parse(packet.payload()?)?.pts.ticks()))
        .collect()
}

/// The PMTs on 0x1000 that differ from the one before: version and PCR PID.
fn pmts(out: &[u8]) -> Vec<(u8, u16)> {
    let (mut pmts, mut assembler) = (Vec::new(), Assembler::new());
    for packet in packets(out).filter(|packet| packet.pid().value() == 0x1000) {
        let payload = packet.payload().unwrap_or_default();
        assembler.push(packet.payload_unit_start(), payload, |section| {
            let pmt = Pmt::parse(section).unwrap();
            pmts.push((pmt.section().version, pmt.pcr_pid().value()));
        });
    }
    pmts.dedup();
    pmts
}

fn assert_in_order(out: &[u8]) {
    let mut watcher = Watcher::new();
    watcher.push(out);
    assert_eq!(watcher.errors(), watch::Errors::default());
}

#[test]
fn fields_that_lead_back_are_left_out() {
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, &[(0x1B, 0x40, &[]), (3, 0x41, &[])]);
    let begin = 5_000_000;
    // I and P fields of one picture, two B pictures before it, P and P, then B pictures again.
    for (number, (kind, field)) in
        [(I, 6), (P, 7), (P, 2), (P, 3), (P, 4), (P, 5), (P, 12), (P, 13), (P, 8), (P, 9)]
            .into_iter()
            .enumerate()
    {
        let clock = begin - 9000 + number as u64 * FRAME / 2;
        standby.unit(0x40, begin + field * FRAME / 2, Some(clock), kind, LEN);
    }
    let (_, out) = joined(&client(&[]).out, &standby.out);
    let times = times(&out, 0x100);
    let fields: Vec<u64> = times.iter().map(|pts| (pts - times[0]) / (FRAME / 2)).collect();
    assert_eq!(fields, [0, 1, 6, 7, 2, 3]);
}

#[test]
fn a_track_keeps_its_pid_when_another_one_goes() {
    let tracks: Streams<'_> = &[(0x1B, 0x40, &[]), (3, 0x41, &[]), (3, 0x42, &[])];
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, tracks);
    standby.channel(0x40, 5_000_000, 5);
    standby.tables(0x30, 1, 0x40, &[tracks[0], tracks[2]]);
    standby.unit(0x42, 5_000_000 + 5 * FRAME, None, &[0x42; 100], LEN);
    let (_, out) = joined(&client(&[(3, 0x102, &[])]).out, &standby.out);
    let second = packets(&out).filter(|packet| packet.pid().value() == 0x102).last().unwrap();
    assert!(second.payload().unwrap().ends_with(&[0x42; 50]));
    assert!(times(&out, 0x101).len() <= 5);
}

#[test]
fn of_a_pmt_that_changes_all_the_time_the_last_one_counts_in_the_end() {
    let mut standby = Mux::default();
    let streams = |number: u8| {
        let sound = 0x41 + u16::from(number);
        [(0x1B, 0x40, &[][..]), (3, sound, &[]), (0xA0 + number % 16, 0x200, &[])]
    };
    standby.tables(0x30, 0, 0x40, &streams(0));
    standby.channel(0x40, 5_000_000, 5);
    (0..100).for_each(|number| standby.tables(0x30, number, 0x40, &streams(number)));
    let (mut joiner, mut out) = joined(&client(&[]).out, &standby.out);
    assert!((2..12).contains(&pmts(&out).len()), "{}", pmts(&out).len());
    assert_eq!(times(&out, 0x101).len(), 5);
    standby.out.clear();
    standby.channel(0x40, 5_000_000 + 5 * FRAME, 150);
    standby.tables(0x30, 99, 0x40, &streams(99));
    standby.unit(0x41 + 99, 5_000_000 + 160 * FRAME, None, &[0x55; 300], LEN);
    out.clear();
    joiner.pass(&standby.out, &mut out);
    let last = packets(&out).last().unwrap();
    assert!(last.pid().value() == 0x101 && last.payload().unwrap().ends_with(&[0x55; 50]));
}

#[test]
fn of_a_clock_beside_the_programme_no_payload_passes() {
    let radio: Streams<'_> = &[(3, 0x101, &[])];
    let mut first = Mux::default();
    first.tables(0x1000, 0, 0x101, radio);
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, radio);
    for at in (0..20).map(|number| 900_000 + number * FRAME) {
        first.unit(0x101, at, Some(at - 9000), &[0x55; 300], LEN);
        standby.unit(0x101, at + 77, None, &[0x55; 300], LEN);
        standby.unit(0x40, at + 9000, Some(at - 9000), &[0x66; 3000], LEN);
        standby.clock(0x40, at - 9000 + FRAME / 2);
    }
    let (_, out) = joined(&first.out, &standby.out);
    assert_in_order(&out);
    let clock = packets(&out).filter(|packet| packet.pid().value() == 0x40);
    assert!(clock.clone().all(|packet| !packet.has_payload() && packet.pcr().is_some()));
    assert!(clock.count() >= 36);
}

#[test]
fn a_clock_on_the_pid_of_the_pmt_goes_on() {
    let mut standby = Mux::default();
    for number in 0..10 {
        let at = 5_000_000 + number * FRAME;
        standby.tables(0x30, 0, 0x30, &[(0x1B, 0x40, &[]), (3, 0x41, &[])]);
        standby.clock(0x30, at - 9000);
        standby.unit(0x40, at, None, I, LEN);
        standby.unit(0x41, at, None, &[0x55; 300], LEN);
    }
    let (_, out) = joined(&client(&[]).out, &standby.out);
    assert_in_order(&out);
    let pmts = pmts(&out);
    assert_eq!(pmts.len(), 1);
    let clocks = packets(&out).filter(|packet| packet.pcr().is_some());
    assert!(clocks.clone().all(|packet| packet.pid().value() == pmts[0].1));
    assert!(clocks.count() >= 9);
}

#[test]
fn damaged_packets_are_no_part_of_a_header() {
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, &[(0x1B, 0x40, &[]), (3, 0x41, &[])]);
    standby.channel(0x40, 5_000_000, 3);
    let begin = standby.out.len();
    standby.unit(0x41, 5_000_000 + 3 * FRAME, None, &[0x55; 300], 10);
    let mut damaged = [0xEE; LEN];
    damaged[..4].copy_from_slice(&[0x47, 0x80, 0x41, 0x10]);
    let (whole, rest) = standby.out.split_at(begin + LEN);
    let with_damage = [whole, &damaged, rest].concat();
    let first = client(&[]).out;
    assert!(joined(&first, &with_damage).1 == joined(&first, &standby.out).1);
}

#[test]
fn what_a_dead_source_began_is_not_waited_for() {
    let mut first = client(&[(6, 0x102, SUBTITLES)]);
    first.unit(0x102, 950_000, None, &[0x20; 1000], LEN);
    first.out.truncate(first.out.len() - 2 * LEN);
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, &[(0x1B, 0x40, &[]), (3, 0x41, &[]), (6, 0x42, SUBTITLES)]);
    standby.channel(0x40, 5_000_000, 5);
    let (mut joiner, mut out) = joined(&first.out, &standby.out);
    assert!(joiner.finish(&[], &mut out));
}

#[test]
fn times_go_on_after_those_of_a_stream_that_is_gone() {
    // Television, a radio behind it in time, and television again: on the PID that it had.
    let mut radio = Mux::default();
    radio.tables(0x30, 0, 0x41, &[(3, 0x41, &[])]);
    for at in (0..3).map(|number| 5_000_000 + number * FRAME) {
        radio.unit(0x41, at, Some(at - 9000), &[0x55; 300], LEN);
    }
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, &[(0x1B, 0x40, &[])]);
    for number in 0..5 {
        let at = 7_000_000 + number * FRAME;
        standby.unit(0x40, at, Some(at - 9000), I, LEN);
    }
    // The video of the client is 2 s ahead of its sound.
    let mut first = client(&[]);
    first.unit(0x100, 900_000 + 60 * FRAME, None, P, LEN);
    let (mut joiner, mut out) = joined(&first.out, &radio.out);
    let mut audition = joiner.audition();
    audition.push(&standby.out);
    joiner.join(audition, Duration::from_millis(40), &mut out);
    let times = times(&out, 0x100);
    assert_eq!(times.len(), 5);
    assert!(times[0] > 900_000 + 60 * FRAME, "{times:?}");
}
