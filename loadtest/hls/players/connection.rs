//! A player's connection: one request after the other, and opened again where it was closed.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire;

use super::Tally;

/// Longest response head taken.
const HEAD: usize = 16 * 1024;

/// What is read at once.
const ROOM: usize = 64 * 1024;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What becomes of a body.
pub(crate) enum Body<'a> {
    /// It is kept.
    Keep(Vec<u8>),
    /// It is compared with these bytes.
    Compare { with: &'a [u8], is_same: bool },
}

impl Body<'_> {
    /// A part of the body that begins at `at`.
    fn take(&mut self, at: usize, part: &[u8], tally: &Tally) {
        match self {
            Self::Keep(text) => text.extend_from_slice(part),
            Self::Compare { with, is_same } => {
                *is_same &= with.get(at..at + part.len()) == Some(part);
                tally.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
            }
        }
    }
}

/// One connection, kept from one request to the next.
pub(crate) struct Connection {
    to: SocketAddr,
    agent: String,
    stream: Option<TcpStream>,
    room: Vec<u8>,
}

impl Connection {
    /// Connects with the first request. Every player has a name of its own.
    pub(crate) fn new(to: SocketAddr, agent: String) -> Self {
        Self { to, agent, stream: None, room: vec![0; ROOM] }
    }

    /// Fetches `path`; the length of its body.
    pub(crate) async fn get(
        &mut self,
        path: &str,
        body: &mut Body<'_>,
        tally: &Tally,
    ) -> Result<usize, String> {
        let asked = timeout(PATIENCE, self.ask(path, body, tally)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")));
        if answer.is_err() {
            self.stream = None;
        }
        answer.map_err(|error| {
            format!("{}: {error}", if path.ends_with("m3u8") { "playlist" } else { "segment" })
        })
    }

    async fn ask(
        &mut self,
        path: &str,
        body: &mut Body<'_>,
        tally: &Tally,
    ) -> Result<usize, String> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\n\r\n",
            self.to, self.agent
        );
        let mut head = Vec::new();
        if let Some(mut stream) = self.stream.take() {
            // The other side may have closed it meanwhile (RFC 9112 section 9.3.1).
            match begin(&mut stream, &request, &mut head).await {
                Ok(()) => self.stream = Some(stream),
                Err(_) => tally.note(|seen| seen.faults.closed += 1),
            }
        }
        if self.stream.is_none() {
            let failed = |error: io::Error| format!("connecting: {error}");
            let mut stream = TcpStream::connect(self.to).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            begin(&mut stream, &request, &mut head).await.map_err(|error| error.to_string())?;
            self.stream = Some(stream);
        }
        self.answer(head, body, tally).await.map_err(|error| error.to_string())
    }

    /// Reads on from the first bytes of the head.
    async fn answer(
        &mut self,
        mut head: Vec<u8>,
        body: &mut Body<'_>,
        tally: &Tally,
    ) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let end = loop {
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if head.len() > HEAD || stream.read_buf(&mut head).await? == 0 {
                return Err(io::Error::other("the head is not whole"));
            }
        };
        let (text, first) = head.split_at(end);
        let text = String::from_utf8_lossy(text);
        let line = text.lines().next().unwrap_or_default();
        if !line.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("answered {line:?}")));
        }
        let length = wire::field(&text, "content-length").and_then(|value| value.parse().ok());
        let length: usize = length.ok_or_else(|| io::Error::other("no Content-Length"))?;
        body.take(0, first, tally);
        let mut taken = first.len();
        while taken < length {
            let most = self.room.len().min(length - taken);
            let count = stream.read(self.room.get_mut(..most).unwrap_or_default()).await?;
            if count == 0 {
                return Err(io::Error::other(format!("ended after {taken} of {length} bytes")));
            }
            body.take(taken, self.room.get(..count).unwrap_or_default(), tally);
            taken += count;
        }
        if wire::field(&text, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            tally.note(|seen| seen.faults.closed += 1);
            self.stream = None;
        }
        if taken > length {
            return Err(io::Error::other("more than its Content-Length"));
        }
        Ok(length)
    }
}

/// Sends the request and reads the first bytes of the answer.
async fn begin(stream: &mut TcpStream, request: &str, head: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    match stream.read_buf(head).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
