//! One client: connects, asks, reads the head, and discards the body.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::recv;
use socket2::Socket;

use crate::wire;

use super::Manner;
use super::Plan;

/// Longest response head taken, and what is read with it of the body.
const HEAD: usize = 4096;

/// One client.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    /// When it was last heard of, in nanoseconds.
    pub(crate) seen: u64,
    state: State,
    /// Where the next range begins.
    offset: u64,
}

enum State {
    New,
    /// What of the head is there.
    Head(Vec<u8>),
    /// Bytes of the body so far.
    Body(u64),
    /// Bytes of the range still to come.
    Range(u64),
}

/// What came of an event.
pub(crate) enum Turn {
    Wait,
    /// The request is out; answers are of interest now.
    Listen,
    /// The answer has begun.
    Begun,
    /// A range was done and the next is asked for.
    Done,
    /// A zap was done.
    Again,
    Error(String),
}

impl Client {
    /// Begins to connect; writable once it is.
    pub(crate) fn connect(to: SocketAddr, now: u64) -> io::Result<Self> {
        // Dropped connections are reset, as those of a player that leaves unread bytes behind; and
        // no port is kept for a minute.
        let socket = wire::connect(to, |socket| socket.set_linger(Some(Duration::ZERO)))?;
        Ok(Self { socket, seen: now, state: State::New, offset: 0 })
    }

    pub(crate) fn is_new(&self) -> bool {
        matches!(self.state, State::New)
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.offset > 0 || matches!(self.state, State::Body(_) | State::Range(_))
    }

    /// Sends the request.
    pub(crate) fn ask(&mut self, plan: &Plan) -> Turn {
        let range = match plan.manner {
            Manner::Ranges { piece, .. } => {
                format!("Range: bytes={}-{}\r\n", self.offset, self.offset + piece - 1)
            }
            _ => String::new(),
        };
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n{range}\r\n", plan.path, plan.to);
        self.state = State::Head(Vec::new());
        match wire::ask(&self.socket, &request) {
            Ok(()) => Turn::Listen,
            Err(error) => Turn::Error(error),
        }
    }

    /// Takes what is there and adds to `bytes` what of it was body.
    pub(crate) fn take(&mut self, plan: &Plan, nowhere: &mut [u8], bytes: &mut u64) -> Turn {
        let most = match &self.state {
            State::New => return Turn::Wait,
            State::Head(_) => return self.head(plan, bytes),
            State::Body(_) if plan.manner == Manner::Stall => {
                return Turn::Error("the connection of a waiting client ended".into());
            }
            State::Body(_) => nowhere.len(),
            State::Range(left) => nowhere.len().min(*left as usize),
        };
        let into = nowhere.get_mut(..most).unwrap_or_default();
        // MSG_TRUNC on TCP: the kernel drops the bytes instead of copying them (tcp(7)).
        match recv(&self.socket, into, RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Turn::Error("the stream ended".into()),
            Ok((_, count)) => {
                *bytes += count as u64;
                self.taken(count as u64, plan)
            }
            Err(Errno::AGAIN) => Turn::Wait,
            Err(error) => Turn::Error(format!("reading: {error}")),
        }
    }

    fn taken(&mut self, count: u64, plan: &Plan) -> Turn {
        match &mut self.state {
            State::Body(taken) => {
                *taken += count;
                match plan.manner {
                    Manner::Zap { bytes } if *taken >= bytes => Turn::Again,
                    _ => Turn::Wait,
                }
            }
            State::Range(left) => {
                *left -= count.min(*left);
                let Manner::Ranges { size, piece } = plan.manner else { return Turn::Wait };
                if *left > 0 {
                    return Turn::Wait;
                }
                self.offset = (self.offset + piece) % size;
                match self.ask(plan) {
                    Turn::Listen => Turn::Done,
                    turn => turn,
                }
            }
            State::New | State::Head(_) => Turn::Wait,
        }
    }

    /// Reads the head and what comes with it.
    fn head(&mut self, plan: &Plan, bytes: &mut u64) -> Turn {
        let State::Head(head) = &mut self.state else { return Turn::Wait };
        let mut buffer = [0; HEAD];
        match recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Turn::Error("no answer".into()),
            Ok((count, _)) => head.extend(buffer.iter().take(count)),
            Err(Errno::AGAIN) => return Turn::Wait,
            Err(error) => return Turn::Error(format!("reading: {error}")),
        }
        let Some((text, body)) = wire::head(head) else { return Turn::Wait };
        let body = body.len() as u64;
        *bytes += body;
        let wanted = if matches!(plan.manner, Manner::Ranges { .. }) { " 206 " } else { " 200 " };
        let line = text.lines().next().unwrap_or_default();
        if !line.contains(wanted) {
            return Turn::Error(format!("answered {line:?}"));
        }
        if let Manner::Ranges { piece, .. } = plan.manner {
            let first = self.offset == 0;
            self.state = State::Range(piece - body);
            return if first { Turn::Begun } else { Turn::Wait };
        }
        self.state = State::Body(body);
        Turn::Begun
    }
}
