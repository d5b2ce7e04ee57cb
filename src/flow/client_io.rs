//! The client's socket as hyper sees it: plain TCP, TLS or a Unix socket, with a deadline on
//! writes that make no progress. Where hyper writes a placeholder, what is on the connection's stage
//! is sent instead.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use crate::flow::control::Control;
use crate::flow::gather::Gather;
use crate::flow::placeholder;
use crate::flow::stage::{Stage, Vessel};
use crate::flow::syscall::syscall;
use crate::lifecycle::Given;

/// The transport of one client connection.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP, handshake done.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix stream socket.
    Unix(UnixStream),
    /// A socket that takes as few bytes as it likes, and no placeholder.
    #[cfg(test)]
    Choppy(Box<tests::Choppy>),
}

impl Stream {
    /// Lets the kernel reset the connection when it is closed, and drop what was not sent. Closed as usual it
    /// would keep that for minutes, for a client whose window is closed and who does not hear of the end.
    fn reset_when_closed(&self) {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0),
            // The kernel keeps nothing of a Unix socket whose other side has gone.
            Self::Unix(_) => return,
            #[cfg(test)]
            Self::Choppy(_) => return,
        };
        // Without it the connection ends later.
        socket.set_linger(Some(Duration::ZERO)).ok();
    }
}

/// A client connection whose writes give up when the client takes nothing for too long.
///
/// The deadline runs only while a write waits, so a connection without anything to say costs no
/// timer. Memory: the socket and, while a write waits, one timer.
#[derive(Debug)]
pub struct ClientIo {
    stream: Stream,
    /// Patience in, `timed_out` out; the stage.
    control: Arc<Control>,
    /// Armed when a write began to wait.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Watched while a write waits: a reload that takes the channel away.
    ending: Option<Given>,
}

impl ClientIo {
    /// Wraps `stream`; `control` says how long a write may wait.
    #[must_use]
    pub fn new(stream: Stream, control: Arc<Control>) -> Self {
        control.set_splices(matches!(stream, Stream::Tcp(_)));
        Self { stream, control, deadline: None, ending: None }
    }

