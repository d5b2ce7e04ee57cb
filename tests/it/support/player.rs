//! A player over a raw socket: it sends exactly the text it is given and reads status line, fields
//! and body as they come, by their framing. It can stop reading, leave with a FIN or a reset, and
//! says how a body ended.
//!
//! ```ignore
//! let (mut player, head) = Player::ask(weir, &presets::vlc(weir, "/stream/orf1")).await;
//! assert_eq!(head.status, 200);
//! let bytes = player.read_exact_body(188 * 1000).await;
//! player.reset();
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::eventually::within;
use super::wire;
use super::wire::Parting;
use super::wire::Wire;
use message::Deframer;
use message::Piece;

pub(crate) mod enigma2;
pub(crate) mod message;
pub(crate) mod presets;
#[cfg(test)]
mod tests;

pub(crate) use message::Answer;
pub(crate) use message::Body;
pub(crate) use message::Ending;
pub(crate) use message::Head;
pub(crate) use message::NoAnswer;
pub(crate) use message::Times;

/// The longest head that a player reads.
const HEAD_MAX: usize = 1 << 20;
/// The longest body that [`Player::read_to_end`] collects.
const BODY_MAX: usize = 256 << 20;
/// Bytes of one read, which also bounds what waits in the player: a player who does not read leaves
/// the rest to the kernel.
const READ: usize = 64 * 1024;

/// One connection of a player.
pub(crate) struct Player {
    wire: Box<dyn Wire>,
    /// Where reads go first.
    scratch: Box<[u8]>,
    /// Read but not yet taken.
    buffer: Vec<u8>,
    parting: Option<Parting>,
    /// Methods of the requests sent, oldest unanswered first.
    methods: VecDeque<String>,
    body: Deframer,
    /// What was asked for last, for messages.
    asked: String,
    times: Times,
}

