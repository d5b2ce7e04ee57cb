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

#[test]
fn a_client_can_begin_at_each_random_access_point() {
    let bytes = channel(Layout::default(), BEFORE_WRAP, 80);
    assert_eq!(entries(&bytes).len(), 4, "the first picture and three that are multiples of 25");
    assert_eq!(entries(&bytes), indicated(&bytes));
}

#[test]
fn once_settled_it_can_begin_at_any_picture() {
    let bytes = channel(Layout::default(), 1, 10);
    let mut all = Entries::new();
    all.settle();
    let found = bytes.as_chunks().0.iter().filter_map(|packet| all.push(packet));
    assert_eq!(found.count(), 10);
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
