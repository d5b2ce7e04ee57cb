//! Low-latency HLS: delivery directives, reloads that the source holds until there is news, parts
//! before they are there (RFC 8216bis section 6.2.5).

use std::time::Duration;

use super::CHANNEL;
use super::LIMITS;
use super::file;
use super::get;
use super::hls;
use super::hls_with;
use super::links;
use super::playlist;
use super::served;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;

/// Shorter than any reload that is held.
const HASTY: &str = "failover: {rounds: 0, response_timeout: 1s}";

/// Three target durations, the longest that a source may hold a reload.
const HELD: Duration = Duration::from_secs(3);

/// A playlist of which parts of segment `next` are there.
fn list(next: usize) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,CAN-SKIP-UNTIL=6.0\n\
        #EXT-X-PART-INF:PART-TARGET=0.2\n"
        .to_owned();
    text += &format!("#EXT-X-MEDIA-SEQUENCE:{}\n", next - 3);
    (next - 3..next).for_each(|n| text += &format!("#EXTINF:1,\ns-{n}.ts\n"));
    text += &format!("#EXT-X-PART:DURATION=0.2,URI=\"p-{next}.0.m4s\",INDEPENDENT=YES\n");
    text += &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p-{next}.1.m4s\"\n");
    text + "#EXT-X-RENDITION-REPORT:URI=\"high.m3u8?token=t\",LAST-MSN=102,LAST-PART=3\n"
}

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlow.m3u8?token=t\n\
    #EXT-X-STREAM-INF:BANDWIDTH=900000\nhigh.m3u8?token=t\n";

/// A source that holds each reload that asks for news, and each part that is not there yet.
fn holding(request: &Recorded) -> Script {
    let asked = request.query().and_then(|query| query.split_once("_HLS_msn=")).map(|(_, n)| n);
    let asked = asked.map(|n| n.split('&').next().unwrap().parse().unwrap());
    match (request.path(), asked) {
        ("/master.m3u8", _) => Script::m3u(MASTER),
        (path, Some(next)) if path.ends_with(".m3u8") => {
            Script::new().pause(HELD).then_all(Script::m3u(&list(next)))
        }
        (path, None) if path.ends_with(".m3u8") => Script::m3u(&list(103)),
        _ => served(request),
    }
}

fn failures(gateway: &str) -> usize {
    logs().lines().filter(|line| line.contains(gateway) && line.contains("not playable")).count()
}

