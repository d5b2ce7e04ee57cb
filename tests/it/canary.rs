//! Secrets are planted wherever a configuration has room for one, and wherever sources and clients
//! bring their own; then everything happens that may go right or wrong, and everything that anybody
//! can read is searched for them.

use std::net::SocketAddr;

use weir::config;
use weir::config::Environment;

use crate::support::capture::Canary;
use crate::support::capture::base64_of;
use crate::support::enigma2::Enigma2;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Refused;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::TsPattern;

const SERVICE: &str = "1:0:19:132F:3EF:1:C00000:0:0:0:";
const UNKNOWN: &str = "1:0:19:DEAD:3EF:1:C00000:0:0:0:";

const SOURCE_USER: &str = "cnry-source-user";
const SOURCE_PASSWORD: &str = "cnry:source/pass word";
const PATH_USER: &str = "cnry-path-user";
const PATH_PASSWORD: &str = "cnry-path-pass";
const QUERY_TOKEN: &str = "cnry-query-token";
const RECEIVER_USER: &str = "cnry-receiver-user";
const RECEIVER_PASSWORD: &str = "cnry:receiver pass";
const PROVIDER_KEY: &str = "cnry-provider-key";
const SOURCE_KEY: &str = "cnry-source-key";
const ACCESS_TOKEN: &str = "cnry-access-token";
const ADMIN_TOKEN: &str = "cnry-admin-token";
const REDIRECT_TOKEN: &str = "cnry-redirect-token";
const SEGMENT_TOKEN: &str = "cnry-segment-token";
const PAGE_SECRET: &str = "cnry-page-secret";
const SERVICE_URL: &str = "cnry-service-url";
const CLIENT_SECRET: &str = "cnry-client-secret";
const RELOADED: &str = "cnry-reloaded-secret";

fn canary() -> Canary {
    Canary::new([
        SOURCE_USER,
        SOURCE_PASSWORD,
        PATH_USER,
        PATH_PASSWORD,
        QUERY_TOKEN,
        RECEIVER_USER,
        RECEIVER_PASSWORD,
        PROVIDER_KEY,
        SOURCE_KEY,
        ACCESS_TOKEN,
        ADMIN_TOKEN,
        REDIRECT_TOKEN,
        SEGMENT_TOKEN,
        PAGE_SECRET,
        SERVICE_URL,
        CLIENT_SECRET,
        RELOADED,
    ])
}

/// Percent-encoded for a URL.
fn encoded(text: &str) -> String {
    text.replace(':', "%3A").replace('/', "%2F").replace(' ', "%20")
}

/// A URL that is full of secrets.
fn url(origin: &Origin, what: &str) -> String {
    let user_info = format!("{}:{}", encoded(SOURCE_USER), encoded(SOURCE_PASSWORD));
    let path = format!("/{what}/{PATH_USER}/{PATH_PASSWORD}/1.x?token={QUERY_TOKEN}&a=b");
    origin.url_as(&user_info, &path)
}

/// The provider: what it does stands in the first part of the path.
fn answer(request: &Recorded) -> Script {
    let first = request.path().split('/').nth(1).unwrap_or("").to_owned();
    let bad = [
        ("Set-Cookie", PAGE_SECRET),
        ("X-Account", PATH_USER),
        ("WWW-Authenticate", "Basic realm=\"cnry-page-secret\""),
        ("Content-Type", "text/html"),
    ];
    let page =
        |status: &str| Script::head(status, &bad).body(format!("<html>{PAGE_SECRET} {PATH_USER}"));
    let elsewhere = format!("/live/{PATH_USER}/moved.ts?token={REDIRECT_TOKEN}");
    match first.as_str() {
        "live" => Script::live(Feed::of(TsPattern::new(1)).rate(1_000_000)),
        "vod" => Script::whole("200 OK", "video/mp4", vec![0xa5; 5000]),
        "redirect" => Script::redirect("302 Found", &elsewhere),
        "loop" => Script::redirect("302 Found", request.target()),
        "private" => Script::redirect(
            "302 Found",
            &format!(
                "http://{SOURCE_USER}:{REDIRECT_TOKEN}@127.0.0.9:1/{PATH_USER}?{REDIRECT_TOKEN}"
            ),
        ),
        "nowhere" => {
            Script::redirect("302 Found", &format!("ftp://{SOURCE_USER}@h/{REDIRECT_TOKEN}"))
        }
        "forbidden" => page("403 Forbidden"),
        "unauthorized" => page("401 Unauthorized"),
        "missing" => page("404 Not Found"),
        "limited" => page("429 Too Many Requests"),
        "broken" => page("500 Internal Server Error"),
        "page" => page("200 OK"),
        "text" => Script::new().raw(format!("{PAGE_SECRET} is no HTTP\r\n\r\n")),
        "field" => Script::new().raw(format!("HTTP/1.1 200 OK\r\n{PAGE_SECRET}\r\n\r\n")),
        "framing" => Script::new().raw(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: {PAGE_SECRET}\r\n\r\n{PAGE_SECRET}"
        )),
        "closed" => Script::new().close(),
        "short" => {
            Script::head("200 OK", &[("Content-Length", "5000"), ("Content-Type", "video/mp4")])
                .body(vec![0xa5; 100])
                .reset()
        }
        "silent" => Script::silent(),
        "hls" => Script::m3u(&playlist()),
        "badlist" => {
            Script::m3u(&format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{SEGMENT_TOKEN}\n"))
        }
        "segment" => Script::whole("200 OK", "video/mp2t", TsPattern::new(1).packets(0, 20)),
        _ => page("404 Not Found"),
    }
}

