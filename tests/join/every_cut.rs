//! One group of pictures of one stream, cut at every byte and gone on with another stream.

use std::time::Duration;

use weir::media::ts::join::Manner;

use crate::drive::Pieces;
use crate::drive::Turn;
use crate::drive::drive;
use crate::generator::AudioCodec;
use crate::generator::ClockPid;
use crate::generator::DataKind;
use crate::generator::Gop;
use crate::generator::Recipe;
use crate::generator::Track;
use crate::generator::VideoCodec;
use crate::oracle::Joined;
use crate::oracle::Source;
use crate::support::content::Dice;
use crate::support::ts::PACKET;

/// Values of a PCR.
const CLOCK: u64 = 300 << 33;
/// Ticks of 27 MHz in a millisecond.
const MS: u64 = 27_000;

/// Two streams that are to be joined.
struct Pair {
    name: &'static str,
    active: Recipe,
    standby: Recipe,
}

fn pair(name: &'static str, active: Recipe, standby: Recipe) -> Pair {
    Pair { name, active, standby }
}

/// Every difference that a join has to bridge, one or two in each pair.
fn pairs() -> Vec<Pair> {
    [same_layout(), codecs(), tracks(), clocks(), oddities()].into_iter().flatten().collect()
}

/// All streams of the pairs.
pub(crate) fn recipes() -> Vec<Recipe> {
    pairs().into_iter().flat_map(|pair| [pair.active, pair.standby]).collect()
}

fn plain() -> Recipe {
    Recipe::new(1)
}

fn moved() -> Recipe {
    Recipe { pmt_version: 5, programme: 77, ..Recipe::new(2).pids(0x30, 0x31) }
}

fn same_layout() -> Vec<Pair> {
    let swapped = Recipe::new(2).pids(0x100, 0x31);
    let crossed = Recipe {
        video: Some((0x101, VideoCodec::H264, Gop::Closed)),
        audio: Recipe::new(2).audio(0x100, &[(AudioCodec::Ac3Dvb, "deu")]).audio,
        ..Recipe::new(2)
    };
    vec![
        pair("the same layout on other PIDs", plain(), moved()),
        pair("the same PIDs", plain(), Recipe::new(2)),
        pair("the PMT where the video was", plain(), swapped),
        pair("the two PIDs crossed", plain(), crossed),
    ]
}

fn codecs() -> Vec<Pair> {
    let open = |seed, codec| Recipe::new(seed).video(codec, Gop::Open);
    let closed = |seed, codec| Recipe::new(seed).video(codec, Gop::Closed);
    let mp2 = [(AudioCodec::Mp2, "eng")];
    vec![
        pair("H.264, open groups", open(1, VideoCodec::H264), open(2, VideoCodec::H264)),
        pair("HEVC, open groups", open(1, VideoCodec::Hevc), open(2, VideoCodec::Hevc)),
        pair("HEVC, closed groups", closed(1, VideoCodec::Hevc), closed(2, VideoCodec::Hevc)),
        pair(
            "MPEG-2, open groups, MP2",
            open(1, VideoCodec::Mpeg2).audio(0x101, &mp2),
            open(2, VideoCodec::Mpeg2).audio(0x41, &mp2).pids(0x40, 0x41),
        ),
        pair("H.264 to HEVC", plain(), closed(2, VideoCodec::Hevc)),
        pair("HEVC to H.264 on other PIDs", open(1, VideoCodec::Hevc), moved()),
        pair("closed to open", plain(), open(2, VideoCodec::H264)),
        pair("open to closed", open(1, VideoCodec::H264), moved()),
    ]
}

