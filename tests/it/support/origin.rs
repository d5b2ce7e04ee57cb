//! A scripted HTTP origin over a raw socket. Every request head is recorded as it came; a function
//! of the request chooses the [`Script`] that answers it, byte by byte, fault by fault. The origin
//! knows how many connections are open, how many were at most, and when and how each was left.
//!
//! ```ignore
//! let origin = Origin::start(|request| match (request.path(), request.attempt) {
//!     ("/live.ts", 1) => Script::live(Feed::live(&TsPattern::new(1)).packets(500)).reset(),
//!     ("/live.ts", _) => Script::live(&TsPattern::new(2)),
//!     _ => Script::error("404 Not Found"),
//! })
//! .await;
//! ...
//! let left = origin.closed(2).await;
//! ```

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::eventually::DEADLINE;
use book::Book;
use serve::Plan;

mod book;
mod faults;
mod feed;
mod request;
mod script;
mod serve;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use book::Connection;
pub(crate) use faults::BlackHole;
pub(crate) use faults::Refused;
pub(crate) use feed::Clock;
pub(crate) use feed::Feed;
pub(crate) use request::Recorded;
pub(crate) use script::Chunks;
pub(crate) use script::Script;

/// A running origin on a port of the loopback interface. Dropping it closes the port and every
/// connection.
#[derive(Debug)]
pub(crate) struct Origin {
    address: SocketAddr,
    scheme: &'static str,
    book: Arc<Book>,
    accepting: JoinHandle<()>,
}

/// An origin before it starts, for the rarer wishes.
#[derive(Clone)]
pub(crate) struct OriginBuilder {
    ip: IpAddr,
    tls: Option<Arc<ServerConfig>>,
    send_buffer: Option<u32>,
}

impl Origin {
    /// Starts an origin whose `script` answers each request.
    pub(crate) async fn start(
        script: impl Fn(&Recorded) -> Script + Send + Sync + 'static,
    ) -> Self {
        Self::builder().start(script).await
    }

