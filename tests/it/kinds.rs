//! What a channel is: by its definition, its URL, its source's answer, or its first bytes. What was
//! learned once holds from then on.

use std::sync::Arc;
use std::sync::Mutex;

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::gateway::Gateway;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::TsCheck;
use crate::support::ts::TsPattern;
use crate::support::vod::HeadRequests;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

const MEDIA_PLAYLIST: &str =
    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\nsegment-1.ts\n#EXT-X-ENDLIST\n";

/// How an answer shows the kind that it was served as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    Live,
    Vod,
    Hls,
}

/// A gateway with one channel.
async fn channel(url: &str, kind: &str) -> Gateway {
    Gateway::start(&format!("channels: {{one: {{sources: [{url:?}], kind: {kind}}}}}")).await
}

/// Sends a ranged request and judges by what a player sees.
async fn ask(gateway: &Gateway) -> (Served, Head) {
    let request = presets::ranged("x", "/stream/one", "bytes=188-375");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    let served = match (head.status, head.header("Content-Type")) {
        (200, Some("application/vnd.apple.mpegurl")) => {
            let body = player.read_to_end().await;
            let text = String::from_utf8(body.bytes).unwrap();
            assert!(text.starts_with("#EXTM3U\n") && text.contains("../s/"), "{text}");
            Served::Hls
        }
        (200, _) => {
            assert_eq!(head.header("Accept-Ranges"), Some("none"), "{:?}", head.lines);
            assert_eq!(head.header("Cache-Control"), Some("no-store"));
            assert_eq!(head.header("Content-Length"), None);
            assert!(!player.read_exact_body(1000).await.is_empty());
            Served::Live
        }
        (206, _) => {
            assert_eq!(player.read_to_end().await.bytes.len(), 188);
            Served::Vod
        }
        other => panic!("{other:?}"),
    };
    (served, head)
}

/// Answers as the kind of `path` demands, whoever asks.
fn any_kind(request: &Recorded) -> Script {
    let path = request.path().to_ascii_lowercase();
    if path.contains("list") || path.ends_with(".m3u8") {
        return Script::m3u(MEDIA_PLAYLIST);
    }
    match request.header("Range") {
        Some(_) => {
            let fields = [
                ("Content-Type", "video/mp4"),
                ("Content-Range", "bytes 188-375/1000000"),
                ("Content-Length", "188"),
            ];
            Script::head("206 Partial Content", &fields)
                .feed(Feed::of(Blob::new(1, 1_000_000)).from(188).bytes(188))
                .next_request()
        }
        None => Script::live(Feed::of(TsPattern::new(1))),
    }
}

