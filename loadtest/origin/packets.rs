//! The origin's media: transport packets whose continuity counters are right however long one reads.

/// Length of a transport packet (ISO 13818-1 2.4.3.2).
const PACKET: usize = 188;

/// Packets of video between two pairs of tables.
const VIDEO: usize = 62;

/// Bytes after which every counter is where it began: sixteen groups of PAT, PMT and video.
pub(crate) const CYCLE: usize = 16 * (2 + VIDEO) * PACKET;

const PMT_PID: u16 = 0x0100;
const VIDEO_PID: u16 = 0x0101;

/// Two cycles on end, so that any piece of up to one cycle is one slice, wherever it begins.
pub(crate) fn two_cycles() -> Vec<u8> {
    let mut packets = Vec::with_capacity(2 * CYCLE);
    let mut video = 0_u8;
    for group in 0..32_u8 {
        let tables = group & 0x0f;
        section(&mut packets, 0, tables, &[0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0x00]);
        // One H.264 stream, and no PID that carries a clock.
        let map =
            [0x02, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xff, 0xff, 0xf0, 0, 0x1b, 0xe1, 0x01, 0xf0, 0];
        section(&mut packets, PMT_PID, tables, &map);
        for packet in 0..VIDEO {
            let start = packet == 0;
            header(&mut packets, VIDEO_PID, start, video);
            let pes: &[u8] = if start { &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0] } else { &[0x5a; 9] };
            packets.extend_from_slice(pes);
            packets.extend([0x5a; PACKET - 4 - 9]);
            video = (video + 1) & 0x0f;
        }
    }
    packets
}

fn header(packets: &mut Vec<u8>, pid: u16, start: bool, counter: u8) {
    let [high, low] = pid.to_be_bytes();
    packets.extend([0x47, high | if start { 0x40 } else { 0 }, low, 0x10 | counter]);
}

/// A packet with one whole table (2.4.4), its checksum and stuffing.
fn section(packets: &mut Vec<u8>, pid: u16, counter: u8, table: &[u8]) {
    header(packets, pid, true, counter);
    let begin = packets.len();
    packets.push(0);
    packets.extend_from_slice(table);
    packets.extend(checksum(table).to_be_bytes());
    packets.resize(begin + PACKET - 4, 0xff);
}

/// CRC-32 of ISO 13818-1 annex A.
fn checksum(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            let carry = register & 0x8000_0000 != 0;
            register <<= 1;
            if carry {
                register ^= 0x04c1_1db7;
            }
        }
    }
    register
}
