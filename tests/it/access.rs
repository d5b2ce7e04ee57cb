//! Who may watch: by address, by token, and what of a token ever leaves.

use std::net::SocketAddr;

use crate::support::capture::Canary;
use crate::support::content::Blob;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

const SERVICE: &str = "1:0:19:132F:3EF:1:C00000:0:0:0:";

async fn head(address: SocketAddr, target: &str, fields: &str) -> Head {
    let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    Player::ask(address, &request).await.1
}

async fn fetch(address: SocketAddr, target: &str, fields: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
    Player::fetch(address, &request).await
}

fn live(origin: &Origin) -> String {
    format!("channels: {{one: {{sources: [\"{}\"], kind: live}}}}\n", origin.url("/one.ts"))
}

#[tokio::test]
async fn by_default_this_machine_and_the_home_network_may_watch() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("trusted_proxies: [127.0.0.0/8]\n{}", live(&origin));
    let gateway = Gateway::start(&yaml).await;
    assert_eq!(head(gateway.stream, "/stream/one", "").await.status, 200);
    let mut seen = 0;
    for (address, status) in [
        ("192.168.1.20", 200),
        ("10.9.8.7", 200),
        ("fd00::1", 200),
        ("169.254.1.1", 200),
        ("203.0.113.9", 403),
        ("2001:db8::1", 403),
        ("100.64.0.1", 403),
    ] {
        let fields = format!("X-Forwarded-For: {address}\r\n");
        assert_eq!(head(gateway.stream, "/stream/one", &fields).await.status, status, "{address}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[tokio::test]
async fn an_address_that_is_not_listed_gets_403_for_everything() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("access: {{allow: [192.0.2.0/24]}}\n{}", live(&origin));
    let gateway = Gateway::start(&yaml).await;
    let mut seen = 0;
    for target in
        ["/stream/one", "/stream/none", "/playlist.m3u", "/nowhere", &format!("/{SERVICE}")]
    {
        let answer = fetch(gateway.stream, target, "").await;
        assert_eq!(answer.status(), 403, "{target}");
        assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.head.header("access-control-allow-origin"), Some("*"));
        // An address cannot be mended by a password.
        assert_eq!(answer.head.header("www-authenticate"), None);
        seen += 1;
    }
    assert_eq!(seen, 5);
    assert_eq!(origin.total(), 0);
    assert_eq!(
        gateway.admin_get("/health").await,
        "OK\n",
        "the admin listener has rules of its own"
    );
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed_about_addresses() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let allow = format!("access: {{allow: [192.0.2.0/24]}}\n{}", live(&origin));
    let direct = Gateway::start(&allow).await;
    let behind = Gateway::start(&format!("trusted_proxies: [127.0.0.0/8]\n{allow}")).await;
    let chain =
        Gateway::start(&format!("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n{allow}")).await;
    let cases = [
        (&direct, "X-Forwarded-For: 192.0.2.5\r\n", 403),
        (&direct, "Forwarded: for=192.0.2.5\r\n", 403),
        (&behind, "", 403),
        (&behind, "X-Forwarded-For: 192.0.2.5\r\n", 200),
        (&behind, "Forwarded: for=192.0.2.5;proto=https\r\n", 200),
        (&behind, "X-Forwarded-For: 203.0.113.1\r\n", 403),
        // What the client wrote itself stands before what the proxy appended.
        (&behind, "X-Forwarded-For: 192.0.2.5, 203.0.113.1\r\n", 403),
        (&behind, "X-Forwarded-For: 203.0.113.1, 192.0.2.5\r\n", 200),
        (&behind, "X-Forwarded-For: 192.0.2.5, 10.0.0.3\r\n", 403),
        (&chain, "X-Forwarded-For: 192.0.2.5, 10.0.0.3\r\n", 200),
        (&chain, "X-Forwarded-For: 192.0.2.5\r\nX-Forwarded-For: 10.0.0.3\r\n", 200),
        (&behind, "X-Forwarded-For: nonsense\r\n", 403),
        (&behind, "X-Real-IP: 192.0.2.5\r\n", 403),
    ];
    let mut seen = 0;
    for (gateway, fields, status) in cases {
        assert_eq!(head(gateway.stream, "/stream/one", fields).await.status, status, "{fields}");
        seen += 1;
    }
    assert_eq!(seen, 13);
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed_about_urls() {
    let fields =
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: tv.example\r\nX-Forwarded-Prefix: /iptv\r\n";
    let origin = Origin::live(TsPattern::new(1)).await;
    let first = async |yaml: &str| {
        let gateway = Gateway::start(&format!("{yaml}{}", live(&origin))).await;
        let answer = fetch(gateway.stream, "/playlist.m3u", fields).await;
        assert_eq!(answer.status(), 200);
        let line = answer.text().lines().find(|line| line.contains("/stream/")).unwrap().to_owned();
        (line, gateway.stream.port())
    };
    let (direct, port) = first("").await;
    assert_eq!(direct, format!("http://x:{port}/stream/one"));
    let (behind, _) = first("trusted_proxies: [127.0.0.1]\n").await;
    assert_eq!(behind, "https://tv.example/iptv/stream/one");
    let (public, _) = first("public_url: https://other.example/tv\n").await;
    assert_eq!(public, "https://other.example/tv/stream/one");
}

#[tokio::test]
async fn a_token_may_stand_in_the_query_in_a_field_or_in_the_path() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "limits: {{requests_per_second: 100000}}\n\
         access: {{tokens: {{anna: annas-token, bert: berts-token}}}}\n\
         receivers: {{box: {{stream: \"http://{}\"}}}}\n{}",
        origin.authority(),
        live(&origin)
    );
    let gateway = Gateway::start(&yaml).await;
    let service = format!("/{SERVICE}");
    let named = format!("/r/box/{SERVICE}");
    let mut seen = 0;
    for target in ["/stream/one", "/relay/channel/one/stream", "/playlist.m3u", &service, &named] {
        for token in ["annas-token", "berts-token"] {
            let path = format!("/t/{token}{target}");
            let query = format!("{target}?token={token}");
            let bearer = format!("Authorization: Bearer {token}\r\n");
            for (target, fields) in [(path.as_str(), ""), (&query, ""), (target, &bearer)] {
                let head = head(gateway.stream, target, fields).await;
                assert_eq!(head.status, 200, "{target} {fields}");
                seen += 1;
            }
        }
        let missing = head(gateway.stream, target, "").await;
        assert_eq!(missing.status, 401, "{target}");
        let challenge = missing.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert_eq!(missing.header("access-control-allow-origin"), Some("*"));
        for (target, fields) in [
            (format!("/t/nobodys{target}"), ""),
            (format!("{target}?token=nobodys"), ""),
            (format!("{target}?token="), ""),
            (format!("{target}?token=annas-toke"), ""),
            (format!("{target}?token=annas-token2"), ""),
            (target.to_owned(), "Authorization: Bearer nobodys\r\n"),
        ] {
            assert_eq!(
                head(gateway.stream, &target, fields).await.status,
                403,
                "{target} {fields}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 5 * 12);
    assert_eq!(origin.total(), 0, "HEAD of a live channel opens nothing");
    // Basic credentials are no token.
    let basic = head(gateway.stream, "/stream/one", "Authorization: Basic YW5uYTp4\r\n").await;
    assert_eq!(basic.status, 401);
    // Nobody learns without a token which channels there are.
    let known = fetch(gateway.stream, "/stream/one", "").await;
    let unknown = fetch(gateway.stream, "/stream/none", "").await;
    assert_eq!((known.status(), known.text()), (unknown.status(), unknown.text()));
    assert_eq!(fetch(gateway.stream, "/health", "").await.status(), 200, "health asks for none");
}

#[tokio::test]
async fn a_token_of_odd_letters_works_percent_encoded_everywhere() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("access: {{tokens: {{anna: \"p@ss/w+rd %41ö\"}}}}\n{}", live(&origin));
    let gateway = Gateway::start(&yaml).await;
    let encoded = "p%40ss%2Fw%2Brd%20%2541%C3%B6";
    let query = format!("/stream/one?token={encoded}");
    assert_eq!(head(gateway.stream, &query, "").await.status, 200);
    let path = format!("/t/{encoded}/stream/one");
    assert_eq!(head(gateway.stream, &path, "").await.status, 200);
    let list = fetch(gateway.stream, &format!("/t/{encoded}/playlist.m3u"), "").await;
    assert!(list.text().contains(&format!("/t/{encoded}/stream/one\n")), "{}", list.text());
}

#[tokio::test]
async fn a_playlist_leads_to_urls_that_its_reader_may_open() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("access: {{tokens: {{anna: annas-token}}}}\n{}", live(&origin));
    let gateway = Gateway::start(&yaml).await;
    let mut seen = 0;
    for list in [
        "/t/annas-token/playlist.m3u",
        "/t/annas-token/playlist.m3u8",
        "/playlist.m3u?token=annas-token",
    ] {
        let answer = fetch(gateway.stream, list, "").await;
        assert_eq!(answer.status(), 200);
        let url = answer.text().lines().find(|line| line.starts_with("http://")).unwrap();
        let (_, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let request = presets::get_keep_alive("x", &format!("/{target}"));
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200, "{list} leads to {url}");
        player.read_exact_body(PACKET * 10).await;
        seen += 1;
    }
    assert_eq!(seen, 3);
    origin.idle().await;
}