#[tokio::test]
async fn the_definition_wins_over_the_url() {
    let cases = [
        ("/film.mp4", "live", Served::Live),
        ("/movie/u/p/1.mkv", "live", Served::Live),
        ("/live/u/p/1.ts", "vod", Served::Vod),
        ("/list", "hls", Served::Hls),
        ("/list.mp4", "hls", Served::Hls),
        ("/play?id=7", "live", Served::Live),
        ("/play?id=7", "vod", Served::Vod),
    ];
    let mut seen = 0;
    for (path, kind, expected) in cases {
        let origin = Origin::start(any_kind).await;
        let gateway = channel(&origin.url(path), kind).await;
        assert_eq!(ask(&gateway).await.0, expected, "{path} {kind}");
        let asked = origin.seen();
        assert_eq!(asked.len(), 1, "nothing had to be found out");
        assert_eq!(asked[0].header("Range").is_some(), expected == Served::Vod, "{path} {kind}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[tokio::test]
async fn urls_tell_before_anything_is_asked() {
    let cases = [
        ("/a/channel.ts", Served::Live),
        ("/live/user/pass/1234.ts", Served::Live),
        ("/live/user/pass/1234", Served::Live),
        ("/live/user/pass/1234.m3u8", Served::Hls),
        ("/index.M3U8?token=x.mp4", Served::Hls),
        ("/movie/user/pass/1234.mkv", Served::Vod),
        ("/movie/user/pass/1234.ts", Served::Vod),
        ("/series/user/pass/1234.mp4", Served::Vod),
        ("/timeshift/user/pass/60/2025-01-01:20-00/1.ts", Served::Vod),
        ("/film.mp4", Served::Vod),
        ("/film.MKV?x=1.ts", Served::Vod),
        ("/film.avi", Served::Vod),
        ("/film.webm", Served::Vod),
        ("/film.mov", Served::Vod),
    ];
    let mut seen = 0;
    for (path, expected) in cases {
        let origin = Origin::start(any_kind).await;
        let gateway = channel(&origin.url(path), "auto").await;
        assert_eq!(ask(&gateway).await.0, expected, "{path}");
        let asked = origin.seen();
        assert_eq!(asked.len(), 1, "{path}: one request is enough");
        assert_eq!(asked[0].target(), path);
        assert_eq!(asked[0].header("Range").is_some(), expected == Served::Vod, "{path}");
        seen += 1;
    }
    assert_eq!(seen, 14);
}

/// An answer of `body` under `fields`, ranges served where the fields accept them.
fn answer(request: &Recorded, fields: &[(&str, &str)], body: &[u8]) -> Script {
    let ranges = fields.iter().any(|(name, _)| *name == "Accept-Ranges");
    if request.header("Range").is_none() || !ranges {
        return Script::head("200 OK", fields).body(body).close();
    }
    let total = format!("bytes 188-375/{}", body.len());
    let fields = [("Content-Range", total.as_str()), ("Content-Length", "188")];
    Script::head("206 Partial Content", &fields).body(&body[188..376]).close()
}

#[tokio::test]
async fn where_the_url_says_nothing_the_answer_does() {
    let ts = TsPattern::new(1).packets(0, 100);
    let mut mp4 = b"\0\0\0\x20ftypisom".to_vec();
    mp4.extend(Blob::new(3, 20_000).slice(0, 20_000));
    let mut matroska = vec![0x1a, 0x45, 0xdf, 0xa3];
    matroska.extend(&mp4);
    let noise = Blob::new(4, 20_000).slice(0, 20_000);
    let list = MEDIA_PLAYLIST.as_bytes().to_vec();
    let octets = ("Content-Type", "application/octet-stream");
    let ranges = ("Accept-Ranges", "bytes");
    let length = ("Content-Length", "");
    let cases = [
        // By the answer's head.
        (vec![("Content-Type", "video/mp4"), ranges, length], &mp4, Served::Vod),
        (vec![("Content-Type", "Video/X-Matroska"), ranges, length], &noise, Served::Vod),
        (vec![("Content-Type", "video/mp2t"), ranges, length], &ts, Served::Vod),
        (vec![octets, ranges, length], &noise, Served::Vod),
        (vec![("Content-Type", "video/mp2t")], &ts, Served::Live),
        (
            vec![("Content-Type", "application/x-mpegURL; charset=utf-8"), length],
            &list,
            Served::Hls,
        ),
        // By the first bytes.
        (vec![], &ts, Served::Live),
        (vec![octets], &ts, Served::Live),
        (vec![octets], &noise, Served::Live),
        (vec![octets, ranges], &mp4, Served::Vod),
        (vec![octets, ranges], &matroska, Served::Vod),
        (vec![octets, length], &list, Served::Hls),
        (vec![("Content-Type", "text/plain")], &list, Served::Hls),
        (vec![("Content-Type", "text/html"), length], &list, Served::Hls),
        // A type that lies about its bytes.
        (vec![("Content-Type", "application/vnd.apple.mpegurl")], &ts, Served::Live),
    ];
    let mut seen = 0;
    for (fields, body, expected) in cases {
        let what = format!("{fields:?}, {expected:?}");
        let size = body.len().to_string();
        let body = body.clone();
        let fields: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| (*name, if value.is_empty() { &size } else { *value }))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let origin = Origin::start(move |request| {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            answer(request, &fields, &body)
        })
        .await;
        let gateway = channel(&origin.url("/play?id=7"), "auto").await;
        let (served, _) = ask(&gateway).await;
        assert_eq!(served, expected, "{what}");
        let (again, _) = ask(&gateway).await;
        assert_eq!(again, expected, "{what}: remembered");
        let ranges = origin.seen().iter().filter(|asked| asked.header("Range").is_some()).count();
        assert_eq!(ranges, if expected == Served::Vod { 2 } else { 0 }, "{what}");
        assert!(origin.open_max() <= 1, "{what}: one at a time");
        seen += 1;
    }
    assert_eq!(seen, 15);
}

#[tokio::test]
async fn a_live_stream_is_learned_on_the_connection_that_plays_it() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = channel(&origin.url("/u/p/1234"), "auto").await;
    let (mut player, head) = Player::ask(gateway.stream, &presets::vlc("x", "/stream/one")).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Type"), Some("video/mp2t"));
    assert_eq!(head.header("Accept-Ranges"), Some("none"));
    let body = player.read_exact_body(188 * 500).await;
    TsCheck::of(&body).assert_clean("learned while it plays");
    TsPattern::new(1).assert_matches(0, &body);
    assert_eq!(origin.total(), 1, "no second connection");
    player.close();
    origin.idle().await;
    let (mut player, _) = Player::ask(gateway.stream, &presets::vlc("x", "/stream/one")).await;
    player.read_exact_body(188).await;
    assert_eq!(origin.total(), 2);
    assert!(origin.seen().iter().all(|asked| asked.header("Range").is_none()));
    // HEAD of a live channel is answered from what is known now.
    let (_, head) = Player::ask(gateway.stream, &presets::head("x", "/stream/one")).await;
    assert_eq!(head.header("Content-Type"), Some("video/mp2t"));
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn a_file_is_learned_before_the_range_is_passed() {
    let vod = Vod::start(VodFile::of_length(10 << 20)).await;
    let gateway = channel(&vod.url("/play?id=7"), "auto").await;
    let mut player = Player::connect(gateway.stream).await;
    for (first, connections) in [(1000, 2), (70_000, 3), (5_000_000, 4)] {
        let range = format!("bytes={first}-{}", first + 999);
        player.send(presets::ranged("x", "/stream/one", &range)).await;
        let head = player.head().await;
        assert_eq!(head.status, 206);
        Blob::new(1, 10 << 20).assert_matches(first, &player.read_exact_body(1000).await);
        let asked = vod.seen();
        assert_eq!(asked.len(), connections);
        assert_eq!(asked[connections - 1].header("Range"), Some(range.as_str()));
    }
    assert_eq!(vod.seen()[0].header("Range"), None, "nobody knew that it is a file");
    assert_eq!(vod.open_max(), 1, "the first connection is closed before the second opens");
    vod.idle().await;
}

#[tokio::test]
async fn a_file_asked_for_whole_is_learned_on_the_connection_that_sends_it() {
    let vod = Vod::start(VodFile::of_length(3 << 20)).await;
    let gateway = channel(&vod.url("/play?id=7"), "auto").await;
    let answer = Player::get(gateway.stream, "/stream/one").await;
    assert_eq!((answer.status(), answer.head.content_length()), (200, Some(3 << 20)));
    assert_eq!(answer.head.header("Accept-Ranges"), Some("bytes"));
    assert_eq!(answer.body.bytes.len(), 3 << 20);
    Blob::new(1, 3 << 20).assert_matches(0, &answer.body.bytes);
    assert_eq!(vod.total(), 1);
}

#[tokio::test]
async fn a_first_request_that_is_head_learns_too() {
    for head_requests in [HeadRequests::Answered, HeadRequests::Refused] {
        let file = VodFile::of_length(9 << 20).head(head_requests);
        let vod = Vod::start(file).await;
        let gateway = channel(&vod.url("/play?id=7"), "auto").await;
        let (_, head) = Player::ask(gateway.stream, &presets::kodi_head("x", "/stream/one")).await;
        assert_eq!((head.status, head.content_length()), (200, Some(9 << 20)), "{head_requests:?}");
        assert_eq!(head.header("Accept-Ranges"), Some("bytes"));
        let before = vod.total();
        let get = presets::kodi_get("x", "/stream/one");
        let (player, head) = Player::ask(gateway.stream, &get).await;
        assert_eq!((head.status, vod.total()), (206, before + 1), "known by now");
        player.close();
        vod.idle().await;
        assert_eq!(vod.open_max(), 1, "{head_requests:?}");
    }
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = channel(&origin.url("/play?id=7"), "auto").await;
    for _ in 0..3 {
        let (_, head) = Player::ask(gateway.stream, &presets::kodi_head("x", "/stream/one")).await;
        assert_eq!((head.status, head.header("Accept-Ranges")), (200, Some("none")));
        assert_eq!(head.header("Content-Length"), None, "a live stream is not empty");
    }
    origin.idle().await;
    assert_eq!(origin.total(), 1, "one look, then it is known");
}

#[tokio::test]
async fn what_is_no_media_teaches_nothing() {
    let current = Arc::new(Mutex::new(Script::html("<h1>maintenance</h1>")));
    let script = Arc::clone(&current);
    let origin = Origin::start(move |_| script.lock().unwrap().clone()).await;
    let gateway = channel(&origin.url("/play?id=7"), "auto").await;
    let request = presets::ranged("x", "/stream/one", "bytes=0-");
    let failures = [
        Script::html("<h1>maintenance</h1>"),
        Script::json("{}"),
        Script::error("500 No"),
        Script::new().close(),
    ];
    for failure in failures {
        *current.lock().unwrap() = failure;
        let (_, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 502);
    }
    *current.lock().unwrap() = Script::live(Feed::of(TsPattern::new(1)));
    assert_eq!(ask(&gateway).await.0, Served::Live);
    assert_eq!(origin.total(), 5);
}

#[tokio::test]
async fn the_second_source_teaches_when_the_first_fails() {
    let broken = Origin::start(|_| Script::error("503 Service Unavailable")).await;
    let vod = Vod::start(VodFile::of_length(1 << 20)).await;
    let sources = [broken.url("/play?id=1"), vod.url("/play?id=2")];
    let gateway =
        Gateway::start(&format!("channels: {{one: {{sources: {sources:?}, kind: auto}}}}")).await;
    assert_eq!(ask(&gateway).await.0, Served::Vod);
    assert_eq!(vod.seen().last().unwrap().header("Range"), Some("bytes=188-375"));
    assert!(broken.seen().iter().filter(|asked| asked.header("Range").is_some()).count() <= 1);
}