/// Absolute and relative URIs in every place that has one, each with a secret.
fn playlist() -> String {
    let at = |n: u8| format!("/segment/{PATH_USER}/{n}.ts?token={SEGMENT_TOKEN}");
    format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"{}\",IV=0x00\n#EXT-X-MAP:URI=\"{}\"\n\
         #EXTINF:4,\n{}\n#EXTINF:4,\n//127.0.0.1:1{}\n#EXTINF:4,\n\
         http://{SOURCE_USER}:{}@127.0.0.1:1{}\n#EXT-X-ENDLIST\n",
        at(1),
        at(2),
        at(3),
        at(4),
        encoded(SOURCE_PASSWORD),
        at(5)
    )
}

const GOOD: [&str; 4] = ["live", "vod", "redirect", "hls"];
const BAD: [&str; 18] = [
    "loop",
    "private",
    "nowhere",
    "forbidden",
    "unauthorized",
    "missing",
    "limited",
    "broken",
    "page",
    "text",
    "field",
    "framing",
    "closed",
    "short",
    "silent",
    "badlist",
    "refused",
    "https",
];

/// A configuration with a secret in every place that takes one.
fn configuration(origin: &Origin, receiver: &Origin, refused: &Refused) -> String {
    let mut channels = String::new();
    for what in GOOD.into_iter().chain(BAD) {
        let url = match what {
            "refused" => refused.url(&format!("/{PATH_USER}/{PATH_PASSWORD}?token={QUERY_TOKEN}")),
            "https" => url(origin, what).replace("http://", "https://"),
            _ => url(origin, what),
        };
        let kinds: &[&str] = match what {
            "live" | "redirect" => &["live", "auto"],
            "vod" => &["vod", "auto"],
            "hls" => &["hls", "auto"],
            // As a file it would pass untouched, for so it is defined then.
            "badlist" => &["live", "hls", "auto"],
            _ => &["live", "vod", "hls", "auto"],
        };
        for kind in kinds {
            channels += &format!(
                "  {what}-{kind}:\n    kind: {kind}\n    sources:\n      \
                 - {{url: \"{url}\", provider: acme, headers: {{X-Key: {SOURCE_KEY}}}}}\n"
            );
        }
    }
    format!(
        "limits: {{requests_per_second: 100000}}\n\
         failover: {{rounds: 0, connect_timeout: 300ms, response_timeout: 200ms}}\n\
         access: {{tokens: {{tv: {ACCESS_TOKEN}}}, admin_token: {ADMIN_TOKEN}}}\n\
         providers:\n  acme: {{max_connections: 100, headers: {{X-Provider: {PROVIDER_KEY}}}}}\n\
         receivers:\n  \
           box: {{stream: \"{0}\", username: {RECEIVER_USER}, password: \"{RECEIVER_PASSWORD}\"}}\n  \
           locked: {{stream: \"{0}\", username: {RECEIVER_USER}, password: {{env: WRONG}}}}\n\
         channels:\n{channels}  \
           service: {{sources: [{{receiver: box, service: \"{SERVICE}\"}}]}}\n  \
           unknown: {{sources: [{{receiver: box, service: \"{UNKNOWN}\"}}]}}\n  \
           locked: {{sources: [{{receiver: locked, service: \"{SERVICE}\"}}]}}\n  \
           iptv: {{sources: [{{receiver: box, service: \"4097:0:1:0:0:0:0:0:0:0:http%3a//h/{SERVICE_URL}:X\"}}]}}\n",
        receiver.url("")
    )
}

