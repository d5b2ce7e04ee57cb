//! Streams that are damaged, and such that nobody would send who means well: no panic, no more bytes and memory than there
//! is a reason for, and everything that the converter writes itself is right all the same.

use std::sync::Arc;

use weir::remux::Codecs;
use weir::remux::Coding;
use weir::remux::Options;
use weir::remux::Remux;

use crate::codecs::Numbered;
use crate::drive;
use crate::drive::Pieces;
use crate::frames;
use crate::maker::Counters;
use crate::maker::Field;
use crate::maker::Maker;
use crate::maker::Recipe;
use crate::maker::SOUND;
use crate::maker::Signal;
use crate::maker::Track;
use crate::maker::VIDEO;
use crate::maker::cut;
use crate::maker::pes;
use crate::memory;
use crate::oracle::Rule;
use crate::oracle::judge;
use crate::oracle::list;
use crate::support::content::Dice;
use crate::support::ts::PACKET;

/// Streams that are damaged by dice.
const STREAMS: u64 = 600;
/// Bytes that one converter may hold, its tracks' queues and a few frames.
const MEMORY: usize = 1 << 20;

/// What is done to a stream.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let count = dice.roll(12);
    for _ in 0..count {
        let packets = bytes.len() / PACKET;
        let at = (dice.roll(packets) - 1) * PACKET;
        match dice.roll(10) {
            1 | 2 => bytes[at + dice.roll(PACKET) - 1] ^= 1 << (dice.roll(8) - 1),
            3 => drop(bytes.drain(at..at + PACKET)),
            4 => {
                let copy = bytes[at..at + PACKET].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let other = (dice.roll(packets) - 1) * PACKET;
                (0..PACKET).for_each(|byte| bytes.swap(at + byte, other + byte));
            }
            6 => drop(bytes.drain(at + 50..at + 50 + dice.roll(100))),
            7 => {
                let junk: Vec<u8> = (0..dice.roll(400)).map(|_| dice.roll(256) as u8).collect();
                bytes.splice(at + dice.roll(100)..at + 100, junk);
            }
            // The head, or what follows it, of every tenth packet of the PID.
            8 => bytes[at + 3] ^= 0x20 | (dice.roll(16) - 1) as u8,
            9 => (4..16).for_each(|byte| bytes[at + byte] = dice.roll(256) as u8),
            _ => bytes[at + 3] |= 0x80,
        }
        if bytes.len() < 4 * PACKET {
            return;
        }
    }
}

fn recipe(dice: &mut Dice) -> Recipe {
    let track = |signal, language| Track { signal, language, audio_type: 0 };
    let tracks =
        [track(Signal::Dvb, *b"deu"), track(Signal::Atsc, *b"eng"), track(Signal::Aac, *b"fra")];
    Recipe {
        tracks: tracks[..dice.roll(3)].to_vec(),
        frames: dice.roll(6) as u64,
        radio: dice.roll(3) == 1,
        data: dice.roll(2) == 1,
        first: (1 << 33) - dice.roll(300_000) as u64,
        ..Recipe::default()
    }
}

#[test]
fn damaged_streams_do_no_harm() {
    let options = Options::default();
    let terms = drive::terms(&options, vec![Coding::Ac3]);
    let mut wrong = Vec::new();
    for seed in 0..STREAMS {
        let mut dice = Dice::new(seed << 32);
        let mut source = Maker::source(recipe(&mut dice)).pictures(60);
        damage(&mut source, &mut dice);
        let any = || Arc::new(Numbered { lag: seed as usize % 3, ..Numbered::default() });
        let whole = drive::run(&source, &options, any(), Pieces::Of(usize::MAX));
        let cut = drive::run(&source, &options, any(), Pieces::Random(Dice::new(seed), 500));
        if whole.output != cut.output || whole.counts != cut.counts {
            wrong.push(format!("{seed}: other pieces, another output"));
        }
        if whole.output.len() > 2 * source.len() + 100_000 {
            wrong.push(format!("{seed}: {} bytes of {}", whole.output.len(), source.len()));
        }
        let mut verdict = judge(&source, &whole.output, &terms);
        // What is lost around damage is not judged: how far each side gets in finding its way again differs.
        let lost = [Rule::Missing, Rule::Payload, Rule::PmtCount];
        verdict.faults.retain(|fault| !lost.contains(&fault.rule));
        if !verdict.faults.is_empty() {
            wrong.push(format!("{seed}: {}", list(&verdict.faults)));
        }
        if whole.counts.aac_frames != verdict.aac_frames() {
            wrong.push(format!("{seed}: {:?}, {} frames", whole.counts, verdict.aac_frames()));
        }
    }
    let first: Vec<_> = wrong.iter().take(8).cloned().collect();
    assert!(wrong.is_empty(), "{} of {STREAMS}\n{}", wrong.len(), first.join("\n\n"));
}

