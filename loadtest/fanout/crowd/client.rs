//! One client: of a stream, or of a playlist's segments on one connection.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::recv;
use socket2::Socket;

use crate::clock;
use crate::failover::clients::chunks::Coding;
use crate::wire;

use super::First;
use super::Plan;
use super::Seen;
use super::finder::Finder;
use super::player::Player;

/// See the module.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    began: u64,
    /// When it last got media.
    last: Option<u64>,
    has_picture: bool,
    player: Option<Player>,
    work: Work,
    seen: Seen,
}

/// What it is at.
enum Work {
    New,
    /// What of the answer's head is there.
    Head(Vec<u8>),
    /// A body that does not end, looked at until there is a picture.
    Stream(Option<(Coding, Finder)>),
    /// What of the playlist is there, and how long it is.
    Playlist(Vec<u8>, usize),
    /// Bytes of the segment to come, looked at until there is a picture.
    Segment(u64, Option<Finder>),
    /// Asks for the playlist again then.
    Waiting(u64),
    /// Connects again then.
    Away(u64),
}

/// What came of an event.
pub(crate) enum Turn {
    Wait,
    /// The first request is out.
    Listen,
}

impl Client {
    pub(crate) fn connect(plan: &Plan) -> io::Result<Self> {
        let began = clock::now();
        Ok(Self {
            socket: socket(plan)?,
            began,
            last: None,
            has_picture: false,
            player: plan.of_segments.then(|| Player::new(plan.path)),
            work: Work::New,
            seen: Seen::default(),
        })
    }

    /// What it saw since this was last called.
    pub(crate) fn take(&mut self, now: u64) -> Seen {
        if let Some(last) = self.last {
            self.seen.gap = self.seen.gap.max(now - last);
        }
        std::mem::take(&mut self.seen)
    }

    /// Its connection has ended; it comes again at `until`.
    pub(crate) fn leave(&mut self, until: u64, why: String) {
        self.seen.lost += 1;
        self.seen.error.get_or_insert(why);
        self.work = Work::Away(until);
    }

    /// Whether it is to come again now.
    pub(crate) fn is_away(&self, now: u64) -> bool {
        matches!(self.work, Work::Away(until) if until <= now)
    }

    pub(crate) fn come_again(&mut self, plan: &Plan) -> io::Result<()> {
        self.socket = socket(plan)?;
        self.player = plan.of_segments.then(|| Player::new(plan.path));
        self.work = Work::New;
        Ok(())
    }