async fn provider() -> Origin {
    Origin::start(answer).await
}

async fn receiver() -> Enigma2 {
    let receiver = Enigma2::builder().credentials(RECEIVER_USER, RECEIVER_PASSWORD);
    receiver.service(SERVICE, TsPattern::new(2)).rate(2_000_000).start().await
}

/// What was read of answers, so far clean.
struct Reader {
    canary: Canary,
    address: SocketAddr,
    answers: usize,
}

impl Reader {
    fn new(address: SocketAddr) -> Self {
        Self { canary: canary(), address, answers: 0 }
    }

    /// Sends `request`, reads the head and the beginning of the body (all of it where it ends) and
    /// searches both; the status.
    async fn ask(&mut self, request: &str) -> (u16, Vec<u8>) {
        let (mut player, head) = Player::ask(self.address, request).await;
        let mut body = Vec::new();
        player
            .discard_while(|chunk| {
                body.extend_from_slice(chunk);
                body.len() < 10_000
            })
            .await;
        let what = format!("the answer to {:?}", request.lines().next().unwrap_or(""));
        self.canary.assert_absent(&what, &head.raw);
        self.canary.assert_absent(&what, &body);
        self.answers += 1;
        (head.status, body)
    }

    /// `target` as somebody who may watch.
    async fn watch(&mut self, target: &str) -> (u16, Vec<u8>) {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer {ACCESS_TOKEN}\r\n\
             Cookie: a={CLIENT_SECRET}\r\nConnection: close\r\n\r\n"
        ))
        .await
    }
}

/// Searches what the admin listener says.
async fn search_admin(address: SocketAddr) {
    let mut admin = Reader::new(address);
    let paths = [
        ("/", 0),
        ("/metrics", 200),
        ("/api/status", 200),
        ("/api/v1/channels", 200),
        ("/api/v1/sessions", 200),
        ("/api/v1/sources", 0),
        ("/api/v1/providers", 0),
        ("/api/v1/events", 404),
        ("/api/v1/none", 404),
        ("/streams", 0),
        ("/stats", 0),
        ("/clients", 0),
        ("/relay", 0),
        ("/openapi.json", 0),
        ("/readyz", 200),
    ];
    for (path, status) in paths {
        for token in [ADMIN_TOKEN, CLIENT_SECRET] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
                 Connection: close\r\n\r\n"
            );
            let (got, _) = admin.ask(&request).await;
            if token == ADMIN_TOKEN && status > 0 {
                assert_eq!(got, status, "{path}");
            }
        }
        admin.ask(&presets::get("localhost", &format!("{path}?token={CLIENT_SECRET}"))).await;
    }
    assert_eq!(admin.answers, 45);
}

/// The log from the moment at which it was made.
struct Log(usize);

impl Log {
    fn begin() -> Self {
        Self(logs().len())
    }

    /// Searches what was written since, once nothing more comes of `gateway`.
    async fn search(self, gateway: Gateway) {
        gateway.stop().await;
        let log = logs();
        // It forgets its beginning when it grows too long.
        let since = log.get(self.0..).unwrap_or(&log);
        assert!(since.contains("stopped"), "the log was read");
        canary().assert_absent("the log", since.as_bytes());
    }
}

