//! What the URIs of a playlist become: sealed URLs of this gateway, relative to the playlist itself,
//! so that any host, port, prefix or scheme in front works.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::delivery::Error;
use crate::delivery::seal::Behind;
use crate::delivery::seal::Seal;
use crate::delivery::seal::Sealed;
use crate::media::m3u8;
use crate::media::m3u8::Role;
use crate::media::m3u8::Scope;
use crate::media::m3u8::Variables;
use crate::message::Url;

/// How long a sealed URL is good for at least: a long film with a long pause.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// File extensions that players look for; anything else gets the one that its role suggests.
const EXTENSIONS: [&str; 12] =
    ["ts", "m4s", "mp4", "m4a", "m4v", "aac", "mp3", "ac3", "vtt", "key", "cmfv", "cmfa"];

/// The tag that defines variables.
const DEFINE: &[u8] = b"#EXT-X-DEFINE";

/// Schemes that are no fetch of ours: inline data, key systems, names.
const FOREIGN: [&str; 3] = ["data", "skd", "urn"];

/// Where a playlist came from and whose it is.
pub(super) struct Origin<'a> {
    pub(super) channel: &'a str,
    pub(super) source: u8,
    pub(super) session: u32,
    /// Redirects followed: what relative URIs are relative to.
    pub(super) url: &'a Url,
    /// The source's configured URL, which may have led elsewhere.
    pub(super) home: Option<&'a Url>,
    /// Variables of the multivariant playlist that named it.
    pub(super) imported: &'a Variables,
    /// The path that the client asked for.
    pub(super) path: &'a str,
}

impl Origin<'_> {
    /// The playlist for the client.
    ///
    /// # Errors
    /// [`Error::Playlist`]: the original never goes out.
    pub(super) fn rewrite(
        &self,
        seal: &Seal,
        text: &[u8],
        now: SystemTime,
    ) -> Result<String, Error> {
        // From the playlist's place up to the root, then down to the sealed URLs.
        let root = "../".repeat(self.path.matches('/').count().saturating_sub(1));
        let expires = expiry(now);
        let mut secrets = secrets(self.url);
        if let Some(home) = self.home {
            secrets.extend(self::secrets(home));
            secrets.extend(account(home));
        }
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        let scope =
            Scope { query: self.url.query(), imported: Some(self.imported), secrets: &secrets };
        // What is defined in a multivariant playlist is imported by those that it names, and nobody
        // else names one.
        let variables = match text.windows(DEFINE.len()).any(|window| window == DEFINE) {
            true => m3u8::rewrite(text, &scope, |_, _| Ok(None)).map_err(refused)?.variables,
            false => Variables::default(),
        };
        let rewritten = m3u8::rewrite(text, &scope, |uri, role| {
            if stays(uri) {
                return Ok(None);
            }
            let url = self.url.resolve(uri).map_err(|_| m3u8::Error::BadUri)?;
            let (behind, extension) = behind(&url, role);
            let imports = behind == Behind::Playlist && role == Role::Playlist;
            let variables = if imports { pairs(&variables) } else { Vec::new() };
            let sealed = Sealed {
                channel: self.channel.to_owned(),
                source: self.source,
                behind,
                session: self.session,
                expires,
                url: url.to_secret_text(),
                variables,
            };
            let sealed = seal.seal(&sealed).map_err(|_| m3u8::Error::BadUri)?;
            Ok(Some(format!("{root}s/{sealed}.{extension}")))
        });
        Ok(rewritten.map_err(refused)?.text)
    }
}

/// Why a playlist is not passed on.
pub(super) fn refused(error: m3u8::Error) -> Error {
    Error::Playlist(match error {
        m3u8::Error::NoHeader => "it is no HLS playlist",
        m3u8::Error::PlainList => "it is a plain list of channels or files",
        m3u8::Error::NotUtf8 => "it is not UTF-8",
        m3u8::Error::TooLong => "it has too many lines",
        m3u8::Error::LineTooLong => "a line is too long",
        m3u8::Error::Control => "a line has a control character in it",
        m3u8::Error::Unfinished => "an attribute is not finished",
        m3u8::Error::BadUri => "it has a URI that cannot be followed",
        m3u8::Error::Definition => "it defines a variable wrongly",
        m3u8::Error::Undefined => "it uses a variable that is not defined",
        m3u8::Error::Expansion => "its variables are too much",
        m3u8::Error::NotMedia => "it is no media playlist",
        m3u8::Error::Delta => "it is only a part of a playlist",
    })
}

fn pairs(variables: &Variables) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What must not stand in a playlist: its host and what may be credentials in its URL.
fn secrets(url: &Url) -> Vec<String> {
    let userinfo = [url.username(), url.password()].into_iter().flatten().map(Into::into);
    let values = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('=').map(|(_, value)| value.to_owned()));
    [url.host().to_owned()].into_iter().chain(userinfo).chain(values).collect()
}

/// What stands where panels have an account in their paths: `/live/USER/PASSWORD/123.m3u8`.
fn account(url: &Url) -> Vec<String> {
    let parts: Vec<_> = url.path().rsplit('/').skip(1).take(2).collect();
    parts.into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// URIs that are no fetch of ours.
fn stays(uri: &str) -> bool {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| FOREIGN.contains(&scheme.as_str()))
}

/// What a URI leads to, and the file extension that players look for there. Whatever the tag says,
/// a name that ends in `.m3u8` is a playlist.
fn behind(url: &Url, role: Role) -> (Behind, &'static str) {
    let own = url.path_extension().unwrap_or_default().to_ascii_lowercase();
    if role == Role::Playlist || own == "m3u8" || own == "m3u" {
        return (Behind::Playlist, "m3u8");
    }
    let suggested = match role {
        Role::Playlist => "m3u8",
        Role::Segment | Role::Part => "ts",
        Role::Map => "mp4",
        Role::Key | Role::Other => "key",
        Role::Data => "json",
    };
    let known = EXTENSIONS.into_iter().find(|known| *known == own);
    (Behind::Media, known.unwrap_or(suggested))
}

/// When URLs that are sealed now expire, in Unix seconds: the same all day, as a segment is to keep
/// its URL from one reload of its playlist to the next.
fn expiry(now: SystemTime) -> u32 {
    let days = unix_seconds(now).div_ceil(LIFETIME.as_secs()) + 1;
    u32::try_from(days * LIFETIME.as_secs()).unwrap_or(u32::MAX)
}

/// Seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
