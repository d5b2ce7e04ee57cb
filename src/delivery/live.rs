//! Live: an endless stream on an upstream connection of the client's own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::{Either, Full};

use crate::channel::Channel;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::SessionBody;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::pipe::Extent;
use crate::delivery::sessions::Opening;
use crate::media::sniff::Container;
use crate::message::headers::media_type;

/// The media type of transport streams: what receivers and Kodi look for letter by letter.
const MPEG_TS: HeaderValue = HeaderValue::from_static("video/mp2t");

impl Delivery {
    /// Plays the first source whose first bytes are media. HEAD is answered from what is known:
    /// no source is opened for it, and a receiver's stream port would refuse it.
    pub(super) async fn live(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        if wish.method == Method::HEAD {
            return Ok(head(MPEG_TS, Either::Left(Full::new(Bytes::new()))));
        }
        let config = Arc::clone(&wish.config);
        let fields = HeaderMap::new();
        let question = Question { want: Want::Live, method: Method::GET, fields, config: &config };
        let opened = self.first_source(channel, &question).await?;
        Ok(self.stream(channel, wish, opened))
    }

    /// The answer for a source that has shown media.
    pub(super) fn stream(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        opened: Opened,
    ) -> Response<Body> {
        let media_type = match opened.container {
            Container::MpegTs => MPEG_TS,
            Container::Unknown => media_type(&opened.answer.head.headers)
                .and_then(|given| HeaderValue::try_from(given).ok())
                .unwrap_or(HeaderValue::from_static(Container::Unknown.media_type())),
            known => HeaderValue::from_static(known.media_type()),
        };
        wish.control.limit_patience(wish.config.limits.client_timeout);
        let silence = silence_limit(&wish.config.failover);
        let session = self.sessions.begin(Opening {
            channel: Arc::clone(channel),
            source: opened.source,
            client: wish.client,
            started: wish.started,
            control: wish.control,
            slot: opened.slot,
            place: wish.place,
            cut: self.cut.clone(),
        });
        let body = SessionBody::new(opened.answer.body, session, Extent::Endless, silence);
        head(media_type, Either::Right(body))
    }
}

/// How long a running stream may be silent before its client is let go. With no other source to go
/// on with, patience is better than a cut, so this is the longer of the two limits.
fn silence_limit(failover: &crate::config::Failover) -> Duration {
    failover.response_timeout.max(failover.stall_timeout)
}

fn head(media_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    response
}