#[tokio::test]
async fn whatever_a_source_does_its_secrets_stay_between_it_and_the_gateway() {
    let log = Log::begin();
    let (origin, receiver, refused) = (provider().await, receiver().await, Refused::new());
    let yaml = configuration(&origin, &receiver, &refused);
    let gateway = Gateway::start_with(&yaml, &[("WRONG", PROVIDER_KEY)]).await;
    let mut reader = Reader::new(gateway.stream);
    for what in GOOD {
        for target in [
            format!("/stream/{what}-auto"),
            format!("/stream/{what}-{}", if what == "redirect" { "live" } else { what }),
        ] {
            assert_eq!(reader.watch(&target).await.0, 200, "{target}");
        }
    }
    let mut failed = 0;
    for what in BAD {
        for kind in ["live", "vod", "hls", "auto"] {
            if (what, kind) == ("badlist", "vod") {
                continue;
            }
            let (status, _) = reader.watch(&format!("/stream/{what}-{kind}")).await;
            // A file that breaks off has begun already.
            let begun = what == "short" && ["vod", "auto"].contains(&kind);
            assert!(status >= 400 || begun, "{what}-{kind}: {status}");
            failed += 1;
        }
        let head = format!(
            "HEAD /t/{ACCESS_TOKEN}/stream/{what}-vod HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"
        );
        reader.ask(&head).await;
    }
    assert_eq!(failed, 71);
    for (target, status) in [
        ("/stream/service".to_owned(), 200),
        ("/stream/unknown".to_owned(), 502),
        ("/stream/locked".to_owned(), 502),
        ("/stream/iptv".to_owned(), 502),
        (format!("/{SERVICE}?token={ACCESS_TOKEN}&bitrate=1"), 200),
        (format!("/r/box/{SERVICE}"), 200),
        (format!("/r/locked/{SERVICE}"), 502),
        (format!("/{UNKNOWN}?bitrate=1?x={CLIENT_SECRET}"), 502),
        (format!("/4097:0:1:0:0:0:0:0:0:0:http%3a//h/{CLIENT_SECRET}:X"), 403),
        (format!("/1:0:1:{CLIENT_SECRET}"), 400),
    ] {
        assert_eq!(reader.watch(&target).await.0, status, "{target}");
    }

    // They did reach those that they are meant for.
    let heads: Vec<u8> = origin.seen().iter().flat_map(|request| request.head.to_vec()).collect();
    for secret in [PATH_USER, PATH_PASSWORD, QUERY_TOKEN, PROVIDER_KEY, SOURCE_KEY, REDIRECT_TOKEN]
    {
        assert!(Canary::new([secret]).is_present(&heads), "{secret} reached no source");
    }
    let login = base64_of(format!("{SOURCE_USER}:{SOURCE_PASSWORD}").as_bytes());
    assert!(String::from_utf8_lossy(&heads).contains(&login));
    assert!(receiver.seen().iter().any(|request| request.text().contains(SERVICE_URL)));
    // And those of the client or for the gateway reached none.
    let ours = Canary::new([ACCESS_TOKEN, ADMIN_TOKEN, CLIENT_SECRET]);
    ours.assert_absent("what a source was asked", &heads);
    for request in receiver.seen() {
        Canary::new([ACCESS_TOKEN, ADMIN_TOKEN])
            .assert_absent("what the box was asked", &request.head);
    }
    search_admin(gateway.admin).await;
    log.search(gateway).await;
}

#[tokio::test]
async fn a_playlist_leads_on_without_a_word_of_where_it_comes_from() {
    let log = Log::begin();
    let (origin, receiver, refused) = (provider().await, receiver().await, Refused::new());
    let yaml = configuration(&origin, &receiver, &refused);
    let gateway = Gateway::start_with(&yaml, &[("WRONG", "x")]).await;
    let mut reader = Reader::new(gateway.stream);
    let (status, text) = reader.watch("/hls/hls-hls/playlist.m3u8").await;
    assert_eq!(status, 200);
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(&origin.authority()) && !text.contains("127.0.0.1"), "{text}");
    let mut uris: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    uris.extend(text.lines().filter(|line| !line.starts_with('#')));
    assert_eq!(uris.len(), 5, "{text}");
    // The first three lead to the source, the others to where nobody listens.
    for (uri, status) in uris.iter().zip([200, 200, 200, 502, 502]) {
        let target = format!("/{}", uri.trim_start_matches("../"));
        let (got, _) = reader.ask(&presets::get("weir", &target)).await;
        assert_eq!(got, status, "{target}");
        // Changed, they lead nowhere.
        let changed = target.replacen("/s/", "/s/A", 1);
        let (got, _) = reader.ask(&presets::get("weir", &changed)).await;
        assert!([403, 404].contains(&got), "{changed}: {got}");
    }
    let asked: Vec<u8> = origin.seen().iter().flat_map(|request| request.head.to_vec()).collect();
    assert!(Canary::new([SEGMENT_TOKEN]).is_present(&asked));
    search_admin(gateway.admin).await;
    log.search(gateway).await;
}

