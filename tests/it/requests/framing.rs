//! Request lines, fields and framing that two parsers could read differently: refused, all of them.

use super::House;
use super::SMUGGLED;
use super::get;
use super::with_body;
use crate::support::player::Player;

#[tokio::test]
async fn request_lines_that_parsers_read_differently_are_refused() {
    let house = House::new().await;
    let lines = [
        "GET  /stream/film HTTP/1.1",
        "GET /stream/film  HTTP/1.1",
        "GET\t/stream/film HTTP/1.1",
        "GET /stream/film\tHTTP/1.1",
        "GET /stream/film HTTP/1.1\t",
        " GET /stream/film HTTP/1.1",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "GET/stream/film HTTP/1.1",
        "GET /stream/fi lm HTTP/1.1",
        "GET /stream/film?a b HTTP/1.1",
        "GET /stream/film#x HTTP/1.1",
        "GET /stream\\film HTTP/1.1",
        "GET /stream/<film> HTTP/1.1",
        "GET /stream/\"film\" HTTP/1.1",
        "GET /stream/film?`x` HTTP/1.1",
        "GET /stream/f\u{ef}lm HTTP/1.1",
        "GET /stream/film\0 HTTP/1.1",
        "GET /stream/film\u{7f} HTTP/1.1",
        "GET /stream/film\u{b} HTTP/1.1",
        "GET /stream/film HTTP/1.1 GET /stream/smuggled HTTP/1.1",
    ];
    for line in lines {
        house.refuses(format!("{line}\r\nHost: weir\r\n\r\n"), &[400]).await;
    }
    assert_eq!(lines.len(), 21);
    // What no parser takes for anything else, and players do send.
    for target in ["/stream/film?a=[1]|{2}^3", "/stream/film?a=%20%22%3c", "/stream/film?"] {
        house
            .serves(format!("GET {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"))
            .await;
    }
}

#[tokio::test]
async fn lines_end_with_cr_lf_and_nothing_else() {
    let house = House::new().await;
    let heads: [&[u8]; 19] = [
        b"GET /stream/film HTTP/1.1\nHost: weir\n\n",
        b"GET /stream/film HTTP/1.1\nHost: weir\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nX:\n\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nX: y\nZ: z\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\nX: y\r\n\r\n",
        b"GET /stream/film HTTP/1.1\rHost: weir\r\r",
        b"GET /stream/film HTTP/1.1\r\rHost: weir\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\r\nHost: weir\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nX: a\rb\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\rX: y\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\r\n",
        b"GET /stream/film HTTP/1.1\n\rHost: weir\n\r\n\r",
        b"\nGET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\r\n\r\nGET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\r\rGET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\0GET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
    ];
    for head in heads {
        house.refuses(head, &[400]).await;
    }
    // One empty line before it, as some clients leave behind a body.
    house.serves("\r\nGET /stream/film HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n").await;
}

