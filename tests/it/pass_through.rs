//! Live pass-through: the bytes of the source and nothing but them, whatever framing they came in
//! and whatever HTTP the client speaks; and the head that goes with them.

mod https;

use crate::support::content::Content;
use crate::support::gateway::Gateway;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Refused;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::wire::Parting;

fn pattern() -> TsPattern {
    TsPattern::new(0x11fe)
}

/// A script of sources that must not be asked.
fn never() -> Script {
    panic!("a request to a source that must not be asked")
}

/// A gateway with the live channel `one` from `source`.
async fn gateway(source: &str) -> Gateway {
    Gateway::start(&format!(
        "limits: {{requests_per_second: 100000}}\n\
         channels: {{one: {{sources: [\"{source}\"], kind: live}}}}"
    ))
    .await
}

/// Fields that every answer to a stream request has, errors too.
fn assert_open_to_pages(head: &Head, what: &str) {
    assert_eq!(head.headers("access-control-allow-origin"), ["*"], "{what}");
    let exposed = head.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("Content-Range"), "{what}: {exposed}");
    assert_eq!(head.header("access-control-allow-credentials"), None, "{what}");
}

fn assert_problem(answer: &Answer, status: u16, channel: Option<&str>, what: &str) {
    assert!(answer.body.is_complete(), "{what}: {:?}", answer.body.ending);
    assert_eq!(answer.status(), status, "{what}: {}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"), "{what}");
    let document: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    assert_eq!(document["status"], status, "{what}");
    assert_eq!(document["title"], answer.head.reason, "{what}");
    assert!(document["type"].is_string() && document["detail"].is_string(), "{what}");
    assert_eq!(document["channel"].as_str(), channel, "{what}");
}

#[tokio::test]
async fn every_framing_of_a_source_passes_byte_for_byte() {
    let feed = |packets| Feed::of(pattern()).packets(packets);
    let length = |packets: u64| {
        let length = (packets * PACKET as u64).to_string();
        Script::head("200 OK", &[("Content-Length", &length), ("Content-Type", "video/mp2t")])
    };
    let sizes = Chunks::Random { seed: 5, most: 64 * 1024 };
    let cases = [
        ("HTTP/1.0 until the close", 4000, Script::head_1_0("200 OK", &[]).feed(feed(4000))),
        ("HTTP/1.1 until the close", 4000, Script::live(feed(4000))),
        ("Content-Length", 4000, length(4000).feed(feed(4000))),
        ("chunks of a byte", 100, Script::live_chunked(feed(100), Chunks::Of(1)).last_chunk()),
        ("chunks of 187", 2000, Script::live_chunked(feed(2000), Chunks::Of(187)).last_chunk()),
        (
            "chunks of 64 KiB",
            4000,
            Script::live_chunked(feed(4000), Chunks::Of(65536)).last_chunk(),
        ),
        ("chunks of any size", 4000, Script::live_chunked(feed(4000), sizes).last_chunk()),
        (
            "writes of any size",
            1000,
            Script::new().sliced(8, 1316).then_all(Script::live(feed(1000))),
        ),
        (
            "chunks in writes of any size",
            1000,
            Script::new()
                .sliced(9, 1316)
                .then_all(Script::live_chunked(feed(1000), sizes))
                .last_chunk(),
        ),
        ("ICY", 4000, Script::icy(feed(4000))),
        ("ICY, a byte at a time", 20, Script::new().sliced(1, 1).then_all(Script::icy(feed(20)))),
    ];
    let lengths = cases.clone().map(|(name, packets, _)| (name, packets));
    let scripts = cases.map(|(_, _, script)| script);
    let origin = Origin::start(move |request| scripts[request.number - 1].clone()).await;
    let gateway = gateway(&origin.url("/live/one.ts")).await;
    for (name, packets) in lengths {
        let answer = Player::get(gateway.stream, "/stream/one").await;
        assert_eq!(answer.status(), 200, "{name}");
        assert!(answer.body.is_complete(), "{name}: {:?}", answer.body.ending);
        assert_eq!(answer.body.bytes.len() as u64, packets * PACKET as u64, "{name}");
        pattern().assert_matches(0, &answer.body.bytes);
    }
    assert_eq!((origin.total(), origin.open_max()), (11, 1));
    origin.idle().await;
}

#[tokio::test]
async fn a_stream_that_begins_and_ends_within_a_packet_passes_as_it_is() {
    let origin = Origin::start(|request| {
        let from = 61 * request.number as u64;
        Script::live(Feed::of(pattern()).from(from).bytes(100_001))
    })
    .await;
    let gateway = gateway(&origin.url("/")).await;
    for number in 1..=6 {
        let answer = Player::get(gateway.stream, "/stream/one").await;
        assert_eq!(answer.body.bytes.len(), 100_001, "start {number}");
        pattern().assert_matches(61 * number, &answer.body.bytes);
    }
}

