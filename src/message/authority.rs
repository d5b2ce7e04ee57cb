//! `host [":" port]`, as a Host field and a URL carry it (RFC 3986 section 3.2).
//!
//! Narrower than the RFC on purpose: a registered name is letters, digits, `-`, `.` and `_`, which
//! is all that name servers and address parsers take, and so a host that passed can stand in any
//! URL, log line or playlist without escaping.

use std::fmt;
use std::net::Ipv6Addr;

/// The longest registered name, with a final dot (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 254;

/// A host as it was written; an IPv6 literal as the address it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host<'a> {
    /// A registered name or an IPv4 address.
    Name(&'a str),
    /// What stood in brackets.
    V6(Ipv6Addr),
}

/// A host and, where one was given, its port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    /// Never empty.
    pub(super) host: Host<'a>,
    /// `None` where no port or an empty one was given, which mean the same.
    pub(super) port: Option<u16>,
}

/// What is wrong with an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthorityError {
    /// Empty, too long, or with a byte that no host has.
    Host,
    /// Not a number up to 65535.
    Port,
}

impl<'a> Authority<'a> {
    /// Parses `text`, which must hold nothing else: user information is an error here.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(literal) => {
                let (address, after) = literal.split_once(']').ok_or(AuthorityError::Host)?;
                let host = Host::V6(address.parse().map_err(|_| AuthorityError::Host)?);
                if after.is_empty() {
                    (host, "")
                } else {
                    (host, after.strip_prefix(':').ok_or(AuthorityError::Host)?)
                }
            }
            None => {
                let (name, port) = text.split_once(':').unwrap_or((text, ""));
                (Host::Name(checked_name(name)?), port)
            }
        };
        Ok(Self { host, port: parse_port(port)? })
    }

    /// Whether both name the same place, for requests whose default port is `default`.
    pub(super) fn is_same(&self, other: &Self, default: u16) -> bool {
        let host = match (self.host, other.host) {
            (Host::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (one, two) => one == two,
        };
        host && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

impl fmt::Display for Host<'_> {
    /// Without brackets, as resolvers and address parsers want it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V6(address) => address.fmt(f),
        }
    }
}

fn checked_name(name: &str) -> Result<&str, AuthorityError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (fits && name.bytes().all(is_name)).then_some(name).ok_or(AuthorityError::Host)
}

fn parse_port(port: &str) -> Result<Option<u16>, AuthorityError> {
    if port.is_empty() {
        return Ok(None);
    }
    // `u16::from_str` takes a leading `+`, and any number of leading zeros.
    let digits = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| port.parse().ok()).flatten().map(Some).ok_or(AuthorityError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let good = [
            ("a", "a", None),
            ("tv.Example.", "tv.Example.", None),
            ("my_box:8001", "my_box", Some(8001)),
            ("192.168.1.100:65535", "192.168.1.100", Some(65535)),
            ("a:", "a", None),
            ("a:0", "a", Some(0)),
            ("[::1]", "::1", None),
            ("[2001:DB8::1]:80", "2001:db8::1", Some(80)),
            ("[::ffff:1.2.3.4]:", "::ffff:1.2.3.4", None),
        ];
        for (text, host, port) in good {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((authority.host.to_string().as_str(), authority.port), (host, port));
        }
        let long = "a".repeat(255);
        let bad_hosts = [
            "",
            ":80",
            "u:p@a",
            "u@a",
            "a b",
            " a",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a%41",
            "a,b",
            "ä",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]]",
            "[]",
            "[::1%25eth0]",
            "[1.2.3.4]",
            "[v1.a]",
            "a\0",
            "a\tb",
            "a<b",
            "a\"b",
            &long,
        ];
        for text in bad_hosts {
            assert!(Authority::parse(text).is_err(), "{text}");
        }
        for text in
            ["a:65536", "a:99999", "a:000080", "a:+80", "a:-1", "a:8a", "a:80:80", "[::1]:x"]
        {
            assert_eq!(Authority::parse(text).unwrap_err(), AuthorityError::Port, "{text}");
        }
        assert_eq!(good.len() + bad_hosts.len(), 35);
    }

    #[test]
    fn sameness_ignores_case_and_the_default_port() {
        let same = |one: &str, two: &str| {
            Authority::parse(one).unwrap().is_same(&Authority::parse(two).unwrap(), 80)
        };
        assert!(same("TV.example", "tv.EXAMPLE:80"));
        assert!(same("[::1]", "[0:0::1]:80"));
        assert!(!same("a", "a:8080"));
        assert!(!same("a", "b"));
        assert!(!same("[::1]", "localhost"));
    }
}