#[tokio::test]
async fn no_token_goes_upstream_or_into_the_log() {
    let token = "viewer-s3cret-token";
    let pattern = TsPattern::new(1);
    let origin = Origin::start(move |_| Script::live(&pattern)).await;
    let vod = Vod::start(VodFile::new(Blob::new(1, 10_000))).await;
    let hls = Origin::start(|request| match request.path() {
        "/live.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nseg.ts?own=1\n"),
        _ => Script::whole("200 OK", "video/mp2t", vec![0x47; PACKET]),
    })
    .await;
    let gateway = Gateway::start(&format!(
        "limits: {{requests_per_second: 100000}}\naccess: {{tokens: {{anna: {token}}}}}\n\
         receivers: {{box: {{stream: \"http://{}\"}}}}\n\
         channels:\n  one: {{kind: live, sources: [\"{}\"]}}\n  film: {{kind: vod, sources: [\"{}\"]}}\n\
        \x20 hls: {{kind: hls, sources: [\"{}\"]}}\n",
        origin.authority(),
        origin.url("/one.ts?key=1"),
        vod.url("/film.mp4"),
        hls.url("/live.m3u8"),
    ))
    .await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut seen = 0;
    for target in ["/stream/one", "/stream/film", "/hls/hls/playlist.m3u8", &format!("/{SERVICE}")]
    {
        for (target, fields) in [
            (format!("{target}?token={token}&bitrate=1"), ""),
            (format!("{target}?bitrate=1&%74oken={token}"), ""),
            (format!("{target}?token={token}&token={token}"), ""),
            (format!("/t/{token}{target}"), ""),
            (format!("/t/{token}{target}?token={token}"), bearer.as_str()),
            (target.to_owned(), bearer.as_str()),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
            let (mut player, head) = Player::ask(gateway.stream, &request).await;
            assert_eq!(head.status, 200, "{target} {fields}");
            if target.contains("hls") {
                let playlist = player.read_to_end().await;
                let text = String::from_utf8(playlist.bytes).unwrap();
                let uri = text.lines().find(|line| !line.starts_with('#')).unwrap();
                // The sealed URL is a key in itself, from wherever the playlist was.
                let segment = format!("/{}", uri.trim_start_matches("../"));
                assert!(!uri.contains("seg.ts"), "{uri}");
                assert_eq!(fetch(gateway.stream, &segment, "").await.status(), 200, "{segment}");
            } else {
                player.read_exact_body(PACKET).await;
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 24);
    let canary = Canary::new([token]);
    let mut heads = 0;
    for request in origin.seen().iter().chain(&vod.seen()).chain(&hls.seen()) {
        canary.assert_absent("a request to a source", &request.head);
        assert!(request.header("authorization").is_none(), "{request:?}");
        heads += 1;
    }
    assert_eq!(heads, 24 + 6, "each of them, and six segments");
    let services: Vec<String> = origin
        .seen()
        .iter()
        .map(|request| request.target().to_owned())
        .filter(|target| target.contains(SERVICE))
        .collect();
    assert!(
        services.contains(&format!("/{SERVICE}?bitrate=1")),
        "the rest of a query stays: {services:?}"
    );
    canary.assert_absent("the metrics", gateway.metrics().await.as_bytes());
    canary.assert_absent("the log", logs().as_bytes());
}

#[tokio::test]
async fn a_sealed_url_opens_what_it_was_made_for_and_nothing_else() {
    let hls = Origin::start(|request| match request.path() {
        "/live.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nseg.ts\n"),
        _ => Script::whole("200 OK", "video/mp2t", vec![0x47; PACKET]),
    })
    .await;
    let yaml = format!(
        "access: {{tokens: {{anna: annas-token}}}}\nchannels: {{hls: {{kind: hls, sources: [\"{}\"]}}}}\n",
        hls.url("/live.m3u8")
    );
    let gateway = Gateway::start(&yaml).await;
    let playlist = fetch(gateway.stream, "/t/annas-token/hls/hls/playlist.m3u8", "").await;
    let uri = playlist.text().lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(uri.starts_with("../../../../s/"), "relative to where the playlist was: {uri}");
    let sealed = format!("/{}", uri.trim_start_matches("../"));
    assert_eq!(fetch(gateway.stream, &sealed, "").await.status(), 200);
    let before = hls.total();
    let changed = sealed.replacen("/s/", "/s/A", 1);
    assert_eq!(fetch(gateway.stream, &changed, "").await.status(), 403);
    // Whoever is not listed cannot use it either, and another gateway did not make it.
    let other = Gateway::start(&yaml).await;
    assert_eq!(fetch(other.stream, &sealed, "").await.status(), 403);
    gateway.reload(&format!("{yaml}trusted_proxies: [127.0.0.1]\n")).await;
    let fields = "X-Forwarded-For: 203.0.113.1\r\n";
    assert_eq!(fetch(gateway.stream, &sealed, fields).await.status(), 403);
    assert_eq!(hls.total(), before, "nothing was opened for any of them");
}

#[tokio::test]
async fn a_preflight_needs_no_token() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("access: {{tokens: {{anna: annas-token}}}}\n{}", live(&origin));
    let gateway = Gateway::start(&yaml).await;
    let mut seen = 0;
    for target in
        ["/stream/one", "/hls/one/playlist.m3u8", "/playlist.m3u", "/s/sealed.ts", "/nowhere"]
    {
        let request = format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: x\r\nOrigin: https://player.example\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization, range\r\n\r\n"
        );
        let (_player, head) = Player::ask(gateway.stream, &request).await;
        assert!([200, 204].contains(&head.status), "{target}: {}", head.status);
        assert_eq!(head.header("access-control-allow-origin"), Some("*"));
        assert_eq!(head.header("access-control-allow-credentials"), None);
        let methods = head.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("GET") && !methods.contains("POST"), "{methods}");
        let fields = head.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        assert!(fields.contains("range"), "{fields}");
        assert!(fields.contains("authorization"), "pages may send a token: {fields}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    assert_eq!(origin.total(), 0);
}
