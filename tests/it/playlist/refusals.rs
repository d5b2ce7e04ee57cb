//! What is not passed on: playlists that are none, links that were not made here, places that links
//! must not lead to.

use std::net::Ipv4Addr;

use super::CHANNEL;
use super::LIMITS;
use super::file;
use super::get;
use super::hls;
use super::hls_with;
use super::links;
use super::playlist;
use super::served;
use crate::support::capture::Canary;
use crate::support::gateway::Gateway;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::TsPattern;

const MEDIA: &str =
    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\nhttp://127.0.0.1:PORT/s3cret/a.ts\n";

/// What every media playlist begins with.
const HEADER: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";

/// What is open to a source is in use.
const KEEPS_NOTHING: &str = "hls: {idle_connections: 0}";

/// Stands in every text that must not come through.
const SECRET: &str = "s3cret-text";

async fn source() -> Origin {
    Origin::start(|request| match request.path() {
        "/list.m3u8" => {
            let port = request.header("Host").unwrap().rsplit(':').next().unwrap().to_owned();
            Script::m3u(&MEDIA.replace("PORT", &port))
        }
        "/master.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n"),
        _ => served(request),
    })
    .await
}

/// The status of a GET whose answer must have nothing of the source.
async fn refused(gateway: &Gateway, path: &str) -> u16 {
    let answer = Player::get(gateway.stream, path).await;
    assert_eq!(answer.head.header("Content-Type"), Some("application/problem+json"), "{path}");
    assert_eq!(answer.head.header("Access-Control-Allow-Origin"), Some("*"), "{path}");
    Canary::new([SECRET, "s3cret/"]).assert_absent(path, &answer.everything());
    answer.status()
}

#[tokio::test]
async fn a_link_that_was_tampered_with_is_403() {
    let origin = source().await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let link = links(CHANNEL, &playlist(&gateway, CHANNEL).await).pop().unwrap();
    let before = origin.total();
    let seal = link.strip_prefix("/s/").unwrap().strip_suffix(".ts").unwrap();
    let mut tampered = Vec::new();
    for at in 0..seal.len() {
        let other = if seal.as_bytes()[at] == b'A' { "B" } else { "A" };
        tampered.push(format!("{}{other}{}", &seal[..at], &seal[at + 1..]));
    }
    tampered.extend((1..seal.len()).step_by(7).map(|length| seal[..length].to_owned()));
    tampered.push(format!("{seal}A"));
    tampered.push(format!("{seal}%41"));
    tampered.push(seal.to_ascii_lowercase());
    tampered.push(seal.chars().rev().collect());
    tampered.push("A".repeat(12_000));
    tampered.push("x".to_owned());
    let mut seen = 0;
    for seal in &tampered {
        assert_eq!(refused(&gateway, &format!("/s/{seal}.ts")).await, 403, "{seal}");
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
    // One gateway's links mean nothing to another, nor to the same one with another key.
    let stranger = hls(&origin.url("/list.m3u8")).await;
    assert_eq!(refused(&stranger, &link).await, 403);
    assert_eq!(origin.total(), before, "none of them reached the source");
    assert!(get(&gateway, &link).await.body.bytes == file("/s3cret/a.ts"), "the real one works");
    // An extension is for players only.
    for extension in ["", ".ts", ".m4s", ".mp4", ".key"] {
        let answer = get(&gateway, &format!("/s/{seal}{extension}")).await;
        assert!(answer.body.bytes == file("/s3cret/a.ts"), "{extension:?}");
    }
}

#[tokio::test]
async fn a_playlists_link_gives_no_original_text_under_any_extension() {
    let origin = source().await;
    let gateway = hls(&origin.url("/master.m3u8")).await;
    let link = links(CHANNEL, &playlist(&gateway, CHANNEL).await).pop().unwrap();
    let seal = link.strip_suffix(".m3u8").unwrap();
    let mut seen = 0;
    for extension in ["", ".ts", ".m4s", ".key", ".M3U8", ".m3u8.ts", ".m3u8"] {
        for range in ["", "Range: bytes=0-\r\n", "Range: bytes=10-\r\n"] {
            let request = format!(
                "GET {seal}{extension} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{range}\r\n"
            );
            let answer = Player::fetch(gateway.stream, &request).await;
            Canary::new(["s3cret", "127.0.0.1"]).assert_absent(extension, &answer.everything());
            seen += 1;
        }
    }
    assert_eq!(seen, 21);
}

#[tokio::test]
async fn a_segments_link_that_leads_to_a_playlist_gives_no_original_text() {
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => Script::m3u(&format!("{HEADER}#EXTINF:4,\nnested\n")),
        _ => Script::m3u(&format!("{HEADER}#EXTINF:4,\nhttp://x.example/{SECRET}.ts\n")),
    })
    .await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let link = links(CHANNEL, &playlist(&gateway, CHANNEL).await).pop().unwrap();
    let answer = Player::get(gateway.stream, &link).await;
    Canary::new([SECRET, "x.example"]).assert_absent("nested", &answer.everything());
}

