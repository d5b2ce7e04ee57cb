//! A client that begins with a stream of any packets, leaves it and begins again: what it gets is whole
//! packets, and at the skip no more than tables, packets of the stream, and one that says so for each PID.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::ts::join::Arrival;
use weir::media::ts::join::Departure;
use weir::media::ts::join::Entries;

fuzz_target!(|bytes: &[u8]| {
    let mut packets = bytes.as_chunks::<188>().0.to_vec();
    packets.iter_mut().for_each(|packet| packet[0] = 0x47);
    let mut entries = Entries::new();
    let mut found: Vec<_> = packets.iter().filter_map(|packet| entries.push(packet)).collect();
    if found.is_empty() {
        entries.settle();
        found = packets.iter().filter_map(|packet| entries.push(packet)).collect();
    }
    found.extend(entries.here());
    for entry in found.iter().take(16) {
        let mut out = Vec::new();
        Departure::new(entry).pass(&packets, &mut out);
        assert!(out.len() <= packets.len() * 188);
        let mut arrival = Arrival::again(entry);
        arrival.begin(&mut out);
        let tables = out.len();
        arrival.pass(&packets, &mut out);
        assert_eq!(out.len() % 188, 0);
        assert!(out.len() - tables <= (packets.len() * 2 + 0x2000) * 188);
    }
});
