//! A provider as they are: credentials in user name, path and query. Nothing of it in any answer, and
//! what it wants to be asked with goes along with everything.

use std::net::Ipv4Addr;

use super::KEY;
use crate::playlist::CHANNEL;
use crate::playlist::LIMITS;
use crate::playlist::links;
use crate::playlist::playlist;
use crate::playlist::served;
use crate::support::capture::Canary;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;

const SECRETS: [&str; 8] = [
    "prov1der-user",
    "prov1der-pass",
    "xt-user01",
    "xt-pass01",
    "t0ken-in-url",
    "s3ssion-id",
    "h3ader-key",
    "127.0.0.",
];

const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:11\n\
    ## Created by http://PLACE/panel for xt-user01\n\
    #EXT-X-SESSION-DATA:DATA-ID=\"com.panel.user\",VALUE=\"BARE\"\n\
    #EXT-X-SESSION-DATA:DATA-ID=\"com.panel.more\",URI=\"http://PLACE/live/xt-user01/xt-pass01/json\"\n\
    #EXT-X-SESSION-DATA:DATA-ID=\"com.panel.text\",URI=\"/live/xt-user01/xt-pass01/json-as-text\"\n\
    #EXT-X-CONTENT-STEERING:SERVER-URI=\"/live/xt-user01/xt-pass01/steering\",PATHWAY-ID=\"PLACE\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"t0ken-in-url\",NAME=\"BARE\",URI=\"media.m3u8?token=t0ken-in-url\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"t0ken-in-url\"\nhttp://PLACE/live/xt-user01/xt-pass01/media.m3u8?token=t0ken-in-url\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2\nhttp://prov1der-user:prov1der-pass@PLACE/live/xt-user01/xt-pass01/bad.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=3\nstatus-404.m3u8\n";

const MEDIA: &str = "#EXTM3U\n#EXT-X-VERSION:11\n#EXT-X-TARGETDURATION:4\n\
    #EXT-X-PANEL-USER:BARE\n#EXT-X-UPSTREAM:URI=\"http://PLACE/live/xt-user01/xt-pass01/\",NAME=\"PLACE\"\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"http://PLACE/key?u=xt-user01&p=xt-pass01\"\n\
    #EXT-X-DATERANGE:ID=\"BARE\",START-DATE=\"2025-01-01T00:00:00Z\",X-URL=\"http://PLACE/\",X-ASSET-LIST=\"json\"\n\
    #EXTINF:4 tvg-logo=\"http://PLACE/logo.png\",xt-user01 at http://PLACE/\nsegment.ts?token=t0ken-in-url\n\
    #EXTINF:4,\nstatus-403\n#EXTINF:4,\nstatus-404\n#EXTINF:4,\nstatus-500\n#EXTINF:4,\nhtml\n\
    #EXTINF:4,\nloop\n#EXTINF:4,\nclosed\n#EXTINF:4,\nhttp://xt-user01.invalid/xt-pass01.ts\n\
    #EXTINF:4,\nhttp://127.0.0.99:1/xt-pass01.ts\n#EXTINF:4,\nmedia.m3u8?token=t0ken-in-url\n\
    #EXTINF:4,\njson-as-text\n";

/// Everything that an answer can tell in its head.
fn loud(request: &Recorded, status: &str, kind: &str, body: &str) -> Script {
    let place = request.header("Host").unwrap().to_owned();
    let url = format!("http://{place}/live/xt-user01/xt-pass01/");
    let (link, length) = (format!("<{url}>; rel=next"), body.len().to_string());
    let fields = [
        ("Content-Type", kind),
        ("Content-Length", length.as_str()),
        ("Set-Cookie", "sid=s3ssion-id; Path=/"),
        ("Link", &link),
        ("Location", &url),
        ("Content-Location", &url),
        ("Refresh", &format!("0; url={url}")),
        ("Via", &format!("1.1 {place}")),
        ("Server", "xt-user01"),
        ("X-Served-By", &place),
        ("WWW-Authenticate", "Basic realm=\"xt-user01\""),
        ("Access-Control-Allow-Origin", &url),
        ("Report-To", &url),
        ("Alt-Svc", &format!("h2=\"{place}\"")),
        ("Warning", &format!("199 {place} xt-user01")),
    ];
    Script::head(status, &fields).body(body).next_request()
}

