//! HLS as one continuous transport stream (`?format=ts`): what comes is a stream that nothing has
//! happened to, whatever its segments went through.

use aes::Aes128;
use cbc::Encryptor;
use cbc::cipher::Array;
use cbc::cipher::BlockModeEncrypt;
use cbc::cipher::KeyIvInit;

use super::LIMITS;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::TIMESTAMPS;
use crate::support::ts::TsPattern;
use crate::support::viewer::Viewer;

mod encrypted;
mod failing;
mod refused;

const A: u32 = 0xa;
const B: u32 = 0xb;
const STREAM: &str = "/stream/one?format=ts";

/// What is in the segments of a packager. The two share no PIDs, and the clock of [`B`] wraps soon.
fn picture(seed: u32) -> TsPattern {
    let pattern = TsPattern::new(seed).video_packets(12);
    if seed == A {
        return pattern;
    }
    pattern.pids(0x450, 0x850, 0x851).pmt_version(7).first_pcr(TIMESTAMPS - 70_000)
}

/// The segment with this number: one second.
fn segment(seed: u32, number: u64) -> Vec<u8> {
    let pattern = picture(seed);
    let count = pattern.packets_per_second();
    pattern.packets(number * count, usize::try_from(count).unwrap())
}

/// Answers for the name of a segment, such as `/x/a-12.ts`.
fn named(path: &str) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap();
    let (seed, number) = name.strip_suffix(".ts").unwrap().split_once('-').unwrap();
    segment(u32::from_str_radix(seed, 16).unwrap(), number.parse().unwrap())
}

fn media(bytes: &[u8]) -> Script {
    let length = bytes.len().to_string();
    Script::head("200 OK", &[("Content-Length", &length)]).body(bytes).next_request()
}

/// A list that has ended; `lines` are its segments and what else is said of them.
fn ended(lines: &[&str]) -> String {
    let body: String = lines
        .iter()
        .map(|line| {
            if line.starts_with('#') {
                format!("{line}\n")
            } else {
                format!("#EXTINF:1,\n{line}\n")
            }
        })
        .collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{body}#EXT-X-ENDLIST\n")
}

/// An origin that gives this list and, whatever it is asked for else, the segments of that name.
async fn list(lines: &'static [&'static str]) -> Origin {
    Origin::start(move |request| {
        if request.path().ends_with(".m3u8") {
            Script::m3u(&ended(lines))
        } else {
            media(&named(request.path()))
        }
    })
    .await
}

async fn gateway(sources: &[String]) -> Gateway {
    gateway_with(LIMITS, sources).await
}

async fn gateway_with(head: &str, sources: &[String]) -> Gateway {
    let sources: Vec<_> = sources.iter().map(|url| format!("{url:?}")).collect();
    let sources = sources.join(", ");
    Gateway::start(&format!("{head}\nchannels: {{one: {{sources: [{sources}], kind: hls}}}}")).await
}

async fn tune(gateway: &Gateway, path: &str) -> Viewer {
    Viewer::tune(gateway.stream, &presets::get_keep_alive("x", path)).await
}

/// All of a stream that ends, without a fault; from where its packets came.
async fn whole(gateway: &Gateway, path: &str) -> Viewer {
    let mut viewer = tune(gateway, path).await;
    assert_eq!(viewer.play_to_end().await, Ending::Complete);
    viewer.final_report().assert_clean(path);
    viewer
}

/// First and last packet of each stretch, in seconds of its picture, where it is one without gaps.
fn stretches(viewer: &Viewer) -> Vec<(u32, u64, u64)> {
    let runs = viewer.trace().runs().iter();
    let seconds = |seed, number| number / picture(seed).packets_per_second();
    runs.map(|run| {
        assert_eq!(run.disorder, 0, "{run:?}");
        (run.seed, seconds(run.seed, run.first), seconds(run.seed, run.last))
    })
    .collect()
}

#[tokio::test]
async fn a_list_that_has_ended_is_one_stream_from_its_beginning_to_its_end() {
    let origin = list(&["a-5.ts", "a-6.ts", "a-7.ts"]).await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    let head = viewer.head();
    assert_eq!(head.header("Content-Type"), Some("video/mp2t"));
    assert_eq!(head.header("Cache-Control"), Some("no-store"));
    assert_eq!(stretches(&viewer), [(A, 5, 7)]);
    let tables = 2 * 3 * 10;
    let packets = 3 * picture(A).packets_per_second();
    assert!(viewer.final_report().packets + tables > packets, "nothing is lost");
    assert_eq!(ends(&gateway, "complete 1").await, "complete 1");
    let paths: Vec<_> = origin.seen().iter().map(|asked| asked.path().to_owned()).collect();
    assert_eq!(paths, ["/list.m3u8", "/a-5.ts", "/a-6.ts", "/a-7.ts"]);
    assert_eq!(origin.open_max(), 1, "one connection at a time");
}

/// How the sessions of the channel have ended, once that is so.
async fn ends(gateway: &Gateway, wanted: &str) -> String {
    eventually_async("the session ends", async || {
        let ends = gateway.figures("weir_sessions_total", "one").await;
        (ends == wanted).then_some(ends)
    })
    .await
}

