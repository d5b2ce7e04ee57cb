use super::*;
use crate::support::content::Digest;
use crate::support::ts::Fault;
use crate::support::ts::TsPattern;
use crate::support::ts::crc32;

/// A packet on `pid`: no adaptation field, payload filled with `fill`.
fn plain(pid: u16, counter: u8, fill: u8) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let mut packet = vec![SYNC, high, low, 0x10 | counter];
    packet.resize(PACKET, fill);
    packet
}

/// A packet on `pid` with adaptation field flags, a PCR if given, and a payload if `payload`.
fn adapted(pid: u16, counter: u8, flags: u8, pcr: Option<u64>, payload: bool) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let mut field = vec![flags | if pcr.is_some() { 0x10 } else { 0 }];
    if let Some(pcr) = pcr {
        let bits = ((pcr / 300) << 15) | 0x7e00 | (pcr % 300);
        field.extend(&bits.to_be_bytes()[2..]);
    }
    let length: u8 = if payload { 20 } else { 183 };
    field.resize(usize::from(length), 0xff);
    let control = if payload { 0x30 } else { 0x20 };
    let mut packet = vec![SYNC, high, low, control | counter, length];
    packet.extend(field);
    packet.resize(PACKET, 0x55);
    packet
}

fn faults(packets: &[Vec<u8>]) -> Vec<(Fault, u64)> {
    let faults = TsCheck::of(&packets.concat()).faults().clone();
    faults.into_iter().collect()
}

const MS: u64 = 27_000;

#[test]
fn the_counter_counts_modulo_sixteen_on_each_pid() {
    let mut stream = Vec::new();
    for number in 0..40_u8 {
        stream.push(plain(0x40, (number + 5) % 16, number));
        stream.push(plain(0x41, number % 16, number));
        // 2.4.3.3: undefined on null packets.
        stream.push(plain(NULL_PID, number % 5, number));
    }
    assert_eq!(faults(&stream), []);
    stream.remove(30);
    assert_eq!(faults(&stream), [(Fault::Continuity, 1)]);
}

#[test]
fn one_exact_copy_is_legal_and_a_second_is_not() {
    let stream = [plain(0x40, 0, 1), plain(0x41, 9, 0), plain(0x40, 0, 1), plain(0x40, 1, 2)];
    let report = TsCheck::of(&stream.concat());
    report.assert_clean("a copy with another PID between");
    assert_eq!((report.duplicates(), report.on(0x40).duplicates), (1, 1));
    // The payload counts once.
    assert_eq!(report.on(0x40).payload, Digest::of(&[[1; 184], [2; 184]].concat()));

    let thrice = [plain(0x40, 0, 1), plain(0x40, 0, 1), plain(0x40, 0, 1), plain(0x40, 1, 1)];
    assert_eq!(faults(&thrice), [(Fault::Continuity, 1)]);
    let other = [plain(0x40, 0, 1), plain(0x40, 0, 2), plain(0x40, 1, 1)];
    assert_eq!(faults(&other), [(Fault::Continuity, 1)]);
    let late = [plain(0x40, 0, 1), plain(0x40, 1, 1), plain(0x40, 0, 1)];
    assert_eq!(faults(&late), [(Fault::Continuity, 1)]);
}

#[test]
fn a_copy_may_differ_in_its_pcr_alone() {
    let first = adapted(0x40, 3, 0, Some(50 * MS), true);
    let copy = adapted(0x40, 3, 0, Some(51 * MS), true);
    assert_eq!(faults(&[first.clone(), copy.clone()]), []);
    let mut other = copy;
    other[PACKET - 1] ^= 1;
    assert_eq!(faults(&[first, other])[0], (Fault::Continuity, 1));
}

#[test]
fn the_counter_stands_still_without_a_payload() {
    let alone = |counter| adapted(0x40, counter, 0, None, false);
    let good = [plain(0x40, 4, 1), alone(4), alone(4), plain(0x40, 5, 1), alone(5)];
    assert_eq!(faults(&good), []);
    assert_eq!(faults(&[plain(0x40, 4, 1), alone(5)]), [(Fault::Continuity, 1)]);
    // A packet without payload between them: the second is no copy in direct succession.
    let split = [plain(0x40, 4, 1), alone(4), plain(0x40, 4, 1)];
    assert_eq!(faults(&split), [(Fault::Continuity, 1)]);
}

#[test]
fn a_signalled_jump_is_allowed_once() {
    let jump = |counter| adapted(0x40, counter, 0x80, None, true);
    let good = [plain(0x40, 4, 1), jump(9), plain(0x40, 10, 1)];
    let report = TsCheck::of(&good.concat());
    report.assert_clean("a jump with discontinuity_indicator");
    assert_eq!((report.jumps_signalled, report.time_bases_signalled), (1, 0));

    let two = [plain(0x40, 4, 1), jump(9), jump(2), plain(0x40, 3, 1)];
    assert_eq!(faults(&two), [(Fault::Continuity, 1)]);
    let three = [plain(0x40, 4, 1), jump(5), jump(6), jump(7), plain(0x40, 8, 1)];
    assert_eq!(faults(&three), [(Fault::Discontinuity, 1)]);
    // A decoder may take the second for a copy of the first.
    assert_eq!(faults(&[plain(0x40, 4, 1), jump(4)]), [(Fault::Continuity, 1)]);
}

