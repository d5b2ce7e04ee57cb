//! The generated transport stream, read back with the readers of `media::ts`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::media::ts::packet;
use crate::media::ts::packet::Adaptation;
use crate::media::ts::packet::Packet;
use crate::media::ts::pes::Pes;
use crate::media::ts::psi;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;

/// The index at which the PTS wraps, for tests that go over it.
const PTS_WRAP: u64 = Pts::MODULUS / PICTURE_TICKS;

fn layout() -> Layout {
    Layout {
        transport_stream_id: 0x1234,
        program_number: 77,
        pmt_pid: Pid::masked(0x30),
        video_pid: Pid::masked(0x1FFE),
        audio_pid: Pid::masked(0x20),
    }
}

fn scene() -> Scene {
    let (title, text) = ("Primary".into(), String::new());
    Scene { title, text, palette: Palette::Blue, tone: Tone::High }
}

/// One access unit, or a few frames of sound, with the start of the packet that begins it.
struct Unit {
    pts: Pts,
    random_access: bool,
    pcr: Option<Pcr>,
    payload: Vec<u8>,
}

/// What a receiver makes of the stream. Panics on anything a receiver would stumble over.
#[derive(Default)]
struct Receiver {
    counters: BTreeMap<Pid, u8>,
    pids: Vec<Pid>,
    video: Vec<Unit>,
    audio: Vec<Unit>,
    sections: BTreeMap<Pid, Vec<Vec<u8>>>,
    /// A long name's section spans two packets.
    assemblers: BTreeMap<Pid, psi::Assembler>,
}

impl Receiver {
    /// Takes the packets of one picture and returns their PIDs.
    fn take(&mut self, bytes: &[u8]) -> Vec<Pid> {
        let (packets, rest) = bytes.as_chunks::<{ packet::LEN }>();
        assert!(rest.is_empty() && !packets.is_empty());
        self.pids.clear();
        for packet in packets {
            self.take_packet(Packet::parse(packet).unwrap());
        }
        for unit in self.video.last().iter().chain(&self.audio.last()) {
            assert!(!unit.payload.is_empty());
        }
        self.pids.clone()
    }

    fn take_packet(&mut self, packet: Packet<'_>) {
        let counter = packet.continuity_counter();
        if let Some(before) = self.counters.insert(packet.pid(), counter) {
            assert_eq!(counter, (before + 1) & 0x0F, "{packet:?}");
        }
        assert!(packet.has_payload() && !packet.transport_error() && packet.scrambling() == 0);
        assert!(!packet.adaptation().is_some_and(Adaptation::discontinuity_indicator));
        self.pids.push(packet.pid());
        let payload = packet.payload().unwrap();
        let units = match packet.pid() {
            pid if pid == layout().video_pid => &mut self.video,
            pid if pid == layout().audio_pid => &mut self.audio,
            pid => {
                let sections = self.sections.entry(pid).or_default();
                let take = |section: &[u8]| sections.push(section.to_vec());
                let assembler = self.assemblers.entry(pid).or_default();
                assembler.push(packet.payload_unit_start(), payload, take);
                return;
            }
        };
        if !packet.payload_unit_start() {
            assert_eq!(packet.pcr(), None);
            units.last_mut().unwrap().payload.extend_from_slice(payload);
            return;
        }
        let pes = Pes::parse(payload).unwrap();
        assert!(pes.data_alignment_indicator() && pes.dts().is_none());
        units.push(Unit {
            pts: pes.pts().unwrap(),
            random_access: packet.adaptation().is_some_and(Adaptation::random_access_indicator),
            pcr: packet.pcr(),
            payload: pes.payload().to_vec(),
        });
    }
}

/// A receiver that has seen `pictures` pictures from `first_frame` on.
fn receive(first_frame: u64, pictures: usize) -> Receiver {
    let mut synth = Synth::new(&scene(), layout(), first_frame);
    let mut receiver = Receiver::default();
    let mut out = Vec::new();
    for _ in 0..pictures {
        out.clear();
        synth.next_picture(&mut out);
        receiver.take(&out);
    }
    assert_eq!(receiver.video.len(), pictures);
    receiver
}

#[test]
fn tables_stand_before_each_keyframe_and_every_100_ms() {
    let mut synth = Synth::new(&scene(), layout(), 7);
    let mut receiver = Receiver::default();
    let (mut keyframes, mut since_tables) = (Vec::new(), 0);
    for frame in 7..207 {
        let mut out = Vec::new();
        if frame == 60 || frame == 61 {
            synth.force_keyframe();
        }
        assert_eq!(synth.next_frame(), frame);
        synth.next_picture(&mut out);
        let pids = receiver.take(&out);
        let keyframe = receiver.video.last().unwrap().random_access;
        since_tables += 40;
        if pids[..2] == [Pid::PAT, layout().pmt_pid] {
            since_tables = 0;
        }
        if keyframe {
            keyframes.push(frame);
            let start = [Pid::PAT, layout().pmt_pid, Pid::SDT, layout().video_pid];
            assert_eq!(pids[..4], start, "at {frame}");
        }
        assert!(since_tables <= 100);
    }
    assert_eq!(keyframes, [7, 25, 50, 60, 61, 75, 100, 125, 150, 175, 200]);
}

