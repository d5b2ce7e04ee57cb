//! Sources that answer with anything but a stream: nothing of it reaches the client, the next source
//! is asked, and the client learns in one clean answer what became of its request.

mod bodies;
mod heads;

use std::time::Duration;

use crate::support::capture::Canary;
use crate::support::content::Content;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::BlackHole;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Refused;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

fn pattern() -> TsPattern {
    TsPattern::new(0xfa17)
}

fn good() -> Script {
    Script::live(Feed::of(pattern()).packets(60))
}

fn assert_good(answer: &Answer, what: &str) {
    assert_eq!(answer.status(), 200, "{what}: {}", String::from_utf8_lossy(&answer.body.bytes));
    assert_eq!(answer.body.bytes.len(), 60 * PACKET, "{what}");
    pattern().assert_matches(0, &answer.body.bytes);
}

/// A problem document about `channel`, and nothing else.
fn assert_problem(answer: &Answer, status: u16, channel: &str, what: &str) {
    assert!(answer.body.is_complete(), "{what}: {:?}", answer.body.ending);
    assert_eq!(answer.status(), status, "{what}: {}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(answer.head.header("access-control-allow-origin"), Some("*"), "{what}");
    let document: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    assert_eq!(document["status"], status, "{what}");
    assert_eq!(document["channel"], channel, "{what}");
    assert!(answer.body.bytes.len() < 4096, "{what}");
}

/// A gateway with the live channels given as name and sources.
async fn gateway(head: &str, channels: &[(String, Vec<String>)]) -> Gateway {
    let channels: String = channels
        .iter()
        .map(|(name, sources)| format!("  {name}: {{kind: live, sources: {sources:?}}}\n"))
        .collect();
    let limits = "limits: {requests_per_second: 100000}";
    Gateway::start(&format!("{limits}\n{head}\nchannels:\n{channels}")).await
}

/// A gateway with one channel, `one`.
async fn single(head: &str, sources: Vec<String>) -> Gateway {
    gateway(head, &[("one".to_owned(), sources)]).await
}

/// For each script two channels, one that has nothing else and one that has a good source behind.
async fn alone_and_backed(scripts: Vec<Script>) -> (Origin, Origin, Gateway) {
    let count = scripts.len();
    let bad = Origin::start(move |request| {
        let number: usize = request.path().trim_start_matches('/').parse().unwrap();
        scripts[number].clone()
    })
    .await;
    let backup = Origin::start(|_| good()).await;
    let mut channels = Vec::new();
    for number in 0..count {
        let url = bad.url(&format!("/{number}"));
        channels.push((format!("alone-{number}"), vec![url.clone()]));
        channels.push((format!("backed-{number}"), vec![url, backup.url("/")]));
    }
    let gateway = gateway("", &channels).await;
    (bad, backup, gateway)
}

#[tokio::test]
async fn a_success_that_is_no_stream_is_never_shown_to_the_client() {
    let typed = |body: &str| Script::whole("200 OK", "video/mp2t", format!("{body} 0ffl1ne"));
    let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n0ffl1ne.ts\n";
    let chunked = || Script::head("200 OK", &[("Transfer-Encoding", "chunked")]);
    let cases = [
        ("HTML", Script::html("<!DOCTYPE html><html>0ffl1ne</html>")),
        ("HTML as a stream", typed("<html>")),
        ("HTML behind white space", typed("\r\n\r\n  <html>")),
        ("XML", typed("\u{feff}<?xml version=\"1.0\"?><e2simplexmlresult/>")),
        ("JSON", Script::json("{\"error\": \"0ffl1ne\"}")),
        ("a JSON list", typed("[{\"error\": 1}]")),
        ("an M3U list", Script::m3u("#EXTM3U\n#EXTINF:-1,0ffl1ne\nhttp://x/0ffl1ne\n")),
        ("an HLS playlist", Script::m3u(hls)),
        ("a status line", typed("HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")),
        ("text", typed("Your account has expired.")),
        ("long text", typed(&"Too many connections. ".repeat(50))),
        ("text that begins with the sync byte", typed("GET lost")),
        ("no bytes, with a length", Script::whole("200 OK", "video/mp2t", "")),
        ("no bytes, until the close", Script::head_1_0("200 OK", &[])),
        ("no bytes, in chunks", chunked().last_chunk()),
        ("half a packet", Script::live(Feed::of(pattern()).bytes(100))),
        ("a few bytes of anything", typed("\u{1f}\u{8b}\u{8}\u{0}\u{0}\u{ff}")),
        ("text, a byte a chunk", {
            chunked().chunked(Chunks::Of(1)).body("Your account has expired, 0ffl1ne").last_chunk()
        }),
        ("HTML without an end", Script::live(Feed::of(pattern()).bytes(0)).body("<html>").stall()),
        ("204", Script::head("204 No Content", &[])),
        ("206", Script::head("206 Partial Content", &[]).feed(Feed::of(pattern()).packets(9))),
        ("304", Script::head("304 Not Modified", &[])),
    ];
    let count = cases.len();
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    let scripts = cases.into_iter().map(|(_, script)| script).collect();
    let (bad, backup, gateway) = alone_and_backed(scripts).await;
    for (number, name) in names.iter().enumerate() {
        let channel = format!("alone-{number}");
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 502, &channel, name);
        Canary::new(["0ffl1ne"]).assert_absent(name, &answer.everything());
        let answer = Player::get(gateway.stream, &format!("/stream/backed-{number}")).await;
        assert_good(&answer, name);
        assert_eq!(bad.seen().len(), 2 * (number + 1), "{name}: the bad one was asked first");
        assert_eq!(backup.total(), number + 1, "{name}");
    }
    assert_eq!(names.len(), count);
    bad.idle().await;
    let metric = |outcome| format!("weir_upstream_attempts_total{{{outcome}}}");
    let silent = metric("channel=\"alone-0\",source=\"0\",outcome=\"not_media\"");
    assert_eq!(gateway.metric(&silent).await, 1.0);
}

