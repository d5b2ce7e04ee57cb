//! Which addresses an upstream connection may go to. Pure; asked after DNS, about the very address
//! that is then connected to, so an answer that changes in between cannot slip through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Egress;

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// In `egress.deny`: for nothing, ever.
    #[error("egress.deny")]
    Never,
    /// Not a public address, and neither configured nor in `egress.private`.
    #[error("a private address that egress.private does not list")]
    Private,
    /// An address that no stream comes from (multicast, unspecified, documentation, ...).
    #[error("a special-purpose address")]
    Special,
}

/// How an address came to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The host stands in the configuration as a source: private addresses are what home networks
    /// are made of.
    Configured,
    /// A redirect or a playlist named it.
    Foreign,
}

/// Whether a connection may go to `address`.
///
/// # Errors
/// Which rule refuses it.
pub fn check(address: IpAddr, trust: Trust, rules: &Egress) -> Result<(), Denied> {
    let address = embedded(address);
    if rules.deny.iter().any(|cidr| cidr.contains(address)) {
        return Err(Denied::Never);
    }
    if address.is_multicast() || address.is_unspecified() || is_reserved(address) {
        return Err(Denied::Special);
    }
    if trust == Trust::Configured || !is_private(address) {
        return Ok(());
    }
    if rules.private.iter().any(|cidr| cidr.contains(address)) {
        Ok(())
    } else {
        Err(Denied::Private)
    }
}

/// The IPv4 address inside a mapped (::ffff:0:0/96), compatible (::/96), NAT64 (64:ff9b::/96) or
/// 6to4 (2002::/16) address: what the packet reaches in the end.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => v4(g, h),
        (0x2002, _) => v4(b, c),
        (0, 0) if [c, d, e, f] == [0; 4] && (g, h) > (0, 1) => v4(g, h),
        _ => IpAddr::V6(v6),
    }
}

/// Loopback, RFC 1918, link-local, shared (RFC 6598), ULA: networks that are somebody's own.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => {
            // Site-local (fec0::/10) is deprecated and routed nowhere but at home; 64:ff9b:1::/48 is
            // NAT64 of the local network (RFC 8215).
            let [a, b, c, ..] = v6.segments();
            let local = a & 0xffc0 == 0xfec0 || (a, b, c) == (0x64, 0xff9b, 1);
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || local
        }
    }
}

/// Blocks that the IANA special-purpose registries keep from being destinations.
fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            a == 0
                || a >= 240
                || v4.is_documentation()
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(v6) => is_documentation(v6),
    }
}

fn is_documentation(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Egress {
        Egress {
            deny: ["169.254.0.0/16", "fe80::/10", "100.100.100.200/32"]
                .iter()
                .map(|cidr| cidr.parse().unwrap())
                .collect(),
            private: vec!["192.168.7.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn a_redirect_reaches_public_and_listed_addresses_only() {
        let cases = [
            ("8.8.8.8", Ok(())),
            ("2606:4700::1111", Ok(())),
            ("192.168.7.9", Ok(())),
            ("192.168.8.9", Err(Denied::Private)),
            ("127.0.0.1", Err(Denied::Private)),
            ("::1", Err(Denied::Private)),
            ("10.1.2.3", Err(Denied::Private)),
            ("172.16.0.1", Err(Denied::Private)),
            ("100.64.0.1", Err(Denied::Private)),
            ("fd00::1", Err(Denied::Private)),
            ("::ffff:127.0.0.1", Err(Denied::Private)),
            ("64:ff9b::7f00:1", Err(Denied::Private)),
            ("2002:7f00:1::", Err(Denied::Private)),
            ("::127.0.0.1", Err(Denied::Private)),
            ("fec0::1", Err(Denied::Private)),
            ("64:ff9b:1::1", Err(Denied::Private)),
            ("169.254.169.254", Err(Denied::Never)),
            ("::ffff:169.254.169.254", Err(Denied::Never)),
            ("fe80::1", Err(Denied::Never)),
            ("100.100.100.200", Err(Denied::Never)),
            ("0.0.0.0", Err(Denied::Special)),
            ("::", Err(Denied::Special)),
            ("224.0.0.1", Err(Denied::Special)),
            ("ff02::1", Err(Denied::Special)),
            ("255.255.255.255", Err(Denied::Special)),
            ("192.0.2.1", Err(Denied::Special)),
            ("2001:db8::1", Err(Denied::Special)),
        ];
        for (address, expected) in cases {
            let found = check(address.parse().unwrap(), Trust::Foreign, &rules());
            assert_eq!(found, expected, "{address}");
        }
        assert_eq!(cases.len(), 27);
    }

    #[test]
    fn a_configured_host_may_be_private_but_never_denied() {
        for (address, expected) in [
            ("127.0.0.1", Ok(())),
            ("192.168.1.100", Ok(())),
            ("169.254.169.254", Err(Denied::Never)),
            ("239.1.1.1", Err(Denied::Special)),
        ] {
            let found = check(address.parse().unwrap(), Trust::Configured, &rules());
            assert_eq!(found, expected, "{address}");
        }
    }
}