/// Connecting and asking.
impl Player {
    /// Connects.
    ///
    /// # Panics
    /// If nothing listens there.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects, or says why not.
    pub(crate) async fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::on(within("a connection", TcpStream::connect(address)).await?))
    }

    /// Connects with a small SO_RCVBUF (the kernel doubles it), so that a player who stops reading
    /// is felt soon.
    pub(crate) async fn connect_narrow(address: SocketAddr, receive_buffer: u32) -> Self {
        let connect = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(receive_buffer)?;
            socket.connect(address).await
        };
        let stream = within("a connection", connect).await;
        Self::on(stream.unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// Connects with TLS, for the server name `name`.
    pub(crate) async fn try_connect_tls(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let tcp = within("a connection", TcpStream::connect(address)).await?;
        tcp.set_nodelay(true)?;
        let connector = TlsConnector::from(config);
        Ok(Self::on(within("a TLS handshake", connector.connect(name, tcp)).await?))
    }

    /// Connects, sends `request` and reads the head of the answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub(crate) async fn ask(address: SocketAddr, request: &str) -> (Self, Head) {
        let mut player = Self::connect(address).await;
        player.send(request).await;
        let head = player.head().await;
        (player, head)
    }

    /// Connects, sends `request` and reads the whole answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub(crate) async fn fetch(address: SocketAddr, request: &str) -> Answer {
        let (mut player, head) = Self::ask(address, request).await;
        Answer { head, body: player.read_to_end().await }
    }

    /// `GET target` by HTTP/1.1 with `Connection: close`: the whole answer.
    pub(crate) async fn get(address: SocketAddr, target: &str) -> Answer {
        Self::fetch(address, &presets::get(address, target)).await
    }

    /// As [`Player::get`], from a player that calls itself `user_agent`: another viewer.
    pub(crate) async fn get_as(address: SocketAddr, target: &str, user_agent: &str) -> Answer {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {user_agent}\r\nConnection: close\r\n\r\n"
        );
        Self::fetch(address, &request).await
    }

    /// Sends bytes as they are. A write that fails shows when the answer is read.
    pub(crate) async fn send(&mut self, request: impl AsRef<[u8]>) {
        self.note_request(request.as_ref());
        self.write(request.as_ref()).await;
    }

    /// Sends bytes one at a time with `pause` between them; stops early if the other side has left.
    pub(crate) async fn send_slowly(&mut self, request: impl AsRef<[u8]>, pause: Duration) {
        self.note_request(request.as_ref());
        for byte in request.as_ref() {
            if !self.write(&[*byte]).await {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// When things happened.
    pub(crate) fn times(&self) -> Times {
        self.times
    }

    /// Its own address, as the other side sees it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.wire.tcp().local_addr().expect("the socket is connected")
    }
}

/// Reading.
impl Player {
    /// Reads the head of the next answer, passing over 1xx.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) async fn head(&mut self) -> Head {
        match self.try_head().await {
            Ok(head) => head,
            Err(why) => panic!("no answer to {:?}: {why:?}", self.asked),
        }
    }

    /// Reads the head of the next answer, passing over 1xx, or says why there is none.
    ///
    /// # Panics
    /// If the body before it was not read to its end, or nothing comes before the deadline.
    pub(crate) async fn try_head(&mut self) -> Result<Head, NoAnswer> {
        assert!(self.body.is_done(), "the body of the last answer is not read to its end");
        let mut interim = Vec::new();
        loop {
            let raw = self.raw_head().await?;
            let mut head = Head::parse(raw).map_err(NoAnswer::Malformed)?;
            // RFC 9110 15.2; 101 would be a last answer.
            if (100..200).contains(&head.status) && head.status != 101 {
                interim.push(head);
                continue;
            }
            head.interim = interim;
            let method = self.methods.pop_front().unwrap_or_default();
            self.body = Deframer::new(&head, &method).map_err(NoAnswer::Malformed)?;
            self.times.head = Some(Instant::now());
            (self.times.first_byte, self.times.last_byte) = (None, None);
            self.times.longest_gap = Duration::ZERO;
            return Ok(head);
        }
    }

    /// The next bytes of the body as they come; how it ended once it has.
    pub(crate) async fn chunk(&mut self) -> Result<Vec<u8>, Ending> {
        loop {
            match self.body.take(&mut self.buffer, READ) {
                Piece::Bytes(bytes) => {
                    self.note_bytes();
                    return Ok(bytes);
                }
                Piece::Ended(ending) => return Err(ending),
                Piece::More if self.parting.is_some() => {
                    return Err(self.body.cut(self.parting.unwrap_or(Parting::Fin)));
                }
                Piece::More => self.fill().await,
            }
        }
    }

    /// Reads exactly `count` bytes of the body.
    ///
    /// # Panics
    /// If it ends before them, or they do not come before the deadline.
    pub(crate) async fn read_exact_body(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count.min(BODY_MAX));
        while bytes.len() < count {
            match self.chunk().await {
                Ok(chunk) => bytes.extend(chunk),
                Err(ending) => {
                    let got = bytes.len();
                    panic!("{:?}: {ending:?} after {got} of {count} bytes", self.asked);
                }
            }
        }
        // What was read beyond goes back to the front.
        self.body.put_back(bytes.split_off(count));
        bytes
    }

    /// Reads the body to its end.
    ///
    /// # Panics
    /// If it is longer than 256 MiB.
    pub(crate) async fn read_to_end(&mut self) -> Body {
        let mut bytes = Vec::new();
        let ending = self
            .discard_while(|chunk| {
                bytes.extend_from_slice(chunk);
                assert!(bytes.len() <= BODY_MAX, "a body of more than {BODY_MAX} bytes");
                true
            })
            .await;
        let ending = ending.expect("reading goes on to the end");
        Body { bytes, ending, trailers: self.body.trailers().to_vec() }
    }

    /// Shows `look` the body as it comes, until it says false or the body ends; how it ended, if it
    /// did.
    pub(crate) async fn discard_while(
        &mut self,
        mut look: impl FnMut(&[u8]) -> bool,
    ) -> Option<Ending> {
        loop {
            match self.chunk().await {
                Ok(chunk) if look(&chunk) => {}
                Ok(_) => return None,
                Err(ending) => return Some(ending),
            }
        }
    }

    /// Whether nothing comes for `duration`, neither bytes nor an end. What comes is kept.
    pub(crate) async fn is_quiet_for(&mut self, duration: Duration) -> bool {
        let waiting = !self.buffer.is_empty() || self.parting.is_some();
        !waiting && tokio::time::timeout(duration, self.fill()).await.is_err()
    }

    /// Waits until the other side leaves, passing over what still comes.
    pub(crate) async fn left(&mut self) -> Parting {
        loop {
            if let Some(how) = self.parting {
                return how;
            }
            self.buffer.clear();
            self.fill().await;
        }
    }
}