#[tokio::test]
async fn sources_are_tried_in_their_order_and_the_client_sees_the_good_one_only() {
    let refused = Refused::new();
    let origin = Origin::start(|request| match request.path() {
        "/2" => Script::error("404 Not Found"),
        "/3" => Script::error("500 Internal Server Error"),
        "/4" => Script::html("<html></html>"),
        "/5" => Script::new().close(),
        "/6" => Script::new().reset(),
        "/7" => Script::head("200 OK", &[("Content-Length", "5000")]).body("\x47").close(),
        _ => good(),
    })
    .await;
    let mut sources = vec![refused.url("/1")];
    sources.extend((2..=9).map(|number| origin.url(&format!("/{number}"))));
    let gateway = single("", sources).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get("x", "/stream/one")).await;
    let head = player.head().await;
    assert_eq!((head.status, head.interim.len()), (200, 0));
    let body = player.read_to_end().await;
    assert_good(&Answer { head, body }, "the eighth source");
    let asked: Vec<String> = origin.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(asked, ["/2", "/3", "/4", "/5", "/6", "/7", "/8"]);
    assert_eq!(origin.open_max(), 1, "one connection after the other");
    for (source, outcome) in [
        (0, "refused"),
        (1, "not_found"),
        (2, "server_error"),
        (3, "not_media"),
        (4, "closed"),
        (5, "closed"),
        (7, "ok"),
    ] {
        let name = format!(
            "weir_upstream_attempts_total{{channel=\"one\",source=\"{source}\",outcome=\"{outcome}\"}}"
        );
        assert_eq!(gateway.metric(&name).await, 1.0, "{name}\n{}", gateway.metrics().await);
    }
}