#[tokio::test]
async fn a_stream_that_never_ends_is_passed_on_as_it_comes() {
    let origin = Origin::live(pattern()).await;
    let gateway = gateway(&origin.url("/")).await;
    let (mut player, head) =
        Player::ask(gateway.stream, &presets::vlc(gateway.stream, "/stream/one")).await;
    assert_eq!(head.status, 200);
    // The origin plays in real time: nothing of this can have been held back until an end.
    let body = player.read_exact_body(PACKET * 500).await;
    pattern().assert_matches(0, &body);
    player.close();
    origin.idle().await;
}

#[tokio::test]
async fn clients_of_both_versions_get_a_framing_that_they_know() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).packets(500))).await;
    let gateway = gateway(&origin.url("/")).await;
    let old = [
        presets::get_1_0("/stream/one"),
        "GET /stream/one HTTP/1.0\r\nConnection: close\r\nRange: bytes=0-\r\n\r\n".to_owned(),
    ];
    let new = [
        presets::get("x", "/stream/one"),
        presets::get_keep_alive("x", "/stream/one"),
        presets::kodi_get("x", "/stream/one"),
        presets::exoplayer("x", "/stream/one"),
    ];
    for request in &old {
        let (mut player, head) = Player::ask(gateway.stream, request).await;
        assert_eq!((head.status, &*head.reason), (200, "OK"), "{request}");
        assert_eq!(head.header("transfer-encoding"), None, "{request}");
        assert_eq!(head.header("content-length"), None, "{request}");
        let body = player.read_to_end().await;
        assert!(body.is_complete() && body.bytes.len() == 500 * PACKET, "{request}");
        pattern().assert_matches(0, &body.bytes);
        assert_eq!(player.left().await, Parting::Fin, "{request}");
    }
    for request in &new {
        let (mut player, head) = Player::ask(gateway.stream, request).await;
        assert_eq!((head.status, &*head.version), (200, "HTTP/1.1"), "{request}");
        assert_eq!(head.headers("transfer-encoding"), ["chunked"], "{request}");
        assert_eq!(head.header("content-length"), None, "{request}");
        let body = player.read_to_end().await;
        assert!(body.is_complete() && body.bytes.len() == 500 * PACKET, "{request}");
        pattern().assert_matches(0, &body.bytes);
    }
    assert_eq!(origin.seen().len(), old.len() + new.len());
}

#[tokio::test]
async fn the_head_says_what_players_look_for_and_nothing_of_the_source() {
    let origin = Origin::start(|_| {
        let fields = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", "94000"),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", "max-age=600"),
            ("Set-Cookie", "session=pr0vider"),
            ("Server", "pr0vider/1.0"),
            ("X-Accel-Redirect", "/pr0vider"),
            ("Location", "http://10.0.0.1/pr0vider"),
            ("Refresh", "0; url=http://pr0vider.example/"),
            ("Content-Security-Policy", "default-src pr0vider.example"),
            ("Proxy-Authenticate", "Basic realm=pr0vider"),
            ("Keep-Alive", "timeout=5"),
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "pr0vider"),
            ("icy-name", "pr0vider"),
        ];
        Script::head("200 pr0vider", &fields).feed(Feed::of(pattern()).bytes(94_000))
    })
    .await;
    let gateway = gateway(&origin.url("/")).await;
    let answer = Player::get(gateway.stream, "/stream/one").await;
    let head = &answer.head;
    assert_eq!((head.status, &*head.reason), (200, "OK"));
    assert_eq!(head.headers("content-type"), ["video/mp2t"]);
    assert_eq!(head.headers("cache-control"), ["no-store"]);
    assert_eq!(head.headers("accept-ranges"), ["none"]);
    assert_eq!(head.header("content-length"), None);
    assert!(head.header("date").is_some());
    assert_eq!(head.names_not_in_title_case(), Vec::<&str>::new());
    let text = String::from_utf8_lossy(&head.raw);
    assert!(text.contains("\r\nContent-Type: video/mp2t\r\n"), "{text}");
    assert!(!text.contains("pr0vider") && !text.to_ascii_lowercase().contains("icy"), "{text}");
    assert_open_to_pages(head, "live");
    assert_eq!(answer.body.bytes.len(), 94_000);
}

