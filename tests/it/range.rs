//! Ranges of a file, against an origin that keeps to RFC 9110: what it says and sends is what the
//! client gets.

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::gateway::Gateway;
use crate::support::origin::Recorded;
use crate::support::player::Answer;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::vod::LAST_MODIFIED;
use crate::support::vod::Ranges;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

mod conditional;
mod head;
mod resume;
mod seek;
mod sources;

/// Room for tests that ask more often than any viewer.
const LIMITS: &str = "limits: {requests_per_second: 10000, clients_per_ip: 1000}";

/// Fields of an answer that belong to the file and its source.
const OF_THE_FILE: [&str; 12] = [
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Accept-Ranges",
    "Cache-Control",
    "Expires",
    "ETag",
    "Last-Modified",
    "Date",
];

/// A gateway with the film at these URLs, in this order.
async fn film<S: AsRef<str>>(sources: &[S]) -> Gateway {
    film_with(sources, "").await
}

/// As [`film`], with more configuration.
async fn film_with<S: AsRef<str>>(sources: &[S], more: &str) -> Gateway {
    let sources: Vec<&str> = sources.iter().map(AsRef::as_ref).collect();
    let limits = if more.contains("limits:") { "" } else { LIMITS };
    let channels = format!("channels: {{film: {{sources: {sources:?}, kind: vod}}}}");
    Gateway::start(&format!("{limits}\n{more}\n{channels}")).await
}

/// The same request to the origin itself and through the gateway, in this order.
async fn both_ways(vod: &Vod, gateway: &Gateway, fields: &str) -> (Answer, Answer) {
    let request = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n")
    };
    let direct = Player::fetch(vod.address(), &request("/film.mp4")).await;
    let through = Player::fetch(gateway.stream, &request("/stream/film")).await;
    (direct, through)
}

/// Fails unless everything that belongs to the file is the same.
fn assert_same_fields(what: &str, direct: &Head, through: &Head) {
    assert_eq!(through.status, direct.status, "{what}");
    for name in OF_THE_FILE {
        assert_eq!(through.headers(name), direct.headers(name), "{what}: {name}");
    }
}

fn assert_same(what: &str, direct: &Answer, through: &Answer) {
    assert_same_fields(what, &direct.head, &through.head);
    assert!(through.body.is_complete(), "{what}: {:?}", through.body.ending);
    assert!(direct.body.bytes == through.body.bytes, "{what}: other bytes");
}

/// What the gateway asked, as against what the test asked directly.
fn last(vod: &Vod) -> Recorded {
    vod.seen().pop().expect("a request at the origin")
}

#[tokio::test]
async fn every_form_of_range_is_answered_as_the_origin_answers_it() {
    const LENGTH: u64 = 100_000;
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let cases = [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1", 0, 2),
        ("bytes=0-8", 0, 9),
        ("bytes=0-", 0, 100_000),
        ("bytes=1000-1999", 1000, 1000),
        ("bytes=99990-", 99_990, 10),
        ("bytes=99999-99999", 99_999, 1),
        ("bytes=99990-199990", 99_990, 10),
        ("bytes=-1", 99_999, 1),
        ("bytes=-10", 99_990, 10),
        ("bytes=-500000", 0, 100_000),
        ("Bytes=5-9", 5, 5),
        ("bytes= 5-9", 5, 5),
    ];
    let mut seen = 0;
    for (range, first, length) in cases {
        let (direct, through) = both_ways(&vod, &gateway, &format!("Range: {range}\r\n")).await;
        assert_same(range, &direct, &through);
        let head = &through.head;
        assert_eq!(head.status, 206, "{range}");
        assert_eq!(head.content_length(), Some(length), "{range}");
        let content_range = format!("bytes {first}-{}/{LENGTH}", first + length - 1);
        assert_eq!(head.header("Content-Range"), Some(content_range.as_str()), "{range}");
        assert_eq!(through.body.bytes.len() as u64, length, "{range}");
        Blob::new(1, LENGTH).assert_matches(first, &through.body.bytes);
        assert_eq!(last(&vod).headers("Range"), [range], "as the client wrote it");
        seen += 1;
    }
    assert_eq!(seen, 13);
    vod.idle().await;
    vod.assert_one_request_each();
}

