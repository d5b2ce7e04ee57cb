//! One connection of a source: the request, then the stream, until it is cut.

use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::send;
use socket2::SockRef;

use crate::clock;

use super::Cut;
use super::Opened;
use super::Plan;
use super::timeline::Timeline;
use super::timeline::Torn;

/// Longest request head taken.
const HEAD: usize = 16 * 1024;

/// What the loop does for the connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Wait,
    /// It wants to write and cannot.
    Writable,
    /// The next piece is due then.
    At(u64),
    Close,
}

/// See the module.
pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    accepted: u64,
    /// Whose stream it is, by the request's path.
    client: Option<usize>,
    timeline: Option<Timeline>,
    blocked: bool,
    has_written: bool,
    /// Whether it was told that it has played.
    is_told: bool,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            request: Vec::new(),
            accepted: clock::now(),
            client: None,
            timeline: None,
            blocked: false,
            has_written: false,
            is_told: false,
        }
    }

    /// The client whose stream this is, while it plays.
    pub(crate) fn client(&self) -> Option<usize> {
        self.timeline.as_ref().and(self.client)
    }

    /// Reads the request, or notices that the other side has gone.
    pub(crate) fn readable(&mut self, plan: &Plan) -> Next {
        let mut bytes = [0; 2048];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Next::Close,
            Ok(count) => self.request.extend(bytes.iter().take(count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Next::Wait,
            Err(_) => return Next::Close,
        }
        if self.client.is_some() || !self.request.ends_with(b"\r\n\r\n") {
            return if self.request.len() > HEAD { Next::Close } else { Next::Wait };
        }
        let text = String::from_utf8_lossy(&self.request).into_owned();
        self.request.clear();
        let path = text.split_ascii_whitespace().nth(1).unwrap_or_default();
        let Some(client) = path.strip_prefix("/live/").and_then(|number| number.parse().ok())
        else {
            return Next::Close;
        };
        // Close-delimited, as receivers and most panels answer.
        let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n";
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT | SendFlags::MORE;
        if send(&self.stream, head.as_bytes(), flags).is_err() {
            return Next::Close;
        }
        let now = clock::now();
        self.client = Some(client);
        self.timeline = Some(Timeline::new(&plan.media, plan.start, plan.begun(client), now));
        self.play(plan)
    }

    /// Writes what is due.
    pub(crate) fn play(&mut self, plan: &Plan) -> Next {
        let Some(timeline) = &mut self.timeline else { return Next::Wait };
        let now = clock::now();
        let bytes = timeline.due(&plan.media, now);
        if !bytes.is_empty() {
            match send(&self.stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => {
                    let all = count == bytes.len();
                    timeline.written(count);
                    self.has_written = true;
                    if !all {
                        self.blocked = true;
                        return Next::Writable;
                    }
                }
                Err(Errno::AGAIN) => {
                    self.blocked = true;
                    return Next::Writable;
                }
                Err(_) => return Next::Close,
            }
        }
        self.blocked = false;
        Next::At(timeline.next_due(now))
    }

    /// The socket takes bytes again.
    pub(crate) fn was_blocked(&self) -> bool {
        self.blocked
    }

    /// Told once: when it was opened and when it first wrote something that can be joined.
    pub(crate) fn opened(&mut self, plan: &Plan) -> Option<Opened> {
        let client = self.client.filter(|_| self.has_written)?;
        let begun = plan.start == super::Start::Group
            || self.timeline.as_ref().is_some_and(Timeline::has_begun_group);
        if self.is_told || !begun {
            return None;
        }
        self.is_told = true;
        Some(Opened { client, accepted: self.accepted, usable: clock::now() })
    }

    /// Breaks the stream off somewhere in the next piece.
    pub(crate) fn cut(&mut self, plan: &Plan, how: Cut, random: u64) -> (Torn, Next) {
        let Some(mut timeline) = self.timeline.take() else {
            return (Torn { packet: false, picture: false }, Next::Wait);
        };
        let rest = timeline.rest(&plan.media, random);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        if let Ok(count) = send(&self.stream, rest, flags) {
            timeline.written(count);
        }
        let torn = timeline.torn();
        match how {
            Cut::Silence => (torn, Next::Wait),
            Cut::Fin => (torn, Next::Close),
            Cut::Reset => {
                // Fails for no socket.
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
                (torn, Next::Close)
            }
        }
    }
}

impl AsFd for &mut Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
