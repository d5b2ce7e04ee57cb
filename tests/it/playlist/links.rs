//! Links that work: each of them sealed, each leading to what the source has there.

use std::io::Write;
use std::net::Ipv4Addr;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::CHANNEL;
use super::LIMITS;
use super::file;
use super::follow;
use super::get;
use super::hls;
use super::hls_with;
use super::links;
use super::playlist;
use super::served;
use super::uris;
use crate::support::capture::Canary;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;

const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"audio/de.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.4d401e,mp4a.40.2\",AUDIO=\"a\"\n\
    low/index.m3u8?token=t0ken-low\n\
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,URI=\"iframes.m3u8\"\n";

const MEDIA: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:41\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"/keys/k1.bin?t=t0ken-key\"\n\
    #EXT-X-MAP:URI=\"init.mp4\"\n\
    #EXTINF:4.0,a title, and a comma\nseg-41.ts\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"/keys/k2.key\",IV=0x00000000000000000000000000000029\n\
    #EXT-X-DISCONTINUITY\n#EXTINF:3.96,\nseg-42.ts?x=1\n\
    #EXT-X-KEY:METHOD=NONE\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:5000@20000\nall.m4s\n";

fn provider(request: &crate::support::origin::Recorded) -> Script {
    match request.path() {
        "/u5ername/pa55word/master.m3u8" => Script::m3u(MASTER),
        "/u5ername/pa55word/low/index.m3u8" | "/u5ername/pa55word/audio/de.m3u8" => {
            Script::m3u(MEDIA)
        }
        _ => served(request),
    }
}

/// Text with each URI replaced, to compare what is left.
fn without_uris(text: &str) -> String {
    let mut text = text.to_owned();
    for uri in uris(&text) {
        text = text.replacen(&uri, "<uri>", 1);
    }
    text
}