#[tokio::test]
async fn unknown_channels_and_paths_are_404() {
    let origin = source().await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let paths = [
        "/hls/two/playlist.m3u8",
        "/hls/one/other.m3u8",
        "/hls/one/",
        "/hls/one/../one/playlist.m3u8",
        "/hls/%2e%2e/playlist.m3u8",
        "/hls/one/s/x.ts",
        "/stream/two",
        "/s/",
        "/s/a/b.ts",
        "/relay/channel/two/stream",
    ];
    for path in paths {
        assert_eq!(refused(&gateway, path).await, 404, "{path}");
    }
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn a_link_dies_with_its_channel() {
    let origin = source().await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let link = links(CHANNEL, &playlist(&gateway, CHANNEL).await).pop().unwrap();
    let before = origin.total();
    let other = origin.url("/list.m3u8");
    gateway
        .reload(&format!("{LIMITS}\nchannels: {{two: {{sources: [{other:?}], kind: hls}}}}"))
        .await;
    assert_eq!(refused(&gateway, &link).await, 410);
    assert_eq!(origin.total(), before);
}

#[tokio::test]
async fn hls_is_not_delivered_as_anything_else() {
    let origin = source().await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    for format in ["dash", "hls-fmp4"] {
        let path = format!("/stream/one?format={format}");
        assert_eq!(refused(&gateway, &path).await, 406, "{format}");
        let path = format!("/relay/channel/one/stream?format={format}");
        assert_eq!(refused(&gateway, &path).await, 406, "{format}");
    }
    assert_eq!(refused(&gateway, "/stream/one?format=avi").await, 400);
    assert_eq!(origin.total(), 0, "known before anybody was asked");
    for path in ["/stream/one", "/stream/one?format=hls", "/stream/one?format=auto"] {
        playlist(&gateway, path).await;
    }
    // And nothing else is delivered as HLS yet.
    let live = Origin::live(TsPattern::new(1)).await;
    let url = live.url("/live/one.ts");
    let gateway = Gateway::start(&format!("channels: {{one: {{sources: [{url:?}]}}}}")).await;
    for path in [CHANNEL, "/stream/one?format=hls", "/stream/one?format=dash"] {
        assert_eq!(refused(&gateway, path).await, 406, "{path}");
    }
    assert_eq!(live.total(), 0);
}

#[tokio::test]
async fn head_of_a_playlist_has_its_type_and_no_false_length() {
    let origin = source().await;
    let gateway = hls(&origin.url("/master.m3u8")).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::head("x", CHANNEL)).await;
    let head = player.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Type"), Some("application/vnd.apple.mpegurl"));
    assert_ne!(head.content_length(), Some(0), "a playlist is not empty");
    player.send(presets::get_keep_alive("x", CHANNEL)).await;
    assert_eq!(player.head().await.status, 200);
    let body = player.read_to_end().await;
    let link = links(CHANNEL, std::str::from_utf8(&body.bytes).unwrap()).pop().unwrap();
    player.send(presets::head("x", &link)).await;
    let head = player.head().await;
    assert_eq!(head.header("Content-Type"), Some("application/vnd.apple.mpegurl"));
    assert_ne!(head.content_length(), Some(0));
    player.send(presets::get_keep_alive("x", "/health")).await;
    assert_eq!(player.head().await.status, 200, "there was no body");
}

