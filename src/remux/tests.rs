//! Streams that change under way, through the whole of it with the codecs of this build.

use super::*;
use crate::media::ts::packet;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes;
use crate::media::ts::pes::Pes;
use crate::media::ts::pes::Pts;
use crate::media::ts::psi;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::remux::codec::BuiltIn;
use crate::remux::header;
use crate::remux::report::Fate;

const TABLE: Pid = Pid::masked(0x20);
const SOUND: Pid = Pid::masked(0x41);

const MP2_48000: &[u8] = include_bytes!("../../tests/fixtures/remux/mp2-48000.mp2");
const MP2_24000: &[u8] = include_bytes!("../../tests/fixtures/remux/mp2-24000-mono.mp2");

/// Makes a radio programme: its clock is on the PID of its sound.
struct Radio {
    counters: [ContinuityCounter; 3],
    /// When the next frame is due, in ticks of 90 kHz and a fraction.
    at: f64,
    bytes: Vec<u8>,
}

impl Radio {
    fn new() -> Self {
        Self { counters: Default::default(), at: 90_000.0, bytes: Vec::new() }
    }

    /// PAT, and a PMT that says that its sound is this.
    fn tables(&mut self, version: u8, stream_type: u8) {
        let pat = Pat::write(1, 0, &[(7, TABLE)]).unwrap();
        let stream = psi::Stream { stream_type, pid: SOUND, descriptors: b"\x0A\x04deu\0" };
        let pmt = Pmt::write(7, version, SOUND, &[], &[stream]).unwrap();
        psi::write_packets(Pid::PAT, &mut self.counters[0], &pat, &mut self.bytes);
        psi::write_packets(TABLE, &mut self.counters[1], &pmt, &mut self.bytes);
    }

    /// A PES packet and a clock reference for each frame of an elementary stream.
    fn sound(&mut self, coding: Coding, stream: &[u8]) {
        let mut rest = stream;
        while let Some(head) = header::read(coding, rest) {
            let Some((frame, behind)) = rest.split_at_checked(head.len) else { break };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
            let pts = Pts::new(self.at.round() as u64);
            let mut pes = Vec::new();
            let header =
                pes::Header { stream_id: 0xBD, data_alignment: true, pts: Some(pts), dts: None };
            header.write(frame.len(), &mut pes);
            pes.extend_from_slice(frame);
            let mut first = true;
            let mut left = &pes[..];
            while !left.is_empty() {
                let clock = Pcr::from(pts).wrapping_add(Pcr::MODULUS - Pcr::HZ / 10);
                let header = packet::Header {
                    payload_unit_start: first,
                    pcr: first.then_some(clock),
                    ..packet::Header::new(SOUND, self.counters[2].advance())
                };
                left = header.write(left, &mut self.bytes);
                first = false;
            }
            #[expect(clippy::cast_precision_loss, reason = "at most 1536")]
            let samples = head.samples as f64;
            self.at += samples * 90_000.0 / f64::from(head.rate);
            rest = behind;
        }
    }
}

/// What came out: presentation times and the third byte of each ADTS header, which has profile and rate.
fn converted(radio: &Radio) -> (Remux, Vec<(u64, u8)>) {
    let mut remux = Remux::new(Options::default(), Arc::new(BuiltIn));
    let mut out = Vec::new();
    radio.bytes.chunks(1000).for_each(|piece| remux.push(piece, &mut out));
    remux.finish(&mut out);
    let units = out.as_chunks::<LEN>().0.iter().filter_map(|packet| {
        let packet = Packet::parse(packet).filter(|packet| packet.pid() == SOUND)?;
        let pes = Pes::parse(packet.payload().filter(|_| packet.payload_unit_start())?)?;
        Some((pes.pts()?.ticks(), *pes.payload().get(2)?))
    });
    let units = units.collect();
    (remux, units)
}

/// AAC-LC of 48 kHz, one unit after the other without a break.
#[track_caller]
fn assert_goes_on(units: &[(u64, u8)]) {
    assert!(units.len() > 10, "{}", units.len());
    assert!(units.iter().all(|(_, form)| *form == 0x4C), "{units:?}");
    for pair in units.windows(2) {
        let step = pair[1].0 - pair[0].0;
        assert!((1919..=1921).contains(&step), "{step} in {units:?}");
    }
}

#[test]
fn another_rate_changes_neither_the_form_nor_the_time_of_what_comes_out() {
    let mut radio = Radio::new();
    radio.tables(0, 0x03);
    radio.sound(Coding::Mp2, MP2_48000);
    radio.sound(Coding::Mp2, MP2_24000);
    radio.sound(Coding::Mp2, MP2_48000);
    let (mut remux, units) = converted(&radio);
    assert_goes_on(&units);
    let counts = remux.take_counts();
    assert_eq!((counts.bad_frames, counts.discontinuities), (0, 0));
    assert!(counts.inserted + counts.dropped < std::time::Duration::from_millis(2), "{counts:?}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
    let end = radio.at as u64;
    let last = units.last().unwrap().0;
    assert!((end - 2 * 1920..end).contains(&last), "{last} of {end}");
}

#[cfg(feature = "libav")]
#[test]
fn another_coding_goes_on_with_the_clock_and_the_encoder() {
    let ac3 = include_bytes!("../../tests/fixtures/remux/ac3-2.0.ac3");
    let mut radio = Radio::new();
    radio.tables(0, 0x03);
    radio.sound(Coding::Mp2, MP2_48000);
    radio.tables(1, 0x81);
    radio.sound(Coding::Ac3, ac3);
    let (mut remux, units) = converted(&radio);
    assert_goes_on(&units);
    let counts = remux.take_counts();
    assert_eq!((counts.bad_frames, counts.discontinuities), (0, 0));
    assert_eq!(remux.tracks()[0].fate, Fate::Converted(Coding::Ac3));
}

#[test]
fn a_clock_without_sound_makes_no_more_silence_than_its_packets_allow() {
    let mut radio = Radio::new();
    radio.tables(0, 0x03);
    radio.sound(Coding::Mp2, MP2_48000);
    let before = converted(&radio).1.len();
    let clocks = 1000;
    for number in 1..=clocks {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let pts = Pts::new(radio.at as u64 + number * 18_000);
        let header = packet::Header { pcr: Some(pts.into()), ..packet::Header::new(SOUND, 0) };
        header.write(&[], &mut radio.bytes);
    }
    let (mut remux, units) = converted(&radio);
    // Of 200 s that its clock says have passed, 25 ms for each packet.
    let silent = units.len() - before;
    assert!(silent < 1000 * 25 * 48 / 1024 + 100, "{silent}");
    assert!(remux.take_counts().inserted < std::time::Duration::from_secs(27));
    assert_eq!(remux.tracks()[0].fate, Fate::Converted(Coding::Mp2));
}
