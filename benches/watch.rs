//! How much it costs to follow passing packets, and to rewrite them after a join:
//! `cargo bench --bench watch`. Throughput is of stream bytes; divide 188 bytes by it for the time
//! of a packet.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use weir::media::synth::Layout;
use weir::media::synth::Scene;
use weir::media::synth::Synth;
use weir::media::ts::join::Joiner;
use weir::media::ts::join::Manner;
use weir::media::ts::packet::Header;
use weir::media::ts::packet::LEN;
use weir::media::ts::packet::Pcr;
use weir::media::ts::packet::Pid;
use weir::media::ts::watch::Watcher;

/// Bytes of each stream: in the second cache, as what has just come from a socket is.
const STREAM_LEN: usize = 256 << 10;

/// Bytes of a piece: one large read, seven packets as a receiver writes them, a TCP segment, which
/// cuts packets anywhere.
const PIECE_LENS: [usize; 3] = [65_536, 1316, 1448];

criterion_group!(benches, watch, join);
criterion_main!(benches);

fn watch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("watch");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for (name, stream) in [
        ("one_pid", one_pid()),
        ("synth", synth()),
        ("multiplex", multiplex()),
        ("not_a_stream", vec![0x48; STREAM_LEN]),
    ] {
        group.throughput(Throughput::Bytes(stream.len().try_into().unwrap()));
        for len in PIECE_LENS {
            group.bench_function(BenchmarkId::new(name, len), |bencher| {
                let mut watcher = Watcher::new();
                bencher
                    .iter(|| stream.chunks(len).for_each(|piece| watcher.push(black_box(piece))));
                black_box(watcher.packets());
            });
        }
    }
    group.finish();
}

/// What a stream costs that may have to go on from another source: looked at before the first join,
/// rewritten after it.
fn join(criterion: &mut Criterion) {
    let stream = synth();
    let mut group = criterion.benchmark_group("join");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Bytes(stream.len().try_into().unwrap()));
    for len in PIECE_LENS {
        group.bench_function(BenchmarkId::new("watch", len), |bencher| {
            let mut joiner = Joiner::new(Manner::Seamless);
            bencher.iter(|| stream.chunks(len).for_each(|piece| joiner.watch(black_box(piece))));
        });
        group.bench_function(BenchmarkId::new("pass", len), |bencher| {
            let mut out = Vec::with_capacity(2 * STREAM_LEN);
            let mut joiner = Joiner::new(Manner::Seamless);
            joiner.watch(&stream);
            let mut audition = joiner.audition();
            audition.push(&stream);
            assert!(audition.is_ready());
            joiner.join(audition, Duration::ZERO, &mut out);
            bencher.iter(|| {
                out.clear();
                stream.chunks(len).for_each(|piece| joiner.pass(black_box(piece), &mut out));
            });
            black_box(out.len());
        });
    }
    group.finish();
}

/// Payload of one PID and nothing else. A multiple of 16 packets, so that it can be repeated.
fn one_pid() -> Vec<u8> {
    let mut stream = Vec::new();
    let packets = STREAM_LEN / LEN / 16 * 16;
    (0_u8..16).cycle().take(packets).for_each(|counter| {
        Header::new(Pid::masked(0x100), counter).write(&[0xAB; LEN], &mut stream);
    });
    stream
}

/// The generated channel: mostly one PID, tables, sound, a clock reference with each picture.
fn synth() -> Vec<u8> {
    let mut synth = Synth::new(&Scene::default(), Layout::default(), 0);
    let mut stream = Vec::new();
    while stream.len() < STREAM_LEN {
        synth.next_picture(&mut stream);
    }
    stream
}

/// A full transponder: 40 PIDs in no order, one packet in 20 with an adaptation field, one in 30
/// a null packet.
fn multiplex() -> Vec<u8> {
    let mut stream = Vec::new();
    let mut counters = [0_u8; 40];
    let mut random = 0x9E37_79B9_u32; // xorshift
    for packet in 0..(STREAM_LEN / LEN) as u64 {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        if random.is_multiple_of(30) {
            Header::new(Pid::NULL, 0).write(&[0xFF; LEN], &mut stream);
            continue;
        }
        let place = (random >> 8) as usize % counters.len();
        let counter = counters.get_mut(place).unwrap();
        let pid = Pid::masked(u16::try_from(0x20 + place * 100).unwrap());
        let pcr = (random >> 16).is_multiple_of(20).then(|| Pcr::new(packet * 1000));
        Header { pcr, ..Header::new(pid, *counter) }.write(&[0xAB; LEN], &mut stream);
        *counter = counter.wrapping_add(1);
    }
    stream
}
