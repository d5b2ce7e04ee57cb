use proptest::prelude::*;

use super::*;
use crate::media::synth::Layout;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::ts::join::Entries;
use crate::media::ts::packet::Header;
use crate::media::ts::packet::Pid;

fn rules() -> Relay {
    Relay {
        buffer_bytes: 100 * LEN,
        buffer_chunks: 20,
        buffer_time: Duration::from_secs(10),
        ..Relay::default()
    }
}

fn packets(count: usize, fill: u8) -> Bytes {
    vec![fill; count * LEN].into()
}

#[test]
fn packets_are_found_by_their_number_for_as_long_as_they_are_kept() {
    let now = Instant::now();
    let mut ring = Ring::new(&rules());
    assert!(ring.from(0).is_none() && ring.start() == 0);
    for fill in 0..10 {
        ring.push(packets(7, fill), std::iter::empty(), now);
    }
    assert_eq!((ring.start(), ring.end()), (0, 70));
    let (bytes, _) = ring.from(9).unwrap();
    assert_eq!((bytes.len(), bytes[0]), (5 * LEN, 1));
    assert!(ring.from(70).is_none());
    for fill in 10..20 {
        ring.push(packets(7, fill), std::iter::empty(), now);
    }
    assert_eq!((ring.start(), ring.end()), (42, 140), "fourteen chunks of seven fit");
    assert!(ring.from(41).is_none() && ring.from(42).is_some());
    let (bytes, chunks, sequence, _) = ring.level();
    assert_eq!((bytes, chunks, sequence), (98 * LEN, 14, 20));
}

#[test]
fn what_is_old_or_one_chunk_too_many_goes() {
    let now = Instant::now();
    let mut ring = Ring::new(&rules());
    for second in 0..30 {
        ring.push(packets(1, 0), std::iter::empty(), now + Duration::from_secs(second) / 4);
    }
    assert_eq!(ring.level().1, 20);
    ring.push(packets(1, 0), std::iter::empty(), now + Duration::from_secs(16));
    assert_eq!(ring.level().1, 7);
    ring.push(packets(1000, 0), std::iter::empty(), now + Duration::from_secs(60));
    assert_eq!(ring.level().1, 1, "the newest stays, however large");
}

#[test]
fn a_client_that_is_to_have_more_begins_earlier() {
    let mut synth = Synth::new(&Scene::default(), Layout::default(), 0);
    let (mut bytes, now) = (Vec::new(), Instant::now());
    (0..200).for_each(|_| synth.next_picture(&mut bytes));
    let lag = Duration::from_secs(3000);
    let rules = Relay { buffer_bytes: 10 << 20, lag, ..Relay::default() };
    let (mut ring, mut entries) = (Ring::new(&rules), Entries::new());
    for (index, chunk) in bytes.chunks(LEN * 100).enumerate() {
        let found: Vec<_> =
            chunk.as_chunks().0.iter().filter_map(|packet| entries.push(packet)).collect();
        let now = now + Duration::from_millis(100) * u32::try_from(index).unwrap();
        ring.push(Bytes::copy_from_slice(chunk), found.into_iter(), now);
    }
    let now = now + Duration::from_secs(100);
    let packet = |prebuffer| ring.place(prebuffer, now).map(|place| place.entry.packet());
    let newest = ring.newest().unwrap().entry.packet();
    assert_eq!(packet(Prebuffer::Time(Duration::ZERO)), Some(newest));
    let one_earlier = usize::try_from(ring.end() - newest).unwrap() * LEN + 1;
    assert!(packet(Prebuffer::Bytes(one_earlier)).is_some_and(|earlier| earlier < newest));
    assert_eq!(packet(Prebuffer::Bytes(usize::MAX)), None);
    assert_eq!(packet(Prebuffer::Time(Duration::from_secs(200))), None);
}

proptest! {
    #[test]
    fn it_never_holds_more_than_it_may(
        steps in prop::collection::vec((1_usize..90, 0_u64..3000), 1..200),
    ) {
        let rules = rules();
        let (mut ring, mut now) = (Ring::new(&rules), Instant::now());
        for (count, pause) in steps {
            now += Duration::from_millis(pause);
            ring.push(packets(count, 0x47), std::iter::empty(), now);
            let (bytes, chunks, _, ends) = ring.level();
            prop_assert!(bytes <= rules.buffer_bytes && chunks <= rules.buffer_chunks);
            prop_assert!(now - ends.unwrap().0 <= rules.buffer_time);
            prop_assert_eq!(usize::try_from(ring.end() - ring.start()).unwrap() * LEN, bytes);
            let (mut at, mut read) = (ring.start(), 0);
            while let Some((chunk, _)) = ring.from(at) {
                read += chunk.len();
                at += (chunk.len() / LEN) as u64;
            }
            prop_assert_eq!((read, at), (bytes, ring.end()));
        }
    }
}

#[test]
fn places_of_a_stream_that_uses_every_pid_are_few() {
    let mut stream = Vec::new();
    for pid in 0x20..0x1000 {
        Header::new(Pid::masked(pid), 0).write(&[0; 184], &mut stream);
    }
    let mut synth = Synth::new(&Scene::default(), Layout::default(), 0);
    (0..25 * 100).for_each(|_| synth.next_picture(&mut stream));
    let mut entries = Entries::new();
    let found = stream.as_chunks().0.iter().filter_map(|packet| entries.push(packet));
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 100);
    let mut ring = Ring::new(&Relay::default());
    let now = Instant::now();
    ring.push(stream.into(), std::iter::empty(), now);
    for (second, entry) in (0..).zip(found) {
        ring.enter(entry, now + Duration::from_secs(second));
    }
    let held: usize = ring.places.iter().map(|place| place.entry.bytes()).sum();
    assert!(held <= ENTRIES_BYTES && ring.places.len() > 50, "{held}");
}
