#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What a case must come to: the body of an accepted head, or the reason it is refused.
type Expected = Result<BodyLength, Reject>;

const NONE: Expected = Ok(BodyLength::None);

/// Judges `head` whole, byte by byte and from a fresh scanner at each prefix. All must agree, a
/// refusal must be final, and the length must be all of `head`.
#[track_caller]
fn check(head: &[u8], limits: Limits, expected: Expected) {
    let shown = String::from_utf8_lossy(&head[..head.len().min(200)]).into_owned();
    let whole = scan(head, &limits);
    let body = whole.map(|scan| match scan {
        Scan::Complete { length, body } if length == head.len() => body,
        other => panic!("{other:?}: {shown}"),
    });
    assert_eq!(body, expected, "{shown}");

    let mut scanner = HeadScanner::new(limits);
    let mut decided = None;
    for end in 0..=head.len() {
        let fed = scanner.advance(&head[..end]);
        if head.len() < 2000 {
            assert_eq!(fed, scan(&head[..end], &limits), "{end}: {shown}");
        }
        match decided {
            Some(before) => assert_eq!(fed, before, "{end}: {shown}"),
            None if fed != Ok(Scan::Partial) => decided = Some(fed),
            None => {}
        }
        if matches!(fed, Ok(Scan::Complete { .. })) {
            assert_eq!(end, head.len(), "{shown}");
        }
    }
    assert_eq!(decided, Some(whole), "{shown}");
}

/// Checks heads that are written without their final CRLFCRLF.
fn check_all(cases: &[(&str, Expected)], count: usize) {
    for (head, expected) in cases {
        check(format!("{head}\r\n\r\n").as_bytes(), Limits::default(), *expected);
    }
    assert_eq!(cases.len(), count);
}

#[test]
fn good_heads_of_players_pass() {
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a", NONE),
        ("\r\nGET / HTTP/1.1\r\nHost: a", NONE),
        ("GET /stream/orf1?format=ts HTTP/1.0", NONE),
        ("GET /1:0:19:132F:3EF:1:C00000:0:0:0: HTTP/1.1\r\nHost: box\r\nConnection: close", NONE),
        ("GET /1%3a0%3A19?bitrate=1?width=2 HTTP/1.1\r\nHost: 192.168.1.2:18000", NONE),
        ("GET /a|User-Agent=x?q=[1]^{2} HTTP/1.1\r\nHost: a", NONE),
        ("HEAD /movie/u/p/1.mp4 HTTP/1.1\r\nhost:[::1]:18000\r\nRange: bytes=0-1", NONE),
        ("OPTIONS * HTTP/1.1\r\nHost: a", NONE),
        ("TRACE / HTTP/1.1\r\nHost: a", NONE),
        ("FOO!# / HTTP/1.1\r\nHost: a", NONE),
        ("GET //x HTTP/1.1\r\nHost: a\r\nIcy-MetaData:1\r\nX:\r\nY: \t \r\nZ: \u{fc}", NONE),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", Ok(BodyLength::Length(0))),
        (
            "PUT / HTTP/1.0\r\nContent-Length: 9223372036854775807\r\nExpect: 100-Continue",
            Ok(BodyLength::Length(u64::MAX / 2)),
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:  Chunked ", Ok(BodyLength::Chunked)),
    ];
    check_all(&cases, 14);
}

