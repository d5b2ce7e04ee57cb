//! Live: an endless stream on an upstream connection of the client's own.

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Either;

use crate::channel::Channel;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Held;
use crate::delivery::Wish;
use crate::delivery::attempt::Question;
use crate::delivery::first::First;
use crate::delivery::remuxing;
use crate::media::sniff::Container;
use crate::message::headers::media_type;

/// The media type of transport streams: what receivers and Kodi look for letter by letter.
pub(super) const MPEG_TS: HeaderValue = HeaderValue::from_static("video/mp2t");

impl Delivery {
    /// Plays the first source whose first bytes are media, or what is shown in its place. HEAD is answered from what is known:
    /// no source is opened for it, and a receiver's stream port would refuse it.
    pub(super) async fn live(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        if wish.method == Method::HEAD {
            return Ok(head(MPEG_TS, Either::Left(Held::empty())));
        }
        let question = Question::of(&wish);
        let first = self.first(channel, &question).await?;
        self.stream(channel, wish, first, question).await
    }

    /// The answer for a stream that begins with `first`; other sources are asked `question`.
    /// Cancel safe.
    ///
    /// # Errors
    /// Where the sound is to be converted and cannot be, or what begins is no stream after all.
    pub(super) async fn stream(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        first: First,
        question: Question,
    ) -> Result<Response<Body>, Error> {
        let container = first.container();
        if remuxing::asked(&channel.profile).is_some() {
            if container == Container::MpegTs {
                return self.converted(channel, wish, first, question).await;
            }
            self.leaves_sound(channel, "what its source sends is no MPEG transport stream");
        }
        let headers = first.headers();
        let media_type = match container {
            Container::MpegTs | Container::PaddedTs => MPEG_TS,
            Container::Unknown => headers
                .and_then(media_type)
                .and_then(|given| HeaderValue::try_from(given).ok())
                .unwrap_or(HeaderValue::from_static(Container::Unknown.media_type())),
            known => HeaderValue::from_static(known.media_type()),
        };
        // Compressed against our wish: the bytes are of no use without their label. Where they are
        // known all the same, the label is wrong.
        let coding = headers.and_then(|headers| headers.get(CONTENT_ENCODING)).cloned();
        let coding = coding.filter(|_| container == Container::Unknown);
        wish.control.limit_patience(wish.config.limits.client_timeout);
        let body = self.live_body(channel, wish, first, question);
        let mut response = head(media_type, Either::Right(body));
        if let Some(coding) = coding {
            response.headers_mut().insert(CONTENT_ENCODING, coding);
        }
        Ok(response)
    }
}

pub(super) fn head(media_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    response
}