#[tokio::test]
async fn clients_who_may_not_watch_or_cannot_speak_find_their_words_nowhere() {
    let log = Log::begin();
    let (origin, receiver, refused) = (provider().await, receiver().await, Refused::new());
    let yaml = configuration(&origin, &receiver, &refused);
    let gateway = Gateway::start_with(&yaml, &[("WRONG", "x")]).await;
    let mut reader = Reader::new(gateway.stream);
    let bearer = format!("Authorization: Bearer {CLIENT_SECRET}\r\n");
    let basic =
        format!("Authorization: Basic {}\r\n", base64_of(format!("u:{CLIENT_SECRET}").as_bytes()));
    let requests = [
        (get("/stream/live-live", ""), 401),
        (get("/stream/live-live", &basic), 401),
        (get("/stream/live-live", &bearer), 403),
        (get(&format!("/stream/live-live?token={CLIENT_SECRET}"), ""), 403),
        (get(&format!("/t/{CLIENT_SECRET}/stream/live-live"), ""), 403),
        (get(&format!("/t/{ACCESS_TOKEN}/stream/none"), ""), 404),
        (get(&format!("/t/{ACCESS_TOKEN}/none/{CLIENT_SECRET}"), ""), 404),
        (get(&format!("/none?token={ACCESS_TOKEN}&a={CLIENT_SECRET}"), ""), 404),
        (get(&format!("/stream/live-live?token={ACCESS_TOKEN}&format={CLIENT_SECRET}"), ""), 400),
        (get(&format!("/stream/live-live?token={ACCESS_TOKEN}&profile={CLIENT_SECRET}"), ""), 406),
        (get(&format!("/s/{CLIENT_SECRET}"), ""), 403),
        (get(&format!("/live/{CLIENT_SECRET}/{CLIENT_SECRET}/1.ts?token={ACCESS_TOKEN}"), ""), 404),
        (get("/stream/live-live", &format!("X: {CLIENT_SECRET}\0\r\n")), 400),
        (get("/stream/live-live", &format!("{CLIENT_SECRET} {CLIENT_SECRET}\r\n")), 400),
        (get("/stream/live-live", &format!("Host: {CLIENT_SECRET}\r\n")), 400),
        (get("/stream/live-live", &format!("Expect: {CLIENT_SECRET}\r\n")), 417),
        (get("/stream/live-live", &format!("Transfer-Encoding: {CLIENT_SECRET}\r\n")), 501),
        (format!("GET /{CLIENT_SECRET}\r\n\r\n"), 400),
        (format!("GET http://{CLIENT_SECRET}/ HTTP/1.1\r\nHost: weir\r\n\r\n"), 400),
        (format!("GET /{ACCESS_TOKEN} {CLIENT_SECRET} HTTP/1.1\r\nHost: weir\r\n\r\n"), 400),
        (format!("POST /t/{ACCESS_TOKEN}/stream/live-live HTTP/1.1\r\nHost: weir\r\n\r\n"), 405),
        (format!("{} / HTTP/1.1\r\nHost: weir\r\n\r\n", CLIENT_SECRET.to_uppercase()), 501),
        (get(&format!("/t/{ACCESS_TOKEN}/{}", "x".repeat(20_000)), ""), 414),
        (get("/stream/live-live", &format!("X: {}\r\n", CLIENT_SECRET.repeat(1500))), 431),
    ];
    for (request, status) in &requests {
        assert_eq!(
            reader.ask(request).await.0,
            *status,
            "{:?}",
            &request[..request.len().min(200)]
        );
    }
    assert_eq!(requests.len(), 24);
    assert_eq!(origin.total(), 0);
    search_admin(gateway.admin).await;
    log.search(gateway).await;
}

