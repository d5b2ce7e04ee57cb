//! How many clients and how many requests: places that are taken before a stream is opened, and a
//! request rate for each address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwap;
use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::config;
use crate::lifecycle::Entry;
use crate::lifecycle::Tally;
use crate::message::forwarded::network;

/// Addresses whose rate is remembered; beyond it those that have been quiet are forgotten, and when
/// none is quiet requests are refused.
const ADDRESSES_MAX: usize = 16_384;

/// Why no place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// `limits.clients` are being served.
    Everywhere,
    /// This address has `limits.clients_per_ip`.
    ForAddress,
}

/// Places for clients.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    all: Tally<()>,
    by_address: Tally<IpAddr>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _of_all: Entry<()>,
    _of_address: Entry<IpAddr>,
}

impl Limits {
    /// Takes a place for `address`.
    pub(super) fn enter(&self, address: IpAddr, bounds: &config::Limits) -> Result<Place, Full> {
        let of_all = self.all.enter((), bounds.clients).ok_or(Full::Everywhere)?;
        let of_address = self.by_address.enter(network(address), bounds.clients_per_ip);
        let of_address = of_address.ok_or(Full::ForAddress)?;
        Ok(Place { _of_all: of_all, _of_address: of_address })
    }

    /// Places taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.all.of(&())
    }
}

type Limiter = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>;

/// Requests per second of each address, with a burst of twice that.
pub struct Rates(ArcSwap<(u32, Limiter)>);

impl Rates {
    /// A limit of `per_second`.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self(ArcSwap::from_pointee((per_second, limiter(per_second))))
    }

    /// Puts another limit in force; every address starts afresh. The same limit changes nothing.
    pub fn change(&self, per_second: u32) {
        if self.0.load().0 != per_second {
            self.0.store(Arc::new((per_second, limiter(per_second))));
        }
    }

    /// Whether `address` may ask now.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let current = self.0.load();
        let (_, limiter) = &**current;
        if limiter.len() >= ADDRESSES_MAX {
            limiter.retain_recent();
            if limiter.len() >= ADDRESSES_MAX {
                // So many addresses within one second are an attack: nobody new is let in.
                return false;
            }
        }
        limiter.check_key(&network(address)).is_ok()
    }
}

fn limiter(per_second: u32) -> Limiter {
    let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_second(rate).allow_burst(rate.saturating_add(rate.get()));
    RateLimiter::new(quota, HashMapStateStore::default(), DefaultClock::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(clients: usize, clients_per_ip: usize) -> config::Limits {
        config::Limits { clients, clients_per_ip, ..config::Limits::default() }
    }

    #[test]
    fn places_run_out_and_come_back() {
        let limits = Limits::default();
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let b: IpAddr = "2001:db8::1".parse().unwrap();
        let b_too: IpAddr = "2001:db8::2".parse().unwrap();
        let first = limits.enter(a, &bounds(3, 2)).unwrap();
        let _second = limits.enter(a, &bounds(3, 2)).unwrap();
        assert_eq!(limits.enter(a, &bounds(3, 2)).unwrap_err(), Full::ForAddress);
        let _third = limits.enter(b, &bounds(3, 1)).unwrap();
        assert_eq!(limits.enter(b_too, &bounds(4, 1)).unwrap_err(), Full::ForAddress);
        assert_eq!(limits.enter(b_too, &bounds(3, 2)).unwrap_err(), Full::Everywhere);
        drop(first);
        assert_eq!(limits.taken(), 2);
        assert!(limits.enter(a, &bounds(3, 2)).is_ok());
    }

    #[test]
    fn a_burst_passes_and_a_storm_does_not() {
        let rates = Rates::new(5);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let passed = (0..100).filter(|_| rates.allows(address)).count();
        assert!((10..20).contains(&passed), "{passed}");
        assert!(rates.allows("192.0.2.2".parse().unwrap()), "another address is not affected");
        rates.change(5);
        assert!(!rates.allows(address), "the same limit does not start afresh");
        rates.change(6);
        assert!(rates.allows(address));
    }
}
