//! The judge is judged: a stream joined by hand passes, and for each rule a stream that breaks it
//! is refused.

use super::Fault;
use super::Rule;
use super::Source;
use super::item::Item;
use super::list;
use crate::generator::AudioCodec;
use crate::generator::Gop;
use crate::generator::Recipe;
use crate::generator::VideoCodec;
use crate::support::ts::PACKET;
use crate::support::ts::TsCheck;
use crate::support::ts::crc32;
use hand::Hand;

mod hand;

#[track_caller]
fn assert_refused(rule: Rule, faults: &[Fault]) {
    assert!(faults.iter().any(|fault| fault.rule == rule), "{rule:?} not found: {}", list(faults));
}

fn is_table(item: &Item, pid: u16) -> bool {
    item.pid == pid && item.start
}

/// Writes a section's CRC anew; the section is the only one of its packet.
fn seal(packet: &mut [u8]) {
    let length = 3 + usize::from(u16::from_be_bytes([packet[6], packet[7]]) & 0xfff);
    let crc = crc32(&packet[5..5 + length - 4]);
    packet[5 + length - 4..5 + length].copy_from_slice(&crc.to_be_bytes());
}

#[test]
fn a_good_join_passes() {
    let faults = Hand::usual().faults();
    assert!(faults.is_empty(), "{}", list(&faults));
    let mut complete = Hand::usual();
    complete.complete = true;
    let faults = complete.faults();
    assert!(faults.is_empty(), "{}", list(&faults));
}

#[test]
fn every_generated_stream_is_clean() {
    for recipe in crate::every_cut::recipes() {
        let source = Source::new("made", recipe.make(4));
        assert!(source.faults().is_empty(), "{recipe:?}\n{}", list(source.faults()));
        assert!(source.items().len() >= 60);
        // The judge of the whole gateway's tests finds no fault with it either.
        TsCheck::of(&source.bytes).assert_clean(&format!("{recipe:?}"));
    }
}

#[test]
fn bytes_and_packets() {
    let hand = Hand::usual().numbered();
    assert_refused(Rule::Prefix, &hand.faults_as_it_is(|output| output[1000] ^= 1));
    assert_refused(Rule::Length, &hand.faults_as_it_is(|output| output.truncate(output.len() - 1)));
    let cut = hand.cut;
    assert_refused(Rule::Sync, &hand.faults_as_it_is(|output| output[cut + 5 * PACKET] = 0));
    assert_refused(
        Rule::Sync,
        &hand.faults_as_it_is(|output| {
            output.remove(cut + 1000);
        }),
    );
    assert_refused(Rule::Sync, &hand.faults_as_it_is(|output| output.insert(cut, 0xff)));
    let reserved = hand.faults_as_it_is(|output| output[cut + 5 * PACKET + 3] &= 0xcf);
    assert_refused(Rule::Malformed, &reserved);
    for packet in 0..hand.rest.len() / PACKET {
        let wrong = hand.faults_as_it_is(|output| output[cut + packet * PACKET + 3] ^= 4);
        assert_refused(Rule::Continuity, &wrong);
    }
    let foreign = hand.faults_as_it_is(|output| output[cut + 6 * PACKET + 100] ^= 1);
    assert_refused(Rule::Foreign, &foreign);
}

#[test]
fn discontinuity_indicator_needs_its_pcr() {
    let mut hand = Hand::usual();
    // Stuffing on the PCR_PID, but no PCR.
    let stuffed = hand.find(|item| item.pid == 0x100 && item.payload > 4 && item.pcr.is_none());
    hand.packet(stuffed[0])[5] |= 0x80;
    assert_refused(Rule::Indicator, &hand.faults());
}

#[test]
fn tables() {
    let pmts = |hand: &Hand| hand.find(|item| is_table(item, 0x1000));
    let mut broken = Hand::usual();
    let pmt = pmts(&broken)[0];
    broken.packet(pmt)[20] ^= 1;
    assert_refused(Rule::Crc, &broken.faults());

    for (at, bits) in [(10, 2), (11 + 8, 1)] {
        let mut changed = Hand::usual();
        let pmt = pmts(&changed)[0];
        changed.packet(pmt)[at] ^= bits;
        seal(changed.packet(pmt));
        assert_refused(Rule::Version, &changed.faults());
    }
    let newer = Hand::new(&Recipe::new(1), &Recipe::new(2).pids(0x30, 0x31), |sent| {
        (sent.programme, sent.pmt_version) = (1, 1);
        sent.audio[0].pid = 0x105;
    });
    assert_refused(Rule::Layout, &newer.faults());

    let mut unlisted = Hand::usual();
    for packet in unlisted.find(|item| item.pid == 0x101) {
        unlisted.packet(packet)[2] = 0x55;
    }
    let faults = unlisted.faults();
    assert_refused(Rule::Unlisted, &faults);
    assert_refused(Rule::Kind, &faults);
}