#[tokio::test]
async fn a_list_of_channels_names_no_source_and_the_token_only_to_whoever_has_it_in_the_url() {
    let log = Log::begin();
    let (origin, receiver, refused) = (provider().await, receiver().await, Refused::new());
    let yaml = configuration(&origin, &receiver, &refused);
    let gateway = Gateway::start_with(&yaml, &[("WRONG", "x")]).await;
    let mut reader = Reader::new(gateway.stream);
    for target in ["/playlist.m3u", "/playlist.m3u8"] {
        let (status, list) = reader.watch(target).await;
        assert_eq!(status, 200);
        assert!(String::from_utf8(list).unwrap().contains("/stream/live-live\n"));
    }
    let (status, _) = reader.watch(&format!("/playlist.m3u?token={CLIENT_SECRET}")).await;
    assert_eq!(status, 403);
    // A list that was fetched by a URL with a token leads on by URLs with that token.
    for target in
        [format!("/t/{ACCESS_TOKEN}/playlist.m3u"), format!("/playlist.m3u?token={ACCESS_TOKEN}")]
    {
        let list = Player::get(gateway.stream, &target).await;
        let urls = list.text().matches(&format!("/t/{ACCESS_TOKEN}/stream/")).count();
        assert!(urls > 50, "{}", list.text());
        let rest = list.text().replace(ACCESS_TOKEN, "");
        canary().assert_absent("the list without its token", rest.as_bytes());
    }
    log.search(gateway).await;
}

/// A GET with further fields.
fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: weir\r\n{fields}Connection: close\r\n\r\n")
}

/// Configurations with a mistake right beside (or in) a secret.
fn mistakes(origin: &Origin) -> Vec<String> {
    let url = url(origin, "live");
    let sources = |sources: &str| format!("channels:\n  one:\n    sources: {sources}\n");
    vec![
        sources(&format!("[\"{url}\"]\n    colour: red")),
        sources(&format!("[\"{url}\", 5]")),
        sources(&format!("[\"{url}")),
        sources(&format!("[\"{url}\" \"{url}\"]")),
        sources(&format!("{{uri: \"{url}\"}}")),
        sources(&format!("\n\t- \"{url}\"")),
        sources(&format!("[{{url: \"{url}\", provider: none}}]")),
        sources(&format!("[{{url: \"{url}\", urls: \"{url}\"}}]")),
        sources(&format!("[{{\"{url}\": x}}]")),
        sources(&format!("[\"{}\"]", url.replace("http:", "rtsp:"))),
        sources(&format!("[\"{}\"]", url.replace("http://", ""))),
        sources(&format!("[\"{}\"]", url.replace("127.0.0.1", "127.0.0.1:x"))),
        sources(&format!("[\"{}\"]", url.replace("127.0.0.1", "[::1"))),
        sources(&format!("[\"{}\"]", url.replace("%20", " "))),
        sources(&format!("[\"{url}#fragment\"]")),
        sources(&format!("[\"{url}{}\"]", "x".repeat(10_000))),
        sources(&format!("[{{url: \"{url}\", headers: {{X-Key: [\"{RELOADED}\"]}}}}]")),
        sources(&format!("[{{url: \"{url}\", headers: {{Host: {RELOADED}}}}}]")),
        sources(&format!("[{{url: \"{url}\", headers: \"X-Key: {RELOADED}\"}}]")),
        sources(&format!("[{{url: \"{url}\", headers: {{X-Key: \"{RELOADED}\\n\\n\"}}}}]")),
        sources(&format!("[{{url: \"{url}\", headers: {{X-Key: \"{RELOADED}\u{fc}\"}}}}]")),
        sources(&format!("[{{url: \"{url}\", headers: {{X-Key: {{literal: {RELOADED}}}}}}}]")),
        sources(&format!(
            "[{{receiver: none, service: \"4097:0:1:0:0:0:0:0:0:0:http%3a//h/{RELOADED}:X\"}}]"
        )),
        sources(&format!("[{{receiver: none, service: \"1:0:1:{RELOADED}\"}}]")),
        sources(&format!(
            "[{{receiver: none, service: 4097:0:1:0:0:0:0:0:0:0:http%3a//h/{RELOADED}:X:}}]"
        )),
        format!("access: {{tokens: {{a: {RELOADED}, b: {RELOADED}}}}}\n"),
        format!("access: {{tokens: {RELOADED}}}\n"),
        format!("access: {{tokens: [{RELOADED}]}}\n"),
        format!("access: {{tokens: {{a: [{RELOADED}]}}}}\n"),
        format!("access: {{admin_token: {{{RELOADED}: {RELOADED}}}}}\n"),
        format!("access: {{admin_token: \"{RELOADED}\\u0007\"}}\n"),
        format!("access: {{admin_token: '{RELOADED}}}\n"),
        format!("access: {{admin_token: *{RELOADED}}}\n"),
        format!("access: {{admin_token: !{RELOADED} x}}\n"),
        format!("receivers: {{box: {{stream: \"http://u:{RELOADED}@h:1/?x={RELOADED}\"}}}}\n"),
        format!("receivers: {{box: {{stream: \"http://h:1\", password: {RELOADED}}}}}\n"),
        format!(
            "receivers: {{box: {{stream: \"http://h:1\", username: \"a:{RELOADED}\", password: x}}}}\n"
        ),
        format!(
            "receivers: {{box: {{stream: \"http://h:1\", username: r, password: {RELOADED}, password: {RELOADED}}}}}\n"
        ),
        format!("providers: {{acme: {{headers: {{X-Key: {RELOADED}, x-key: {RELOADED}}}}}}}\n"),
        format!("providers: {{acme: {{headers: {{X-Key: {RELOADED} # {RELOADED}\n"),
    ]
}

