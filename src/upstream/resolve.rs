//! Host name to addresses, each checked against the egress rules.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::Egress;
use crate::lifecycle::Tally;
use crate::message::Url;
use crate::upstream::Error;
use crate::upstream::egress;
use crate::upstream::egress::Trust;

/// Look-ups under way at one time; more wait, within the attempt's own deadline. Each can hold a
/// thread for as long as the system's resolver likes.
const LOOKUPS: usize = 64;

/// Of those for one host; more fail at once. A name that does not answer must not keep others from
/// being asked about.
const LOOKUPS_PER_HOST: usize = 16;

/// Addresses of one name that are tried; the rest of a longer answer is not.
const ADDRESSES_MAX: usize = 16;

/// Asks the system's resolver.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// Bounds the look-ups under way.
    places: Arc<Semaphore>,
    /// Look-ups under way by host; each counts until its thread is done.
    hosts: Tally<String>,
}

impl Resolver {
    /// A resolver with nothing under way.
    #[must_use]
    pub fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(LOOKUPS)), hosts: Tally::default() }
    }

    /// The addresses of `url`'s host that may be connected to, in the order to try them (RFC 8305:
    /// families interleaved). Cancel safe; a dropped look-up ends by itself.
    ///
    /// # Errors
    /// [`Error::Resolve`], or [`Error::Denied`] when no address is left.
    pub async fn resolve(
        &self,
        url: &Url,
        trust: Trust,
        rules: &Egress,
    ) -> Result<Vec<SocketAddr>, Error> {
        let host = url.host();
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, url.port())],
            Err(_) => self.look_up(host, url.port()).await?,
        };
        let mut denied = None;
        let mut allowed = Vec::new();
        for address in found {
            match egress::check(address.ip(), trust, rules) {
                Ok(()) => allowed.push(address),
                Err(reason) => denied = Some(reason),
            }
        }
        match (allowed.is_empty(), denied) {
            (false, _) => Ok(interleave(&allowed)),
            (true, Some(reason)) => Err(Error::Denied(reason)),
            (true, None) => Err(Error::Resolve("no address")),
        }
    }

    /// Asks on a thread of its own, which goes on when nobody waits any more: what is counted is the
    /// thread, so that a dead name server cannot take them all.
    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let turn = self.hosts.enter(host.to_owned(), LOOKUPS_PER_HOST);
        let turn = turn.ok_or(Error::Resolve("too many look-ups under way"))?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Error::Resolve("closed"))?;
        let asked = (host.to_owned(), port);
        let found = tokio::task::spawn_blocking(move || {
            let _held = (turn, place);
            asked.to_socket_addrs().map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>())
        });
        match found.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(_)) | Err(_) => Err(Error::Resolve("unknown host")),
        }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

/// Alternates between the two families, starting with the one the resolver put first.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let same = addresses.iter().filter(|address| address.is_ipv4() == first.is_ipv4());
    let mut other = addresses.iter().filter(|address| address.is_ipv4() != first.is_ipv4());
    let mut order = Vec::with_capacity(addresses.len());
    for address in same {
        order.push(*address);
        order.extend(other.next());
    }
    order.extend(other);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_none_is_lost() {
        let parse = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|address| address.parse().unwrap()).collect()
        };
        let given = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        let expected = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(interleave(&given), expected);
        let given = parse(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(interleave(&given), given);
        assert!(interleave(&[]).is_empty());
    }
}
