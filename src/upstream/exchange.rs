//! One request and one response head over an open connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version, response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, timeout_at};

use crate::message::Url;
use crate::message::response_head::Malformed;
use crate::upstream::Error;
use crate::upstream::body::Driver;
use crate::upstream::body::Keeping;
use crate::upstream::body::UpstreamBody;
use crate::upstream::body::io_kind;
use crate::upstream::connect::Transport;
use crate::upstream::head_filter::HeadFilter;
use crate::upstream::pool::Loan;

/// hyper's read buffer on an upstream connection: fixed, or it would grow to 400 KiB at high bit
/// rates. It also bounds the response head.
const READ_BUFFER: usize = 32 * 1024;

/// Header fields of a source's answer: those that its filter lets through, and one of the filter's.
const FIELDS_MAX: usize = 257;

/// A response head, and the connection that the body comes on.
pub(crate) struct Answered {
    response: Response<Incoming>,
    /// `None`: it has ended.
    driver: Option<Driver>,
    sender: SendRequest<Empty<Bytes>>,
}

/// Why there is no response head.
pub(crate) struct Unanswered {
    pub(crate) error: Error,
    /// Whether any byte of one came.
    pub(crate) heard: bool,
}

/// Sends a request over `transport` and waits for the response head.
pub(crate) async fn send(
    request: Request<Empty<Bytes>>,
    transport: Transport,
    patience: Duration,
) -> Result<Answered, Unanswered> {
    let deadline = Instant::now() + patience;
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_headers(FIELDS_MAX)
        .read_buf_exact_size(Some(READ_BUFFER))
        .handshake(HeadFilter::new(transport))
        .await
        .map_err(|error| Unanswered { error: before_head(&error), heard: false })?;
    let mut driver: Driver = Box::new(connection);
    let mut has_ended = false;
    let mut response = pin!(sender.send_request(request));
    // Nothing runs beside us: the connection moves only while we poll it.
    let answered = poll_fn(|cx| {
        if let Poll::Ready(answered) = response.as_mut().poll(cx) {
            return Poll::Ready(answered);
        }
        has_ended = has_ended || Pin::new(&mut *driver).poll(cx).is_ready();
        response.as_mut().poll(cx)
    });
    let answered = timeout_at(deadline, answered).await;
    let error = match answered {
        Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Error::Malformed(Malformed::Switching)
        }
        Ok(Ok(response)) => {
            let driver = (!has_ended).then_some(driver);
            return Ok(Answered { response, driver, sender });
        }
        Ok(Err(error)) => before_head(&error),
        Err(_) => Error::ResponseTimeout(patience),
    };
    Err(Unanswered { error, heard: driver.into_parts().io.has_heard() })
}

impl Answered {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The head, and the body with the connection and its place in the pool.
    pub(crate) fn into_parts(
        self,
        loan: Option<Loan>,
        url: &Url,
    ) -> (response::Parts, UpstreamBody) {
        let (head, incoming) = self.response.into_parts();
        let is_raw = !url.is_https() && !head.headers.contains_key(TRANSFER_ENCODING);
        // HTTP/1.0 is taken to close (RFC 9112 section 9.3); the filter leaves no option but `close`.
        let may_keep = head.version == Version::HTTP_11 && !head.headers.contains_key(CONNECTION);
        let keeping = loan.map(|loan| Keeping { sender: may_keep.then_some(self.sender), loan });
        (head, UpstreamBody::new(self.driver, incoming, is_raw, keeping))
    }
}

/// What an error before the head means.
fn before_head(error: &hyper::Error) -> Error {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(malformed) = inner.and_then(|inner| inner.downcast_ref::<Malformed>()) {
            return Error::Malformed(*malformed);
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || io_kind(error).is_some() {
        return Error::Closed;
    }
    Error::Malformed(Malformed::Status)
}
