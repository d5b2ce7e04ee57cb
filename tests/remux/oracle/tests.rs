//! What a good converter makes is accepted, and each rule that is broken is noticed.

use super::Rule;
use super::Terms;
use super::judge;
use super::stream::Stream;
use crate::maker::Maker;
use crate::maker::PMT;
use crate::maker::Recipe;
use crate::maker::SOUND;
use crate::maker::Signal;
use crate::maker::Track;
use crate::maker::VIDEO;
use crate::support::ts::PACKET;
use crate::support::ts::crc32;

/// 200 ms, in ticks of 90 kHz.
const OFFSET: u64 = 18_000;

fn recipe() -> Recipe {
    let track = |signal, language, audio_type| Track { signal, language, audio_type };
    let tracks = vec![
        track(Signal::Dvb, *b"deu", 0),
        track(Signal::Atsc, *b"eng", 3),
        track(Signal::Aac, *b"fra", 0),
    ];
    Recipe { tracks, change: Some(60), ..Recipe::default() }
}

fn both(recipe: &Recipe) -> (Vec<u8>, Vec<u8>) {
    let pictures = 100;
    (
        Maker::source(recipe.clone()).pictures(pictures),
        Maker::ideal(recipe.clone(), OFFSET).pictures(pictures),
    )
}

/// A good output with one thing wrong.
struct Spoiler {
    source: Vec<u8>,
    good: Vec<u8>,
}

impl Spoiler {
    fn new(recipe: &Recipe) -> Self {
        let (source, good) = both(recipe);
        judge(&source, &good, &Terms::default()).assert_clean("good");
        Self { source, good }
    }

    /// The place of packet `number` on a PID.
    fn at(&self, pid: u16, number: usize) -> usize {
        let stream = Stream::read(&self.good);
        stream.on(pid).nth(number).expect("there are more").0 * PACKET
    }

    /// Each of these rules, at least, is broken by `change`.
    #[track_caller]
    fn notices(&self, rule: Rule, change: impl FnOnce(&mut Vec<u8>)) {
        let mut output = self.good.clone();
        change(&mut output);
        let verdict = judge(&self.source, &output, &Terms::default());
        assert!(verdict.broken().contains(&rule), "{rule:?}: {}", super::list(&verdict.faults));
    }

    /// As [`Spoiler::notices`], for a change of one byte of every PMT, whose CRC is put right.
    #[track_caller]
    fn notices_in_pmt(&self, rule: Rule, change: impl Fn(&mut Vec<u8>)) {
        self.notices(rule, |output| {
            for packet in output.chunks_mut(PACKET) {
                let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
                if pid == PMT {
                    rewrite(packet, &change);
                }
            }
        });
    }
}

/// Changes the one section in a packet.
fn rewrite(packet: &mut [u8], change: impl Fn(&mut Vec<u8>)) {
    let length = usize::from(packet[6] & 0xf) << 8 | usize::from(packet[7]);
    let mut section = packet[5..5 + 3 + length - 4].to_vec();
    change(&mut section);
    let [high, low] = (section.len() as u16 + 1).to_be_bytes();
    (section[1], section[2]) = (0xb0 | high, low);
    let crc = crc32(&section);
    section.extend(crc.to_be_bytes());
    packet[5..].fill(0xff);
    packet[5..5 + section.len()].copy_from_slice(&section);
}

/// Where `part` stands in a section.
fn find(section: &[u8], part: &[u8]) -> usize {
    section.windows(part.len()).position(|window| window == part).expect("it is there")
}

/// Takes `part` out of a section, whose lengths are put right.
fn cut(section: &mut Vec<u8>, part: &[u8], length: usize) {
    let at = find(section, part);
    section.drain(at..at + part.len());
    section[length] -= part.len() as u8;
}

#[test]
fn what_an_ideal_converter_makes_is_good() {
    let tracks = recipe().tracks;
    for radio in [false, true] {
        for data in [false, true] {
            let recipe = Recipe { radio, data, tracks: tracks.clone(), ..recipe() };
            let (source, output) = both(&recipe);
            let verdict = judge(&source, &output, &Terms::default());
            verdict.assert_clean(&format!("{recipe:?}"));
            assert_eq!((verdict.sound.len(), verdict.breaks()), (2, 0));
            assert!(verdict.sound.values().all(|track| track.frames.len() > 180));
            assert_eq!(verdict.left_at_start, 0);
        }
    }
}

#[test]
fn what_is_not_converted_is_noticed() {
    let (source, _) = both(&recipe());
    let verdict = judge(&source, &source, &Terms::default());
    let broken = verdict.broken();
    assert!(broken.contains(&Rule::PmtType), "{broken:?}");
}

