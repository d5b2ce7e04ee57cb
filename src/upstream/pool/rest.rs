//! A connection that nobody uses: open, and with nothing unread as far as anybody knows.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Waker};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::upstream::connect::Transport;

/// A transport at rest. It may be used again on another thread than the one that it was used on: a
/// lane looks only for the events of its own sockets, so its socket changes over.
#[derive(Debug)]
pub(crate) enum Resting {
    /// Plain TCP, known to no runtime.
    Tcp(std::net::TcpStream),
    /// TLS, whose socket stays with the runtime that it was used on.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Resting {
    /// Lays `transport` to rest.
    pub(crate) fn new(transport: Transport) -> io::Result<Self> {
        Ok(match transport {
            Transport::Tcp(socket) => Self::Tcp(socket.into_std()?),
            Transport::Tls(stream) => Self::Tls(stream),
        })
    }

    /// Whether its source has sent nothing and has not closed it. A source has nothing to say on an
    /// idle connection, so one that can be read is closed, broken or out of step (RFC 9112 sections
    /// 9.3 and 9.5).
    pub(crate) fn is_quiet(&mut self) -> bool {
        match self {
            Self::Tcp(socket) => has_nothing(&*socket),
            Self::Tls(stream) => {
                // What TLS says to itself (session tickets, RFC 8446 section 4.6.1) is taken in.
                let mut byte = [0];
                let mut cx = Context::from_waker(Waker::noop());
                let read = Pin::new(&mut **stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte));
                read.is_pending() && has_nothing(stream.get_ref().0)
            }
        }
    }

    /// Takes it up again, on the runtime of the caller. Call it inside one.
    pub(crate) fn wake(self) -> io::Result<Transport> {
        Ok(match self {
            Self::Tcp(socket) => Transport::Tcp(TcpStream::from_std(socket)?),
            Self::Tls(mut stream) => {
                let socket = &mut *stream.get_mut().0;
                // The stream cannot be taken apart, so its socket is changed for a duplicate.
                let duplicate = socket.as_fd().try_clone_to_owned()?;
                *socket = TcpStream::from_std(duplicate.into())?;
                Transport::Tls(stream)
            }
        })
    }
}

/// Whether the kernel has neither bytes nor an end nor an error for `socket`.
fn has_nothing(socket: impl AsFd) -> bool {
    let mut byte = [0];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(recv(socket, &mut byte, flags), Err(Errno::AGAIN))
}
