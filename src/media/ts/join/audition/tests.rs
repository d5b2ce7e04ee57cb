//! Multiplexes of several programmes, streams that are announced and not sent, clocks that move.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Header;
use crate::media::ts::pes;
use crate::media::ts::pes::Pts;
use crate::media::ts::psi;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream;

const VIDEO: u16 = 0x40;
const SOUND: u16 = 0x41;

/// An IDR picture of H.264 with its parameter sets.
const IDR: &[u8] = b"\0\0\x01\x09\xF0\0\0\x01\x67\x64\0\x28\0\0\x01\x68\xEE\x3C\0\0\x01\x65\x88";

/// One that refers to others.
const PICTURE: &[u8] = b"\0\0\x01\x09\xF0\0\0\x01\x41\x9A";

/// A stream in the making. The PMT of programme n is on PID 0x1000 + n.
#[derive(Default)]
struct Mux {
    counters: BTreeMap<u16, ContinuityCounter>,
    bytes: Vec<u8>,
    ticks: u64,
}

impl Mux {
    fn pat(&mut self, numbers: &[u16]) {
        let programs: Vec<_> =
            numbers.iter().map(|number| (*number, Pid::masked(0x1000 + number))).collect();
        self.table(0, &Pat::write(1, 0, &programs).unwrap());
    }

    fn pmt(&mut self, number: u16, pcr_pid: u16, streams: &[(u8, u16)]) {
        let stream =
            |&(stream_type, pid)| Stream { stream_type, pid: Pid::masked(pid), descriptors: &[] };
        let streams: Vec<_> = streams.iter().map(stream).collect();
        let section = Pmt::write(number, 0, Pid::masked(pcr_pid), &[], &streams).unwrap();
        self.table(0x1000 + number, &section);
    }

    fn table(&mut self, pid: u16, section: &[u8]) {
        let counter = self.counters.entry(pid).or_default();
        psi::write_packets(Pid::masked(pid), counter, section, &mut self.bytes);
    }

    /// A PES packet that fills one packet, with a clock reference.
    fn unit(&mut self, pid: u16, payload: &[u8]) {
        self.ticks += 3600;
        let stream_id = if pid == VIDEO { pes::stream_id::VIDEO } else { pes::stream_id::AUDIO };
        let pts = Some(Pts::new(self.ticks + 9000));
        let mut unit = Vec::new();
        pes::Header { stream_id, data_alignment: true, pts, dts: None }.write(100, &mut unit);
        unit.extend_from_slice(payload);
        unit.resize(unit.len() + 100 - payload.len(), 0x55);
        let counter = self.counters.entry(pid).or_default().advance();
        let pcr = Some(Pcr::new(self.ticks * 300));
        let header =
            Header { payload_unit_start: true, pcr, ..Header::new(Pid::masked(pid), counter) };
        header.write(&unit, &mut self.bytes);
    }

    fn television(&mut self, number: u16) {
        self.pmt(number, VIDEO, &[(0x1B, VIDEO), (0x03, SOUND)]);
    }

    fn radio(&mut self, number: u16) {
        self.pmt(number, 0x51, &[(0x03, 0x51)]);
    }

    fn push_to(&mut self, audition: &mut Audition) {
        audition.push(&std::mem::take(&mut self.bytes));
    }
}

/// Programme and lead of an audition that is ready, and the first packet that the client gets.
fn joined(audition: Audition) -> (u16, u16, u16) {
    assert!(audition.is_ready());
    let End { start, kept, .. } = audition.end();
    let first = Packet::parse(kept.first_chunk().unwrap()).unwrap();
    assert!(start.program.is_settled());
    (start.program.program_number().unwrap(), start.lead.unwrap().value(), first.pid().value())
}

#[test]
fn the_television_of_a_multiplex_is_waited_for() {
    let mut mux = Mux::default();
    let mut audition = Audition::beside(Manner::Seamless, Some(1), None);
    mux.pat(&[7, 8, 9]);
    mux.pmt(9, 0x1FFF, &[(0x0B, 0x60)]);
    mux.radio(8);
    (0..3).for_each(|_| mux.unit(0x51, &[]));
    mux.unit(VIDEO, IDR);
    mux.unit(VIDEO, PICTURE);
    mux.push_to(&mut audition);
    assert!(!audition.is_ready());
    mux.television(7);
    mux.push_to(&mut audition);
    // What came before its tables is there.
    assert_eq!(joined(audition), (7, VIDEO, VIDEO));
}

