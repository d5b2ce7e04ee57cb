//! `listen`, `tls`, `public_url`, `trusted_proxies`: where weir is reached, and under which name.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::access::Access;
use super::cidr::Cidr;
use super::forms::Cidrs;
use super::forms::FilePath;
use super::forms::Form;
use super::mistake::quoted;
use super::source_url::SourceUrl;
use super::walk::Placed;
use super::walk::Section;
use super::walk::Walk;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and port; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// A Unix socket at an absolute path.
    Unix(PathBuf),
}

/// A text that is no [`Bind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address to listen on; write address:port, as 0.0.0.0:18000, 127.0.0.1:18080 or [::]:18000, or unix:/path"
)]
pub struct NotABind;

impl Bind {
    /// Whether only this machine can reach it: loopback addresses and Unix sockets.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether the two cannot both be bound. A wildcard address covers every address of its family, and `[::]` those
    /// of IPv4 too, as Linux binds it.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(a), Self::Unix(b)) => a == b,
            (Self::Tcp(a), Self::Tcp(b)) if a.port() == b.port() && a.port() != 0 => {
                let (a, b) = (a.ip().to_canonical(), b.ip().to_canonical());
                a == b || covers(a, b) || covers(b, a)
            }
            _ => false,
        }
    }
}

impl Listen {
    /// Whether this address of `stream` answers the admin routes too.
    #[must_use]
    pub fn is_shared(&self, stream: &Bind) -> bool {
        let fixed = !matches!(stream, Bind::Tcp(address) if address.port() == 0);
        fixed && self.admin.contains(stream)
    }
}

impl FromStr for Bind {
    type Err = NotABind;

