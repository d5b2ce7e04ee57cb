//! Clients of HLS as sessions: one entry in the list for all that a player asks for, one slot of the
//! provider, cookies of their own, and one fetch for all who want the same.

use tokio::task::JoinSet;

use super::CHANNEL;
use super::LIMITS;
use super::file;
use super::follow;
use super::served;
use super::uris;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Player;

/// A live playlist that has moved on by one segment at each request.
pub(super) fn moving(request: &Recorded) -> Script {
    let first = 100 + request.attempt;
    // So long that nothing is too old to be shared while a test runs.
    let target = if request.path().starts_with("/slow") { 60 } else { 2 };
    let mut text =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    (first..first + 3).for_each(|n| text += &format!("#EXTINF:2,\nn-{n}.ts\n"));
    Script::m3u(&text)
}

pub(super) fn live(request: &Recorded) -> Script {
    if request.path().ends_with(".m3u8") { moving(request) } else { served(request) }
}

pub(super) async fn get_as(gateway: &Gateway, path: &str, name: &str) -> Answer {
    Player::get_as(gateway.stream, path, name).await
}

pub(super) async fn list_as(gateway: &Gateway, path: &str, name: &str) -> String {
    let answer = get_as(gateway, path, name).await;
    assert_eq!(answer.status(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body.bytes));
    answer.text().to_owned()
}

pub(super) fn first_link(base: &str, text: &str) -> String {
    follow(base, &uris(text)[0])
}

pub(super) async fn sessions(gateway: &Gateway) -> Vec<serde_json::Value> {
    let text = gateway.admin_get("/api/v1/sessions").await;
    serde_json::from_str::<serde_json::Value>(&text).unwrap().as_array().unwrap().clone()
}

#[tokio::test]
async fn fifty_clients_cost_one_fetch_for_each_reload_and_one_for_each_segment() {
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let gateway =
        Gateway::start(&format!("{LIMITS}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"))
            .await;
    let stream = gateway.stream;
    for round in 1..=4 {
        let mut clients = JoinSet::new();
        for client in 0..50 {
            clients.spawn(async move {
                let name = format!("client-{client}");
                let list = Player::get_as(stream, CHANNEL, &name).await.text().to_owned();
                let newest = follow(CHANNEL, uris(&list).last().unwrap());
                let segment = Player::get_as(stream, &newest, &name).await;
                assert_eq!(segment.status(), 200);
                assert_eq!(segment.head.header("ETag"), Some("\"s\""));
                (list, segment.body.bytes)
            });
        }
        let got = clients.join_all().await;
        let sequence = format!("#EXT-X-MEDIA-SEQUENCE:{}\n", 100 + round);
        let newest = file(&format!("/n-{}.ts", 102 + round));
        for (text, segment) in got {
            assert!(text.contains(&sequence), "{text}");
            assert!(segment == newest, "other bytes");
        }
        let lists = |asked: &&Recorded| asked.path().ends_with(".m3u8");
        assert_eq!(origin.seen().iter().filter(lists).count(), round, "one for all");
        // Whoever comes first does not know that others will.
        let segments = origin.seen().len() - round;
        assert!((round..=round + 1).contains(&segments), "{segments} in round {round}");
    }
    assert_eq!(sessions(&gateway).await.len(), 50);
    assert_eq!(gateway.metric("weir_sessions{channel=\"one\"}").await, 50.0);
}

#[tokio::test]
async fn a_player_is_one_session_whatever_it_asks_for() {
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let gateway =
        Gateway::start(&format!("{LIMITS}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"))
            .await;
    let mut bytes = 0;
    for _ in 0..3 {
        let list = list_as(&gateway, CHANNEL, "player").await;
        let segment = get_as(&gateway, &first_link(CHANNEL, &list), "player").await;
        assert_eq!(segment.status(), 200);
        bytes += segment.body.bytes.len() as u64;
    }
    let listed = sessions(&gateway).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["way"], "hls");
    assert_eq!(listed[0]["bytes"], bytes);
}

#[tokio::test]
async fn a_session_ends_when_its_player_asks_no_more() {
    let origin = Origin::start(live).await;
    let url = origin.url("/live.m3u8");
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{quiet: {{sources: [{url:?}], kind: hls}}}}"
    ))
    .await;
    list_as(&gateway, "/hls/quiet/playlist.m3u8", "player").await;
    let gone = async || sessions(&gateway).await.is_empty().then_some(());
    eventually_async("three target durations without a request", gone).await;
    let ends = logs();
    let ends: Vec<_> = ends
        .lines()
        .filter(|it| it.contains("channel=quiet") && it.contains("session ends"))
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert!(ends[0].contains("end=\"client_closed\""), "{ends:?}");
    let metric = "weir_sessions_total{channel=\"quiet\",end=\"client_closed\"}";
    assert_eq!(gateway.metric(metric).await, 1.0);
}