#[tokio::test]
async fn field_lines_that_parsers_read_differently_are_refused() {
    let house = House::new().await;
    let fields: [&[u8]; 26] = [
        b"X: y\r\n z\r\n",
        b"X: y\r\n\tz\r\n",
        b"X:\r\n y\r\n",
        b"X: y\r\n \r\n",
        b" X: y\r\n",
        b"\tX: y\r\n",
        b"X : y\r\n",
        b"X\t: y\r\n",
        b": y\r\n",
        b" : y\r\n",
        b"X\r\n",
        b"X y\r\n",
        b"X Y: z\r\n",
        b"X(Y): z\r\n",
        b"X;: y\r\n",
        b"\"X\": y\r\n",
        b"X@: y\r\n",
        b"X\xc3\xbc: y\r\n",
        b"X\0: y\r\n",
        b"\0: y\r\n",
        b"X: \0\r\n",
        b"X: a\0b\r\n",
        b"X: a\x01b\r\n",
        b"X: a\x0bb\r\n",
        b"X: a\x7fb\r\n",
        b"X: \x1b[2J\r\n",
    ];
    for field in fields {
        let head = [b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n", field, b"\r\n"].concat();
        house.refuses(head, &[400]).await;
        // As the first field too.
        let head = [b"GET /stream/film HTTP/1.1\r\n", field, b"Host: weir\r\n\r\n"].concat();
        house.refuses(head, &[400]).await;
    }
    let good: [&[u8]; 4] = [b"X:\r\n", b"X: \t \r\n", b"X:y\r\n", b"X: \xfc\xff\r\n"];
    for field in good {
        let start = b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n";
        house.serves([start, field, b"\r\n"].concat()).await;
    }
}

#[tokio::test]
async fn lengths_in_any_but_the_one_plain_form_are_refused() {
    let house = House::new().await;
    let lengths = [
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5e0\r\n",
        "Content-Length: 5_0\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: five\r\n",
        "Content-Length:\r\n",
        "Content-Length: \t\r\n",
        "Content-Length: 010\r\n",
        "Content-Length: 00\r\n",
        "Content-Length: 05\r\n",
        "Content-Length: \u{665}\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length: 99999999999999999999999999999999\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 0\r\n",
        "Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5\r\n",
    ];
    for length in lengths {
        for method in ["GET", "POST"] {
            house.refuses(with_body(method, length, "hello"), &[400]).await;
        }
    }
    assert_eq!(lengths.len(), 29);
    house.serves(get("Content-Length: 0\r\nConnection: close\r\n")).await;
    // A name that only careless servers take for the length.
    house.serves(get("Content_Length: 5\r\nConnection: close\r\n")).await;
}

#[tokio::test]
async fn transfer_codings_other_than_one_chunked_are_refused() {
    let house = House::new().await;
    let codings: [&[u8]; 34] = [
        b"Transfer-Encoding: ,chunked\r\n",
        b"Transfer-Encoding: chunked,\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n",
        b"Transfer-Encoding: x\r\nTransfer-encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunkedx\r\n",
        b"Transfer-Encoding: chunke\r\n",
        b"Transfer-Encoding: \"chunked\"\r\n",
        b"Transfer-Encoding: 'chunked'\r\n",
        b"Transfer-Encoding: chunked;q=1\r\n",
        b"Transfer-Encoding: chunked; x\r\n",
        b"Transfer-Encoding: chun ked\r\n",
        b"Transfer-Encoding: cow, chunked\r\n",
        b"Transfer-Encoding:\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: \x0cchunked\r\n",
        b"Transfer-Encoding: chunked\x00\r\n",
        b"Transfer-Encoding: \x00chunked\r\n",
        b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding\x00: chunked\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\n",
        b"X: y\rTransfer-Encoding: chunked\r\n",
    ];
    for coding in codings {
        for method in ["GET", "POST"] {
            let head = format!("{method} /stream/film HTTP/1.1\r\nHost: weir\r\n");
            let payload = [head.as_bytes(), coding, b"\r\n0\r\n\r\n", SMUGGLED.as_bytes()].concat();
            house.refuses(payload, &[400, 501]).await;
        }
    }
    let old = "POST /stream/film HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    house.refuses(old, &[400, 501]).await;
    house.serves(get("Transfer_Encoding: chunked\r\nConnection: close\r\n")).await;
    house.serves(get("TE: trailers\r\nConnection: close, TE\r\n")).await;
}

#[tokio::test]
async fn two_framings_at_once_are_refused() {
    let house = House::new().await;
    let (length, coding) = ("Content-Length: 6\r\n", "Transfer-Encoding: chunked\r\n");
    for fields in [
        format!("{length}{coding}"),
        format!("{coding}{length}"),
        format!("{length}X: y\r\n{coding}"),
        format!("Content-Length: 0\r\n{coding}"),
        format!("{coding}Content-Length: 0\r\n"),
        format!("{length}transfer-encoding: CHUNKED\r\n"),
        format!("{length}{coding}{length}"),
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            let payload = with_body(method, &fields, &format!("0\r\n\r\nG{SMUGGLED}"));
            if method == "HEAD" {
                // Whatever the method was, the refused head is answered with a body.
                house.refuses(payload.replacen("HEAD", "LOCK", 1), &[400]).await;
            } else {
                house.refuses(payload, &[400]).await;
            }
        }
    }
}

