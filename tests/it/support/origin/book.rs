//! What an origin knows about its connections, shared by the tasks that serve them and the test
//! that asks.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::net::TcpStream as StdStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::request::Recorded;
use crate::support::wire::Parting;

#[cfg(test)]
mod tests;

/// Received bytes kept of each connection; all are counted.
const RECEIVED_MAX: usize = 1 << 20;
/// Connections and requests kept.
const RECORDS_MAX: usize = 100_000;
/// With more connections open than this they are only asked when the count would reach a new high.
const ASK_ALWAYS_MAX: usize = 256;

/// What is known of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Its place in the order of acceptance, from 1.
    pub(crate) number: usize,
    /// The other side's address.
    pub(crate) peer: SocketAddr,
    /// When it was accepted.
    pub(crate) accepted: Instant,
    /// The server name of the TLS client hello.
    pub(crate) server_name: Option<String>,
    /// The TLS handshake failed, with this error.
    pub(crate) handshake_error: Option<String>,
    /// Everything the peer sent (after TLS), heads included; at most 1 MiB is kept.
    pub(crate) received: Vec<u8>,
    /// How much the peer sent.
    pub(crate) received_bytes: u64,
    /// Requests on it.
    pub(crate) requests: usize,
    /// Bytes written to it, heads and framing included.
    pub(crate) written: u64,
    /// When the peer was seen to leave, and how.
    pub(crate) left: Option<(Instant, Parting)>,
    /// When the script closed or reset it.
    pub(crate) ended: Option<Instant>,
    /// The script gave the reader up because it took nothing for too long.
    pub(crate) given_up: bool,
}

impl Connection {
    /// Neither side has ended it.
    pub(crate) fn is_open(&self) -> bool {
        self.left.is_none() && self.ended.is_none()
    }
}

/// See the module.
pub(super) struct Book {
    pages: Mutex<Pages>,
    changed: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
}

#[derive(Default)]
struct Pages {
    connections: Vec<Connection>,
    /// A second descriptor of each open socket, to ask whether its peer has left. It must be gone
    /// before the socket is dropped, else dropping does not close it.
    probes: HashMap<usize, StdStream>,
    requests: Vec<Recorded>,
    attempts: HashMap<String, usize>,
    open_max: usize,
    /// A script panicked with this.
    panicked: Option<String>,
}

impl Book {
    pub(super) fn new() -> Self {
        let (changed, stopped) = (watch::Sender::new(0), watch::Sender::new(false));
        Self { pages: Mutex::default(), changed, stopped }
    }

    /// Ends every task that serves a connection.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Returns when the origin is dropped.
    pub(super) async fn stopped(&self) {
        self.stopped.subscribe().wait_for(|stopped| *stopped).await.expect("the book is alive");
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.pages().requests.clone()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.pages().connections.clone()
    }

    pub(super) fn requests_total(&self) -> usize {
        self.pages().requests.len()
    }

    /// Connections that their peer has left.
    pub(super) fn left_total(&self) -> usize {
        let pages = self.pages();
        pages.connections.iter().filter(|connection| connection.left.is_some()).count()
    }

    pub(super) fn total(&self) -> usize {
        self.pages().connections.len()
    }

    pub(super) fn open_now(&self) -> usize {
        let mut pages = self.pages();
        pages.ask();
        pages.probes.len()
    }

    pub(super) fn open_max(&self) -> usize {
        self.pages().open_max
    }

    pub(super) fn written(&self) -> u64 {
        self.pages().connections.iter().map(|connection| connection.written).sum()
    }

    /// # Panics
    /// If a script has panicked, or too much happened to be recorded.
    pub(super) fn assert_sound(&self) {
        let pages = self.pages();
        let full = pages.connections.len().max(pages.requests.len()) >= RECORDS_MAX;
        assert!(!full, "more than {RECORDS_MAX} connections or requests");
        let panicked = pages.panicked.clone();
        drop(pages);
        assert!(panicked.is_none(), "the script of an origin panicked: {panicked:?}");
    }

    /// Enters an accepted connection and returns its number; None if the book is full.
    pub(super) fn accepted(&self, stream: &TcpStream, peer: SocketAddr) -> Option<usize> {
        let probe = stream.as_fd().try_clone_to_owned().map(StdStream::from).ok()?;
        let mut pages = self.pages();
        if pages.connections.len() >= RECORDS_MAX {
            return None;
        }
        if pages.probes.len() < ASK_ALWAYS_MAX || pages.probes.len() + 1 > pages.open_max {
            pages.ask();
        }
        let number = pages.connections.len() + 1;
        pages.connections.push(Connection {
            number,
            peer,
            accepted: Instant::now(),
            server_name: None,
            handshake_error: None,
            received: Vec::new(),
            received_bytes: 0,
            requests: 0,
            written: 0,
            left: None,
            ended: None,
            given_up: false,
        });
        pages.probes.insert(number, probe);
        pages.open_max = pages.open_max.max(pages.probes.len());
        drop(pages);
        self.turned();
        Some(number)
    }