#[tokio::test]
async fn a_bad_playlist_is_502_and_its_text_stays_here() {
    let text = |text: &str| Script::m3u(&text.replace("SECRET", SECRET));
    let uri = "http://x.example/SECRET.ts";
    let cases = [
        ("a page", Script::html(&format!("<h1>{SECRET}</h1>"))),
        ("JSON", Script::json(&format!("{{\"error\": \"{SECRET}\"}}"))),
        ("a stream", Script::live(Feed::of(TsPattern::new(1)))),
        ("nothing", text("")),
        ("a plain text", text("SECRET\n")),
        ("no header", text(&format!("#EXTINF:4,\n{uri}\n"))),
        ("almost a header", text(&format!("#EXTM3U8\n{uri}\n"))),
        (
            "an unfinished attribute",
            text(&format!("{HEADER}#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\n")),
        ),
        ("another scheme", text(&format!("{HEADER}#EXTINF:4,\nfile:///etc/SECRET\n"))),
        ("yet another", text(&format!("{HEADER}#EXTINF:4,\nrtmp://x.example/SECRET\n"))),
        (
            "a variable that nobody has defined",
            text("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"SECRET\"\n#EXTINF:4,\n{$b}.ts\n"),
        ),
        (
            "line ends of old Macs",
            text(&format!("{HEADER}#EXTINF:4,\n{uri}\n").replace('\n', "\r")),
        ),
        ("a line end within a tag", text(&format!("{HEADER}#EXTINF:4,\r{uri}\n"))),
        ("a line end within a URI", text(&format!("{HEADER}#EXTINF:4,\na.ts\r{uri}\n"))),
        ("NUL", text(&format!("{HEADER}#EXTINF:4,\0SECRET\na.ts\n"))),
        ("UTF-16", {
            let bytes = |c: u16| c.to_le_bytes();
            let utf16: Vec<u8> =
                format!("\u{feff}{HEADER}{uri}\n").encode_utf16().flat_map(bytes).collect();
            Script::whole("200 OK", "application/x-mpegurl", utf16)
        }),
        ("Latin-1", {
            let latin1 = format!("{HEADER}#EXTINF:4,{SECRET}-").into_bytes();
            let latin1 = [latin1.as_slice(), b"\xfcber\na.ts\n"].concat();
            Script::whole("200 OK", "application/x-mpegurl", latin1)
        }),
        ("compressed", {
            let fields = [("Content-Encoding", "gzip"), ("Content-Type", "application/x-mpegurl")];
            Script::head("200 OK", &fields).body(format!("{HEADER}{SECRET}\n")).close()
        }),
        ("cut short", {
            let fields = [("Content-Length", "1000"), ("Content-Type", "application/x-mpegurl")];
            Script::head("200 OK", &fields)
                .body(format!("{HEADER}#EXTINF:4,\n{SECRET}.ts\n"))
                .close()
        }),
        ("206", {
            let fields = [("Content-Range", "bytes 0-32/100"), ("Content-Length", "33")];
            Script::head("206 Partial Content", &fields).body(HEADER).close()
        }),
        ("a status", Script::error(&format!("500 {SECRET}"))),
    ];
    let mut seen = 0;
    for (what, script) in cases {
        let origin = Origin::start(move |_| script.clone()).await;
        let gateway = hls_with(&origin.url("/list.m3u8"), KEEPS_NOTHING).await;
        assert_eq!(refused(&gateway, CHANNEL).await, 502, "{what}");
        origin.idle().await;
        seen += 1;
    }
    assert_eq!(seen, 21);
}

