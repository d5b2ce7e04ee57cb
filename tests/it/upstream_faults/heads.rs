//! Response heads that are sloppy or hostile: what has one meaning only is mended, the rest is a bad
//! gateway, and the client gets a complete answer in every case.

use std::time::Duration;

use super::alone_and_backed;
use super::assert_good;
use super::assert_problem;
use super::good;
use super::pattern;
use super::single;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::ts::PACKET;

/// Length of the stream of [`good`].
const LENGTH: usize = 60 * PACKET;

fn stream() -> Feed {
    Feed::of(pattern()).packets(60)
}

/// A head of these lines and the stream, as it is or in chunks.
fn head(lines: &str, chunked: bool) -> Script {
    let head = Script::new().raw(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
    if chunked {
        head.chunked(Chunks::Of(1000)).feed(stream()).last_chunk()
    } else {
        head.feed(stream())
    }
}

fn fields(count: usize) -> String {
    (0..count).map(|number| format!("X-Field-{number}: {number}\r\n")).collect()
}

#[tokio::test]
async fn sloppy_heads_are_mended() {
    let length = format!("Content-Length: {LENGTH}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let cases = [
        ("length, then chunked", head(&format!("{length}{chunked}"), true)),
        ("chunked, then a length", head(&format!("{chunked}Content-Length: 7\r\n"), true)),
        ("identity and a length", head(&format!("Transfer-Encoding: identity\r\n{length}"), false)),
        ("identity alone", head("Transfer-Encoding: identity\r\n", false)),
        (
            "a list of equal lengths",
            head(&format!("Content-Length: {LENGTH}, {LENGTH}\r\n"), false),
        ),
        ("equal lengths", head(&format!("{length}{length}"), false)),
        ("a length with zeros", head(&format!("Content-Length: 000{LENGTH}\r\n"), false)),
        ("upper-case names", head(&format!("CONTENT-LENGTH:{LENGTH}\r\n"), false)),
        ("upper-case CHUNKED", head("TRANSFER-ENCODING: CHUNKED\r\n", true)),
        ("more than 100 fields", head(&fields(150), false)),
        ("256 fields", head(&fields(256), false)),
        ("a field of 8 KiB", head(&format!("X-Long: {}\r\n", "y".repeat(8192)), false)),
        ("a head of 20 KiB", head(&format!("X-Long: {}\r\n", "y ".repeat(10_000)), false)),
        ("bytes beyond ASCII", head("X-Name: \u{fc}ber\r\n", false)),
        ("no field at all", head("", false)),
        ("bare line feeds", Script::new().raw("HTTP/1.1 200 OK\nServer: x\n\n").feed(stream())),
        ("no reason", Script::new().raw("HTTP/1.1 200\r\n\r\n").feed(stream())),
        ("a long reason", Script::head(&format!("200 {}", "z".repeat(5000)), &[]).feed(stream())),
        ("ICY without fields", Script::new().raw("ICY 200 OK\r\n\r\n").feed(stream())),
        ("hints first", Script::new().raw(early.repeat(10)).then_all(good())),
        ("100 first", Script::new().raw("HTTP/1.1 100 Continue\r\n\r\n").then_all(good())),
        ("a field twice", head("Server: a\r\nServer: b\r\n", false)),
        (
            "hop-by-hop",
            head("Connection: close, X-A\r\nX-A: 1\r\nUpgrade: h2c\r\nTE: x\r\n", false),
        ),
        (
            "a length that Connection names",
            head(&format!("{length}Connection: Content-Length\r\n"), false),
        ),
        ("a byte at a time", Script::new().sliced(1, 1).then_all(head(&length, false))),
    ];
    let count = cases.len();
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    let scripts = cases.into_iter().map(|(_, script)| script).collect();
    let (sloppy, backup, gateway) = alone_and_backed(scripts).await;
    for (number, name) in names.iter().enumerate() {
        let answer = Player::get(gateway.stream, &format!("/stream/alone-{number}")).await;
        assert!(answer.body.is_complete(), "{name}: {:?}", answer.body.ending);
        assert_good(&answer, name);
        assert!(answer.head.interim.is_empty(), "{name}");
        assert_eq!(answer.head.header("x-a"), None);
    }
    assert_eq!((names.len(), sloppy.total(), backup.total()), (count, count, 0));
}

#[tokio::test]
async fn hostile_heads_are_a_bad_gateway_and_the_answer_is_complete() {
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    let cases = [
        ("an unknown coding", head("Transfer-Encoding: foo\r\n", true)),
        ("chunked twice", head(twice, true)),
        ("chunked twice in a list", head("Transfer-Encoding: chunked, chunked\r\n", true)),
        ("gzip, chunked", head("Transfer-Encoding: gzip, chunked\r\n", true)),
        ("chunked, gzip", head("Transfer-Encoding: chunked, gzip\r\n", true)),
        (", chunked", head("Transfer-Encoding: ,chunked\r\n", true)),
        ("xchunked", head("Transfer-Encoding: xchunked\r\n", true)),
        ("\"chunked\"", head("Transfer-Encoding: \"chunked\"\r\n", true)),
        ("an empty coding", head("Transfer-Encoding:\r\n", true)),
        (
            "chunked, then unknown",
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: foo\r\n", true),
        ),
        (
            "chunked by HTTP/1.0",
            Script::head_1_0("200 OK", &[("Transfer-Encoding", "chunked")])
                .chunked(Chunks::Of(1000))
                .feed(stream())
                .last_chunk(),
        ),
        ("contradicting lengths", head("Content-Length: 11280\r\nContent-Length: 5\r\n", false)),
        ("a list of contradicting lengths", head("Content-Length: 11280, 5\r\n", false)),
        ("a negative length", head("Content-Length: -1\r\n", false)),
        ("a signed length", head("Content-Length: +11280\r\n", false)),
        ("a hexadecimal length", head("Content-Length: 0x2c10\r\n", false)),
        ("an empty length", head("Content-Length:\r\n", false)),
        ("a length with a comma", head("Content-Length: 11280,\r\n", false)),
        ("a length of 2^64", head("Content-Length: 18446744073709551616\r\n", false)),
        ("a length in words", head("Content-Length: many\r\n", false)),
        ("a space before the colon", head("Server : x\r\n", false)),
        ("a fold", head("Server: x\r\n y\r\n", false)),
        ("a fold at first", head(" Server: x\r\n", false)),
        ("no colon", head("Server x\r\n", false)),
        ("no name", head(": x\r\n", false)),
        ("a name with a slash", head("Ser/ver: x\r\n", false)),
        ("NUL in a value", head("Server: x\0y\r\n", false)),
        ("CR in a value", head("Server: x\ry\r\n", false)),
        ("257 fields", head(&fields(257), false)),
        ("20000 fields", head(&fields(20_000), false)),
        ("a head of 40 KiB", head(&format!("X-Long: {}\r\n", "y".repeat(40 << 10)), false)),
        ("a field without an end", head(&format!("X-Long: {}", "y".repeat(1 << 20)), false)),
        ("hints without an end", Script::new().raw("HTTP/1.1 103 x\r\n\r\n".repeat(20_000))),
        ("HTTP/0.9", Script::new().feed(stream())),
        ("HTTP/0.9 text", Script::new().raw("<html>hello</html>")),
        ("101", Script::head("101 Switching Protocols", &[("Upgrade", "h2c")]).feed(stream())),
        ("TLS in the clear", Script::new().raw("\x15\x03\x01\0\x02\x02\x46")),
        ("nothing but line ends", Script::new().raw("\r\n".repeat(100))),
    ];
    let count = cases.len();
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    let scripts = cases.into_iter().map(|(_, script)| script).collect();
    let (hostile, backup, gateway) = alone_and_backed(scripts).await;
    for (number, name) in names.iter().enumerate() {
        let channel = format!("alone-{number}");
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 502, &channel, name);
        let answer = Player::get(gateway.stream, &format!("/stream/backed-{number}")).await;
        assert_good(&answer, name);
    }
    assert_eq!((names.len(), hostile.total(), backup.total()), (count, 2 * count, count));
    hostile.idle().await;
}

