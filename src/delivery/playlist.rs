//! HLS: a playlist or segment is fetched when a client asks for it; in a playlist every URI becomes
//! a sealed one of this gateway, relative to the playlist itself, so that any host, port, prefix or
//! scheme in front works.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Either;

use crate::channel::Channel;
use crate::channel::Kind;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Held;
use crate::delivery::Piece;
use crate::delivery::Viewer;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::seal::Behind;
use crate::delivery::seal::Sealed;
use crate::media::m3u8;
use crate::media::m3u8::Role;
use crate::message::Url;

/// How long a sealed URL is good for at least: a long film with a long pause.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The media type of playlists (RFC 8216 section 4).
const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// File extensions that players look for; anything else gets the one that its role suggests.
const EXTENSIONS: [&str; 8] = ["ts", "m4s", "mp4", "aac", "mp3", "vtt", "key", "cmfv"];

impl Delivery {
    /// The channel's own playlist, from the first source that has one.
    pub(super) async fn playlist(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        if wish.method == Method::HEAD {
            return Ok(playlist_answer(String::new(), wish));
        }
        let viewer = Some(wish.viewer.clone());
        self.fetch_playlist(channel, wish, viewer).await
    }

    /// Fetches a playlist and rewrites it.
    async fn fetch_playlist(
        &self,
        channel: &Channel,
        wish: Wish,
        viewer: Option<Viewer>,
    ) -> Result<Response<Body>, Error> {
        let question = Question { want: Want::Playlist, viewer, ..Question::of(&wish) };
        let opened = self.first_source(channel, &question).await?;
        let text = self.rewritten(&channel.id, &opened, &wish)?;
        Ok(playlist_answer(text, wish))
    }

    /// What a sealed URL leads to: another playlist, or bytes passed through. `now` is the wall
    /// clock, which expiry is measured by.
    ///
    /// # Errors
    /// As [`Delivery::serve`]; [`Error::Forged`] and [`Error::Expired`] before anything is opened.
    pub async fn serve_sealed(
        &self,
        sealed: &Sealed,
        channel: &Arc<Channel>,
        wish: Wish,
        now: SystemTime,
    ) -> Result<Response<Body>, Error> {
        if unix_seconds(now) > u64::from(sealed.expires) {
            return Err(Error::Expired);
        }
        let url = Url::parse(&sealed.url).map_err(|_| Error::Forged)?;
        let home = channel.sources.get(usize::from(sealed.source)).ok_or(Error::Forged)?;
        let only = channel.only(home.at(url), Kind::Vod);
        match sealed.behind {
            Behind::Playlist => self.fetch_playlist(&only, wish, None).await,
            // A player that stops in the middle of a segment must not hold a connection for ever.
            Behind::Media => self.vod(&Arc::new(only), wish, Piece::Segment).await,
        }
    }

    /// Opens the seal of a path segment (its extension already off).
    #[must_use]
    pub fn unseal(&self, text: &str) -> Option<Sealed> {
        self.seal.open(text)
    }

    fn rewritten(&self, channel: &str, opened: &Opened, wish: &Wish) -> Result<String, Error> {
        // From the playlist's place up to the root, then down to the sealed URLs.
        let depth = wish.path.matches('/').count().saturating_sub(1);
        let root = "../".repeat(depth);
        let expires = expiry(SystemTime::now());
        let source =
            u8::try_from(opened.source).map_err(|_| Error::Playlist("too many sources"))?;
        let rewritten = m3u8::rewrite(&opened.text, |uri, role| {
            if stays(uri) {
                return Ok(None);
            }
            if uri.contains("{$") {
                return Err(m3u8::Error::BadUri);
            }
            let url = opened.answer.url.resolve(uri).map_err(|_| m3u8::Error::BadUri)?;
            let (behind, extension) = behind(&url, role);
            let sealed = Sealed {
                channel: channel.to_owned(),
                source,
                behind,
                session: 0,
                expires,
                url: url.to_secret_text(),
                variables: Vec::new(),
            };
            let sealed = self.seal.seal(&sealed).map_err(|_| m3u8::Error::BadUri)?;
            Ok(Some(format!("{root}s/{sealed}.{extension}")))
        });
        rewritten.map_err(|error| {
            Error::Playlist(match error {
                m3u8::Error::NoHeader => "it is no HLS playlist",
                m3u8::Error::NotUtf8 => "it is not UTF-8",
                m3u8::Error::TooLong => "it has too many lines",
                m3u8::Error::Control => "a line has a control character in it",
                m3u8::Error::Unfinished => "an attribute is not finished",
                m3u8::Error::BadUri => "it has a URI that cannot be followed",
            })
        })
    }
}

/// URIs that are no fetch of ours: inline data and the schemes of key systems.
fn stays(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    scheme.len() < uri.len() && ["data", "skd"].contains(&scheme.to_ascii_lowercase().as_str())
}

/// What a URI leads to, and the file extension that players look for there. Whatever the tag says,
/// a name that ends in `.m3u8` is a playlist.
fn behind(url: &Url, role: Role) -> (Behind, &'static str) {
    let own = url.path_extension().unwrap_or_default().to_ascii_lowercase();
    if role == Role::Playlist || own == "m3u8" || own == "m3u" {
        return (Behind::Playlist, "m3u8");
    }
    let suggested = if role == Role::Segment { "ts" } else { "key" };
    let known = EXTENSIONS.into_iter().find(|known| *known == own);
    (Behind::Media, known.unwrap_or(suggested))
}

/// The place under the limits is held until the client has the text: a long film's is megabytes.
fn playlist_answer(text: String, wish: Wish) -> Response<Body> {
    wish.control.limit_patience(wish.config.limits.client_timeout);
    let body = Held::new(Bytes::from(text), Some(wish.place));
    let mut response = Response::new(Either::Left(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PLAYLIST);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// When URLs that are sealed now expire, in Unix seconds: the same all day, as a segment is to keep
/// its URL from one reload of its playlist to the next.
fn expiry(now: SystemTime) -> u32 {
    let days = unix_seconds(now).div_ceil(LIFETIME.as_secs()) + 1;
    u32::try_from(days * LIFETIME.as_secs()).unwrap_or(u32::MAX)
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
