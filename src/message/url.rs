//! Absolute `http` and `https` URLs of sources, kept byte for byte (RFC 3986).
//!
//! Providers sign and misuse their URLs, so nothing is normalised: what RFC 3986 allows stays as it
//! was written, what it does not is percent-encoded, controls are refused. User names, paths and
//! queries hold keys: `Display` and `Debug` show scheme, host and port only.

use std::borrow::Cow;
use std::fmt;

use crate::message::authority::Authority;
use crate::message::authority::AuthorityError;
use crate::message::authority::Host;
use crate::message::percent;

#[cfg(test)]
mod tests;

/// The longest URL, as given and after encoding.
const BYTES_MAX: usize = 8 * 1024;

/// An absolute `http` or `https` URL without fragment, at most 8 KiB.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    is_https: bool,
    /// As written, never empty; both halves decode to UTF-8 without controls.
    userinfo: Option<String>,
    /// As written; an IPv6 address in its canonical form, without brackets.
    host: String,
    /// As written; `None` for the scheme's own.
    port: Option<u16>,
    /// Begins with a slash.
    path_and_query: String,
}

/// Why a text is no URL of a source. No variant carries any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UrlError {
    /// Longer than 8 KiB, as given or after encoding.
    #[error("the URL is longer than 8 KiB")]
    Length,
    /// A control byte, line ends and tabs included.
    #[error("the URL has a control byte")]
    Control,
    /// No scheme, or one other than http and https.
    #[error("the URL is neither http nor https")]
    Scheme,
    /// No `//` after the scheme.
    #[error("the URL has no host")]
    Authority,
    /// A backslash, or what decodes to a control or to no UTF-8.
    #[error("user name or password of the URL are malformed")]
    Userinfo,
    /// Empty, malformed, or beyond ASCII: such names are given in their `xn--` form.
    #[error("the host of the URL is malformed")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the port of the URL is malformed")]
    Port,
}

