//! Channels that FFmpeg makes HLS of: the playlist begins the relay, and segments are files.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Either;

use crate::channel::Channel;
use crate::config;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Form;
use crate::delivery::Held;
use crate::delivery::Wish;
use crate::delivery::shared::files;
use crate::delivery::shared::relay::Key;
use crate::delivery::shared::relay::Relay;

/// Said where a playlist is there and stays empty or half: FFmpeg itself says nothing of it.
const NO_PLAYLIST: &str =
    "FFmpeg has written no whole playlist: the disk that holds state_dir may be full";

impl Delivery {
    /// Whether FFmpeg makes HLS of this channel.
    #[must_use]
    pub fn is_packaged(channel: &Channel) -> bool {
        let ffmpeg = channel.profile.ffmpeg.as_ref();
        ffmpeg.is_some_and(|ffmpeg| ffmpeg.output == config::Output::Hls)
    }

    /// The playlist of such a channel; its relay begins if it does not run. `token`: what its URIs are to
    /// carry. Cancel safe.
    ///
    /// # Errors
    /// Why there is none; nothing has been sent to the client then.
    pub async fn packaged_playlist(
        &self,
        channel: &Arc<Channel>,
        mut wish: Wish,
        token: Option<&str>,
    ) -> Result<Response<Body>, Error> {
        wish.form = Form::Ts { max_bandwidth: u64::MAX };
        let (relay, watching) = match self.watched_by(channel, &wish) {
            Some(relay) => (relay, None),
            None => {
                let (relay, _, watching) = self.watch(channel, &wish).await?;
                (relay, Some(watching))
            }
        };
        let Some(files) = relay.files.get() else {
            return Err(Error::Playlist("its relay makes none"));
        };
        let playlist = files.playlist().await;
        let playlist = playlist.map_err(|_| Error::Ffmpeg(NO_PLAYLIST.to_owned()))?;
        if let Some(watching) = watching {
            files.watched(wish.viewer.clone(), watching);
        }
        let playlist = match token {
            Some(token) => files::with_token(&playlist, token),
            None => playlist,
        };
        Ok(answer("application/vnd.apple.mpegurl", playlist, &relay, wish))
    }

    /// The relay that this client watches already: whoever comes back for the playlist is no other one.
    fn watched_by(&self, channel: &Channel, wish: &Wish) -> Option<Arc<Relay>> {
        let relay = self.shared.relays().get(&key(channel)).cloned()?;
        let goes_on = relay.is_open() && relay.files.get()?.goes_on(&wish.viewer);
        goes_on.then_some(relay)
    }

    /// A segment of such a channel, while its relay runs. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is none of this name.
    pub async fn packaged_file(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        name: &str,
    ) -> Result<Response<Body>, Error> {
        let relay = self.shared.relays().get(&key(channel)).cloned().ok_or(Error::Missing(404))?;
        let files = relay.files.get().filter(|_| files::is_name(name));
        let (files, media_type) = files.zip(files::media_type(name)).ok_or(Error::Missing(404))?;
        files.goes_on(&wish.viewer);
        let bytes = files.file(name).await.map_err(|_| Error::Missing(404))?;
        Ok(answer(media_type, bytes, &relay, wish))
    }
}

/// The one relay that such a channel has.
fn key(channel: &Channel) -> Key {
    Key { channel: Arc::clone(&channel.identity), max_bandwidth: u64::MAX }
}

fn answer(media_type: &'static str, bytes: Bytes, relay: &Relay, wish: Wish) -> Response<Body> {
    if wish.method == Method::GET {
        relay.served.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
    wish.control.limit_patience(wish.config.limits.client_timeout);
    let mut response = Response::new(Either::Left(Held::new(bytes, Some(wish.place))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