#[tokio::test]
async fn a_reload_with_a_mistake_says_where_it_is_and_not_what_stands_there() {
    let origin = provider().await;
    let good = |path: &str| {
        format!(
            "limits: {{requests_per_second: 100000}}\n\
             access: {{tokens: {{tv: {path}-{ACCESS_TOKEN}}}}}\n\
             providers: {{acme: {{headers: {{X-Key: {path}-{PROVIDER_KEY}}}}}}}\n\
             receivers: {{box: {{stream: \"http://{path}-{SOURCE_USER}:x@127.0.0.1:1\", username: {path}-{RECEIVER_USER}, \
             password: \"{path}-{RECEIVER_PASSWORD}\"}}}}\n\
             channels: {{one: {{kind: live, sources: [{{url: \"{}\", provider: acme, headers: {{X-Own: {path}-{SOURCE_KEY}}}}}]}}}}\n",
            url(&origin, "live").replace("a=b", path)
        )
    };
    let log = Log::begin();
    let gateway = Gateway::start(&good("first")).await;
    let mut reader = Reader::new(gateway.stream);
    let mistakes = mistakes(&origin);
    for yaml in &mistakes {
        let refused = "weir_reloads_total{outcome=\"refused\"}";
        let before = gateway.metric(refused).await;
        gateway.reload(yaml).await;
        assert!(gateway.metric(refused).await > before, "this was taken: {yaml}");
        let error =
            config::parse(yaml, "config.yaml", &Environment::new([("A", "b")])).unwrap_err();
        canary().assert_absent("the mistakes", format!("{error} {error:?}").as_bytes());
    }
    assert_eq!(mistakes.len(), 40);
    let target = format!("/stream/one?token=first-{ACCESS_TOKEN}");
    assert_eq!(reader.ask(&presets::get("weir", &target)).await.0, 200);
    // And one that is taken, with every secret changed, while a stream is running.
    let (mut player, _) = Player::ask(gateway.stream, &presets::get("weir", &target)).await;
    player.read_exact_body(188).await;
    gateway.reload(&good("second")).await;
    let target = target.replace("first", "second");
    assert_eq!(reader.ask(&presets::get("weir", &target)).await.0, 200);
    for path in ["/metrics", "/api/status", "/api/v1/channels", "/api/v1/sessions"] {
        canary().assert_absent(path, gateway.admin_get(path).await.as_bytes());
    }
    log.search(gateway).await;
}

#[tokio::test]
async fn a_configuration_prints_without_its_secrets() {
    let (origin, receiver, refused) = (provider().await, receiver().await, Refused::new());
    let yaml = configuration(&origin, &receiver, &refused);
    let environment = [
        ("WRONG", PROVIDER_KEY),
        ("WEIR_ACCESS__TOKENS__PHONE", CLIENT_SECRET),
        ("XG2G_OWI_BASE", "http://cnry-receiver-user:cnry-reloaded-secret@h/"),
    ];
    let loaded = config::parse(&yaml, "config.yaml", &Environment::new(environment)).unwrap();
    let canary = canary();
    canary.assert_absent("Debug of a configuration", format!("{loaded:?}").as_bytes());
    canary.assert_absent("the effective configuration", loaded.effective.to_string().as_bytes());
    canary.assert_absent("its warnings", format!("{:?}", loaded.warnings).as_bytes());
    assert!(loaded.effective.to_string().contains("***"));
}