impl Url {
    /// Parses an absolute URL. Spaces within are percent-encoded; spaces around it are not removed.
    ///
    /// # Errors
    /// The first part, in the order of [`UrlError`], that is not as it must be.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        check_text(text)?;
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::Scheme)?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let rest = without_fragment(rest.strip_prefix("//").ok_or(UrlError::Authority)?);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(UrlError::Authority)?;
        // The last `@`: passwords with a raw one are common, hosts with one do not exist.
        let (userinfo, host_and_port) = match authority.rsplit_once('@') {
            Some((userinfo, rest)) => (encode_userinfo(userinfo)?, rest),
            None => (None, authority),
        };
        let Authority { host, port } =
            Authority::parse(host_and_port).map_err(|err| match err {
                AuthorityError::Host => UrlError::Host,
                AuthorityError::Port => UrlError::Port,
            })?;
        if port == Some(0) {
            return Err(UrlError::Port);
        }
        let host = match host {
            Host::Name(name) => name.to_owned(),
            Host::V6(address) => address.to_string(),
        };
        let path_and_query = encode_path_and_query(target);
        Self { is_https, userinfo, host, port, path_and_query }.checked()
    }

    /// The URL that `reference`, found in what this URL gave, stands for (RFC 3986 section 5.2).
    /// User name and password go along only where the reference names no host.
    ///
    /// # Errors
    /// As [`Url::parse`]; a reference with any other scheme, or with a scheme and no host, is one.
    pub fn resolve(&self, reference: &str) -> Result<Self, UrlError> {
        check_text(reference)?;
        let reference = without_fragment(reference);
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}:{reference}", self.scheme()));
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let (path, query) = if path.is_empty() {
            (self.path().to_owned(), query.or(self.query()))
        } else if path.starts_with('/') {
            (remove_dot_segments(path), query)
        } else {
            let base = self.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            (remove_dot_segments(&format!("{base}/{path}")), query)
        };
        let target = match query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        Self { path_and_query: encode_path_and_query(&target), ..self.clone() }.checked()
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    /// The host as written, for resolvers; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to: the one given, else 80 or 443.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Host and port for the Host field: IPv6 in brackets, no default port.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            Cow::Owned(format!("[{}]", self.host))
        } else {
            Cow::Borrowed(self.host.as_str())
        };
        match (self.is_https, self.port()) {
            (false, 80) | (true, 443) => host.into_owned(),
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The request target. It holds keys: not for logs.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The path, beginning with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(&self.path_and_query, |(path, _)| path)
    }

    /// What follows the first `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path_and_query.split_once('?').map(|(_, query)| query)
    }

    /// The extension of the last path segment as written, such as `m3u8`: letters and digits after
    /// the last dot of a name.
    #[must_use]
    pub fn path_extension(&self) -> Option<&str> {
        let (_, segment) = self.path().rsplit_once('/')?;
        let (name, extension) = segment.rsplit_once('.')?;
        let is_plain =
            !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (!name.is_empty() && is_plain).then_some(extension)
    }

    /// The user name, decoded; empty where only a password was given.
    #[must_use]
    pub fn username(&self) -> Option<Cow<'_, str>> {
        let userinfo = self.userinfo.as_deref()?;
        percent::decode_text(userinfo.split_once(':').map_or(userinfo, |(name, _)| name))
    }

    /// The password, decoded; `None` where the user information has no colon.
    #[must_use]
    pub fn password(&self) -> Option<Cow<'_, str>> {
        percent::decode_text(self.userinfo.as_deref()?.split_once(':')?.1)
    }

    /// The same URL for those who must not have its user name and password.
    #[must_use]
    pub fn without_userinfo(&self) -> Self {
        Self { userinfo: None, ..self.clone() }
    }

    /// The whole URL with all its secrets, for sealing and for requests. Parses to an equal URL.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let (userinfo, at) = self.userinfo.as_deref().map_or(("", ""), |userinfo| (userinfo, "@"));
        let (authority, target) = (self.authority(), &self.path_and_query);
        format!("{}://{userinfo}{at}{authority}{target}", self.scheme())
    }

    /// Whether scheme, host and port are the same, so that credentials for one may go to the other.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.is_https == other.is_https && self.port() == other.port() && self.same_host(other)
    }

    /// Whether the hosts are the same text but for case. Says nothing of their addresses.
    #[must_use]
    pub fn same_host(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Default ports leave no trace, so that equal places are equal values; the length is bounded.
    fn checked(self) -> Result<Self, UrlError> {
        let port = self.port.filter(|port| *port != if self.is_https { 443 } else { 80 });
        let url = Self { port, ..self };
        if url.to_secret_text().len() > BYTES_MAX { Err(UrlError::Length) } else { Ok(url) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// What holds for URLs and references alike.
fn check_text(text: &str) -> Result<(), UrlError> {
    if text.len() > BYTES_MAX {
        return Err(UrlError::Length);
    }
    let has_control = text.bytes().any(|byte| byte.is_ascii_control());
    if has_control { Err(UrlError::Control) } else { Ok(()) }
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

/// Whether `reference` begins with a scheme (section 3.1). A first segment such as `1:0:19` does
/// not: schemes begin with a letter.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_scheme_byte)
}

/// Section 5.2.4, for a path that begins with a slash.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_directory = false;
    for segment in path.split('/').skip(1) {
        is_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if is_directory {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// The target with what RFC 3986 does not know encoded; a missing path becomes a slash.
fn encode_path_and_query(target: &str) -> String {
    // Of the reserved characters only `#` cannot be here. Brackets belong to hosts by the grammar,
    // but queries use them raw and are signed that way.
    let keep = |byte: u8| {
        percent::is_unreserved(byte) || is_sub_delimiter(byte) || b":/?@[]%".contains(&byte)
    };
    let mut encoded = String::with_capacity(target.len() + 1);
    if !target.starts_with('/') {
        encoded.push('/');
    }
    percent::encode_into(target.as_bytes(), keep, &mut encoded);
    encoded
}

fn encode_userinfo(userinfo: &str) -> Result<Option<String>, UrlError> {
    // Browsers end the host at a backslash, so that one here is a disguise.
    let decoded = percent::decode_text(userinfo).filter(|_| !userinfo.contains('\\'));
    if decoded.ok_or(UrlError::Userinfo)?.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(UrlError::Userinfo);
    }
    let keep =
        |byte: u8| percent::is_unreserved(byte) || is_sub_delimiter(byte) || b":%".contains(&byte);
    let mut encoded = String::with_capacity(userinfo.len());
    percent::encode_into(userinfo.as_bytes(), keep, &mut encoded);
    Ok((!encoded.is_empty()).then_some(encoded))
}

const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}