fn tracks() -> Vec<Pair> {
    use AudioCodec::*;
    let audio = |seed, first, tracks: &[(AudioCodec, &str)]| Recipe::new(seed).audio(first, tracks);
    let subtitled = |seed, first, data: &[(DataKind, &str)]| Recipe::new(seed).data(first, data);
    let radio = |seed, codec, language| audio(seed, 0x101, &[(codec, language)]).radio();
    vec![
        pair(
            "languages in another order",
            audio(1, 0x101, &[(Mp2, "deu"), (Mp2, "eng"), (Ac3Dvb, "deu")]),
            audio(2, 0x61, &[(Ac3Dvb, "deu"), (Mp2, "eng"), (Mp2, "deu")]).pids(0x60, 0x61),
        ),
        pair("AC-3 of two kinds", audio(1, 0x101, &[(Ac3Atsc, "eng")]), plain()),
        pair("E-AC-3", audio(1, 0x101, &[(Eac3Dvb, "fra")]), audio(2, 0x72, &[(Eac3Dvb, "fra")])),
        pair("AAC to LATM", audio(1, 0x101, &[(Aac, "fra")]), audio(2, 0x101, &[(Latm, "fra")])),
        pair(
            "E-AC-3, ATSC",
            audio(1, 0x101, &[(Eac3Atsc, "eng")]),
            audio(2, 9, &[(Eac3Atsc, "eng")]).pids(0x70, 0x71),
        ),
        pair("one track more", plain(), audio(2, 0x101, &[(Ac3Dvb, "deu"), (Mp2, "eng")])),
        pair("one track less", audio(1, 0x101, &[(Mp2, "eng"), (Ac3Dvb, "deu")]), moved()),
        pair("another language", plain(), audio(2, 0x101, &[(Ac3Dvb, "eng")])),
        pair(
            "teletext and subtitles",
            subtitled(1, 0x110, &[(DataKind::Teletext, "deu"), (DataKind::Subtitles, "deu")]),
            subtitled(2, 0x38, &[(DataKind::Subtitles, "deu"), (DataKind::Teletext, "deu")])
                .pids(0x30, 0x33),
        ),
        pair("radio", radio(1, Mp2, "deu"), radio(2, Mp2, "deu").pids(0x50, 0x51)),
        pair("radio to another codec", radio(1, Mp2, "deu"), radio(2, Aac, "deu")),
        pair("radio to television", radio(1, Ac3Dvb, "deu"), moved()),
        pair("television to radio", plain(), radio(2, Ac3Dvb, "deu")),
    ]
}

fn clocks() -> Vec<Pair> {
    let from = |recipe: Recipe, first_pcr| Recipe { first_pcr, ..recipe };
    let leads = |recipe: Recipe, video: u64, audio: u64| Recipe {
        video_lead: video * 90,
        audio_lead: audio * 90,
        ..recipe
    };
    let clock = |recipe: Recipe, clock| Recipe { clock, ..recipe };
    vec![
        pair("the active's PCR wraps", from(plain(), CLOCK - 260 * MS), moved()),
        pair("the active's PTS wrap", from(plain(), CLOCK - 700 * MS), moved()),
        pair("the standby's PCR wraps", plain(), from(moved(), CLOCK - 260 * MS)),
        pair("the standby's PTS wrap", plain(), from(moved(), CLOCK - 700 * MS)),
        pair(
            "all wrap",
            from(plain(), CLOCK - 300 * MS + 17),
            from(moved(), CLOCK - 500 * MS + 299),
        ),
        pair("a longer lead", leads(plain(), 300, 200), leads(moved(), 1500, 900)),
        pair("a shorter lead", leads(plain(), 1500, 900), leads(moved(), 300, 200)),
        pair("sound ahead of pictures", leads(plain(), 400, 1200), leads(moved(), 500, 300)),
        pair("pictures ahead of sound", leads(plain(), 500, 300), leads(moved(), 400, 1200)),
        pair(
            "a clock on its own PID",
            clock(plain(), ClockPid::Own(0x1ff)),
            clock(moved(), ClockPid::Own(0x3f)),
        ),
        pair("to a clock on its own PID", plain(), clock(moved(), ClockPid::Own(0x3f))),
        pair("from a clock on its own PID", clock(plain(), ClockPid::Own(0x1ff)), moved()),
        pair("a clock on sound", clock(plain(), ClockPid::Audio), clock(moved(), ClockPid::Audio)),
        pair("from pictures to sound", plain(), clock(moved(), ClockPid::Audio)),
    ]
}

