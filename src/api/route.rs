//! Paths of the admin listener: what is asked for, and how it may be.

use http::Method;

use crate::api::overrides;
use crate::api::relay;
use crate::api::switch;

/// What a path asks for. Channels are named by their ids, not yet looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// Whether the program is there.
    Health,
    /// Whether it serves.
    Ready,
    Metrics,
    Status,
    Sessions,
    Channels,
    /// Another source for those who watch a channel.
    Switch(&'a str),
    /// What is shown in the place of a channel.
    Override(&'a str),
    Relay(relay::Route<'a>),
    Unknown,
}

/// What only says something.
const READS: &[Method] = &[Method::GET, Method::HEAD];

/// What is done once.
const ORDERS: &[Method] = &[Method::POST];

impl<'a> Route<'a> {
    /// What `path` asks for.
    pub(super) fn of(path: &'a str) -> Self {
        match path {
            "/health" | "/healthz" | "/live" => return Self::Health,
            "/readyz" => return Self::Ready,
            "/metrics" => return Self::Metrics,
            "/api/status" => return Self::Status,
            "/api/v1/sessions" => return Self::Sessions,
            "/api/v1/channels" => return Self::Channels,
            _ => {}
        }
        let switched = switch::channel_in(path).map(Self::Switch);
        let overridden = || overrides::channel_in(path).map(Self::Override);
        let relays = || relay::route(path).map(Self::Relay);
        switched.or_else(overridden).or_else(relays).unwrap_or(Self::Unknown)
    }

    /// The methods that it answers, as a list and for the `Allow` field.
    pub(super) fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            Self::Switch(_) => (ORDERS, "POST"),
            Self::Relay(route) if route.is_order() => (ORDERS, "POST"),
            Self::Override(_) => (&overrides::METHODS, "GET, HEAD, PUT, DELETE"),
            _ => (READS, "GET, HEAD"),
        }
    }

    /// Whether it is answered without a token: what supervisors ask.
    pub(super) fn is_free(self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_say() {
        let cases = [
            ("/live", Route::Health, "GET, HEAD"),
            ("/readyz", Route::Ready, "GET, HEAD"),
            ("/metrics", Route::Metrics, "GET, HEAD"),
            ("/api/status", Route::Status, "GET, HEAD"),
            ("/streams/one/failover", Route::Switch("one"), "POST"),
            ("/api/v1/channels/one/failover", Route::Switch("one"), "POST"),
            ("/api/v1/channels/one/override", Route::Override("one"), "GET, HEAD, PUT, DELETE"),
            ("/api/v1/relay/health", Route::Relay(relay::Route::Health), "GET, HEAD"),
            ("/api/v1/relay/one/stop", Route::Relay(relay::Route::Stop("one")), "POST"),
            ("/api/v1/nothing", Route::Unknown, "GET, HEAD"),
        ];
        for (path, route, allowed) in cases {
            assert_eq!(Route::of(path), route, "{path}");
            assert_eq!(route.methods().1, allowed, "{path}");
            assert_eq!(route.is_free(), path == "/live" || path == "/readyz");
        }
    }
}