#[test]
fn the_pcr_pid_jumps_only_with_the_pcr_of_a_new_time_base() {
    let tables = TsPattern::new(1).packets(0, 2);
    // PID 0x100 is the PCR_PID of that PMT.
    let clock = |counter, flags, ms: u64| adapted(0x100, counter, flags, Some(ms * MS), true);
    let mut stream = vec![tables, clock(0, 0, 1000), clock(1, 0, 1040)];
    let mut with = stream.clone();
    with.extend([clock(7, 0x80, 10), clock(8, 0, 50)]);
    let report = TsCheck::of(&with.concat());
    report.assert_clean("a new time base");
    assert_eq!((report.jumps_signalled, report.time_bases_signalled), (1, 1));

    stream.push(adapted(0x100, 7, 0x80, None, true));
    stream.push(clock(8, 0, 1080));
    assert_eq!(faults(&stream), [(Fault::Continuity, 1), (Fault::Discontinuity, 1)]);

    with.extend([clock(9, 0x80, 3000), clock(10, 0x80, 5000), clock(11, 0, 5040)]);
    assert_eq!(faults(&with), [(Fault::Discontinuity, 1)]);
}

#[test]
fn the_pcr_rises_by_at_most_a_tenth_of_a_second() {
    let clock = |counter, pcr| adapted(0x40, counter, 0, Some(pcr), true);
    let wrap = [clock(0, CLOCK - 20 * MS), clock(1, 30 * MS), clock(2, 130 * MS)];
    let report = TsCheck::of(&wrap.concat());
    report.assert_clean("a PCR that wraps");
    assert_eq!(report.pcr_step_max, 100 * MS);
    assert_eq!(faults(&[clock(0, MS), clock(1, 101 * MS + 1)]), [(Fault::PcrJump, 1)]);
    assert_eq!(faults(&[clock(0, MS), clock(1, MS)]), [(Fault::PcrNotRising, 1)]);
    assert_eq!(faults(&[clock(0, MS), clock(1, MS - 1)]), [(Fault::PcrNotRising, 1)]);
}

#[test]
fn sync_is_lost_and_found_in_any_split() {
    let good: Vec<u8> = (0..8).flat_map(|number| plain(0x40, number, 0)).collect();
    // Thirty bytes are missing from the third packet.
    let mut bytes = good.clone();
    bytes.drain(2 * PACKET + 10..2 * PACKET + 40);
    for split in [1, 7, 187, 188, 189, 5000] {
        let mut check = TsCheck::new();
        bytes.chunks(split).for_each(|part| check.feed(part));
        let report = check.finish();
        // The short packet swallows thirty bytes of the next; its rest is skipped.
        assert_eq!(report.count(Fault::SyncLoss), 1, "split {split}");
        assert_eq!((report.packets, report.skipped_bytes), (7, 158), "split {split}");
        assert_eq!(report.count(Fault::Continuity), 1, "split {split}");
    }
    let torn = TsCheck::of(&good[..300]);
    assert_eq!((torn.count(Fault::TornTail), torn.tail_bytes), (1, 112));
    // A copy of the sync byte within the payload does not mislead.
    let mut late = vec![SYNC, 0, 0];
    late.extend(&good);
    let report = TsCheck::of(&late);
    assert_eq!((report.count(Fault::SyncLoss), report.packets), (1, 8));
}

#[test]
fn broken_fields_are_named() {
    let mut reserved = plain(0x40, 0, 0);
    reserved[3] = 0;
    let mut long = adapted(0x40, 0, 0, None, true);
    long[4] = 183;
    let mut short = adapted(0x40, 0, 0, None, false);
    short[4] = 100;
    for packet in [reserved, long, short] {
        assert_eq!(faults(&[packet]), [(Fault::Malformed, 1)]);
    }
    let mut error = plain(0x40, 0, 0);
    error[1] |= 0x80;
    assert_eq!(faults(&[error]), [(Fault::TransportError, 1)]);
}

/// A packet that begins a PES packet of `length` announced bytes with PTS and DTS.
fn pes(counter: u8, length: u16, pts: u64, dts: u64) -> Vec<u8> {
    let stamp = |prefix: u8, ticks: u64| {
        let bits = |from: u32, mask: u64| u8::try_from(ticks >> from & mask).unwrap();
        let (high, low) = (bits(30, 7), bits(15, 0x7f) << 1 | 1);
        [prefix << 4 | high << 1 | 1, bits(22, 0xff), low, bits(7, 0xff), bits(0, 0x7f) << 1 | 1]
    };
    let [high, low] = length.to_be_bytes();
    let mut packet =
        vec![SYNC, 0x41, 0x00, 0x10 | counter, 0, 0, 1, 0xe0, high, low, 0x80, 0xc0, 10];
    packet.extend(stamp(3, pts));
    packet.extend(stamp(1, dts));
    packet.resize(PACKET, 0x77);
    packet
}