#[tokio::test]
async fn nothing_of_the_client_reaches_a_live_source() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).packets(50))).await;
    let gateway = gateway(&origin.url("/live/one.ts?a=b")).await;
    let host = "cl1ent.example:18000";
    let nosy = format!(
        "GET /stream/one?format=auto&cl1ent=1 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: cl1ent\r\n\
         Range: bytes=5-10\r\nIf-Range: \"x\"\r\nIf-None-Match: \"cl1ent\"\r\n\
         Cookie: cl1ent=1\r\nAuthorization: Bearer cl1ent\r\nReferer: http://cl1ent.example/\r\n\
         Origin: http://cl1ent.example\r\nX-Forwarded-For: 192.0.2.77\r\nForwarded: for=cl1ent\r\n\
         Accept-Encoding: gzip, br\r\nTE: trailers\r\nConnection: TE, X-Hop\r\nX-Hop: cl1ent\r\n\
         Icy-MetaData: 1\r\nUpgrade: cl1ent\r\nProxy-Authorization: cl1ent\r\n\r\n"
    );
    let requests = [
        nosy,
        presets::vlc(host, "/stream/one"),
        presets::kodi_get(host, "/stream/one"),
        presets::ffmpeg(host, "/stream/one"),
        presets::avplayer_probe(host, "/stream/one"),
        presets::ranged(host, "/stream/one", "bytes=100000-"),
        presets::ranged(host, "/stream/one", "bytes=-1"),
        presets::ranged(host, "/stream/one", "nonsense"),
    ];
    for request in &requests {
        let answer = Player::fetch(gateway.stream, request).await;
        assert_eq!(answer.status(), 200, "{request}");
        assert_eq!(answer.head.header("content-range"), None, "{request}");
        assert_eq!(answer.head.header("accept-ranges"), Some("none"), "{request}");
        pattern().assert_matches(0, &answer.body.bytes);
        assert_eq!(answer.body.bytes.len(), 50 * PACKET, "{request}");
    }
    let seen = origin.requests(requests.len()).await;
    for request in &seen {
        request.assert_well_formed();
        assert_eq!((request.method(), request.target()), ("GET", "/live/one.ts?a=b"));
        assert_eq!(request.header("host"), Some(&*origin.authority()));
        assert_eq!(request.headers("accept-encoding"), ["identity"], "{request:?}");
        assert_eq!(request.headers("connection"), ["close"], "{request:?}");
        let names: Vec<String> =
            request.lines().map(|(name, _)| name.to_ascii_lowercase()).collect();
        for name in &names {
            let known = ["host", "user-agent", "accept", "accept-encoding", "connection"];
            assert!(known.contains(&&**name), "{name} in {request:?}");
        }
        assert!(!request.text().contains("cl1ent"), "{request:?}");
        assert!(request.header("user-agent").is_some_and(|agent| !agent.contains("VLC")));
    }
    assert_eq!(seen.len(), requests.len());
}

#[tokio::test]
async fn head_and_options_are_answered_without_a_source() {
    let origin = Origin::live(pattern()).await;
    let gateway = gateway(&origin.url("/")).await;
    let mut player = Player::connect(gateway.stream).await;
    for round in 0..50 {
        player.send(presets::kodi_head("x", "/stream/one")).await;
        let head = player.head().await;
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some("video/mp2t")),
            "{round}"
        );
        assert_eq!(head.header("accept-ranges"), Some("none"));
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_open_to_pages(&head, "HEAD");
        assert!(player.read_to_end().await.bytes.is_empty());
        player
            .send(
                "OPTIONS /stream/one HTTP/1.1\r\nHost: x\r\nOrigin: http://page.example\r\n\
                 Access-Control-Request-Method: GET\r\n\
                 Access-Control-Request-Headers: range\r\n\r\n",
            )
            .await;
        let head = player.head().await;
        assert!([200, 204].contains(&head.status), "{}", head.status);
        assert_open_to_pages(&head, "OPTIONS");
        let allowed = head.header("access-control-allow-headers").unwrap_or_default();
        assert!(allowed.to_ascii_lowercase().contains("range"), "{allowed}");
        let methods = head.header("access-control-allow-methods").unwrap_or_default();
        assert!(methods.contains("GET") && !methods.contains("POST"), "{methods}");
        player.read_to_end().await;
    }
    assert_eq!(origin.total(), 0, "nobody asked for the stream itself");
    // And the connection is good for the stream then.
    player.send(presets::kodi_get("x", "/stream/one")).await;
    assert_eq!(player.head().await.status, 200);
    pattern().assert_matches(0, &player.read_exact_body(10 * PACKET).await);
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn every_name_of_a_channel_leads_to_its_stream() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).packets(40))).await;
    let gateway = gateway(&origin.url("/")).await;
    let targets = [
        "/stream/one",
        "/stream/one?format=ts",
        "/stream/one?format=auto",
        "/stream/one?profile=passthrough",
        "/stream/one?anything=else",
        "/relay/channel/one/stream",
        "/relay/channel/one/stream?format=ts",
        "/relay/channel/one/stream?format=auto",
    ];
    for target in targets {
        let answer = Player::get(gateway.stream, target).await;
        assert_eq!(answer.status(), 200, "{target}: {}", answer.text());
        assert_eq!(answer.body.bytes.len(), 40 * PACKET, "{target}");
        pattern().assert_matches(0, &answer.body.bytes);
    }
    assert_eq!(origin.total(), targets.len());
    for target in ["/stream/two", "/relay/channel/two/stream", "/stream/two?format=ts"] {
        let answer = Player::get(gateway.stream, target).await;
        assert_problem(&answer, 404, Some("two"), target);
    }
    for target in ["/", "/stream/", "/stream/one/", "/stream/one/x", "/relay/channel/one", "/live"]
    {
        let answer = Player::get(gateway.stream, target).await;
        assert_problem(&answer, 404, None, target);
    }
    for form in ["hls", "dash", "hls-fmp4"] {
        let answer = Player::get(gateway.stream, &format!("/stream/one?format={form}")).await;
        assert_problem(&answer, 406, Some("one"), form);
    }
    assert_problem(
        &Player::get(gateway.stream, "/stream/one?format=x").await,
        400,
        Some("one"),
        "x",
    );
    assert_problem(
        &Player::get(gateway.stream, "/stream/one?profile=x").await,
        406,
        Some("one"),
        "x",
    );
    assert_eq!(origin.total(), targets.len(), "only what exists is asked for upstream");
}