fn oddities() -> Vec<Pair> {
    let odd = |seed, copies| Recipe {
        nulls: 2,
        copies: Some(copies),
        bare: true,
        service: true,
        ..Recipe::new(seed)
    };
    let split = |seed| Recipe { split: true, bounded: true, ..Recipe::new(seed) };
    let more = Track { pid: 0x122, kind: AudioCodec::Aac, language: *b"ces" };
    let changed = |recipe: Recipe, at| Recipe { change: Some((at, more.clone())), ..recipe };
    let second = |recipe: Recipe| {
        let other = Recipe { programme: 9, ..Recipe::new(9).radio().pids(0x90, 0x91) };
        Recipe { second: Some(Box::new(other)), ..recipe }
    };
    vec![
        pair("copies, stuffing, bare packets, SI", odd(1, 3), odd(2, 5).pids(0x30, 0x31)),
        pair("PES headers across packets", split(1), split(2).pids(0x30, 0x31)),
        pair("a PMT that changed", changed(plain(), 3), moved()),
        pair("a PMT that will change", plain(), changed(moved(), 12)),
        pair("from two programmes", second(plain()), moved()),
        pair("to two programmes", plain(), second(moved())),
    ]
}

/// Cuts of the second group of pictures at the bytes of `offsets`, gone on with the standby, which
/// begins in the middle of its first group. What comes after the packet that is cut is judged once
/// for all cuts that lead to the same.
fn cut(pair: &Pair, offsets: impl Iterator<Item = usize>, gap: Duration) -> usize {
    let active = Source::new("active", pair.active.make(2));
    let begin = pair.standby.offset_of(1) / 2;
    let standby = Source::new("standby", pair.standby.make(3)[begin..].to_vec());
    let (from, to) = (pair.active.offset_of(1), active.bytes.len());
    let mut pieces = Pieces::Random(Dice::new(u64::from(pair.active.seed)), 700);
    let (mut cuts, mut judged) = (0, None);
    for offset in offsets.map(|offset| from + offset).take_while(|offset| *offset <= to) {
        let turns = [Turn::new(&active, offset), Turn { gap, ..Turn::whole(&standby) }];
        let what = format!("{}, cut at {offset}, {} of its packet", pair.name, offset % PACKET);
        let joined = drive(Manner::Seamless, &turns, &mut pieces).joined(&what);
        assert!(joined.output[..offset] == active.bytes[..offset], "{what}: the prefix");
        let story = story(&joined, offset);
        if judged.as_ref() != Some(&story) {
            joined.assert_clean(&what);
            judged = Some(story);
        }
        cuts += 1;
    }
    cuts
}

/// What the verdict on a cut depends on: the packets before, the head of the one that is cut (all of
/// it if it is a table's), what follows.
fn story(joined: &Joined<'_>, offset: usize) -> (usize, Vec<u8>, Vec<u8>) {
    let packet = offset / PACKET * PACKET;
    let end = joined.output.len().min(offset.div_ceil(PACKET) * PACKET);
    let torn = &joined.output[packet..end];
    let pes = torn.windows(3).take(130).any(|bytes| bytes == [0, 0, 1]);
    let inner = torn.get(1).is_some_and(|byte| byte & 0x40 == 0);
    let head = if pes || inner { torn.len().min(64) } else { torn.len() };
    (packet, torn[..head].to_vec(), joined.output[end..].to_vec())
}

