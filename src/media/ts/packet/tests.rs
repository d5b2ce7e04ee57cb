//! Packets by hand, round trips, and any 188 bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn packet(header: [u8; 3], rest: &[u8]) -> [u8; LEN] {
    let mut bytes = [0xAB; LEN];
    bytes[0] = SYNC;
    bytes[1..4].copy_from_slice(&header);
    bytes[4..4 + rest.len()].copy_from_slice(rest);
    bytes
}

#[test]
fn reads_a_plain_packet() {
    let bytes = packet([0x41, 0x23, 0x17], &[1, 2, 3]);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.pid(), Pid::masked(0x123));
    assert!(packet.payload_unit_start() && packet.has_payload());
    assert!(!packet.transport_error() && !packet.is_null());
    assert_eq!((packet.scrambling(), packet.continuity_counter()), (0, 7));
    assert!(packet.adaptation().is_none() && packet.pcr().is_none());
    assert_eq!(packet.payload().unwrap().len(), 184);
    assert_eq!(packet.payload().unwrap()[..3], [1, 2, 3]);
}

#[test]
fn reads_every_field_of_the_header() {
    let bytes = packet([0x9F, 0xFF, 0xF0], &[0]);
    let packet = Packet::parse(&bytes).unwrap();
    assert!(packet.is_null() && packet.transport_error() && !packet.payload_unit_start());
    assert_eq!(packet.scrambling(), 3);
    assert_eq!(packet.payload().unwrap().len(), 183);
    assert!(!packet.adaptation().unwrap().random_access_indicator());
}

#[test]
fn reads_an_adaptation_field() {
    // base 0x1_0000_0001, extension 299.
    let bytes = packet([0x01, 0x00, 0x30], &[7, 0xD0, 0x80, 0x00, 0x00, 0x00, 0xFF, 0x2B, 0xEE]);
    let packet = Packet::parse(&bytes).unwrap();
    let adaptation = packet.adaptation().unwrap();
    assert!(adaptation.discontinuity_indicator() && adaptation.random_access_indicator());
    assert_eq!(adaptation.pcr().unwrap().ticks(), 0x1_0000_0001 * 300 + 299);
    assert_eq!(packet.payload().unwrap()[0], 0xEE);
    assert_eq!(packet.payload().unwrap().len(), 176);
}

#[test]
fn a_field_that_does_not_fit_is_no_field() {
    let mut seen = 0;
    // control, adaptation_field_length, whether a field and a payload of which length is found
    for (control, len, field, payload) in [
        (0x00, 0, false, None),
        (0x20, 183, true, None),
        (0x20, 184, false, None),
        (0x30, 0, true, Some(183)),
        (0x30, 182, true, Some(1)),
        (0x30, 183, true, Some(0)),
        (0x30, 184, false, None),
        (0x30, 255, false, None),
    ] {
        let bytes = packet([0x00, 0x20, control], &[len]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.adaptation().is_some(), field, "{control:#x} {len}");
        assert_eq!(packet.payload().map(<[u8]>::len), payload, "{control:#x} {len}");
        seen += 1;
    }
    assert_eq!(seen, 8);
    // The flag is there, the six bytes are not.
    assert_eq!(Packet::parse(&packet([0, 0x20, 0x30], &[6, 0x10])).unwrap().pcr(), None);
    let mut unsynchronised = packet([0, 0, 0x10], &[]);
    unsynchronised[0] = 0x48;
    assert!(Packet::parse(&unsynchronised).is_none());
}

#[test]
fn clock_goes_round() {
    let last = Pcr::new(Pcr::MODULUS - 1);
    assert_eq!(last.wrapping_add(1), Pcr::new(0));
    assert_eq!(Pcr::new(0).since(last), 1);
    assert_eq!(last.since(Pcr::new(0)), -1);
    assert_eq!(Pcr::new(Pcr::MODULUS / 2).since(Pcr::new(0)), -(Pcr::MODULUS as i64 / 2));
    assert_eq!(last.wrapping_add(u64::MAX), last.wrapping_add(u64::MAX % Pcr::MODULUS));
}

#[test]
fn setters_change_nothing_else() {
    let mut bytes = packet([0xE1, 0x00, 0xF5], &[7, 0x10, 1, 2, 3, 4, 5, 6]);
    let before = bytes;
    set_pid(&mut bytes, Pid::masked(0x1ABC));
    set_continuity_counter(&mut bytes, 0x1E);
    assert!(set_pcr(&mut bytes, Pcr::new(301)));
    assert_eq!(bytes[..12], [SYNC, 0xFA, 0xBC, 0xFE, 7, 0x10, 0, 0, 0, 0, 0xFE, 1]);
    assert_eq!(bytes[12..], before[12..]);

    let mut without = packet([0x00, 0x20, 0x30], &[1, 0x00]);
    let before = without;
    assert!(!set_pcr(&mut without, Pcr::new(1)));
    assert_eq!(without, before);
}