#[test]
fn timestamps_are_read_and_ordered() {
    const TOP: u64 = 1 << 33;
    let good = [pes(0, 0, 5, TOP - 7200), pes(1, 0, TOP - 3600, TOP - 3600), pes(2, 0, 3600, 0)];
    let report = TsCheck::of(&good.concat());
    report.assert_clean("timestamps that wrap");
    let video = report.on(0x100);
    assert_eq!((video.pes, video.dts_step_max, video.pts_rewind_max), (3, 3600, 3605));
    assert_eq!((video.first_pts, video.last_pts, video.last_dts), (Some(5), Some(3600), Some(0)));
    assert_eq!(faults(&[pes(0, 0, 9, 9), pes(1, 0, 9, 9)]), [(Fault::DtsNotRising, 1)]);
    assert_eq!(faults(&[pes(0, 0, 8, 9)]), [(Fault::PtsBeforeDts, 1)]);
}

#[test]
fn a_pes_header_may_lie_across_packets() {
    let whole = pes(0, 0, 7777, 7000);
    let (header, rest) = whole[4..].split_at(13);
    // The header's first 13 bytes behind stuffing, the others in the next packet.
    let mut first = vec![SYNC, 0x41, 0x00, 0x30, 170, 0];
    first.resize(PACKET - 13, 0xff);
    first.extend(header);
    let mut second = plain(0x100, 1, 0x77);
    second[4..4 + rest.len()].copy_from_slice(rest);
    let report = TsCheck::of(&[first, second].concat());
    report.assert_clean("a split PES header");
    assert_eq!(report.on(0x100).last_pts, Some(7777));
    assert_eq!(report.on(0x100).elementary, Digest::of(&[0x77; 178]));
}

#[test]
fn a_pes_packet_keeps_its_announced_length() {
    let right = [pes(0, 362, 2, 2), plain(0x100, 1, 0), pes(2, 0, 9, 9)];
    assert_eq!(faults(&right), []);
    let wrong = [pes(0, 363, 2, 2), plain(0x100, 1, 0), pes(2, 0, 9, 9)];
    assert_eq!(faults(&wrong), [(Fault::PesLength, 1)]);
}

#[test]
fn tables_are_checked() {
    let pattern = TsPattern::new(1);
    let pat = pattern.packet(0).to_vec();
    let mut pmt = pattern.packet(1).to_vec();
    assert_eq!(faults(&[pat.clone(), pmt.clone()]), []);
    // A language changes: CRC wrong; then CRC right but the version the same.
    pmt[3] = 0x11;
    let language = pmt.windows(3).position(|three| three == b"deu").unwrap();
    pmt[language] = b'f';
    assert_eq!(faults(&[pat.clone(), pattern.packet(1).to_vec(), pmt.clone()])[0].0, Fault::Crc);
    let end = language + 4;
    let crc = crc32(&pmt[5..end]);
    pmt[end..end + 4].copy_from_slice(&crc.to_be_bytes());
    let changed = [pat, pattern.packet(1).to_vec(), pmt];
    assert_eq!(faults(&changed), [(Fault::TableVersion, 1)]);
}

/// Packets with a payload that are neither the first nor the last of their PID.
fn inner(packets: &[&[u8]]) -> Vec<usize> {
    let pid = |at: usize| (packets[at][1] & 0x1f, packets[at][2]);
    let within = |at: &usize| {
        let others = |range: std::ops::Range<usize>| range.into_iter().any(|n| pid(n) == pid(*at));
        pid(*at) != (0x1f, 0xff) && others(0..*at) && others(*at + 1..packets.len())
    };
    (0..packets.len()).filter(within).collect()
}

#[test]
fn every_lost_swapped_or_copied_packet_is_judged() {
    let pattern = TsPattern::new(7).nulls(2);
    let bytes = pattern.packets(1000, 150);
    let packets: Vec<&[u8]> = bytes.chunks(PACKET).collect();
    let inner = inner(&packets);
    assert!(inner.len() > 100, "{}", inner.len());
    for at in inner {
        let judged = |packets: &[&[u8]]| TsCheck::of(&packets.concat());
        let mut lost = packets.clone();
        lost.remove(at);
        assert_eq!(judged(&lost).count(Fault::Continuity), 1, "packet {at} lost");

        let mut copied = packets.clone();
        copied.insert(at, packets[at]);
        let report = judged(&copied);
        report.assert_clean("a legal copy");
        assert_eq!(report.duplicates(), 1);

        let mut wrong = packets.clone();
        let mut packet = packets[at].to_vec();
        packet[3] ^= 8;
        wrong[at] = &packet;
        let errors = judged(&wrong).count(Fault::Continuity);
        assert_eq!(errors, 2, "packet {at} with another counter");
    }
}
