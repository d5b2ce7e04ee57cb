//! The client's socket as hyper sees it: plain TCP, TLS or a Unix socket, with a deadline on
//! writes that make no progress.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::flow::control::Control;

/// The transport of one client connection.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP, handshake done.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix stream socket.
    Unix(UnixStream),
}

/// A client connection whose writes give up when the client takes nothing for too long.
///
/// The deadline runs only while a write waits, so a connection without anything to say costs no
/// timer. Memory: the socket and, while a write waits, one timer.
#[derive(Debug)]
pub struct ClientIo {
    stream: Stream,
    /// Patience in, `timed_out` out.
    control: Arc<Control>,
    /// Armed when a write began to wait.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Watched while a write waits: a reload that takes the channel away.
    ending: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl ClientIo {
    /// Wraps `stream`; `control` says how long a write may wait.
    #[must_use]
    pub fn new(stream: Stream, control: Arc<Control>) -> Self {
        Self { stream, control, deadline: None, ending: None }
    }

    /// Turns the outcome of a write into progress (the deadline is lifted) or a wait (it is armed,
    /// and an expired one ends the connection).
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.control.set_write_waits(wrote.is_pending());
        if wrote.is_ready() {
            self.deadline = None;
            self.ending = None;
            return wrote;
        }
        if self.ending.is_none() {
            let token = self.control.ending();
            self.ending = token.map(|token| Box::pin(token.cancelled_owned()));
        }
        if self.ending.as_mut().is_some_and(|ending| ending.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        }
        let Some(patience) = self.control.patience() else {
            return Poll::Pending;
        };
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(deadline.as_mut().poll(cx));
        self.control.set_timed_out();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.judge(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.judge(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.judge(cx, flushed.map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        // A TLS client that reads nothing would keep its close_notify waiting for ever.
        self.judge(cx, shut.map_ok(|()| 0)).map_ok(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up_and_one_without_a_limit_is_not() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let control = Arc::new(Control::new(Duration::from_millis(50)));
        let mut io = ClientIo::new(Stream::Unix(ours), Arc::clone(&control));
        let error = loop {
            if let Err(error) = io.write_all(&[0; 64 * 1024]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(control.timed_out());
        control.wait_for_ever();
        let again = tokio::time::timeout(Duration::from_millis(200), io.write_all(&[0; 64 * 1024]));
        assert!(again.await.is_err(), "a patient write waits as long as it takes");
        drop(theirs);
    }
}
