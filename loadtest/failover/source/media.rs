//! What a source plays: a generated channel that was encoded once. Each connection is given it on a
//! time line and with continuity counters of its own.

use std::collections::HashMap;

use weir::media::synth::Layout;
use weir::media::synth::Palette;
use weir::media::synth::Scene;
use weir::media::synth::Synth;
use weir::media::synth::Tone;
use weir::media::ts::packet;
use weir::media::ts::packet::Packet;
use weir::media::ts::packet::Pcr;
use weir::media::ts::packet::Pid;
use weir::media::ts::pes::Pes;
use weir::media::ts::pes::Pts;

use crate::clock::SECOND;

mod padded;

/// Nanoseconds from one picture to the next.
pub(crate) const PICTURE: u64 = SECOND / Synth::FRAMES_PER_SECOND;

/// Pictures from one random access point to the next.
pub(crate) const GROUP: u64 = Synth::FRAMES_PER_SECOND;

/// Pictures after which it begins anew: whole groups, and whole audio frames (15 to 8 pictures).
const LOOP: u64 = 8 * GROUP;

/// Ticks of 90 kHz of one picture.
const TICKS: u64 = Pts::HZ / Synth::FRAMES_PER_SECOND;

/// The index of a channel's first picture in the generator, a multiple of `LOOP`.
const FIRST: u64 = 3000 * LOOP;

/// What a source writes at once, if it is not told otherwise: cut anywhere, as a server does that reads
/// its input by fixed sizes.
const PIECE: usize = 700;

/// Bytes of a random access point by which it is known again.
const KNOWN: usize = 96;

/// What tells the sources' random access points apart: which source begins one with these bytes.
pub(crate) type Marks = HashMap<Vec<u8>, usize>;

/// One channel.
pub(crate) struct Media {
    pictures: Vec<Picture>,
    /// Added to every time of the generator, in ticks of 90 kHz.
    offset: u64,
    /// What is written at once while a picture's time passes.
    pub(crate) piece: usize,
}

/// One picture with its sound and tables.
#[derive(Default)]
struct Picture {
    packets: Vec<u8>,
    /// Where its video begins and ends.
    video: (usize, usize),
}

/// The counters of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Vec<(Pid, u8)>);

impl Counters {
    fn next(&mut self, pid: Pid) -> u8 {
        match self.0.iter_mut().find(|(known, _)| *known == pid) {
            Some((_, counter)) => {
                *counter = (*counter + 1) & 0x0f;
                *counter
            }
            None => {
                // Anywhere, as a source that has been running for long.
                let begin = (pid.value() % 13) as u8;
                self.0.push((pid, begin));
                begin
            }
        }
    }
}

impl Media {
    /// The primary (0) or the backup (1): other PIDs, other pictures, another tone, another time
    /// base. The backup's wraps after a minute.
    pub(crate) fn new(source: usize) -> Self {
        let scene = |title: &str, palette, tone| {
            // Makes the random access points as large as those of a small television channel.
            let text = "One picture of each second is whole; the others say what has changed.";
            Scene { title: title.into(), text: text.into(), palette, tone }
        };
        let (scene, layout, begin) = if source == 0 {
            let begin = 5 * 3600 * Pts::HZ + 4321;
            (scene("Primary", Palette::Blue, Tone::High), Layout::default(), begin)
        } else {
            let layout = Layout {
                transport_stream_id: 0x0321,
                program_number: 77,
                pmt_pid: Pid::masked(0x50),
                video_pid: Pid::masked(0x201),
                audio_pid: Pid::masked(0x202),
            };
            let begin = Pts::MODULUS - 60 * Pts::HZ - 1234;
            (scene("Backup", Palette::Amber, Tone::Low), layout, begin)
        };
        let mut synth = Synth::new(&scene, layout, FIRST);
        let pictures = (0..LOOP).map(|_| Picture::of(&mut synth, layout.video_pid)).collect();
        let offset = Pts::new(begin).since(Pts::new(FIRST * TICKS));
        let offset = Pts::new(offset.rem_euclid(1 << 33) as u64).ticks();
        Self { pictures, offset, piece: PIECE }
    }

