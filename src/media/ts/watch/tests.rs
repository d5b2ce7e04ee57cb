//! The rules one by one, then any packets, any junk and any cuts against a slow model.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::media::synth::Layout;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::ts::packet::Adaptation;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::SYNC;

/// What [`Watcher`] should say, found with all bytes at hand and [`Packet`] for every packet.
#[derive(Debug, Default, PartialEq)]
struct Model {
    lost: bool,
    torn: usize,
    packets: u64,
    payload_packets: u64,
    scrambled_packets: u64,
    null_packets: u64,
    pcrs: Vec<(Pid, Pcr)>,
    errors: Errors,
    /// By PID: the last counter, whether one more packet may have it, whether the next may be any.
    counters: BTreeMap<Pid, (u8, bool, bool)>,
}

impl Model {
    fn of(bytes: &[u8]) -> Self {
        let mut model = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] != SYNC {
                model.errors.sync += 1;
                model.counters.values_mut().for_each(|(_, _, any)| *any = true);
                let in_line = |third: &usize| {
                    [0, LEN, 2 * LEN].iter().all(|before| bytes[third - before] == SYNC)
                };
                let Some(third) = (at + 2 * LEN..bytes.len()).find(in_line) else {
                    model.lost = true;
                    return model;
                };
                at = third;
            }
            let Some(packet) = bytes[at..].first_chunk() else {
                model.torn = bytes.len() - at;
                return model;
            };
            model.take(Packet::parse(packet).unwrap());
            at += LEN;
        }
        model
    }

    fn take(&mut self, packet: Packet<'_>) {
        self.packets += 1;
        if packet.transport_error() {
            self.errors.transport += 1;
            if let Some((_, _, any)) = self.counters.get_mut(&packet.pid()) {
                *any = true;
            }
            return;
        }
        if packet.is_null() {
            self.null_packets += 1;
            return;
        }
        let counter = packet.continuity_counter();
        let payload = packet.has_payload();
        let free = packet.adaptation().is_some_and(Adaptation::discontinuity_indicator);
        let (right, may_repeat) = match self.counters.get(&packet.pid()) {
            Some((last, may_repeat, false)) if !free => {
                let (same, next) = (counter == *last, counter == (last + 1) % 16);
                (if payload { next || same && *may_repeat } else { same }, payload && !same)
            }
            _ => (true, payload),
        };
        self.counters.insert(packet.pid(), (counter, may_repeat, false));
        self.errors.continuity += u64::from(!right);
        self.payload_packets += u64::from(payload);
        self.scrambled_packets += u64::from(payload && packet.scrambling() != 0);
        self.pcrs.extend(packet.pcr().map(|pcr| (packet.pid(), pcr)));
    }

    /// Compares every accessor.
    fn check(mut self, watcher: &Watcher, bytes: &[u8]) {
        assert_eq!(watcher.in_sync(), !self.lost);
        assert_eq!(watcher.torn(), self.torn);
        assert_eq!(watcher.torn_head(), &bytes[bytes.len() - self.torn..][..self.torn.min(12)]);
        assert_eq!(watcher.packets(), self.packets);
        assert_eq!(watcher.payload_packets(), self.payload_packets);
        assert_eq!(watcher.scrambled_packets(), self.scrambled_packets);
        assert_eq!(watcher.null_packets(), self.null_packets);
        assert_eq!(watcher.errors(), self.errors);
        assert_eq!(watcher.pcr(), self.pcrs.last().copied());
        self.pcrs.dedup();
        assert_eq!(watcher.pcr_changes(), self.pcrs.len() as u64);
        let counters = self.counters.iter().map(|(pid, (counter, ..))| (*pid, *counter));
        assert!(watcher.continuity_counters().eq(counters.clone()));
        assert!(
            counters.into_iter().all(|(pid, last)| watcher.continuity_counter(pid) == Some(last))
        );
    }
}

fn watched<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Watcher {
    let mut watcher = Watcher::new();
    pieces.into_iter().for_each(|piece| watcher.push(piece));
    watcher
}