    /// Whether it has still to ask.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.work, Work::New)
    }

    /// Asks for the stream or the playlist.
    pub(crate) fn ask(&mut self, plan: &Plan) -> Result<Turn, String> {
        let path = match &mut self.player {
            Some(player) => player.playlist(clock::now()),
            None => plan.path.to_owned(),
        };
        self.get(&path, plan)?;
        Ok(Turn::Listen)
    }

    /// Asks for the playlist again, if it is time.
    pub(crate) fn go_on(&mut self, now: u64, plan: &Plan) -> Result<Turn, String> {
        if let (Work::Waiting(until), Some(player)) = (&self.work, &mut self.player)
            && *until <= now
        {
            let path = player.playlist(now);
            self.get(&path, plan)?;
        }
        Ok(Turn::Wait)
    }

    /// Takes what is there.
    pub(crate) fn read(&mut self, now: u64, plan: &Plan, room: &mut [u8]) -> Result<Turn, String> {
        let (most, discards) = match &self.work {
            Work::Stream(first) => (room.len(), first.is_none()),
            Work::Segment(left, first) => (room.len().min(*left as usize), first.is_none()),
            _ => (room.len(), false),
        };
        // MSG_TRUNC on TCP: the kernel drops the bytes instead of copying them (tcp(7)).
        let flags = RecvFlags::DONTWAIT;
        let flags = if discards { flags | RecvFlags::TRUNC } else { flags };
        let count = match recv(&self.socket, room.get_mut(..most).unwrap_or_default(), flags) {
            Ok((_, 0)) => return Err("the connection ended".into()),
            Ok((_, count)) => count,
            Err(Errno::AGAIN) => return Ok(Turn::Wait),
            Err(error) => return Err(format!("reading: {error}")),
        };
        if discards {
            self.media(None, count, now);
        } else {
            self.bytes(room.get(..count).unwrap_or_default(), now)?;
        }
        self.next(plan)?;
        Ok(Turn::Wait)
    }

    /// Takes bytes of whatever it is at.
    fn bytes(&mut self, bytes: &[u8], now: u64) -> Result<(), String> {
        match &mut self.work {
            Work::Head(head) => {
                head.extend_from_slice(bytes);
                let head = std::mem::take(head);
                match wire::head(&head) {
                    Some((text, body)) => {
                        self.work = self.answered(&text)?;
                        if !body.is_empty() {
                            self.bytes(body, now)?;
                        }
                    }
                    None => self.work = Work::Head(head),
                }
            }
            Work::Playlist(text, _) => text.extend_from_slice(bytes),
            Work::Stream(_) | Work::Segment(..) => self.media(Some(bytes), bytes.len(), now),
            Work::New | Work::Waiting(_) | Work::Away(_) => {}
        }
        Ok(())
    }

    /// What follows a head.
    fn answered(&self, head: &str) -> Result<Work, String> {
        let line = head.lines().next().unwrap_or_default();
        if !line.contains(" 200 ") {
            return Err(format!("answered {line:?}"));
        }
        if self.player.is_none() {
            let first = (!self.has_picture).then(|| (Coding::of(head), Finder::default()));
            return Ok(Work::Stream(first));
        }
        let length = wire::field(head, "content-length").and_then(|length| length.parse().ok());
        let length = length.ok_or("an answer without a length")?;
        Ok(if wire::field(head, "content-type") == Some("video/mp2t") {
            Work::Segment(length, (!self.has_picture).then(Finder::default))
        } else {
            Work::Playlist(Vec::new(), length as usize)
        })
    }

    /// Takes so many bytes of media; looks at them if it has them.
    fn media(&mut self, bytes: Option<&[u8]>, count: usize, now: u64) {
        self.seen.bytes += count as u64;
        if let Some(last) = self.last.replace(now) {
            self.seen.gap = self.seen.gap.max(now - last);
        }
        let bytes = bytes.unwrap_or_default();
        let mut found = None;
        match &mut self.work {
            Work::Stream(Some((coding, finder))) => {
                coding.push(bytes, |media| found = found.or_else(|| finder.push(media)));
            }
            Work::Segment(left, finder) => {
                *left = left.saturating_sub(count as u64);
                found = finder.as_mut().and_then(|finder| finder.push(bytes));
            }
            _ => {}
        }
        if let Some(clock) = found {
            self.has_picture = true;
            self.seen.first = Some(First { after: now - self.began, at: now, clock });
            match &mut self.work {
                Work::Stream(first) => *first = None,
                Work::Segment(_, finder) => *finder = None,
                _ => {}
            }
        }
    }

    /// Asks for the next segment or waits for the next playlist, where a body has ended.
    fn next(&mut self, plan: &Plan) -> Result<(), String> {
        let Some(player) = &mut self.player else { return Ok(()) };
        match &self.work {
            Work::Playlist(text, length) if text.len() >= *length => {
                player.load(&String::from_utf8_lossy(text))?;
            }
            Work::Segment(0, _) => {}
            _ => return Ok(()),
        }
        match player.segment() {
            Some(path) => self.get(&path, plan),
            None => {
                self.work = Work::Waiting(player.again());
                Ok(())
            }
        }
    }

    fn get(&mut self, path: &str, plan: &Plan) -> Result<(), String> {
        self.work = Work::Head(Vec::new());
        wire::ask(&self.socket, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", plan.to))
    }
}

/// Dropped connections are reset: no port is kept for a minute.
fn socket(plan: &Plan) -> io::Result<Socket> {
    wire::connect(plan.to, |socket| socket.set_linger(Some(Duration::ZERO)))
}