fn provider(request: &Recorded, bare: &str) -> Script {
    let place = request.header("Host").unwrap().to_owned();
    let said = |text: &str| text.replace("PLACE", &place).replace("BARE", bare);
    let json = said(
        "{\"VERSION\": 1, \"TTL\": 300, \"RELOAD-URI\": \"http://PLACE/live/xt-user01/xt-pass01/\"}",
    );
    let last = request.path().rsplit('/').next().unwrap().to_owned();
    let list = "application/x-mpegurl";
    match last.as_str() {
        "master.m3u8" => loud(request, "200 OK", list, &said(MASTER)),
        "media.m3u8" => loud(request, "200 OK", list, &said(MEDIA)),
        "bad.m3u8" => loud(
            request,
            "200 OK",
            list,
            &said("#EXTM3U\n#EXT-X-KEY:URI=\"http://PLACE/xt-pass01\n"),
        ),
        "json" | "steering" => loud(request, "200 OK", "application/json", &json),
        "json-as-text" => loud(request, "200 OK", "text/plain", &json),
        "html" => loud(request, "200 OK", "text/html", &said("<html>http://PLACE/xt-user01")),
        "loop" => Script::redirect("302 Found", &format!("{}?xt-pass01", request.path())),
        "closed" => Script::new().close(),
        "key" => loud(request, "200 OK", "application/octet-stream", "\u{1}23456789abcdef0"),
        "segment.ts" => loud(request, "200 OK", "video/mp2t", &"G\u{1}".repeat(500)),
        other => {
            let code = other.trim_start_matches("status-").trim_end_matches(".m3u8").to_owned();
            loud(
                request,
                &format!("{code} xt-user01"),
                "text/html",
                &said("http://PLACE/ xt-user01"),
            )
        }
    }
}

/// The provider on an address of its own, and a gateway with it as its one source. Its playlists
/// have `bare` in titles, names and tags.
async fn stage(bare: &'static str) -> (Origin, Gateway) {
    let origin = Origin::builder()
        .on(Ipv4Addr::new(127, 0, 0, 2))
        .start(move |request| provider(request, bare))
        .await;
    let url = origin.url_as(
        "prov1der-user:prov1der-pass",
        "/live/xt-user01/xt-pass01/master.m3u8?token=t0ken-in-url",
    );
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nhls: {{seal_key: {KEY:?}}}\nchannels: {{one: {{sources: \
         [{{url: {url:?}, headers: {{X-Key: h3ader-key}}}}], kind: hls}}}}"
    ))
    .await;
    (origin, gateway)
}

/// Every link in a text, whatever stands around it.
fn every_link(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split("../s/")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
            format!("/s/{}", &rest[..end.unwrap_or(rest.len())])
        })
        .chain(
            text.split("\n../../s/")
                .skip(1)
                .map(|rest| format!("/s/{}", rest.lines().next().unwrap())),
        )
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Asks for everything that leads on from the channel, in several ways, and searches each answer. How
/// many links there are, and what each answers.
async fn search(gateway: &Gateway, canary: &Canary) -> (usize, Vec<u16>) {
    let mut paths = vec![CHANNEL.to_owned()];
    let (mut known, mut statuses) = (paths.clone(), Vec::new());
    while let Some(path) = paths.pop() {
        for (method, fields) in [
            ("GET", ""),
            ("HEAD", ""),
            ("OPTIONS", "Origin: http://x.example\r\nAccess-Control-Request-Method: GET\r\n"),
            ("POST", "Content-Length: 0\r\n"),
            ("GET", "Range: bytes=0-9\r\nIf-None-Match: \"x\"\r\n"),
        ] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: tv\r\nConnection: close\r\n{fields}\r\n"
            );
            let answer = Player::fetch(gateway.stream, &request).await;
            let what = format!("{method} {path} ({})", answer.status());
            canary.assert_absent(&what, &answer.everything());
            if (method, fields) == ("GET", "") {
                statuses.push(answer.status());
                let text = String::from_utf8_lossy(&answer.body.bytes).into_owned();
                for link in every_link(&text) {
                    if !known.contains(&link) {
                        known.push(link.clone());
                        paths.push(link);
                    }
                }
            }
        }
        canary.assert_absent("the path itself", path.as_bytes());
    }
    (known.len(), statuses)
}

#[tokio::test]
async fn nothing_of_a_provider_is_in_any_head_document_or_error() {
    let (origin, gateway) = stage("t0ken-in-url").await;
    let authority = origin.authority();
    let secrets: Vec<&str> = SECRETS.into_iter().chain([authority.as_str()]).collect();
    let canary = Canary::new(secrets);
    let (links, statuses) = search(&gateway, &canary).await;
    assert!(links >= 17, "{links}: {statuses:?}");
    for status in [200, 404, 502] {
        assert!(statuses.contains(&status), "{status}: {statuses:?}");
    }
    let asked: Vec<u8> = origin.seen().iter().flat_map(|request| request.head.to_vec()).collect();
    for secret in ["xt-user01", "xt-pass01", "t0ken-in-url", "s3ssion-id", "h3ader-key"] {
        assert!(Canary::new([secret]).is_present(&asked), "the provider knows {secret}");
    }
}

