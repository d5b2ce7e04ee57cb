//! A stream with a track of every coding, damaged in any way, or any bytes behind its tables, whose sound is
//! converted by cheap codecs: whole packets come out, the same ones however the input is cut, and not many more
//! than went in.
#![no_main]

use std::iter;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use weir::remux::Codecs;
use weir::remux::Coding;
use weir::remux::Options;
use weir::remux::Remux;
use weir::remux::codec::AAC_FRAME;
use weir::remux::codec::Damaged;
use weir::remux::codec::Decode;
use weir::remux::codec::DecodeOptions;
use weir::remux::codec::Encode;
use weir::remux::codec::EncodeError;
use weir::remux::codec::EncodeOptions;
use weir::remux::codec::Pcm;

const LEN: usize = 188;
/// Packets that may come of one: a step of the clock is at most 250 ms that are missing, which are 12 packets of
/// silence for each of four tracks, and as many when they were waited for.
const MORE: usize = 64;
const PMT: u16 = 0x100;
const VIDEO: u16 = 0x200;
/// Types of the PMT, and the frames that are on PIDs from [`VIDEO`] on.
const TRACKS: [(u8, &[u8], usize); 5] = [
    (0x1B, &[0, 0, 0, 1, 0x65], 100),
    (0x03, &[0xFF, 0xFD, 0x14, 0xC0], 96),
    (0x81, &[0x0B, 0x77, 0, 0, 0, 0x40, 0x40], 128),
    (0x87, &[0x0B, 0x77, 0, 31, 0x34, 0x80], 64),
    (0x11, &[0x56, 0xE0, 93], 96),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&[form, piece_len], bytes)) = bytes.split_first_chunk() else { return };
    let mut stream = [table(0, &pat()), table(PMT, &pmt())].concat();
    match form & 3 {
        0 => stream.extend_from_slice(bytes),
        1 => stream.extend(bytes.chunks(LEN - 1).flat_map(aligned)),
        _ => stream.extend(Programme::default().packets(bytes)),
    }
    let options = Options {
        channels: 1 + (form >> 2 & 1),
        tracks: if form >> 3 & 1 == 0 { usize::MAX } else { 1 },
        target_level: (form >> 4 & 1 == 0).then_some(-23),
        ..Options::default()
    };
    let whole = run(&options, &stream, usize::MAX);
    assert!(whole == run(&options, &stream, usize::from(piece_len) + 1));
    assert!(whole.len().is_multiple_of(LEN));
    assert!(whole.iter().step_by(LEN).all(|byte| *byte == 0x47));
    let most = MORE * stream.len() + (64 << 10);
    assert!(whole.len() < most, "{} of {}", whole.len(), stream.len());
});

/// What becomes of the stream, cut in pieces.
fn run(options: &Options, stream: &[u8], piece_len: usize) -> Vec<u8> {
    let mut remux = Remux::new(options.clone(), Arc::new(Cheap));
    let mut out = Vec::new();
    stream.chunks(piece_len).for_each(|piece| remux.push(piece, &mut out));
    remux.finish(&mut out);
    remux.take_counts();
    out
}

/// Packets of a programme, each as eight bytes say: whose it is, what it begins with, and which of its bytes is
/// another one.
#[derive(Default)]
struct Programme {
    counters: [u8; TRACKS.len()],
    sent: [usize; TRACKS.len()],
    times: [u64; TRACKS.len()],
    clock: u64,
}

impl Programme {
    fn packets(mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.as_chunks().0.iter().flat_map(|told| self.packet(told)).collect()
    }

    fn packet(&mut self, told: &[u8; 8]) -> Vec<u8> {
        let [kind, flags, time, time_low, clock, clock_low, at, change] = *told;
        let track = usize::from(kind) % TRACKS.len();
        let (has_clock, begins) = (flags & 1 != 0, flags & 2 != 0);
        self.clock = self.clock.wrapping_add(u64::from(u16::from_be_bytes([clock, clock_low])));
        let counter = &mut self.counters[track];
        *counter = counter.wrapping_add(1 + (flags >> 2 & 1));
        let pid = VIDEO + track as u16;
        let mut packet = head(pid, begins, 0x10 | *counter & 0x0F | u8::from(has_clock) << 5);
        if has_clock {
            // Discontinuity and random access as they come.
            packet.extend([7, 0x10 | flags & 0xC0]);
            packet.extend(&(self.clock << 15 | 0x7E00).to_be_bytes()[2..]);
        }
        if begins {
            let step = u64::from(u16::from_be_bytes([time, time_low]));
            self.times[track] = self.times[track].wrapping_add(step);
            packet.extend([0, 0, 1, if track == 0 { 0xE0 } else { 0xC0 }, 0, 0, 0x80, 0x80, 5]);
            packet.extend(stamp(self.times[track]));
        }
        let (_, head, len) = TRACKS[track];
        while packet.len() < LEN {
            let byte = head.get(self.sent[track] % len).copied().unwrap_or(0);
            packet.push(byte);
            self.sent[track] += 1;
        }
        let place = 4 + usize::from(at) % (LEN - 4);
        packet[place] ^= change;
        if flags >> 3 & 7 == 7 {
            packet[3] |= 0x80;
        }
        packet
    }
}