    /// Appends picture number `index`; answers where in `out` its video begins and ends.
    pub(crate) fn write(
        &self,
        index: u64,
        counters: &mut Counters,
        out: &mut Vec<u8>,
    ) -> (usize, usize) {
        let Some(picture) = self.pictures.get((index % LOOP) as usize) else { return (0, 0) };
        let begin = out.len();
        out.extend_from_slice(&picture.packets);
        let shift = self.offset + (index / LOOP * LOOP * TICKS);
        let written = out.get_mut(begin..).unwrap_or_default();
        for packet in written.as_chunks_mut::<{ packet::LEN }>().0 {
            stamp(packet, shift, counters);
        }
        (begin + picture.video.0, begin + picture.video.1)
    }

    /// The counters with which a stream from picture 0 on comes to this one.
    pub(crate) fn counters(&self, index: u64) -> Counters {
        let mut counters = Counters::default();
        // Sixteen rounds bring every counter back to where it was.
        let pictures = index % (16 * LOOP);
        for index in 0..pictures {
            let picture = self.pictures.get((index % LOOP) as usize);
            let packets = picture.map_or(&[][..], |picture| &picture.packets);
            for packet in packets.as_chunks::<{ packet::LEN }>().0 {
                Packet::parse(packet).map(|packet| counters.next(packet.pid()));
            }
        }
        counters
    }

    /// The clock of picture 0.
    pub(crate) fn begin(&self) -> Pts {
        Pts::new(FIRST * TICKS).wrapping_add(self.offset)
    }

    /// Bits a second.
    pub(crate) fn bits(&self) -> usize {
        let bytes: usize = self.pictures.iter().map(|picture| picture.packets.len()).sum();
        bytes * 8 * GROUP as usize / LOOP as usize
    }

    /// Adds its random access points to the marks of all sources.
    pub(crate) fn mark(&self, source: usize, marks: &mut Marks) {
        for picture in &self.pictures {
            let packets = picture.packets.as_chunks::<{ packet::LEN }>().0;
            for mark in packets.iter().filter_map(random_access) {
                marks.insert(mark.to_vec(), source);
            }
        }
    }
}

impl Picture {
    fn of(synth: &mut Synth, video: Pid) -> Self {
        let mut picture = Self::default();
        synth.next_picture(&mut picture.packets);
        let packets = picture.packets.as_chunks::<{ packet::LEN }>().0;
        let of_video = |packet: &[u8; packet::LEN]| {
            Packet::parse(packet).is_some_and(|packet| packet.pid() == video)
        };
        let first = packets.iter().position(of_video).unwrap_or(0);
        let last = packets.iter().rposition(of_video).unwrap_or(0);
        picture.video = (first * packet::LEN, (last + 1) * packet::LEN);
        picture
    }
}

/// The first bytes of the picture that begins with this packet, if a decoder can begin there. What
/// is in the packet's and the PES packet's header is not among them: a gateway may change that.
pub(crate) fn random_access(packet: &[u8; packet::LEN]) -> Option<&[u8]> {
    let packet = Packet::parse(packet)?;
    let begins = packet.payload_unit_start();
    if !begins || !packet.adaptation().is_some_and(|field| field.random_access_indicator()) {
        return None;
    }
    Pes::parse(packet.payload()?)?.payload().get(..KNOWN)
}

/// Gives a packet its counter and its times.
fn stamp(bytes: &mut [u8; packet::LEN], shift: u64, counters: &mut Counters) {
    let Some(packet) = Packet::parse(bytes) else { return };
    let counter = counters.next(packet.pid());
    let pcr = packet.pcr();
    let payload = packet.payload().unwrap_or_default();
    let pts = packet.payload_unit_start().then(|| Pes::parse(payload)?.pts()).flatten();
    let payload_at = packet::LEN - payload.len();
    let [_, _, _, flags, ..] = bytes;
    *flags = *flags & 0xf0 | counter;
    if let Some(pcr) = pcr {
        // Behind the length and the flags of the adaptation field (2.4.3.4).
        put(bytes, 6, &pcr.wrapping_add(Pcr::from(Pts::new(shift)).ticks()).encode());
    }
    if let Some(pts) = pts {
        // Behind the fixed part of the PES header (2.4.3.6); the generator sends no DTS.
        put(bytes, payload_at + 9, &pts.wrapping_add(shift).encode(0b0010));
    }
}

fn put(bytes: &mut [u8; packet::LEN], at: usize, field: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(field) {
        *to = *from;
    }
}
