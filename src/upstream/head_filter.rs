//! Puts a source's response head right before hyper reads it: sloppy but harmless heads
//! (`ICY 200 OK`, a doubled Content-Length) are re-serialised, hostile ones are an error. After the
//! head, bytes pass untouched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio_util::io::poll_read_buf;

use crate::message::response_head::{HeadNormaliser, Limits, Normalised};
use crate::upstream::connect::Transport;

/// Where in the response the filter is.
#[derive(Debug)]
enum State {
    /// Collecting the head; bounded by the limits.
    Head(BytesMut, HeadNormaliser),
    /// Handing on the re-serialised head and what was read behind it.
    HandOn(Bytes),
    /// Out of the way.
    Body,
}

/// A connection to a source whose response head is checked once.
pub struct HeadFilter {
    io: TokioIo<Transport>,
    state: State,
    /// Bytes of the request are still to be written.
    owes: bool,
}

impl HeadFilter {
    /// Filters the one response that `transport` will carry.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            io: TokioIo::new(transport),
            state: State::Head(
                BytesMut::with_capacity(4096),
                HeadNormaliser::new(Limits::default()),
            ),
            owes: false,
        }
    }

    /// Whether the source has said anything.
    pub(crate) fn has_heard(&self) -> bool {
        !matches!(&self.state, State::Head(buffer, _) if buffer.is_empty())
    }

    /// Whether all that hyper had to say has been taken by the socket.
    pub(crate) fn has_sent(&self) -> bool {
        !self.owes
    }

    /// The connection, and what was read from it and not handed on.
    pub(crate) fn into_parts(self) -> (Transport, Bytes) {
        let rest = match self.state {
            State::Head(buffer, _) => buffer.freeze(),
            State::HandOn(bytes) => bytes,
            State::Body => Bytes::new(),
        };
        (self.io.into_inner(), rest)
    }
}

impl Read for HeadFilter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        loop {
            match &mut me.state {
                State::Head(buffer, normaliser) => {
                    let read = ready!(poll_read_buf(Pin::new(me.io.inner_mut()), cx, buffer))?;
                    if read == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    match normaliser.advance(buffer).map_err(io::Error::other)? {
                        Normalised::Partial => {}
                        Normalised::Complete { consumed, head } => {
                            buffer.advance(consumed);
                            let rest = std::mem::take(buffer);
                            let mut whole = BytesMut::from(head.as_slice());
                            whole.extend_from_slice(&rest);
                            me.state = State::HandOn(whole.freeze());
                        }
                    }
                }
                State::HandOn(bytes) => {
                    let count = bytes.len().min(cursor.remaining());
                    cursor.put_slice(&bytes.split_to(count));
                    if bytes.is_empty() {
                        me.state = State::Body;
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Body => return Pin::new(&mut me.io).poll_read(cx, cursor),
            }
        }
    }
}

impl Write for HeadFilter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.owes = !matches!(written, Poll::Ready(Ok(count)) if count == bytes.len());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        // Flushed is what was written whole.
        self.owes = !matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