#[test]
fn swapped_languages() {
    let tracks = [(AudioCodec::Mp2, "deu"), (AudioCodec::Mp2, "eng")];
    let swapped = [tracks[1], tracks[0]];
    let active = Recipe::new(1).audio(0x101, &tracks);
    let standby = Recipe::new(2).audio(0x31, &swapped).pids(0x30, 0x31);
    let right = Hand::new(&active, &standby, |sent| {
        (sent.audio[0].pid, sent.audio[1].pid) = (0x102, 0x101);
    });
    // The PMT of the output is the active's, whose order this is not.
    let faults = right.faults();
    assert!(faults.iter().all(|fault| matches!(fault.rule, Rule::Version | Rule::Layout)));
    let wrong = Hand::new(&active, &standby, |sent| {
        (sent.audio[0].language, sent.audio[1].language) = (*b"deu", *b"eng");
    });
    assert_refused(Rule::Kind, &wrong.faults());
    // One track on each side and no choice.
    let one = |language| [(AudioCodec::Mp2, language)];
    let active = Recipe::new(1).audio(0x101, &one("deu"));
    let standby = Recipe::new(2).audio(0x101, &one("und"));
    let unnamed = Hand::new(&active, &standby, |sent| sent.audio[0].language = *b"deu");
    assert_eq!(unnamed.faults(), []);
    let other = Recipe::new(2).audio(0x101, &[(AudioCodec::Aac, "deu")]);
    let coded = Hand::new(&active, &other, |sent| sent.audio[0].kind = AudioCodec::Aac);
    assert_refused(Rule::Version, &coded.faults());
}

#[test]
fn clocks() {
    let late = |ticks: u64| {
        Hand::new(&Recipe::new(1), &Recipe::new(2), move |sent| sent.first_pcr += ticks)
    };
    assert_eq!(late(59 * 27_000).faults(), []);
    assert_refused(Rule::Clock, &late(61 * 27_000).faults());
    let mut flagged = late(1_000 * 27_000);
    let first = flagged.find(|item| item.pcr.is_some())[0];
    flagged.packet(first)[5] |= 0x80;
    let faults = flagged.faults();
    assert!(faults.iter().all(|fault| fault.rule == Rule::Jump) && !faults.is_empty());

    let back = Hand::new(&Recipe::new(1), &Recipe::new(2), |sent| sent.first_pcr -= 41 * 27_000);
    let faults = back.faults();
    assert_refused(Rule::Clock, &faults);
    assert_refused(Rule::Stamps, &faults);
    assert_refused(Rule::Late, &faults);

    let standby = Recipe { audio_lead: 20_000, ..Recipe::new(2) };
    let silent = Hand::new(&Recipe::new(1), &standby, |_| {});
    assert_refused(Rule::Late, &silent.faults());
    let moved = Hand::new(&Recipe::new(1), &Recipe::new(2), |sent| sent.audio_lead += 1);
    assert_refused(Rule::Offset, &moved.faults());
    // Both leads change: the clock is moved by another time than the stamps.
    let led = |by: i64| {
        let lead = |usual: u64| usual.strict_add_signed(by);
        let (audio_lead, video_lead) = (lead(27_000), lead(45_000));
        let standby = Recipe { audio_lead, video_lead, ..Recipe::new(2) };
        Hand::new(&Recipe::new(1), &standby, move |sent| {
            (sent.audio_lead, sent.video_lead) = (27_000, 45_000);
        })
    };
    assert_eq!(led(-90 * 61).faults(), []);
    assert_refused(Rule::Offset, &led(-90 * 59).faults());
    assert_refused(Rule::Offset, &led(90).faults());
}

