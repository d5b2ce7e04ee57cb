//! What crosses the gateway and what does not: every byte of a source's request, every field of a
//! client's answer, and who a client is behind proxies.

use crate::support::content::Content;
use crate::support::eventually::eventually;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

/// Everything that a client might say and that is none of a source's business; no line is one that
/// a gateway must refuse.
const BAD_REQUEST_FIELDS: &str = "\
    Authorization: Basic Y2xpZW50OnNlY3JldA==\r\n\
    Cookie: session=secret\r\n\
    Cookie2: $Version=1\r\n\
    Proxy-Authorization: Basic Y2xpZW50OnNlY3JldA==\r\n\
    Proxy-Connection: keep-alive\r\n\
    Proxy-Foo: bar\r\n\
    Referer: https://tv.example/secret\r\n\
    Origin: https://tv.example\r\n\
    User-Agent: Mozilla/5.0 (Client)\r\n\
    Via: 1.1 other\r\n\
    Forwarded: for=203.0.113.1;host=evil.example\r\n\
    X-Forwarded-For: 203.0.113.1\r\n\
    X-Forwarded-Host: evil.example\r\n\
    X-Forwarded-Proto: https\r\n\
    X-Forwarded-Prefix: /evil\r\n\
    X-Real-IP: 203.0.113.1\r\n\
    X-Original-URL: /evil\r\n\
    X-Rewrite-URL: /evil\r\n\
    X-HTTP-Method-Override: DELETE\r\n\
    X-Playback-Session-Id: 4711\r\n\
    X-Api-Key: secret\r\n\
    X-Foo: bar\r\n\
    Accept: text/html\r\n\
    Accept-Encoding: gzip, br\r\n\
    Accept-Language: de\r\n\
    Accept-Charset: UTF-8\r\n\
    Cache-Control: no-cache\r\n\
    Pragma: no-cache\r\n\
    Content-Type: text/plain\r\n\
    Content_Length: 5\r\n\
    Transfer_Encoding: chunked\r\n\
    Keep-Alive: timeout=5\r\n\
    TE: trailers\r\n\
    Trailer: X-Foo\r\n\
    Upgrade: h2c, websocket\r\n\
    HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-Fetch-Site: cross-site\r\n\
    Icy-MetaData: 1\r\n\
    Max-Forwards: 0\r\n\
    From: someone@example\r\n\
    DNT: 1\r\n\
    Early-Data: 1\r\n\
    Priority: u=1\r\n\
    Content-Range: bytes 0-1/2\r\n\
    Range_: bytes=0-1\r\n";

/// The names in [`BAD_REQUEST_FIELDS`].
fn bad_request_names() -> Vec<&'static str> {
    BAD_REQUEST_FIELDS.lines().filter_map(|line| Some(line.trim().split_once(':')?.0)).collect()
}

fn weir() -> String {
    format!("weir/{}", env!("CARGO_PKG_VERSION"))
}

/// Title-Case names of the fields of `head`, sorted.
fn names(head: &Head) -> Vec<&str> {
    let mut names: Vec<_> = head.lines.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_live_source_gets_these_bytes_and_not_one_of_the_client() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = Gateway::start(&format!(
        "channels: {{tv: {{sources: [\"{}\"], kind: live}}}}",
        origin.url_as("us%65r:pa%3Ass", "/live/a%2fb.ts?k=v&token=for-the-source")
    ))
    .await;
    let expected = format!(
        "GET /live/a%2fb.ts?k=v&token=for-the-source HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Basic dXNlcjpwYTpzcw==\r\nUser-Agent: {}\r\nAccept: */*\r\n\
         Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
        origin.authority(),
        weir()
    );
    let connections = [
        "Connection: keep-alive\r\n",
        "Connection: X-Foo, Host, Content-Length, Range, Authorization, User-Agent\r\n",
        "Connection: Upgrade, HTTP2-Settings, TE, close\r\nKeep-Alive: 300\r\n",
    ];
    for connection in connections {
        let request = format!(
            "GET /stream/tv?a=b&c HTTP/1.1\r\nHost: weir\r\n{BAD_REQUEST_FIELDS}{connection}\
             Range: bytes=5-\r\nIf-Range: \"x\"\r\nIf-None-Match: \"y\"\r\n\
             If-Modified-Since: Sat, 01 Feb 2025 10:20:30 GMT\r\n\r\n"
        );
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200);
        player.read_exact_body(PACKET).await;
    }
    let seen = origin.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.text(), expected);
    }
    origin.assert_one_request_each();
}

