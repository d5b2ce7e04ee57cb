#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;

use http::HeaderValue;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Asked by a trusted 10.0.0.1; all of 10/8 and fd00::/8 is trusted.
#[track_caller]
fn check(lines: &[(&str, &str)], expected: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let address = client_address("10.0.0.1".parse().unwrap(), &headers, is_trusted);
    assert_eq!(address, expected.parse::<IpAddr>().unwrap(), "{lines:?}");
}

fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets().starts_with(&[10]),
        IpAddr::V6(address) => address.octets().starts_with(&[0xfd]),
    }
}

#[test]
fn x_forwarded_for_is_followed_as_far_as_trust_goes() {
    let cases: [(&[&str], &str); 17] = [
        (&[], "10.0.0.1"),
        (&[""], "10.0.0.1"),
        (&["203.0.113.5"], "203.0.113.5"),
        (&["203.0.113.5:4711"], "203.0.113.5"),
        (&["1.1.1.1, 203.0.113.5"], "203.0.113.5"),
        (&["1.1.1.1, 203.0.113.5,10.0.0.2 , 10.0.0.3"], "203.0.113.5"),
        (&["1.1.1.1", "203.0.113.5", "10.0.0.2"], "203.0.113.5"),
        (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["\"[2001:db8::1]:80\""], "2001:db8::1"),
        (&["::ffff:203.0.113.5"], "203.0.113.5"),
        (&["1.1.1.1, ::ffff:10.0.0.2"], "1.1.1.1"),
        (&["1.1.1.1, unknown, fd00::2"], "fd00::2"),
        (&["<script>, 203.0.113.5"], "203.0.113.5"),
        (&["\u{fc}1.1.1.1\", \"203.0.113.5"], "10.0.0.1"),
        (&["1.1.1.1, fe80::1%eth0"], "10.0.0.1"),
    ];
    for (lines, expected) in cases {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        check(&lines, expected);
    }
}

#[test]
fn forwarded_counts_where_nothing_else_does() {
    let cases = [
        ("for=203.0.113.5", "203.0.113.5"),
        ("For=\"203.0.113.5:80\";proto=https;by=10.0.0.1", "203.0.113.5"),
        ("proto=https; for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=1.1.1.1, for=203.0.113.5;host=a, for=10.0.0.2", "203.0.113.5"),
        ("for=\"1.1.1.1, for=203.0.113.5", "203.0.113.5"),
        ("for=1.1.1.1, for=\"203.0.113.5:_port\"", "203.0.113.5"),
        ("for=1.1.1.1, for=\"[2001:db8::1]:_x\"", "2001:db8::1"),
        ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
        ("for=1.1.1.1, for=unknown, for=10.0.0.2", "10.0.0.2"),
        ("for=1.1.1.1, proto=https", "10.0.0.1"),
        ("for=1.1.1.1;for=2.2.2.2", "10.0.0.1"),
        ("for=1.1.1.1:http", "10.0.0.1"),
        ("for=2001:db8::1:_x", "10.0.0.1"),
    ];
    for (line, expected) in cases {
        check(&[("forwarded", line)], expected);
    }
    assert_eq!(cases.len(), 13);
    check(&[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "2.2.2.2")], "2.2.2.2");
}

#[test]
fn an_untrusted_peer_is_not_believed() {
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("1.1.1.1"));
    headers.insert("forwarded", HeaderValue::from_static("for=1.1.1.1"));
    let peer = |text: &str| client_address(text.parse().unwrap(), &headers, is_trusted);
    assert_eq!(peer("192.0.2.1").to_string(), "192.0.2.1");
    assert_eq!(peer("::ffff:192.0.2.1").to_string(), "192.0.2.1");
    assert_eq!(peer("::ffff:10.0.0.1").to_string(), "1.1.1.1");
}

#[test]
fn only_so_many_hops_are_looked_at() {
    for (count, asked, expected) in
        [(63, 65, "1.1.1.1"), (64, 65, "10.0.0.2"), (5000, 65, "10.0.0.2")]
    {
        let mut headers = HeaderMap::new();
        let chain = format!("1.1.1.1{}", ",10.0.0.2".repeat(count));
        headers.insert("x-forwarded-for", HeaderValue::from_str(&chain).unwrap());
        let calls = Cell::new(0);
        let client = client_address("10.0.0.1".parse().unwrap(), &headers, |address| {
            calls.set(calls.get() + 1);
            is_trusted(address)
        });
        assert_eq!((client.to_string().as_str(), calls.get()), (expected, asked));
    }
}

proptest! {
    #[test]
    fn what_a_proxy_appended_cannot_be_hidden(
        forged in vec(prop_oneof![Just(9), 32_u8..127, 128_u8..], 0..60),
        is_standard: bool,
    ) {
        let (name, appended) = if is_standard {
            ("forwarded", ", for=203.0.113.5")
        } else {
            ("x-forwarded-for", ", 203.0.113.5")
        };
        let mut headers = HeaderMap::new();
        let line = [forged.as_slice(), appended.as_bytes()].concat();
        headers.insert(name, HeaderValue::from_bytes(&line).unwrap());
        let client = client_address("10.0.0.1".parse().unwrap(), &headers, is_trusted);
        prop_assert_eq!(client.to_string(), "203.0.113.5");
    }
}
