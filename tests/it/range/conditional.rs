//! Conditional requests (RFC 9110 section 13): the origin decides, its decision passes.

use super::LAST_MODIFIED;
use super::assert_same;
use super::both_ways;
use super::film;
use super::last;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

const EARLIER: &str = "Fri, 31 Jan 2025 10:20:30 GMT";
const LATER: &str = "Sun, 02 Feb 2025 10:20:30 GMT";

#[tokio::test]
async fn if_range_passes_unchanged_and_so_does_what_follows_from_it() {
    let vod = Vod::start(VodFile::of_length(10_000).etag("\"v1\"")).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let cases = [
        ("\"v1\"", 206, 100),
        ("\"v0\"", 200, 10_000),
        // Weak validators never vouch for a range.
        ("W/\"v1\"", 200, 10_000),
        (LAST_MODIFIED, 206, 100),
        (EARLIER, 200, 10_000),
        (LATER, 200, 10_000),
        ("nonsense", 200, 10_000),
    ];
    for (validator, status, length) in cases {
        let fields = format!("Range: bytes=500-599\r\nIf-Range: {validator}\r\n");
        let (direct, through) = both_ways(&vod, &gateway, &fields).await;
        assert_same(validator, &direct, &through);
        assert_eq!((through.status(), through.body.bytes.len()), (status, length), "{validator}");
        let first = if status == 206 { 500 } else { 0 };
        Blob::new(1, 10_000).assert_matches(first, &through.body.bytes);
        assert_eq!(last(&vod).headers("If-Range"), [validator]);
        assert_eq!(last(&vod).headers("Range"), ["bytes=500-599"]);
    }
    assert_eq!(vod.seen().len(), cases.len() * 2);
    // The file is replaced on the origin: a resumed download starts over instead of mixing two.
    vod.replace(VodFile::new(Blob::new(2, 9000)).etag("\"v2\""));
    let (_, through) = both_ways(&vod, &gateway, "Range: bytes=500-\r\nIf-Range: \"v1\"\r\n").await;
    assert_eq!((through.status(), through.body.bytes.len()), (200, 9000));
    Blob::new(2, 9000).assert_matches(0, &through.body.bytes);
}

#[tokio::test]
async fn a_weak_etag_is_no_licence_to_resume() {
    let vod = Vod::start(VodFile::of_length(10_000).etag("W/\"v1\"").no_last_modified()).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let fields = "Range: bytes=500-599\r\nIf-Range: W/\"v1\"\r\n";
    let (direct, through) = both_ways(&vod, &gateway, fields).await;
    assert_same("weak", &direct, &through);
    assert_eq!((through.status(), through.body.bytes.len()), (200, 10_000));
    assert_eq!(through.head.header("ETag"), Some("W/\"v1\""));
}

#[tokio::test]
async fn not_modified_has_no_body_and_leaves_the_connection_usable() {
    let vod = Vod::start(VodFile::of_length(4000).etag("\"v1\"")).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    let since = format!("If-Modified-Since: {LAST_MODIFIED}");
    let later = format!("If-Modified-Since: {LATER}");
    let unmodified = [
        "If-None-Match: \"v1\"",
        "If-None-Match: W/\"v1\"",
        "If-None-Match: \"v0\", \"v1\"",
        "If-None-Match: *",
        &since,
        &later,
    ];
    for condition in unmodified {
        let request = format!("GET /stream/film HTTP/1.1\r\nHost: x\r\n{condition}\r\n\r\n");
        player.send(request).await;
        let head = player.head().await;
        assert_eq!(head.status, 304, "{condition}");
        assert_eq!(head.header("ETag"), Some("\"v1\""), "{condition}");
        assert_eq!(head.header("Last-Modified"), Some(LAST_MODIFIED));
        assert!(head.header("Date").is_some());
        assert_eq!(head.header("Transfer-Encoding"), None);
        // Were there a body, this answer would begin within it.
        player.send(presets::ranged("x", "/stream/film", "bytes=10-19")).await;
        assert_eq!(player.head().await.status, 206, "after {condition}");
        Blob::new(1, 4000).assert_matches(10, &player.read_exact_body(10).await);
    }
    assert_eq!(vod.seen().len(), unmodified.len() * 2);
    let earlier = format!("If-Modified-Since: {EARLIER}");
    for condition in ["If-None-Match: \"v0\"", earlier.as_str()] {
        let request = format!("GET /stream/film HTTP/1.1\r\nHost: x\r\n{condition}\r\n\r\n");
        player.send(request).await;
        assert_eq!(player.head().await.status, 200, "{condition}: it was modified");
        assert_eq!(player.read_to_end().await.bytes.len(), 4000);
    }
    vod.idle().await;
}

#[tokio::test]
async fn preconditions_that_fail_are_412_and_the_connection_goes_on() {
    let vod = Vod::start(VodFile::of_length(4000).etag("\"v1\"")).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    let unmodified_since = format!("If-Unmodified-Since: {EARLIER}");
    for condition in ["If-Match: \"v0\"", "If-Match: W/\"v1\"", unmodified_since.as_str()] {
        let request = format!("GET /stream/film HTTP/1.1\r\nHost: x\r\n{condition}\r\n\r\n");
        player.send(request).await;
        assert_eq!(player.head().await.status, 412, "{condition}");
        assert!(player.read_to_end().await.is_complete());
    }
    let request = "GET /stream/film HTTP/1.1\r\nHost: x\r\nIf-Match: \"v0\", \"v1\"\r\n\r\n";
    player.send(request).await;
    assert_eq!(player.head().await.status, 200);
    assert_eq!(player.read_to_end().await.bytes.len(), 4000);
    assert_eq!(vod.seen().len(), 4);
}
