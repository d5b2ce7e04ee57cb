//! Aligned joins: whole packets follow whole packets, and nothing in them is changed.

use weir::media::ts::join::Manner;

use crate::drive::Pieces;
use crate::drive::Turn;
use crate::drive::drive;
use crate::generator::Gop;
use crate::generator::Recipe;
use crate::generator::VideoCodec;
use crate::oracle::Joined;
use crate::oracle::Source;
use crate::support::content::Dice;
use crate::support::ts::PACKET;
use crate::support::ts::SYNC;

/// What is wrong with an aligned join of two sources.
fn fault(joined: &Joined<'_>) -> Option<String> {
    let [active, standby] = joined.parts.as_slice() else { return Some("two parts".to_owned()) };
    let output = &joined.output;
    if !output.starts_with(&active.source.bytes[..active.offered]) {
        return Some("the prefix is not the active's".to_owned());
    }
    if !output.len().is_multiple_of(PACKET) {
        return Some(format!("{} bytes are no whole packets", output.len()));
    }
    if let Some(packet) = output.chunks(PACKET).position(|packet| packet[0] != SYNC) {
        return Some(format!("packet {packet} does not begin with the sync byte"));
    }
    let torn = active.offered.div_ceil(PACKET) * PACKET;
    let finished = if active.finish.is_some() { standby.begins } else { torn };
    // Out of step three sync bytes in line make a packet.
    let items = standby.source.items();
    let found = if items.first().is_some_and(|item| item.at == 0) { 0 } else { 2 };
    let last = items.last().map_or(0, |item| item.at + PACKET);
    if output[finished..] != standby.source.bytes[items[found].at..last] {
        return Some("the standby's packets are not all there, or not as they were".to_owned());
    }
    // Whoever reads the torn packet: its counter and PID are those that were due.
    let kept = (active.offered % PACKET).min(4);
    let (packet, due) = (&output[torn - PACKET..torn], &active.source.bytes[torn - PACKET..torn]);
    (kept > 0 && packet[..kept] != due[..kept]).then(|| "the torn packet's header".to_owned())
}

#[test]
fn packets_follow_packets_at_every_byte() {
    let active = Source::new("active", Recipe::new(1).make(1));
    let recipe = Recipe::new(2).video(VideoCodec::Hevc, Gop::Open).pids(0x30, 0x31);
    let standbys =
        [0, 77].map(|skipped| Source::new("standby", recipe.make(1)[skipped..].to_vec()));
    let mut pieces = Pieces::Random(Dice::new(3), 500);
    for cut in 1..active.bytes.len() {
        let turns = [Turn::new(&active, cut), Turn::whole(&standbys[cut % 2])];
        let joined = drive(Manner::Aligned, &turns, &mut pieces).joined("aligned");
        assert_eq!(fault(&joined), None, "cut at {cut}");
    }
}

#[test]
fn a_source_that_runs_is_finished() {
    let active = Source::new("active", Recipe::new(1).make(2));
    let standby = Source::new("standby", Recipe::new(2).make(1));
    let end = active.bytes.len();
    for cut in (1..Recipe::new(1).offset_of(1)).step_by(3) {
        let first = Turn { finish: Some(end), ..Turn::new(&active, cut) };
        let turns = [first, Turn::whole(&standby)];
        let joined = drive(Manner::Aligned, &turns, &mut Pieces::Whole).joined("aligned");
        assert_eq!(fault(&joined), None, "cut at {cut}");
    }
}

#[test]
fn the_judge_refuses() {
    let active = Source::new("active", Recipe::new(1).make(1));
    let standby = Source::new("standby", Recipe::new(2).make(1));
    let turns = [Turn::new(&active, 1000), Turn::whole(&standby)];
    let good = drive(Manner::Aligned, &turns, &mut Pieces::Whole).joined("aligned");
    assert_eq!(fault(&good), None);
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut joined = good.clone();
        change(&mut joined.output);
        fault(&joined)
    };
    assert!(broken(&|output| output[500] ^= 1).is_some());
    assert!(broken(&|output| output.truncate(output.len() - 1)).is_some());
    assert!(broken(&|output| output[6 * PACKET] = 0).is_some());
    assert!(broken(&|output| output[7 * PACKET + 3] ^= 1).is_some());
    assert!(broken(&|output| drop(output.drain(8 * PACKET..9 * PACKET))).is_some());
}
