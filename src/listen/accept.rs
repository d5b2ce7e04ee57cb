//! The accept loop: nothing is accepted that could not be answered, errors are counted, backed off
//! and survived, and a full house still answers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;

use crate::flow::ClientIo;
use crate::flow::Control;
use crate::flow::Stream;
use crate::lifecycle::Entry;
use crate::lifecycle::Hurry;
use crate::lifecycle::Lanes;
use crate::lifecycle::Tally;
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
const REFUSALS: usize = 64;

/// The first and the longest wait after a failed accept (no descriptors, no memory).
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What a client beyond the limit is told, whatever it asks for; its request is not read.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
    Content-Length: 105\r\nRetry-After: 3\r\nCache-Control: no-store\r\n\
    Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"all connections are in use\"}\r\n";

/// How long a refused client's request is read and thrown away, so that our answer arrives.
const REFUSAL_LINGER: Duration = Duration::from_millis(250);

/// Places for client connections.
#[derive(Clone, Debug)]
pub struct Gate {
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    /// Connections of each address.
    addresses: Tally<IpAddr>,
    /// All places.
    all: usize,
    /// Places that one address may have once half of all are taken.
    per_address: usize,
}

/// A place of a connection; free again when dropped.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Entry<IpAddr>,
}

impl Gate {
    /// A gate for so many connections at a time. While half of them are free an address may have as
    /// many as it likes; from then on only `per_address`, so that no single one can take them all.
    #[must_use]
    pub fn new(connections: usize, per_address: usize) -> Self {
        let all = connections.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(all)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            addresses: Tally::default(),
            all,
            per_address,
        }
    }

    /// Waits until a connection can be served or at least refused. Cancel safe.
    async fn opens(&self) {
        // The permit is given back at once: what matters is that there is one. Where another
        // listener of the same gate takes the last one meanwhile, the client is told 503.
        tokio::select! {
            _ = self.places.acquire() => {}
            _ = self.refusals.acquire() => {}
        }
    }

    /// A place for a connection from `address`, if it may have one.
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let crowded = self.places.available_permits() < self.all / 2;
        let max = if crowded { self.per_address } else { usize::MAX };
        let counted = self.addresses.enter(address, max)?;
        Some(Place { _permit: permit, _counted: counted })
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
    /// Threads for connections that carry streams; without them connections stay on the runtime
    /// that accepts them.
    pub lanes: Option<Lanes>,
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
        let mut stopping = self.tasks.stopping();
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => return,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    backoff = BACKOFF.0;
                    self.metrics.accepted(self.port);
                    let (me, tls, serve) = (self.clone(), tls.clone(), serve.clone());
                    match self.gate.enter(peer.ip) {
                        Some(place) => self.hand_over(stream, |stream, hurry| async move {
                            let _place = place;
                            me.serve(stream, peer, hurry, tls, serve).await;
                        }),
                        None => self.refuse(stream, tls.is_some()),
                    }
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

    async fn accept(&self, listener: &Listener) -> io::Result<(Stream, Peer)> {
        self.gate.opens().await;
        listener.accept().await
    }

    /// Serves `stream` in a task of its own, on a lane where there are lanes.
    fn hand_over<F>(&self, stream: Stream, serve: impl FnOnce(Stream, Option<Hurry>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(place) = self.lanes.as_ref().and_then(Lanes::place) else {
            return self.tasks.spawn(Span::current(), Box::pin(serve(stream, None)));
        };
        let lane = place.lane();
        match stream.move_to(lane.runtime()) {
            Ok(stream) => {
                // Boxed, because a future that is moved into another is kept there twice.
                let serving = Box::pin(serve(stream, Some(lane.hurry())));
                self.tasks.spawn_on(lane.runtime(), Span::current(), async move {
                    serving.await;
                    drop(place);
                });
                lane.wake();
            }
            Err(error) => {
                self.metrics.accept_error();
                tracing::warn!(%error, "cannot hand a connection over; it is closed");
            }
        }
    }

    /// Tells a client that there is no room, in a task that lives for a moment; when there are too
    /// many of those the connection is just closed.
    fn refuse(&self, stream: Stream, secure: bool) {
        let Ok(refusal) = Arc::clone(&self.gate.refusals).try_acquire_owned() else {
            return;
        };
        if secure {
            // Without a handshake nothing can be said.
            return;
        }
        let control = Arc::new(Control::new(REFUSAL_LINGER));
        let mut io = ClientIo::new(stream, control);
        self.tasks.spawn(Span::current(), async move {
            let _refusal = refusal;
            let told = async {
                io.write_all(REFUSAL).await?;
                io.shutdown().await?;
                let mut scratch = [0; 1024];
                while io.read(&mut scratch).await? > 0 {}
                io::Result::Ok(())
            };
            if let Ok(Err(error)) = tokio::time::timeout(REFUSAL_LINGER, told).await {
                tracing::debug!(%error, "a refused client did not listen");
            }
        });
    }

    async fn serve<F, S>(
        &self,
        stream: Stream,
        peer: Peer,
        hurry: Option<Hurry>,
        tls: Option<Tls>,
        serve: S,
    ) where
        S: Fn(Accepted) -> F,
        F: Future<Output = ()>,
    {
        let _counted = Presence::enter(self.metrics.connections(self.port));
        let secure = tls.is_some();
        // A handshake is all round trips; the first request says anew.
        let hurry = hurry.inspect(|hurry| hurry.set(secure));
        let stream = match (stream, tls) {
            (Stream::Tcp(stream), Some(tls)) => match tls.accept(stream).await {
                Ok(stream) => Stream::Tls(Box::new(stream)),
                Err(error) => return tracing::debug!(%error, "no TLS handshake"),
            },
            (stream, _) => stream,
        };
        let hurry = hurry.inspect(|hurry| hurry.set(false));
        let control = Arc::new(Control::new(self.patience).with_hurry(hurry));
        let io = ClientIo::new(stream, Arc::clone(&control));
        let info = Arc::new(ConnectionInfo { peer, tls: secure, control });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_one_whole_answer() {
        let text = String::from_utf8(REFUSAL.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let gate = Gate::new(10, 2);
        let (a, b) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut held: Vec<_> = (0..10).filter_map(|_| gate.enter(a)).collect();
        assert_eq!(held.len(), 5, "half of them, then no more");
        let others: Vec<_> = (0..5).filter_map(|_| gate.enter(b)).collect();
        assert_eq!(others.len(), 2);
        held.clear();
        drop(others);
        assert!(gate.enter(a).is_some());
        assert!(gate.addresses.is_empty());
    }
}