#[tokio::test]
async fn what_the_list_calls_a_discontinuity_is_none_for_the_player() {
    let lines =
        &["a-5.ts", "#EXT-X-DISCONTINUITY", "b-0.ts", "b-1.ts", "#EXT-X-DISCONTINUITY", "a-90.ts"];
    let origin = list(lines).await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 5), (B, 0, 1), (A, 90, 90)]);
}

#[tokio::test]
async fn a_jump_that_the_list_does_not_speak_of_is_none_either() {
    let origin = list(&["a-5.ts", "b-0.ts", "a-2.ts"]).await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 5), (B, 0, 0), (A, 2, 2)]);
}

#[tokio::test]
async fn a_live_list_is_played_from_three_target_durations_before_its_end_until_the_client_leaves()
{
    let origin = Origin::start(|request| {
        if !request.path().ends_with(".m3u8") {
            return media(&named(request.path()));
        }
        let first = 10 + request.attempt as u64;
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        (first..first + 6).for_each(|n| text += &format!("#EXTINF:1,\na-{n}.ts\n"));
        Script::m3u(&text)
    })
    .await;
    let gateway = gateway(&[origin.url("/live.m3u8")]).await;
    let mut viewer = tune(&gateway, STREAM).await;
    let seconds = usize::try_from(picture(A).packets_per_second()).unwrap();
    viewer.play(5 * seconds).await;
    viewer.report().assert_clean("a live list");
    let (_, first, last) = stretches(&viewer)[0];
    let asked = origin.seen()[0].attempt as u64;
    assert_eq!(first, 10 + asked + 3);
    assert!(last >= first + 4, "beyond what was listed first: {last}");
    let sessions = gateway.admin_get("/api/v1/sessions").await;
    assert!(sessions.contains("continuous"), "{sessions}");
    viewer.leave();
    ends(&gateway, "client_closed 1").await;
}

#[tokio::test]
async fn the_best_variant_is_played_or_the_best_that_is_allowed() {
    const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nlow.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=5000000\nhigh.m3u8\n";
    let origin = Origin::start(|request| match request.path() {
        "/master.m3u8" => Script::m3u(MASTER),
        "/low.m3u8" => Script::m3u(&ended(&["b-0.ts"])),
        "/high.m3u8" => Script::m3u(&ended(&["a-0.ts"])),
        path => media(&named(path)),
    })
    .await;
    let gateway = gateway(&[origin.url("/master.m3u8")]).await;
    for (more, seed) in [
        ("", A),
        ("&max_bandwidth=5000000", A),
        ("&max_bandwidth=4999999", B),
        ("&max_bandwidth=1", B),
    ] {
        let viewer = whole(&gateway, &format!("{STREAM}{more}")).await;
        assert_eq!(viewer.sources(), [seed], "{more}");
    }
}

#[tokio::test]
async fn a_head_costs_the_source_nothing_and_other_kinds_are_what_they_are() {
    let origin = list(&["a-5.ts"]).await;
    let live = Origin::live(picture(B)).await;
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels:\n  one: {{sources: [{:?}], kind: hls}}\n  live: {{sources: [{:?}], kind: live}}\n  \
         found: {{sources: [{:?}]}}\n",
        origin.url("/list.m3u8"),
        live.url("/x"),
        origin.url("/list.m3u8"),
    ))
    .await;
    let answer = Player::fetch(gateway.stream, &presets::head("x", STREAM)).await;
    assert_eq!((answer.status(), answer.head.header("Content-Type")), (200, Some("video/mp2t")));
    assert_eq!(origin.total(), 0);
    let mut viewer = tune(&gateway, "/stream/live?format=ts").await;
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [B]);
    // A channel of no known kind is found to be HLS, and is one stream all the same.
    for _ in 0..2 {
        let viewer = whole(&gateway, "/stream/found?format=ts").await;
        assert_eq!(viewer.sources(), [A]);
    }
}

#[tokio::test]
async fn all_requests_of_a_stream_carry_what_its_source_wants_and_its_cookies() {
    let origin = Origin::start(|request: &Recorded| match request.path() {
        "/list.m3u8" => {
            let text = ended(&["#EXT-X-KEY:METHOD=NONE", "a-5.ts"]);
            let length = text.len().to_string();
            let fields = [
                ("Content-Type", "application/vnd.apple.mpegurl"),
                ("Content-Length", length.as_str()),
                ("Set-Cookie", "sid=s3cret"),
            ];
            Script::head("200 OK", &fields).body(text).next_request()
        }
        path => media(&named(path)),
    })
    .await;
    let url = origin.url_as("us3r:p4ss", "/list.m3u8");
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{kind: hls, sources: [{{url: {url:?}, user_agent: VLC/3, headers: {{X-Own: me}}}}]}}}}"
    ))
    .await;
    whole(&gateway, STREAM).await;
    let seen = origin.seen();
    assert_eq!(seen.len(), 2);
    for asked in &seen {
        assert_eq!(asked.header("User-Agent"), Some("VLC/3"));
        assert_eq!(asked.header("X-Own"), Some("me"));
        assert!(asked.header("Authorization").is_some_and(|value| value.starts_with("Basic ")));
    }
    assert_eq!(seen[1].header("Cookie"), Some("sid=s3cret"));
}
