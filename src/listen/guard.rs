//! Holds every request head back until it is whole and has passed [`crate::message::request_head`],
//! so that hyper never sees what it would wrongly accept (bare LF, two Hosts, CL with TE, ...).
//!
//! A head that fails is replaced by a synthetic request whose method is [`REJECTED`] and whose path
//! names the reason: hyper hands it to the handler in its turn, behind earlier pipelined requests,
//! and the handler answers with the right status and closes. A client that sends such a request
//! itself gets the same answer.
//!
//! While an answer is on its way no further head is let through: hyper would stop reading then,
//! and a client's FIN would go unnoticed until a write failed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::flow::{ClientIo, Control};
use crate::message::request_head::{BodyLength, HeadScanner, Limits, Scan};

/// The method of the synthetic request that stands for a refused head.
pub const REJECTED: &str = "WEIR-REJECTED";

/// How long the remaining bytes of a client that was refused, or whose body nobody wants, are read
/// and thrown away, so that the kernel sends it our answer and a FIN, not a reset that destroys the
/// answer (RFC 9112 9.6).
const LINGER: Duration = Duration::from_millis(500);

/// Room made for each read of heads.
const READ_AHEAD: usize = 2048;

/// What the next byte from the client belongs to.
#[derive(Debug)]
enum Expect {
    /// A request head.
    Head,
    /// So many bytes of a request body.
    Body(u64),
    /// Nothing that is understood: a chunked body (hyper frames it and the connection closes
    /// after its answer) or the rest after a refused head (never read).
    Rest,
}

/// A client connection whose request heads were all checked.
pub struct Guard {
    io: TokioIo<ClientIo>,
    control: Arc<Control>,
    /// Bytes read from the client and not yet handed on; at most one head's limit.
    buffer: BytesMut,
    /// How many bytes at the front of `buffer` may be handed on.
    passed: usize,
    expect: Expect,
    scanner: HeadScanner,
    limits: Limits,
    /// A head was refused: nothing more is read from this client.
    refused: bool,
    /// Armed when the connection closes although its client may still be sending.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Guard {
    /// Guards `io`; `limits` bound a head, and with it what is held back.
    #[must_use]
    pub fn new(io: ClientIo, control: Arc<Control>, limits: Limits) -> Self {
        Self {
            io: TokioIo::new(io),
            control,
            buffer: BytesMut::new(),
            passed: 0,
            expect: Expect::Head,
            scanner: HeadScanner::new(limits),
            limits,
            refused: false,
            linger: None,
        }
    }

    /// Reads and forgets what a client still sends, until it closes or [`LINGER`] is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline =
            self.linger.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = AsyncRead::poll_read(Pin::new(self.io.inner_mut()), cx, &mut buffer);
            if ready!(read).is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    /// Decides how much of `buffer` may be handed on.
    fn examine(&mut self) {
        match self.expect {
            Expect::Head if !self.control.answering() => self.examine_head(),
            Expect::Head => {}
            Expect::Body(left) => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                self.passed = here;
                let left = left - here as u64;
                self.expect = if left == 0 { Expect::Head } else { Expect::Body(left) };
            }
            Expect::Rest => self.passed = self.buffer.len(),
        }
    }

    fn examine_head(&mut self) {
        match self.scanner.advance(&self.buffer) {
            Ok(Scan::Partial) => {}
            Ok(Scan::Complete { length, body }) => {
                self.scanner = HeadScanner::new(self.limits);
                self.passed = length;
                self.control.begin_answer();
                self.expect = match body {
                    BodyLength::None | BodyLength::Length(0) => Expect::Head,
                    BodyLength::Length(length) => Expect::Body(length),
                    BodyLength::Chunked => Expect::Rest,
                };
            }
            Err(reject) => {
                let code = reject.code();
                let head = format!("{REJECTED} /{code} HTTP/1.1\r\nConnection: close\r\n\r\n");
                self.buffer = BytesMut::from(head.as_bytes());
                self.passed = self.buffer.len();
                self.control.begin_answer();
                self.expect = Expect::Rest;
                self.refused = true;
            }
        }
    }

    /// Hands on what has passed, as much as `cursor` takes.
    fn hand_on(&mut self, cursor: &mut ReadBufCursor<'_>) {
        let count = self.passed.min(cursor.remaining());
        let (now, _) = self.buffer.split_at_checked(count).unwrap_or_default();
        cursor.put_slice(now);
        self.buffer.advance(count);
        self.passed -= count;
    }
}

impl Read for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        loop {
            if me.passed == 0 && !me.buffer.is_empty() {
                me.examine();
            }
            if me.passed > 0 {
                me.hand_on(&mut cursor);
                return Poll::Ready(Ok(()));
            }
            if me.refused {
                // The rest is not read: the answer closes the connection.
                return Poll::Pending;
            }
            if me.buffer.len() >= me.limits.head_bytes {
                // Only a client that pipelines more than a head's worth behind a running answer
                // gets here: it is cut, as its FIN could not be seen any more.
                return Poll::Ready(Err(io::Error::other("too much sent ahead")));
            }
            // A player's head in one call; a connection that says nothing keeps no buffer.
            let mut scratch = [0; READ_AHEAD];
            let mut read = ReadBuf::new(&mut scratch);
            ready!(AsyncRead::poll_read(Pin::new(me.io.inner_mut()), cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            me.buffer.extend_from_slice(read.filled());
        }
    }
}

impl Write for Guard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        }
        // After a refused head, or an answer that did not wait for the request's body.
        if self.refused || !matches!(self.expect, Expect::Head) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