/// Leaving.
impl Player {
    /// Closes the connection. What was received and not read makes a reset of it, as with any
    /// program: use [`Player::finish`] for a FIN whatever is unread.
    pub(crate) fn close(self) {
        drop(self);
    }

    /// Sends a FIN and goes on reading.
    pub(crate) async fn finish(&mut self) {
        // An error means that the other side has left already.
        self.wire.shutdown().await.ok();
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        wire::reset(self.wire);
    }
}

impl Player {
    fn on(wire: impl Wire) -> Self {
        // An error means that the connection has gone already; reading will show it.
        wire.tcp().set_nodelay(true).ok();
        let times = Times {
            connected: Instant::now(),
            sent: None,
            head: None,
            first_byte: None,
            last_byte: None,
            longest_gap: Duration::ZERO,
        };
        Self {
            wire: Box::new(wire),
            scratch: vec![0; READ].into(),
            buffer: Vec::new(),
            parting: None,
            methods: VecDeque::new(),
            body: Deframer::none(),
            asked: String::new(),
            times,
        }
    }

    fn note_request(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for message in text.split("\r\n\r\n") {
            let line = message.lines().next().unwrap_or("");
            if let Some((method, _)) = line.split_once(' ').filter(|_| line.contains("HTTP/")) {
                self.methods.push_back(method.to_owned());
                line.clone_into(&mut self.asked);
            }
        }
    }

    /// Writes; false if the other side has left.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        let write = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        let written = within("a request to be taken", write).await.is_ok();
        self.times.sent = Some(Instant::now());
        written
    }

    /// Reads once into the buffer. Cancel safe.
    ///
    /// # Panics
    /// If nothing comes before the deadline.
    async fn fill(&mut self) {
        let what = format!("a byte of the answer to {:?}", self.asked);
        match within(&what, self.wire.read(&mut self.scratch)).await {
            Ok(0) => self.parting = Some(Parting::Fin),
            Ok(count) => self.buffer.extend_from_slice(&self.scratch[..count]),
            Err(error) => self.parting = Some(Parting::of(&error).unwrap_or(Parting::Rst)),
        }
    }

    async fn raw_head(&mut self) -> Result<Vec<u8>, NoAnswer> {
        loop {
            let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok(self.buffer.drain(..end + 4).collect());
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(NoAnswer::Malformed(format!("a head of more than {HEAD_MAX} bytes")));
            }
            if !b"HTTP/1.".starts_with(&self.buffer[..self.buffer.len().min(7)]) {
                let start = self.buffer[..self.buffer.len().min(100)].escape_ascii();
                return Err(NoAnswer::Malformed(format!("an answer that begins with {start}")));
            }
            match self.parting {
                Some(how) if self.buffer.is_empty() => return Err(NoAnswer::Left(how)),
                Some(how) => return Err(NoAnswer::Cut(how, std::mem::take(&mut self.buffer))),
                None => self.fill().await,
            }
        }
    }

    fn note_bytes(&mut self) {
        let now = Instant::now();
        self.times.first_byte.get_or_insert(now);
        if let Some(last) = self.times.last_byte.replace(now) {
            self.times.longest_gap = self.times.longest_gap.max(now - last);
        }
    }
}
