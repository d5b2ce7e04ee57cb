//! Packets of every sort, cut at every byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::Packet;
use crate::media::ts::pes::Timestamps;
use crate::media::ts::psi;
use crate::media::ts::watch::Watcher;

const VIDEO: Pid = Pid::masked(0x100);
const SOUND: Pid = Pid::masked(0x101);

/// What came before: a programme, and a picture and some sound at 10 s, a second after their clock.
fn before() -> Vec<u8> {
    let streams = [(0x1B, VIDEO), (0x0F, SOUND)].map(|(stream_type, pid)| psi::Stream {
        stream_type,
        pid,
        descriptors: &[],
    });
    let pmt_pid = Pid::masked(0x1000);
    let mut out = Vec::new();
    let mut table = |pid, section: &[u8]| {
        psi::write_packets(pid, &mut ContinuityCounter::default(), section, &mut out);
    };
    table(Pid::PAT, &psi::Pat::write(1, 0, &[(1, pmt_pid)]).unwrap());
    table(pmt_pid, &psi::Pmt::write(1, 0, VIDEO, &[], &streams).unwrap());
    out.extend(start(VIDEO, 0, 900_000));
    out.extend(start(SOUND, 0, 900_000));
    out
}

/// The first packet of a PES packet, whose PTS lies 80 ms after its DTS.
fn start(pid: Pid, counter: u8, dts: u64) -> [u8; LEN] {
    let dts = Pts::new(dts);
    let clock = Pcr::from(dts).wrapping_add(Pcr::MODULUS - Pcr::HZ);
    let mut pes = Vec::new();
    let pts = Some(dts.wrapping_add(7200));
    let (stream_id, dts) = (if pid == VIDEO { 0xE0 } else { 0xC0 }, Some(dts));
    pes::Header { stream_id, data_alignment: true, pts, dts }.write(300, &mut pes);
    pes.resize(LEN, 0x55);
    let pcr = Some(clock).filter(|_| pid == VIDEO);
    let header = Header { payload_unit_start: true, pcr, ..Header::new(pid, counter) };
    let mut packet = Vec::new();
    header.write(&pes, &mut packet);
    packet.try_into().unwrap()
}

fn packet(header: Header, payload: &[u8]) -> [u8; LEN] {
    let mut out = Vec::new();
    header.write(payload, &mut out);
    out.try_into().unwrap()
}

/// All there is to be cut.
fn packets() -> Vec<[u8; LEN]> {
    let clock = Header { pcr: Some(Pcr::new(243_090_000)), ..Header::new(VIDEO, 0) };
    let table = Header { payload_unit_start: true, ..Header::new(Pid::PAT, 1) };
    vec![
        start(VIDEO, 1, 903_600),
        start(SOUND, 1, 903_600),
        packet(Header::new(VIDEO, 1), &[0x55; LEN]),
        packet(Header::new(SOUND, 1), &[0x55; 20]),
        packet(clock, &[]),
        packet(Header::new(Pid::NULL, 3), &[0x55; LEN]),
        packet(table, &[0, 0, 0xB0, 13]),
        packet(Header::new(Pid::masked(0x234), 9), &[0x55; 100]),
    ]
}

#[test]
fn what_is_completed_goes_on() {
    let before = before();
    let (mut watcher, mut sent) = (Watcher::new(), Sent::new());
    watcher.push(&before);
    before.as_chunks().0.iter().for_each(|packet| sent.note(packet));
    let counters = Sequence::after(&watcher);
    let last = before.last_chunk().unwrap();
    let mut seen = 0;
    for (number, whole) in packets().iter().enumerate() {
        for len in 1..LEN {
            let torn = &whole[..len];
            let packet = complete(torn, last, &counters, &sent);
            assert!(packet.starts_with(torn));
            let mut watcher = watcher.clone();
            watcher.push(&packet);
            let errors = watcher.errors();
            assert_eq!((errors.continuity, errors.sync), (0, 0), "{number} {len}");
            let view = Packet::parse(&packet).unwrap();
            assert!(!view.has_payload() || view.payload().is_some(), "{number} {len}");
            assert!(view.has_payload() == (len > 3 && whole[3] & 0x10 != 0) || view.is_null());
            if let Some(pcr) = view.pcr() {
                let ahead = pcr.since(sent.clock().last.unwrap());
                assert!((1..2_700_000).contains(&ahead), "{number} {len} {ahead}");
            }
            let begins = view.payload_unit_start() && len > 3;
            if let Some(times) = view.payload().filter(|_| begins).and_then(Timestamps::parse) {
                let track = sent.track(view.pid()).unwrap();
                let (dts, pts) = (track.due().unwrap(), track.due_pts().unwrap());
                assert!((-3599..3600).contains(&times.decoding().since(dts)), "{number} {len}");
                assert!((-3599..3600).contains(&times.pts.since(pts)), "{number} {len}");
                assert!(times.pts.since(times.decoding()) >= 0);
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 8 * 187);
}

#[test]
fn a_packet_sent_a_second_time_is_sent_whole() {
    let sent = Sent::new();
    let mut watcher = Watcher::new();
    let last = start(VIDEO, 4, 5);
    watcher.push(&last);
    let counters = Sequence::after(&watcher);
    for len in 4..LEN {
        assert_eq!(complete(&last[..len], &last, &counters, &sent), last);
    }
}

#[test]
fn times_cut_over_two_packets_go_on() {
    let before = before();
    let mut sent = Sent::new();
    before.as_chunks().0.iter().for_each(|packet| sent.note(packet));
    let mut pes = Vec::new();
    let (pts, dts) = (Some(Pts::new(910_800)), Some(Pts::new(903_600)));
    pes::Header { stream_id: 0xE0, data_alignment: true, pts, dts }.write(300, &mut pes);
    let start = Header { payload_unit_start: true, ..Header::new(VIDEO, 1) };
    sent.note(&packet(start, &pes[..11]));
    let mut watcher = Watcher::new();
    watcher.push(&before);
    let rest = packet(Header::new(VIDEO, 2), &[&pes[11..], &[0x55; 176]].concat());
    for len in 4..LEN {
        let mut sent = Sent::new();
        before.as_chunks().0.iter().for_each(|packet| sent.note(packet));
        sent.note(&packet(start, &pes[..11]));
        let counters = Sequence::after(&watcher);
        let whole = complete(&rest[..len], before.last_chunk().unwrap(), &counters, &sent);
        sent.note(&whole);
        let track = sent.track(VIDEO).unwrap();
        assert_eq!(track.due(), Some(Pts::new(903_600 + 3600)), "{len}");
    }
}
