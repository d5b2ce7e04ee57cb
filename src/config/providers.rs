//! `providers` and `receivers`: the accounts and devices that sources share, each with its connection budget.

use std::collections::BTreeSet;
use std::fmt;

use super::effective::MASK;
use super::forms::Count;
use super::forms::Form;
use super::forms::HeaderText;
use super::forms::Reference;
use super::forms::Text;
use super::forms::Url;
use super::forms::check_header_value;
use super::forms::check_name;
use super::profiles::PASSTHROUGH;
use super::secret;
use super::secret::Secret;
use super::source_url::SourceUrl;
use super::walk::Section;
use super::walk::Walk;

/// Providers, and receivers, of one configuration.
const PROVIDERS_MAX: usize = 1000;
/// URLs of one receiver.
const STREAMS_MAX: usize = 16;
/// Headers of one provider or source.
const HEADERS_MAX: usize = 32;
/// Headers that weir sets itself, because they frame the message, belong to one connection, or decide which bytes
/// come: all of RFC 9110 and 9112.
const OWN_HEADERS: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "if-range",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// An account or device that several sources share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name, never that of a receiver too.
    pub name: String,
    /// Connections open to it at once, never more. Default 1, because a provider that counts bans who exceeds; 1 to
    /// 10000.
    pub max_connections: usize,
    /// Sent as User-Agent. Default `None`: weir's own.
    pub user_agent: Option<String>,
    /// Sent with every request.
    pub headers: Vec<Header>,
}

/// A request header that the configuration adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Field name, as written.
    pub name: String,
    /// Field value: visible ASCII, spaces and tabs inside.
    pub value: Secret,
}

impl Default for Provider {
    fn default() -> Self {
        Self { name: String::new(), max_connections: 1, user_agent: None, headers: Vec::new() }
    }
}

impl Provider {
    /// Reads `providers`.
    pub(crate) fn read_all(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Vec<Self> {
        let count = Count { min: 1, max: 10_000 };
        let mut providers = Vec::new();
        for named in root.names(walk, "providers", PROVIDERS_MAX, check_name) {
            let default = Self::default();
            let mut section = Section::open(walk, Some(named.node), named.path, named.origin);
            providers.push(Self {
                name: named.name.to_owned(),
                max_connections: section.value(
                    walk,
                    "max_connections",
                    &count,
                    default.max_connections,
                ),
                user_agent: section.optional(walk, "user_agent", &HeaderText).map(|(text, _)| text),
                headers: read_headers(&mut section, walk),
            });
            section.finish(walk);
        }
        providers
    }
}

/// An Enigma2 box: any service reference is a source of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, never that of a provider too.
    pub name: String,
    /// Where it streams, tried in order; the service reference is appended. 1 to 16.
    pub stream: Vec<SourceUrl>,
    /// Its OpenWebif.
    pub web: Option<SourceUrl>,
    /// User name of both.
    pub username: Option<String>,
    /// Password of both; only together with a user name.
    pub password: Option<Secret>,
    /// Connections open to it at once, never more. Default 8, 1 to 1000.
    pub max_connections: usize,
    /// How its services are delivered. Default `passthrough`.
    pub profile: String,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            name: String::new(),
            stream: Vec::new(),
            web: None,
            username: None,
            password: None,
            max_connections: 8,
            profile: PASSTHROUGH.to_owned(),
        }
    }
}

impl fmt::Debug for Receiver {
    /// The user name is half of a login, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, stream, web, username, password, max_connections, profile } = self;
        let username = username.as_ref().map(|_| MASK);
        f.debug_struct("Receiver")
            .field("name", name)
            .field("stream", stream)
            .field("web", web)
            .field("username", &username)
            .field("password", password)
            .field("max_connections", max_connections)
            .field("profile", profile)
            .finish()
    }
}

