//! HEAD of a file: the head of its GET, however little the source likes to be asked.

use super::assert_same_fields;
use super::film;
use super::film_with;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::vod::HeadRequests;
use crate::support::vod::Ranges;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

/// HEAD, and then a range on the same connection, which would fail were there a body.
async fn head_of(gateway: &Gateway) -> Head {
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::head("x", "/stream/film")).await;
    let head = player.head().await;
    player.send(presets::ranged("x", "/health", "bytes=0-0")).await;
    assert_eq!(player.head().await.status, 200, "the connection is usable");
    assert_eq!(player.read_to_end().await.bytes, b"OK\n");
    head
}

/// Methods and ranges of what the origin was asked.
fn asked(origin: &Origin) -> Vec<(String, Option<String>)> {
    let of = |request: &Recorded| {
        (request.method().to_owned(), request.header("Range").map(str::to_owned))
    };
    origin.seen().iter().map(of).collect()
}

#[tokio::test]
async fn head_is_the_gets_head_without_its_body() {
    let file = VodFile::of_length(1 << 20)
        .field("Content-Disposition", "inline; filename=\"a.mp4\"")
        .field("Cache-Control", "no-cache");
    let vod = Vod::start(file).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    for _ in 0..3 {
        player.send(presets::head("x", "/stream/film")).await;
        let head = player.head().await;
        player.send(presets::get_keep_alive("x", "/stream/film")).await;
        let get = player.head().await;
        let body = player.read_to_end().await;
        assert_same_fields("HEAD", &get, &head);
        assert_eq!((head.status, head.content_length()), (200, Some(1 << 20)));
        assert_eq!(head.header("Accept-Ranges"), Some("bytes"));
        Blob::new(1, 1 << 20).assert_matches(0, &body.bytes);
    }
    let methods: Vec<String> = asked(&vod).into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["HEAD", "GET", "HEAD", "GET", "HEAD", "GET"]);
    vod.idle().await;
    let ended =
        async || (gateway.metric("weir_sessions{channel=\"film\"}").await == 0.0).then_some(());
    eventually_async("no session is left", ended).await;
}

#[tokio::test]
async fn range_means_nothing_in_a_head() {
    let vod = Vod::start(VodFile::of_length(9000)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let request = "HEAD /stream/film HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\n\r\n";
    let (_, head) = Player::ask(gateway.stream, request).await;
    assert_eq!((head.status, head.content_length()), (200, Some(9000)));
    assert_eq!(head.header("Content-Range"), None);
    assert_eq!(asked(&vod), [("HEAD".to_owned(), None)]);
}

#[tokio::test]
async fn a_conditional_head_is_answered_by_the_origin() {
    let vod = Vod::start(VodFile::of_length(9000).etag("\"v1\"")).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let request =
        |etag| format!("HEAD /stream/film HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\n\r\n");
    let (mut player, head) = Player::ask(gateway.stream, &request("\"v1\"")).await;
    assert_eq!((head.status, head.header("ETag")), (304, Some("\"v1\"")));
    player.send(request("\"v0\"")).await;
    assert_eq!(player.head().await.content_length(), Some(9000));
}

#[tokio::test]
async fn a_source_that_refuses_head_is_asked_for_one_byte() {
    const LENGTH: u64 = (5 << 30) + 17;
    let mut seen = 0;
    for refusal in [HeadRequests::Refused, HeadRequests::Dropped] {
        let file = VodFile::of_length(LENGTH).etag("\"big\"").head(refusal);
        let vod = Vod::start(file).await;
        let gateway = film(&[vod.url("/film.mp4")]).await;
        let head = head_of(&gateway).await;
        assert_eq!((head.status, head.content_length()), (200, Some(LENGTH)), "{refusal:?}");
        assert_eq!(head.header("Content-Range"), None, "that of the one byte is not the file's");
        assert_eq!(head.header("Accept-Ranges"), Some("bytes"));
        assert_eq!(head.header("ETag"), Some("\"big\""));
        assert_eq!(head.header("Content-Type"), Some("video/mp4"));
        let expected =
            [("HEAD".to_owned(), None), ("GET".to_owned(), Some("bytes=0-0".to_owned()))];
        assert_eq!(asked(&vod), expected, "{refusal:?}");
        vod.idle().await;
        assert!(vod.written() < 4096, "one byte, not the film");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[tokio::test]
async fn whatever_status_refuses_head_the_get_decides() {
    let mut seen = 0;
    for status in
        ["403 Forbidden", "400 Bad Request", "500 Internal Server Error", "501 Not Implemented"]
    {
        let origin = Origin::start(move |request| {
            if request.method() == "HEAD" {
                return Script::head(status, &[("Content-Length", "0")]).next_request();
            }
            let fields = [("Content-Range", "bytes 0-0/123456"), ("Content-Length", "1")];
            Script::head("206 Partial Content", &fields).body("x").next_request()
        })
        .await;
        let gateway = film(&[origin.url("/film.mp4")]).await;
        let head = head_of(&gateway).await;
        assert_eq!((head.status, head.content_length()), (200, Some(123_456)), "{status}");
        assert_eq!(origin.seen().len(), 2);
        origin.idle().await;
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn a_source_without_head_and_ranges_still_tells_its_length() {
    let file = VodFile::of_length(1 << 30).head(HeadRequests::Refused).ranges(Ranges::Ignored);
    let vod = Vod::start(file).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let head = head_of(&gateway).await;
    assert_eq!((head.status, head.content_length()), (200, Some(1 << 30)));
    assert_eq!(head.header("Accept-Ranges"), None, "it has none");
    // The body that was not wanted is not read: its connection is closed.
    vod.idle().await;
    assert_eq!(vod.total(), 2);
}

#[tokio::test]
async fn a_length_that_is_not_known_is_not_made_up() {
    let vod = Vod::start(VodFile::of_length(5000).chunked()).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let head = head_of(&gateway).await;
    assert_eq!((head.status, head.header("Content-Length")), (200, None));
    let origin = Origin::start(|request| match request.method() {
        "HEAD" => Script::error("405 Method Not Allowed"),
        _ => {
            let fields = [("Content-Range", "bytes 0-0/*"), ("Content-Length", "1")];
            Script::head("206 Partial Content", &fields).body("x").next_request()
        }
    })
    .await;
    let gateway = film(&[origin.url("/film.mp4")]).await;
    let head = head_of(&gateway).await;
    assert_eq!((head.status, head.header("Content-Length")), (200, None));
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn a_missing_file_is_missing_for_head_too() {
    for (status, code) in [("404 Not Found", 404), ("410 Gone", 410)] {
        let origin = Origin::start(move |_| Script::head(status, &[]).close()).await;
        let gateway = film(&[origin.url("/film.mp4")]).await;
        assert_eq!(head_of(&gateway).await.status, code);
        assert_eq!(origin.seen().len(), 1, "a GET would not find it either");
    }
}

#[tokio::test]
async fn head_goes_on_to_the_next_source() {
    let gone = Origin::start(|_| Script::head("404 Not Found", &[]).close()).await;
    let vod = Vod::start(VodFile::of_length(777)).await;
    let sources = [gone.url("/film.mp4"), vod.url("/film.mp4")];
    let gateway = film_with(&sources, "").await;
    let head = head_of(&gateway).await;
    assert_eq!((head.status, head.content_length()), (200, Some(777)));
    assert_eq!((gone.seen().len(), vod.seen().len()), (1, 1));
}
