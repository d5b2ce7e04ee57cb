//! How the backup's bytes follow the first source's: before the switch nothing is touched, whatever
//! is configured; at the switch each manner keeps its promise, wherever the first source was cut.

use std::sync::Arc;

use super::*;
use crate::support::content::Content;
use crate::support::origin::Chunks;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::ts::Codec;
use crate::support::ts::PACKET;
use crate::support::ts::SYNC;
use crate::support::ts::TsCheck;
use crate::support::ts::TsTrace;
use crate::support::ts::check::TsReport;

/// Packets of the backup in each body.
const AFTER: usize = 200;

/// Where the first source is cut in run `number`: each byte of a packet, and packets of all kinds.
fn cut(number: usize) -> usize {
    (60 + number % 31) * PACKET + number
}

/// One channel for each number: a first source that ends there, and a backup that plays from
/// `from` on and falls silent.
async fn stage(name: &str, join: &str, count: usize, from: u64) -> Arc<Stage> {
    let first = Origin::start(|request| {
        let number: usize = request.path().trim_start_matches('/').parse().unwrap();
        Script::live(Feed::of(picture(A)).bytes(cut(number) as u64)).close()
    })
    .await;
    let backup = Origin::start(move |_| {
        let feed = Feed::of(picture(B)).from(from).bytes((AFTER * PACKET) as u64);
        Script::live(feed).stall()
    })
    .await;
    let head = format!("failover: {{stall_timeout: 60s, hedge_after: 20s, join: {join}}}");
    let channels = (0..count).map(|number| {
        live(&format!("{name}-{number}"), &[first.url(&format!("/{number}")), backup.url("/")])
    });
    let gateway = gateway(&head, &channels.collect::<Vec<_>>()).await;
    Stage::new(gateway, vec![first, backup])
}

/// Whether a packet of the first source carries its PAT or PMT.
fn is_table(packet: &[u8]) -> bool {
    let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
    pid == 0 || picture(A).is_pmt_pid(pid)
}