impl Receiver {
    /// Reads `receivers`. `profiles` are the names there are, `providers` those already taken.
    pub(crate) fn read_all(
        root: &mut Section<'_>,
        walk: &mut Walk<'_>,
        profiles: &BTreeSet<String>,
        providers: &[Provider],
    ) -> Vec<Self> {
        let mut receivers = Vec::new();
        for named in root.names(walk, "receivers", PROVIDERS_MAX, check_name) {
            if providers.iter().any(|provider| provider.name == named.name) {
                walk.mistake(
                    named.origin,
                    &named.path,
                    "a provider has this name too; a receiver is one, rename it",
                );
            }
            let mut section = Section::open(walk, Some(named.node), named.path, named.origin);
            receivers.push(Self::read(&mut section, walk, named.name, profiles));
            section.finish(walk);
        }
        receivers
    }

    fn read(
        section: &mut Section<'_>,
        walk: &mut Walk<'_>,
        name: &str,
        profiles: &BTreeSet<String>,
    ) -> Self {
        let default = Self::default();
        let stream = section.list(walk, "stream", &Url, Vec::new());
        if stream.is_empty() && !section.written_badly("stream") {
            section.missing(
                walk,
                "stream",
                "a receiver needs its streaming address, as http://192.168.1.100:8001",
            );
        }
        if let Some((_, origin)) = stream.get(STREAMS_MAX) {
            walk.mistake(
                origin,
                &section.path.key("stream"),
                format!("more than {STREAMS_MAX} addresses"),
            );
        }
        for (url, origin) in stream.iter().filter(|(url, _)| url.rest().contains('?')) {
            let text =
                format!("{url}/***: the service reference is appended to this, so it takes no `?`");
            walk.mistake(origin, &section.path.key("stream"), text);
        }
        let web = section.optional(walk, "web", &Url).map(|(url, _)| url);
        let username = section.optional(walk, "username", &UserName).map(|(name, _)| name);
        let password = section.secret(walk, "password");
        if let (None, Some((_, origin))) = (&username, &password)
            && !section.written_badly("username")
        {
            walk.mistake(
                origin,
                &section.path.key("password"),
                "a password needs a `username` (often root)",
            );
        }
        let count = Count { min: 1, max: 1000 };
        let reference = Reference { what: "profile", names: profiles };
        Self {
            name: name.to_owned(),
            stream: stream.into_iter().map(|(url, _)| url).collect(),
            web,
            username,
            password: password.map(|(secret, _)| secret),
            max_connections: section.value(
                walk,
                "max_connections",
                &count,
                default.max_connections,
            ),
            profile: section.value(walk, "profile", &reference, default.profile),
        }
    }
}

/// Reads `headers` of a provider or a source.
pub(crate) fn read_headers(section: &mut Section<'_>, walk: &mut Walk<'_>) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for named in section.names(walk, "headers", HEADERS_MAX, check_header_name) {
        if named.node.is_null() {
            walk.mistake(&named.node.origin, &named.path, "a header needs a value");
            continue;
        }
        if headers.iter().any(|header| header.name.eq_ignore_ascii_case(named.name)) {
            walk.mistake(named.origin, &named.path, "this header is written twice; keep one");
            continue;
        }
        let Some(value) = secret::read(walk, named.node, &named.path) else { continue };
        if let Err(text) = check_header_value(value.expose()) {
            walk.mistake(&named.node.origin, &named.path, text);
            continue;
        }
        walk.effective.scalar(&named.path, MASK, &named.node.origin);
        headers.push(Header { name: named.name.to_owned(), value });
    }
    headers
}

/// A field name (RFC 9110, 5.1) that weir does not set itself.
fn check_header_name(name: &str) -> Result<(), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(token) {
        return Err("not a header name".to_owned());
    }
    match name.to_ascii_lowercase().as_str() {
        "user-agent" => Err("write `user_agent: …` beside `headers` instead".to_owned()),
        lower if OWN_HEADERS.contains(&lower) => {
            Err("weir sets this header itself; remove it".to_owned())
        }
        _ => Ok(()),
    }
}

/// A user name for Basic authentication: no colon (RFC 7617, 2).
struct UserName;

impl Form for UserName {
    type Value = String;

    fn noun(&self) -> &'static str {
        "a text"
    }

    fn read(&self, text: &str) -> Result<String, String> {
        if text.contains(':') {
            return Err("a user name contains no `:`; write the password as `password`".to_owned());
        }
        Text { max: 256 }.read(text)
    }

    fn show(&self, _: &String) -> String {
        MASK.to_owned()
    }
}
