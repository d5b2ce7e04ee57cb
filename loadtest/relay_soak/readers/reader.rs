//! One client, which judges what it reads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::recv;
use socket2::Socket;

use crate::clock::SECOND;
use crate::events::EventFlags;
use crate::failover::clients::chunks::Coding;
use crate::failover::clients::judge::Judge;
use crate::failover::source::media::Marks;
use crate::wire;

use super::Manner;
use super::Plan;
use super::Seen;

/// How long a client stays that reads nothing, in nanoseconds. weir drops it before that, after 10 s as it
/// comes, but a client need not hear of it: the end may stand behind bytes that it does not take.
const STAY: u64 = 12 * SECOND;

/// See the module.
pub(crate) struct Reader {
    pub(crate) socket: Socket,
    /// What the socket is watched for.
    pub(crate) watched: EventFlags,
    manner: Manner,
    judge: Judge,
    work: Work,
    /// When bytes of a body came last.
    last: Option<u64>,
    seen: Seen,
}

enum Work {
    New,
    Head(Vec<u8>),
    /// A body that began then, of which so much was read.
    Body {
        coding: Coding,
        began: u64,
        read: u64,
    },
    /// Connects again then.
    Away(u64),
}

impl Reader {
    pub(crate) fn connect(manner: Manner, plan: &Plan) -> io::Result<Self> {
        Ok(Self {
            socket: socket(plan)?,
            watched: EventFlags::OUT,
            manner,
            judge: judge(),
            work: Work::New,
            last: None,
            seen: Seen::nothing(manner),
        })
    }

    /// What it saw since this was last called.
    pub(crate) fn take(&mut self, now: u64) -> Seen {
        if let Some(last) = self.last {
            self.seen.gap = self.seen.gap.max(now - last);
        }
        self.seen.faults.add(&self.judge.take().0);
        std::mem::replace(&mut self.seen, Seen::nothing(self.manner))
    }

    /// Its connection has ended; it comes again at `until`.
    pub(crate) fn leave(&mut self, until: u64, why: String) {
        self.seen.lost += 1;
        self.seen.error.get_or_insert(why);
        self.seen.faults.add(&self.judge.take().0);
        self.work = Work::Away(until);
    }

    pub(crate) fn is_away(&self, now: u64) -> bool {
        matches!(self.work, Work::Away(until) if until <= now)
    }

    pub(crate) fn come_again(&mut self, plan: &Plan) -> io::Result<()> {
        (self.socket, self.judge, self.work) = (socket(plan)?, judge(), Work::New);
        self.watched = EventFlags::OUT;
        Ok(())
    }

    /// What its socket is to be watched for. That the connection broke is told in any case.
    pub(crate) fn interest(&self) -> EventFlags {
        match (&self.work, self.manner) {
            (Work::New, _) => EventFlags::OUT,
            (Work::Head(_), _) | (Work::Body { .. }, Manner::All) => EventFlags::IN,
            (Work::Body { .. } | Work::Away(_), _) => EventFlags::empty(),
        }
    }

    /// Whether it does what it does when it is time, not when there is something.
    pub(crate) fn is_timed(&self) -> bool {
        matches!((&self.work, self.manner), (Work::Body { .. }, Manner::Half | Manner::Nothing))
    }

    /// Asks for the stream, or reads what is there, or as much of it as is due.
    pub(crate) fn go_on(&mut self, now: u64, plan: &Plan, room: &mut [u8]) -> Result<(), String> {
        let most = match (&self.work, self.manner) {
            (Work::New, _) => return self.ask(plan),
            (Work::Body { began, read, .. }, Manner::Half) => {
                let seconds = (now - began) as f64 / SECOND as f64;
                let due = (seconds * plan.bytes_per_second as f64 / 2.0) as u64;
                room.len().min(due.saturating_sub(*read) as usize)
            }
            (Work::Body { began, .. }, Manner::Nothing) if now - began > STAY => {
                return Err("it has waited for long enough".into());
            }
            (Work::Body { .. }, Manner::Nothing) | (Work::Away(_), _) => 0,
            (Work::Head(_), _) | (Work::Body { .. }, Manner::All) => room.len(),
        };
        let Some(room) = room.get_mut(..most).filter(|room| !room.is_empty()) else {
            return Ok(());
        };
        let count = match recv(&self.socket, &mut *room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err("the connection ended".into()),
            Ok((count, _)) => count,
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(format!("reading: {error}")),
        };
        self.bytes(room.get(..count).unwrap_or_default(), now)
    }

    fn ask(&mut self, plan: &Plan) -> Result<(), String> {
        self.work = Work::Head(Vec::new());
        let Plan { path, to, .. } = plan;
        wire::ask(&self.socket, &format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n\r\n"))
    }

    fn bytes(&mut self, bytes: &[u8], now: u64) -> Result<(), String> {
        match &mut self.work {
            Work::Head(head) => {
                head.extend_from_slice(bytes);
                let head = std::mem::take(head);
                let Some((text, body)) = wire::head(&head) else {
                    self.work = Work::Head(head);
                    return Ok(());
                };
                let line = text.lines().next().unwrap_or_default();
                if !line.contains(" 200 ") {
                    return Err(format!("answered {line:?}"));
                }
                self.work = Work::Body { coding: Coding::of(&text), began: now, read: 0 };
                self.bytes(body, now)
            }
            Work::Body { coding, read, .. } => {
                *read += bytes.len() as u64;
                self.seen.bytes += bytes.len() as u64;
                if let Some(last) = self.last.replace(now) {
                    self.seen.gap = self.seen.gap.max(now - last);
                }
                let judge = &mut self.judge;
                coding.push(bytes, |media| judge.push(media, now));
                if coding.is_over() { Err("the body ended".into()) } else { Ok(()) }
            }
            Work::New | Work::Away(_) => Ok(()),
        }
    }
}

/// There is one source only, so no picture tells whose it is.
fn judge() -> Judge {
    Judge::new(Arc::new(Marks::new()))
}

/// Dropped connections are reset: no port is kept for a minute.
fn socket(plan: &Plan) -> io::Result<Socket> {
    wire::connect(plan.to, |socket| socket.set_linger(Some(Duration::ZERO)))
}