#[test]
fn a_programme_that_is_settled_for_stays() {
    let mut mux = Mux::default();
    let mut audition = Audition::new(Manner::Seamless);
    mux.pat(&[7, 8]);
    mux.radio(8);
    mux.unit(0x51, &[]);
    mux.push_to(&mut audition);
    assert!(!audition.is_ready());
    let mut early = Audition::new(Manner::Seamless);
    mux.pat(&[7, 8]);
    mux.radio(8);
    mux.push_to(&mut early);
    assert!(early.end().start.program.is_settled());
    audition.settle();
    assert!(audition.is_ready());
    mux.television(7);
    let better = std::mem::take(&mut mux.bytes);
    audition.push(&better);
    let mut program = audition.end().start.program;
    assert_eq!(program.push(Packet::parse(better.first_chunk().unwrap()).unwrap()), Heard::Nothing);
    assert_eq!(program.program_number(), Some(8));
}

#[test]
fn one_programme_of_a_whole_pat_needs_no_settling() {
    let numbers: Vec<u16> = (1..=40).collect();
    for (wanted, is_radio) in [(Some(1), false), (Some(1), true), (None, true)] {
        let mut mux = Mux::default();
        let mut audition = Audition::beside(Manner::Seamless, wanted, None);
        for round in 0..3 {
            mux.pat(&numbers);
            mux.push_to(&mut audition);
            assert_eq!(audition.is_ready(), round == 2, "{wanted:?} {is_radio}");
            if is_radio {
                mux.radio(30)
            } else {
                mux.television(30)
            }
            mux.unit(if is_radio { 0x51 } else { VIDEO }, if round == 0 { IDR } else { PICTURE });
        }
        let lead = if is_radio { 0x51 } else { VIDEO };
        assert_eq!(joined(audition), (30, lead, lead));
    }
    let mut mux = Mux::default();
    let mut audition = Audition::new(Manner::Seamless);
    mux.pat(&numbers);
    mux.television(40);
    mux.unit(VIDEO, IDR);
    mux.unit(VIDEO, PICTURE);
    mux.push_to(&mut audition);
    assert_eq!(joined(audition), (40, VIDEO, VIDEO));
}

#[test]
fn a_video_that_is_not_sent_is_not_waited_for() {
    for comes in [false, true] {
        let mut mux = Mux::default();
        let mut audition = Audition::new(Manner::Seamless);
        mux.pat(&[7]);
        mux.television(7);
        if comes {
            mux.unit(VIDEO, PICTURE);
        }
        (0..40).for_each(|_| mux.unit(SOUND, &[]));
        mux.push_to(&mut audition);
        assert!(!audition.is_ready());
        audition.settle();
        mux.unit(SOUND, &[]);
        mux.push_to(&mut audition);
        let lead = if comes { VIDEO } else { SOUND };
        assert_eq!(joined(audition), (7, lead, lead));
    }
}

#[test]
fn what_is_settled_early_waits_for_the_first_picture() {
    let mut mux = Mux::default();
    let mut audition = Audition::new(Manner::Seamless);
    audition.settle();
    mux.pat(&[7]);
    mux.television(7);
    mux.unit(SOUND, &[]);
    mux.unit(SOUND, &[]);
    mux.unit(VIDEO, PICTURE);
    mux.push_to(&mut audition);
    assert_eq!(joined(audition), (7, VIDEO, VIDEO));
}

#[test]
fn a_clock_that_moves_is_waited_for() {
    let mut mux = Mux::default();
    let mut audition = Audition::new(Manner::Seamless);
    mux.pat(&[7]);
    mux.pmt(7, SOUND, &[(0x1B, VIDEO), (0x03, SOUND)]);
    mux.unit(VIDEO, PICTURE);
    mux.unit(SOUND, &[]);
    mux.pmt(7, 0x50, &[(0x1B, VIDEO), (0x03, SOUND)]);
    mux.unit(VIDEO, IDR);
    mux.unit(VIDEO, PICTURE);
    mux.push_to(&mut audition);
    assert!(!audition.is_ready());
    mux.unit(0x50, &[]);
    mux.push_to(&mut audition);
    assert!(audition.is_ready());
    let first = audition.end().start.first;
    assert_eq!(first.pcr, Some(Pcr::new(mux.ticks * 300)));
}

#[test]
fn memory_is_no_more_than_what_may_be_kept() {
    let mut packet = Vec::new();
    Header::new(Pid::masked(VIDEO), 3).write(&[0x55; LEN], &mut packet);
    for (manner, most) in [(Manner::Aligned, HELD_MAX), (Manner::Seamless, EARLY_MAX)] {
        let mut audition = Audition::new(manner);
        for _ in 0..most / LEN {
            audition.push(&packet);
            assert!(audition.hearing.kept.capacity() <= most);
        }
        assert_eq!(audition.held(), most / LEN * LEN);
    }
}
