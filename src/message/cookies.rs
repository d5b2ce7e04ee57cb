//! Cookies that a source sets (RFC 6265), kept for one client and sent back to the same origin only:
//! whatever `Domain` says, since a source's neighbours are no business of its clients.

use std::fmt;

use http::HeaderMap;
use http::HeaderValue;
use http::header::SET_COOKIE;

use crate::message::Url;

/// Cookies that are kept; RFC 6265 section 6.1 asks browsers for 50 a domain.
const COOKIES_MAX: usize = 50;

/// Bytes of a name and its value together, the same section's figure.
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of one client. At most 50, and 200 KiB.
#[derive(Clone, Default)]
pub struct Cookies {
    kept: Vec<Cookie>,
}

#[derive(Clone)]
struct Cookie {
    origin: Url,
    path: String,
    name: String,
    value: String,
    is_secure: bool,
}

impl Cookies {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Vec::new() }
    }

    /// Keeps what an answer from `url` sets. At the bound the oldest goes. A cookie whose time is over
    /// (`Max-Age` of zero, an `Expires` in 1970) is taken out; others stay as long as the client.
    pub fn store(&mut self, url: &Url, answer: &HeaderMap) {
        for line in answer.get_all(SET_COOKIE) {
            let Ok(line) = line.to_str() else { continue };
            let Some((cookie, is_over)) = Cookie::parse(url, line) else { continue };
            self.kept.retain(|kept| !kept.is_same(&cookie));
            if is_over {
                continue;
            }
            if self.kept.len() == COOKIES_MAX {
                self.kept.remove(0);
            }
            self.kept.push(cookie);
        }
    }

    /// The field for a request to `url`, longer paths first (section 5.4); `None` without cookies.
    #[must_use]
    pub fn field(&self, url: &Url) -> Option<HeaderValue> {
        let mut fitting: Vec<_> = self.kept.iter().filter(|cookie| cookie.fits(url)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> =
            fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        if pairs.is_empty() {
            return None;
        }
        let mut field = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookies({})", self.kept.len())
    }
}

impl Cookie {
    /// Section 5.2, and whether its time is over.
    fn parse(url: &Url, line: &str) -> Option<(Self, bool)> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let mut cookie = Self {
            origin: url.without_userinfo(),
            path: default_path(url).to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
            is_secure: false,
        };
        let (mut max_age, mut expires) = (None, None);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" if value.trim().starts_with('/') => {
                    value.trim().clone_into(&mut cookie.path)
                }
                "secure" => cookie.is_secure = true,
                "max-age" => max_age = value.trim().parse::<i64>().ok(),
                "expires" => expires = Some(value.contains("1970")),
                _ => {}
            }
        }
        // Max-Age has precedence (section 5.3, step 3).
        let is_over = max_age.map_or(expires.unwrap_or(false), |seconds| seconds <= 0);
        Some((cookie, is_over))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.origin.same_origin(&other.origin)
            && (&self.name, &self.path) == (&other.name, &other.path)
    }

    fn fits(&self, url: &Url) -> bool {
        // Section 5.1.4.
        let rest = url.path().strip_prefix(self.path.as_str());
        let is_below = rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        self.origin.same_origin(url) && is_below && (!self.is_secure || url.is_https())
    }
}

/// Section 5.1.4: the directory of the path.
fn default_path(url: &Url) -> &str {
    match url.path().rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((directory, _)) => directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn setting(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (SET_COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn field(cookies: &Cookies, to: &str) -> String {
        cookies.field(&url(to)).map_or_else(String::new, |field| field.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_goes_back_to_its_origin_only() {
        let mut cookies = Cookies::new();
        let lines =
            ["sid=1; Path=/; Domain=example", "deep=2; path=/live/hd", "here=3", "tls=4;Secure"];
        cookies.store(&url("http://a.example/live/x.m3u8"), &setting(&lines));
        assert_eq!(field(&cookies, "http://a.example/live/hd/1.ts"), "deep=2; here=3; sid=1");
        assert_eq!(field(&cookies, "http://a.example/live/hdr/1.ts"), "here=3; sid=1");
        assert_eq!(field(&cookies, "http://a.example/lives"), "sid=1");
        for other in
            ["http://b.example/live/", "https://a.example/live/", "http://a.example:81/live/"]
        {
            assert_eq!(field(&cookies, other), "", "{other}");
        }
        assert_eq!(format!("{cookies:?}"), "Cookies(4)");
    }

    #[test]
    fn a_cookie_is_replaced_and_ends() {
        let (mut cookies, here) = (Cookies::new(), url("https://a.example/"));
        cookies.store(&here, &setting(&["a=1; Secure", "b=2", "c=3"]));
        cookies.store(
            &here,
            &setting(&["a=4", "b=; Max-Age=0", "c=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]),
        );
        assert_eq!(field(&cookies, "https://a.example/"), "a=4");
        cookies.store(&here, &setting(&["a=6; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]));
        assert_eq!(field(&cookies, "https://a.example/"), "a=6");
    }

    #[test]
    fn what_is_no_cookie_is_not_kept_and_there_is_a_bound() {
        let (mut cookies, here) = (Cookies::new(), url("http://a.example/"));
        let long = format!("a={}", "x".repeat(COOKIE_BYTES_MAX));
        cookies.store(&here, &setting(&["", "a", "=1", ";", &long]));
        assert_eq!(field(&cookies, "http://a.example/"), "");
        let many: Vec<_> = (0..60).map(|number| format!("n{number}={number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        cookies.store(&here, &setting(&many));
        let field = field(&cookies, "http://a.example/");
        assert_eq!(field.split("; ").count(), COOKIES_MAX);
        assert!(field.starts_with("n10=10; "), "the oldest go first");
    }
}
