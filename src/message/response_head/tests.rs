#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Normalises `answer` whole and byte by byte, which must agree, and returns the head made of it.
#[track_caller]
fn check(answer: &[u8], limits: Limits) -> Result<(usize, String), Malformed> {
    let whole = normalise(answer, &limits);
    let mut normaliser = HeadNormaliser::new(limits);
    let mut fed = Ok(Normalised::Partial);
    for end in 0..=answer.len() {
        fed = normaliser.advance(&answer[..end]);
        if fed != Ok(Normalised::Partial) {
            break;
        }
    }
    assert_eq!(fed, whole, "{}", String::from_utf8_lossy(answer));
    match whole? {
        Normalised::Partial => panic!("partial: {}", String::from_utf8_lossy(answer)),
        Normalised::Complete { consumed, head } => {
            Ok((consumed, String::from_utf8_lossy(&head).into_owned()))
        }
    }
}

/// The head made of `lines`, without its final empty line. A body follows the lines.
#[track_caller]
fn head(lines: &str) -> Result<String, Malformed> {
    let answer = format!("{lines}\r\n\r\nBODY\n");
    let (consumed, head) = check(answer.as_bytes(), Limits::default())?;
    assert!(answer.ends_with("BODY\n"));
    assert_eq!(consumed, answer.len() - 5);
    Ok(head.strip_suffix("\r\n\r\n").unwrap().to_owned())
}

#[test]
fn status_lines() {
    let taken = [
        ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"),
        ("HTTP/1.0 200 OK", "HTTP/1.0 200 OK"),
        ("HTTP/1.1 200", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 ", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 206 whatever: \u{e4}\t!", "HTTP/1.1 206 Partial Content"),
        ("ICY 200 OK", "HTTP/1.0 200 OK"),
        ("ICY 401 Unauthorized", "HTTP/1.0 401 Unauthorized"),
        ("HTTP/1.1 456 <none>", "HTTP/1.1 456 "),
        ("HTTP/1.1 599", "HTTP/1.1 599 "),
        ("HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 200 OK\r\nA: b"),
        ("HTTP/1.1 103\n\nHTTP/1.1 102\r\n\r\nHTTP/1.1 404 No", "HTTP/1.1 404 Not Found"),
    ];
    for (lines, expected) in taken {
        assert_eq!(head(lines).as_deref(), Ok(expected), "{lines}");
    }
    let refused = [
        ("G@\u{1}\u{10}", Malformed::Version),
        ("<html>", Malformed::Version),
        ("\r\nHTTP/1.1 200 OK", Malformed::Version),
        ("http/1.1 200 OK", Malformed::Version),
        ("HTTP/2.0 200 OK", Malformed::Version),
        ("HTTP/1.2 200 OK", Malformed::Version),
        ("HTTP/1.10 200 OK", Malformed::Version),
        ("HTTP/1.1", Malformed::Status),
        ("HTTP/1.1  200 OK", Malformed::Status),
        ("HTTP/1.1 2OO OK", Malformed::Status),
        ("HTTP/1.1 99 OK", Malformed::Status),
        ("HTTP/1.1 000 OK", Malformed::Status),
        ("HTTP/1.1 600 OK", Malformed::Status),
        ("HTTP/1.1 999 OK", Malformed::Status),
        ("HTTP/1.1 1000 OK", Malformed::Status),
        ("HTTP/1.1 104 OK", Malformed::Status),
        ("HTTP/1.1\t200 OK", Malformed::Version),
        ("HTTP/1.1 200\tOK", Malformed::Status),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c", Malformed::Switching),
        ("HTTP/1.1 200 O\0K", Malformed::FieldValue),
        ("HTTP/1.1 200 OK\r", Malformed::FieldValue),
        ("ICY", Malformed::Version),
    ];
    for (lines, expected) in refused {
        assert_eq!(head(lines), Err(expected), "{lines}");
    }
    assert_eq!(taken.len() + refused.len(), 33);
}

#[test]
fn raw_media_is_refused_at_its_first_byte() {
    for first in [b"\x47".as_slice(), b"<", b"\n", b"h", b"ID3", b"HTTP/2"] {
        assert_eq!(normalise(first, &Limits::default()), Err(Malformed::Version));
    }
    for first in [b"".as_slice(), b"H", b"HTTP/1.", b"I", b"ICY"] {
        assert_eq!(normalise(first, &Limits::default()), Ok(Normalised::Partial));
    }
}

