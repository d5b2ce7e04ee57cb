//! The accept loop: a place is taken before a connection is, errors are counted, backed off and
//! survived, and a full house still answers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::flow::ClientIo;
use crate::flow::Control;
use crate::flow::Stream;
use crate::lifecycle::Tasks;
use crate::listen::connection::ConnectionInfo;
use crate::listen::socket::Listener;
use crate::listen::socket::Peer;
use crate::listen::tls::Tls;
use crate::metrics::Metrics;
use crate::metrics::Port;
use crate::metrics::Presence;

/// Connections taken beyond the limit at one time, only to be told 503. When these are in use too,
/// accepting waits and the kernel's queue holds the rest.
const REFUSALS: usize = 16;

/// The first and the longest wait after a failed accept (no descriptors, no memory).
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Places for client connections.
#[derive(Clone, Debug)]
pub struct Gate {
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Gate {
    /// A gate for so many connections at a time.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let places = connections.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        }
    }

    /// Takes a place, or one of the few for telling a client that there is none. Cancel safe.
    async fn enter(&self) -> (OwnedSemaphorePermit, bool) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return (place, false);
        }
        let taken = tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => (place, false),
            refusal = Arc::clone(&self.refusals).acquire_owned() => (refusal, true),
        };
        match taken {
            (Ok(permit), over_limit) => (permit, over_limit),
            // The semaphores are never closed; if one were, nothing more is accepted.
            (Err(_), _) => std::future::pending().await,
        }
    }
}

/// One connection, ready to be served.
#[derive(Debug)]
pub struct Accepted {
    /// The transport, handshake done.
    pub io: ClientIo,
    /// What the handler may know of it.
    pub info: Arc<ConnectionInfo>,
}

/// What every accept loop of a program shares.
#[derive(Clone, Debug)]
pub struct Acceptor {
    /// Where connections' tasks are spawned.
    pub tasks: Tasks,
    /// Places for connections.
    pub gate: Gate,
    /// Counts connections and errors.
    pub metrics: Arc<Metrics>,
    /// Which listener this is.
    pub port: Port,
    /// How long a write may wait until a handler says otherwise.
    pub patience: Duration,
}

impl Acceptor {
    /// Accepts on `listener` until the program drains, handing each connection to `serve` in a
    /// task of its own.
    pub async fn run<F, S>(self, listener: Listener, tls: Option<Tls>, serve: S)
    where
        S: Fn(Accepted) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut backoff = BACKOFF.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.tasks.stopping() => return,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((place, over_limit, stream, peer)) => {
                    backoff = BACKOFF.0;
                    let (me, tls, serve) = (self.clone(), tls.clone(), serve.clone());
                    self.tasks.spawn(tracing::Span::current(), async move {
                        let _place = place;
                        me.serve(stream, peer, over_limit, tls, serve).await;
                    });
                }
                Err(error) if is_of_the_connection(&error) => self.metrics.accept_error(),
                Err(error) => {
                    self.metrics.accept_error();
                    tracing::warn!(%error, listener = self.port.word(), "cannot accept; running streams go on");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    async fn accept(
        &self,
        listener: &Listener,
    ) -> io::Result<(OwnedSemaphorePermit, bool, Stream, Peer)> {
        let (place, over_limit) = self.gate.enter().await;
        let (stream, peer) = listener.accept().await?;
        Ok((place, over_limit, stream, peer))
    }

    async fn serve<F, S>(
        &self,
        stream: Stream,
        peer: Peer,
        over_limit: bool,
        tls: Option<Tls>,
        serve: S,
    ) where
        S: Fn(Accepted) -> F,
        F: Future<Output = ()>,
    {
        let _counted = Presence::enter(self.metrics.connections(self.port));
        let secure = tls.is_some();
        let stream = match (stream, tls) {
            (Stream::Tcp(stream), Some(tls)) => match tls.accept(stream).await {
                Ok(stream) => Stream::Tls(Box::new(stream)),
                Err(error) => return tracing::debug!(%error, "no TLS handshake"),
            },
            (stream, _) => stream,
        };
        let control = Arc::new(Control::new(self.patience));
        let io = ClientIo::new(stream, Arc::clone(&control));
        let info = Arc::new(ConnectionInfo { peer, tls: secure, over_limit, control });
        serve(Accepted { io, info }).await;
    }
}

/// Errors that concern one connection that went away while it waited: the next may be fine at once.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
    )
}
