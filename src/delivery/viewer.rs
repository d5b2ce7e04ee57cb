//! Who is watching, as far as one can tell: whether a new request comes from somebody who has just
//! left another stream.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::USER_AGENT;

/// A viewer. Two requests with the same one may take each other's connection over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// The name of the access token that was given.
    Token(Arc<str>),
    /// Without tokens: the address and a hash of the `User-Agent`.
    Player(IpAddr, u64),
    /// Nobody who watches: somebody has started a relay.
    Operator,
}

impl Viewer {
    /// The viewer behind a request.
    #[must_use]
    pub fn new(token: Option<&str>, address: IpAddr, headers: &HeaderMap) -> Self {
        if let Some(name) = token {
            return Self::Token(name.into());
        }
        let mut hasher = DefaultHasher::new();
        headers.get(USER_AGENT).map(http::HeaderValue::as_bytes).hash(&mut hasher);
        Self::Player(address, hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_viewer_wherever_it_comes_from_and_without_one_the_player_is() {
        let (vlc, kodi) = (
            HeaderMap::from_iter([(USER_AGENT, "VLC/3.0.20".parse().unwrap())]),
            HeaderMap::from_iter([(USER_AGENT, "Kodi/21".parse().unwrap())]),
        );
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let viewer = Viewer::new;
        assert_eq!(viewer(Some("tv"), here, &vlc), viewer(Some("tv"), there, &kodi));
        assert_ne!(viewer(Some("tv"), here, &vlc), viewer(Some("phone"), here, &vlc));
        assert_eq!(viewer(None, here, &vlc), viewer(None, here, &vlc));
        assert_ne!(viewer(None, here, &vlc), viewer(None, here, &kodi));
        assert_ne!(viewer(None, here, &vlc), viewer(None, there, &vlc));
        assert_ne!(viewer(None, here, &HeaderMap::new()), viewer(None, here, &kodi));
    }
}
