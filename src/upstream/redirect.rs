//! Where a redirect leads. Pure.

use http::HeaderMap;
use http::header::LOCATION;

use crate::message::Url;

/// Redirects followed for one request.
pub const REDIRECTS_MAX: usize = 10;

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Back to a URL that was asked already.
    #[error("a loop")]
    Loop,
    /// More than [`REDIRECTS_MAX`].
    #[error("more than 10")]
    TooMany,
    /// No `Location`, or one that names no http or https URL.
    #[error("without a usable target")]
    NoTarget,
}

/// The URLs that one request has been sent to.
#[derive(Debug)]
pub struct Trail(Vec<Url>);

impl Trail {
    /// Starts at the source's own URL.
    #[must_use]
    pub fn new(first: Url) -> Self {
        Self(vec![first])
    }

    /// Where the request goes next, or `None` if `status` is no redirect and the answer stands.
    ///
    /// # Errors
    /// [`Failure`] when the redirect cannot be followed.
    pub fn follow(&mut self, status: u16, headers: &HeaderMap) -> Result<Option<Url>, Failure> {
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let here = self.0.last().ok_or(Failure::NoTarget)?;
        let location = headers.get(LOCATION).ok_or(Failure::NoTarget)?;
        // Sources put raw UTF-8 into Location; the URL type percent-encodes it.
        let location = std::str::from_utf8(location.as_bytes()).map_err(|_| Failure::NoTarget)?;
        let next = here.resolve(location).map_err(|_| Failure::NoTarget)?;
        if self.0.contains(&next) {
            return Err(Failure::Loop);
        }
        if self.0.len() > REDIRECTS_MAX {
            return Err(Failure::TooMany);
        }
        self.0.push(next.clone());
        Ok(Some(next))
    }
}

/// Whether credentials meant for `configured` may be sent to `target`: the same host, and not from
/// https down to http.
#[must_use]
pub fn may_carry_credentials(configured: &Url, target: &Url) -> bool {
    configured.same_host(target) && (target.is_https() || !configured.is_https())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn location(target: &str) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, target.parse().unwrap())])
    }

    #[test]
    fn relative_absolute_and_cross_scheme_targets_are_followed() {
        let cases = [
            ("/b.ts", "http://a.example/b.ts"),
            ("c.ts?x=1", "http://a.example/live/c.ts?x=1"),
            ("//b.example/x", "http://b.example/x"),
            ("https://b.example:8443/x", "https://b.example:8443/x"),
        ];
        for (target, expected) in cases {
            let mut trail = Trail::new(url("http://a.example/live/a.ts"));
            let next = trail.follow(302, &location(target)).unwrap();
            assert!(next == Some(url(expected)), "{target}");
        }
        let mut trail = Trail::new(url("http://a.example/"));
        assert!(trail.follow(200, &location("/b")).unwrap().is_none());
    }

    #[test]
    fn loops_long_trails_and_foreign_schemes_end() {
        let mut trail = Trail::new(url("http://a.example/1"));
        assert!(trail.follow(301, &location("/2")).unwrap().is_some());
        assert_eq!(trail.follow(301, &location("/1")), Err(Failure::Loop));
        let mut trail = Trail::new(url("http://a.example/x"));
        for hop in 0..REDIRECTS_MAX {
            assert!(trail.follow(302, &location(&format!("/{hop}"))).unwrap().is_some(), "{hop}");
        }
        assert_eq!(trail.follow(302, &location("/more")), Err(Failure::TooMany));
        let mut trail = Trail::new(url("http://a.example/"));
        assert_eq!(trail.follow(302, &HeaderMap::new()), Err(Failure::NoTarget));
        assert_eq!(trail.follow(302, &location("file:///etc/passwd")), Err(Failure::NoTarget));
    }

    #[test]
    fn credentials_stay_with_their_host_and_never_step_down_from_tls() {
        let cases = [
            ("http://a.example/x", "http://a.example/y", true),
            ("http://a.example/x", "http://A.EXAMPLE:8002/y", true),
            ("http://a.example/x", "https://a.example/y", true),
            ("https://a.example/x", "http://a.example/y", false),
            ("http://a.example/x", "http://b.example/x", false),
        ];
        for (from, to, expected) in cases {
            assert_eq!(may_carry_credentials(&url(from), &url(to)), expected, "{from} -> {to}");
        }
    }
}
