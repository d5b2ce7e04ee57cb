use std::future::poll_fn;
use std::time::Duration;

use super::*;
use crate::config::Relay;
use crate::media::synth::Layout;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::ts::join::Entries;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::watch::Watcher;
use crate::relay::Writer;

/// A generated channel that is written at its own pace.
struct Channel {
    synth: Synth,
    writer: Writer,
    buffer: Arc<Buffer>,
    has_points: bool,
}

impl Channel {
    fn new(rules: Relay) -> Self {
        let (buffer, writer) = Buffer::new(rules);
        let synth = Synth::new(&Scene::default(), Layout::default(), 0);
        Self { synth, writer, buffer, has_points: true }
    }

    /// So many pictures, each in its time.
    async fn play(&mut self, pictures: usize) {
        for _ in 0..pictures {
            let mut bytes = Vec::new();
            self.synth.next_picture(&mut bytes);
            if !self.has_points {
                take_point_away(&mut bytes);
            }
            self.writer.push(&bytes, Instant::now());
            tokio::time::sleep(Duration::from_millis(40)).await;
            self.writer.flush(Instant::now());
        }
    }
}

/// Makes an IDR picture one that a decoder cannot begin with.
fn take_point_away(bytes: &mut [u8]) {
    let place = bytes.windows(4).position(|unit| unit[..3] == [0, 0, 1] && unit[3] & 0x1F == 5);
    if let Some(place) = place {
        bytes[place + 3] = 0x41;
        bytes[place + 4] = 0x9A;
    }
}

/// All that there is for a reader now.
async fn read(reader: &mut Reader) -> Vec<u8> {
    let mut all = Vec::new();
    while let Poll::Ready(Next::Bytes(bytes)) =
        poll_fn(|cx| Poll::Ready(reader.poll_next(cx))).await
    {
        all.extend_from_slice(&bytes);
    }
    all
}

