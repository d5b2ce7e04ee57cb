//! `limits` and `egress`: how much clients may take, and where upstream connections may go.

use std::time::Duration;

use super::cidr::Cidr;
use super::cidr::cidrs;
use super::forms::Cidrs;
use super::forms::Count;
use super::forms::Size;
use super::forms::Span;
use super::walk::Section;
use super::walk::Walk;

/// How much clients may take. Every limit has a maximum; there is no "unlimited".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Clients served at once; over it 503. Default 4000, 1 to 1000000.
    pub clients: usize,
    /// Clients served at once to one address, and HLS sessions of it. Default 64, 1 to 1000000.
    pub clients_per_ip: usize,
    /// Requests a second from one address; over it 429. Default 50, 1 to 1000000.
    pub requests_per_second: u32,
    /// A live client of a direct channel that takes no byte for so long is dropped. Default 60s, 1s to 1h.
    pub client_timeout: Duration,
    /// Longest request head in bytes. Default 16KiB, 8KiB to 1MiB.
    pub head_bytes: usize,
    /// Longest playlist or document taken from a source in bytes. Default 4MiB, 64KiB to 64MiB.
    pub playlist_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 4000,
            clients_per_ip: 64,
            requests_per_second: 50,
            client_timeout: Duration::from_secs(60),
            head_bytes: 16 << 10,
            playlist_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// Reads `limits`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let many = Count { min: 1, max: 1_000_000 };
        let rate = Count { min: 1, max: 1_000_000 };
        let patience = Span { min: Duration::from_secs(1), max: Duration::from_hours(1) };
        let mut section = root.section(walk, "limits");
        let limits = Self {
            clients: section.value(walk, "clients", &many, default.clients),
            clients_per_ip: section.value(walk, "clients_per_ip", &many, default.clients_per_ip),
            requests_per_second: section.value(
                walk,
                "requests_per_second",
                &rate,
                default.requests_per_second,
            ),
            client_timeout: section.value(
                walk,
                "client_timeout",
                &patience,
                default.client_timeout,
            ),
            head_bytes: {
                let form = Size { min: 8 << 10, max: 1 << 20 };
                section.value(walk, "head_bytes", &form, default.head_bytes)
            },
            playlist_bytes: {
                let form = Size { min: 64 << 10, max: 64 << 20 };
                section.value(walk, "playlist_bytes", &form, default.playlist_bytes)
            },
        };
        section.finish(walk);
        limits
    }
}

/// Which addresses upstream connections may go to; checked on the address connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Never, for anything. Default `link-local` and `metadata`.
    pub deny: Vec<Cidr>,
    /// Private addresses that redirects, playlists and streams made over the API may reach. Default none.
    pub private: Vec<Cidr>,
}

impl Default for Egress {
    fn default() -> Self {
        let deny = ["link-local", "metadata"]
            .iter()
            .flat_map(|word| cidrs(word).unwrap_or_default())
            .collect();
        Self { deny, private: Vec::new() }
    }
}

impl Egress {
    /// Reads `egress`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let mut section = root.section(walk, "egress");
        let deny = section.list(walk, "deny", &Cidrs, vec![default.deny]);
        let private = section.list(walk, "private", &Cidrs, Vec::new());
        section.finish(walk);
        let flat =
            |list: Vec<(Vec<Cidr>, _)>| list.into_iter().flat_map(|(cidrs, _)| cidrs).collect();
        Self { deny: flat(deny), private: flat(private) }
    }
}
