//! Addresses that do not answer: one that refuses, one that swallows connection attempts.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;

/// A port of 127.0.0.1 that refuses connections for as long as this lives.
#[derive(Debug)]
pub(crate) struct Refused {
    address: SocketAddr,
    /// Bound but not listening, so that nobody else gets the port.
    _socket: TcpSocket,
}

impl Refused {
    /// Takes a port.
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port of the loopback interface");
        let address = socket.local_addr().expect("the socket is bound");
        Self { address, _socket: socket }
    }

    /// Where connections are refused.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An absolute URL there.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A port of 127.0.0.1 whose connection attempts are never answered: the queue of connections that
/// nobody accepts is full. Attempts hang until their own timeout.
#[derive(Debug)]
pub(crate) struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// Takes a port and fills its queue.
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port of the loopback interface");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("the listener is bound");
        let mut waiting = Vec::new();
        for _ in 0..16 {
            // The first attempt that hangs shows that the queue is full.
            let attempt = TcpStream::connect(address);
            match tokio::time::timeout(Duration::from_millis(100), attempt).await {
                Ok(stream) => waiting.push(stream.expect("a connection to the queue")),
                Err(_) => return Self { address, _listener: listener, _waiting: waiting },
            }
        }
        panic!("a queue of one took {} connections", waiting.len());
    }

    /// Where connection attempts hang.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An absolute URL there.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