fn stamp(ticks: u64) -> [u8; 5] {
    let part = |shift: u32, bits: u32| (ticks >> shift & ((1 << bits) - 1)) as u8;
    [0x21 | part(30, 3) << 1, part(22, 8), part(15, 7) << 1 | 1, part(7, 8), part(0, 7) << 1 | 1]
}

/// A packet of these bytes.
fn aligned(bytes: &[u8]) -> Vec<u8> {
    iter::once(0x47).chain(bytes.iter().copied()).chain(iter::repeat(0xFF)).take(LEN).collect()
}

fn head(pid: u16, begins: bool, last: u8) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    vec![0x47, high | u8::from(begins) << 6, low, last]
}

fn pat() -> Vec<u8> {
    vec![0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | (PMT >> 8) as u8, PMT as u8]
}

fn pmt() -> Vec<u8> {
    let len = 13 + 5 * TRACKS.len();
    let video = VIDEO.to_be_bytes();
    let mut section =
        vec![0x02, 0xB0, len as u8, 0, 1, 0xC1, 0, 0, 0xE0 | video[0], video[1], 0xF0, 0];
    for (pid, (stream_type, ..)) in (VIDEO..).zip(TRACKS) {
        let [high, low] = pid.to_be_bytes();
        section.extend([stream_type, 0xE0 | high, low, 0xF0, 0]);
    }
    section
}

/// A packet with one section and its checksum.
fn table(pid: u16, section: &[u8]) -> Vec<u8> {
    let crc = section.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
        })
    });
    let mut packet = [&head(pid, true, 0x10)[..], &[0], section, &crc.to_be_bytes()].concat();
    packet.resize(LEN, 0xFF);
    packet
}

/// Makes sound of everything; what it is like a byte of the frame says.
#[derive(Debug)]
struct Cheap;

impl Codecs for Cheap {
    fn decodes(&self, _: Coding) -> bool {
        true
    }

    fn decoder(&self, coding: Coding, _: DecodeOptions) -> Option<Box<dyn Decode>> {
        let samples = match coding {
            Coding::Ac3 | Coding::Eac3 => 1536,
            Coding::Mp2 => 1152,
            Coding::Latm => 1024,
        };
        Some(Box::new(Decoder(samples)))
    }

    fn encoder(&self, _: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
        Ok(Box::new(Encoder))
    }
}

struct Decoder(usize);

impl Decode for Decoder {
    fn decode(&mut self, frame: &[u8], pcm: &mut Pcm) -> Result<(), Damaged> {
        pcm.clear();
        let (rate, samples) = match frame.get(9).copied().unwrap_or(0) {
            1 => return Err(Damaged),
            2 => return Ok(()),
            3 => (44_100, self.0),
            4 => (32_000, self.0),
            5 => (48_000, 256),
            _ => (48_000, self.0),
        };
        pcm.rate = rate;
        pcm.source_channels = 2 + frame.get(10).copied().unwrap_or(0) % 4;
        let sound = frame.iter().map(|byte| f32::from(*byte) / 128.0 - 1.0);
        let sound: Vec<_> = sound.cycle().take(samples).collect();
        pcm.channels = [sound.clone(), sound];
        Ok(())
    }
}

/// An access unit is a sum of the samples in it.
struct Encoder;

impl Encode for Encoder {
    fn encode(&mut self, frame: [&[f32]; 2], out: &mut Vec<u8>) -> Result<bool, EncodeError> {
        assert!(frame.iter().all(|channel| channel.len() == AAC_FRAME));
        let samples = frame.iter().flat_map(|channel| channel.iter());
        assert!(samples.clone().all(|sample| (-1.0..=1.0).contains(sample)));
        let sum = samples.fold(0_u64, |sum, sample| {
            sum.wrapping_mul(31).wrapping_add(u64::from(sample.to_bits()))
        });
        out.extend(sum.to_be_bytes());
        Ok(true)
    }
}