#[tokio::test]
async fn a_bad_first_chunk_is_a_bad_gateway() {
    let long = format!("4;{}\r\n", "x".repeat(64 << 10));
    let chunks = [
        "zz\r\n",
        "0x5\r\n",
        "+5\r\n",
        "-5\r\n",
        "5_0\r\n",
        " \r\n",
        "\r\n",
        "G\r\n",
        ";a=b\r\n",
        "11111111111111111\r\n",
        "5\r\nGabcdxx",
        "\u{b}5\r\n",
        "1\r\nG2\r\n",
        &long,
        "0\r\n\r\n",
        "5",
    ];
    let script = |chunk: &&str| {
        Script::head("200 OK", &[("Transfer-Encoding", "chunked")]).raw(chunk).close()
    };
    let (bad, backup, gateway) = alone_and_backed(chunks.iter().map(script).collect()).await;
    for (number, chunk) in chunks.iter().enumerate() {
        let what = &chunk[..chunk.len().min(30)];
        let channel = format!("alone-{number}");
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_problem(&answer, 502, &channel, what);
        let answer = Player::get(gateway.stream, &format!("/stream/backed-{number}")).await;
        assert_good(&answer, what);
    }
    assert_eq!((bad.total(), backup.total()), (2 * chunks.len(), chunks.len()));
    assert_eq!(chunks.len(), 16);
}

#[tokio::test]
async fn chunks_that_are_odd_but_right_play() {
    let origin = Origin::start(|_| {
        let mut script = Script::head("200 OK", &[("Transfer-Encoding", "chunked")]);
        let bytes = pattern().packets(0, 60);
        for (number, part) in bytes.chunks(1000).enumerate() {
            let size = match number % 4 {
                0 => format!("{:X}", part.len()),
                1 => format!("000{:x}", part.len()),
                2 => format!("{:x};name=value;other=\"quoted\"", part.len()),
                _ => format!("{:x} ", part.len()),
            };
            script = script.raw(format!("{size}\r\n")).raw(part).raw("\r\n");
        }
        script.raw("000\r\n\r\n")
    })
    .await;
    let gateway = single("", vec![origin.url("/")]).await;
    let answer = Player::get(gateway.stream, "/stream/one").await;
    assert!(answer.body.is_complete());
    assert_good(&answer, "odd chunk sizes");
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let drip = Script::new()
        .raw("HTTP/1.1 200 OK\r\nX-Slow: ")
        .drip("x".repeat(100_000), Duration::from_millis(1));
    let origin = Origin::start(move |_| drip.clone()).await;
    let gateway =
        single("failover: {rounds: 0, response_timeout: 300ms}", vec![origin.url("/")]).await;
    let answer = Player::get(gateway.stream, "/stream/one").await;
    assert_problem(&answer, 504, "one", "a byte a millisecond");
    origin.closed(1).await;
}