#[test]
fn discontinuity_is_set_where_there_are_flags() {
    let mut packet = [0xFF; LEN];
    packet[..6].copy_from_slice(&[SYNC, 0x01, 0x00, 0x30, 1, 0x10]);
    assert!(set_discontinuity(&mut packet));
    assert_eq!(packet[5], 0x90);
    for head in [[SYNC, 1, 0, 0x30, 0, 0x10], [SYNC, 1, 0, 0x10, 9, 0x10]] {
        packet[..6].copy_from_slice(&head);
        let before = packet;
        assert!(!set_discontinuity(&mut packet));
        assert_eq!(packet, before);
    }
}

#[test]
fn payload_is_changed_in_place() {
    let mut packet = [0xFF; LEN];
    for (control, len, expected) in [(0x10, 0, 184), (0x30, 182, 1), (0x20, 3, 0), (0x30, 200, 0)] {
        packet[..5].copy_from_slice(&[SYNC, 0x01, 0x00, control, len]);
        assert_eq!(payload_mut(&mut packet).len(), expected);
    }
}

#[test]
fn counters_go_on_after_any() {
    for last in 0..=u8::MAX {
        assert_eq!(ContinuityCounter::after(last).advance(), ((last & 0x0F) + 1) & 0x0F);
    }
}

#[test]
fn writes_every_length_of_payload() {
    let payload: Vec<u8> = (0..200).collect();
    let mut seen = 0;
    for pcr in [None, Some(Pcr::new(12_345_678_901))] {
        for len in 0..=payload.len() {
            let header = Header { pcr, payload_unit_start: true, ..Header::new(Pid::SDT, 0x13) };
            let mut out = vec![0xEE];
            let rest = header.write(&payload[..len], &mut out);
            let packet = Packet::parse(out[1..].try_into().unwrap()).unwrap();
            let room = if pcr.is_some() { 176 } else { 184 };
            assert_eq!(rest, &payload[len.min(room)..len]);
            assert_eq!(packet.payload().unwrap_or(&[]), &payload[..len.min(room)]);
            assert_eq!(packet.has_payload(), len > 0);
            assert_eq!(packet.pcr(), pcr);
            assert_eq!((packet.pid(), packet.continuity_counter()), (Pid::SDT, 3));
            seen += 1;
        }
    }
    assert_eq!(seen, 402);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::array::uniform32(any::<u8>()), fill: u8) {
        let mut whole = [fill; LEN];
        whole[..32].copy_from_slice(&bytes);
        whole[0] = SYNC;
        let packet = Packet::parse(&whole).unwrap();
        let adaptation_len = packet.adaptation().map_or(0, |adaptation| 1 + adaptation.0.len());
        if let Some(payload) = packet.payload() {
            prop_assert_eq!(payload.len() + adaptation_len, BODY_LEN);
        }
        if let Some(pcr) = packet.pcr() {
            prop_assert!(pcr.ticks() < Pcr::MODULUS);
        }
        prop_assert!(usize::from(packet.pid().value()) < Pid::COUNT);
        let shown = format!("{packet:?}");
        prop_assert!(shown.starts_with("Packet"));
    }

    #[test]
    fn pcr_reads_back(ticks: u64) {
        let pcr = Pcr::new(ticks);
        prop_assert_eq!(Pcr::decode(pcr.encode()), pcr);
        prop_assert_eq!(pcr.encode()[4] & 0x7E, 0x7E);
    }

    #[test]
    fn what_is_written_reads_back(
        pid: u16, start: bool, counter: u8, discontinuity: bool, random_access: bool,
        pcr: Option<u64>, payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let header = Header {
            pid: Pid::masked(pid), payload_unit_start: start, continuity_counter: counter & 0x0F,
            discontinuity, random_access, pcr: pcr.map(Pcr::new),
        };
        let mut out = Vec::new();
        let rest = header.write(&payload, &mut out);
        prop_assert_eq!(out.len(), LEN);
        let packet = Packet::parse(out[..].try_into().unwrap()).unwrap();
        prop_assert_eq!([packet.payload().unwrap_or(&[]), rest].concat(), payload);
        let adaptation = packet.adaptation();
        let read = Header {
            pid: packet.pid(),
            payload_unit_start: packet.payload_unit_start(),
            continuity_counter: packet.continuity_counter(),
            discontinuity: adaptation.is_some_and(Adaptation::discontinuity_indicator),
            random_access: adaptation.is_some_and(Adaptation::random_access_indicator),
            pcr: packet.pcr(),
        };
        prop_assert_eq!(read, header);
    }

    #[test]
    fn distance_is_undone_by_adding(from: u64, ticks: u64) {
        let (from, to) = (Pcr::new(from), Pcr::new(from).wrapping_add(ticks));
        let distance = to.since(from);
        let back = Pcr::MODULUS.cast_signed() - distance;
        prop_assert_eq!(to.wrapping_add(back.unsigned_abs()), from);
    }
}