#[tokio::test]
async fn when_every_source_is_dead_the_gateway_says_bad_gateway() {
    let refused = [Refused::new(), Refused::new()];
    let origin = Origin::start(|request| match request.path() {
        "/closed" => Script::new().close(),
        "/reset" => Script::new().reset(),
        "/half" => Script::new().raw("HTTP/1.1 200 OK\r\nContent-Ty").close(),
        "/500" => Script::error("500 Internal Server Error"),
        _ => Script::error("404 Not Found"),
    })
    .await;
    let channels = [
        ("refused".to_owned(), refused.iter().map(|port| port.url("/")).collect()),
        ("unknown".to_owned(), vec!["http://no-such-host.invalid/".to_owned()]),
        ("closed".to_owned(), vec![origin.url("/closed")]),
        ("reset".to_owned(), vec![origin.url("/reset")]),
        ("half".to_owned(), vec![origin.url("/half")]),
        ("mixed".to_owned(), vec![origin.url("/404"), refused[0].url("/"), origin.url("/500")]),
    ];
    let gateway = gateway("failover: {rounds: 0, connect_timeout: 15s}", &channels).await;
    for (channel, _) in &channels {
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 502, channel, channel);
        assert_eq!(answer.head.header("retry-after"), None);
    }
    assert_eq!(channels.len(), 6);
}

#[tokio::test]
async fn when_every_source_is_silent_the_gateway_says_timeout() {
    let hole = BlackHole::start().await;
    let deaf = Origin::builder().start_at_accept(|_| Script::new().stall()).await;
    let origin = Origin::start(|request| match request.path() {
        "/no-head" => Script::silent(),
        "/half-head" => Script::new().raw("HTTP/1.1 200 OK\r\nContent-").stall(),
        "/no-body" => Script::live(Feed::of(pattern()).bytes(0)).stall(),
        "/no-chunk" => Script::head("200 OK", &[("Transfer-Encoding", "chunked")]).stall(),
        "/half-packet" => Script::live(Feed::of(pattern()).bytes(77)).stall(),
        "/interim" => Script::new().raw("HTTP/1.1 103 Early Hints\r\n\r\n").stall(),
        path => panic!("{path}"),
    })
    .await;
    let paths = ["/no-head", "/half-head", "/no-body", "/no-chunk", "/half-packet", "/interim"];
    let mut urls: Vec<String> = paths.iter().map(|path| origin.url(path)).collect();
    urls.push(hole.url("/"));
    urls.push(format!("http://{}/", deaf.address()));
    urls.push(format!("https://{}/", deaf.address()));
    let mut channels: Vec<(String, Vec<String>)> = urls
        .iter()
        .enumerate()
        .map(|(number, url)| (format!("silent-{number}"), vec![url.clone()]))
        .collect();
    channels.push(("all".to_owned(), urls.clone()));
    let gateway = gateway(
        "failover: {rounds: 0, response_timeout: 200ms, connect_timeout: 200ms}",
        &channels,
    )
    .await;
    for (channel, sources) in &channels {
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 504, channel, &format!("{sources:?}"));
    }
    assert_eq!(channels.len(), 10);
    origin.idle().await;
    deaf.idle().await;
    assert_eq!(origin.open_max(), 1, "what has timed out is closed before the next is asked");
}

#[tokio::test]
async fn a_silent_source_is_left_for_one_that_plays() {
    let origin = Origin::start(|request| match request.path() {
        "/silent" => Script::live(Feed::of(pattern()).bytes(0)).stall(),
        _ => good(),
    })
    .await;
    let head = "failover: {rounds: 0, response_timeout: 200ms}";
    let gateway = single(head, vec![origin.url("/silent"), origin.url("/good")]).await;
    assert_good(&Player::get(gateway.stream, "/stream/one").await, "behind a silent one");
    assert_eq!(origin.closed(1).await[0].number, 1);
    assert_eq!(origin.open_max(), 1);
}

