//! Readers that come early, late and amid, that leave, and what they are left with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use proptest::prelude::*;

use super::*;
use crate::delivery::hls::segments::room::Account;

/// Bytes that tell their place.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| at.wrapping_mul(0x9e37_79b9).to_le_bytes()[3]).collect()
}

fn head(length: usize) -> Head {
    let (status, headers) = (StatusCode::OK, HeaderMap::new());
    Head { status, headers, length: length as u64, set_cookies: Vec::new() }
}

/// A segment of this length that has begun, and the account that it takes its room from.
fn begun(length: usize) -> (Arc<Segment>, Arc<Account>) {
    let (segment, account) = (Arc::new(Segment::new()), Arc::new(Account::new(1 << 30)));
    segment.begins(head(length), account.take(length as u64).unwrap());
    (segment, account)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What there is for a reader at this moment.
fn next(reader: &mut Reader) -> Poll<Option<Result<Bytes, Cut>>> {
    reader.poll_bytes(&Context::from_waker(Waker::noop()))
}

/// The lengths of everything that there is for a reader at this moment, which must be `expected`, and
/// whether that is the end.
fn lengths(reader: &mut Reader, mut expected: &[u8]) -> (Vec<usize>, Option<Result<(), Cut>>) {
    let mut lengths = Vec::new();
    loop {
        match next(reader) {
            Poll::Ready(Some(Ok(bytes))) => {
                assert!(expected.starts_with(&bytes), "other bytes");
                expected = &expected[bytes.len()..];
                lengths.push(bytes.len());
            }
            Poll::Ready(Some(Err(cut))) => return (lengths, Some(Err(cut))),
            Poll::Ready(None) => return (lengths, Some(Ok(()))),
            Poll::Pending => return (lengths, None),
        }
    }
}

#[test]
fn who_waits_gets_what_has_come_and_who_is_late_gets_whole_chunks() {
    let all = content(2 * CHUNK + 100);
    let (segment, _) = begun(all.len());
    let [mut early, mut idle] = [0; 2].map(|_| Reader::new(&segment));
    assert_eq!(early.size_hint().exact(), Some(all.len() as u64));
    segment.takes(&all[..10]);
    assert_eq!(lengths(&mut early, &all), (vec![10], None));
    segment.takes(&all[10..50_000]);
    assert_eq!(lengths(&mut early, &all[10..]), (vec![49_990], None));
    segment.takes(&all[50_000..2 * CHUNK + 7]);
    let rest = vec![CHUNK - 50_000, CHUNK, 7];
    assert_eq!(lengths(&mut early, &all[50_000..]), (rest, None));
    segment.takes(&all[2 * CHUNK + 7..]);
    segment.ends(Ok(()));
    assert_eq!(lengths(&mut early, &all[2 * CHUNK + 7..]), (vec![93], Some(Ok(()))));
    assert_eq!(early.size_hint().exact(), Some(0));
    let mut late = Reader::new(&segment);
    for reader in [&mut idle, &mut late] {
        assert_eq!(lengths(reader, &all), (vec![CHUNK, CHUNK, 100], Some(Ok(()))));
    }
    assert!(segment.is_whole() && !segment.is_broken());
}

#[test]
fn those_who_read_at_one_pace_are_given_the_same_bytes_and_not_copies() {
    let all = content(1000);
    let (segment, _) = begun(all.len());
    let [mut one, mut two] = [0; 2].map(|_| Reader::new(&segment));
    segment.takes(&all[..300]);
    let parts = [&mut one, &mut two].map(|reader| match next(reader) {
        Poll::Ready(Some(Ok(bytes))) => bytes.as_ptr(),
        other => panic!("{other:?}"),
    });
    assert_eq!(parts[0], parts[1]);
    drop(one);
    let mut late = Reader::new(&segment);
    segment.takes(&all[300..600]);
    assert_eq!(lengths(&mut two, &all[300..]), (vec![300], None));
    assert_eq!(lengths(&mut late, &all), (vec![600], None));
}

#[test]
fn who_waits_is_told_of_a_whole_chunk_at_once_and_of_less_when_no_more_is_there() {
    let all = content(2 * CHUNK);
    let (segment, _) = begun(all.len());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let (mut waits, mut leaves) = (Reader::new(&segment), Reader::new(&segment));
    let poll = |reader: &mut Reader| reader.poll_bytes(&Context::from_waker(&waker));
    assert!(poll(&mut waits).is_pending() && poll(&mut leaves).is_pending());
    drop(leaves);
    segment.takes(&all[..10]);
    assert_eq!(woken.count(), 0, "there may be more at once");
    segment.tells();
    assert_eq!(woken.count(), 1, "and nobody is told who has left");
    assert!(poll(&mut waits).is_ready() && poll(&mut waits).is_pending());
    segment.takes(&all[10..CHUNK]);
    assert_eq!(woken.count(), 2);
    assert!(poll(&mut waits).is_ready() && poll(&mut waits).is_pending());
    assert!(poll(&mut waits).is_pending(), "twice is once");
    segment.ends(Err(Cut::Stalled));
    assert_eq!(woken.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_one_who_leaves_is_noticed() {
    let (segment, _) = begun(100);
    let (one, two) = (Reader::new(&segment), Reader::new(&segment));
    drop(one);
    assert!(segment.is_read());
    let (left, ()) = tokio::join!(segment.deserted(), async { drop(two) });
    assert_eq!((left, segment.is_read()), ((), false));
}

#[test]
fn what_breaks_off_ends_with_what_has_come_and_the_first_word_stands() {
    let all = content(CHUNK + 1000);
    let (segment, _) = begun(all.len());
    let mut early = Reader::new(&segment);
    segment.takes(&all[..CHUNK + 10]);
    assert_eq!(lengths(&mut early, &all), (vec![CHUNK, 10], None));
    segment.takes(&all[CHUNK + 10..CHUNK + 30]);
    segment.ends(Err(Cut::Stalled));
    segment.ends(Ok(()));
    assert!(segment.is_broken() && !segment.is_whole());
    let cut = Some(Err(Cut::Stalled));
    assert_eq!(lengths(&mut early, &all[CHUNK + 10..]), (vec![20], cut));
    assert_eq!(lengths(&mut Reader::new(&segment), &all), (vec![CHUNK, 30], cut));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_head_is_told_what_became_of_it() {
    for outcome in ["open", "private", "failed"] {
        let (segment, account) = (Arc::new(Segment::new()), Arc::new(Account::new(10)));
        let reader = Reader::new(&segment);
        let tell = async {
            tokio::task::yield_now().await;
            match outcome {
                "open" => segment.begins(head(10), account.take(10).unwrap()),
                "failed" => segment.fails(Error::Missing(404)),
                _ => {}
            }
            // What is known of it stands.
            segment.is_private(None);
        };
        let (opened, ()) = tokio::join!(reader.opened(), tell);
        match outcome {
            "open" => assert!(matches!(&opened, Ok(Access::Shared(_)))),
            "private" => assert!(matches!(&opened, Ok(Access::None))),
            _ => assert!(matches!(&opened, Err(Error::Missing(404)))),
        }
        drop(opened);
        assert!(!segment.is_read(), "{outcome}");
    }
}

#[test]
fn a_segment_takes_its_room_until_the_last_client_has_sent_the_last_byte() {
    let all = content(CHUNK + 1);
    let (segment, account) = begun(all.len());
    let (mut slow, mut leaves) = (Reader::new(&segment), Reader::new(&segment));
    segment.takes(&all);
    segment.ends(Ok(()));
    let Poll::Ready(Some(Ok(on_its_way))) = next(&mut slow) else { panic!("a chunk is there") };
    assert!(next(&mut leaves).is_ready());
    drop((segment, leaves, slow));
    assert_eq!(account.used(), all.len() as u64);
    drop(on_its_way);
    assert_eq!(account.used(), 0);
}

#[test]
fn a_source_that_sends_byte_by_byte_or_too_much_takes_no_more_memory() {
    let all = content(CHUNK + 3);
    let (segment, _) = begun(all.len());
    all.iter().for_each(|byte| segment.takes(&[*byte]));
    segment.takes(&[0; 1000]);
    segment.ends(Ok(()));
    assert_eq!(lengths(&mut Reader::new(&segment), &all), (vec![CHUNK, 3], Some(Ok(()))));
    let memory: usize = segment.state().chunks.iter().map(Bytes::len).sum();
    assert_eq!(memory, all.len());
    assert_eq!(segment.state().open.capacity(), 0);
    // Nothing comes of nothing, and nothing before it has begun.
    let empty = begun(0).0;
    empty.takes(b"x");
    empty.ends(Ok(()));
    assert_eq!(lengths(&mut Reader::new(&empty), b""), (vec![], Some(Ok(()))));
    let asked = Segment::new();
    asked.takes(b"x");
    assert!(asked.state().chunks.is_empty());
    assert!(asked.state().open.is_empty());
}

proptest! {
    #[test]
    fn every_reader_gets_every_byte_once(
        frames in prop::collection::vec((1..60_000_usize, 0..4_usize), 1..24),
    ) {
        let all = content(frames.iter().map(|(length, _)| length).sum());
        let (segment, _) = begun(all.len());
        let mut readers: Vec<(Reader, Vec<u8>)> = Vec::new();
        let mut at = 0;
        for (length, who) in frames {
            readers.push((Reader::new(&segment), Vec::new()));
            segment.takes(&all[at..at + length]);
            at += length;
            // Some of them read as it comes.
            for (reader, got) in readers.iter_mut().skip(who) {
                while let Poll::Ready(Some(Ok(bytes))) = next(reader) {
                    got.extend_from_slice(&bytes);
                }
                prop_assert!(*got == all[..at]);
            }
        }
        segment.ends(Ok(()));
        for (reader, got) in &mut readers {
            let rest = all[got.len()..].to_vec();
            prop_assert_eq!(lengths(reader, &rest).1, Some(Ok(())));
            prop_assert_eq!(reader.size_hint().exact(), Some(0));
        }
    }
}