#[tokio::test]
async fn a_vod_source_gets_ranges_and_conditions_besides() {
    let vod = Vod::start(VodFile::of_length(10_000)).await;
    let gateway = Gateway::start(&format!(
        "channels: {{film: {{sources: [\"{}\"], kind: vod}}}}",
        vod.url("/film.mp4?k=v")
    ))
    .await;
    let modified = "Sat, 01 Feb 2025 10:20:30 GMT";
    let range = "Range: bytes=0-9\r\n".to_owned();
    let cases = [
        (range.clone(), range.clone()),
        (format!("{range}If-Range: \"weir-1\"\r\n"), format!("If-Range: \"weir-1\"\r\n{range}")),
        ("range:bytes=-5\r\n".to_owned(), "Range: bytes=-5\r\n".to_owned()),
        (
            "If-None-Match: \"x\", W/\"y\"\r\n".to_owned(),
            "If-None-Match: \"x\", W/\"y\"\r\n".to_owned(),
        ),
        ("If-Match: \"weir-1\"\r\n".to_owned(), "If-Match: \"weir-1\"\r\n".to_owned()),
        (
            format!("If-Modified-Since: {modified}\r\n"),
            format!("If-Modified-Since: {modified}\r\n"),
        ),
        (
            format!("If-Unmodified-Since: {modified}\r\n"),
            format!("If-Unmodified-Since: {modified}\r\n"),
        ),
        // Without a range its condition means nothing, and two ranges are none.
        ("If-Range: \"weir-1\"\r\n".to_owned(), String::new()),
        (range.repeat(2), String::new()),
        // What the client's Connection names is for the gateway alone.
        (format!("Connection: Range\r\n{range}"), String::new()),
    ];
    for (fields, passed) in &cases {
        let request =
            format!("GET /stream/film HTTP/1.1\r\nHost: weir\r\n{BAD_REQUEST_FIELDS}{fields}\r\n");
        let answer = Player::fetch(gateway.stream, &request).await;
        assert!([200, 206, 304].contains(&answer.status()), "{fields}: {}", answer.status());
        let request = vod.seen().pop().unwrap();
        assert_eq!(
            request.text(),
            format!(
                "GET /film.mp4?k=v HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: */*\r\n\
                 Accept-Encoding: identity\r\n{passed}Connection: close\r\n\r\n",
                vod.authority(),
                weir()
            ),
            "{fields}"
        );
    }
    assert_eq!(cases.len(), 10);
    let request =
        format!("HEAD /stream/film HTTP/1.1\r\nHost: weir\r\n{BAD_REQUEST_FIELDS}{range}\r\n");
    let head = Player::fetch(gateway.stream, &request).await.head;
    assert_eq!((head.status, head.content_length()), (200, Some(10_000)));
    let request = vod.seen().pop().unwrap();
    assert_eq!((request.method(), request.header("range")), ("HEAD", None));
    vod.assert_one_request_each();
    for request in vod.seen() {
        for name in bad_request_names() {
            let own = ["user-agent", "accept", "accept-encoding"];
            let value = request.header(name);
            assert!(value.is_none() || own.contains(&name.to_lowercase().as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_playlist_and_its_segments_are_asked_for_without_the_client_too() {
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts?b=c\n"),
        _ => Script::whole("200 OK", "video/mp2t", TsPattern::new(1).packets(0, 10)),
    })
    .await;
    let gateway = Gateway::start(&format!(
        "channels: {{hls: {{sources: [\"{}\"], kind: hls}}}}",
        origin.url("/list.m3u8?k=v")
    ))
    .await;
    let get = |target: &str| {
        format!(
            "GET {target} HTTP/1.1\r\nHost: weir\r\nConnection: X-Foo, close\r\n{BAD_REQUEST_FIELDS}\r\n"
        )
    };
    let list = Player::fetch(gateway.stream, &get("/hls/hls/playlist.m3u8")).await;
    let uri = list.text().lines().last().unwrap().trim_start_matches("../").to_owned();
    let segment = Player::fetch(gateway.stream, &get(&format!("/{uri}"))).await;
    assert_eq!(segment.body.bytes, TsPattern::new(1).packets(0, 10));
    let expected = ["/list.m3u8?k=v", "/a.ts?b=c"].map(|target| {
        format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\n\r\n",
            origin.authority(),
            weir()
        )
    });
    let seen: Vec<_> = origin.seen().iter().map(|request| request.text().to_owned()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn user_agent_and_fields_are_the_sources_else_the_providers_else_our_own() {
    let origin = Origin::start(|_| Script::live(Feed::of(TsPattern::new(1)).rate(1_000_000))).await;
    let url = origin.url("/x.ts");
    let gateway = Gateway::start(&format!(
        "providers:\n  \
           acme:\n    \
             max_connections: 10\n    \
             user_agent: \"VLC/3.0.20 LibVLC/3.0.20\"\n    \
             headers: {{Referer: \"https://acme.example/\", X-Key: of-acme}}\n  \
           plain: {{max_connections: 10}}\n\
         channels:\n  \
           own: {{kind: live, sources: [\"{url}\"]}}\n  \
           plain: {{kind: live, sources: [{{url: \"{url}\", provider: plain}}]}}\n  \
           acme: {{kind: live, sources: [{{url: \"{url}\", provider: acme}}]}}\n  \
           both:\n    \
             kind: live\n    \
             sources: [{{url: \"{url}\", provider: acme, user_agent: Lavf/60, headers: {{x-key: of-source, Cookie: a=b, Accept: video/mp2t}}}}]\n",
    ))
    .await;
    let own = weir();
    let cases = [
        ("own", own.as_str(), None, None, None, "*/*"),
        ("plain", own.as_str(), None, None, None, "*/*"),
        (
            "acme",
            "VLC/3.0.20 LibVLC/3.0.20",
            Some("https://acme.example/"),
            Some("of-acme"),
            None,
            "*/*",
        ),
        (
            "both",
            "Lavf/60",
            Some("https://acme.example/"),
            Some("of-source"),
            Some("a=b"),
            "video/mp2t",
        ),
    ];
    for (channel, user_agent, referer, key, cookie, accept) in cases {
        let request = format!(
            "GET /stream/{channel} HTTP/1.1\r\nHost: weir\r\n{BAD_REQUEST_FIELDS}X-Key: of-client\r\n\r\n"
        );
        let (player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200, "{channel}");
        player.close();
        let request = origin.seen().pop().unwrap();
        assert_eq!(request.headers("user-agent"), [user_agent], "{channel}");
        assert_eq!(request.headers("referer"), Vec::from_iter(referer), "{channel}");
        assert_eq!(request.headers("x-key"), Vec::from_iter(key), "{channel}");
        assert_eq!(request.headers("cookie"), Vec::from_iter(cookie), "{channel}");
        assert_eq!(request.headers("accept"), [accept], "{channel}");
        assert_eq!(request.headers("accept-encoding"), ["identity"], "{channel}");
    }
    assert_eq!(origin.seen().len(), 4);
    origin.assert_one_request_each();
}

#[tokio::test]
async fn fields_and_credentials_stay_with_their_host_when_a_source_redirects() {
    let other = Origin::builder()
        .on(std::net::Ipv4Addr::new(127, 0, 0, 2))
        .start(|_| Script::live(Feed::of(TsPattern::new(1)).rate(1_000_000)))
        .await;
    let away = other.url("/away.ts");
    let origin = Origin::start(move |request| match request.path() {
        "/here.ts" => Script::redirect("302 Found", "/there.ts"),
        "/there.ts" => Script::redirect("302 Found", &away),
        _ => Script::error("404 Not Found"),
    })
    .await;
    let gateway = Gateway::start(&format!(
        "egress: {{private: [127.0.0.2/32]}}\n\
         providers: {{acme: {{user_agent: A/1, headers: {{X-Key: of-acme, Cookie: a=b}}}}}}\n\
         channels: {{tv: {{kind: live, sources: [{{url: \"{}\", provider: acme}}]}}}}",
        origin.url_as("user:pass", "/here.ts")
    ))
    .await;
    let (_player, head) =
        Player::ask(gateway.stream, &presets::get_keep_alive("weir", "/stream/tv")).await;
    assert_eq!(head.status, 200);
    let seen = origin.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!(request.header("authorization"), Some("Basic dXNlcjpwYXNz"));
        assert_eq!(request.header("x-key"), Some("of-acme"));
    }
    assert_eq!(
        other.seen()[0].text(),
        format!(
            "GET /away.ts HTTP/1.1\r\nHost: {}\r\nUser-Agent: A/1\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
            other.authority()
        )
    );
}

/// Everything that a source might say and that no client may hear.
const BAD_RESPONSE_FIELDS: [(&str, &str); 46] = [
    ("Set-Cookie", "id=secret; Path=/"),
    ("Set-Cookie2", "id=secret"),
    ("Server", "nginx/1.2.3"),
    ("X-Powered-By", "PHP/5"),
    ("Via", "1.1 cache"),
    ("X-Cache", "HIT"),
    ("X-Foo", "bar"),
    ("X-Accel-Redirect", "/protected"),
    ("X-Sendfile", "/etc/passwd"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "1"),
    ("X-Source-Url", "http://origin.example/secret"),
    ("Location", "http://10.0.0.1/"),
    ("Content-Location", "http://10.0.0.1/"),
    ("Refresh", "0; url=http://10.0.0.1/"),
    ("Link", "<http://10.0.0.1/>; rel=preload"),
    ("Alt-Svc", "h3=\":443\""),
    ("Alt-Used", "evil.example"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Strict-Transport-Security", "max-age=1"),
    ("Public-Key-Pins", "max-age=1"),
    ("Clear-Site-Data", "\"*\""),
    ("Service-Worker-Allowed", "/"),
    ("SourceMap", "/map"),
    ("NEL", "{}"),
    ("Report-To", "{}"),
    ("P3P", "CP=1"),
    ("Timing-Allow-Origin", "*"),
    ("Access-Control-Allow-Origin", "https://evil.example"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Methods", "DELETE"),
    ("Access-Control-Expose-Headers", "Set-Cookie"),
    ("WWW-Authenticate", "Basic realm=\"source\""),
    ("Authentication-Info", "x"),
    ("Proxy-Authenticate", "Basic realm=\"proxy\""),
    ("Proxy-Authentication-Info", "x"),
    ("Proxy-Connection", "keep-alive"),
    ("Keep-Alive", "timeout=5"),
    ("TE", "trailers"),
    ("Trailer", "X-Foo"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAMAAABk"),
    ("Retry-After", "5"),
    ("Allow", "DELETE"),
    ("icy-name", "station"),
];

#[tokio::test]
async fn a_client_of_a_live_channel_hears_nothing_that_its_source_says_but_the_type() {
    let origin = Origin::start(|_| {
        let mut fields = vec![("Content-Type", "application/octet-stream")];
        fields.extend(BAD_RESPONSE_FIELDS);
        fields.extend([
            ("Connection", "X-Foo, Content-Type, close"),
            ("Date", "Sun, 01 Jun 2025 00:00:00 GMT"),
            ("ETag", "\"x\""),
            ("Last-Modified", "Sun, 01 Jun 2025 00:00:00 GMT"),
            ("Cache-Control", "public, max-age=3600"),
            ("Expires", "Sun, 01 Jun 2025 00:00:00 GMT"),
            ("Age", "5"),
            ("Vary", "Cookie"),
            ("Accept-Ranges", "bytes"),
            ("Content-Disposition", "attachment; filename=x.exe"),
            ("Content-Language", "de"),
        ]);
        Script::head("200 Fine", &fields).feed(Feed::of(TsPattern::new(1)).rate(1_000_000))
    })
    .await;
    let gateway = Gateway::start(&format!(
        "channels: {{tv: {{sources: [\"{}\"], kind: live}}}}",
        origin.url("/x.ts")
    ))
    .await;
    let (mut player, head) =
        Player::ask(gateway.stream, &presets::get_keep_alive("weir", "/stream/tv")).await;
    assert_eq!((head.status, head.reason.as_str()), (200, "OK"));
    assert_eq!(
        names(&head),
        [
            "Accept-Ranges",
            "Access-Control-Allow-Origin",
            "Access-Control-Expose-Headers",
            "Cache-Control",
            "Content-Type",
            "Date",
            "Transfer-Encoding",
        ]
    );
    assert_eq!(head.header("content-type"), Some("video/mp2t"));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("accept-ranges"), Some("none"));
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_ne!(head.header("date"), Some("Sun, 01 Jun 2025 00:00:00 GMT"));
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(100 * PACKET).await);
}

#[tokio::test]
async fn a_client_of_a_film_hears_what_describes_the_file_and_nothing_else() {
    let mut file = VodFile::of_length(10_000);
    for (name, value) in BAD_RESPONSE_FIELDS {
        file = file.field(name, value);
    }
    let file = file
        .field("Connection", "X-Bar, Content-Length, Content-Language")
        .field("X-Bar", "secret")
        .field("Content-Language", "de")
        .field("Content-Disposition", "attachment; filename=\"film.mp4\"")
        .field("Cache-Control", "public, max-age=3600");
    let vod = Vod::start(file).await;
    let gateway = Gateway::start(&format!(
        "channels: {{film: {{sources: [\"{}\"], kind: vod}}}}",
        vod.url("/film.mp4")
    ))
    .await;
    let whole = [
        "Accept-Ranges",
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
        "Cache-Control",
        "Content-Disposition",
        "Content-Length",
        "Content-Type",
        "Date",
        "Etag",
        "Last-Modified",
    ];
    let part = [&whole[..6], &["Content-Range"], &whole[6..]].concat();
    let requests = [
        (presets::get_keep_alive("weir", "/stream/film"), 200, whole.to_vec()),
        (presets::head("weir", "/stream/film"), 200, whole.to_vec()),
        (presets::ranged("weir", "/stream/film", "bytes=1-2"), 206, part),
    ];
    for (request, status, expected) in &requests {
        let answer = Player::fetch(gateway.stream, request).await;
        assert_eq!(answer.status(), *status);
        assert_eq!(names(&answer.head), *expected, "{request}");
        assert_eq!(answer.head.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.head.header("etag"), Some("\"weir-1\""));
        // Framing cannot be named away.
        let length = if *status == 206 { 2 } else { 10_000 };
        assert_eq!(answer.head.content_length(), Some(length), "{request}");
        assert!(answer.body.is_complete());
    }
    // Nor does the head of an answer without a body say more.
    for (request, status) in [
        ("If-None-Match: \"weir-1\"\r\n", 304),
        ("If-Match: \"other\"\r\n", 412),
        ("Range: bytes=99999-\r\n", 416),
    ] {
        let request = format!("GET /stream/film HTTP/1.1\r\nHost: weir\r\n{request}\r\n");
        let head = Player::fetch(gateway.stream, &request).await.head;
        assert_eq!(head.status, status);
        for (name, _) in BAD_RESPONSE_FIELDS {
            let ours = name.starts_with("Access-Control-");
            let value = head.header(name);
            assert!(value.is_none() || (ours && value != Some("https://evil.example")), "{name}");
        }
    }
}

#[tokio::test]
async fn the_page_of_a_source_that_fails_does_not_reach_the_client() {
    let origin = Origin::start(|request| {
        let status = request.path().trim_start_matches('/').replace('-', " ");
        let mut fields = vec![("Content-Type", "text/html"), ("Content-Length", "32")];
        fields.extend(BAD_RESPONSE_FIELDS.into_iter().filter(|(name, _)| *name != "Location"));
        Script::head(&status, &fields).body("<html>secret of the source</html>".get(..32).unwrap())
    })
    .await;
    let statuses = [
        ("400-Bad", 502),
        ("401-Unauthorized", 502),
        ("403-Forbidden", 502),
        ("404-Not-Found", 404),
        ("407-Proxy", 502),
        ("410-Gone", 410),
        ("429-Slow", 503),
        ("456-None", 503),
        ("500-Oops", 502),
        ("503-Busy", 502),
        ("200-OK", 502),
    ];
    let channels: String = statuses
        .iter()
        .flat_map(|(status, _)| {
            ["live", "vod", "hls"].map(|kind| {
                let id = format!("{kind}-{}", status.split('-').next().unwrap());
                let url = origin.url(&format!("/{status}"));
                format!("  {id}: {{sources: [\"{url}\"], kind: {kind}}}\n")
            })
        })
        .collect();
    let gateway =
        Gateway::start(&format!("limits: {{requests_per_second: 10000}}\nchannels:\n{channels}"))
            .await;
    let mut seen = 0;
    for (status, expected) in statuses {
        let code = status.split('-').next().unwrap();
        for kind in ["live", "vod", "hls"] {
            let answer = Player::get(gateway.stream, &format!("/stream/{kind}-{code}")).await;
            // That a file is gone is the viewer's news; that a stream is, the gateway's failure.
            let passed = matches!(expected, 404 | 410) && kind == "vod";
            let expected = if matches!(expected, 404 | 410) && !passed { 502 } else { expected };
            assert_eq!(answer.status(), expected, "{kind} {status}");
            assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
            assert!(!answer.text().contains("secret"), "{}", answer.text());
            let allowed = [
                "Access-Control-Allow-Origin",
                "Access-Control-Expose-Headers",
                "Cache-Control",
                "Connection",
                "Content-Length",
                "Content-Type",
                "Date",
                "Retry-After",
            ];
            for name in names(&answer.head) {
                assert!(allowed.contains(&name), "{kind} {status}: {name}");
            }
            let retry = answer.head.header("retry-after").is_some();
            assert_eq!(retry, expected == 503, "{kind} {status}");
            seen += 1;
        }
    }
    assert_eq!(seen, 33);
}

#[tokio::test]
async fn trailers_of_a_source_are_dropped() {
    let origin = Origin::start(|request| {
        let body = TsPattern::new(1).packets(0, 20);
        let fields = [
            ("Content-Type", "video/mp2t"),
            ("Transfer-Encoding", "chunked"),
            ("Trailer", "X-Foo"),
        ];
        let many = "X-Foo: secret\r\n".repeat(if request.path() == "/many.ts" { 50 } else { 1 });
        Script::head("200 OK", &fields)
            .chunked(crate::support::origin::Chunks::Of(1000))
            .body(body)
            .last_chunk_with(&format!(
                "{many}Host: evil\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n"
            ))
    })
    .await;
    let gateway = Gateway::start(&format!(
        "channels: {{one: {{sources: [\"{}\"], kind: vod}}, many: {{sources: [\"{}\"], kind: vod}}}}",
        origin.url("/one.ts"),
        origin.url("/many.ts")
    ))
    .await;
    for id in ["one", "many"] {
        let answer = Player::get(gateway.stream, &format!("/stream/{id}")).await;
        assert_eq!(answer.status(), 200, "{id}");
        assert!(answer.body.is_complete(), "{id}: {:?}", answer.body.ending);
        assert_eq!(answer.body.bytes, TsPattern::new(1).packets(0, 20), "{id}");
        assert_eq!(answer.body.trailers, [], "{id}");
        assert_eq!(answer.head.header("trailer"), None, "{id}");
    }
}

/// Asks for `/stream/{channel}` with `fields`; the status.
async fn ask_as(gateway: &Gateway, channel: &str, fields: &str) -> u16 {
    let request = format!("GET /stream/{channel} HTTP/1.1\r\nHost: weir\r\n{fields}\r\n");
    let (player, head) = Player::ask(gateway.stream, &request).await;
    player.close();
    head.status
}

/// Waits for the line that says that a session of `channel` begins, and returns its client.
async fn client_of(channel: &str) -> String {
    eventually("the session's line", || {
        let (start, end) = (format!("channel={channel} "), "session begins");
        let logs = logs();
        let line = logs.lines().find(|line| line.contains(&start) && line.contains(end))?;
        let rest = line.split_once("client=")?.1;
        Some(rest.split_whitespace().next()?.to_owned())
    })
    .await
}

#[tokio::test]
async fn an_untrusted_peer_is_who_it_is_whatever_it_says() {
    let origin = Origin::start(|_| Script::live(Feed::of(TsPattern::new(1)).rate(1_000_000))).await;
    let many =
        |count: usize| format!("X-Forwarded-For: {}\r\n", vec!["203.0.113.7"; count].join(", "));
    let cases = [
        "X-Forwarded-For: 203.0.113.7\r\n".to_owned(),
        "X-Forwarded-For: 203.0.113.7, 127.0.0.1\r\n".to_owned(),
        "X-Forwarded-For: 2001:db8::7\r\n".to_owned(),
        "X-Forwarded-For: unknown, \"garbage\", ,,\r\n".to_owned(),
        "Forwarded: for=203.0.113.7\r\n".to_owned(),
        "X-Real-IP: 203.0.113.7\r\n".to_owned(),
        many(50),
        many(1000),
    ];
    // Let in by its own address, and kept out although it claims one that is let in.
    let channels: String = (0..cases.len())
        .map(|n| {
            format!(
                "  hygiene-untrusted-{n}: {{sources: [\"{}\"], kind: live}}\n",
                origin.url("/x.ts")
            )
        })
        .collect();
    let inside = Gateway::start(&format!("channels:\n{channels}")).await;
    let outside = Gateway::start(&format!(
        "access: {{allow: [203.0.113.0/24, 2001:db8::/32]}}\nchannels:\n{channels}"
    ))
    .await;
    for (n, fields) in cases.iter().enumerate() {
        let id = format!("hygiene-untrusted-{n}");
        assert_eq!(ask_as(&outside, &id, fields).await, 403, "{n}");
        assert_eq!(ask_as(&inside, &id, fields).await, 200, "{n}");
        assert_eq!(client_of(&id).await, "127.0.0.1", "{n}");
    }
    assert_eq!(origin.seen().len(), cases.len());
    assert_eq!(cases.len(), 8);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_the_last_one_that_nobody_trusts() {
    let origin = Origin::start(|_| Script::live(Feed::of(TsPattern::new(1)).rate(1_000_000))).await;
    let chain = |hops: &str| format!("X-Forwarded-For: {hops}\r\n");
    let cases = [
        (chain("203.0.113.7"), "203.0.113.7", 200),
        (chain("198.51.100.1, 203.0.113.7"), "203.0.113.7", 200),
        (chain("203.0.113.7, 198.51.100.1"), "198.51.100.1", 403),
        (chain("198.51.100.1, 203.0.113.7, 10.1.2.3, 127.0.0.1"), "203.0.113.7", 200),
        (chain("203.0.113.7:4711"), "203.0.113.7", 200),
        (chain("2001:db8::7"), "2001:db8::7", 200),
        (chain("[2001:db8::7]:4711"), "2001:db8::7", 200),
        (chain("::ffff:203.0.113.7"), "203.0.113.7", 200),
        (format!("{}{}", chain("198.51.100.1"), chain("203.0.113.7")), "203.0.113.7", 200),
        (
            "Forwarded: for=198.51.100.1, for=203.0.113.7;proto=https\r\n".to_owned(),
            "203.0.113.7",
            200,
        ),
        ("Forwarded: for=\"[2001:db8::7]:4711\"\r\n".to_owned(), "2001:db8::7", 200),
        (format!("{}Forwarded: for=203.0.113.7\r\n", chain("198.51.100.1")), "198.51.100.1", 403),
        // Nothing that can be believed leaves the proxy itself, which is not let in here.
        (chain("203.0.113.7, unknown"), "127.0.0.1", 403),
        (chain(&format!("{}, nonsense", vec!["203.0.113.7"; 900].join(","))), "127.0.0.1", 403),
        (String::new(), "127.0.0.1", 403),
    ];
    let channels: String = (0..cases.len())
        .map(|n| {
            format!(
                "  hygiene-trusted-{n}: {{sources: [\"{}\"], kind: live}}\n",
                origin.url("/x.ts")
            )
        })
        .collect();
    let gateway = Gateway::start(&format!(
        "trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n\
         access: {{allow: [203.0.113.0/24, 2001:db8::/32]}}\nchannels:\n{channels}"
    ))
    .await;
    for (n, (fields, client, status)) in cases.iter().enumerate() {
        let id = format!("hygiene-trusted-{n}");
        assert_eq!(ask_as(&gateway, &id, fields).await, *status, "{fields}");
        if *status == 200 {
            assert_eq!(client_of(&id).await, *client, "{fields}");
        }
    }
    assert_eq!(cases.len(), 15);
    assert_eq!(origin.seen().len(), 10);
    for request in origin.seen() {
        assert_eq!((request.header("x-forwarded-for"), request.header("forwarded")), (None, None));
    }
}

#[tokio::test]
async fn a_chain_of_five_thousand_hops_is_too_long_a_head() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = Gateway::start(&format!(
        "trusted_proxies: [127.0.0.0/8]\nchannels: {{tv: {{sources: [\"{}\"], kind: live}}}}",
        origin.url("/x.ts")
    ))
    .await;
    let hops = vec!["203.0.113.7"; 5000].join(",");
    assert_eq!(ask_as(&gateway, "tv", &format!("X-Forwarded-For: {hops}\r\n")).await, 431);
    assert_eq!(origin.total(), 0);
}
