//! VOD: a file on a fresh upstream connection for each request, Range and conditions passed on, the
//! answer passed back (RFC 9110 sections 13 and 14).

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Either;

use crate::channel::Channel;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Held;
use crate::delivery::Piece;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::reading::Extent;
use crate::delivery::reading::Rest;
use crate::delivery::resume::Original;
use crate::message::headers::end_to_end_response;
use crate::message::headers::vod_request;
use crate::message::range::ContentRange;
use crate::upstream;

impl Delivery {
    /// Passes one request and its answer through.
    pub(super) async fn vod(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        piece: Piece,
    ) -> Result<Response<Body>, Error> {
        if wish.method == Method::HEAD {
            return self.vod_head(channel, &wish, piece).await;
        }
        let question = Question { fields: vod_request(&wish.headers), ..piece.question(&wish) };
        let opened = self.first_source(channel, &question).await.map_err(missing)?;
        Ok(self.file(channel, wish, opened, piece))
    }

    /// The answer for a source that has the file.
    pub(super) fn file(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        opened: Opened,
        piece: Piece,
    ) -> Response<Body> {
        let head = &opened.answer.head;
        let status = head.status;
        let headers = end_to_end_response(&head.headers);
        if !status.is_success() {
            // 304, 412, 416: the head says it all, and an error's body is not passed on.
            let mut headers = headers;
            headers.remove(CONTENT_LENGTH);
            return answer(status, headers, Either::Left(Held::empty()));
        }
        match &piece {
            Piece::Whole => {
                self.leaves_sound(channel, "it is a file, of which clients ask for parts");
                wish.control.wait_for_ever();
            }
            Piece::Segment(..) => wish.control.limit_patience(wish.config.limits.client_timeout),
        }
        let extent = content_length(&headers).map_or(Extent::Delimited, Extent::Sized);
        let original = Original::of(status, &opened.answer.head.headers);
        let original = original.filter(|_| piece.is_whole());
        let rest = original.map(|original| Rest {
            delivery: self.clone(),
            channel: Arc::clone(channel),
            question: Question { want: Want::File, viewer: None, ..Question::of(&wish) },
            original,
            control: Arc::clone(&wish.control),
        });
        let body = self.file_body(channel, wish, opened, (extent, rest), piece);
        answer(status, headers, Either::Right(body))
    }

    /// HEAD is asked upstream; a source that refuses it is asked for one byte instead.
    async fn vod_head(
        &self,
        channel: &Arc<Channel>,
        wish: &Wish,
        piece: Piece,
    ) -> Result<Response<Body>, Error> {
        let mut fields = vod_request(&wish.headers);
        // Range means nothing in HEAD (RFC 9110 14.2); sources that heed it confuse players.
        fields.remove(RANGE);
        let mut question = Question {
            method: Method::HEAD,
            fields: fields.clone(),
            // A look at a file takes no stream from anybody.
            viewer: None,
            ..piece.question(wish)
        };
        let (status, headers) = match self.first_source::<Opened>(channel, &question).await {
            Ok(opened) => {
                (opened.answer.head.status, end_to_end_response(&opened.answer.head.headers))
            }
            Err(error) if is_final(&error) => return Err(missing(error)),
            Err(_) => {
                fields.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
                (question.method, question.fields) = (Method::GET, fields);
                let opened = self.first_source(channel, &question).await.map_err(missing)?;
                whole_from_part(&opened)
            }
        };
        Ok(answer(status, headers, Either::Left(Held::empty())))
    }
}

/// The head of the whole file from the answer to a request for its first byte.
fn whole_from_part(opened: &Opened) -> (StatusCode, HeaderMap) {
    let head = &opened.answer.head;
    let mut headers = end_to_end_response(&head.headers);
    if head.status != StatusCode::PARTIAL_CONTENT {
        return (head.status, headers);
    }
    let range = headers.remove(CONTENT_RANGE);
    let range = range.as_ref().and_then(|range| range.to_str().ok()).and_then(ContentRange::parse);
    headers.remove(CONTENT_LENGTH);
    if let Some(total) = range.and_then(|range| range.total()) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(total));
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    (StatusCode::OK, headers)
}

/// A file that every source says it does not have is the viewer's news, not the gateway's failure.
pub(super) fn missing(error: Error) -> Error {
    let Error::Exhausted(attempts) = &error else {
        return error;
    };
    let code = |failure: &Failure| match failure {
        Failure::Upstream(upstream::Error::Status { code: code @ (404 | 410), .. }) => Some(*code),
        _ => None,
    };
    let codes: Option<Vec<_>> = attempts.iter().map(|attempt| code(&attempt.failure)).collect();
    codes.and_then(|codes| codes.last().copied()).map_or(error, Error::Missing)
}

/// Whether asking again with GET could not be answered otherwise: the file is not there, or nobody
/// is.
fn is_final(error: &Error) -> bool {
    let Error::Exhausted(attempts) = error else {
        return true;
    };
    attempts.iter().all(|attempt| match &*attempt.failure {
        Failure::NoSlot(_) | Failure::NoStart(_) | Failure::Unfit(_) | Failure::OtherFile(_) => {
            true
        }
        Failure::Upstream(error) => match error {
            upstream::Error::Status { code, .. } => matches!(code, 401 | 404 | 407 | 410 | 429),
            // Some close the connection on a method they do not know.
            upstream::Error::Closed | upstream::Error::Malformed(_) => false,
            _ => true,
        },
    })
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
