//! The URL of a source. Paths, queries and user names of such URLs are keys that viewers paid for, so the whole text
//! comes out of [`SourceUrl::expose`] only; everything else shows scheme, host and port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::mistake::quoted;

/// Longest URL accepted, in bytes.
const URL_BYTES_MAX: usize = 8192;

/// An absolute `http` or `https` URL with a host. Debug and Display show `scheme://host[:port]` only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl {
    /// Scheme in lower case, the rest as written.
    text: String,
    /// `scheme://host[:port]`: what may be shown.
    shown: String,
}

/// Why a text is no [`SourceUrl`]. Never repeats the text beyond its scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `scheme://` at its start.
    #[error("not an absolute URL; write it as http://host/path or https://host/path")]
    NotAbsolute,
    /// A scheme that weir does not speak; the text is safe to print.
    #[error("the scheme {0} is not supported; write an http:// or https:// URL")]
    Scheme(String),
    /// Nothing between `//` and the path, or something that is no host name or address.
    #[error(
        "the URL has no valid host; write it as http://host/path, an IPv6 address in [brackets]"
    )]
    Host,
    /// A port that is not 1 to 65535.
    #[error("the port of the URL is not a number from 1 to 65535")]
    Port,
    /// A space, a control character, or one outside ASCII.
    #[error(
        "the URL contains a character that must be percent-encoded (a space, a letter outside ASCII)"
    )]
    Character,
    /// A `#`, which is never sent to a server.
    #[error("the URL contains a `#`; remove that part, or write %23")]
    Fragment,
    /// Longer than 8192 bytes.
    #[error("the URL is longer than 8192 bytes")]
    TooLong,
}

impl SourceUrl {
    /// The whole URL: for the connector, never for a log, an answer or a metric.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// What follows the authority: path and query, empty when there is none. Secret like the whole.
    pub(crate) fn rest(&self) -> &str {
        let authority = self.text.split_once("://").map_or("", |(_, after)| after);
        authority.find(['/', '?']).and_then(|at| authority.get(at..)).unwrap_or("")
    }
}

impl FromStr for SourceUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        let (scheme, after) = text.split_once("://").ok_or(UrlError::NotAbsolute)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            let named = scheme.len() <= 16 && scheme.starts_with(|c: char| c.is_ascii_alphabetic());
            let named =
                named && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
            return Err(if named {
                UrlError::Scheme(quoted(&scheme))
            } else {
                UrlError::NotAbsolute
            });
        }
        if !after.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte)) {
            return Err(UrlError::Character);
        }
        if after.contains('#') {
            return Err(UrlError::Fragment);
        }
        let authority = after.split(['/', '?']).next().unwrap_or_default();
        // The last `@` ends the user information (RFC 3986, 3.2); a password may hold an unescaped one.
        let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
        check_host_port(host_port)?;
        Ok(Self { shown: format!("{scheme}://{host_port}"), text: format!("{scheme}://{after}") })
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({}/***)", self.shown)
    }
}

fn check_host_port(host_port: &str) -> Result<(), UrlError> {
    let (host, port) = match host_port.strip_prefix('[') {
        Some(bracketed) => {
            let (address, after) = bracketed.split_once(']').ok_or(UrlError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
            let port = if after.is_empty() {
                None
            } else {
                Some(after.strip_prefix(':').ok_or(UrlError::Host)?)
            };
            (address, port)
        }
        None => {
            let (host, port) = host_port
                .split_once(':')
                .map_or((host_port, None), |(host, port)| (host, Some(port)));
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
                return Err(UrlError::Host);
            }
            (host, port)
        }
    };
    if host.is_empty() || host.len() > 253 || host.bytes().all(|byte| byte == b'.') {
        return Err(UrlError::Host);
    }
    match port {
        Some(port) if !port.bytes().all(|b| b.is_ascii_digit()) => Err(UrlError::Port),
        Some(port) if port.parse::<u16>().ok().is_none_or(|port| port == 0) => Err(UrlError::Port),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_the_host_only() {
        let cases = [
            ("http://primary.example/live/canary.ts", "http://primary.example", "/live/canary.ts"),
            ("HTTP://user:p@canary@h:8001/x?token=canary", "http://h:8001", "/x?token=canary"),
            ("https://[2001:db8::1]:443?canary", "https://[2001:db8::1]:443", "?canary"),
            ("http://192.168.1.100:8001", "http://192.168.1.100:8001", ""),
        ];
        for (text, shown, rest) in cases {
            let url: SourceUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.rest()), (shown, rest));
            assert!(!format!("{url:?} {url}").contains("canary"));
            assert_eq!(url.expose().to_ascii_lowercase(), text.to_ascii_lowercase());
        }
        assert!("https://h".parse::<SourceUrl>().unwrap().is_https());
    }

    #[test]
    fn refusals_name_the_scheme_and_nothing_else() {
        let cases = [
            ("rtsp://canary/", UrlError::Scheme("`rtsp`".to_owned())),
            ("file:///canary", UrlError::Scheme("`file`".to_owned())),
            ("http+unix://canary", UrlError::Scheme("`http+unix`".to_owned())),
            ("user:canary@x://h", UrlError::NotAbsolute),
            ("/canary", UrlError::NotAbsolute),
            ("data:canary", UrlError::NotAbsolute),
            (" http://h", UrlError::NotAbsolute),
            ("http://", UrlError::Host),
            ("http:///canary", UrlError::Host),
            ("http://user:canary@/", UrlError::Host),
            ("http://[::1/canary", UrlError::Host),
            ("http://[::1]canary/", UrlError::Host),
            ("http://h:canary/", UrlError::Port),
            ("http://h:0/", UrlError::Port),
            ("http://h:+80/", UrlError::Port),
            ("http://h:/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://h/can ary", UrlError::Character),
            ("http://h/\r\ncanary", UrlError::Character),
            ("http://h/ö", UrlError::Character),
            ("http://h/#canary", UrlError::Fragment),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<SourceUrl>().as_ref(), Err(&error), "{text}");
            assert!(!error.to_string().contains("canary"));
        }
        assert_eq!(
            format!("http://h/{}", "x".repeat(9000)).parse::<SourceUrl>(),
            Err(UrlError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(https?://)?[ -~\\PC]{0,40}") {
            if let Ok(url) = text.parse::<SourceUrl>() {
                prop_assert!(url.expose().starts_with("http"));
                prop_assert!(url.expose().ends_with(url.rest()));
            }
        }
    }
}
