//! What the URIs of a playlist become: sealed URLs of this gateway, relative to the playlist itself,
//! so that any host, port, prefix or scheme in front works.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::delivery::Error;
use crate::delivery::hls::document;
use crate::delivery::hls::document::Document;
use crate::delivery::hls::viewings::Viewing;
use crate::delivery::seal::Behind;
use crate::delivery::seal::Seal;
use crate::delivery::seal::Sealed;
use crate::media::m3u8;
use crate::media::m3u8::Role;
use crate::media::m3u8::Scope;
use crate::media::m3u8::Secrets;
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

/// Where a playlist or a document came from and whose it is.
pub(super) struct Origin<'a> {
    channel: &'a str,
    source: u8,
    session: u32,
    /// Redirects followed: what relative URIs are relative to.
    url: &'a Url,
    /// The source's configured URL, which may have led elsewhere.
    home: Option<&'a Url>,
    /// The path that the client asked for.
    path: &'a str,
}

/// How the URIs of one playlist or document are sealed.
struct Sealing<'a> {
    origin: &'a Origin<'a>,
    seal: &'a Seal,
    expires: u32,
    /// From the place of the text up to the root, from where it goes down to the sealed URLs.
    root: String,
    /// What is defined in the text, for the playlists that it names.
    variables: Variables,
}

impl<'a> Origin<'a> {
    /// Of what a session was given from `url`, redirects followed, of one of its sources, when it
    /// asked for `path`.
    ///
    /// # Errors
    /// [`Error::Playlist`] where the source's index does not fit in a seal.
    pub(super) fn of(
        viewing: &'a Viewing,
        source: usize,
        url: &'a Url,
        path: &'a str,
    ) -> Result<Self, Error> {
        let (channel, home) = (&viewing.channel.id, viewing.channel.sources.get(source));
        let home = home.and_then(|home| home.urls.first());
        let source = u8::try_from(source).map_err(|_| Error::Playlist("too many sources"))?;
        Ok(Self { channel, source, session: viewing.number, url, home, path })
    }

    /// The playlist for the client. `imported`: variables of the multivariant playlist that named it.
    ///
    /// # Errors
    /// [`Error::Playlist`]: the original never goes out.
    pub(super) fn rewrite(
        &self,
        seal: &Seal,
        text: &[u8],
        imported: &Variables,
        now: SystemTime,
    ) -> Result<String, Error> {
        let secrets = self.secrets();
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        let scope = Scope { query: self.url.query(), imported: Some(imported), secrets: &secrets };
        let mut sealing = self.sealing(seal, now);
        // What is defined in a multivariant playlist is imported by those that it names, and nobody
        // else names one.
        if text.windows(DEFINE.len()).any(|window| window == DEFINE) {
            let unsealed = m3u8::rewrite(text, &scope, |_, _| Ok(None));
            sealing.variables = unsealed.map_err(refused)?.variables;
        }
        let rewritten = m3u8::rewrite(text, &scope, |uri, role| sealing.link(uri, role));
        Ok(rewritten.map_err(refused)?.text)
    }

    /// The document for the client, which was asked for at `asked` and says that it is of
    /// `media_type`.
    ///
    /// # Errors
    /// Why it is not passed on.
    pub(super) fn rewrite_document(
        &self,
        seal: &Seal,
        body: Bytes,
        (asked, media_type): (&Url, Option<&str>),
        now: SystemTime,
    ) -> Result<Document, document::Refused> {
        let mut secrets = self.secrets();
        secrets.extend(self::secrets(asked));
        secrets.extend([asked, self.url].map(folder));
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        let sealing = self.sealing(seal, now);
        document::rewrite(body, media_type, &Secrets::new(&secrets), |uri, role| {
            sealing.link(uri, role)
        })
    }

    /// What must not be told to the client.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = secrets(self.url);
        if let Some(home) = self.home {
            secrets.extend(self::secrets(home));
            secrets.extend(account(home));
        }
        secrets
    }

    fn sealing(&'a self, seal: &'a Seal, now: SystemTime) -> Sealing<'a> {
        let root = "../".repeat(self.path.matches('/').count().saturating_sub(1));
        let variables = Variables::default();
        Sealing { origin: self, seal, expires: expiry(now), root, variables }
    }
}

impl Sealing<'_> {
    /// The link for a URI of the text; `None` for one that stays.
    fn link(&self, uri: &str, role: Role) -> Result<Option<String>, m3u8::Error> {
        if stays(uri) {
            return Ok(None);
        }
        let origin = self.origin;
        let url = origin.url.resolve(uri).map_err(|_| m3u8::Error::BadUri)?;
        let (behind, extension) = behind(&url, role);
        let imports = behind == Behind::Playlist && role == Role::Playlist;
        let variables = if imports { pairs(&self.variables) } else { Vec::new() };
        let sealed = Sealed {
            channel: origin.channel.to_owned(),
            source: origin.source,
            behind,
            session: origin.session,
            expires: self.expires,
            url: url.to_secret_text(),
            variables,
        };
        let sealed = self.seal.seal(&sealed).map_err(|_| m3u8::Error::BadUri)?;
        Ok(Some(format!("{}s/{sealed}.{extension}", self.root)))
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

/// What must not stand in a playlist: its host and what may be credentials in its URL. What the client
/// has added to its query is none.
fn secrets(url: &Url) -> Vec<String> {
    let userinfo = [url.username(), url.password()].into_iter().flatten().map(Into::into);
    let values = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.starts_with("_HLS_"))
        .filter_map(|pair| pair.split_once('=').map(|(_, value)| value.to_owned()));
    [url.host().to_owned()].into_iter().chain(userinfo).chain(values).collect()
}

/// What stands where panels have an account in their paths: `/live/USER/PASSWORD/123.m3u8`.
fn account(url: &Url) -> Vec<String> {
    let parts: Vec<_> = url.path().rsplit('/').skip(1).take(2).collect();
    parts.into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The folder that a document lies in, whose name others of the source begin with. Of the root's
/// nothing can be told.
fn folder(url: &Url) -> String {
    url.path().rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
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
    let behind = match role {
        // One that was announced has the same link once it is there.
        Role::Part => Behind::Part,
        Role::Key => Behind::Key,
        Role::Data => return (Behind::Document, suggested),
        Role::Playlist | Role::Segment | Role::Map | Role::Other => Behind::Media,
    };
    let known = EXTENSIONS.into_iter().find(|known| *known == own);
    (behind, known.unwrap_or(suggested))
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