#[test]
fn host_is_one_and_well_formed() {
    let refused = |reject| Err(reject);
    let cases = [
        ("GET / HTTP/1.1", refused(Reject::HostMissing)),
        ("GET / HTTP/1.1\r\nHost:", refused(Reject::Host)),
        ("GET / HTTP/1.0\r\nHost: ", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a", refused(Reject::HostRepeated)),
        ("GET / HTTP/1.0\r\nHost: a\r\nhOST: b", refused(Reject::HostRepeated)),
        ("GET / HTTP/1.1\r\nHost: u:p@a", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: a b", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: a/b", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: a:99999", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: [::1", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: a, b", refused(Reject::Host)),
        ("GET / HTTP/1.1\r\nHost: \u{e4}", refused(Reject::Host)),
        ("GET http://A.example/x HTTP/1.1\r\nHost: a.Example", NONE),
        ("GET HTTP://a:80?q HTTP/1.1\r\nHost: a", NONE),
        ("GET https://[::1] HTTP/1.1\r\nHost: [0::1]:443", NONE),
        ("GET http://a/ HTTP/1.0", NONE),
        ("GET http://a/ HTTP/1.1\r\nHost: b", refused(Reject::HostMismatch)),
        ("GET http://a/ HTTP/1.0\r\nHost: b", refused(Reject::HostMismatch)),
        ("GET http://a:81/ HTTP/1.1\r\nHost: a", refused(Reject::HostMismatch)),
        ("GET https://a:80/ HTTP/1.1\r\nHost: a", refused(Reject::HostMismatch)),
        ("GET http://a/ HTTP/1.1", refused(Reject::HostMissing)),
    ];
    check_all(&cases, 21);
}

#[test]
fn start_lines() {
    let cases = [
        ("GET / HTTP/0.9\r\nHost: a", Err(Reject::Version)),
        ("GET / HTTP/1.2\r\nHost: a", Err(Reject::Version)),
        ("GET / HTTP/2.0\r\nHost: a", Err(Reject::Version)),
        ("PRI * HTTP/2.0", Err(Reject::Version)),
        ("GET / HTTP/1.10\r\nHost: a", Err(Reject::VersionSyntax)),
        ("GET / HTTP/1\r\nHost: a", Err(Reject::VersionSyntax)),
        ("GET / http/1.1\r\nHost: a", Err(Reject::VersionSyntax)),
        ("GET / HTTP/1.1 \r\nHost: a", Err(Reject::VersionSyntax)),
        ("GET / ICY/1.1\r\nHost: a", Err(Reject::VersionSyntax)),
        ("GET /", Err(Reject::StartLine)),
        ("GET", Err(Reject::StartLine)),
        ("GET  / HTTP/1.1\r\nHost: a", Err(Reject::StartLine)),
        ("GET /  HTTP/1.1\r\nHost: a", Err(Reject::VersionSyntax)),
        ("GET /a b HTTP/1.1\r\nHost: a", Err(Reject::VersionSyntax)),
        (" GET / HTTP/1.1\r\nHost: a", Err(Reject::Method)),
        ("G(T / HTTP/1.1\r\nHost: a", Err(Reject::Method)),
        ("GET\t/ HTTP/1.1\r\nHost: a", Err(Reject::Method)),
        ("\u{16}\u{3}\u{1}\u{2}", Err(Reject::Method)),
        ("AVERYLONGMETHODTHATNOREGISTRYHASX / HTTP/1.1\r\nHost: a", Err(Reject::MethodLength)),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a", Err(Reject::LineEnd)),
        ("CONNECT h:443 HTTP/1.1\r\nHost: h:443", Err(Reject::Connect)),
        ("CONNECT / HTTP/1.1\r\nHost: a", Err(Reject::Connect)),
        ("GET * HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET a:80 HTTP/1.1\r\nHost: a:80", Err(Reject::TargetForm)),
        ("GET x/y HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET ?q HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET http:/// HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET http://u:p@a/ HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET http:a HTTP/1.1\r\nHost: a", Err(Reject::TargetForm)),
        ("GET /#f HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /\" HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /<a> HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /..\\x HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /` HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /\u{e4} HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /\u{7f} HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /\0 HTTP/1.1\r\nHost: a", Err(Reject::Target)),
        ("GET /\tx HTTP/1.1\r\nHost: a", Err(Reject::Target)),
    ];
    check_all(&cases, 39);
}

#[test]
fn fields_lengths_and_expectations() {
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let length = Reject::ContentLength;
    let coding = Reject::TransferEncoding;
    let cases = [
        ("X: a\r\n b", Reject::FieldFold),
        ("X: a\r\n\tb: c", Reject::FieldFold),
        ("X : a", Reject::FieldName),
        ("X\t: a", Reject::FieldName),
        (": a", Reject::FieldName),
        ("X", Reject::FieldName),
        ("X\u{e4}: a", Reject::FieldName),
        ("X: a\0b", Reject::FieldValue),
        ("X: a\u{b}b", Reject::FieldValue),
        ("X: a\u{7f}b", Reject::FieldValue),
        ("X: a\rb: c", Reject::LineEnd),
        ("X: a\nY: b", Reject::LineEnd),
        ("X:\n", Reject::LineEnd),
        ("X: a\r\r\n", Reject::LineEnd),
        ("Content-Length: 010", length),
        ("Content-Length: 00", length),
        ("Content-Length: +1", length),
        ("Content-Length: -1", length),
        ("Content-Length: 0x1", length),
        ("Content-Length: 1, 1", length),
        ("Content-Length: 1 1", length),
        ("Content-Length:", length),
        ("Content-Length: 9223372036854775808", length),
        ("Content-Length: 18446744073709551616", length),
        ("Content-Length: 1\r\nContent-Length: 1", length),
        ("Content-Length: 1\r\ncontent-length: 2", length),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", Reject::BothLengths),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1", Reject::BothLengths),
        ("Transfer-Encoding: ,chunked", coding),
        ("Transfer-Encoding: chunked, chunked", coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", coding),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", coding),
        ("Transfer-Encoding: gzip, chunked", coding),
        ("Transfer-Encoding: chunked, gzip", coding),
        ("Transfer-Encoding: identity", coding),
        ("Transfer-Encoding: xchunked", coding),
        ("Transfer-Encoding: \"chunked\"", coding),
        ("Transfer-Encoding:", coding),
        ("Transfer-Encoding: \u{b}chunked", Reject::FieldValue),
        ("Expect: nonsense", Reject::Expect),
        ("Expect: 100-continue, x", Reject::Expect),
        ("Expect:", Reject::Expect),
    ];
    for (fields, reject) in cases {
        check(head(fields).as_bytes(), Limits::default(), Err(reject));
    }
    assert_eq!(cases.len(), 42);
    let on_10 = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(on_10, Limits::default(), Err(coding));
    let first_field = b"GET / HTTP/1.1\r\n Host: a\r\n\r\n";
    check(first_field, Limits::default(), Err(Reject::FieldFold));
}

#[test]
fn bare_line_ends_are_refused_wherever_they_stand() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
    let mut seen = 0;
    for (at, _) in head.match_indices("\r\n") {
        for end in ["\n", "\r", "\n\r", "\r\r\n"] {
            // The byte after the head shows that a lone CR at its very end is not a line end.
            let mut broken = format!("{head}x");
            broken.replace_range(at..at + 2, end);
            let refused = scan(broken.as_bytes(), &Limits::default()).unwrap_err();
            assert!(matches!(refused, Reject::LineEnd | Reject::VersionSyntax), "{broken:?}");
            check(broken.as_bytes(), Limits::default(), Err(refused));
            seen += 1;
        }
    }
    assert_eq!(seen, 16);
    check(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Limits::default(), Err(Reject::LineEnd));
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits { head_bytes: 64, target_bytes: 16, fields: 2 };
    let target = |length: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(length - 1));
    check(target(16).as_bytes(), limits, NONE);
    check(target(17).as_bytes(), limits, Err(Reject::TargetLength));
    check(b"GET / HTTP/1.0\r\na:\r\nb:\r\n\r\n", limits, NONE);
    check(b"GET / HTTP/1.0\r\na:\r\nb:\r\nc:\r\n\r\n", limits, Err(Reject::FieldCount));
    let head = |length: usize| format!("GET / HTTP/1.0\r\na:{}\r\n\r\n", "b".repeat(length - 22));
    check(head(64).as_bytes(), limits, NONE);
    check(head(65).as_bytes(), limits, Err(Reject::HeadLength));
    // A full buffer is refused at once: no further byte could complete the head.
    assert_eq!(scan(&head(80).as_bytes()[..63], &limits), Ok(Scan::Partial));
    assert_eq!(scan(&head(80).as_bytes()[..64], &limits), Err(Reject::HeadLength));
    let equal = Limits { head_bytes: 64, target_bytes: 64, fields: 2 };
    check(target(100).as_bytes(), equal, Err(Reject::TargetLength));
    let endless = [b"GET / HTTP/1.1\r\n".as_slice(), &[b'a'; 20_000]].concat();
    check(&endless, Limits::default(), Err(Reject::HeadLength));
}