#[test]
fn packets_that_are_not_whole_are_noticed() {
    let spoiler = Spoiler::new(&recipe());
    spoiler.notices(Rule::Sync, |output| output.truncate(output.len() - 1));
    spoiler.notices(Rule::Sync, |output| output.insert(40 * PACKET, 0));
    let at = spoiler.at(SOUND, 30);
    spoiler.notices(Rule::Malformed, |output| output[at + 4] = 200);
    spoiler.notices(Rule::Malformed, |output| output[at + 3] &= 0x0f);
}

#[test]
fn other_packets_than_the_source_s_are_noticed() {
    let spoiler = Spoiler::new(&recipe());
    let video = spoiler.at(VIDEO, 40);
    spoiler.notices(Rule::Passed, |output| output[video + 150] ^= 1);
    spoiler.notices(Rule::Passed, |output| output[video + 3] ^= 1);
    spoiler.notices(Rule::Payload, |output| output[video + 150] ^= 1);
    spoiler.notices(Rule::Missing, |output| drop(output.drain(video..video + PACKET)));
    spoiler.notices(Rule::Passed, |output| {
        let copy = output[video..video + PACKET].to_vec();
        output.splice(video..video, copy);
    });
    let pat = spoiler.at(0, 3);
    spoiler.notices(Rule::Pat, |output| output[pat + 12] ^= 1);
    for pid in [0x120, 0x121, 0x122, 0x123, 0x12, 0x1fff, SOUND + 2] {
        let at = spoiler.at(pid, 1);
        spoiler.notices(Rule::Passed, |output| output[at + 20] ^= 1);
        spoiler.notices(Rule::Missing, |output| drop(output.drain(at..at + PACKET)));
    }
    // Teletext and stuffing of one picture change places.
    let (text, null) = (spoiler.at(0x120, 5), spoiler.at(0x1fff, 5));
    spoiler.notices(Rule::Order, |output| {
        for at in 0..PACKET {
            output.swap(text + at, null + at);
        }
    });
}

#[test]
fn wrong_clocks_are_noticed() {
    let spoiler = Spoiler::new(&recipe());
    let clock = spoiler.at(VIDEO, 0);
    spoiler.notices(Rule::Pcr, |output| output[clock + 9] ^= 1);
    spoiler.notices(Rule::Pcr, |output| output[clock + 11] ^= 1);
    let radio = Spoiler::new(&Recipe { radio: true, ..recipe() });
    let mut number = 0;
    let stream = Stream::read(&radio.good);
    let clock = stream.on(SOUND).find(|(_, item)| item.pcr.is_some()).unwrap().0 * PACKET;
    let later = stream.on(SOUND).filter(|(_, item)| item.pcr.is_some()).nth(20).unwrap().0 * PACKET;
    number += later;
    radio.notices(Rule::Pcr, |output| output[number + 9] ^= 1);
    radio.notices(Rule::Missing, |output| drop(output.drain(number..number + PACKET)));
    radio.notices(Rule::ClockPacket, |output| output[clock + 5] ^= 0x80);
    radio.notices(Rule::ClockPacket, |output| {
        output[later + 3] |= 0x10;
        output[later + 4] = 182;
    });
    radio.notices(Rule::Continuity, |output| output[later + 3] ^= 1);
}

#[test]
fn wrong_tables_are_noticed() {
    let spoiler = Spoiler::new(&recipe());
    let pmt = spoiler.at(PMT, 3);
    spoiler.notices(Rule::PmtCrc, |output| output[pmt + 40] ^= 1);
    spoiler.notices(Rule::Continuity, |output| output[pmt + 3] ^= 1);
    spoiler.notices(Rule::PmtCount, |output| drop(output.drain(pmt..pmt + PACKET)));
    spoiler.notices(Rule::Version, |output| {
        rewrite(&mut output[pmt..pmt + PACKET], |section| section[5] ^= 2);
    });
    spoiler.notices_in_pmt(Rule::Version, |section| section[5] = section[5] & 0xc1 | 4);
    spoiler.notices_in_pmt(Rule::PmtForeign, |section| section[4] ^= 1);
    spoiler.notices_in_pmt(Rule::PmtForeign, |section| section[9] ^= 1);
    spoiler.notices_in_pmt(Rule::PmtForeign, |section| {
        let at = find(section, b"HDMV");
        section[at] = b'X';
    });
    let entry = |section: &[u8], number: u8| find(section, &[0xe1, 0x10 + number, 0xf0]);
    spoiler.notices_in_pmt(Rule::PmtType, |section| {
        let at = entry(section, 0);
        section[at - 1] = 0x06;
    });
    spoiler.notices_in_pmt(Rule::PmtEntry, |section| {
        let at = find(section, &[0xe1, 0x01, 0xf0, 3]);
        section[at - 1] = 0x24;
    });
    spoiler.notices_in_pmt(Rule::PmtEntry, |section| {
        let at = find(section, &[0x56, 5]);
        section[at + 3] ^= 1;
    });
    spoiler.notices_in_pmt(Rule::PmtDescriptor, |section| {
        let at = entry(section, 0);
        section[at + 3] += 3;
        section.splice(at + 4..at + 4, [0x6a, 1, 0]);
    });
    spoiler.notices_in_pmt(Rule::PmtDescriptor, |section| {
        let at = entry(section, 1);
        section[at + 3] += 6;
        section.splice(at + 4..at + 4, *b"\x05\x04AC-3");
    });
    spoiler.notices_in_pmt(Rule::PmtLanguage, |section| {
        let at = entry(section, 1) + 3;
        cut(section, b"\x0a\x04eng\x03", at);
    });
    spoiler.notices_in_pmt(Rule::PmtDescriptor, |section| {
        let at = find(section, b"eng\x03");
        section[at + 3] = 0;
    });
    spoiler.notices_in_pmt(Rule::PmtEntry, |section| {
        let at = find(section, &[0x86, 0xe1, 0x23]);
        section.drain(at..at + 11);
    });
}

