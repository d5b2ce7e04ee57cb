//! One TCP connection to the first address that answers (RFC 8305, happy eyeballs), and TLS on it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::client::TlsStream;

use crate::upstream::Error;

/// How long the next address waits for the one before it (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long an address has to itself where only one may be tried at a time.
const ATTEMPT_ALONE: Duration = Duration::from_millis(1500);

/// Whether several addresses of a source may be tried at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Race {
    /// Whichever answers first wins.
    Allowed,
    /// The source counts connections: two that are made at once would be one too many.
    Never,
}

/// The bytes' way to a source.
#[derive(Debug)]
pub enum Transport {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to the first of `addresses` that answers; the others are dropped. The caller sets the
/// deadline around it. Cancel safe: every attempt is closed when dropped.
///
/// # Errors
/// [`Error::Refused`] when all refuse, else the last reason.
pub async fn connect(addresses: &[SocketAddr], race: Race) -> Result<TcpStream, Error> {
    let patience = match race {
        Race::Allowed => ATTEMPT_DELAY,
        Race::Never => ATTEMPT_ALONE,
    };
    let mut left = addresses.iter().copied();
    let mut attempts: Vec<Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>> = Vec::new();
    let mut delay: Option<Pin<Box<Sleep>>> = None;
    let mut last = None;
    poll_fn(move |cx| {
        loop {
            let due = delay.as_mut().is_none_or(|delay| delay.as_mut().poll(cx).is_ready());
            if (due || attempts.is_empty())
                && let Some(address) = left.next()
            {
                if race == Race::Never {
                    // Given up before the next begins.
                    attempts.clear();
                }
                attempts.push(Box::pin(TcpStream::connect(address)));
                delay = Some(Box::pin(sleep(patience)));
                continue;
            }
            let before = attempts.len();
            let mut connected = None;
            attempts.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    connected = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    last = Some(error);
                    false
                }
            });
            if let Some(stream) = connected {
                return Poll::Ready(Ok(stream));
            }
            if attempts.is_empty() && left.len() == 0 {
                return Poll::Ready(Err(failure(last.take())));
            }
            if attempts.len() == before {
                return Poll::Pending;
            }
            // One has failed: the next address need not wait.
            delay = None;
        }
    })
    .await
}

/// Options of a connection to a source: no delay for requests, and keep-alive, so that a peer that
/// vanished while nobody waits for it (a paused film) is noticed.
pub fn set_options(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    let set =
        stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "cannot set an upstream connection's options");
    }
}

fn failure(error: Option<io::Error>) -> Error {
    let Some(error) = error else {
        return Error::Resolve("no address");
    };
    let ours = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::ADDRNOTAVAIL];
    if Errno::from_io_error(&error).is_some_and(|errno| ours.contains(&errno)) {
        return Error::NoResources;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::Refused,
        kind => Error::Unreachable(kind),
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_address_that_answers_wins() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bad = closed.local_addr().unwrap();
        drop(closed);
        for race in [Race::Allowed, Race::Never] {
            let stream = connect(&[bad, good], race).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good);
            assert!(matches!(connect(&[bad], race).await, Err(Error::Refused)));
            assert!(matches!(connect(&[], race).await, Err(Error::Resolve(_))));
        }
    }

    #[tokio::test]
    async fn two_addresses_of_a_source_that_counts_are_never_tried_at_once() {
        // A full backlog leaves the first connect hanging, as a black hole does.
        let full = tokio::net::TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let mut fill = Vec::new();
        for _ in 0..4 {
            let filling =
                tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(silent));
            fill.push(filling.await);
        }
        assert!(fill.iter().any(Result::is_err), "the backlog is full");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let stream = connect(&[silent, good], Race::Never).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }
}
