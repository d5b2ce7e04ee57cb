use proptest::prelude::*;

use crate::media::synth::Layout;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::ts::join::tests::BEFORE_WRAP;
use crate::media::ts::join::tests::OTHER;
use crate::media::ts::join::tests::assert_one_stream;
use crate::media::ts::join::tests::channel;
use crate::media::ts::packet;
use crate::media::ts::packet::LEN;

use super::*;

/// Segments of so many pictures each, one after the other.
fn segments(first_frame: u64, pictures: &[usize]) -> Vec<Vec<u8>> {
    let mut synth = Synth::new(&Scene::default(), Layout::default(), first_frame);
    let segment = |count: &usize| {
        let mut out = Vec::new();
        (0..*count).for_each(|_| synth.next_picture(&mut out));
        out
    };
    pictures.iter().map(segment).collect()
}

/// The segment as a packager writes it that begins its counters anew with each.
fn begun_anew(segment: &[u8]) -> Vec<u8> {
    let mut counters = std::collections::HashMap::new();
    let mut out = segment.to_vec();
    for bytes in out.as_chunks_mut::<LEN>().0 {
        let view = Packet::parse(bytes).unwrap();
        let (pid, has_payload) = (view.pid(), view.has_payload());
        let counter: &mut u8 = counters.entry(pid).or_insert(15);
        *counter = (*counter + u8::from(has_payload)) & 15;
        packet::set_continuity_counter(bytes, *counter);
    }
    out
}

/// What a client gets of segments, of which those that are true do not follow the one before.
fn chained(segments: &[(bool, Vec<u8>)], piece: usize) -> Vec<u8> {
    let (mut chain, mut out) = (Chain::new(), Vec::new());
    for (is_break, segment) in segments {
        chain.begin(*is_break, &mut out);
        segment.chunks(piece).for_each(|bytes| chain.push(bytes, &mut out));
    }
    chain.end(&mut out);
    out
}

/// What stands in the PES packets, with their times, of all streams together.
fn pes_payloads(bytes: &[u8]) -> Vec<(Pid, Vec<u8>)> {
    let packets = bytes.as_chunks::<LEN>().0.iter().filter_map(Packet::parse);
    let of_streams = packets.filter(|packet| {
        packet.pid() == Layout::default().video_pid || packet.pid() == Layout::default().audio_pid
    });
    of_streams
        .filter_map(|packet| Some((packet.pid(), packet.payload()?.to_vec())))
        .filter(|(_, payload)| !payload.is_empty())
        .collect()
}

#[test]
fn segments_that_go_on_are_passed_with_their_own_times_whatever_their_counters() {
    let segments = segments(BEFORE_WRAP, &[50, 25, 50, 25]);
    let whole = segments.concat();
    let listed = segments.iter().map(|segment| (false, begun_anew(segment))).collect::<Vec<_>>();
    let out = chained(&listed, 4000);
    assert_one_stream(&out, 0, "counters");
    assert_eq!(pes_payloads(&out), pes_payloads(&whole));
    let mut watcher = crate::media::ts::watch::Watcher::new();
    watcher.push(&out);
    assert_eq!(watcher.take_errors(), crate::media::ts::watch::Errors::default());
}

#[test]
fn a_break_is_joined_and_so_is_a_clock_that_jumps() {
    for is_said in [true, false] {
        let first = segments(BEFORE_WRAP, &[50, 25]);
        let other = channel(OTHER, 999, 50);
        let again = channel(Layout::default(), 7, 50);
        let listed = [
            (false, first[0].clone()),
            (false, first[1].clone()),
            (is_said, other),
            (is_said, again),
        ];
        for piece in [188, 1000, 100_000] {
            let out = chained(&listed, piece);
            assert_one_stream(&out, 0, "breaks");
            // Nothing but what precedes a random access point is lost.
            let given: usize = listed.iter().map(|(_, segment)| segment.len()).sum();
            assert!(out.len() * 100 > given * 97, "{} of {given}", out.len());
        }
    }
}

#[test]
fn a_segment_without_a_random_access_point_is_waited_through() {
    let segments = segments(5, &[30, 40, 50]);
    // The second is missing, and the third begins amid a group of pictures.
    let listed = [(false, segments[0].clone()), (true, segments[2].clone())];
    let out = chained(&listed, 5000);
    assert_one_stream(&out, 0, "amid a group");
}

#[test]
fn a_segment_that_is_torn_or_empty_or_no_transport_stream_harms_nothing() {
    let segments = segments(5, &[50, 50, 50, 50]);
    let torn = segments[0][..segments[0].len() - 100].to_vec();
    let listed = [
        (false, torn),
        (false, segments[1].clone()),
        (false, Vec::new()),
        (true, b"<html>not found</html>".repeat(100)),
        (false, segments[2].clone()),
        (false, segments[3].clone()),
    ];
    for piece in [100, 188, 70_000] {
        assert_one_stream(&chained(&listed, piece), 0, "torn");
    }
}

#[test]
fn the_clock_is_that_of_the_client() {
    let (mut chain, mut out) = (Chain::new(), Vec::new());
    assert_eq!(chain.clock(), None);
    chain.begin(false, &mut out);
    let segments = segments(5, &[50]);
    chain.push(&segments[0], &mut out);
    let last = out
        .as_chunks::<LEN>()
        .0
        .iter()
        .filter_map(Packet::parse)
        .filter_map(Packet::pcr)
        .next_back();
    assert!(last.is_some() && chain.clock() == last);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any cut of the bytes gives the same, and any bytes give whole packets.
    #[test]
    fn pieces_do_not_matter(piece in 1_usize..3000, is_break: bool, junk in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let segments = segments(9, &[25, 25]);
        let listed = [(false, segments[0].clone()), (is_break, segments[1].clone())];
        prop_assert!(chained(&listed, piece) == chained(&listed, 1 << 20));
        let listed = [(false, segments[0].clone()), (is_break, junk), (false, segments[1].clone())];
        prop_assert_eq!(chained(&listed, piece).len() % LEN, 0);
    }
}