#[test]
fn wrong_sound_is_noticed() {
    let spoiler = Spoiler::new(&recipe());
    let pes = spoiler.at(SOUND, 30);
    let head = pes + 5 + usize::from(spoiler.good[pes + 4]);
    spoiler.notices(Rule::Continuity, |output| output[pes + 3] ^= 1);
    spoiler.notices(Rule::Continuity, |output| drop(output.drain(pes..pes + PACKET)));
    spoiler.notices(Rule::Continuity, |output| {
        let copy = output[pes..pes + PACKET].to_vec();
        output.splice(pes..pes, copy);
    });
    spoiler.notices(Rule::PesLength, |output| output[pes + 1] &= !0x40);
    spoiler.notices(Rule::PesHeader, |output| output[head] = 1);
    spoiler.notices(Rule::PesHeader, |output| output[head + 3] = 0xe0);
    spoiler.notices(Rule::PesHeader, |output| output[head + 7] = 0);
    spoiler.notices(Rule::PesHeader, |output| output[head + 9] ^= 1);
    spoiler.notices(Rule::PesLength, |output| output[head + 5] += 1);
    let frame = head + 14;
    spoiler.notices(Rule::AdtsFrame, |output| output[frame] = 0);
    spoiler.notices(Rule::AdtsFrame, |output| output[frame + 5] ^= 0x20);
    spoiler.notices(Rule::AdtsFrame, |output| output[frame + 6] |= 1);
    // MPEG-2, a CRC, Main in place of LC, 44.1 kHz, five channels.
    for (at, bit) in [(1, 8), (1, 1), (2, 0x40), (2, 4), (3, 0x40)] {
        spoiler.notices(Rule::AdtsHeader, |output| output[frame + at] ^= bit);
    }
    // The first PMT comes after the first sound.
    spoiler.notices(Rule::Early, |output| {
        let stream = Stream::read(output);
        let pmts: Vec<usize> = stream.on(PMT).map(|(number, _)| number).collect();
        let sound = stream.on(SOUND).next().unwrap().0;
        for number in pmts.into_iter().filter(|number| *number < sound).rev() {
            output.drain(number * PACKET..(number + 1) * PACKET);
        }
    });
}

#[test]
fn a_time_that_does_not_go_on_is_counted() {
    let spoiler = Spoiler::new(&recipe());
    let pes = spoiler.at(SOUND, 30);
    let head = pes + 5 + usize::from(spoiler.good[pes + 4]);
    let mut output = spoiler.good.clone();
    // Two ticks more.
    output[head + 13] = output[head + 13].wrapping_add(4);
    let verdict = judge(&spoiler.source, &output, &Terms::default());
    verdict.assert_clean("a time");
    assert_eq!(verdict.breaks(), 2);
    let (least, middle) = verdict.sound[&SOUND].leads().unwrap();
    assert!(least > 0 && middle > 9_000, "{least} {middle}");
}

#[test]
fn tracks_that_are_left_out_leave_nothing() {
    let whole = recipe();
    let (source, output) = both(&whole);
    let stream = Stream::read(&output);
    let left: Vec<u8> =
        stream.items.iter().filter(|it| it.pid != SOUND + 1).flat_map(|it| it.bytes).collect();
    let reduced = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for packet in bytes.chunks_mut(PACKET) {
            if u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) == PMT {
                rewrite(packet, |section| {
                    let at = find(section, &[0x0f, 0xe1, 0x11]);
                    section.drain(at..at + 14);
                });
            }
        }
        bytes
    };
    let terms = Terms { languages: vec![*b"deu"], ..Terms::default() };
    judge(&source, &reduced(&left), &terms).assert_clean("left out");
    let broken = judge(&source, &reduced(&output), &terms).broken();
    assert!(broken.contains(&Rule::Dropped), "{broken:?}");
    let broken = judge(&source, &reduced(&left), &Terms::default()).broken();
    assert!(broken.contains(&Rule::PmtEntry), "{broken:?}");
}