#[test]
fn damaged_streams_one_after_the_other_leave_nothing_behind() {
    let options = Options::default();
    let (bytes, most) = memory::most(|| {
        let mut remux = Remux::new(options, Arc::new(Numbered::default()));
        let (mut output, mut bytes) = (Vec::with_capacity(4 << 20), 0);
        for seed in 0..200 {
            let mut dice = Dice::new(seed << 32);
            let mut source = Maker::source(recipe(&mut dice)).pictures(40);
            damage(&mut source, &mut dice);
            output.clear();
            remux.push(&source, &mut output);
            bytes += source.len();
        }
        bytes
    });
    // The stream and the output are held too, and what the encoders have noted.
    assert!(most < MEMORY + (8 << 20), "{most} bytes held for a stream of {bytes}");
}

/// Packets of a stream that is put together by hand.
#[derive(Default)]
struct Hand {
    counters: Counters,
    bytes: Vec<u8>,
}

impl Hand {
    fn send(&mut self, packets: Vec<[u8; PACKET]>) {
        for packet in packets {
            self.bytes.extend(self.counters.count(packet));
        }
    }

    /// The tables and a second of a good stream.
    fn begin() -> Self {
        let bytes = Maker::source(Recipe::default()).pictures(25);
        Self { bytes, ..Self::default() }
    }
}

/// What comes of a stream: bytes, and the most memory that was held beyond the output's.
fn feed(source: &[u8]) -> (usize, usize) {
    let codecs = Arc::new(Numbered::default());
    codecs.notes.lock().unwrap().reserve(1 << 20);
    let mut output = Vec::with_capacity(64 << 20);
    let any = Arc::clone(&codecs) as Arc<dyn Codecs>;
    let ((), most) = memory::most(|| {
        let mut remux = Remux::new(Options::default(), any);
        for piece in source.chunks(65_536) {
            remux.push(piece, &mut output);
        }
        remux.finish(&mut output);
    });
    (output.len(), most)
}

#[test]
fn clocks_that_leap_bring_no_flood() {
    for leap in [45_000_u64, 80_000, 90_000 * 3600, 1 << 32] {
        let mut hand = Hand::begin();
        for number in 0..2000_u64 {
            let pcr = number.wrapping_mul(leap) % (1 << 33) * 300;
            let field = Field { pcr: Some(pcr), ..Field::default() };
            hand.send(cut(VIDEO, &pes(0xe0, 0, &[0x41; 150], false), field));
        }
        let (bytes, most) = feed(&hand.bytes);
        println!("leaps of {leap}: {bytes} bytes of {}, {most} held", hand.bytes.len());
        assert!(most < MEMORY, "leaps of {leap}: {most} bytes held");
        assert!(
            bytes < 40 * hand.bytes.len(),
            "leaps of {leap}: {bytes} bytes of {}",
            hand.bytes.len()
        );
    }
}

#[test]
fn sound_that_leaps_brings_no_flood() {
    for leap in [300_u64, 9_000, 17_000, 45_000, 90_000 * 3600, 1 << 32] {
        let mut hand = Hand::begin();
        for number in 0..2000_u64 {
            let pts = number.wrapping_mul(leap) % (1 << 33);
            hand.send(cut(SOUND, &pes(0xbd, pts, &frames::ac3(number), true), Field::default()));
        }
        let (bytes, most) = feed(&hand.bytes);
        println!("leaps of {leap}: {bytes} bytes of {}, {most} held", hand.bytes.len());
        assert!(most < MEMORY, "leaps of {leap}: {most} bytes held");
        assert!(
            bytes < 20 * hand.bytes.len(),
            "leaps of {leap}: {bytes} bytes of {}",
            hand.bytes.len()
        );
    }
}

#[test]
fn sound_without_a_frame_is_not_kept() {
    // A PES packet that never ends, with sync words that lead nowhere.
    for fill in [vec![0x0b, 0x77], vec![0x00], vec![0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40, 0]] {
        let mut hand = Hand::begin();
        let body: Vec<u8> = fill.iter().copied().cycle().take(2 << 20).collect();
        hand.send(cut(SOUND, &pes(0xbd, 0, &body, false), Field::default()));
        let (bytes, most) = feed(&hand.bytes);
        assert!(most < MEMORY, "{fill:02x?}: {most} bytes held");
        assert!(bytes < hand.bytes.len(), "{fill:02x?}: {bytes} bytes");
    }
}

#[test]
fn tables_that_change_all_the_time_are_not_kept() {
    let mut source = Vec::new();
    let tracks = 20;
    for number in 0..300_u64 {
        let track =
            Track { signal: Signal::Dvb, language: [b'a' + number as u8 % 26; 3], audio_type: 0 };
        let tracks = vec![track; 1 + number as usize % tracks];
        let recipe =
            Recipe { tracks, first: (number + 10) * 90_000, data: false, ..Recipe::default() };
        source.extend(Maker::source(recipe).pictures(6));
    }
    let (bytes, most) = feed(&source);
    println!("{bytes} bytes of {}, {most} held", source.len());
    assert!(most < MEMORY * tracks, "{most} bytes held");
    assert!(bytes < 4 * source.len(), "{bytes} bytes of {}", source.len());
}