#[test]
fn clocks_that_wrap() {
    for before in [0, 10, 40, 300] {
        let first_pcr = (300 << 33) - before * 27_000;
        let active = Recipe { first_pcr, ..Recipe::new(1) };
        // Made by hand, so beyond the wrap already.
        let hand = Hand::new(&active, &Recipe::new(2), |sent| sent.first_pcr %= 300 << 33);
        assert_eq!(hand.faults(), []);
        let lead = Recipe { first_pcr: (300 << 33) - (400 + before) * 27_000, ..Recipe::new(1) };
        assert_eq!(Hand::new(&lead, &Recipe::new(2), |_| {}).faults(), []);
    }
}

#[test]
fn units() {
    let second_of_sound =
        |hand: &Hand| hand.find(|item| item.pid == 0x101 && !item.start && item.has_payload)[1];
    let mut torn = Hand::usual();
    let number = second_of_sound(&torn);
    torn.remove(number);
    let faults = torn.faults();
    assert_refused(Rule::Unit, &faults);
    assert_refused(Rule::Missing, &faults);

    let mut lost = Hand::usual();
    let number = second_of_sound(&lost);
    lost.remove(number);
    let start = lost.find(|item| item.pid == 0x101 && item.start)[1];
    lost.remove(start);
    assert_refused(Rule::Missing, &lost.faults());

    let mut headless = Hand::usual();
    let start = headless.find(|item| item.pid == 0x101 && item.start)[0];
    headless.remove(start);
    assert_refused(Rule::Start, &headless.faults());

    let mut twice = Hand::usual();
    let packet = twice.packet(4).to_vec();
    twice.rest.splice(5 * PACKET..5 * PACKET, packet);
    assert_refused(Rule::Foreign, &{
        let mut faults = twice.faults();
        // A packet that is there twice is either foreign or in another's place.
        faults.iter_mut().filter(|f| f.rule == Rule::Map).for_each(|f| f.rule = Rule::Foreign);
        faults
    });

    for back in 1..5 {
        let mut open = Hand::usual();
        (open.cut, open.complete) = (open.cut - back * PACKET, true);
        assert_refused(Rule::Incomplete, &open.faults());
    }
}

#[test]
fn pids_keep_their_place() {
    let mut hand = Hand::new(&Recipe::new(1), &Recipe::new(2), |_| {});
    let sounds = hand.find(|item| item.pid == 0x101);
    hand.packet(sounds[4])[2] = 0;
    hand.packet(sounds[5])[2] = 0;
    assert_refused(Rule::Map, &hand.faults());
}

#[test]
fn first_pictures() {
    let codecs = [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg2];
    for (codec, gop) in codecs.into_iter().flat_map(|c| [(c, Gop::Closed), (c, Gop::Open)]) {
        let make = || {
            let recipe = |seed| Recipe::new(seed).video(codec, gop);
            Hand::new(&recipe(1), &recipe(2), |_| {})
        };
        let faults = make().faults();
        if gop == Gop::Open {
            assert_refused(Rule::Leading, &faults);
        } else {
            assert_eq!(faults, [], "{codec:?}");
        }
        // From the second picture on.
        let mut late = make();
        let pictures = late.find(|item| item.pid == 0x100 && item.start);
        let of_first: Vec<usize> =
            late.find(|item| item.pid == 0x100).into_iter().filter(|n| *n < pictures[1]).collect();
        of_first.into_iter().rev().for_each(|number| late.remove(number));
        assert_refused(Rule::RandomAccess, &late.faults());
    }
}

#[test]
fn what_a_source_does_wrong_is_its_own() {
    let mut hand = Hand::usual();
    let lost = hand.find(|item| item.pid == 0x100 && !item.start && item.payload == 4)[6];
    hand.remove(lost);
    let mut bytes = hand.standby.bytes.clone();
    let from = bytes.len() - hand.rest.len() - PACKET;
    bytes.drain(from + lost * PACKET..from + (lost + 1) * PACKET);
    hand.standby = Source::new("lossy", bytes);
    assert!(!hand.standby.faults().is_empty());
    let hand = hand.numbered();
    let rest = hand.rest.clone();
    let faults = hand.faults_as_it_is(|output| {
        // The hole in the counters stays where it was.
        let cut = output.len() - rest.len();
        for packet in output[cut..].chunks_exact_mut(PACKET).skip(lost) {
            if [packet[1] & 0x1f, packet[2]] == [1, 0] {
                packet[3] = packet[3] & 0xf0 | (packet[3] + 1) & 0xf;
            }
        }
    });
    assert_eq!(faults, [], "{}", list(&faults));
}
