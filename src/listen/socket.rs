//! One bound listener, TCP or Unix, and the options its connections get.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::config::Bind;
use crate::flow::Stream;

/// Connections the kernel holds for us between two calls of accept.
const BACKLOG: i32 = 1024;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address; a Unix socket's peer counts as loopback.
    pub ip: IpAddr,
    /// Where the client reached us; `None` on a Unix socket.
    pub local: Option<SocketAddr>,
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP, IPv4 or IPv6.
    Tcp(TcpListener),
    /// A Unix socket; the path is removed when the listener is dropped, unless it was handed over.
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    /// Binds `place`. A Unix socket file left by a dead process is replaced, a living one is not.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(place: &Bind) -> io::Result<Self> {
        match place {
            Bind::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            Bind::Unix(path) => {
                remove_dead_socket(path)?;
                Ok(Self::Unix(UnixListener::bind(path)?, Some(path.clone())))
            }
        }
    }

    /// The TCP address that was bound, port 0 resolved.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// The next connection, its options set. Cancel safe.
    ///
    /// # Errors
    /// What the kernel says; see [`super::accept`] for what is survived.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                set_options(&stream);
                let local = stream.local_addr().ok();
                Ok((Stream::Tcp(stream), Peer { ip: peer.ip().to_canonical(), local }))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
                Ok((Stream::Unix(stream), Peer { ip, local: None }))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("tcp"),
            },
            Self::Unix(listener, _) => match listener.local_addr() {
                Ok(address) => {
                    write!(f, "unix:{}", address.as_pathname().unwrap_or(Path::new("")).display())
                }
                Err(_) => f.write_str("unix"),
            },
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "cannot remove the socket file");
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the last one's connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` is every address, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Bytes that may wait in the kernel beyond those on their way to the client. Without it a socket
/// whose buffer has grown to megabytes takes no byte until a third of it has drained, and a client
/// that reads slowly would look like one that reads nothing.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 128 * 1024;

/// No delay for the short packets of heads and chunks; keep-alive so that a client that vanished
/// without a word while nothing was sent is noticed within two minutes; a short queue of what is not
/// sent yet.
fn set_options(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    let socket = SockRef::from(stream);
    let set = stream.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_MAX));
    if let Err(error) = set {
        // The client has gone already; reading will say so.
        tracing::debug!(%error, "cannot set a connection's options");
    }
}

fn remove_dead_socket(path: &Path) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is there",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(error) => Err(error),
    }
}
