//! Transport packets, tables and PES headers of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::sniff::sniff;
use weir::media::ts::packet::Packet;
use weir::media::ts::pes::Pes;
use weir::media::ts::psi::Assembler;

fuzz_target!(|bytes: &[u8]| {
    let _ = sniff(bytes, true);
    let mut tables = Assembler::new();
    for chunk in bytes.chunks_exact(188) {
        let Some(packet) = Packet::parse(chunk.try_into().unwrap()) else { continue };
        tables.push_packet(packet, |_| {});
        if let Some(payload) = packet.payload() {
            let _ = Pes::parse(payload).and_then(|pes| pes.pts());
        }
        let _ = packet.pcr();
    }
});
