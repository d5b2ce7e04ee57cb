//! The URL under which a client reaches this listener, where an answer needs an absolute one.

use std::net::SocketAddr;

use http::HeaderMap;
use http::header::HOST;

/// What is known of how the client got here.
pub(super) struct Arrival<'a> {
    /// `public_url`, which wins.
    pub(super) public_url: Option<&'a str>,
    /// The client's fields.
    pub(super) headers: &'a HeaderMap,
    /// Whether `X-Forwarded-*` come from a trusted proxy.
    pub(super) trusted: bool,
    /// TLS on our own socket.
    pub(super) tls: bool,
    /// The address the client connected to.
    pub(super) local: Option<SocketAddr>,
}

/// Scheme, host, port and prefix, without a slash at the end.
///
/// Receivers send `Host` without the port, so the port that was connected to is added where a
/// direct client's Host has none.
pub(super) fn base(arrival: &Arrival<'_>) -> String {
    if let Some(public) = arrival.public_url {
        return public.trim_end_matches('/').to_owned();
    }
    let field = |name: &str| {
        let value = arrival.headers.get(name)?.to_str().ok()?;
        let first = value.split(',').next()?.trim();
        Some(first).filter(|first| !first.is_empty() && is_plain(first))
    };
    let forwarded = |name: &str| if arrival.trusted { field(name) } else { None };
    let own = if arrival.tls { "https" } else { "http" };
    let scheme = forwarded("x-forwarded-proto").filter(|proto| ["http", "https"].contains(proto));
    let scheme = scheme.unwrap_or(own);
    let prefix = forwarded("x-forwarded-prefix").unwrap_or_default();
    let prefix = prefix.trim_end_matches('/');
    if let Some(host) = forwarded("x-forwarded-host") {
        return format!("{scheme}://{host}{prefix}");
    }
    let host = field(HOST.as_str()).unwrap_or("localhost");
    match arrival.local {
        Some(local) if !arrival.trusted && !has_port(host) && !is_default(scheme, local.port()) => {
            format!("{scheme}://{host}:{}{prefix}", local.port())
        }
        _ => format!("{scheme}://{host}{prefix}"),
    }
}

/// Characters of hosts, ports and path prefixes: nothing that could end a line or an attribute.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]/%".contains(&byte))
}

fn has_port(host: &str) -> bool {
    host.rsplit(']').next().unwrap_or_default().contains(':')
}

fn is_default(scheme: &str, port: u16) -> bool {
    matches!((scheme, port), ("http", 80) | ("https", 443))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields = fields.iter();
        HeaderMap::from_iter(
            fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())),
        )
    }

    #[test]
    fn the_base_follows_the_client_and_trusted_proxies_only() {
        let proxied = [
            ("host", "weir:18000"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "tv.example"),
            ("x-forwarded-prefix", "/iptv/"),
        ];
        let cases = [
            (vec![("host", "box:18000")], false, "http://box:18000"),
            (vec![("host", "box")], false, "http://box:18000"),
            (vec![("host", "[::1]")], false, "http://[::1]:18000"),
            (proxied.to_vec(), false, "http://weir:18000"),
            (proxied.to_vec(), true, "https://tv.example/iptv"),
            (vec![("host", "a\"b")], false, "http://localhost:18000"),
            (vec![], false, "http://localhost:18000"),
        ];
        for (fields, trusted, expected) in cases {
            let headers = headers(&fields);
            let local = Some("127.0.0.1:18000".parse().unwrap());
            let arrival =
                Arrival { public_url: None, headers: &headers, trusted, tls: false, local };
            assert_eq!(base(&arrival), expected);
        }
    }
}