#[tokio::test]
async fn a_link_of_a_session_that_has_ended_begins_it_again() {
    let origin = Origin::start(live).await;
    let url = origin.url("/live.m3u8");
    let text = format!(
        "{LIMITS}\nhls: {{seal_key: 0123456789-0123456789-0123456789}}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"
    );
    let gateway = Gateway::start(&text).await;
    let link = first_link(CHANNEL, &list_as(&gateway, CHANNEL, "player").await);
    let other = Gateway::start(&text).await;
    assert_eq!(get_as(&other, &link, "player").await.status(), 200);
    assert_eq!(sessions(&other).await.len(), 1);
}

#[tokio::test]
async fn those_who_watch_a_channel_share_a_slot_and_a_zap_takes_it_over() {
    let origin = Origin::start(live).await;
    let channels: Vec<_> = ["one", "two"]
        .map(|id| {
            let url = origin.url(&format!("/{id}.m3u8"));
            format!("  {id}: {{kind: hls, sources: [{{url: {url:?}, provider: p}}]}}\n")
        })
        .into();
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nfailover: {{rounds: 0, slot_wait: 100ms}}\nproviders: {{p: {{max_connections: 1}}}}\nchannels:\n{}",
        channels.concat()
    ))
    .await;
    let other = "/hls/two/playlist.m3u8";
    list_as(&gateway, CHANNEL, "a").await;
    list_as(&gateway, CHANNEL, "b").await;
    assert_eq!(gateway.metric("weir_upstream_connections{provider=\"p\"}").await, 1.0);
    let refused = get_as(&gateway, other, "c").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.head.header("Retry-After").is_some());
    let refused = get_as(&gateway, other, "a").await;
    assert_eq!(refused.status(), 503, "it is b's too");
    let gone = async || sessions(&gateway).await.is_empty().then_some(());
    eventually_async("both have gone", gone).await;
    list_as(&gateway, CHANNEL, "a").await;
    list_as(&gateway, other, "a").await;
    let playing = sessions(&gateway).await;
    assert_eq!(playing.len(), 1);
    assert_eq!(playing[0]["channel"], "two");
}

#[tokio::test]
async fn cookies_go_back_to_their_origin_with_everything_and_nowhere_else() {
    let elsewhere = Origin::start(served).await;
    let foreign = elsewhere.url("/elsewhere.ts");
    let origin = Origin::start(move |request| match request.path() {
        "/live.m3u8" => {
            let text = format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.key\"\n#EXTINF:2,\nn.ts\n#EXTINF:2,\n{foreign}\n"
            );
            let fields = [
                ("Content-Type", "application/x-mpegurl"),
                ("Content-Length", &text.len().to_string()),
                ("Set-Cookie", "sid=s3cret; Path=/; HttpOnly"),
            ];
            Script::head("200 OK", &fields).body(text).next_request()
        }
        _ => served(request),
    })
    .await;
    let url = origin.url("/live.m3u8");
    let gateway =
        Gateway::start(&format!("{LIMITS}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"))
            .await;
    let answer = get_as(&gateway, CHANNEL, "a").await;
    assert_eq!(answer.head.header("Set-Cookie"), None);
    for uri in uris(answer.text()) {
        let part = get_as(&gateway, &follow(CHANNEL, &uri), "a").await;
        assert_eq!(part.status(), 200, "{uri}");
    }
    list_as(&gateway, CHANNEL, "a").await;
    // b is given the answer that a was, and the cookie with it.
    let list = list_as(&gateway, CHANNEL, "b").await;
    get_as(&gateway, &first_link(CHANNEL, &list), "b").await;
    let cookies: Vec<_> =
        origin.seen().iter().map(|asked| asked.header("Cookie").map(str::to_owned)).collect();
    let own = Some("sid=s3cret".to_owned());
    assert_eq!(cookies, [None, own.clone(), own.clone(), own.clone(), own]);
    assert_eq!(elsewhere.seen()[0].header("Cookie"), None);
}