#[test]
fn tables_say_what_the_layout_says() {
    let receiver = receive(0, 50);
    let sections = |pid| &receiver.sections[&pid];
    assert_eq!((sections(Pid::PAT).len(), sections(Pid::SDT).len()), (26, 2));
    for section in receiver.sections.values().flatten() {
        assert_eq!(psi::crc32(section), 0);
    }
    let pat = Pat::parse(&sections(Pid::PAT)[0]).unwrap();
    assert_eq!(pat.transport_stream_id(), 0x1234);
    assert_eq!(pat.programs().collect::<Vec<_>>(), [(77, layout().pmt_pid)]);
    let pmt = Pmt::parse(&sections(layout().pmt_pid)[25]).unwrap();
    assert_eq!((pmt.program_number(), pmt.pcr_pid()), (77, layout().video_pid));
    let streams: Vec<_> = pmt.streams().collect();
    assert_eq!((streams[0].stream_type, streams[0].pid), (0x1B, layout().video_pid));
    assert_eq!((streams[1].stream_type, streams[1].pid), (0x0F, layout().audio_pid));
    assert_eq!(streams[1].language(), Some(*b"eng"));
    let sdt = psi::Section::parse(&sections(Pid::SDT)[0]).unwrap();
    assert_eq!((sdt.table_id, sdt.table_id_extension), (0x42, 0x1234));
    let service = [b"\x00\x4D\xFC\x80\x10\x48\x0E\x16\x04weir\x07Primary".as_slice()].concat();
    assert_eq!(sdt.body[3..], service);
}

#[test]
fn clocks_step_evenly_for_ever() {
    let mut seen = 0;
    for first in [0, 3, PTS_WRAP - 100, 25 * 86_400 * 400 + 11, u64::MAX - 100] {
        let receiver = receive(first, 180);
        let now = Pts::new(first.wrapping_mul(3600));
        assert_eq!(receiver.video[0].pcr, Some(Pcr::from(now)));
        for (n, unit) in (0..).zip(&receiver.video) {
            assert_eq!(unit.pts.since(now), 18_000 + n * 3600);
            let pcr = unit.pcr.unwrap();
            assert_eq!(pcr.since(Pcr::from(now)), n * 3600 * 300);
            assert_eq!(Pcr::from(unit.pts).since(pcr), 18_000 * 300);
        }
        let mut due = receiver.audio[0].pts;
        assert!((0..1920).contains(&due.since(receiver.video[0].pts)));
        for (audio, video) in receiver.audio.iter().zip(&receiver.video) {
            // Without a gap, and sent with the picture that it begins with.
            assert_eq!(audio.pts, due);
            assert!((0..1920).contains(&audio.pts.since(video.pts)));
            assert_eq!(audio.pcr, None);
            let (frames, rest) = audio.payload.as_chunks::<79>();
            assert!(rest.is_empty() && (1..=2).contains(&frames.len()));
            assert!(frames.iter().all(|frame| frame == Tone::High.frame()));
            due = due.wrapping_add(frames.len() as u64 * 1920);
            seen += frames.len();
        }
    }
    // 180 pictures are 337.5 audio frames. The last index is 2^64 - 1; the one after it is 0.
    assert!((5 * 337..=5 * 338).contains(&seen), "{seen} frames");
}

#[test]
fn generators_agree_wherever_they_start() {
    let stream = |first: u64, from: u64, count: usize| {
        let mut receiver = receive(first, usize::try_from(from - first).unwrap() + count);
        let skip = receiver.video.len() - count;
        let units = receiver.video.drain(skip..).chain(receiver.audio.drain(skip..));
        units.map(|unit| (unit.pts, unit.random_access, unit.payload)).collect::<Vec<_>>()
    };
    // From the next whole second on all pictures and all sound are the same.
    assert!(stream(990, 1000, 60) == stream(963, 1000, 60));
    let whole = |mut synth: Synth| {
        let mut out = Vec::new();
        (0..60).for_each(|_| synth.next_picture(&mut out));
        out
    };
    let first = PTS_WRAP - 30;
    let one = whole(Synth::new(&scene(), layout(), first));
    assert!(one == whole(Synth::new(&scene(), layout(), first)));
}

#[test]
fn pictures_are_whole_and_small() {
    let mut synth = Synth::new(&scene(), layout(), 86_400 * 25 - 50);
    let mut out = Vec::new();
    let mut bytes = 0;
    for _ in 0..250 {
        out.clear();
        synth.next_picture(&mut out);
        assert!(out.len() < 30_000);
        bytes += out.len();
    }
    let kbit_per_second = bytes * 8 / 1000 / 10;
    assert!((300..900).contains(&kbit_per_second), "{kbit_per_second} kbit/s");
}

#[test]
fn a_long_name_beyond_ascii_spans_two_packets() {
    let scene = Scene { title: "\u{1134c}".repeat(40), ..Scene::default() };
    let mut receiver = Receiver::default();
    let mut out = Vec::new();
    Synth::new(&scene, layout(), 0).next_picture(&mut out);
    receiver.take(&out);
    let sdt = &receiver.sections[&Pid::SDT][0];
    assert!(sdt.len() > 184 && psi::crc32(sdt) == 0);
    assert!(sdt.windows(4).any(|part| part == "\u{1134c}".as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_text_makes_a_sound_stream(title: String, text: String, first: u64, long in 0_usize..50) {
        let (title, text) = (title.repeat(long), text.repeat(long));
        let mut synth = Synth::new(&Scene { title, text, ..Scene::default() }, layout(), first);
        let mut receiver = Receiver::default();
        for _ in 0..3 {
            let mut out = Vec::new();
            synth.next_picture(&mut out);
            receiver.take(&out);
            prop_assert!(out.len() < 110_000);
        }
        prop_assert!(psi::Section::parse(&receiver.sections[&Pid::SDT][0]).is_ok());
    }
}