/// A packet by its last three header bytes and what follows them.
fn packet(header: [u8; 3], rest: &[u8]) -> [u8; LEN] {
    let mut bytes = [0xAB; LEN];
    bytes[0] = SYNC;
    bytes[1..4].copy_from_slice(&header);
    bytes[4..4 + rest.len()].copy_from_slice(rest);
    bytes
}

/// A clock reference on PID 0x100 in a packet without payload.
fn clock(counter: u8, pcr: Pcr) -> [u8; LEN] {
    let [a, b, c, d, e, f] = pcr.encode();
    packet([0x01, 0x00, 0x20 | counter], &[183, 0x10, a, b, c, d, e, f])
}

#[test]
fn judges_counters() {
    // Second and fourth header byte and the flags of the adaptation field, all on one PID.
    const NEXT: fn(u8) -> [u8; 3] = |counter| [0x01, 0x10 | counter, 0];
    const EMPTY: fn(u8) -> [u8; 3] = |counter| [0x01, 0x20 | counter, 0];
    const FREE: fn(u8) -> [u8; 3] = |counter| [0x01, 0x30 | counter, 0x80];
    const BROKEN: fn(u8) -> [u8; 3] = |counter| [0x81, 0x10 | counter, 0];
    const NULL: fn(u8) -> [u8; 3] = |counter| [0x1F, 0x10 | counter, 0];
    let cases: [(&str, u64, &[[u8; 3]]); 19] = [
        ("any beginning", 0, &[NEXT(7), NEXT(8)]),
        ("round", 0, &[NEXT(14), NEXT(15), NEXT(0), NEXT(1)]),
        ("a gap", 1, &[NEXT(1), NEXT(3), NEXT(4)]),
        ("back", 1, &[NEXT(5), NEXT(4), NEXT(5)]),
        ("a duplicate", 0, &[NEXT(1), NEXT(1), NEXT(2), NEXT(2), NEXT(3)]),
        ("a third and a fourth", 2, &[NEXT(1), NEXT(1), NEXT(1), NEXT(1), NEXT(2)]),
        ("a duplicate after a gap", 1, &[NEXT(1), NEXT(9), NEXT(9), NEXT(10)]),
        ("no payload, no advance", 0, &[NEXT(1), EMPTY(1), EMPTY(1), NEXT(2)]),
        ("no payload, but an advance", 1, &[NEXT(1), EMPTY(2), NEXT(3)]),
        ("no payload between duplicates", 1, &[NEXT(1), EMPTY(1), NEXT(1), NEXT(2)]),
        ("a discontinuity", 0, &[NEXT(1), FREE(9), NEXT(10)]),
        ("a gap after a discontinuity", 1, &[NEXT(1), FREE(9), NEXT(11)]),
        ("a duplicate of a discontinuity", 0, &[NEXT(1), FREE(9), NEXT(9), NEXT(10)]),
        ("a broken packet", 0, &[NEXT(1), BROKEN(2), NEXT(3)]),
        ("a broken packet pardons one", 1, &[NEXT(1), BROKEN(2), NEXT(3), NEXT(5)]),
        ("broken packets only", 0, &[BROKEN(1), BROKEN(1), BROKEN(7)]),
        ("null packets between", 0, &[NULL(0), NEXT(1), NULL(0), NEXT(2), NULL(7)]),
        ("reserved control counts as no payload", 0, &[NEXT(1), [0x01, 0x01, 0], NEXT(2)]),
        ("repeats of no payload only", 1, &[EMPTY(3), EMPTY(3), EMPTY(4)]),
    ];
    let mut seen = 0;
    for (name, errors, headers) in cases {
        let stream: Vec<u8> = headers
            .iter()
            .flat_map(|&[flags, control, adaptation]| {
                let low = if flags == 0x1F { 0xFF } else { 0x00 };
                packet([flags, low, control], &[1, adaptation])
            })
            .collect();
        let watcher = watched([stream.as_slice()]);
        assert_eq!(watcher.errors().continuity, errors, "{name}");
        assert_eq!(watcher.packets(), headers.len() as u64, "{name}");
        assert_eq!(watcher.errors().sync, 0, "{name}");
        Model::of(&stream).check(&watcher, &stream);
        seen += 1;
    }
    assert_eq!(seen, 19);
}