    /// Writes `slices`, the bytes on the stage for a placeholder among them.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let place = slices.iter().position(|slice| placeholder::covers(slice));
        let Some(place) = place else {
            return self.stream.poll_write_vectored(cx, slices);
        };
        let mut stage = self.control.stage();
        let sent = match (stage.vessel(), &self.stream) {
            (Some(Vessel::Pipe(_)), Stream::Tcp(socket)) => {
                poll_spliced(socket, &mut stage, cx, slices, place)
            }
            _ => poll_gathered(&mut self.stream, &mut stage, cx, slices, place),
        };
        if !stage.is_occupied() && stage.take_wanted() {
            cx.waker().wake_by_ref();
        }
        sent
    }

    /// Turns the outcome of a write into progress (the deadline is lifted) or a wait (it is armed,
    /// and an expired one ends the connection).
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let waited = self.control.write_waits();
        self.control.set_write_waits(wrote.is_pending());
        if wrote.is_ready() {
            if waited {
                // The body saw a client that takes nothing: it looks again.
                cx.waker().wake_by_ref();
            }
            self.deadline = None;
            self.ending = None;
            return wrote;
        }
        if !waited {
            self.control.stage().settle();
        }
        if self.ending.is_none() {
            self.ending = self.control.ending().map(|notice| notice.given());
        }
        if self.ending.as_mut().is_some_and(|ending| Pin::new(ending).poll(cx).is_ready()) {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        }
        let Some(patience) = self.control.patience() else {
            return Poll::Pending;
        };
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(deadline.as_mut().poll(cx));
        self.control.set_timed_out();
        self.stream.reset_when_closed();
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
            #[cfg(test)]
            Stream::Choppy(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = self.poll_send(cx, slices);
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
            #[cfg(test)]
            Stream::Choppy(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.judge(cx, flushed.map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.control.usual_patience();
        let shut = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Stream::Choppy(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        // A TLS client that reads nothing would keep its close_notify waiting for ever.
        self.judge(cx, shut.map_ok(|()| 0)).map_ok(|_| ())
    }
}

impl Stream {
    /// Puts a plain stream, of which nothing was read or written yet, into the hands of another
    /// runtime. TLS stays where it is.
    ///
    /// # Errors
    /// When the other runtime's poller takes no more sockets.
    pub fn move_to(self, runtime: &Handle) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => {
                let stream = stream.into_std()?;
                let _inside = runtime.enter();
                TcpStream::from_std(stream).map(Self::Tcp)
            }
            Self::Unix(stream) => {
                let stream = stream.into_std()?;
                let _inside = runtime.enter();
                UnixStream::from_std(stream).map(Self::Unix)
            }
            Self::Tls(stream) => Ok(Self::Tls(stream)),
            #[cfg(test)]
            Self::Choppy(stream) => Ok(Self::Choppy(stream)),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        debug_assert!(
            !slices.iter().any(|slice| placeholder::covers(slice)),
            "a placeholder is never sent"
        );
        match self {
            Self::Tcp(stream) => poll_sendmsg(stream, cx, slices, SendFlags::empty()),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(test)]
            Self::Choppy(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}

/// Slices with bytes from memory in place of the placeholder: one call of the kernel.
fn poll_gathered(
    stream: &mut Stream,
    stage: &mut Stage,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    place: usize,
) -> Poll<io::Result<usize>> {
    let Some(staged) = stage.vessel().and_then(Vessel::bytes) else {
        return Poll::Ready(Err(io::Error::other("a placeholder without bytes")));
    };
    let gather = Gather::new(slices, (place, staged));
    let wrote = ready!(stream.poll_write_vectored(cx, gather.slices()))?;
    let of_stage = gather.of_stage(wrote);
    stage.wrote(of_stage);
    Poll::Ready(Ok(wrote))
}

/// The slices before the placeholder, then the stage's pipe for the placeholder itself.
fn poll_spliced(
    socket: &TcpStream,
    stage: &mut Stage,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    place: usize,
) -> Poll<io::Result<usize>> {
    let (lead, rest) = slices.split_at_checked(place).unwrap_or_default();
    let length: usize = lead.iter().map(|slice| slice.len()).sum();
    let mut done = 0;
    if length > 0 {
        done = ready!(poll_sendmsg(socket, cx, lead, SendFlags::MORE))?;
        if done < length {
            return Poll::Ready(Ok(done));
        }
    }
    let limit = rest.first().map_or(0, |placeholder| placeholder.len());
    match poll_splice(socket, stage, cx, limit) {
        Poll::Ready(Ok(count)) => Poll::Ready(Ok(done + count)),
        Poll::Pending if done > 0 => Poll::Ready(Ok(done)),
        failed_or_waits => failed_or_waits,
    }
}

fn poll_splice(
    socket: &TcpStream,
    stage: &mut Stage,
    cx: &mut Context<'_>,
    limit: usize,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, || stage.splice(socket, limit)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // This socket cannot be spliced to: what is in the pipe is sent from memory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                stage.surface()?;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            moved => return Poll::Ready(moved),
        }
    }
}

/// Sends `slices`: not with writev(2), which takes the lock of a file position that a socket has
/// not. `MORE` tells the kernel that more follows at once, so that a chunk's size goes out in one
/// packet with the chunk's first bytes.
fn poll_sendmsg(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    flags: SendFlags,
) -> Poll<io::Result<usize>> {
    let length: usize = slices.iter().map(|slice| slice.len()).sum();
    loop {
        ready!(socket.poll_write_ready(cx))?;
        let sent = syscall(socket, Interest::WRITABLE, length, || {
            let flags = flags | SendFlags::NOSIGNAL;
            Ok(sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), flags)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

#[cfg(test)]
mod tests;