#[tokio::test]
async fn a_multipart_answer_passes_byte_for_byte_with_its_boundary() {
    let vod = Vod::start(VodFile::of_length(50_000)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut seen = 0;
    for range in ["bytes=0-9,-10,10-19", "bytes=0-0,49999-49999", "bytes=5-30000,20000-,-40000"] {
        let (direct, through) = both_ways(&vod, &gateway, &format!("Range: {range}\r\n")).await;
        assert_same(range, &direct, &through);
        assert_eq!(through.status(), 206, "{range}");
        let kind = through.head.header("Content-Type").expect("a type");
        let (kind, boundary) = kind.split_once("; boundary=").expect("a boundary");
        assert_eq!(kind, "multipart/byteranges");
        let end = format!("\r\n--{boundary}--\r\n");
        assert!(through.body.bytes.ends_with(end.as_bytes()), "{range}: whole to the last part");
        assert_eq!(through.head.header("Content-Range"), None, "{range}: of the parts alone");
        assert_eq!(last(&vod).headers("Range"), [range]);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_range_beyond_the_end_is_416_with_the_length() {
    let vod = Vod::start(VodFile::of_length(1000)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    let ranges = ["bytes=1000-", "bytes=100000-100001", "bytes=-0", "bytes=9223372036854775807-"];
    for range in ranges {
        player.send(presets::ranged("x", "/stream/film", range)).await;
        let head = player.head().await;
        assert_eq!(head.status, 416, "{range}");
        assert_eq!(head.header("Content-Range"), Some("bytes */1000"), "{range}");
        let body = player.read_to_end().await;
        assert!(body.is_complete());
        assert!(!String::from_utf8_lossy(&body.bytes).contains("<html"), "the origin's own page");
    }
    // A viewer who sought too far goes on where there is something.
    player.send(presets::ranged("x", "/stream/film", "bytes=990-")).await;
    assert_eq!(player.head().await.status, 206);
    Blob::new(1, 1000).assert_matches(990, &player.read_exact_body(10).await);
    assert_eq!(vod.seen().len(), 5, "416 is an answer, no failure to be retried");
    vod.idle().await;
}

#[tokio::test]
async fn an_invalid_range_is_the_origins_to_judge() {
    let vod = Vod::start(VodFile::of_length(3000)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let invalid = [
        "bytes=abc",
        "bytes=5-2",
        "bytes=",
        "bytes",
        "bytes=-",
        "bytes=0-5,x",
        "bytes=1-2-3",
        "bytes=0x10-",
        "lines=0-5",
        "none",
    ];
    for range in invalid {
        let (direct, through) = both_ways(&vod, &gateway, &format!("Range: {range}\r\n")).await;
        assert_same(range, &direct, &through);
        assert_eq!((through.status(), through.body.bytes.len()), (200, 3000), "{range}");
        assert_eq!(last(&vod).headers("Range"), [range], "passed on as it is");
    }
    assert_eq!(vod.seen().len(), invalid.len() * 2);
    // Two lines contradict each other: a file is never cut by a guess.
    let two = "Range: bytes=0-9\r\nRange: bytes=10-19\r\n";
    let (_, through) = both_ways(&vod, &gateway, two).await;
    assert_eq!((through.status(), through.body.bytes.len()), (200, 3000));
    assert!(last(&vod).headers("Range").is_empty());
}

#[tokio::test]
async fn an_origin_without_ranges_gives_the_whole() {
    let file = VodFile::of_length(200_000).ranges(Ranges::Ignored);
    let vod = Vod::start(file).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let (direct, through) = both_ways(&vod, &gateway, "Range: bytes=100-199\r\n").await;
    assert_same("ignored", &direct, &through);
    assert_eq!(through.status(), 200, "neither relabelled nor cut");
    assert_eq!(through.head.header("Content-Range"), None);
    assert_eq!(through.head.header("Accept-Ranges"), None, "nothing that the source cannot do");
    assert_eq!(through.body.bytes.len(), 200_000);
    Blob::new(1, 200_000).assert_matches(0, &through.body.bytes);
}

#[tokio::test]
async fn a_file_without_a_length_arrives_whole_and_its_end_is_marked() {
    let vod = Vod::start(VodFile::of_length(300_000).chunked()).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let (direct, through) = both_ways(&vod, &gateway, "").await;
    assert_same("chunked", &direct, &through);
    assert_eq!(through.head.header("Transfer-Encoding"), Some("chunked"));
    // HTTP/1.0 knows no chunks: the connection's end is the file's.
    let old = Player::fetch(gateway.stream, &presets::get_1_0("/stream/film")).await;
    assert_eq!(old.head.header("Transfer-Encoding"), None);
    assert!(old.body.bytes == through.body.bytes);
}

#[tokio::test]
async fn five_gibibytes_are_sought_on_both_sides_of_two_to_the_32() {
    const LENGTH: u64 = 5 << 30;
    const EDGE: u64 = 1 << 32;
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let edge = EDGE - 5000;
    let cases = [
        (format!("bytes={edge}-{}", EDGE + 4999), edge, 10_000),
        (format!("bytes={}-{}", EDGE - 1, EDGE - 1), EDGE - 1, 1),
        (format!("bytes={EDGE}-{EDGE}"), EDGE, 1),
        (format!("bytes={}-", LENGTH - 70_000), LENGTH - 70_000, 70_000),
        (format!("bytes=-{}", 4096), LENGTH - 4096, 4096),
    ];
    let mut player = Player::connect(gateway.stream).await;
    for (range, first, length) in &cases {
        player.send(presets::ranged("x", "/stream/film", range)).await;
        let head = player.head().await;
        assert_eq!((head.status, head.content_length()), (206, Some(*length)), "{range}");
        let expected = format!("bytes {first}-{}/{LENGTH}", first + length - 1);
        assert_eq!(head.header("Content-Range"), Some(expected.as_str()));
        let body = player.read_to_end().await;
        assert_eq!(body.bytes.len() as u64, *length);
        Blob::new(1, LENGTH).assert_matches(*first, &body.bytes);
    }
    // From just before the edge to the end of the file: its length alone needs 64 bits.
    player.send(presets::ranged("x", "/stream/film", "bytes=1-")).await;
    let head = player.head().await;
    assert_eq!(head.content_length(), Some(LENGTH - 1));
    Blob::new(1, LENGTH).assert_matches(1, &player.read_exact_body(1 << 20).await);
    player.close();
    vod.idle().await;
}

#[tokio::test]
async fn the_longest_file_there_can_be_is_passed_on() {
    const LENGTH: u64 = i64::MAX as u64;
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let range = format!("Range: bytes={}-\r\n", LENGTH - 10);
    let (direct, through) = both_ways(&vod, &gateway, &range).await;
    assert_same("its end", &direct, &through);
    assert_eq!(through.body.bytes.len(), 10);
    let (player, head) =
        Player::ask(gateway.stream, &presets::get_keep_alive("x", "/stream/film")).await;
    assert_eq!((head.status, head.content_length()), (200, Some(LENGTH)));
    player.reset();
    vod.idle().await;
}

#[tokio::test]
async fn the_files_own_fields_pass_untouched() {
    let file = VodFile::of_length(5000)
        .content_type("video/x-matroska; codecs=\"avc1.640028, ac-3\"")
        .etag("W/\"a-b:c,d e\"")
        .field(
            "Content-Disposition",
            "attachment; filename=\"Film 1.mkv\"; filename*=UTF-8''F%C3%AFlm.mkv",
        )
        .field("Content-Language", "de-AT, en")
        .field("Cache-Control", "private, max-age=60")
        .field("Expires", "Sun, 01 Jun 2025 00:01:00 GMT");
    let vod = Vod::start(file).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    for range in ["", "Range: bytes=100-299\r\n"] {
        let (direct, through) = both_ways(&vod, &gateway, range).await;
        assert_same(range, &direct, &through);
        let given = OF_THE_FILE.iter().filter(|name| through.head.header(name).is_some()).count();
        let expected = if range.is_empty() { 10 } else { 11 };
        assert_eq!(given, expected, "all but Content-Encoding: {:?}", through.head.lines);
        assert_eq!(through.head.header("Last-Modified"), Some(LAST_MODIFIED));
        assert_eq!(through.head.names_not_in_title_case(), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn a_coding_is_a_label_that_passes_and_none_is_ever_asked_for() {
    // The bytes are no gzip: whoever tried to undo the coding would fail.
    let file = VodFile::of_length(20_000).field("Content-Encoding", "gzip");
    let vod = Vod::start(file).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let fields = "Accept-Encoding: gzip, br, deflate\r\n";
    let (direct, through) = both_ways(&vod, &gateway, fields).await;
    assert_same("labelled", &direct, &through);
    assert_eq!(through.head.header("Content-Encoding"), Some("gzip"));
    Blob::new(1, 20_000).assert_matches(0, &through.body.bytes);
    assert_eq!(last(&vod).headers("Accept-Encoding"), ["identity"]);
}

#[tokio::test]
async fn fifty_ranged_answers_come_on_one_connection() {
    const LENGTH: u64 = 3 << 20;
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    let mut dice = Dice::new(7);
    for _ in 0..50 {
        let first = dice.roll(LENGTH as usize) as u64 - 1;
        let last = (first + dice.roll(200_000) as u64).min(LENGTH - 1);
        let range = format!("bytes={first}-{last}");
        player.send(presets::ranged("x", "/stream/film", &range)).await;
        let head = player.head().await;
        assert_eq!((head.status, head.version.as_str()), (206, "HTTP/1.1"));
        assert_ne!(head.header("Connection"), Some("close"));
        let body = player.read_to_end().await;
        assert_eq!(body.bytes.len() as u64, last - first + 1);
        Blob::new(1, LENGTH).assert_matches(first, &body.bytes);
    }
    assert_eq!(vod.total(), 50, "each on an upstream connection of its own");
    vod.idle().await;
}

#[tokio::test]
async fn five_hundred_random_ranges_are_the_files_bytes() {
    const LENGTH: u64 = 64 << 20;
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = film(&[vod.url("/film.mp4")]).await;
    let mut dice = Dice::new(500);
    let mut player = Player::connect(gateway.stream).await;
    let mut seen = 0;
    while seen < 500 {
        let first = dice.roll(LENGTH as usize) as u64 - 1;
        let (range, first, length) = match dice.roll(4) {
            1 => {
                let suffix = dice.roll(100_000) as u64;
                (format!("bytes=-{suffix}"), LENGTH - suffix, suffix)
            }
            2 => {
                let first = LENGTH - dice.roll(100_000) as u64;
                (format!("bytes={first}-"), first, LENGTH - first)
            }
            _ => {
                let length = (dice.roll(100_000) as u64).min(LENGTH - first);
                (format!("bytes={first}-{}", first + length - 1), first, length)
            }
        };
        player.send(presets::ranged("x", "/stream/film", &range)).await;
        let head = player.head().await;
        assert_eq!((head.status, head.content_length()), (206, Some(length)), "{range}");
        let body = player.read_to_end().await;
        assert_eq!(body.bytes.len() as u64, length, "{range}");
        Blob::new(1, LENGTH).assert_matches(first, &body.bytes);
        seen += 1;
    }
    assert_eq!(vod.total(), seen);
    vod.idle().await;
    vod.assert_one_request_each();
}
