use proptest::prelude::*;

use super::*;
use crate::media::synth::Layout;
use crate::media::ts::join::tests::BEFORE_WRAP;
use crate::media::ts::join::tests::channel;

/// Numbers of the packets that clients may begin with.
fn entries(bytes: &[u8]) -> Vec<u64> {
    let mut entries = Entries::new();
    let found = bytes.as_chunks().0.iter().filter_map(|packet| entries.push(packet));
    found.map(|entry| entry.packet()).collect()
}

/// Packets that say that a decoder can begin with them.
fn indicated(bytes: &[u8]) -> Vec<u64> {
    let is_point = |packet: &[u8; LEN]| {
        let packet = Packet::parse(packet).unwrap();
        packet.adaptation().is_some_and(|field| field.random_access_indicator())
    };
    let packets = bytes.as_chunks().0.iter().enumerate();
    packets.filter(|(_, packet)| is_point(packet)).map(|(place, _)| place as u64).collect()
}

/// Pictures from the one with the number 1 on, none of the first 24 a random access point.
fn beginning_amid(pictures: usize) -> Vec<u8> {
    let mut bytes = channel(Layout::default(), 1, pictures);
    let slice = bytes.windows(4).position(|unit| unit[..3] == [0, 0, 1] && unit[3] & 0x1F == 5);
    let slice = slice.unwrap() + 3;
    bytes[slice..slice + 2].copy_from_slice(&[0x41, 0x9A]);
    bytes
}

#[test]
fn a_client_can_begin_at_each_random_access_point() {
    let bytes = channel(Layout::default(), BEFORE_WRAP, 80);
    assert_eq!(entries(&bytes).len(), 4, "the first picture and three that are multiples of 25");
    assert_eq!(entries(&bytes), indicated(&bytes));
}

#[test]
fn once_settled_it_can_begin_at_any_picture() {
    let bytes = beginning_amid(10);
    let mut all = Entries::new();
    all.settle();
    let found = bytes.as_chunks().0.iter().filter_map(|packet| all.push(packet));
    assert_eq!(found.count(), 10);
}

#[test]
fn once_a_random_access_point_has_come_no_other_picture_will_do() {
    let bytes = beginning_amid(80);
    let mut settled = Entries::new();
    settled.settle();
    let found = bytes.as_chunks().0.iter().filter_map(|packet| settled.push(packet));
    let found: Vec<_> = found.map(|entry| entry.packet()).collect();
    assert_eq!(found.len(), 24 + 3, "pictures 1 to 24, and those that are multiples of 25");
    assert_eq!(found[24..], indicated(&bytes)[1..]);
}

#[test]
fn before_the_tables_there_is_no_place() {
    let bytes = channel(Layout::default(), 0, 30);
    let is_table = |packet: &&[u8; LEN]| Packet::parse(packet).unwrap().pid() == Pid::PAT;
    let mut entries = Entries::new();
    let rest = bytes.as_chunks().0.iter().filter(|packet| !is_table(packet));
    assert_eq!(rest.filter_map(|packet| entries.push(packet)).count(), 0);
    assert!(!entries.has_tables() && entries.here().is_none());
    entries.settle();
    assert!(entries.here().is_none());
}

proptest! {
    #[test]
    fn hostile_packets_lead_nowhere(
        packets in prop::collection::vec(prop::array::uniform32(any::<u8>()), 0..200),
        pids in prop::collection::vec(0_u8..4, 200),
    ) {
        let mut entries = Entries::new();
        let good = channel(Layout::default(), 0, 3);
        for (packet, pid) in packets.iter().zip(pids) {
            let mut bytes = [pid; LEN];
            bytes[..32].copy_from_slice(packet);
            (bytes[0], bytes[1]) = (0x47, bytes[1] & 0x5F);
            entries.push(&bytes);
        }
        for packet in good.as_chunks().0 {
            entries.push(packet);
        }
        prop_assert!(entries.packets >= (good.len() / LEN) as u64);
    }
}