#[test]
fn fields_pass_as_they_came_but_for_their_line_ends() {
    let (consumed, made) = check(
        b"HTTP/1.0 200 OK\nContent-Type:video/mpeg\t\nX:\r\nicy-br: 128\xe4\n\nG",
        Limits::default(),
    )
    .unwrap();
    assert_eq!(consumed, 59);
    let expected =
        "HTTP/1.0 200 OK\r\nContent-Type: video/mpeg\r\nX: \r\nicy-br: 128\u{fffd}\r\n\r\n";
    assert_eq!(made, expected);
    let refused = [
        ("A: b\r\n c", Malformed::FieldFold),
        ("A: b\n\tc: d", Malformed::FieldFold),
        (" A: b", Malformed::FieldFold),
        ("A : b", Malformed::FieldName),
        (": b", Malformed::FieldName),
        ("A", Malformed::FieldName),
        ("A\0: b", Malformed::FieldName),
        ("\u{e4}: b", Malformed::FieldName),
        ("A: b\0", Malformed::FieldValue),
        ("A: b\rc: d", Malformed::FieldValue),
        ("A: b\r\r", Malformed::FieldValue),
        ("A: \u{7f}", Malformed::FieldValue),
        ("A: \u{1b}[2J", Malformed::FieldValue),
    ];
    for (fields, expected) in refused {
        for status in ["HTTP/1.1 200 OK", "HTTP/1.1 103 Early Hints"] {
            assert_eq!(head(&format!("{status}\r\n{fields}")), Err(expected), "{fields}");
        }
    }
    assert_eq!(refused.len(), 13);
}

#[test]
fn framing_is_reduced_to_one_field() {
    // After contradictions the connection carries no other answer.
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close";
    let identity = "Content-Length: 5\r\nConnection: close";
    let taken = [
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 2, 2", "Content-Length: 2"),
        ("Content-Length: 2\r\nX: y\r\ncontent-length: 2,2", "X: y\r\nContent-Length: 2"),
        ("Content-Length: 010", "Content-Length: 10"),
        ("Content-Length: 9223372036854775807", "Content-Length: 9223372036854775807"),
        ("Transfer-Encoding: Chunked", "Transfer-Encoding: chunked"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", chunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", chunked),
        ("Transfer-Encoding: identity\r\nContent-Length: 5", identity),
        ("transfer-encoding: identity", ""),
    ];
    for (fields, expected) in taken {
        let made = head(&format!("HTTP/1.1 200 OK\r\n{fields}")).unwrap();
        assert_eq!(
            made.strip_prefix("HTTP/1.1 200 OK").unwrap().trim_start(),
            expected,
            "{fields}"
        );
    }
    let (length, coding) = (Malformed::ContentLength, Malformed::TransferEncoding);
    let refused = [
        ("Content-Length: 2, 3", length),
        ("Content-Length: 2\r\nContent-Length: 3", length),
        ("Content-Length: -1", length),
        ("Content-Length: +1", length),
        ("Content-Length: 0x1", length),
        ("Content-Length: 1_0", length),
        ("Content-Length:", length),
        ("Content-Length: 2,", length),
        ("Content-Length: 9223372036854775808", length),
        ("Content-Length: 99999999999999999999999", length),
        ("Content-Length: x\r\nTransfer-Encoding: chunked", length),
        ("Transfer-Encoding: foo", coding),
        ("Transfer-Encoding: gzip, chunked", coding),
        ("Transfer-Encoding: chunked, chunked", coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", coding),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", coding),
        ("Transfer-Encoding: identity, chunked", coding),
        ("Transfer-Encoding: \"chunked\"", coding),
        ("Transfer-Encoding: chunked;a=b", coding),
        ("Transfer-Encoding:", coding),
    ];
    for (fields, expected) in refused {
        assert_eq!(head(&format!("HTTP/1.1 200 OK\r\n{fields}")), Err(expected), "{fields}");
    }
    assert_eq!(head("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked"), Err(coding));
    assert_eq!(head("ICY 200 OK\r\nTransfer-Encoding: chunked"), Err(coding));
    assert_eq!(taken.len() + refused.len(), 30);
}

#[test]
fn statuses_without_a_body_are_not_framed() {
    let made = |fields: &str| head(&format!("HTTP/1.1 {fields}")).unwrap();
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked";
    // A body that came all the same must not be taken for the next answer.
    let (empty, unchanged) = ("HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified");
    assert_eq!(made(&format!("204\r\n{both}")), format!("{empty}\r\nConnection: close"));
    assert_eq!(made("204\r\nContent-Length: 5"), format!("{empty}\r\nConnection: close"));
    assert_eq!(made("204\r\nContent-Length: 0"), empty);
    assert_eq!(made(&format!("304\r\n{both}")), format!("{unchanged}\r\nConnection: close"));
    assert_eq!(made("304\r\nTransfer-Encoding: chunked"), unchanged);
    assert_eq!(made("304\r\nContent-Length: 5"), format!("{unchanged}\r\nContent-Length: 5"));
}

