use proptest::prelude::*;

use super::*;
use crate::media::synth::Layout;
use crate::media::ts::join::entry::Entries;
use crate::media::ts::join::tests::channel;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::psi;
use crate::media::ts::psi::Assembler;
use crate::media::ts::watch::Watcher;

fn entries(packets: &[[u8; LEN]]) -> Vec<Entry> {
    let mut entries = Entries::new();
    packets.iter().filter_map(|packet| entries.push(packet)).collect()
}

/// What a client gets that begins at one place.
fn arrived(mut arrival: Arrival, packets: &[[u8; LEN]], step: usize, out: &mut Vec<u8>) {
    arrival.begin(out);
    let mut rest = packets;
    while !rest.is_empty() {
        let (some, behind) = rest.split_at(step.min(rest.len()));
        rest = behind;
        if arrival.pass(some, out) {
            break;
        }
    }
    out.extend_from_slice(rest.as_flattened());
}

/// What was wrong with it, and PIDs whose first packet begins no PES packet.
fn faults(bytes: &[u8]) -> (u64, Vec<Pid>) {
    let mut watcher = Watcher::new();
    watcher.push(bytes);
    let errors = watcher.take_errors();
    let (mut seen, mut torn) = (Vec::new(), Vec::new());
    for packet in bytes.as_chunks().0 {
        let view = Packet::parse(packet).unwrap();
        if view.has_payload() && !seen.contains(&view.pid()) {
            seen.push(view.pid());
            if !view.payload_unit_start() {
                torn.push(view.pid());
            }
        }
    }
    (errors.continuity + errors.sync + errors.transport, torn)
}

#[test]
fn a_client_begins_with_tables_and_whole_pictures() {
    let bytes = channel(Layout::default(), 3, 80);
    let packets = bytes.as_chunks().0;
    for entry in entries(packets) {
        let from = usize::try_from(entry.packet()).unwrap();
        let mut out = Vec::new();
        arrived(Arrival::new(&entry), &packets[from..], 7, &mut out);
        assert_eq!(faults(&out), (0, vec![]));
        let first = Packet::parse(out.first_chunk().unwrap()).unwrap();
        assert_eq!(first.pid(), Pid::PAT);
        let begins = entries(out.as_chunks().0);
        assert!(begins.first().is_some_and(|entry| entry.packet() < 4), "behind the tables");
    }
}

/// Every PES packet of video and sound that stands in it, with its length.
fn pes(bytes: &[u8]) -> Vec<(Pid, Vec<u8>)> {
    let layout = Layout::default();
    let mut units: Vec<(Pid, Vec<u8>)> = Vec::new();
    for packet in bytes.as_chunks().0 {
        let view = Packet::parse(packet).unwrap();
        if ![layout.video_pid, layout.audio_pid].contains(&view.pid()) {
            continue;
        }
        let payload = view.payload().unwrap_or_default();
        if view.payload_unit_start() {
            units.push((view.pid(), payload.to_vec()));
        } else if let Some((_, unit)) = units.iter_mut().rev().find(|(pid, _)| *pid == view.pid()) {
            unit.extend_from_slice(payload);
        }
    }
    units
}

proptest! {
    #[test]
    fn a_skip_is_a_clean_discontinuity(
        left in 400_usize..1200, step in 1_usize..40, first in 0_u64..50,
    ) {
        let bytes = channel(Layout::default(), first, 160);
        let packets = bytes.as_chunks().0;
        let left = left.min(packets.len() / 2);
        let all = entries(packets);
        let last = all.last().unwrap();
        let mut out = packets[..left].as_flattened().to_vec();
        let mut departure = Departure::new(last);
        for some in packets[left..].chunks(step) {
            if departure.pass(some, &mut out) {
                break;
            }
        }
        let from = usize::try_from(last.packet()).unwrap();
        arrived(Arrival::again(last), &packets[from..], step, &mut out);
        prop_assert_eq!(faults(&out), (0, vec![]));
        // Each unit is one of the stream's, whole. What ends the stream may be cut.
        let (known, got) = (pes(&bytes), pes(&out));
        for unit in &got[..got.len() - 4] {
            prop_assert!(known.contains(unit));
        }
        let skipped = known.len() - got.len();
        prop_assert!(skipped > 0);
    }
}

/// The stream with a PMT of two packets in place of its own.
fn with_long_pmt(packets: &[[u8; LEN]]) -> Vec<[u8; LEN]> {
    let pid = Layout::default().pmt_pid;
    let mut counter = ContinuityCounter::after(15);
    let mut out = Vec::new();
    for packet in packets {
        let view = Packet::parse(packet).unwrap();
        if view.pid() != pid {
            out.extend_from_slice(packet);
            continue;
        }
        let mut assembler = Assembler::new();
        assembler.push_packet(view, |section| {
            let mut body = section[8..section.len() - 4].to_vec();
            assert_eq!(body[2..4], [0xF0, 0], "no descriptors of its own");
            body[3] = 200;
            body.splice(4..4, [0xFE, 198].into_iter().chain([0; 198]));
            let long = psi::write_section(2, 1, 0, &body, 1021).unwrap();
            psi::write_packets(pid, &mut counter, &long, &mut out);
        });
    }
    out.as_chunks().0.to_vec()
}

#[test]
fn tables_of_several_packets_follow_what_the_skip_has_said() {
    let packets = with_long_pmt(channel(Layout::default(), 0, 160).as_chunks().0);
    let all = entries(&packets);
    let last = all.last().unwrap();
    let from = usize::try_from(last.packet()).unwrap();
    let mut out = packets[..600].as_flattened().to_vec();
    Departure::new(last).pass(&packets[600..], &mut out);
    arrived(Arrival::again(last), &packets[from..], 7, &mut out);
    assert_eq!(faults(&out), (0, vec![]));
    let mut out = Vec::new();
    arrived(Arrival::new(last), &packets[from..], 7, &mut out);
    assert_eq!(faults(&out), (0, vec![]));
}

#[test]
fn a_stream_that_never_comes_is_not_waited_for_for_ever() {
    let bytes = channel(Layout::default(), 0, 700);
    let sound = Layout::default().audio_pid;
    let packets: Vec<[u8; LEN]> = bytes.as_chunks().0.to_vec();
    let entry = entries(&packets).remove(0);
    let silent: Vec<_> = packets
        .into_iter()
        .filter(|packet| Packet::parse(packet).unwrap().pid() != sound)
        .collect();
    let mut arrival = Arrival::again(&entry);
    let mut out = Vec::new();
    let taken = silent.chunks(10).position(|some| arrival.pass(some, &mut out));
    assert!(taken.is_some());
}
