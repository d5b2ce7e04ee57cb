//! The stream under a test double: plain TCP or TLS over it, with the socket still in reach for a
//! reset, and the way the other side went away.

use std::io;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// A byte stream over one TCP connection.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The socket beneath.
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl Wire for tokio_rustls::client::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl<W: Wire + ?Sized> Wire for Box<W> {
    fn tcp(&self) -> &TcpStream {
        (**self).tcp()
    }
}

/// How the other side ended its direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// An orderly end: FIN, with or without TLS close_notify.
    Fin,
    /// A reset.
    Rst,
}

impl Parting {
    /// What an error of a read or write says about the other side; None where it says nothing.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            // rustls: the TCP connection ended without close_notify. Linux: an RST after a FIN shows
            // as EPIPE, one without as ECONNRESET.
            UnexpectedEof | BrokenPipe => Some(Self::Fin),
            ConnectionReset | ConnectionAborted => Some(Self::Rst),
            _ => None,
        }
    }
}

/// Drops `wire` with an RST in place of a FIN (SO_LINGER 0), whatever is still unsent.
pub(crate) fn reset(wire: impl Wire) {
    // An error means that the connection is already gone.
    wire.tcp().set_zero_linger().ok();
    drop(wire);
}