/// The beginning of the body of one channel.
async fn body(stage: &Stage, channel: &str, bytes: usize) -> Vec<u8> {
    let request = presets::get_keep_alive("x", &format!("/stream/{channel}"));
    let (mut player, head) = Player::ask(stage.gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(bytes).await
}

#[tokio::test]
async fn raw_is_bytes_after_bytes() {
    const RUNS: usize = 80;
    let stage = stage("raw", "raw", RUNS, 0).await;
    for_each(RUNS, 16, |number| {
        let stage = Arc::clone(&stage);
        async move {
            let (channel, cut) = (format!("raw-{number}"), cut(number));
            let bytes = body(&stage, &channel, cut + AFTER * PACKET).await;
            picture(A).assert_matches(0, &bytes[..cut]);
            picture(B).assert_matches(0, &bytes[cut..]);
        }
    })
    .await;
    assert_eq!(failovers(&stage.gateway, "raw-77").await, "ended 1");
}

#[tokio::test]
async fn aligned_is_whole_packets_wherever_the_first_source_was_cut() {
    const RUNS: usize = 188;
    // The backup, too, begins in the middle of a packet: three sync bytes show where packets are.
    const FROM: u64 = 50;
    const FIRST: u64 = 3;
    let stage = stage("aligned", "aligned", RUNS, FROM).await;
    for_each(RUNS, 16, |number| {
        let stage = Arc::clone(&stage);
        async move {
            let (channel, cut) = (format!("aligned-{number}"), cut(number));
            let whole = cut.div_ceil(PACKET) * PACKET;
            let bytes = body(&stage, &channel, whole + (AFTER - 3) * PACKET).await;
            picture(A).assert_matches(0, &bytes[..cut]);
            assert!(bytes.iter().step_by(PACKET).all(|byte| *byte == SYNC), "{number}");
            // Packets of the patterns name them so.
            let foreign = bytes[cut..whole].windows(10).any(|text| text == b"@0000000b:");
            assert!(!foreign, "{number}: bytes of the backup in the torn packet");
            picture(B).assert_matches(FIRST * PACKET as u64, &bytes[whole..]);
        }
    })
    .await;
    assert_eq!(failovers(&stage.gateway, "aligned-77").await, "ended 1");
}

/// Body, verdict and sources of a seamless join.
async fn seamless(stage: &Stage, channel: &str, cut: usize) -> (TsReport, TsTrace) {
    let bytes = body(stage, channel, cut.div_ceil(PACKET) * PACKET + (AFTER - 40) * PACKET).await;
    picture(A).assert_matches(0, &bytes[..cut]);
    assert!(bytes.iter().step_by(PACKET).all(|byte| *byte == SYNC), "{channel}");
    let mut trace = TsTrace::default();
    trace.feed(&bytes);
    (TsCheck::of(&bytes), trace)
}

#[tokio::test]
async fn seamless_loses_nothing_wherever_the_first_source_was_cut() {
    const RUNS: usize = 188;
    let stage = stage("seamless", "seamless", RUNS, 0).await;
    for_each(RUNS, 16, |number| {
        let stage = Arc::clone(&stage);
        async move {
            let channel = format!("seamless-{number}");
            let (report, trace) = seamless(&stage, &channel, cut(number)).await;
            report.assert_only(&channel, &[Fault::PcrJump, Fault::PesLength]);
            assert_eq!(trace.seeds(), [A, B], "{channel}");
            assert_eq!(trace.runs()[1].disorder, 0, "{channel}");
        }
    })
    .await;
    assert_eq!(failovers(&stage.gateway, "seamless-77").await, "ended 1");
}

#[tokio::test]
async fn seamless_waits_for_a_picture_to_begin_with() {
    // The backup is tuned into half a second before its next random access point.
    let half = picture(B).packets_per_second() / 2;
    let first = Origin::start(|_| plays_for(A, 60).reset()).await;
    let backup = Origin::start(move |_| {
        Script::live(Feed::live(&picture(B)).from(half * PACKET as u64 + 50))
    })
    .await;
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(QUICK, &[live("waits", &sources)]).await;
    let mut viewer = tune(&gateway, "waits").await;
    viewer.play_until_source(B).await;
    viewer.play(200).await;
    assert_joined(&viewer, "from a random access point");
    let run = viewer.trace().runs()[1];
    let second = picture(B).packets_per_second();
    assert!((second..second + 4).contains(&run.first), "PAT and PMT, then the picture: {run:?}");
    assert!(viewer.report().random_access >= 2);
}

#[tokio::test]
async fn a_table_that_was_cut_is_completed_with_what_is_known_of_it() {
    // Tables repeat, so the rest of one whose beginning was sent is no secret.
    let number = (60..).find(|number| is_table(&picture(A).packet(*number))).unwrap();
    for (channel, number) in [("cut-pat", number), ("cut-pmt", number + 1)] {
        let cut = usize::try_from(number).unwrap() * PACKET + 14;
        let first = Origin::start(move |_| Script::live(Feed::of(picture(A)).bytes(cut as u64)));
        let (first, backup) = (first.await, good(B).await);
        let sources = [first.url("/"), backup.url("/")];
        let gateway = gateway(QUICK, &[live(channel, &sources)]).await;
        let mut viewer = tune(&gateway, channel).await;
        viewer.play_until_source(B).await;
        viewer.play(100).await;
        viewer.report().assert_only(channel, &[Fault::PcrJump, Fault::PesLength]);
    }
}

#[tokio::test]
async fn a_backup_of_another_layout_is_announced_and_nothing_is_lost() {
    let layouts = [
        ("more-sound", picture(B).audio(&[(Codec::Ac3, "deu"), (Codec::Aac, "eng")])),
        ("hevc", picture(B).video(Codec::Hevc).pids(0x90, 0x910, 0x920)),
        ("other-sound", picture(B).audio(&[(Codec::Mp2, "fra")]).pids(0x90, 0x910, 0x920)),
        ("radio", picture(B).radio()),
        ("nulls", picture(B).nulls(5)),
        ("same-pids", TsPattern::new(B).video_packets(SMALL)),
    ];
    for_each(layouts.len(), layouts.len(), |number| {
        let (name, backup) = layouts[number].clone();
        async move {
            let first = Origin::start(|_| plays_for(A, 60).reset()).await;
            let backup = Origin::live(backup).await;
            let channel = format!("layout-{name}");
            let sources = [first.url("/"), backup.url("/")];
            let gateway = gateway(QUICK, &[live(&channel, &sources)]).await;
            let mut viewer = tune(&gateway, &channel).await;
            viewer.play_until_source(B).await;
            viewer.play(100).await;
            assert_eq!(viewer.sources(), [A, B], "{name}");
            assert_joined(&viewer, name);
            assert_eq!(failovers(&gateway, &channel).await, "broken 1", "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn clients_of_both_versions_and_framings_are_followed() {
    let requests = [
        presets::get_1_0("/stream/versions"),
        presets::get("x", "/stream/versions"),
        presets::vlc("x", "/stream/versions"),
    ];
    let first = Origin::start(|_| plays_for(A, 60).reset()).await;
    let backup = Origin::start(|_| {
        Script::live_chunked(&picture(B), Chunks::Random { seed: 5, most: 3000 })
    })
    .await;
    let head = QUICK.replace('}', ", cooldown: 0s}");
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(&head, &[live("versions", &sources)]).await;
    for request in requests {
        let mut viewer = Viewer::tune(gateway.stream, &request).await;
        viewer.play_until_source(B).await;
        viewer.play(100).await;
        assert_eq!(viewer.sources(), [A, B], "{request}");
        assert_joined(&viewer, &request);
    }
}

#[tokio::test]
async fn until_the_first_switch_every_byte_is_the_sources() {
    for join in ["raw", "aligned", "seamless"] {
        let origin = Origin::start(|_| Script::live(Feed::of(picture(A)).bytes(3_000_077))).await;
        let refused = crate::support::origin::Refused::new();
        let head = format!("failover: {{join: {join}, rounds: 1}}");
        let channel = format!("identity-{join}");
        let gateway = gateway(&head, &[live(&channel, &[origin.url("/"), refused.url("/")])]).await;
        let request = presets::get("x", &format!("/stream/{channel}"));
        let (mut player, _) = Player::ask(gateway.stream, &request).await;
        let body = player.read_to_end().await;
        // The one source that there is ends, and nothing follows.
        assert_eq!((body.ending, body.bytes.len()), (Ending::Complete, 3_000_077), "{join}");
        picture(A).assert_matches(0, &body.bytes);
    }
}
