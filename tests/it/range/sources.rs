//! Files whose sources fail: before the head the next one is asked, after it the client can tell.

use std::sync::Arc;

use super::LIMITS;
use super::film;
use super::film_with;
use crate::support::capture::Canary;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Refused;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

/// Stands in every error page of these tests' sources.
const SECRET: &str = "0rigin-s3cret";

fn error_page(status: &str) -> Script {
    let page = format!("<html>{SECRET} {status}</html>");
    Script::head(
        status,
        &[
            ("Content-Type", "text/html"),
            ("Content-Length", &page.len().to_string()),
            ("Server", SECRET),
            ("WWW-Authenticate", &format!("Basic realm=\"{SECRET}\"")),
            ("ETag", &format!("\"{SECRET}\"")),
        ],
    )
    .body(page)
    .next_request()
}

#[tokio::test]
async fn errors_of_the_source_become_ours() {
    let cases = [
        ("404 Not Found", 404),
        ("410 Gone", 410),
        ("400 Bad Request", 502),
        ("401 Unauthorized", 502),
        ("403 Forbidden", 502),
        ("407 Proxy Authentication Required", 502),
        ("418 Teapot", 502),
        ("500 Internal Server Error", 502),
        ("503 Service Unavailable", 502),
        ("204 No Content", 502),
        ("429 Too Many Requests", 503),
        ("509 Bandwidth Limit Exceeded", 503),
    ];
    let mut seen = 0;
    for (status, expected) in cases {
        let origin = Origin::start(move |_| error_page(status)).await;
        let gateway = film(&[origin.url("/s3cret-path/film.mp4")]).await;
        let mut player = Player::connect(gateway.stream).await;
        for _ in 0..2 {
            player.send(presets::ranged("x", "/stream/film", "bytes=0-")).await;
            let head = player.head().await;
            assert_eq!(head.status, expected, "{status}");
            assert_eq!(head.header("Content-Type"), Some("application/problem+json"), "{status}");
            assert_eq!(head.header("Access-Control-Allow-Origin"), Some("*"), "{status}");
            assert_eq!(head.header("WWW-Authenticate"), None, "{status}: never asks the viewer");
            assert_eq!(head.header("Retry-After").is_some(), expected == 503, "{status}");
            let body = player.read_to_end().await;
            let text = String::from_utf8(body.bytes.clone()).unwrap();
            assert!(text.contains(&format!("\"status\":{expected}")), "{text}");
            assert!(text.contains("\"channel\":\"film\""), "{text}");
            let everything = [head.raw, body.bytes].concat();
            let origin = origin.authority();
            let port = origin.rsplit(':').next().unwrap();
            Canary::new([SECRET, "s3cret-path", &origin, port]).assert_absent(status, &everything);
        }
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[tokio::test]
async fn the_next_source_is_asked_with_the_same_range() {
    let refused = Refused::new();
    let page = Origin::start(|_| Script::html(&format!("<!DOCTYPE html><p>{SECRET}</p>"))).await;
    let json = Origin::start(|_| Script::json("{\"error\": 1}")).await;
    let silent = Origin::start(|_| Script::new().close()).await;
    let garbage = Origin::start(|_| Script::new().raw("garbage\r\n\r\n")).await;
    let statuses = Origin::start(|request| {
        error_page(request.query().unwrap_or_default().replace("%20", " ").as_str())
    })
    .await;
    let mut failing = vec![
        refused.url("/film.mp4"),
        page.url("/film.mp4"),
        json.url("/film.mp4"),
        silent.url("/film.mp4"),
        garbage.url("/film.mp4"),
    ];
    for status in ["404%20x", "410%20x", "403%20x", "401%20x", "500%20x", "429%20x"] {
        failing.push(statuses.url(&format!("/film.mp4?{status}")));
    }
    let mut seen = 0;
    for first in &failing {
        let vod = Vod::start(VodFile::of_length(500_000)).await;
        let gateway = film(&[first.clone(), vod.url("/backup/film.mp4")]).await;
        let request = presets::ranged("x", "/stream/film", "bytes=1000-400000");
        let answer = Player::fetch(
            gateway.stream,
            &request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(answer.status(), 206, "{first}");
        assert_eq!(answer.head.header("Content-Range"), Some("bytes 1000-400000/500000"));
        assert_eq!(answer.body.bytes.len(), 399_001, "{first}");
        Blob::new(1, 500_000).assert_matches(1000, &answer.body.bytes);
        assert_eq!(vod.seen()[0].header("Range"), Some("bytes=1000-400000"));
        Canary::new([SECRET]).assert_absent(first, &answer.everything());
        seen += 1;
    }
    assert_eq!(seen, 11);
    // And one after the other, each once.
    let vod = Vod::start(VodFile::of_length(5000)).await;
    failing.push(vod.url("/film.mp4"));
    let gateway = film(&failing).await;
    let before = statuses.seen().len();
    let answer = Player::get(gateway.stream, "/stream/film").await;
    assert_eq!((answer.status(), answer.body.bytes.len()), (200, 5000));
    assert_eq!(statuses.seen().len(), before + 6);
    assert_eq!(vod.total(), 1);
}

#[tokio::test]
async fn a_sentence_from_a_panel_is_no_film() {
    let panel = Origin::start(|_| Script::html("Your account has expired, call us")).await;
    let vod = Vod::start(VodFile::of_length(5000)).await;
    let gateway = film(&[panel.url("/film.mp4"), vod.url("/film.mp4")]).await;
    let answer = Player::get(gateway.stream, "/stream/film").await;
    assert_eq!((answer.status(), answer.body.bytes.len()), (200, 5000));
    Blob::new(1, 5000).assert_matches(0, &answer.body.bytes);
}

#[tokio::test]
async fn the_first_source_that_has_the_file_is_the_only_one_asked() {
    let first = Vod::start(VodFile::new(Blob::new(1, 5000))).await;
    let backup = Vod::start(VodFile::new(Blob::new(2, 5000))).await;
    let gateway = film(&[first.url("/a.mp4"), backup.url("/b.mp4")]).await;
    for _ in 0..5 {
        let answer = Player::get(gateway.stream, "/stream/film").await;
        Blob::new(1, 5000).assert_matches(0, &answer.body.bytes);
    }
    assert_eq!((first.total(), backup.total()), (5, 0));
    // 416 and 304 answer the client's own request: no reason to look elsewhere.
    let request = presets::ranged("x", "/stream/film", "bytes=5000-");
    assert_eq!(Player::ask(gateway.stream, &request).await.1.status, 416);
    assert_eq!(backup.total(), 0);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_an_incomplete_message() {
    const LENGTH: u64 = 1 << 20;
    const SENT: u64 = 300_000;
    let whole = LENGTH.to_string();
    let sized = [("Content-Type", "video/mp4"), ("Content-Length", whole.as_str())];
    let chunked = [("Content-Type", "video/mp4"), ("Transfer-Encoding", "chunked")];
    let feed = || Feed::of(Blob::new(1, LENGTH)).bytes(SENT);
    let cuts = [
        ("closed", Script::head("200 OK", &sized).feed(feed()).close()),
        ("reset", Script::head("200 OK", &sized).feed(feed()).reset()),
        ("last chunk missing", {
            Script::head("200 OK", &chunked).chunked(Chunks::Of(7000)).feed(feed()).close()
        }),
        ("chunk torn", {
            Script::head("200 OK", &chunked)
                .chunked(Chunks::AsWritten)
                .feed(feed())
                .raw("1000\r\nshort")
                .close()
        }),
        ("bad chunk", {
            Script::head("200 OK", &chunked)
                .chunked(Chunks::AsWritten)
                .feed(feed())
                .raw("no chunk size\r\n")
                .close()
        }),
    ];
    let mut seen = 0;
    for (how, script) in cuts {
        let script = Arc::new(script);
        // Asked again, it has nothing more: there is nowhere to go on from.
        let origin = Origin::start(move |request| match request.attempt {
            1 => (*script).clone(),
            _ => Script::error("404 Not Found"),
        })
        .await;
        let gateway = film(&[origin.url("/film.mp4")]).await;
        let answer = Player::get(gateway.stream, "/stream/film").await;
        assert_eq!(answer.status(), 200, "{how}");
        assert!(matches!(answer.body.ending, Ending::Cut(_)), "{how}: {:?}", answer.body.ending);
        let bytes = answer.body.bytes;
        assert!(!bytes.is_empty() && bytes.len() as u64 <= SENT + 5, "{how}: {}", bytes.len());
        let good = bytes.len().min(SENT as usize);
        Blob::new(1, LENGTH).assert_matches(0, &bytes[..good]);
        origin.idle().await;
        let failed = async || {
            let name = "weir_sessions_total{channel=\"film\",end=\"source_failed\"}";
            (gateway.metric(name).await == 1.0).then_some(())
        };
        eventually_async("the session's end says so", failed).await;
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn a_body_that_is_too_long_ends_where_its_length_says() {
    let origin = Origin::start(|_| {
        let fields = [("Content-Type", "video/mp4"), ("Content-Length", "1000")];
        Script::head("200 OK", &fields).feed(Feed::of(Blob::new(1, 5000))).close()
    })
    .await;
    let gateway = film(&[origin.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    for _ in 0..2 {
        player.send(presets::get_keep_alive("x", "/stream/film")).await;
        assert_eq!(player.head().await.content_length(), Some(1000));
        let body = player.read_to_end().await;
        assert_eq!(body.bytes.len(), 1000);
        Blob::new(1, 5000).assert_matches(0, &body.bytes);
    }
    origin.idle().await;
}

#[tokio::test]
async fn a_source_that_falls_silent_in_the_middle_is_an_incomplete_message_too() {
    let origin = Origin::start(|request| match request.attempt {
        1 => {
            let fields = [("Content-Type", "video/mp4"), ("Content-Length", "1000000")];
            let feed = Feed::of(Blob::new(1, 1_000_000)).bytes(50_000);
            Script::head("200 OK", &fields).feed(feed).stall()
        }
        _ => Script::error("404 Not Found"),
    })
    .await;
    let more =
        format!("{LIMITS}\nfailover: {{rounds: 0, response_timeout: 500ms, stall_timeout: 400ms}}");
    let gateway = film_with(&[origin.url("/film.mp4")], &more).await;
    let answer = Player::get(gateway.stream, "/stream/film").await;
    assert!(matches!(answer.body.ending, Ending::Cut(_)), "{:?}", answer.body.ending);
    assert_eq!(answer.body.bytes.len(), 50_000);
    Blob::new(1, 1_000_000).assert_matches(0, &answer.body.bytes);
    origin.idle().await;
}
