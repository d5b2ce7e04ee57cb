#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// Each line as `name: value`, sorted.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

const NOBODYS: [(&str, &str); 14] = [
    ("cookie", "a=b"),
    ("authorization", "Basic x"),
    ("proxy-authorization", "Basic x"),
    ("x-forwarded-for", "1.2.3.4"),
    ("forwarded", "for=1.2.3.4"),
    ("referer", "http://a/"),
    ("origin", "http://a"),
    ("accept-encoding", "gzip"),
    ("user-agent", "x"),
    ("upgrade", "h2c"),
    ("te", "trailers"),
    ("keep-alive", "timeout=5"),
    ("icy-metadata", "1"),
    ("host", "a"),
];

#[test]
fn a_request_carries_ranges_and_conditions_only() {
    let mut client = map(&NOBODYS);
    assert_eq!(lines(&vod_request(&client)), Vec::<String>::new());
    client.extend(map(&[
        ("range", "bytes=0-1"),
        ("if-range", "\"a\""),
        ("if-match", "\"a\""),
        ("if-none-match", "\"b\""),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]));
    client.append("if-none-match", HeaderValue::from_static("\"c\""));
    let expected = [
        "if-match: \"a\"",
        "if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT",
        "if-none-match: \"b\"",
        "if-none-match: \"c\"",
        "if-range: \"a\"",
        "if-unmodified-since: Thu, 01 Jan 1970 00:00:00 GMT",
        "range: bytes=0-1",
    ];
    assert_eq!(lines(&vod_request(&client)), expected);
    client.insert("connection", HeaderValue::from_static("close, IF-Match"));
    client.append("connection", HeaderValue::from_static(" ,if-none-match"));
    assert_eq!(lines(&vod_request(&client)).len(), 4);
}

#[test]
fn a_range_never_goes_without_its_condition() {
    let cases = [
        ([("range", "bytes=5-")].as_slice(), ["range: bytes=5-"].as_slice()),
        (&[("range", "bytes=5-"), ("range", "bytes=6-")], &[]),
        (&[("if-range", "\"a\"")], &[]),
        (&[("range", "bytes=5-"), ("if-range", "\"a\""), ("if-range", "\"b\"")], &[]),
        (&[("range", "bytes=5-"), ("if-range", "\"a\""), ("connection", "if-range")], &[]),
        (&[("range", "bytes=5-"), ("if-range", "\"a\""), ("connection", "range")], &[]),
        (
            &[("range", "bytes=5-"), ("if-range", "W/\"a\"")],
            &["if-range: W/\"a\"", "range: bytes=5-"],
        ),
    ];
    for (client, expected) in cases {
        assert_eq!(lines(&vod_request(&map(client))), expected, "{client:?}");
    }
    assert_eq!(cases.len(), 7);
    let long = format!("bytes={}", "0-1,".repeat(2000));
    assert!(vod_request(&map(&[("range", &long)])).is_empty());
}

#[test]
fn an_answer_carries_what_describes_the_body() {
    let mut upstream = map(&[
        ("content-type", "video/mp2t"),
        ("content-type", "text/html"),
        ("content-length", "5"),
        ("content-range", "bytes 0-4/9"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-disposition", "inline"),
        ("accept-ranges", "bytes"),
        ("etag", "\"a\""),
        ("last-modified", "x"),
        ("date", "x"),
        ("expires", "0"),
        ("cache-control", "no-store"),
        ("cache-control", "private"),
        ("age", "1"),
        ("vary", "Accept"),
    ]);
    assert_eq!(lines(&end_to_end_response(&upstream)).len(), 15);
    assert_eq!(end_to_end_response(&upstream).get("content-type").unwrap(), "video/mp2t");
    for hidden in [
        "set-cookie",
        "set-cookie2",
        "location",
        "refresh",
        "server",
        "x-accel-redirect",
        "link",
        "content-security-policy",
        "www-authenticate",
        "proxy-authenticate",
        "trailer",
        "via",
        "transfer-encoding",
        "content-location",
        "strict-transport-security",
        "icy-metaint",
        "access-control-allow-origin",
        "alt-svc",
        "upgrade",
        "keep-alive",
    ] {
        upstream.insert(hidden, HeaderValue::from_static("x"));
    }
    assert_eq!(lines(&end_to_end_response(&upstream)).len(), 15);
    let named = HeaderValue::from_static("Content-Length, Content-Type, ETag, Cache-Control");
    upstream.insert("connection", named);
    let left = end_to_end_response(&upstream);
    assert_eq!(lines(&left).len(), 11);
    assert_eq!(left.get("content-length").unwrap(), "5");
    let long = "a".repeat(4097);
    assert!(end_to_end_response(&map(&[("etag", &long), ("vary", &long)])).is_empty());
}

#[test]
fn cors_is_set_once_whatever_was_there() {
    let mut headers = map(&[("access-control-allow-origin", "http://evil")]);
    apply_preflight(&mut headers);
    apply_preflight(&mut headers);
    assert_eq!(headers.len(), 5);
    assert_eq!(headers.get("access-control-allow-origin").unwrap(), "*");
    assert_eq!(headers.get("access-control-allow-methods").unwrap(), "GET, HEAD, OPTIONS");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let mut headers = HeaderMap::new();
    apply_cors(&mut headers);
    assert_eq!(headers.len(), 2);
    let exposed = headers.get("access-control-expose-headers").unwrap().to_str().unwrap();
    for name in exposed.split(", ") {
        assert!(HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn retry_after_is_seconds_up_to_a_day() {
    let seconds = |value| retry_after(&map(&[("retry-after", value)])).map(|wait| wait.as_secs());
    assert_eq!(seconds("0"), Some(0));
    assert_eq!(seconds("120"), Some(120));
    assert_eq!(seconds("99999999999999999999999"), Some(86_400));
    for bad in ["", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"] {
        assert_eq!(seconds(bad), None);
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

#[test]
fn media_types_are_essences_in_lower_case() {
    let essence = |value| media_type(&map(&[("content-type", value)]));
    assert_eq!(essence("Video/MP2T").as_deref(), Some("video/mp2t"));
    let with_parameter = essence("application/vnd.apple.mpegurl ; charset=\"a/b\"");
    assert_eq!(with_parameter.as_deref(), Some("application/vnd.apple.mpegurl"));
    let long = format!("video/{}", "a".repeat(128));
    for bad in ["", "video", "video/", "/mp2t", "a/b/c", "vid eo/x", "video/mp2t, text/html", &long]
    {
        assert_eq!(essence(bad), None, "{bad}");
    }
    assert_eq!(media_type(&HeaderMap::new()), None);
}

proptest! {
    #[test]
    fn nothing_else_ever_crosses(
        fields in vec((prop::sample::select(vec![
            "range", "if-range", "connection", "etag", "content-length", "cookie", "x-a", "vary",
        ]), "[ -~]{0,20}"), 0..12),
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let from = map(&fields);
        for name in vod_request(&from).keys() {
            prop_assert!(["range", "if-range"].contains(&name.as_str()));
        }
        for name in end_to_end_response(&from).keys() {
            prop_assert!(["etag", "content-length", "vary"].contains(&name.as_str()));
        }
        prop_assert!(retry_after(&from).is_none() && media_type(&from).is_none());
    }
}
