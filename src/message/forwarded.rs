//! Who asked, behind proxies of our own: X-Forwarded-For and Forwarded (RFC 7239).

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use http::HeaderMap;
use http::HeaderName;

use crate::message::syntax::trim_whitespace;

#[cfg(test)]
mod tests;

/// No chain of real proxies is longer; what lies beyond is not looked at.
const HOPS_MAX: usize = 64;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One subscriber: an IPv4 address, or an IPv6 /64, which one subscriber has all of.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The address of the client that sent a request with `headers` over a connection from `peer`.
///
/// Only a trusted peer is believed, and only as far as trust goes: walking back from the last hop,
/// the first address that `is_trusted` refuses is the client's. Where all are trusted it is the
/// farthest one; where a hop is no address (`unknown`, an obfuscated name, garbage) it is the one
/// before it. Addresses are given to `is_trusted` and returned in canonical form: IPv4 for IPv6
/// addresses that map it.
///
/// X-Forwarded-For is what proxies append to, so Forwarded counts only without it: a proxy that
/// knows one of them hands the other on as the client wrote it. A trusted proxy that writes
/// Forwarded must therefore remove X-Forwarded-For.
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let is_standard = !headers.contains_key(X_FORWARDED_FOR);
    let name = if is_standard { http::header::FORWARDED } else { X_FORWARDED_FOR };
    // No node that a proxy writes holds a comma, quoted or not, so splitting blindly is right; and
    // it keeps a quote that the client left open from swallowing what proxies appended.
    let lines = headers.get_all(name).into_iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(HOPS_MAX).map(trim_whitespace).filter(|hop| !hop.is_empty()) {
        let address = if is_standard { parse_forwarded(hop) } else { parse_node(hop) };
        let Some(address) = address else { break };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The `for` of one element of Forwarded, such as `for="[2001:db8::1]:4711";proto=https`.
fn parse_forwarded(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = element.split(|byte| *byte == b';').filter_map(|pair| {
        let (name, value) = trim_whitespace(pair).split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let node = nodes.next()?;
    // Twice is a contradiction (RFC 7239 section 4).
    if nodes.next().is_some() { None } else { parse_node(node) }
}

/// An address as proxies write it: quoted or not, with or without a port, IPv6 with or without
/// brackets.
fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
    let node = node.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(node);
    if let Ok(address) = node.parse() {
        return Some(address);
    }
    if let Some(literal) = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    if let Ok(address) = node.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    // RFC 7239 section 6.2 allows obfuscated ports, which begin with an underscore.
    let (address, port) = node.rsplit_once(':')?;
    if !port.starts_with('_') {
        return None;
    }
    match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => address.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}