#[tokio::test]
async fn a_slow_head_in_time_is_waited_for() {
    let origin = Origin::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n";
        Script::new().drip(head, Duration::from_millis(2)).feed(Feed::of(pattern()).packets(60))
    })
    .await;
    let gateway =
        single("failover: {rounds: 0, response_timeout: 15s}", vec![origin.url("/")]).await;
    assert_good(&Player::get(gateway.stream, "/stream/one").await, "a byte every 2 ms");
}

#[tokio::test]
async fn every_status_of_a_source_becomes_one_that_the_viewer_can_use() {
    // What a player does with it counts: 401 would ask the viewer for a password that is not theirs.
    let cases = [
        ("300 Multiple Choices", 502),
        ("305 Use Proxy", 502),
        ("400 Bad Request", 502),
        ("401 Unauthorized", 502),
        ("402 Payment Required", 502),
        ("403 Forbidden", 502),
        ("404 Not Found", 502),
        ("405 Method Not Allowed", 502),
        ("406 Not Acceptable", 502),
        ("407 Proxy Authentication Required", 502),
        ("408 Request Timeout", 502),
        ("410 Gone", 502),
        ("412 Precondition Failed", 502),
        ("416 Range Not Satisfiable", 502),
        ("418 I'm a teapot", 502),
        ("429 Too Many Requests", 503),
        ("451 Unavailable For Legal Reasons", 502),
        ("456 <none>", 503),
        ("458 ", 503),
        ("500 Internal Server Error", 502),
        ("502 Bad Gateway", 502),
        ("503 Service Unavailable", 502),
        ("504 Gateway Timeout", 502),
        ("509 Bandwidth Limit Exceeded", 503),
        ("511 Network Authentication Required", 502),
        ("599 ", 502),
        // No reason phrase, and not even the space before it.
        ("404", 502),
    ];
    let scripts = cases
        .iter()
        .map(|(status, _)| {
            let fields = [
                ("WWW-Authenticate", "Basic realm=\"pr0vider\""),
                ("Proxy-Authenticate", "Basic realm=\"pr0vider\""),
                ("Set-Cookie", "pr0vider=1"),
                ("Content-Length", "13"),
            ];
            Script::head(status, &fields).body("from pr0vider").next_request()
        })
        .collect();
    let (bad, backup, gateway) = alone_and_backed(scripts).await;
    for (number, (status, expected)) in cases.iter().enumerate() {
        let channel = format!("alone-{number}");
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, *expected, &channel, status);
        assert_eq!(answer.head.header("www-authenticate"), None, "{status}");
        Canary::new(["pr0vider"]).assert_absent(status, &answer.everything());
        let retry = answer.head.header("retry-after").map(str::parse::<u64>);
        assert_eq!(retry.is_some_and(|seconds| seconds.is_ok()), *expected == 503, "{status}");
        let answer = Player::get(gateway.stream, &format!("/stream/backed-{number}")).await;
        assert_good(&answer, status);
    }
    assert_eq!((bad.seen().len(), backup.total()), (2 * cases.len(), cases.len()));
    assert_eq!(cases.len(), 27);
}

#[tokio::test]
async fn impossible_statuses_are_a_bad_gateway() {
    let lines = [
        "HTTP/1.1 99 Early",
        "HTTP/1.1 000 Zero",
        "HTTP/1.1 600 Beyond",
        "HTTP/1.1 999 No",
        "HTTP/1.1 1000 More",
        "HTTP/1.1 2OO OK",
        "HTTP/1.1 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 199 Odd",
        "HTTP/1.1 101 Switching Protocols",
        "HTTP/0.9 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.10 200 OK",
        "http/1.1 200 OK",
        "HTTPS/1.1 200 OK",
        "RTSP/1.0 200 OK",
        "ICY200 OK",
        "",
        "200 OK",
    ];
    let script = |line: &&str| {
        Script::new().raw(format!("{line}\r\n\r\n")).feed(Feed::of(pattern()).packets(60))
    };
    let scripts = lines.iter().map(script).collect();
    let (bad, _backup, gateway) = alone_and_backed(scripts).await;
    for (number, line) in lines.iter().enumerate() {
        let channel = format!("alone-{number}");
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 502, &channel, line);
        let answer = Player::get(gateway.stream, &format!("/stream/backed-{number}")).await;
        assert_good(&answer, line);
    }
    assert_eq!(bad.seen().len(), 2 * lines.len());
    assert_eq!(lines.len(), 26);
}

