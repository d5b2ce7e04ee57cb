//! One client: asks for its channel, takes the body apart, and remembers what it saw.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::recv;
use socket2::Socket;

use crate::failover::SEGMENT;
use crate::failover::source::media::Marks;
use crate::wire;

use super::Seen;
use super::chunks::Coding;
use super::judge::Judge;
use super::recording::Recording;

/// Pauses below this are not remembered, in nanoseconds.
const PAUSE: u64 = 2_000_000;

/// See the module.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    state: State,
    judge: Judge,
    pub(crate) recording: Recording,
    last_read: u64,
    /// The end and the length of each pause between two reads.
    pauses: Vec<(u64, u64)>,
    ended: Option<(u64, String)>,
}

enum State {
    New,
    Head(Vec<u8>),
    Body(Coding),
}

impl Client {
    /// Begins to connect; writable once it is.
    pub(crate) fn connect(to: SocketAddr, marks: Arc<Marks>) -> io::Result<Self> {
        Ok(Self {
            socket: wire::connect(to, |socket| socket.set_tcp_mss(SEGMENT))?,
            state: State::New,
            judge: Judge::new(marks),
            recording: Recording::default(),
            last_read: 0,
            pauses: Vec::new(),
            ended: None,
        })
    }

    /// Whether it has still to ask.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.state, State::New)
    }

    /// Whether a picture can be seen.
    pub(crate) fn plays(&self) -> bool {
        self.judge.source().is_some()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// What it saw since this was last called.
    pub(crate) fn take(&mut self) -> Seen {
        let (faults, joined) = self.judge.take();
        Seen {
            source: self.judge.source(),
            pauses: std::mem::take(&mut self.pauses),
            ended: self.ended.clone(),
            faults,
            joined,
        }
    }

    pub(crate) fn end(&mut self, now: u64, why: impl Into<String>) {
        self.ended.get_or_insert_with(|| (now, why.into()));
    }

    /// Sends the request.
    pub(crate) fn ask(&mut self, path: &str, to: SocketAddr) -> Result<(), String> {
        self.state = State::Head(Vec::new());
        wire::ask(&self.socket, &format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n\r\n"))
    }

    /// Takes what is there; `Err` says why there will be no more.
    pub(crate) fn take_bytes(&mut self, now: u64, room: &mut [u8]) -> Result<(), String> {
        let count = match recv(&self.socket, &mut *room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err("the connection ended".into()),
            Ok((count, _)) => count,
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(format!("reading: {error}")),
        };
        let bytes = room.get(..count).unwrap_or_default();
        match &mut self.state {
            State::New => Ok(()),
            State::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return Ok(());
                };
                let body = head.split_off(end + 4);
                let text = String::from_utf8_lossy(head).into_owned();
                let line = text.lines().next().unwrap_or_default();
                if !line.contains(" 200 ") {
                    return Err(format!("answered {line:?}"));
                }
                self.state = State::Body(Coding::of(&text));
                self.last_read = now;
                self.body(&body, now)
            }
            State::Body(_) => self.body(bytes, now),
        }
    }

    fn body(&mut self, bytes: &[u8], now: u64) -> Result<(), String> {
        let State::Body(coding) = &mut self.state else { return Ok(()) };
        let (judge, recording, mut has_media) = (&mut self.judge, &mut self.recording, false);
        coding.push(bytes, |media| {
            has_media = true;
            judge.push(media, now);
            recording.push(media);
        });
        if has_media {
            let pause = now - self.last_read;
            if pause >= PAUSE {
                self.pauses.push((now, pause));
            }
            self.last_read = now;
        }
        if coding.is_over() { Err("the body ended".into()) } else { Ok(()) }
    }
}
