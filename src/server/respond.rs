//! The one place where the media listener turns errors into status and text (RFC 9457). A short
//! message goes out; the chain of causes stays in the log.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Either;

use crate::delivery;
use crate::delivery::Body;
use crate::delivery::Held;
use crate::delivery::failure::Outlook;
use crate::delivery::failure::outlook;
use crate::message::problem;
use crate::server::limits::Full as NoPlace;

/// Seconds after which a client may try again where nothing better is known.
const RETRY_SECONDS: u64 = 3;

/// An answer that is a problem document, without the fields that every answer gets.
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    channel: Option<String>,
    retry_after: Option<u64>,
    allow: Option<&'static str>,
    challenge: bool,
    close: bool,
}

impl Problem {
    /// A problem with this status and sentence.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            channel: None,
            retry_after: None,
            allow: None,
            challenge: false,
            close: false,
        }
    }

    /// Names the channel that was asked for.
    pub(super) fn about(mut self, channel: &str) -> Self {
        self.channel = Some(channel.to_owned());
        self
    }

    /// Nothing is found under this path.
    pub(super) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "nothing is found under this path")
    }

    /// The method is none that this listener knows (`allowed`: those it does).
    pub(super) fn method(known: bool, allowed: &'static str) -> Self {
        let status =
            if known { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED };
        let detail = format!("this listener answers {allowed}");
        Self { allow: Some(allowed), close: true, ..Self::new(status, detail) }
    }

    /// A request head that was refused before it became a request (`allowed`: the methods that this
    /// listener knows).
    pub(super) fn rejected(code: &str, allowed: &'static str) -> Self {
        let (status, detail) = problem::of_reject(code);
        let allow = (status == StatusCode::METHOD_NOT_ALLOWED).then_some(allowed);
        Self { allow, close: true, ..Self::new(status, detail) }
    }

    /// A request body where none belongs.
    pub(super) fn body_not_expected() -> Self {
        Self {
            close: true,
            ..Self::new(StatusCode::PAYLOAD_TOO_LARGE, "a request for a stream has no body")
        }
    }

    /// A token is needed.
    pub(super) fn token_missing() -> Self {
        Self {
            challenge: true,
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "an access token is needed: ?token=, a Bearer token or /t/TOKEN/",
            )
        }
    }

    /// All places are taken.
    pub(super) fn full(full: NoPlace) -> Self {
        let detail = match full {
            NoPlace::Everywhere => "all places are taken (limits.clients)",
            NoPlace::ForAddress => {
                "this address has all the streams it may have (limits.clients_per_ip)"
            }
        };
        Self {
            retry_after: Some(RETRY_SECONDS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// Too many requests.
    pub(super) fn too_fast() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests (limits.requests_per_second)",
            )
        }
    }

    /// A stream could not be served.
    pub(super) fn undelivered(error: &delivery::Error) -> Self {
        use delivery::Error as Cause;
        let mut retry_after = None;
        let status = match error {
            Cause::Exhausted(attempts) => match outlook(attempts) {
                Outlook::MayPass(wait) => {
                    retry_after = Some(wait.as_secs().clamp(1, 300));
                    StatusCode::SERVICE_UNAVAILABLE
                }
                Outlook::Silent => StatusCode::GATEWAY_TIMEOUT,
                Outlook::Broken => StatusCode::BAD_GATEWAY,
            },
            Cause::Full(_) | Cause::FullForAddress(_) | Cause::NoProcess(_) | Cause::Stopped => {
                retry_after = Some(RETRY_SECONDS);
                StatusCode::SERVICE_UNAVAILABLE
            }
            Cause::Missing(410) => StatusCode::GONE,
            Cause::Missing(_) => StatusCode::NOT_FOUND,
            Cause::Undecodable(_) => StatusCode::NOT_IMPLEMENTED,
            Cause::Remux => StatusCode::INTERNAL_SERVER_ERROR,
            Cause::NotAcceptable(_) | Cause::Unfit(_) => StatusCode::NOT_ACCEPTABLE,
            Cause::Playlist(_) | Cause::Ffmpeg(_) => StatusCode::BAD_GATEWAY,
            Cause::Forged => StatusCode::FORBIDDEN,
            Cause::Expired => StatusCode::GONE,
        };
        Self { retry_after, ..Self::new(status, error.to_string()) }
    }

    /// The status that will be sent.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The response; CORS is added to every answer later.
    pub(super) fn into_response(self) -> Response<Body> {
        let body = problem::document(self.status, &self.detail, self.channel.as_deref());
        let body = Bytes::from(body);
        let mut response = Response::new(Either::Left(Held::new(body, None)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