#[tokio::test]
async fn a_source_at_its_limit_tells_the_client_when_to_come_again() {
    let cases = [
        (Some("7"), "7"),
        (Some("0"), "1"),
        (Some("99999999999999999999999"), "300"),
        (Some("Wed, 21 Oct 2015 07:28:00 GMT"), "10"),
        (Some("-5"), "10"),
        (None, "10"),
    ];
    let scripts = cases
        .iter()
        .map(|(given, _)| {
            let mut fields = vec![("Content-Length", "0")];
            fields.extend(given.map(|given| ("Retry-After", given)));
            Script::head("429 Too Many Requests", &fields).next_request()
        })
        .collect();
    let (_limited, _backup, gateway) = alone_and_backed(scripts).await;
    for (number, (given, told)) in cases.iter().enumerate() {
        let channel = format!("alone-{number}");
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 503, &channel, &format!("{given:?}"));
        assert_eq!(answer.head.headers("retry-after"), [*told], "{given:?}");
        let answer = Player::get(gateway.stream, &format!("/stream/backed-{number}")).await;
        assert_good(&answer, "a limit of one source is none of the next");
    }
    assert_eq!(cases.len(), 6);
}

#[tokio::test]
async fn a_huge_error_page_is_not_read_to_its_end() {
    const PAGE: usize = 10 << 20;
    let origin = Origin::start(|request| match request.path() {
        "/error" => Script::long_error("500 Internal Server Error", PAGE),
        "/page" => Script::html(&format!("<html>{}", "x".repeat(PAGE))),
        path => panic!("{path}"),
    })
    .await;
    let channels =
        ["error", "page"].map(|name| (name.to_owned(), vec![origin.url(&format!("/{name}"))]));
    let gateway = gateway("", &channels).await;
    for channel in ["error", "page"] {
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 502, channel, channel);
        Canary::new(["xxxxxxxx"]).assert_absent(channel, &answer.everything());
    }
    let closed = origin.closed(2).await;
    assert!(closed.iter().all(|connection| connection.written < PAGE as u64), "all was taken");
}

#[tokio::test]
async fn a_client_is_told_which_sources_failed_and_no_secret_of_them() {
    let origin = Origin::start(|_| Script::error("403 Forbidden")).await;
    let source =
        origin.url_as("us3rname:pa55word", "/live/us3rname/pa55word/7.ts?token=t0kenvalue");
    let gateway = gateway("", &[("secretive".to_owned(), vec![source])]).await;
    let answer = Player::get(gateway.stream, "/stream/secretive").await;
    assert_problem(&answer, 502, "secretive", "403");
    assert!(answer.text().contains("source 0"), "{}", answer.text());
    let canary = Canary::new(["us3rname", "pa55word", "t0kenvalue", "us3rname:pa55word"]);
    assert!(canary.is_present(&origin.requests(1).await[0].head));
    canary.assert_absent("the answer", &answer.everything());
    canary.assert_absent("the metrics", gateway.metrics().await.as_bytes());
    canary.assert_absent("the log", logs().as_bytes());
    let log = logs();
    let line = log
        .lines()
        .find(|line| line.contains("no stream for a client") && line.contains("secretive"));
    assert!(line.is_some_and(|line| line.contains("ERROR") && line.contains("403")), "{line:?}");
}