    /// Whether a peer may have left behind bytes that nobody has read yet, so that it cannot be
    /// asked.
    pub(super) fn has_unread(&self) -> bool {
        let mut pages = self.pages();
        pages.probes.len() < ASK_ALWAYS_MAX && pages.ask()
    }

    /// Enters a request and returns it; None if the book is full.
    pub(super) fn request(
        &self,
        number: usize,
        head: Arc<[u8]>,
        first_read: usize,
    ) -> Option<Recorded> {
        let mut pages = self.pages();
        if pages.requests.len() >= RECORDS_MAX {
            return None;
        }
        if pages.probes.len() < ASK_ALWAYS_MAX {
            pages.ask();
        }
        let mut open: Vec<usize> = pages.probes.keys().copied().collect();
        open.sort_unstable();
        let connection = &mut pages.connections[number - 1];
        connection.requests += 1;
        let mut request = Recorded {
            head,
            attempt: 0,
            number: 0,
            connection: number,
            peer: connection.peer,
            accepted: connection.accepted,
            at: Instant::now(),
            first_read,
            open: open.into(),
        };
        let attempt = pages.attempts.entry(request.path().to_owned()).or_default();
        *attempt += 1;
        request.attempt = *attempt;
        request.number = pages.requests.len() + 1;
        pages.requests.push(request.clone());
        drop(pages);
        self.turned();
        Some(request)
    }

    /// The peer has left. What is known already stands.
    pub(super) fn left(&self, number: usize, how: Parting) {
        self.with(number, |connection| {
            connection.left.get_or_insert((Instant::now(), how));
        });
        self.closing(number);
    }

    /// The script is about to close or reset the connection.
    pub(super) fn ended(&self, number: usize) {
        self.with(number, |connection| {
            connection.ended.get_or_insert_with(Instant::now);
        });
        self.closing(number);
    }

    /// Gives up the second descriptor of a connection.
    pub(super) fn closing(&self, number: usize) {
        self.pages().probes.remove(&number);
        self.turned();
    }

    pub(super) fn received(&self, number: usize, bytes: &[u8]) {
        self.with(number, |connection| {
            let room = RECEIVED_MAX - connection.received.len();
            connection.received.extend(bytes.iter().take(room));
            connection.received_bytes += bytes.len() as u64;
        });
    }

    /// Changes what is known of a connection.
    pub(super) fn with(&self, number: usize, change: impl FnOnce(&mut Connection)) {
        change(&mut self.pages().connections[number - 1]);
        self.turned();
    }

    pub(super) fn panicked(&self, what: String) {
        self.pages().panicked.get_or_insert(what);
        self.turned();
    }

    fn turned(&self) {
        self.changed.send_modify(|turn| *turn += 1);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A panic elsewhere while the book was open leaves it readable.
        self.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Pages {
    /// Asks the kernel about every open connection: a FIN or RST may have arrived although the task
    /// that reads from it has not run yet. Returns whether unread bytes hide the answer of one.
    fn ask(&mut self) -> bool {
        let mut unread = false;
        let mut left = Vec::new();
        for (number, probe) in &self.probes {
            let mut byte = [0];
            let how = match probe.peek(&mut byte) {
                Ok(0) => Some(Parting::Fin),
                Ok(_) => {
                    unread = true;
                    None
                }
                // Asking takes the error from the socket, so this is the moment to note it.
                Err(error) => Parting::of(&error),
            };
            left.extend(how.map(|how| (*number, how)));
        }
        for (number, how) in left {
            self.probes.remove(&number);
            self.connections[number - 1].left.get_or_insert((Instant::now(), how));
        }
        unread
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.pages();
        let Pages { connections, probes, requests, open_max, panicked, .. } = &*pages;
        write!(f, "{} connections, {} open, {open_max} at most", connections.len(), probes.len())?;
        if let Some(panicked) = panicked {
            write!(f, ", script panicked: {panicked}")?;
        }
        requests.iter().rev().take(20).try_for_each(|request| write!(f, "\n  {request:?}"))
    }
}