async fn end(reader: &mut Reader) -> Option<Next> {
    match poll_fn(|cx| Poll::Ready(reader.poll_next(cx))).await {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

fn faults(bytes: &[u8]) -> u64 {
    let mut watcher = Watcher::new();
    watcher.push(bytes);
    let errors = watcher.take_errors();
    errors.continuity + errors.sync + errors.transport
}

/// Numbers of the packets at which a decoder can begin.
fn points(bytes: &[u8]) -> Vec<u64> {
    let mut entries = Entries::new();
    let found = bytes.as_chunks().0.iter().filter_map(|packet| entries.push(packet));
    found.map(|entry| entry.packet()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_begins_with_the_newest_picture_and_follows() {
    let mut channel = Channel::new(Relay::default());
    channel.play(60).await;
    let mut reader = channel.buffer.reader();
    let mut got = read(&mut reader).await;
    assert_eq!(Packet::parse(got.first_chunk().unwrap()).unwrap().pid(), Pid::PAT);
    assert_eq!(points(&got).len(), 1, "since the picture with the number 50");
    channel.play(100).await;
    got.extend(read(&mut reader).await);
    assert_eq!((points(&got).len(), faults(&got)), (5, 0));
    assert_eq!(reader.cursor().packet(), channel.buffer.level().packets.1);
}

#[tokio::test(start_paused = true)]
async fn who_follows_shares_the_bytes() {
    let mut channel = Channel::new(Relay::default());
    let mut readers = [channel.buffer.reader(), channel.buffer.reader()];
    channel.play(30).await;
    for reader in &mut readers {
        read(reader).await;
    }
    channel.play(1).await;
    let [one, two] = &mut readers;
    let (one, two) = (end(one).await.unwrap(), end(two).await.unwrap());
    let (Next::Bytes(one), Next::Bytes(two)) = (one, two) else { panic!("bytes") };
    assert_eq!(one.as_ptr(), two.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn a_client_of_the_live_edge_waits_for_its_first_picture() {
    let mut channel = Channel::new(Relay { join: JoinAt::Live, ..Relay::default() });
    channel.play(60).await;
    let mut reader = channel.buffer.reader();
    assert!(read(&mut reader).await.is_empty());
    channel.play(50).await;
    let got = read(&mut reader).await;
    assert_eq!((points(&got).len(), faults(&got)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_had_at_once_is_waited_for() {
    let prebuffer = Prebuffer::Time(Duration::from_secs(3));
    let mut channel = Channel::new(Relay { prebuffer, ..Relay::default() });
    let mut reader = channel.buffer.reader();
    channel.play(70).await;
    assert!(read(&mut reader).await.is_empty());
    channel.play(10).await;
    assert_eq!(points(&read(&mut reader).await).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_the_buffer_can_never_have_is_not_waited_for() {
    // The buffer has room for some seconds of the stream, and for few bytes of what comes in its time.
    let small = || Relay { buffer_bytes: 64 << 10, ..Relay::default() };
    let brief = || Relay { buffer_time: Duration::from_secs(4), ..Relay::default() };
    let cases = [
        Relay { prebuffer: Prebuffer::Time(Duration::from_secs(7)), ..small() },
        Relay { prebuffer: Prebuffer::Bytes(16 << 20), ..brief() },
    ];
    for rules in cases {
        let mut channel = Channel::new(rules);
        let mut reader = channel.buffer.reader();
        let mut got = Vec::new();
        for _ in 0..80 {
            channel.play(5).await;
            got.extend(read(&mut reader).await);
        }
        assert!(points(&got).len() > 5, "a place comes every second");
        assert_eq!(reader.cursor().skips(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_just_begun_is_not_too_slow() {
    // No place is as old as it is to be and not too old as well.
    let prebuffer = Prebuffer::Time(Duration::from_millis(700));
    let rules = Relay { prebuffer, lag: Duration::from_millis(1400), ..Relay::default() };
    let mut channel = Channel::new(rules);
    channel.play(65).await;
    let mut reader = channel.buffer.reader();
    assert_eq!(points(&read(&mut reader).await).len(), 1);
    assert_eq!(reader.cursor().skips(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_too_slow_skips_and_no_packet_is_missed_unsaid() {
    let lag = Duration::from_secs(4);
    let mut channel = Channel::new(Relay { lag, ..Relay::default() });
    channel.play(30).await;
    let mut slow = channel.buffer.reader();
    let mut got = read(&mut slow).await;
    channel.play(250).await;
    got.extend(read(&mut slow).await);
    assert_eq!((faults(&got), slow.cursor().skips()), (0, 1));
    channel.play(50).await;
    got.extend(read(&mut slow).await);
    assert_eq!((faults(&got), slow.cursor().skips()), (0, 1));
    let all = points(&got).len();
    assert!((4..=5).contains(&all), "one before, the newest, two more: {all}");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_place_is_lost_skips() {
    let rules = Relay { buffer_bytes: 1 << 20, lag: Duration::from_secs(3000), ..Relay::default() };
    let mut channel = Channel::new(rules);
    channel.play(30).await;
    let mut slow = channel.buffer.reader();
    let mut got = read(&mut slow).await;
    channel.play(2000).await;
    assert!(channel.buffer.level().bytes <= 1 << 20);
    assert!(channel.buffer.level().packets.0 > slow.cursor().packet());
    got.extend(read(&mut slow).await);
    assert_eq!((faults(&got), slow.cursor().skips()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn where_slow_clients_are_dropped_there_is_a_grace() {
    let lag = Duration::from_secs(4);
    let mut channel =
        Channel::new(Relay { lag, slow_clients: SlowClients::Drop, ..Relay::default() });
    channel.play(30).await;
    let mut readers = [channel.buffer.reader(), channel.buffer.reader()];
    for reader in &mut readers {
        read(reader).await;
    }
    channel.play(150).await;
    let [slow, hasty] = &mut readers;
    assert!(matches!(end(slow).await, Some(Next::Bytes(_))), "too slow since now");
    assert!(!read(hasty).await.is_empty(), "it has caught up");
    channel.play(260).await;
    assert!(matches!(end(slow).await, Some(Next::TooSlow)) && slow.cursor().is_dropped());
    assert!(matches!(end(hasty).await, Some(Next::Bytes(_))));
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_behind_all_that_there_is() {
    let mut channel = Channel::new(Relay::default());
    let (mut one, mut none) = (channel.buffer.reader(), channel.buffer.reader());
    channel.play(30).await;
    channel.buffer.close(Closed::Ended);
    channel.buffer.close(Closed::Silent);
    assert!(!read(&mut one).await.is_empty());
    assert_eq!(end(&mut one).await, Some(Next::Closed(Closed::Ended)));
    assert!(!read(&mut none).await.is_empty());
    assert_eq!(end(&mut none).await, Some(Next::Closed(Closed::Ended)));
}

#[tokio::test(start_paused = true)]
async fn of_a_stream_whose_random_access_points_have_stopped_any_picture_will_do() {
    let rules = Relay { buffer_time: Duration::from_secs(4), ..Relay::default() };
    let mut channel = Channel::new(rules);
    channel.play(60).await;
    channel.has_points = false;
    channel.play(110).await;
    let mut reader = channel.buffer.reader();
    assert!(read(&mut reader).await.is_empty(), "one may come still");
    channel.play(200).await;
    let got = read(&mut reader).await;
    assert!(!got.is_empty());
    assert_eq!((points(&got).len(), faults(&got)), (0, 0));
    channel.has_points = true;
    channel.play(100).await;
    let mut late = channel.buffer.reader();
    let got = read(&mut late).await;
    assert_eq!(points(&got).first(), Some(&2), "behind the tables");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_and_places_are_used_again() {
    let mut channel = Channel::new(Relay::default());
    channel.play(30).await;
    let mut reader = channel.buffer.reader();
    read(&mut reader).await;
    let (next, ()) = tokio::join!(poll_fn(|cx| reader.poll_next(cx)), channel.play(1));
    assert!(matches!(next, Next::Bytes(_)));
    let index = reader.index;
    drop(reader);
    assert_eq!(channel.buffer.reader().index, index);
}