#[tokio::test]
async fn nothing_of_a_provider_is_in_a_document_for_the_player() {
    let (origin, gateway) = stage("t0ken-in-url").await;
    let (_, statuses) = search(&gateway, &Canary::new(SECRETS)).await;
    assert!(statuses.len() > 17, "{statuses:?}");
    let master = playlist(&gateway, CHANNEL).await;
    let documents = links(CHANNEL, &master).into_iter().filter(|link| link.ends_with(".json"));
    let mut seen = 0;
    for document in documents {
        let answer = Player::get(gateway.stream, &document).await;
        assert_eq!(answer.head.header("Content-Type"), Some("application/json"));
        let reload = every_link(answer.text()).remove(0);
        assert_eq!(super::opened(&reload).url, origin.url("/live/xt-user01/xt-pass01/"));
        seen += 1;
    }
    assert_eq!(seen, 3, "JSON, JSON that is said to be a text, a steering manifest");
}

#[tokio::test]
async fn credentials_of_the_path_are_in_no_title_name_or_tag() {
    let (_origin, gateway) = stage("xt-user01").await;
    search(&gateway, &Canary::new(SECRETS)).await;
}

#[tokio::test]
async fn credentials_of_the_source_are_in_no_title_name_or_tag() {
    let (_origin, gateway) = stage("prov1der-pass").await;
    search(&gateway, &Canary::new(SECRETS)).await;
}

#[tokio::test]
async fn user_agent_and_fields_of_the_source_go_with_all_that_its_host_is_asked_for() {
    let elsewhere = Origin::builder().on(Ipv4Addr::new(127, 0, 0, 3)).start(served).await;
    let away = elsewhere.url("/away.ts");
    let origin = Origin::start(move |request| match request.path() {
        "/master.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia.m3u8\n"),
        "/media.m3u8" => Script::m3u(&format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.key\"\n\
             #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\na.m4s\n#EXTINF:4,\n/moved.ts\n#EXTINF:4,\n{away}\n"
        )),
        "/moved.ts" => Script::redirect("302 Found", &away),
        _ => served(request),
    })
    .await;
    let url = origin.url_as("us3r:pa55word", "/master.m3u8");
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nhls: {{seal_key: {KEY:?}}}\negress: {{private: [127.0.0.3/32]}}\n\
         channels: {{one: {{kind: hls, sources: [{{url: {url:?}, user_agent: Player/7, \
         headers: {{Referer: \"http://portal.example/\", X-Key: h3ader-key}}}}]}}}}"
    ))
    .await;
    let variant = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(0);
    let parts = links(&variant, &playlist(&gateway, &variant).await);
    for part in &parts {
        let request = format!(
            "GET {part} HTTP/1.1\r\nHost: x\r\nUser-Agent: Mine/1\r\nReferer: http://mine/\r\n\
             Cookie: mine=1\r\nAuthorization: Basic bWluZTptaW5l\r\nX-Forwarded-For: 10.9.8.7\r\n\
             Connection: close\r\n\r\n"
        );
        assert_eq!(Player::fetch(gateway.stream, &request).await.status(), 200);
    }
    let asked = origin.seen();
    let paths: Vec<_> = asked.iter().map(|it| it.path().to_owned()).collect();
    assert_eq!(
        paths,
        ["/master.m3u8", "/media.m3u8", "/k.key", "/init.mp4", "/a.m4s", "/moved.ts"]
    );
    for request in &asked {
        assert_eq!(request.headers("User-Agent"), ["Player/7"], "{request:?}");
        assert_eq!(request.headers("Referer"), ["http://portal.example/"], "{request:?}");
        assert_eq!(request.headers("X-Key"), ["h3ader-key"], "{request:?}");
        assert_eq!(request.headers("Authorization"), ["Basic dXMzcjpwYTU1d29yZA=="], "{request:?}");
    }
    assert_eq!(elsewhere.seen().len(), 2);
    for request in elsewhere.seen() {
        assert_eq!(request.headers("User-Agent"), ["Player/7"], "{request:?}");
        for name in ["Referer", "X-Key", "Authorization", "Cookie"] {
            assert_eq!(request.header(name), None, "{name}: {request:?}");
        }
    }
    let mine = Canary::new(["Mine/1", "http://mine", "mine=1", "10.9.8.7"]);
    for request in asked.iter().chain(&elsewhere.seen()) {
        mine.assert_absent("a request", &request.head);
    }
}
