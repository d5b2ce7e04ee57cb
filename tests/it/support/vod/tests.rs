use super::*;
use crate::support::content::Digest;
use crate::support::player::Answer;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::wire::Parting;

/// The answer to a GET with further fields.
async fn get(vod: &Vod, fields: &str) -> Answer {
    let request = format!("GET /m.mp4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
    Player::fetch(vod.address(), &request).await
}

async fn statuses(vod: &Vod, cases: &[(&str, u16)]) {
    for (fields, expected) in cases {
        let answer = get(vod, fields).await;
        assert_eq!(answer.status(), *expected, "{fields:?}: {:?}", answer.head.lines);
        assert!(answer.body.is_complete(), "{fields:?}");
    }
}

#[tokio::test]
async fn ranges_are_exact() {
    let blob = Blob::new(1, 1000);
    let vod = Vod::start(VodFile::new(blob)).await;
    let cases = [
        ("bytes=0-8", 0, 9),
        ("bytes=-10", 990, 10),
        ("bytes=990-", 990, 10),
        ("bytes=990-1990", 990, 10),
        ("bytes=0-0", 0, 1),
        ("bytes=-5000", 0, 1000),
        ("BYTES=5-6", 5, 2),
        ("bytes=0-9, 5000-", 0, 10),
    ];
    for (range, first, length) in cases {
        let answer = get(&vod, &format!("Range: {range}\r\n")).await;
        assert_eq!(answer.status(), 206, "{range}");
        let place = format!("bytes {first}-{}/1000", first + length - 1);
        assert_eq!(answer.head.header("Content-Range"), Some(place.as_str()), "{range}");
        assert_eq!(answer.head.content_length(), Some(length), "{range}");
        assert_eq!(answer.body.bytes.len() as u64, length);
        blob.assert_matches(first, &answer.body.bytes);
    }
    let whole = get(&vod, "").await;
    assert_eq!((whole.status(), whole.head.header("Accept-Ranges")), (200, Some("bytes")));
    blob.assert_matches(0, &whole.body.bytes);
}

#[tokio::test]
async fn odd_ranges_are_refused_or_ignored() {
    let vod = Vod::start(VodFile::of_length(1000)).await;
    let many = format!("Range: bytes={}\r\n", "0-1,".repeat(51));
    statuses(
        &vod,
        &[
            ("Range: bytes=1000-\r\n", 416),
            ("Range: bytes=-0\r\n", 416),
            ("Range: bytes=99999999999999999999999-\r\n", 416),
            ("Range: bytes=5-4\r\n", 200),
            ("Range: bytes=5-4,0-1\r\n", 200),
            ("Range: bytes=a-b\r\n", 200),
            ("Range: bytes=\r\n", 200),
            ("Range: lines=0-1\r\n", 200),
            ("Range: bytes=0-99999999999999999999999\r\n", 206),
            (&many, 200),
        ],
    )
    .await;
    let answer = get(&vod, "Range: bytes=1000-\r\n").await;
    assert_eq!(answer.head.header("Content-Range"), Some("bytes */1000"));
}

#[tokio::test]
async fn several_ranges_come_in_parts() {
    let blob = Blob::new(1, 1000);
    let vod = Vod::start(VodFile::new(blob)).await;
    let answer = get(&vod, "Range: bytes=0-9,-10,10-19\r\n").await;
    assert_eq!(answer.status(), 206);
    assert!(answer.body.is_complete(), "Content-Length is that of all parts");
    let kind = answer.head.header("Content-Type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for (first, last) in [(0, 9), (990, 999), (10, 19)] {
        expected.extend(format!("\r\n--{boundary}\r\nContent-Type: video/mp4\r\n").bytes());
        expected.extend(format!("Content-Range: bytes {first}-{last}/1000\r\n\r\n").bytes());
        expected.extend(blob.slice(first, 10));
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
    assert_eq!(answer.body.bytes, expected);
}

#[tokio::test]
async fn preconditions_stand_in_their_order() {
    let vod = Vod::start(VodFile::of_length(1000).etag("\"v2\"")).await;
    let before = "Fri, 31 Jan 2025 23:59:59 GMT";
    let cases = [
        ("If-None-Match: \"v2\"\r\n".to_owned(), 304),
        ("If-None-Match: \"v1\", W/\"v2\"\r\n".to_owned(), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"v1\"\r\n".to_owned(), 200),
        (format!("If-Modified-Since: {LAST_MODIFIED}\r\n"), 304),
        (format!("If-Modified-Since: {before}\r\n"), 200),
        (format!("If-None-Match: \"v1\"\r\nIf-Modified-Since: {LAST_MODIFIED}\r\n"), 200),
        ("If-Match: \"v2\"\r\n".to_owned(), 200),
        ("If-Match: \"v1\"\r\n".to_owned(), 412),
        ("If-Match: W/\"v2\"\r\n".to_owned(), 412),
        (format!("If-Unmodified-Since: {before}\r\n"), 412),
        (format!("If-Unmodified-Since: {LAST_MODIFIED}\r\n"), 200),
        ("Range: bytes=0-1\r\nIf-None-Match: \"v2\"\r\n".to_owned(), 304),
        ("Range: bytes=0-1\r\nIf-Range: \"v2\"\r\n".to_owned(), 206),
        ("Range: bytes=0-1\r\nIf-Range: \"v1\"\r\n".to_owned(), 200),
        ("Range: bytes=0-1\r\nIf-Range: W/\"v2\"\r\n".to_owned(), 200),
        (format!("Range: bytes=0-1\r\nIf-Range: {LAST_MODIFIED}\r\n"), 206),
        (format!("Range: bytes=0-1\r\nIf-Range: {before}\r\n"), 200),
        ("Range: bytes=5000-\r\nIf-Range: \"v1\"\r\n".to_owned(), 200),
    ];
    let cases: Vec<_> = cases.iter().map(|(fields, status)| (fields.as_str(), *status)).collect();
    statuses(&vod, &cases).await;
    let unchanged = get(&vod, "If-None-Match: *\r\n").await;
    assert_eq!(unchanged.head.header("ETag"), Some("\"v2\""));
    assert_eq!((unchanged.head.content_length(), unchanged.body.bytes.len()), (None, 0));

    let weak = Vod::start(VodFile::of_length(1000).etag("W/\"v2\"").no_last_modified()).await;
    let cases = [
        ("Range: bytes=0-1\r\nIf-Range: W/\"v2\"\r\n", 200),
        ("If-None-Match: \"v2\"\r\n", 304),
        ("If-Match: W/\"v2\"\r\n", 412),
    ];
    statuses(&weak, &cases).await;
}

#[tokio::test]
async fn five_gibibytes_cost_nothing() {
    let blob = Blob::new(9, 5 << 30);
    let vod = Vod::start(VodFile::new(blob)).await;
    for first in [(1 << 32) - 7, (5 << 30) - 20] {
        let answer = get(&vod, &format!("Range: bytes={first}-{}\r\n", first + 19)).await;
        assert_eq!(answer.status(), 206);
        blob.assert_matches(first, &answer.body.bytes);
    }
    let (_player, head) = Player::ask(vod.address(), &presets::get("x", "/")).await;
    assert_eq!(head.content_length(), Some(5 << 30));
}

#[tokio::test]
async fn the_largest_file_has_the_largest_range() {
    let vod = Vod::start(VodFile::of_length(u64::MAX)).await;
    let last = i64::MAX as u64;
    let answer = get(&vod, &format!("Range: bytes={last}-{last}\r\n")).await;
    assert_eq!((answer.status(), answer.body.bytes.len()), (206, 1));
}

#[tokio::test]
async fn head_requests_are_answered_refused_or_dropped() {
    let head = "HEAD /m.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n";
    let vod = Vod::start(VodFile::of_length(1000)).await;
    let mut player = Player::connect(vod.address()).await;
    for _ in 0..3 {
        player.send(head).await;
        let answer = player.head().await;
        // Range is defined for GET alone.
        assert_eq!((answer.status, answer.content_length()), (200, Some(1000)));
        assert_eq!(answer.header("Last-Modified"), Some(LAST_MODIFIED));
    }
    vod.replace(VodFile::of_length(1000).head(HeadRequests::Refused));
    let (_player, answer) = Player::ask(vod.address(), head).await;
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET")));
    vod.replace(VodFile::of_length(1000).head(HeadRequests::Dropped));
    let mut player = Player::connect(vod.address()).await;
    player.send(head).await;
    assert!(player.try_head().await.is_err());
}

#[tokio::test]
async fn shortcomings_are_as_ordered() {
    let file = VodFile::of_length(1000).ranges(Ranges::Ignored).no_etag();
    let vod = Vod::start(file.field("Content-Disposition", "attachment")).await;
    let answer = get(&vod, "Range: bytes=0-1\r\n").await;
    assert_eq!((answer.status(), answer.body.bytes.len()), (200, 1000));
    for absent in ["Accept-Ranges", "ETag", "Content-Range"] {
        assert_eq!(answer.head.header(absent), None);
    }
    assert_eq!(answer.head.header("content-disposition"), Some("attachment"));
    let file = VodFile::of_length(100_000).chunked().slow(1_000_000);
    vod.replace(file.field("Content-Encoding", "gzip").content_type("video/mp2t"));
    let answer = get(&vod, "").await;
    assert_eq!(answer.head.header("Transfer-Encoding"), Some("chunked"));
    assert_eq!(answer.head.header("Content-Encoding"), Some("gzip"));
    assert!(answer.body.is_complete());
    Blob::new(1, 100_000).assert_matches(0, &answer.body.bytes);
}

#[tokio::test]
async fn a_cut_body_can_be_resumed() {
    let blob = Blob::new(4, 300_000);
    for (cut, ending) in [(Cut::Close, Parting::Fin), (Cut::Reset, Parting::Rst)] {
        let vod = Vod::start(VodFile::new(blob).cut_after(123_456, cut, 1)).await;
        let begun = get(&vod, "").await;
        assert_eq!(begun.body.ending, Ending::Cut(ending));
        // A reset may take the last bytes with it.
        let count = begun.body.bytes.len();
        assert!(count == 123_456 || cut == Cut::Reset && count < 123_456, "{count}");
        let rest = get(&vod, &format!("Range: bytes={count}-\r\nIf-Range: \"weir-1\"\r\n")).await;
        assert_eq!((rest.status(), rest.body.is_complete()), (206, true));
        let whole = [begun.body.bytes, rest.body.bytes].concat();
        assert_eq!(Digest::of(&whole), Digest::of_content(&blob, 0, 300_000));
    }
    let vod = Vod::start(VodFile::new(blob).cut_after(1000, Cut::Stall, 9)).await;
    let (mut player, _) = Player::ask(vod.address(), &presets::get("x", "/")).await;
    player.read_exact_body(1000).await;
    assert!(player.is_quiet_for(std::time::Duration::from_millis(50)).await);
}