#[tokio::test]
async fn delivery_directives_reach_the_source_and_nothing_else_does() {
    let origin = Origin::start(live).await;
    let url = origin.url("/live.m3u8?token=t");
    let gateway =
        Gateway::start(&format!("{LIMITS}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"))
            .await;
    list_as(&gateway, CHANNEL, "a").await;
    let path = format!("{CHANNEL}?_HLS_msn=105&x=1&_HLS_part=0&_HLS_skip=YES");
    list_as(&gateway, &path, "a").await;
    let targets: Vec<_> = origin.seen().iter().map(|asked| asked.target().to_owned()).collect();
    let expected = "/live.m3u8?token=t&_HLS_msn=105&_HLS_part=0&_HLS_skip=YES";
    assert_eq!(targets, ["/live.m3u8?token=t", expected]);
}

/// Two who watch a channel whose segments are these.
pub(super) async fn two_watching(
    segment: impl Fn(&Recorded) -> Script + Send + Sync + 'static,
) -> (Origin, Gateway, Vec<String>) {
    let origin = Origin::start(move |request| {
        if request.path().ends_with(".m3u8") { moving(request) } else { segment(request) }
    })
    .await;
    let url = origin.url("/slow.m3u8");
    let gateway =
        Gateway::start(&format!("{LIMITS}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"))
            .await;
    let mut links = Vec::new();
    for name in ["a", "b"] {
        links.push(first_link(CHANNEL, &list_as(&gateway, CHANNEL, name).await));
    }
    assert_eq!(origin.seen().len(), 1);
    (origin, gateway, links)
}

/// Asks for a segment as `name`; its head is there.
async fn ask_as(gateway: &Gateway, link: &str, name: &str) -> Player {
    let request = format!("GET {link} HTTP/1.1\r\nHost: x\r\nUser-Agent: {name}\r\n\r\n");
    let (player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player
}

/// How often the origin was asked for the segment that two watch.
fn fetches(origin: &Origin) -> usize {
    origin.seen().iter().filter(|asked| asked.path() == "/n-101.ts").count()
}

#[tokio::test]
async fn a_shared_segment_that_breaks_is_whole_for_nobody() {
    let gate = Gate::new();
    let breaks = gate.clone();
    let broken = move |request: &Recorded| {
        let bytes = file(request.path());
        let length = bytes.len().to_string();
        let head = Script::head("200 OK", &[("Content-Length", &length)]);
        head.body(&bytes[..20_000]).wait(&breaks).reset()
    };
    let (origin, gateway, links) = two_watching(broken).await;
    let one = ask_as(&gateway, &links[0], "a").await;
    let two = ask_as(&gateway, &links[1], "b").await;
    gate.open();
    for mut player in [one, two] {
        let body = player.read_to_end().await;
        assert!(!body.is_complete());
        assert!(file("/n-101.ts").starts_with(&body.bytes));
    }
    assert_eq!(fetches(&origin), 1);
}

#[tokio::test]
async fn a_segment_of_unknown_length_is_each_ones_own_and_so_is_one_without_room() {
    let chunked = |request: &Recorded| {
        Script::head("200 OK", &[("Content-Type", "video/mp2t")]).body(file(request.path())).close()
    };
    let (origin, gateway, links) = two_watching(chunked).await;
    for (name, link) in ["a", "b"].into_iter().zip(&links) {
        let answer = get_as(&gateway, link, name).await;
        assert!(answer.body.bytes == file("/n-101.ts"), "{name}");
    }
    assert_eq!(origin.seen().len(), 1 + 2, "what a fetched for both was a's alone");
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nhls: {{shared_bytes: 0}}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"
    ))
    .await;
    for name in ["a", "b"] {
        let list = list_as(&gateway, CHANNEL, name).await;
        assert_eq!(get_as(&gateway, &first_link(CHANNEL, &list), name).await.status(), 200);
    }
    assert_eq!(origin.seen().len(), 4);
}

#[tokio::test]
async fn a_client_that_leaves_amid_a_shared_segment_is_in_nobodys_way() {
    let gate = Gate::new();
    let goes_on = gate.clone();
    let slow = move |request: &Recorded| {
        let bytes = file(request.path());
        let length = bytes.len().to_string();
        let head = Script::head("200 OK", &[("Content-Length", &length)]);
        head.body(&bytes[..10_000]).wait(&goes_on).body(&bytes[10_000..]).next_request()
    };
    let (origin, gateway, links) = two_watching(slow).await;
    let mut leaves = ask_as(&gateway, &links[0], "a").await;
    leaves.read_exact_body(5_000).await;
    let mut stays = ask_as(&gateway, &links[1], "b").await;
    leaves.close();
    gate.open();
    let body = stays.read_to_end().await;
    assert!(body.bytes == file("/n-101.ts"));
    assert_eq!(fetches(&origin), 1);
}