#[tokio::test]
async fn master_to_media_to_segment() {
    let origin = Origin::start(provider).await;
    let gateway =
        hls(&origin.url_as("b4sic-name:cr3dential", "/u5ername/pa55word/master.m3u8")).await;
    let master = playlist(&gateway, CHANNEL).await;
    assert_eq!(without_uris(&master), without_uris(MASTER), "nothing but URIs has changed");
    let variants = links(CHANNEL, &master);
    assert_eq!(variants.len(), 3);
    assert!(variants.iter().all(|link| link.ends_with(".m3u8")), "{variants:?}");
    let mut seen = 0;
    for variant in &variants[..2] {
        let media = playlist(&gateway, variant).await;
        assert_eq!(without_uris(&media), without_uris(MEDIA));
        let parts = links(variant, &media);
        let expected = [
            ("/keys/k1.bin", ".key"),
            ("/u5ername/pa55word/*/init.mp4", ".mp4"),
            ("/u5ername/pa55word/*/seg-41.ts", ".ts"),
            ("/keys/k2.key", ".key"),
            ("/u5ername/pa55word/*/seg-42.ts", ".ts"),
            ("/u5ername/pa55word/*/all.m4s", ".m4s"),
        ];
        assert_eq!(parts.len(), expected.len());
        for (part, (path, extension)) in parts.iter().zip(expected) {
            assert!(part.ends_with(extension), "{part} for {path}");
            let answer = get(&gateway, part).await;
            let asked = origin.seen().pop().unwrap();
            let folder = if seen < expected.len() { "audio" } else { "low" };
            assert_eq!(asked.path(), path.replace('*', folder));
            assert_eq!(asked.header("Authorization"), Some("Basic YjRzaWMtbmFtZTpjcjNkZW50aWFs"));
            assert!(answer.body.bytes == file(asked.path()), "{path}: other bytes");
            assert_eq!(answer.head.header("ETag"), Some("\"s\""));
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
    let targets: Vec<String> =
        origin.seen().iter().map(|asked| asked.target().to_owned()).collect();
    assert!(targets.contains(&"/u5ername/pa55word/low/index.m3u8?token=t0ken-low".to_owned()));
    assert!(targets.contains(&"/keys/k1.bin?t=t0ken-key".to_owned()), "queries too");
    assert!(targets.contains(&"/u5ername/pa55word/low/seg-42.ts?x=1".to_owned()));
    assert_eq!(origin.total(), 1, "one connection for all of it");
}

#[tokio::test]
async fn nothing_of_the_provider_is_in_any_answer() {
    let origin = Origin::start(provider).await;
    let gateway =
        hls(&origin.url_as("b4sic-name:cr3dential", "/u5ername/pa55word/master.m3u8")).await;
    let authority = origin.authority();
    let secrets = [
        "u5ername",
        "pa55word",
        "b4sic-name",
        "cr3dential",
        "b4sic-name:cr3dential",
        "t0ken-low",
        "t0ken-key",
        "/keys/",
        "seg-41",
        "iframes.m3u8",
        authority.as_str(),
        "127.0.0.1:",
    ];
    let canary = Canary::new(secrets);
    let mut paths = vec![CHANNEL.to_owned()];
    let mut seen = 0;
    while let Some(path) = paths.pop() {
        let answer = Player::get(gateway.stream, &path).await;
        let is_playlist = answer.body.bytes.starts_with(b"#EXTM3U");
        canary.assert_absent(&path, &answer.everything());
        canary.assert_absent("the path itself", path.as_bytes());
        if is_playlist {
            paths.extend(links(&path, answer.text()));
        }
        seen += 1;
    }
    assert_eq!(seen, 1 + 3 + 6 + 6, "the I-frame playlist is none");
    // Nor in the log, but for the host, which stands there with its port.
    Canary::new(&secrets[..10]).assert_absent("the log", logs().as_bytes());
}

#[tokio::test]
async fn a_players_range_goes_along_to_a_segment() {
    let origin = Origin::start(provider).await;
    let gateway = hls(&origin.url("/u5ername/pa55word/low/index.m3u8")).await;
    let media = playlist(&gateway, CHANNEL).await;
    assert!(media.contains("\n#EXT-X-BYTERANGE:5000@20000\n"), "{media}");
    let whole = links(CHANNEL, &media).pop().unwrap();
    let (mut player, head) =
        Player::ask(gateway.stream, &presets::ranged("x", &whole, "bytes=20000-24999")).await;
    assert_eq!((head.status, head.content_length()), (206, Some(5000)));
    assert_eq!(head.header("Content-Range"), Some("bytes 20000-24999/50000"));
    let expected = &file("/u5ername/pa55word/low/all.m4s")[20_000..25_000];
    assert!(player.read_to_end().await.bytes == expected);
    let asked = origin.seen().pop().unwrap();
    assert_eq!(asked.header("Range"), Some("bytes=20000-24999"));
    // HEAD of a segment, on the same connection.
    player.send(presets::head("x", &whole)).await;
    assert_eq!(player.head().await.content_length(), Some(50_000));
}

#[tokio::test]
async fn links_are_relative_to_wherever_the_playlist_was_found() {
    let origin = Origin::start(provider).await;
    let gateway = Gateway::start(&format!(
        "{LIMITS}\npublic_url: \"https://tv.example/iptv\"\naccess: {{tokens: {{a: s3same}}}}\n\
         channels: {{one: {{sources: [{:?}], kind: auto}}}}",
        origin.url("/u5ername/pa55word/low/index.m3u8")
    ))
    .await;
    let places = [
        "/hls/one/playlist.m3u8?token=s3same",
        "/stream/one?token=s3same",
        "/stream/one?token=s3same&format=hls",
        "/stream/one?format=auto&token=s3same",
        "/relay/channel/one/stream?format=hls&token=s3same",
        "/t/s3same/stream/one",
        "/t/s3same/hls/one/playlist.m3u8",
    ];
    let mut seen = 0;
    for place in places {
        let media = playlist(&gateway, place).await;
        Canary::new(["s3same", "tv.example"]).assert_absent(place, media.as_bytes());
        let base = place.split('?').next().unwrap();
        let parts = links(base, &media);
        assert_eq!(parts.len(), 6);
        // A proxy that adds a prefix sends players back under it.
        let proxied = follow(&format!("/some/prefix{base}"), &uris(&media)[2]);
        assert_eq!(proxied, format!("/some/prefix{}", parts[2]));
        // The seal is the key: the player need not repeat its token.
        let answer = get(&gateway, &parts[2]).await;
        assert!(answer.body.bytes == file("/u5ername/pa55word/low/seg-41.ts"));
        seen += 1;
    }
    assert_eq!(seen, 7);
    assert_eq!(Player::get(gateway.stream, CHANNEL).await.status(), 401);
}

#[tokio::test]
async fn uris_are_resolved_against_the_playlists_final_url() {
    let other = Origin::builder().on(Ipv4Addr::new(127, 0, 0, 3)).start(served).await;
    let away = other.authority();
    let lines = [
        ("plain.ts".to_owned(), "/real/deep/plain.ts"),
        ("./dot.ts".to_owned(), "/real/deep/dot.ts"),
        ("../up.ts".to_owned(), "/real/up.ts"),
        ("../../../../top.ts".to_owned(), "/top.ts"),
        ("/rooted.ts".to_owned(), "/rooted.ts"),
        ("?only=query".to_owned(), "/real/deep/list?only=query"),
        ("a.ts?next=http://x/y&b=%2F#fragment".to_owned(), "/real/deep/a.ts?next=http://x/y&b=%2F"),
        ("sp%20ace/%C3%BC.ts".to_owned(), "/real/deep/sp%20ace/%C3%BC.ts"),
        (format!("//{away}/elsewhere.ts"), "/elsewhere.ts"),
        (format!("http://{away}/near.ts"), "/near.ts"),
    ];
    let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n".to_owned();
    lines.iter().for_each(|(line, _)| text += &format!("#EXTINF:4,\n{line}\n"));
    let origin = Origin::start(move |request| match request.target() {
        "/start.m3u8" => Script::redirect("302 Found", "/hop/list.m3u8?session=1"),
        "/hop/list.m3u8?session=1" => {
            Script::redirect("307 Temporary Redirect", "../real/deep/list?v=2")
        }
        "/real/deep/list?v=2" => Script::m3u(&text),
        _ => served(request),
    })
    .await;
    let more = format!("{LIMITS}\negress: {{private: [127.0.0.3/32]}}");
    let gateway = hls_with(&origin.url("/start.m3u8"), &more).await;
    let media = playlist(&gateway, CHANNEL).await;
    let parts = links(CHANNEL, &media);
    assert_eq!(parts.len(), lines.len());
    for (part, (line, target)) in parts.iter().zip(&lines) {
        let answer = get(&gateway, part).await;
        let at = if line.contains(&away) { &other } else { &origin };
        let asked = at.seen().pop().unwrap();
        assert_eq!(asked.target(), *target, "{line}");
        assert!(answer.body.bytes == file(asked.path()), "{line}");
    }
    assert_eq!(other.seen().len(), 2);
}

#[tokio::test]
async fn every_carrier_of_a_uri_is_rewritten() {
    let carriers = [
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"SECRET.m3u8\"",
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"SECRET.m3u8\"",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\nSECRET.m3u8",
        "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"SECRET.bin\",KEYFORMAT=\"identity\"",
        "#EXT-X-SESSION-DATA:DATA-ID=\"x\",URI=\"SECRET.json\"",
        "#EXT-X-CONTENT-STEERING:SERVER-URI=\"SECRET.json\",PATHWAY-ID=\"a\"",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"SECRET\",IV=0x1",
        "#EXT-X-MAP:URI=\"SECRET.mp4\",BYTERANGE=\"100@0\"",
        "#EXT-X-PART:DURATION=1,URI=\"SECRET.m4s\",INDEPENDENT=YES",
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"SECRET.m4s\",BYTERANGE-START=0",
        "#EXT-X-RENDITION-REPORT:URI=\"SECRET.m3u8\",LAST-MSN=1",
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2025-01-01T00:00:00Z\",X-ASSET-URI=\"SECRET.m3u8\"",
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2025-01-01T00:00:00Z\",X-ASSET-LIST=\"SECRET.json\"",
        "#EXTINF:4,\nSECRET.ts",
        "#EXTINF:4,\n#EXT-X-BITRATE:1\nSECRET",
    ];
    let mut seen = 0;
    for carrier in carriers {
        for ending in ["\n", "\r\n", ""] {
            let secret = "http://prov1der.example/pa55word/file";
            let mut text =
                format!("#EXTM3U\n#EXT-X-VERSION:9\n{carrier}").replace("SECRET", secret);
            text = text.replace('\n', if ending.is_empty() { "\n" } else { ending }) + ending;
            let body = text.clone();
            let origin = Origin::start(move |_| Script::m3u(&body)).await;
            let gateway = hls(&origin.url("/list.m3u8")).await;
            let got = playlist(&gateway, CHANNEL).await;
            Canary::new(["prov1der", "pa55word"]).assert_absent(carrier, got.as_bytes());
            assert!(got.contains("../../s/"), "{got}");
            assert!(got.ends_with(ending));
            assert_eq!(got.matches('\r').count(), text.matches('\r').count());
            assert_eq!(got.lines().count(), text.lines().count());
            seen += 1;
        }
    }
    assert_eq!(seen, 45);
}

#[tokio::test]
async fn inline_data_and_key_systems_stay() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://asset-1\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"data:text/plain;base64,AAAA\",KEYFORMAT=\"x\"\n\
        #EXTINF:4,\nsegment.ts\n";
    let origin = Origin::start(move |_| Script::m3u(text)).await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let got = playlist(&gateway, CHANNEL).await;
    let expected = text.replace("segment.ts", uris(&got).last().unwrap());
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_live_playlist_is_fetched_anew_each_time() {
    let origin = Origin::start(|request| match request.path() {
        "/live.m3u8" => {
            let first = 100 + request.attempt;
            let mut text =
                format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
            (first..first + 3).for_each(|n| text += &format!("#EXTINF:2,\nn-{n}.ts\n"));
            Script::m3u(&text)
        }
        _ => served(request),
    })
    .await;
    let gateway = hls(&origin.url("/live.m3u8")).await;
    for reload in 1..=50 {
        let media = playlist(&gateway, CHANNEL).await;
        let sequence = format!("#EXT-X-MEDIA-SEQUENCE:{}\n", 100 + reload);
        assert!(media.contains(&sequence), "{media}");
        let segment = &links(CHANNEL, &media)[0];
        let answer = get(&gateway, segment).await;
        assert!(answer.body.bytes == file(&format!("/n-{}.ts", 100 + reload)));
    }
    assert_eq!(origin.seen().len(), 100);
    // A player that has all of an answer may ask for the next before its connection is back.
    assert!(origin.total() <= 10, "{}", origin.total());
}

#[tokio::test]
async fn a_playlist_that_fails_is_fetched_from_the_next_source() {
    let broken = Origin::start(|_| Script::html("<h1>no</h1>")).await;
    let good = Origin::start(provider).await;
    let sources = [broken.url("/list.m3u8"), good.url("/u5ername/pa55word/low/index.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    let media = playlist(&gateway, CHANNEL).await;
    let parts = links(CHANNEL, &media);
    let answer = get(&gateway, &parts[2]).await;
    assert!(answer.body.bytes == file("/u5ername/pa55word/low/seg-41.ts"));
    assert_eq!(
        (broken.seen().len(), good.seen().len()),
        (1, 2),
        "its segments belong to that source"
    );
}

#[tokio::test]
async fn a_compressed_playlist_is_unpacked_and_a_bomb_is_not() {
    let packed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let list = packed(MEDIA.as_bytes());
    let bomb = packed(format!("{MEDIA}{}", "#\n".repeat(64 << 20)).as_bytes());
    assert!(bomb.len() < 1 << 20);
    let origin = Origin::start(move |request| {
        let body = if request.path() == "/bomb.m3u8" { &bomb } else { &list };
        let length = body.len().to_string();
        let fields = [("Content-Encoding", "gzip"), ("Content-Length", length.as_str())];
        Script::head("200 OK", &fields).body(body).next_request()
    })
    .await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let answer = get(&gateway, CHANNEL).await;
    assert_eq!(answer.head.header("Content-Encoding"), None);
    assert_eq!(without_uris(answer.text()), without_uris(MEDIA));
    let gateway = hls(&origin.url("/bomb.m3u8")).await;
    assert_eq!(Player::get(gateway.stream, CHANNEL).await.status(), 502);
}