/// A gateway with two sources for this channel, the second of which nobody may need.
async fn with_spare(channel: &str, source: &Origin, path: &str) -> (Gateway, Origin) {
    let spare = Origin::start(|_| Script::m3u(&list(7003))).await;
    let sources = [source.url(path), spare.url("/spare.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\n{HASTY}\nchannels: {{{channel}: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    (gateway, spare)
}

#[tokio::test]
async fn a_reload_that_the_source_holds_is_no_timeout() {
    let origin = Origin::start(holding).await;
    let (gateway, spare) = with_spare("held", &origin, "/live.m3u8").await;
    let channel = "/hls/held/playlist.m3u8";
    playlist(&gateway, channel).await;
    let text = playlist(&gateway, &format!("{channel}?_HLS_msn=104&_HLS_part=0")).await;
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:101\n"), "{text}");
    assert_eq!((spare.total(), failures("channel=held")), (0, 0));
}

#[tokio::test]
async fn a_reload_of_a_variant_that_the_source_holds_is_no_timeout() {
    let origin = Origin::start(holding).await;
    let (gateway, spare) = with_spare("variant", &origin, "/master.m3u8").await;
    let channel = "/hls/variant/playlist.m3u8";
    let low = links(channel, &playlist(&gateway, channel).await).remove(0);
    playlist(&gateway, &low).await;
    let text = playlist(&gateway, &format!("{low}?_HLS_msn=104")).await;
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:101\n"), "{text}");
    assert_eq!((spare.total(), failures("channel=variant")), (0, 0));
}

#[tokio::test]
async fn a_source_that_holds_a_reload_for_ever_is_given_up() {
    let origin = Origin::start(|request| match request.query() {
        Some(_) => Script::silent(),
        None => Script::m3u(&list(103)),
    })
    .await;
    let gateway = hls_with(&origin.url("/live.m3u8"), &format!("{LIMITS}\n{HASTY}")).await;
    playlist(&gateway, CHANNEL).await;
    let answer = Player::get(gateway.stream, &format!("{CHANNEL}?_HLS_msn=104")).await;
    assert!([502, 504].contains(&answer.status()), "{}", answer.status());
}

/// A source of one list whose target duration is a minute. The part that it announces is there once
/// `gate` is open, and segments never are.
async fn announcing(gate: &Gate) -> Origin {
    let gate = gate.clone();
    let text = list(103).replace("TARGETDURATION:1\n", "TARGETDURATION:60\n");
    Origin::start(move |request| match request.path() {
        "/live.m3u8" => Script::m3u(&text),
        "/p-103.1.m4s" => Script::new().wait(&gate).then_all(served(request)),
        _ => Script::silent(),
    })
    .await
}

/// Returns once the announced part has been asked for; how often it was.
async fn part_is_asked_for(origin: &Origin) -> usize {
    let times = || origin.seen().iter().filter(|it| it.path() == "/p-103.1.m4s").count();
    eventually("the part is asked for", || Some(times()).filter(|times| *times > 0)).await
}

#[tokio::test]
async fn a_part_that_was_announced_may_be_waited_for() {
    let there = Gate::new();
    let origin = announcing(&there).await;
    let gateway = hls_with(&origin.url("/live.m3u8"), &format!("{LIMITS}\n{HASTY}")).await;
    let parts = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    let (segment, hinted) = (&parts[0], &parts[4]);
    let waiting = async {
        part_is_asked_for(&origin).await;
        // A segment that is asked for after it is given up before it.
        assert_eq!(Player::get(gateway.stream, segment).await.status(), 504);
        there.open();
    };
    let (part, ()) = tokio::join!(get(&gateway, hinted), waiting);
    assert!(part.body.bytes == file("/p-103.1.m4s"));
}

#[tokio::test]
async fn a_part_that_is_held_is_asked_for_once_by_all_who_wait() {
    let there = Gate::new();
    let origin = announcing(&there).await;
    let gateway = hls_with(&origin.url("/live.m3u8"), &format!("{LIMITS}\n{HASTY}")).await;
    let viewers = ["a", "b", "c"];
    let mut hinted = Vec::new();
    for viewer in viewers {
        let list = Player::get_as(gateway.stream, CHANNEL, viewer).await;
        hinted.push(links(CHANNEL, list.text()).swap_remove(4));
    }
    let part = |index: usize| Player::get_as(gateway.stream, &hinted[index], viewers[index]);
    let waiting = async {
        part_is_asked_for(&origin).await;
        there.open();
    };
    let (a, b, c, ()) = tokio::join!(part(0), part(1), part(2), waiting);
    for answer in [a, b, c] {
        assert!(answer.status() == 200 && answer.body.bytes == file("/p-103.1.m4s"));
    }
    assert_eq!(part_is_asked_for(&origin).await, 1);
}

#[tokio::test]
async fn a_reload_that_is_held_is_asked_once_for_all() {
    let origin = Origin::start(holding).await;
    let gateway = hls(&origin.url("/live.m3u8")).await;
    for viewer in ["a", "b", "c"] {
        Player::get_as(gateway.stream, CHANNEL, viewer).await;
    }
    let before = origin.seen().len();
    let ask = async |viewer: &str, msn: usize| {
        let path = format!("{CHANNEL}?_HLS_msn={msn}");
        Player::get_as(gateway.stream, &path, viewer).await.text().to_owned()
    };
    let (a, b, c) = tokio::join!(ask("a", 104), ask("b", 104), ask("c", 105));
    assert!(a.contains("SEQUENCE:101\n") && b.contains("SEQUENCE:101\n"), "{a}\n{b}");
    assert!(c.contains("SEQUENCE:102\n"), "{c}");
    assert_eq!(origin.seen().len() - before, 2, "one for both, and one of its own");
}

#[tokio::test]
async fn directives_go_to_the_variants_place_and_nothing_else_does() {
    let origin = Origin::start(|request| match request.path() {
        "/master.m3u8" => Script::m3u(MASTER),
        _ => Script::m3u(&list(103)),
    })
    .await;
    let gateway = hls(&origin.url("/master.m3u8")).await;
    let master = playlist(&gateway, CHANNEL).await;
    let variants = links(CHANNEL, &master);
    let text = playlist(&gateway, &variants[0]).await;
    assert_eq!(links(&variants[0], &text).last(), Some(&variants[1]), "as the player knows it");
    let query = "?_HLS_msn=104&x=1&token=mine&_HLS_part=2&_HLS_skip=v2&_HLS_report=high.m3u8";
    playlist(&gateway, &format!("{}{query}", variants[0])).await;
    let asked = origin.seen().last().unwrap().target().to_owned();
    let directives = "_HLS_msn=104&_HLS_part=2&_HLS_skip=v2&_HLS_report=high.m3u8";
    assert_eq!(asked, format!("/low.m3u8?token=t&{directives}"));
}

#[tokio::test]
async fn a_delta_update_passes_as_it_is() {
    let delta = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n\
        #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=6.0\n#EXT-X-MEDIA-SEQUENCE:101\n\
        #EXT-X-SKIP:SKIPPED-SEGMENTS=2,RECENTLY-REMOVED-DATERANGES=\"a\tb\"\n#EXTINF:1,\ns-103.ts\n";
    let origin = Origin::start(move |request| match (request.query(), request.attempt) {
        (Some(_), _) => Script::m3u(delta),
        (None, 1) => Script::m3u(&list(103)),
        (None, _) => Script::m3u(&list(104)),
    })
    .await;
    let gateway = hls(&origin.url("/live.m3u8")).await;
    playlist(&gateway, CHANNEL).await;
    let got = playlist(&gateway, &format!("{CHANNEL}?_HLS_skip=YES")).await;
    assert_eq!(got, delta.replace("s-103.ts", &super::uris(&got)[0]));
    let whole = playlist(&gateway, CHANNEL).await;
    assert!(whole.contains("#EXT-X-MEDIA-SEQUENCE:101\n"), "{whole}");
}

#[tokio::test]
async fn a_session_lasts_while_a_request_of_it_is_answered() {
    // Three target durations are less than six seconds, which a session lasts at least.
    let origin = Origin::start(|request| match request.path() {
        "/live.m3u8" => Script::m3u(&list(103)),
        _ => {
            let fields = [("Content-Type", "video/mp2t"), ("Content-Length", "376")];
            let half = [&[0x47][..], &[0xff; 187]].concat();
            let slow = Script::head("200 OK", &fields).body(&half);
            slow.pause(Duration::from_secs(7)).body(&half).next_request()
        }
    })
    .await;
    let url = origin.url("/live.m3u8");
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{slowly: {{sources: [{url:?}], kind: hls}}}}"
    ))
    .await;
    let channel = "/hls/slowly/playlist.m3u8";
    let parts = links(channel, &playlist(&gateway, channel).await);
    get(&gateway, &parts[0]).await;
    let ended = |line: &&str| line.contains("channel=slowly") && line.contains("session ends");
    assert_eq!(logs().lines().filter(ended).count(), 0);
    playlist(&gateway, channel).await;
    let sessions = gateway.admin_get("/api/v1/sessions").await;
    let sessions: serde_json::Value = serde_json::from_str(&sessions).unwrap();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
}