#[test]
fn reads_clocks() {
    let other = packet([0x02, 0x00, 0x30], &[7, 0x10, 0, 0, 0, 0, 0x7E, 9]);
    // The flag without the six bytes, and a field that leaves the packet.
    let short = packet([0x01, 0x00, 0x20], &[6, 0x10]);
    let long = packet([0x01, 0x00, 0x30], &[184, 0x90]);
    // A field without flags: what follows is payload.
    let empty = packet([0x01, 0x00, 0x35], &[0, 0x90]);
    let same = clock(0, Pcr::new(5));
    let packets = [same, same, other, short, long, empty, other];
    let watcher = watched([packets.as_flattened()]);
    assert_eq!(watcher.pcr(), Some((Pid::masked(0x200), Pcr::new(9))));
    assert_eq!(watcher.pcr_changes(), 2);
    assert_eq!(watcher.payload_packets(), 4);
    // `long` should advance the counter by one and `empty` does by five; neither may.
    assert_eq!(watcher.errors(), Errors { continuity: 2, ..Errors::default() });
}

#[test]
fn counts_what_was_added() {
    let (broken, good) = (packet([0x81, 0, 0x10], &[]), packet([0x01, 0, 0x10], &[]));
    let mut watcher = watched([&broken[..], &good[..]]);
    assert_eq!(watcher.take_errors(), Errors { transport: 1, ..Errors::default() });
    assert_eq!(watcher.take_errors(), Errors::default());
    watcher.push(&packet([0x01, 0, 0xD5], &[]));
    watcher.push(&[0]);
    assert_eq!(watcher.take_errors(), Errors { continuity: 1, sync: 1, transport: 0 });
    assert_eq!(watcher.errors(), Errors { continuity: 1, sync: 1, transport: 1 });
    assert_eq!((watcher.payload_packets(), watcher.scrambled_packets()), (2, 1));
}

#[test]
fn finds_its_step_again() {
    let plain = |counter: u8| packet([0x01, 0, 0x10 | counter], &[]);
    let mut stream = [plain(0), plain(1)].concat();
    stream.extend([0x00; 100]);
    (7..12).for_each(|counter| stream.extend(plain(counter)));
    let watcher = watched([&stream[..]]);
    assert_eq!((watcher.in_sync(), watcher.torn()), (true, 0));
    // Two of the five are the proof; the gap is part of the loss.
    assert_eq!(watcher.packets(), 2 + 3);
    assert_eq!(watcher.errors(), Errors { sync: 1, ..Errors::default() });
    assert_eq!(watcher.continuity_counter(Pid::masked(0x100)), Some(11));

    let lost = watched([&stream[..2 * LEN + 100 + 2 * LEN]]);
    assert_eq!((lost.in_sync(), lost.torn(), lost.torn_head()), (false, 0, &[][..]));
    assert_eq!(lost.continuity_counter(Pid::masked(0x100)), Some(1));
}

#[test]
fn every_cut_leads_to_the_same_state() {
    let mut stream = Vec::new();
    for counter in 0..2 {
        stream.extend(packet([0x41, 0, 0x10 | counter], &[]));
        stream.extend(clock(counter, Pcr::new(u64::from(counter) * 1_000_003)));
        stream.extend(packet([0x1F, 0xFF, 0x10], &[]));
    }
    stream.extend([SYNC; 30]);
    stream.extend(packet([0x01, 0, 0x14], &[]).iter().cycle().take(8 * LEN + 40));
    let whole = watched([&stream[..]]);
    assert_eq!(whole.errors(), Errors { continuity: 3, sync: 1, transport: 0 });
    assert_eq!(whole.pcr_changes(), 2);
    Model::of(&stream).check(&whole, &stream);
    assert!(watched(stream.chunks(1)) == whole);
    let mut seen = 0;
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        assert!(watched([first, second]) == whole, "cut at {at}");
        let watcher = watched([first]);
        Model::of(first).check(&watcher, first);
        seen += 1;
    }
    assert_eq!(seen, stream.len() + 1);
}