#[test]
fn hop_by_hop_fields_end_here() {
    let made = head(
        "HTTP/1.1 200 OK\r\nConnection: X-Foo , keep-alive,, Content-Length,Transfer-Encoding\r\n\
         x-foo: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-: x\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: A\r\nTrailer: X\r\nTE: trailers\r\nTea: y\r\n\
         Content-Length: 5\r\nX-Bar: 2",
    );
    assert_eq!(made.unwrap(), "HTTP/1.1 200 OK\r\nTea: y\r\nX-Bar: 2\r\nContent-Length: 5");
    let made =
        head("HTTP/1.1 200 OK\r\nX-Foo: 1\r\nConnection: Close\r\nConnection: x-foo").unwrap();
    assert_eq!(made, "HTTP/1.1 200 OK\r\nConnection: close");
    let interim = "HTTP/1.1 103\r\nConnection: close\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(head(&format!("{interim}HTTP/1.1 200 OK")).unwrap(), "HTTP/1.1 200 OK");
    let many = format!("HTTP/1.1 200 OK\r\nConnection: {}a", "a,".repeat(64));
    assert_eq!(head(&many), Err(Malformed::Connection));
    assert_eq!(head(&many.replacen("a,", "", 1)).unwrap(), "HTTP/1.1 200 OK");
}

#[test]
fn limits_hold() {
    let limits = Limits::default();
    let fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert!(check(fields(256).as_bytes(), limits).is_ok());
    assert_eq!(check(fields(257).as_bytes(), limits), Err(Malformed::FieldCount));
    let interim = |count: usize| {
        format!(
            "{}HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n".repeat(count)
        )
    };
    assert_eq!(check(interim(16).as_bytes(), limits).unwrap().1, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(check(interim(17).as_bytes(), limits), Err(Malformed::InterimCount));

    let head_of =
        |length: usize| format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(length - 24));
    assert_eq!(check(head_of(24 * 1024).as_bytes(), limits).unwrap().1.len(), 24 * 1024);
    assert_eq!(check(head_of(24 * 1024 + 1).as_bytes(), limits), Err(Malformed::HeadLength));
    let small = Limits { head_bytes: 100, ..limits };
    assert!(check(head_of(100).as_bytes(), small).is_ok());
    assert_eq!(check(head_of(101).as_bytes(), small), Err(Malformed::HeadLength));
    assert_eq!(normalise(&head_of(200).as_bytes()[..100], &small), Err(Malformed::HeadLength));
    assert_eq!(normalise(&head_of(200).as_bytes()[..99], &small), Ok(Normalised::Partial));
    let dropped = format!("HTTP/1.1 200 OK\r\nTrailer: {}\r\n\r\n", "b".repeat(30 * 1024));
    assert_eq!(check(dropped.as_bytes(), limits).unwrap().1, "HTTP/1.1 200 OK\r\n\r\n");
}

fn likely_answer() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 206\n",
        "ICY 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 ",
        "404",
        " ",
        "\r\n",
        "\n",
        "\r",
        "Content-Length: ",
        "5",
        ",",
        "X",
        ":",
        "\t",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Connection: ",
        "close",
        "Content-Length: 5\r\n",
        "\0",
        "\u{e4}",
        "\r\n\r\n",
        "G",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..24)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(
        answer in prop_oneof![
            likely_answer(),
            likely_answer().prop_map(|rest| [b"HTTP/1.1 200 OK\r\n".as_slice(), &rest].concat()),
            vec(any::<u8>(), 0..100),
        ],
        cuts in vec(0_usize..200, 0..8),
        head_bytes in 16_usize..200,
    ) {
        let limits = Limits { head_bytes, output_bytes: 150, fields: 3, interim_heads: 2 };
        let whole = normalise(&answer, &limits);
        let mut ends: Vec<_> = cuts.into_iter().filter(|cut| *cut < answer.len()).collect();
        ends.sort_unstable();
        ends.push(answer.len());
        let mut normaliser = HeadNormaliser::new(limits);
        let mut last = Ok(Normalised::Partial);
        for end in ends {
            last = normaliser.advance(&answer[..end]);
            if last != Ok(Normalised::Partial) {
                break;
            }
        }
        prop_assert_eq!(last, whole);
    }

    #[test]
    fn what_is_made_is_clean_and_normalising_it_again_changes_nothing(
        answer in likely_answer().prop_map(|rest| [b"HTTP/1.1 200 OK\r\n".as_slice(), &rest].concat()),
    ) {
        let limits = Limits::default();
        if let Ok(Normalised::Complete { consumed, head }) = normalise(&answer, &limits) {
            prop_assert!(consumed <= answer.len());
            let again = Normalised::Complete { consumed: head.len(), head: head.clone() };
            prop_assert_eq!(normalise(&head, &limits), Ok(again));
            let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let is_framing = |line: &&str| {
                line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
            };
            let found = text.lines().filter(is_framing).count();
            prop_assert!(found <= 1, "{}", text);
            prop_assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            prop_assert_eq!(text.matches('\r').count(), text.matches("\r\n").count());
        }
    }
}