#[test]
fn bytes_after_the_head_are_not_looked_at() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let two = [head.as_slice(), b"\0\n garbage"].concat();
    let complete = Scan::Complete { length: head.len(), body: BodyLength::None };
    assert_eq!(scan(&two, &Limits::default()), Ok(complete));
}

#[test]
fn codes_are_distinct_words_that_come_back() {
    let codes: HashSet<_> = Reject::ALL.iter().map(|reject| reject.code()).collect();
    assert_eq!(codes.len(), Reject::ALL.len());
    for reject in Reject::ALL {
        assert_eq!(Reject::from_code(reject.code()), Some(reject));
        assert!(reject.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        assert!([400, 405, 414, 417, 431, 501, 505].contains(&reject.status()));
        assert!(reject.to_string().len() < 80);
    }
    assert_eq!(Reject::from_code("x"), None);
}

/// Heads that are nearly right: pieces that a parser may trip over, in any order.
fn likely_head() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "GET ",
        "OPTIONS ",
        "/",
        "*",
        "http://a",
        "?q=1",
        " ",
        "HTTP/1.1",
        "HTTP/1.0",
        "\r\n",
        "\n",
        "\r",
        "Host:",
        "a",
        ":80",
        "Content-Length: ",
        "5",
        "0",
        "Transfer-Encoding:",
        "chunked",
        ",",
        "Expect: 100-continue",
        "X",
        "\t",
        "\0",
        "\u{e4}",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r\n\r\n",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..24)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(
        head in prop_oneof![likely_head(), vec(any::<u8>(), 0..200)],
        cuts in vec(0_usize..200, 0..8),
        head_bytes in 0_usize..200,
    ) {
        let limits = Limits { head_bytes, target_bytes: 40, fields: 3 };
        let whole = scan(&head, &limits);
        let mut ends: Vec<_> = cuts.into_iter().filter(|cut| *cut < head.len()).collect();
        ends.sort_unstable();
        ends.push(head.len());
        let mut scanner = HeadScanner::new(limits);
        let mut last = Ok(Scan::Partial);
        for end in ends {
            last = scanner.advance(&head[..end]);
            if last != Ok(Scan::Partial) {
                break;
            }
        }
        prop_assert_eq!(last, whole);
    }

    #[test]
    fn what_passes_is_read_alike_by_http(
        head in likely_head(),
        target in "/[!-~]{0,20}",
        name in "[!-~]{1,8}",
        value in "[ -~\\x80-\\xff]{0,12}",
    ) {
        let made = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        for head in [head, made.into_bytes()] {
            let Ok(Scan::Complete { length, .. }) = scan(&head, &Limits::default()) else { continue };
            let head = std::str::from_utf8(&head[..length]).unwrap().trim_start_matches("\r\n");
            let (start, fields) = head.split_once("\r\n").unwrap();
            let parts: Vec<_> = start.split(' ').collect();
            prop_assert_eq!(parts.len(), 3);
            prop_assert!(http::Method::from_bytes(parts[0].as_bytes()).is_ok());
            let uri: http::Uri = parts[1].parse().unwrap();
            if parts[1].starts_with('/') {
                prop_assert_eq!(uri.to_string(), parts[1]);
            }
            for field in fields.trim_end_matches("\r\n").split("\r\n").filter(|line| !line.is_empty()) {
                let (name, value) = field.split_once(':').unwrap();
                prop_assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok());
                prop_assert!(http::HeaderValue::from_bytes(value.as_bytes()).is_ok());
            }
        }
    }
}
