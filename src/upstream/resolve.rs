//! Host name to addresses, each checked against the egress rules.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::Egress;
use crate::message::Url;
use crate::upstream::Error;
use crate::upstream::egress;
use crate::upstream::egress::Trust;

/// Look-ups under way at one time; more wait, within the attempt's own deadline. Each can hold a
/// thread for as long as the system's resolver likes.
const LOOKUPS: usize = 64;

/// Addresses of one name that are tried; the rest of a longer answer is not.
const ADDRESSES_MAX: usize = 16;

/// Asks the system's resolver.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// Bounds the look-ups under way.
    places: Arc<Semaphore>,
}

impl Resolver {
    /// A resolver with nothing under way.
    #[must_use]
    pub fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(LOOKUPS)) }
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

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let _place = self.places.acquire().await.map_err(|_| Error::Resolve("closed"))?;
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|_| Error::Resolve("unknown host"))?;
        Ok(found.take(ADDRESSES_MAX).collect())
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