    /// As [`Origin::start`], with TLS.
    pub(crate) async fn start_tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&Recorded) -> Script + Send + Sync + 'static,
    ) -> Self {
        Self::builder().tls(config).start(script).await
    }

    /// An origin that plays `pattern` for ever in real time, whatever is asked.
    pub(crate) async fn live(pattern: super::ts::TsPattern) -> Self {
        Self::start(move |_| Script::live(&pattern)).await
    }

    /// An origin with options.
    pub(crate) fn builder() -> OriginBuilder {
        OriginBuilder { ip: Ipv4Addr::LOCALHOST.into(), tls: None, send_buffer: None }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address and port, as in a URL.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The absolute URL of `path`, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The absolute URL of `path` with `user_info@` before the host.
    pub(crate) fn url_as(&self, user_info: &str, path: &str) -> String {
        format!("{}://{user_info}@{}{path}", self.scheme, self.address)
    }

    /// The requests so far, in the order in which their heads were complete.
    pub(crate) fn seen(&self) -> Vec<Recorded> {
        self.book.requests()
    }

    /// The connections so far, in the order in which they were accepted.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.book.connections()
    }

    /// Connections accepted so far.
    pub(crate) fn total(&self) -> usize {
        self.book.total()
    }

    /// Connections open at this moment: neither left by the peer nor closed by the script.
    pub(crate) fn open(&self) -> usize {
        self.book.open_now()
    }

    /// The most connections that were open at once. Exact: before a connection is counted, the
    /// others are asked whether their peer has left.
    pub(crate) fn open_max(&self) -> usize {
        self.book.open_max()
    }

    /// Bytes written on all connections, heads and framing included.
    pub(crate) fn written(&self) -> u64 {
        self.book.written()
    }

    /// Waits until `count` requests were seen, and returns all of them.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Recorded> {
        let what = format!("{count} requests at the origin");
        self.wait_for(&what, |origin| (origin.book.requests_total() >= count).then_some(())).await;
        self.seen()
    }

    /// Waits until `count` connections were accepted, and returns all of them.
    pub(crate) async fn accepted(&self, count: usize) -> Vec<Connection> {
        let what = format!("{count} connections to the origin");
        self.wait_for(&what, |origin| (origin.total() >= count).then_some(())).await;
        self.connections()
    }

    /// Waits until the peer has left `count` connections, and returns all that it has left, in the
    /// order in which it did.
    pub(crate) async fn closed(&self, count: usize) -> Vec<Connection> {
        let what = format!("{count} connections left by their peer");
        self.wait_for(&what, |origin| (origin.book.left_total() >= count).then_some(())).await;
        let mut left = self.connections();
        left.retain(|connection| connection.left.is_some());
        left.sort_by_key(|connection| connection.left.map(|(at, _)| at));
        left
    }

    /// Waits until no connection is open.
    pub(crate) async fn idle(&self) {
        self.wait_for("no open connection at the origin", |origin| {
            (origin.open() == 0).then_some(())
        })
        .await;
    }

    /// Waits until `look` gives a value; it is asked again after every event at the origin.
    ///
    /// # Panics
    /// After [`DEADLINE`], naming `what` and what was seen, or if a script panicked meanwhile.
    pub(crate) async fn wait_for<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let mut changes = self.book.changes();
        let looking = async {
            loop {
                changes.borrow_and_update();
                self.book.assert_sound();
                if let Some(found) = look(self) {
                    return found;
                }
                changes.changed().await.expect("the book outlives its origin");
            }
        };
        match tokio::time::timeout(DEADLINE, looking).await {
            Ok(found) => found,
            Err(_) => panic!("not within {DEADLINE:?}: {what}\nseen: {:?}", self.book),
        }
    }

    /// Fails the test unless each connection brought one well-formed request and not a byte more:
    /// nothing was smuggled through.
    ///
    /// # Panics
    /// With the first connection that did not.
    pub(crate) fn assert_one_request_each(&self) {
        let requests = self.seen();
        requests.iter().for_each(Recorded::assert_well_formed);
        for connection in self.connections() {
            let head = requests.iter().find(|request| request.connection == connection.number);
            let head = head.map_or(&[][..], |request| &request.head);
            let received = connection.received.escape_ascii();
            assert!(connection.received == head, "{}: {received}", connection.number);
        }
    }

    /// Stops listening, so that connections are refused from now on; open ones play on.
    pub(crate) async fn refuse(&mut self) {
        self.accepting.abort();
        // Err is the cancellation asked for.
        (&mut self.accepting).await.err();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
        self.book.stop();
    }
}

impl OriginBuilder {
    /// Listens on another loopback address: 127.0.0.2, ::1.
    pub(crate) fn on(mut self, ip: impl Into<IpAddr>) -> Self {
        self.ip = ip.into();
        self
    }

    /// Serves TLS.
    pub(crate) fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Sets SO_SNDBUF of accepted connections, so that a stalled reader is felt sooner.
    pub(crate) fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Starts: `script` answers each request.
    pub(crate) async fn start(
        self,
        script: impl Fn(&Recorded) -> Script + Send + Sync + 'static,
    ) -> Origin {
        self.run(Plan::AfterHead(Arc::new(script)))
    }

    /// Starts with a script for each connection, by its number from 1, that plays before (and
    /// whatever) the client sends.
    pub(crate) async fn start_at_accept(
        self,
        script: impl Fn(usize) -> Script + Send + Sync + 'static,
    ) -> Origin {
        self.run(Plan::AtAccept(Arc::new(script)))
    }

    #[expect(clippy::disallowed_methods, reason = "a double has no tasks of the product's")]
    fn run(self, plan: Plan) -> Origin {
        let listener = self.listen().expect("a port of the loopback interface");
        let address = listener.local_addr().expect("the listener is bound");
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let book = Arc::new(Book::new());
        let tls = self.tls.map(TlsAcceptor::from);
        let accepting = tokio::spawn(serve::accept(listener, tls, plan, Arc::clone(&book)));
        Origin { address, scheme, book, accepting }
    }

    fn listen(&self) -> std::io::Result<TcpListener> {
        let socket = if self.ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind((self.ip, 0).into())?;
        socket.listen(1024)
    }
}