#[tokio::test]
async fn pages_may_read_every_answer_errors_too() {
    let refused = Refused::new();
    let gateway = gateway(&refused.url("/")).await;
    let line = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    let cases = [
        (line("GET /stream/one HTTP/1.1"), 502),
        (line("GET /stream/none HTTP/1.1"), 404),
        (line("GET /nothing HTTP/1.1"), 404),
        (line("GET /stream/one?format=hls HTTP/1.1"), 406),
        (line("GET /stream/one?format=x HTTP/1.1"), 400),
        (line("GET /s/forged HTTP/1.1"), 403),
        (line("POST /stream/one HTTP/1.1"), 405),
        (line("DELETE /stream/one HTTP/1.1"), 405),
        (line("TRACE /stream/one HTTP/1.1"), 405),
        (line("BREW /stream/one HTTP/1.1"), 501),
        ("GET /stream/one HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /stream/one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        (line("GET /health HTTP/1.1"), 200),
        (line("GET /playlist.m3u HTTP/1.1"), 200),
        (line("HEAD /stream/one HTTP/1.1"), 200),
    ];
    for (request, status) in &cases {
        let answer = Player::fetch(gateway.stream, request).await;
        assert_eq!(answer.status(), *status, "{request}{}", answer.text());
        assert_open_to_pages(&answer.head, request);
        assert!(!answer.head.reason.is_empty(), "{request}");
        assert_eq!(answer.head.names_not_in_title_case(), Vec::<&str>::new(), "{request}");
    }
    assert_eq!(cases.len(), 15);
}

#[tokio::test]
async fn a_limit_that_is_reached_is_told_to_pages_too() {
    let origin = Origin::live(pattern()).await;
    let gateway = Gateway::start(&format!(
        "limits: {{clients_per_ip: 1, requests_per_second: 2}}\n\
         channels: {{one: {{sources: [\"{}\"], kind: live}}}}",
        origin.url("/")
    ))
    .await;
    let (mut playing, head) = Player::ask(gateway.stream, &presets::get("x", "/stream/one")).await;
    assert_eq!(head.status, 200);
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) {
        let answer = Player::get(gateway.stream, "/stream/one").await;
        assert_open_to_pages(&answer.head, "limit");
        assert!(answer.head.header("retry-after").is_some(), "{}", answer.status());
        statuses.push(answer.status());
        assert!(statuses.len() < 10_000, "the rate has no limit");
    }
    assert!(statuses.contains(&503), "{statuses:?}");
    playing.read_exact_body(PACKET).await;
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn an_error_leaves_the_connection_good_for_the_next_request() {
    let origin = Origin::start(|request| match request.attempt {
        1 => Script::error("500 Internal Server Error"),
        2 => Script::html("<html>not yet</html>"),
        _ => Script::live(Feed::of(pattern()).packets(30)),
    })
    .await;
    let gateway = gateway(&origin.url("/")).await;
    let mut player = Player::connect(gateway.stream).await;
    for (target, status) in
        [("/stream/none", 404), ("/stream/one", 502), ("/stream/one", 502), ("/stream/one", 200)]
    {
        player.send(presets::get_keep_alive("x", target)).await;
        let head = player.head().await;
        assert_eq!(head.status, status);
        assert!(player.read_to_end().await.is_complete());
    }
    assert_eq!(gateway.metric("weir_connections{listener=\"stream\"}").await, 1.0);
}
