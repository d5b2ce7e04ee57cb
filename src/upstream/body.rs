//! The body of a source's answer, read straight off its own connection: no task beside it, so
//! dropping the body closes the connection at once, or gives it back to its pool.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::Body;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::Connection;
use hyper::client::conn::http1::SendRequest;

use crate::flow::Home;
use crate::flow::Raw;
use crate::upstream::Error;
use crate::upstream::connect::Transport;
use crate::upstream::head_filter::HeadFilter;
use crate::upstream::pool::Loan;
use crate::upstream::pool::Resting;

/// hyper's client side of one upstream connection.
pub(crate) type Driver = Box<Connection<HeadFilter, Empty<Bytes>>>;

/// What belongs to a connection of a pool.
pub(crate) struct Keeping {
    /// hyper ends a connection whose sender is gone, and says by it that another request could be
    /// sent. `None`: the head of the answer says that there will be no other.
    pub(crate) sender: Option<SendRequest<Empty<Bytes>>>,
    pub(crate) loan: Loan,
}

/// Bytes of one answer, in order. Dropping it closes the upstream connection, unless that can be
/// kept: all of the body has come, its end is certain, and nothing is unread.
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
    /// The connection is plain TCP and the body comes in it as it is, not in chunks.
    is_raw: bool,
    /// After `driver`: a place is free once its connection is closed.
    keeping: Option<Keeping>,
}

impl UpstreamBody {
    pub(crate) fn new(
        driver: Option<Driver>,
        incoming: Incoming,
        is_raw: bool,
        keeping: Option<Keeping>,
    ) -> Self {
        Self { driver, incoming, first: None, is_raw, keeping }
    }

    /// Takes the connection out of hyper's hands, so that the rest of the body can be moved without
    /// it.
    ///
    /// # Errors
    /// The body as it was, where that is not possible: over TLS, in chunks, or at its end.
    pub fn into_raw(mut self) -> Result<Raw, Box<Self>> {
        let may_be_raw = self.is_raw && self.incoming.size_hint().exact() != Some(0);
        let Some(driver) = self.driver.take_if(|_| may_be_raw) else {
            return Err(Box::new(self));
        };
        let parts = driver.into_parts();
        let may_keep = self.keeping.as_ref().is_some_and(|keeping| keeping.sender.is_some());
        let mut is_clean = may_keep && parts.io.has_sent();
        let (transport, unread) = parts.io.into_parts();
        let Transport::Tcp(socket) = transport else {
            unreachable!("raw bodies are made of plain TCP connections only");
        };
        let mut ahead: Vec<_> = self.first.take().into_iter().collect();
        // What hyper has framed comes before what it has read, and that before what it has not.
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self.incoming).poll_frame(&mut cx) {
            ahead.extend(frame.into_data());
        }
        let mut left = self.incoming.size_hint().exact();
        for mut bytes in [parts.read_buf, unread] {
            if let Some(left) = &mut left {
                // A source may send more than it said; nobody is to see that.
                let said = usize::try_from(*left).unwrap_or(usize::MAX);
                is_clean &= bytes.len() <= said;
                bytes.truncate(said);
                *left -= bytes.len() as u64;
            }
            ahead.push(bytes);
        }
        ahead.retain(|bytes| !bytes.is_empty());
        let home = self.keeping.take().map(|Keeping { loan, .. }| {
            Home::new(move |socket| {
                if is_clean {
                    loan.give_back(Resting::Tcp(socket));
                }
            })
        });
        Ok(Raw { socket, ahead, left, home })
    }

    /// Gives the connection back, or closes it, as dropping the body does; nothing more can be read.
    pub fn close(&mut self) {
        let driver = self.driver.take();
        if let (Some(keeping), Some(driver)) = (self.keeping.take(), driver) {
            keeping.keep(driver);
        }
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
            if let Poll::Ready(ended) = Pin::new(&mut **driver).poll(cx) {
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

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        self.close();
    }
}

impl Keeping {
    /// Gives the connection back if its answer is over, and closes it if not.
    fn keep(self, mut driver: Driver) {
        // hyper may still have to find that the body has ended. Nothing more of one that has not is
        // read: nobody asks for it.
        let mut cx = Context::from_waker(Waker::noop());
        let has_ended = Pin::new(&mut *driver).poll(&mut cx).is_ready();
        if has_ended || !self.sender.is_some_and(|sender| sender.is_ready()) {
            return drop(driver);
        }
        let parts = driver.into_parts();
        let is_settled = parts.read_buf.is_empty() && parts.io.has_sent();
        let (transport, unread) = parts.io.into_parts();
        if !is_settled || !unread.is_empty() {
            return drop(transport);
        }
        match Resting::new(transport) {
            Ok(resting) => self.loan.give_back(resting),
            Err(error) => tracing::debug!(%error, "an upstream connection is not kept"),
        }
    }
}

/// What went wrong while a body was read.
pub(crate) fn broken(error: &hyper::Error) -> Error {
    match io_kind(error) {
        Some(kind) => Error::from_body(kind.into()),
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