#[test]
fn a_generated_channel_has_no_errors() {
    let mut synth = Synth::new(&Scene::default(), Layout::default(), 90_000);
    let mut watcher = Watcher::new();
    let mut stream = Vec::new();
    for picture in 1..=60 {
        stream.clear();
        synth.next_picture(&mut stream);
        stream.chunks(1316).for_each(|piece| watcher.push(piece));
        assert_eq!(watcher.pcr_changes(), picture);
    }
    assert_eq!((watcher.in_sync(), watcher.torn()), (true, 0));
    assert_eq!(watcher.errors(), Errors::default());
    assert_eq!(watcher.pcr().unwrap().0, Layout::default().video_pid);
    assert_eq!((watcher.null_packets(), watcher.scrambled_packets()), (0, 0));
    assert!(watcher.packets() > 1000 && watcher.payload_packets() == watcher.packets());
    let pids: Vec<u16> = watcher.continuity_counters().map(|(pid, _)| pid.value()).collect();
    assert_eq!(pids, [0x00, 0x11, 0x100, 0x101, 0x1000]);
    let total = size_of_val(&watcher) + watcher.counters.heap_bytes();
    assert!(total < 1024, "{total}");
}

#[test]
fn every_pid_at_once_stays_small() {
    let mut watcher = Watcher::new();
    for counter in 0..3_u8 {
        for pid in (0..=0x1FFF_u16).rev() {
            let [high, low] = pid.to_be_bytes();
            watcher.push(&packet([high, low, 0x10 | counter], &[]));
        }
    }
    assert_eq!(watcher.errors(), Errors::default());
    assert_eq!((watcher.packets(), watcher.null_packets()), (3 * 0x2000, 3));
    assert_eq!(watcher.continuity_counters().filter(|(_, counter)| *counter == 2).count(), 0x1FFF);
    let total = size_of_val(&watcher) + watcher.counters.heap_bytes();
    assert!(total <= 8704, "{total}");
}

/// Pieces of a stream: whole packets of a few PIDs with plausible headers, cut ones, and junk.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let pid = prop_oneof![8 => 0x100..0x104_u16, 1 => Just(0_u16), 1 => Just(0x1FFF_u16), 1 => 0..0x2000_u16];
    let high = prop_oneof![12 => Just(0_u8), 2 => Just(0x40), 1 => Just(0x80)];
    let control = prop_oneof![12 => Just(0x10_u8), 2 => Just(0x30), 1 => Just(0x20), 1 => (0..16_u8).prop_map(|v| v << 4)];
    let rest = (prop_oneof![Just(7_u8), Just(1), Just(183), any::<u8>()], any::<[u8; 7]>());
    let packet = (pid, high, control, 0..4_u8, rest).prop_map(
        |(pid, high, control, counter, (len, rest))| {
            let [pid_high, low] = pid.to_be_bytes();
            let [a, b, c, d, e, f, g] = rest;
            packet([pid_high | high, low, control | counter], &[len, a, b, c, d, e, f, g]).to_vec()
        },
    );
    let cut = (packet.clone(), 0..LEN).prop_map(|(mut packet, len)| {
        packet.truncate(len);
        packet
    });
    let junk = prop::collection::vec(prop_oneof![Just(SYNC), any::<u8>()], 0..600);
    prop_oneof![30 => packet, 1 => cut, 1 => junk]
}

proptest! {
    #[test]
    fn any_parts_in_any_pieces_are_what_the_model_says(
        parts in prop::collection::vec(part(), 0..80),
        lens in prop::collection::vec(prop_oneof![1..20_usize, 1..2000_usize], 1..20),
    ) {
        let stream = parts.concat();
        let whole = watched([&stream[..]]);
        Model::of(&stream).check(&whole, &stream);
        let mut cut = Watcher::new();
        let mut rest = &stream[..];
        for len in lens.iter().cycle() {
            let (piece, behind) = rest.split_at((*len).min(rest.len()));
            cut.push(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(cut == whole);
    }

    #[test]
    fn any_bytes_are_what_the_model_says(
        stream in prop::collection::vec(SYNC - 1..=SYNC, 0..2000),
        len in 1..500_usize,
    ) {
        let whole = watched([&stream[..]]);
        Model::of(&stream).check(&whole, &stream);
        prop_assert!(watched(stream.chunks(len)) == whole);
    }
}
