//! One connection of the origin: the request, and then a stream or a file.

use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::send;

use crate::clock;

use super::Tally;
use super::pace::Pace;
use super::packets::CYCLE;

/// What an unpaced stream or a file writes at once.
const LARGE: usize = 64 * 1024;

/// Writes in one turn, so that one fast receiver does not hold up the others.
const TURN: usize = 4;

/// Longest request head taken.
const HEAD: usize = 16 * 1024;

/// What the loop does for the connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing changes.
    Wait,
    /// It listens only.
    Quiet,
    /// It wants to write.
    Writable,
    /// The next piece is due then.
    At {
        due: u64,
        was_blocked: bool,
    },
    Close,
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    number: u64,
    request: Vec<u8>,
    /// Where in the media the next byte comes from.
    position: usize,
    work: Work,
}

enum Work {
    Request,
    Unpaced,
    Paced { pace: Pace, blocked: bool },
    File { left: u64 },
}

/// How a send went.
enum Sent {
    All,
    Some,
    Failed,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, number: u64) -> Self {
        Self { stream, number, request: Vec::new(), position: 0, work: Work::Request }
    }

    /// Reads the request, or notices that the other side has gone.
    pub(crate) fn readable(&mut self, media: &[u8], tally: &Tally) -> Next {
        let mut bytes = [0; 2048];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Next::Close,
            Ok(count) => self.request.extend(bytes.iter().take(count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Next::Wait,
            Err(_) => return Next::Close,
        }
        if !matches!(self.work, Work::Request) {
            // Nothing is to come from there; what comes is not worth keeping.
            self.request.clear();
            return Next::Wait;
        }
        if self.request.len() > HEAD {
            return Next::Close;
        }
        let text = String::from_utf8_lossy(&self.request).into_owned();
        if !text.contains("\r\n\r\n") {
            return Next::Wait;
        }
        self.request.clear();
        tally.requests.fetch_add(1, Ordering::Relaxed);
        self.answer(&text, media, tally)
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self, media: &[u8], tally: &Tally) -> Next {
        match &mut self.work {
            Work::Request => Next::Quiet,
            Work::Unpaced => {
                for _ in 0..TURN {
                    match self.send(LARGE, media, tally).0 {
                        Sent::All => {}
                        Sent::Some => break,
                        Sent::Failed => return Next::Close,
                    }
                }
                Next::Wait
            }
            Work::Paced { pace, .. } => {
                let lost = pace.give_up(clock::now());
                tally.pushed_back.fetch_add(lost, Ordering::Relaxed);
                self.catch_up(LARGE, media, tally)
            }
            Work::File { .. } => self.file(media, tally),
        }
    }

    /// A piece of a paced stream is due.
    pub(crate) fn due(&mut self, now: u64, media: &[u8], tally: &Tally) -> Next {
        let Work::Paced { pace, .. } = &mut self.work else { return Next::Wait };
        let lost = pace.give_up(now);
        tally.late.fetch_add(lost, Ordering::Relaxed);
        let piece = pace.piece();
        self.catch_up(piece, media, tally)
    }

    /// Sends what a paced stream owes, so much at a time.
    fn catch_up(&mut self, at_once: usize, media: &[u8], tally: &Tally) -> Next {
        loop {
            let Work::Paced { pace, blocked } = &self.work else { return Next::Wait };
            let (owed, due, was_blocked) = (pace.owed(clock::now()), pace.next(), *blocked);
            if owed == 0 {
                self.block(false);
                return Next::At { due, was_blocked };
            }
            let (sent, count) = self.send(at_once.min(owed as usize), media, tally);
            if let Work::Paced { pace, .. } = &mut self.work {
                pace.sent(count);
            }
            match sent {
                Sent::All => {}
                Sent::Some => {
                    self.block(true);
                    return if was_blocked { Next::Wait } else { Next::Writable };
                }
                Sent::Failed => return Next::Close,
            }
        }
    }

    fn block(&mut self, now_blocked: bool) {
        if let Work::Paced { blocked, .. } = &mut self.work {
            *blocked = now_blocked;
        }
    }

    fn file(&mut self, media: &[u8], tally: &Tally) -> Next {
        for _ in 0..TURN {
            let Work::File { left } = &self.work else { return Next::Wait };
            let (sent, count) = self.send(LARGE.min(*left as usize), media, tally);
            if let Work::File { left } = &mut self.work {
                *left -= count;
                if *left == 0 {
                    self.work = Work::Request;
                    return Next::Quiet;
                }
            }
            match sent {
                Sent::All => {}
                Sent::Some => break,
                Sent::Failed => return Next::Close,
            }
        }
        Next::Writable
    }

    /// Sends so many bytes of media from where it stands; says how many went.
    fn send(&mut self, count: usize, media: &[u8], tally: &Tally) -> (Sent, u64) {
        let bytes = media.get(self.position..self.position + count.min(CYCLE)).unwrap_or_default();
        match send(&self.stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => {
                self.position = (self.position + sent) % CYCLE;
                tally.sent.fetch_add(sent as u64, Ordering::Relaxed);
                (if sent == bytes.len() { Sent::All } else { Sent::Some }, sent as u64)
            }
            Err(Errno::AGAIN) => (Sent::Some, 0),
            Err(_) => (Sent::Failed, 0),
        }
    }

    /// Answers one request and begins the body.
    fn answer(&mut self, request: &str, media: &[u8], tally: &Tally) -> Next {
        let path = request.split_ascii_whitespace().nth(1).unwrap_or_default();
        let numbers: Vec<u64> = path.split('/').filter_map(|part| part.parse().ok()).collect();
        match (path.split('/').nth(1), numbers.as_slice()) {
            (Some("live"), [bits, piece]) => self.live(*bits, *piece, media, tally),
            (Some("file"), [size]) => self.ranged(*size, request),
            _ => {
                self.head("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                Next::Wait
            }
        }
    }

    fn live(&mut self, bits: u64, piece: u64, media: &[u8], tally: &Tally) -> Next {
        self.head("HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n");
        if bits == 0 {
            self.work = Work::Unpaced;
            return Next::Writable;
        }
        let pace = Pace::new(bits / 8, piece, self.number, clock::now());
        self.work = Work::Paced { pace, blocked: false };
        self.catch_up(piece as usize, media, tally)
    }

    fn ranged(&mut self, size: u64, request: &str) -> Next {
        let kind = "Content-Type: video/mp4\r\nAccept-Ranges: bytes\r\n";
        let (left, head) = match range(request) {
            Some((from, to)) if from <= to && from < size => {
                let to = to.min(size - 1);
                let left = to - from + 1;
                let range = format!("Content-Range: bytes {from}-{to}/{size}\r\n");
                let status = "HTTP/1.1 206 Partial Content\r\n";
                (left, format!("{status}{kind}{range}Content-Length: {left}\r\n\r\n"))
            }
            _ => (size, format!("HTTP/1.1 200 OK\r\n{kind}Content-Length: {size}\r\n\r\n")),
        };
        self.head(&head);
        self.work = Work::File { left };
        Next::Writable
    }

    /// Sends a head, which always fits: nothing else is on the way then. The first media joins it.
    fn head(&self, head: &str) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT | SendFlags::MORE;
        if send(&self.stream, head.as_bytes(), flags).is_ok_and(|sent| sent < head.len()) {
            eprintln!("origin: a head did not fit into the socket");
        }
    }
}

impl AsFd for &mut Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The one range asked for, `a-b` or `a-`.
fn range(request: &str) -> Option<(u64, u64)> {
    let line = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("range").then_some(value.trim())
    })?;
    let (from, to) = line.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, if to.is_empty() { u64::MAX } else { to.parse().ok()? }))
}