#[tokio::test]
async fn a_byte_order_mark_does_no_harm() {
    let text = "\u{feff}#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n#EXTINF:4,Ünïcode\r\na.ts \r\n\r\n";
    let origin = Origin::start(move |request| match request.path() {
        "/list.m3u8" => Script::m3u(text),
        _ => served(request),
    })
    .await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let got = playlist(&gateway, CHANNEL).await;
    assert!(got.contains("#EXTINF:4,Ünïcode\r\n"), "{got}");
    let uri = got.lines().find(|line| line.starts_with("../")).unwrap().trim_end();
    assert!(get(&gateway, &super::follow(CHANNEL, uri)).await.body.bytes == file("/a.ts"));
}

#[tokio::test]
async fn a_playlist_beyond_the_limit_is_502() {
    let line = format!("#EXTINF:4,\n{SECRET}.ts\n");
    let of = |bytes: usize| {
        let mut text = format!("{HEADER}{}", line.repeat(bytes / line.len() + 1));
        text.truncate(bytes - 1);
        text + "\n"
    };
    let (fits, beyond) = (of(64 * 1024), of(64 * 1024 + 1));
    assert_eq!((fits.len(), beyond.len()), (65_536, 65_537));
    let endless = Script::head("200 OK", &[("Transfer-Encoding", "chunked")])
        .chunked(Chunks::AsWritten)
        .body(HEADER)
        .feed(Feed::of(TsPattern::new(1)));
    let cases = [
        (Script::m3u(&fits), 200),
        (Script::m3u(&beyond), 502),
        (Script::head("200 OK", &[]).body(&beyond).close(), 502),
        (endless, 502),
    ];
    let mut seen = 0;
    for (script, status) in cases {
        let origin = Origin::start(move |_| script.clone()).await;
        let more = "limits: {playlist_bytes: 64KiB, requests_per_second: 10000}";
        let more = format!("{more}\n{KEEPS_NOTHING}");
        let gateway = hls_with(&origin.url("/list.m3u8"), &more).await;
        let answer = Player::get(gateway.stream, CHANNEL).await;
        assert_eq!(answer.status(), status);
        Canary::new([SECRET]).assert_absent("long", &answer.everything());
        origin.idle().await;
        assert!(origin.written() < 16 << 20, "an endless playlist is not read for ever");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn a_playlist_does_not_lead_into_private_networks() {
    let inner = Origin::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start(served).await;
    let port = inner.address().port();
    let inside = inner.url("/a.ts");
    let hosts = [
        inside.clone(),
        format!("//127.0.0.2:{port}/a.ts"),
        format!("http://[::ffff:127.0.0.2]:{port}/a.ts"),
        format!("http://0.0.0.0:{port}/a.ts"),
        "http://10.0.0.1/a.ts".to_owned(),
        "http://192.168.0.1/a.ts".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::1]/a.ts".to_owned(),
        "http://[fd00::1]/a.ts".to_owned(),
    ];
    let mut text = HEADER.to_owned();
    hosts.iter().for_each(|host| text += &format!("#EXTINF:4,\n{host}\n"));
    text += &format!("#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.2:{port}/list.m3u8\n");
    text += &format!("#EXT-X-KEY:METHOD=AES-128,URI=\"http://127.0.0.2:{port}/key\"\n");
    text += "#EXTINF:4,\n/redirected.ts\n";
    let origin = Origin::start(move |request| match request.path() {
        "/list.m3u8" => Script::m3u(&text),
        _ => Script::redirect("302 Found", &inside),
    })
    .await;
    let gateway = hls(&origin.url("/list.m3u8")).await;
    let parts = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    assert_eq!(parts.len(), hosts.len() + 3);
    for part in &parts {
        assert_eq!(refused(&gateway, part).await, 502, "{part}");
    }
    assert_eq!(inner.total(), 0, "not even a connection");
    // Whoever lists the network gets there; what is never allowed stays so.
    let more = format!("{LIMITS}\negress: {{private: [127.0.0.0/8, 169.254.0.0/16]}}");
    let gateway = hls_with(&origin.url("/list.m3u8"), &more).await;
    let parts = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    for at in [0, 1, 10, 11] {
        get(&gateway, &parts[at]).await;
    }
    assert_eq!(inner.seen().len(), 4);
    assert_eq!(refused(&gateway, &parts[6]).await, 502, "metadata services");
}
