//! Address ranges (`10.0.0.0/8`, `2001:db8::/32`, one address) and the words that stand for several: `private`,
//! `link-local`, `metadata`, `any`.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The words, each with the ranges it stands for. Longer sequences first, as [`show_cidrs`] takes the first that fits.
const WORDS: [(&str, &[&str]); 4] = [
    (
        "private",
        &[
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fc00::/7",
            "169.254.0.0/16",
            "fe80::/10",
        ],
    ),
    ("metadata", &["169.254.169.254/32", "fd00:ec2::254/128", "100.100.100.200/32"]),
    ("link-local", &["169.254.0.0/16", "fe80::/10"]),
    ("any", &["0.0.0.0/0", "::/0"]),
];

/// A range of addresses. Host bits are zero; an IPv4 range is the same whether it is written as IPv4 or v4-mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// IPv4 or IPv6, never v4-mapped unless the range is wider than all of IPv4.
    address: IpAddr,
    /// Leading bits that must agree: 0 to 32, or 0 to 128.
    prefix: u8,
}

/// A text that is no address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address range; write it as 192.168.1.0/24, 2001:db8::/32 or one address")]
pub struct NotACidr;

impl Cidr {
    /// The range of `prefix` bits around `address`; host bits are cleared. `None` when the prefix is too long.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(mapped)) if (96..=128).contains(&prefix) => {
                Self::new(mapped.into(), prefix - 96)
            }
            (IpAddr::V4(v4), _) if prefix <= 32 => Some(Self {
                address: Ipv4Addr::from_bits(v4.to_bits() & mask_v4(prefix)).into(),
                prefix,
            }),
            (IpAddr::V6(v6), _) if prefix <= 128 => Some(Self {
                address: Ipv6Addr::from_bits(v6.to_bits() & mask_v6(prefix)).into(),
                prefix,
            }),
            _ => None,
        }
    }

    /// Whether `address` lies in the range. A v4-mapped address (`::ffff:10.0.0.1`) is the IPv4 address it carries.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(v4)) => {
                v4.to_bits() & mask_v4(self.prefix) == range.to_bits()
            }
            (IpAddr::V6(range), IpAddr::V6(v6)) => {
                v6.to_bits() & mask_v6(self.prefix) == range.to_bits()
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => {
                // `u8::from_str` takes a leading `+`, an address range does not.
                let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
                (address, Some(prefix.parse().ok().filter(|_| digits).ok_or(NotACidr)?))
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotACidr)?;
        Self::new(address, prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 }))
            .ok_or(NotACidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The ranges that a word or one range stands for. `private` is loopback, RFC 1918, unique local (RFC 4193) and
/// link-local; `metadata` the addresses where clouds hand out credentials; `any` the whole world.
///
/// # Errors
/// The text is neither.
pub fn cidrs(text: &str) -> Result<Vec<Cidr>, NotACidr> {
    match WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, ranges)) => ranges.iter().map(|range| range.parse()).collect(),
        None => text.parse().map(|cidr| vec![cidr]),
    }
}

/// Writes ranges the way [`cidrs`] reads them, with words where a word's ranges stand together.
pub(crate) fn show_cidrs(mut list: &[Cidr]) -> Vec<String> {
    let mut shown = Vec::new();
    while let Some((first, rest)) = list.split_first() {
        let word = WORDS
            .iter()
            .find_map(|(word, _)| Some((*word, list.strip_prefix(&*cidrs(word).ok()?)?)));
        let (text, after) = word
            .map_or_else(|| (first.to_string(), rest), |(word, after)| (word.to_owned(), after));
        shown.push(text);
        list = after;
    }
    shown
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_cover_their_addresses() {
        let cases = [
            ("private", "127.0.0.1", true),
            ("private", "::1", true),
            ("private", "172.31.255.255", true),
            ("private", "172.32.0.0", false),
            ("private", "192.168.1.1", true),
            ("private", "fd12::1", true),
            ("private", "fe80::1", true),
            ("private", "::ffff:10.1.2.3", true),
            ("private", "100.64.0.1", false),
            ("private", "8.8.8.8", false),
            ("private", "2001:db8::1", false),
            ("link-local", "169.254.1.1", true),
            ("link-local", "10.0.0.1", false),
            ("metadata", "169.254.169.254", true),
            ("metadata", "fd00:ec2::254", true),
            ("metadata", "100.100.100.200", true),
            ("metadata", "169.254.169.253", false),
            ("any", "8.8.8.8", true),
            ("any", "2001:db8::1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("10.9.9.9/8", "10.0.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
        ];
        for (word, address, inside) in cases {
            let address = address.parse().unwrap();
            assert_eq!(
                cidrs(word).unwrap().iter().any(|c| c.contains(address)),
                inside,
                "{word} {address}"
            );
        }
    }

    #[test]
    fn what_is_shown_is_what_was_written() {
        let written = [
            "private",
            "metadata",
            "link-local",
            "any",
            "10.0.0.0/8",
            "2001:db8::/32",
            "192.0.2.1/32",
        ];
        let list: Vec<Cidr> = written.iter().flat_map(|word| cidrs(word).unwrap()).collect();
        assert_eq!(show_cidrs(&list), written);
        assert_eq!("192.0.2.1".parse::<Cidr>().unwrap().to_string(), "192.0.2.1/32");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "world",
            "10.0.0.0/8/8",
        ] {
            assert!(cidrs(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_contains_its_own_address_and_reads_back(bits: u128, prefix in 0_u8..=128, v4: bool) {
            let address: IpAddr = match u32::try_from(bits >> 96) {
                Ok(bits) if v4 => Ipv4Addr::from_bits(bits).into(),
                _ => Ipv6Addr::from_bits(bits).into(),
            };
            let Some(cidr) = Cidr::new(address, prefix) else { return Ok(()) };
            prop_assert!(cidr.contains(address));
            prop_assert_eq!(cidr.to_string().parse::<Cidr>(), Ok(cidr));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Ok(list) = cidrs(&text) {
                prop_assert_eq!(cidrs(&show_cidrs(&list).concat()).ok(), Some(list));
            }
        }
    }
}
