//! The body of a source's answer, read straight off its own connection: no task beside it, so
//! dropping the body closes the connection at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::Connection;

use crate::upstream::Error;
use crate::upstream::head_filter::HeadFilter;

/// hyper's client side of one upstream connection.
pub(crate) type Driver = Pin<Box<Connection<HeadFilter, Empty<Bytes>>>>;

/// Bytes of one answer, in order. Dropping it closes the upstream connection.
///
/// Memory: hyper's read buffer (32 KiB); each frame handed on keeps the buffer that it was read into
/// alive until the client has taken it.
pub struct UpstreamBody {
    /// Moves bytes from the socket to `incoming`; `None` once the connection has ended.
    driver: Option<Driver>,
    /// Where the frames come out, framing already undone.
    incoming: Incoming,
    /// Bytes that were looked at before anybody asked for the body.
    first: Option<Bytes>,
}

impl UpstreamBody {
    pub(crate) fn new(driver: Option<Driver>, incoming: Incoming) -> Self {
        Self { driver, incoming, first: None }
    }

    /// Puts bytes that were read ahead back in front.
    pub fn put_back(&mut self, bytes: Bytes) {
        debug_assert!(self.first.is_none(), "only what was just taken is put back");
        self.first = Some(bytes).filter(|bytes| !bytes.is_empty());
    }

    /// The next bytes, `None` at a clean end. Cancel safe: nothing is lost when dropped.
    ///
    /// # Errors
    /// [`Error::Broken`] or [`Error::Short`].
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`UpstreamBody::next`], for a body's `poll_frame`.
    ///
    /// # Errors
    /// [`Error::Broken`] or [`Error::Short`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            // Asking first tells the driver that there is room for a frame.
            if let Poll::Ready(frame) = self.poll_incoming(cx) {
                return Poll::Ready(frame);
            }
            let Some(driver) = &mut self.driver else {
                return Poll::Pending;
            };
            if let Poll::Ready(ended) = driver.as_mut().poll(cx) {
                self.driver = None;
                if let Err(error) = ended {
                    tracing::trace!(%error, "upstream connection ended");
                }
                continue;
            }
            return self.poll_incoming(cx);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(&error)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    // Trailers are of the connection we end; they are dropped.
                    Err(_) => {}
                },
            }
        }
    }
}

/// What went wrong while a body was read.
pub(crate) fn broken(error: &hyper::Error) -> Error {
    match io_kind(error) {
        Some(io::ErrorKind::UnexpectedEof) => Error::Short,
        Some(kind) => Error::Broken(kind),
        None if error.is_incomplete_message() || error.is_body_write_aborted() => Error::Short,
        None => Error::Broken(io::ErrorKind::InvalidData),
    }
}

/// The kind of the I/O error inside hyper's, if there is one.
pub(crate) fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}