/// Joins one pair at every `step`-th byte.
fn at_every_byte(name: &str, step: usize) {
    let pair = pairs().into_iter().find(|pair| pair.name == name).unwrap();
    let cuts = cut(&pair, spread(step), Duration::from_millis(40));
    assert!(cuts > 30 * PACKET / step, "{cuts} cuts");
}

#[test]
fn another_stream_at_every_byte() {
    at_every_byte("the same layout on other PIDs", 1);
}

#[test]
fn open_groups_at_every_byte() {
    at_every_byte("H.264, open groups", 1);
}

#[test]
fn another_codec_at_every_byte() {
    at_every_byte("HEVC to H.264 on other PIDs", 1);
}

#[test]
fn wraps_at_every_byte() {
    at_every_byte("all wrap", 1);
}

#[test]
fn oddities_at_every_fifth_byte() {
    at_every_byte("copies, stuffing, bare packets, SI", 5);
}

/// Offsets that meet every place of a packet in some packet, and every packet at its beginning.
fn spread(step: usize) -> impl Iterator<Item = usize> {
    (0..).map(move |number| number * step)
}

#[track_caller]
fn every_pair(pairs: Vec<Pair>, step: usize) {
    for (number, pair) in pairs.iter().enumerate() {
        let gap = Duration::from_millis([0, 40, 700, 3000][number % 4]);
        let cuts = cut(pair, spread(step), gap);
        assert!(cuts > 20, "{}: {cuts} cuts", pair.name);
    }
}

#[test]
fn every_layout() {
    every_pair(same_layout(), 47);
}

#[test]
fn every_codec() {
    every_pair(codecs(), 47);
}

#[test]
fn every_track() {
    every_pair(tracks(), 47);
}

#[test]
fn every_clock() {
    every_pair(clocks(), 47);
}

#[test]
fn every_oddity() {
    every_pair(oddities(), 47);
}

/// Sources that still run are left at a place where no PES packet and no section is cut.
#[test]
fn units_are_finished() {
    for pair in pairs() {
        let active = Source::new("active", pair.active.make(3));
        let standby = Source::new("standby", pair.standby.make(3));
        let from = pair.active.offset_of(1);
        let mut pieces = Pieces::Random(Dice::new(7), 400);
        for offset in (from..pair.active.offset_of(2)).step_by(191) {
            let first = Turn { finish: Some(usize::MAX / 2), ..Turn::new(&active, offset) };
            let turns = [first, Turn::whole(&standby)];
            let what = format!("{}, finished from {offset}", pair.name);
            let joined = drive(Manner::Seamless, &turns, &mut pieces).joined(&what);
            let (_, done) = joined.parts[0].finish.unwrap();
            assert!(done, "{what}: never finished");
            joined.assert_clean(&what);
        }
    }
}

/// The second and third joins of a stream, the last one back to where it began.
#[test]
fn three_joins_in_a_stream() {
    let pairs = pairs();
    for (number, pair) in pairs.iter().enumerate() {
        let third = &pairs[(number + 3) % pairs.len()].standby;
        let recipes = [&pair.active, &pair.standby, third, &pair.active];
        let sources = recipes.map(|recipe| Source::new(format!("{recipe:?}"), recipe.make(4)));
        let mut pieces = Pieces::Random(Dice::new(number as u64), 2000);
        let mut dice = Dice::new(1000 + number as u64);
        for round in 0..6 {
            let finish = (round % 2 == 0).then_some(usize::MAX / 2);
            let turns: Vec<_> = sources
                .iter()
                .map(|source| {
                    let least = source.bytes.len() * 5 / 8;
                    let bytes = least + dice.roll(source.bytes.len() * 2 / 8);
                    let gap = Duration::from_millis(dice.roll(200) as u64);
                    Turn { finish, gap, held: dice.roll(2000), ..Turn::new(source, bytes) }
                })
                .collect();
            let what = format!("{}, round {round}", pair.name);
            drive(Manner::Seamless, &turns, &mut pieces).joined(&what).assert_clean(&what);
        }
    }
}