    /// Reads `address:port`, `:port` (every IPv4 address), `localhost:port` or `unix:/path`.
    fn from_str(text: &str) -> Result<Self, NotABind> {
        if let Some(path) = text.strip_prefix("unix:") {
            // sun_path holds 108 bytes, the closing zero included.
            let fits =
                path.starts_with('/') && (2..108).contains(&path.len()) && !path.contains('\0');
            return if fits { Ok(Self::Unix(path.into())) } else { Err(NotABind) };
        }
        let port = |port: &str| {
            port.parse::<u16>().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match text.split_once(':') {
            Some(("", after)) if port(after).is_some() => {
                any_address(Ipv4Addr::UNSPECIFIED, port(after))
            }
            Some(("localhost", after)) => any_address(Ipv4Addr::LOCALHOST, port(after)),
            _ => text.parse().map(Self::Tcp).map_err(|_| NotABind),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The addresses to listen on. No two of them overlap, but one may be in `stream` and in `admin`:
/// it then answers both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Media for clients. Default `0.0.0.0:18000`; at least one.
    pub stream: Vec<Bind>,
    /// Media for clients over TLS. Default none.
    pub stream_tls: Vec<Bind>,
    /// Dashboard, metrics and API. Default `127.0.0.1:18080`. An address that others can reach needs
    /// `access.admin_token`.
    pub admin: Vec<Bind>,
}

impl Default for Listen {
    fn default() -> Self {
        let tcp = |ip: Ipv4Addr, port| vec![Bind::Tcp((ip, port).into())];
        Self {
            stream: tcp(Ipv4Addr::UNSPECIFIED, 18000),
            stream_tls: Vec::new(),
            admin: tcp(Ipv4Addr::LOCALHOST, 18080),
        }
    }
}

/// Certificate and key of `listen.stream_tls`, both PEM. Read again on reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
}

/// Reads `listen` and `tls`, which need each other. `access` is read before, because an admin address that others can
/// reach needs a token.
pub(crate) fn read(
    root: &mut Section<'_>,
    walk: &mut Walk<'_>,
    access: &Access,
) -> (Listen, Option<TlsFiles>) {
    let default = Listen::default();
    let mut section = root.section(walk, "listen");
    let stream = section.list(walk, "stream", &BindForm, default.stream);
    let stream_tls = section.list(walk, "stream_tls", &BindForm, default.stream_tls);
    let admin = section.list(walk, "admin", &BindForm, default.admin);
    if let Some(rtmp) = section.take("rtmp").filter(|node| !node.is_null()) {
        walk.mistake(
            &rtmp.origin,
            &section.path.key("rtmp"),
            "this version has no RTMP listener; remove the key",
        );
    }
    check_overlaps(
        walk,
        &section,
        [("stream", &stream), ("stream_tls", &stream_tls), ("admin", &admin)],
    );
    for (bind, origin) in
        admin.iter().filter(|(bind, _)| !bind.is_loopback() && access.admin_token.is_none())
    {
        let text = format!(
            "{bind} can be reached by others, so it needs access.admin_token (WEIR_ACCESS__ADMIN_TOKEN); set it, or \
             listen on 127.0.0.1"
        );
        walk.mistake(origin, &section.path.key("admin"), text);
    }
    let tls = read_tls(root, walk, &section, &stream_tls);
    section.finish(walk);
    let binds = |placed: Vec<Placed<Bind>>| placed.into_iter().map(|(bind, _)| bind).collect();
    (Listen { stream: binds(stream), stream_tls: binds(stream_tls), admin: binds(admin) }, tls)
}

fn read_tls(
    root: &mut Section<'_>,
    walk: &mut Walk<'_>,
    listen: &Section<'_>,
    stream_tls: &[Placed<Bind>],
) -> Option<TlsFiles> {
    let mut section = root.section(walk, "tls");
    let form = FilePath { base: walk.base.clone() };
    let certificate = section.optional(walk, "certificate", &form);
    let private_key = section.optional(walk, "private_key", &form);
    let absent = section.is_absent();
    match (&certificate, &private_key, stream_tls.first()) {
        (None, None, Some((_, origin))) if absent => {
            let text = "TLS needs tls: {certificate: FILE, private_key: FILE}";
            walk.mistake(origin, &listen.path.key("stream_tls"), text);
        }
        (None, _, _) if !absent && !section.written_badly("certificate") => {
            section.missing(
                walk,
                "certificate",
                "TLS needs both files; name the certificate (PEM)",
            );
        }
        (_, None, _) if !absent && !section.written_badly("private_key") => {
            section.missing(
                walk,
                "private_key",
                "TLS needs both files; name the private key (PEM)",
            );
        }
        (Some(_), Some(_), None) if !listen.written_badly("stream_tls") => {
            let text =
                "no listener uses this; set listen.stream_tls: 0.0.0.0:18443, or remove `tls`";
            walk.mistake(&section.origin, &section.path, text);
        }
        _ => {}
    }
    section.finish(walk);
    Some(TlsFiles { certificate: certificate?.0, private_key: private_key?.0 })
}

fn check_overlaps(
    walk: &mut Walk<'_>,
    section: &Section<'_>,
    lists: [(&'static str, &Vec<Placed<Bind>>); 3],
) {
    let mut seen: Vec<(&str, &Bind)> = Vec::new();
    for (key, list) in lists {
        if list.is_empty() && key == "stream" && !section.written_badly(key) {
            section.missing(walk, key, "at least one address is needed, as 0.0.0.0:18000");
        }
        for (bind, origin) in list.iter().take(BINDS_MAX) {
            // Media and admin may share one address, written the same way in both.
            let shared = |other_key: &str, other: &Bind| {
                (other_key, key) == ("stream", "admin") && other == bind
            };
            let clash = seen
                .iter()
                .find(|(other_key, other)| other.overlaps(bind) && !shared(other_key, other));
            if let Some((other_key, other)) = clash {
                let text = format!(
                    "{bind} overlaps {other} of listen.{other_key}; give each listener its own port"
                );
                walk.mistake(origin, &section.path.key(key), text);
            }
            seen.push((key, bind));
        }
        if let Some((_, origin)) = list.get(BINDS_MAX) {
            walk.mistake(
                origin,
                &section.path.key(key),
                format!("more than {BINDS_MAX} addresses"),
            );
        }
    }
}

/// Reads `public_url`: an absolute URL with neither user name, query nor fragment; without its trailing slash.
pub(crate) fn read_public_url(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<String> {
    root.optional(walk, "public_url", &PublicUrl).map(|(url, _)| url)
}

/// Reads `trusted_proxies`.
pub(crate) fn read_trusted_proxies(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Vec<Cidr> {
    let list = root.list(walk, "trusted_proxies", &Cidrs, Vec::new());
    for (_, origin) in list.iter().filter(|(cidrs, _)| Cidrs.show(cidrs) == "any") {
        let text = "every client may claim any address; name the addresses of the proxies instead";
        walk.warn(origin, &root.path.key("trusted_proxies"), text);
    }
    list.into_iter().flat_map(|(cidrs, _)| cidrs).collect()
}

/// Addresses of one listener.
const BINDS_MAX: usize = 16;

struct BindForm;

impl Form for BindForm {
    type Value = Bind;

    fn noun(&self) -> &'static str {
        "an address to listen on, as 0.0.0.0:18000"
    }

    fn read(&self, text: &str) -> Result<Bind, String> {
        text.parse().map_err(|error: NotABind| format!("{} is {error}", quoted(text)))
    }

    fn show(&self, value: &Bind) -> String {
        value.to_string()
    }
}

struct PublicUrl;

impl Form for PublicUrl {
    type Value = String;

    fn noun(&self) -> &'static str {
        "a URL, as https://tv.example/iptv"
    }

    fn read(&self, text: &str) -> Result<String, String> {
        let url: SourceUrl =
            text.parse().map_err(|error: super::source_url::UrlError| error.to_string())?;
        let plain = format!("{url}{}", url.rest());
        if plain != url.expose() || plain.contains('?') {
            return Err("write scheme, host and path only, as https://tv.example/iptv".to_owned());
        }
        Ok(plain.trim_end_matches('/').to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// Whether the wildcard `wild` takes in `other`.
fn covers(wild: IpAddr, other: IpAddr) -> bool {
    wild.is_unspecified() && (wild.is_ipv6() || other.is_ipv4())
}

fn any_address(ip: Ipv4Addr, port: Option<u16>) -> Result<Bind, NotABind> {
    port.map(|port| Bind::Tcp((ip, port).into())).ok_or(NotABind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_listen_on() {
        for (text, shown) in [
            ("0.0.0.0:18000", "0.0.0.0:18000"),
            (":18000", "0.0.0.0:18000"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::]:80", "[::]:80"),
            ("unix:/run/weir.sock", "unix:/run/weir.sock"),
        ] {
            assert_eq!(text.parse::<Bind>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            ":",
            "18000",
            "0.0.0.0",
            ":+1",
            ":70000",
            "tv.example:80",
            "unix:",
            "unix:run",
            "::80",
            "unix:/",
        ] {
            assert!(text.parse::<Bind>().is_err(), "{text}");
        }
    }

    #[test]
    fn overlaps() {
        for (a, b, overlap) in [
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("[::]:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("0.0.0.0:1", "[::]:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
        ] {
            let (a, b): (Bind, Bind) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (overlap, overlap), "{a} {b}");
        }
    }

    #[test]
    fn loopback_is_what_others_cannot_reach() {
        for (text, loopback) in [
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("unix:/x", true),
            ("0.0.0.0:1", false),
            ("[::ffff:127.0.0.1]:1", true),
        ] {
            assert_eq!(text.parse::<Bind>().unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