#[tokio::test]
async fn expectations_other_than_100_continue_are_refused() {
    let house = House::new().await;
    for expect in ["x", "nonsense", "100-continue, x", "100-continued", "", "200-ok"] {
        house.refuses(get(&format!("Expect: {expect}\r\n")), &[417]).await;
        house
            .refuses(
                with_body("POST", &format!("Expect: {expect}\r\nContent-Length: 5\r\n"), ""),
                &[417],
            )
            .await;
    }
    // Nobody waits for a body that is not wanted.
    let request = with_body("POST", "Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    let head = house.refuses(request, &[405]).await;
    assert!(head.interim.is_empty(), "invited to send a body that is refused");
    house.serves(get("Expect: 100-Continue\r\nConnection: close\r\n")).await;

    for (expect, status) in [("100-continue", 405), ("x", 417)] {
        let request = format!(
            "POST /api/v1/channels HTTP/1.1\r\nHost: localhost\r\nExpect: {expect}\r\n\
             Content-Length: 2\r\nConnection: close\r\n\r\n"
        );
        let (mut player, head) = Player::ask(house.gateway.admin, &request).await;
        assert_eq!(head.status, status, "{expect}");
        assert!(player.read_to_end().await.is_complete());
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_refused_and_the_body_goes_nowhere() {
    let house = House::new().await;
    let bodies = [
        ("Content-Length: 5\r\n", "hello".to_owned()),
        ("Content-Length: 5\r\n", format!("hello{SMUGGLED}")),
        ("Content-Length: 5\r\n", String::new()),
        ("Content-Length: 47\r\n", SMUGGLED.to_owned()),
        ("Content-Length: 9223372036854775807\r\n", SMUGGLED.to_owned()),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("Transfer-Encoding: chunked\r\n", format!("0\r\n\r\n{SMUGGLED}")),
        ("Transfer-Encoding: CHUNKED\r\n", format!("2f\r\n{SMUGGLED}\r\n0\r\n\r\n")),
    ];
    for (fields, body) in &bodies {
        for target in ["/stream/film", "/stream/tv"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: weir\r\n{fields}\r\n{body}");
            house.refuses(request, &[400, 413]).await;
        }
    }
    assert_eq!(bodies.len(), 8);
    house.serves(get("Connection: close\r\n")).await;
}

#[tokio::test]
async fn odd_chunks_end_the_connection_and_no_source_sees_them() {
    let house = House::new().await;
    let chunks = [
        "0x5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "+5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "-5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5_0\r\nhello\r\n0\r\n\r\n".to_owned(),
        " 5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5 \r\nhello\r\n0\r\n\r\n".to_owned(),
        "5\nhello\n0\n\n".to_owned(),
        "5\r\nhello\n0\r\n\r\n".to_owned(),
        "5\r\nhelloX0\r\n\r\n".to_owned(),
        "5;x=\"\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5;x\nhello\r\n0\r\n\r\n".to_owned(),
        "\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "0_2e\r\n\r\n".to_owned(),
        "0\r\n\rX\r\n\r\n".to_owned(),
        "0\r\nHost: other\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "0\n\n".to_owned(),
        "zz\r\n".to_owned(),
        "00000000000000005\r\nhello\r\n0\r\n\r\n".to_owned(),
        "10000000000000005\r\nhello\r\n0\r\n\r\n".to_owned(),
        "ffffffffffffffff\r\nhello".to_owned(),
        format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(5000)),
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1024)),
        format!("5;{}", "x".repeat(1 << 20)),
        "1\r\nx\r\n".repeat(100_000),
    ];
    for body in &chunks {
        for (method, status) in [("GET", 413), ("POST", 405)] {
            let payload =
                with_body(method, "Transfer-Encoding: chunked\r\n", &format!("{body}{SMUGGLED}"));
            house.refuses(payload, &[status]).await;
        }
    }
    assert_eq!(chunks.len(), 24);
}
