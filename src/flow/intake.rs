//! The source's side of a body that moves beneath hyper: a plain TCP socket, how many bytes are
//! still to come, and when to be woken for them.

use std::fmt;
use std::io;
use std::net;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::flow::appetite::Appetite;
use crate::flow::batching::{Batching, LATE};
use crate::flow::lowat;
use crate::flow::pipe;
use crate::flow::pool::{Buffer, PooledPipe};
use crate::flow::stage::Vessel;
use crate::flow::syscall::syscall;

/// A body that can be moved without a protocol library: identity coded, over plain TCP.
#[derive(Debug)]
pub struct Raw {
    /// The source's socket, at the first body byte that is not in `ahead`.
    pub socket: TcpStream,
    /// Body bytes that were read already, in order.
    pub ahead: Vec<Bytes>,
    /// Bytes that are still to come from the socket; `None`: until the source closes.
    pub left: Option<u64>,
    /// Where the socket goes once all of a known length has come; `None`: it is closed.
    pub home: Option<Home>,
}

/// Takes back a socket whose body is over. Dropped unused, it has been told that the socket is closed.
pub struct Home(Box<dyn FnOnce(net::TcpStream) + Send + Sync>);

impl Home {
    /// Calls `take` with the socket, which does not block and belongs to no runtime. From a drop, so it
    /// must not wait.
    #[must_use]
    pub fn new(take: impl FnOnce(net::TcpStream) + Send + Sync + 'static) -> Self {
        Self(Box::new(take))
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Home")
    }
}

/// Reads a source's socket. Dropping it closes the socket, or gives it back where its body is over.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Before `home`: closed when that is told.
    socket: TcpStream,
    home: Option<Home>,
    left: Option<u64>,
    appetite: Appetite,
    batching: Batching,
    /// When bytes were read last.
    last: Instant,
    /// Armed while bytes may gather.
    late: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Intake {
    pub(crate) fn new(socket: TcpStream, left: Option<u64>, home: Option<Home>) -> Self {
        let last = Instant::now();
        Self {
            socket,
            home,
            left,
            appetite: Appetite::new(),
            batching: Batching::new(last),
            last,
            late: None,
            armed: false,
        }
    }

    /// Whether all bytes of a known length have come.
    pub(crate) fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// When bytes were read last.
    pub(crate) fn last(&self) -> Instant {
        self.last
    }

    /// The client has made bytes wait.
    pub(crate) fn slow_down(&mut self) {
        self.appetite.slow_down();
    }

    /// Whether there may be bytes; the task is woken when there are. Cancel safe.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(ready) = self.socket.poll_read_ready(cx) {
            return Poll::Ready(ready);
        }
        if self.batching.mark() > 1 {
            self.poll_late(cx);
        }
        Poll::Pending
    }

    /// The next bytes: in a pipe where `splice` is set, they come fast and the kernel gives one, else
    /// in a buffer. `None` is the end of the stream; one that comes before its length is an error.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        splice: bool,
    ) -> Poll<io::Result<Option<Vessel>>> {
        loop {
            ready!(self.poll_ready(cx))?;
            let pipe = if splice && self.appetite.wants_pipe() { PooledPipe::take() } else { None };
            let filled = match pipe {
                Some(pipe) => self.fill_pipe(pipe),
                None => self.fill_buffer(Buffer::take()),
            };
            match filled {
                Ok((vessel, count)) => {
                    return Poll::Ready(Ok(self.took(count)?.then_some(vessel)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // This kind of socket cannot be spliced here (a sandbox's own network stack, say).
                Err(error)
                    if error.kind() == io::ErrorKind::InvalidInput
                        && self.appetite.refuse_pipes() => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// `most`, or what is left of a known length.
    fn limit(&self, most: usize) -> usize {
        let left = self.left.map_or(most, |left| usize::try_from(left).unwrap_or(most));
        left.min(most)
    }

    fn fill_pipe(&mut self, mut pipe: PooledPipe) -> io::Result<(Vessel, usize)> {
        let limit = self.limit(pipe::LEN);
        let count = self.socket.try_io(Interest::READABLE, || {
            let pipe = pipe.get().ok_or(io::ErrorKind::BrokenPipe)?;
            pipe.fill(&self.socket, limit)
        })?;
        self.appetite.spliced(count);
        Ok((Vessel::Pipe(pipe), count))
    }

    fn fill_buffer(&mut self, mut buffer: Buffer) -> io::Result<(Vessel, usize)> {
        let limit = self.limit(self.appetite.chunk());
        let count = syscall(&self.socket, Interest::READABLE, limit, || {
            let room = buffer.get_mut(..limit).ok_or(io::ErrorKind::InvalidInput)?;
            Ok(recv(&self.socket, room, RecvFlags::empty())?.0)
        })?;
        self.appetite.copied(count, limit);
        Ok((Vessel::Buffer(buffer, 0..count), count))
    }

    /// Keeps the accounts of `count` bytes; false at the end of the stream.
    fn took(&mut self, count: usize) -> io::Result<bool> {
        self.armed = false;
        if let Some(left) = &mut self.left {
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            *left = left.saturating_sub(count as u64);
        }
        self.last = Instant::now();
        if let Some(mark) = self.batching.read(count, self.last) {
            self.mark(mark);
        }
        Ok(count > 0)
    }

    /// Bytes may be waiting below the mark: after a while they must not wait any longer.
    fn poll_late(&mut self, cx: &mut Context<'_>) {
        if !self.armed {
            let deadline = Instant::now() + LATE;
            match &mut self.late {
                Some(late) => late.as_mut().reset(deadline),
                None => self.late = Some(Box::pin(sleep_until(deadline))),
            }
            self.armed = true;
        }
        let is_late = self.late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready());
        if let Some(mark) = is_late.then(|| self.batching.late()).flatten() {
            // The kernel wakes us at once if there are bytes.
            self.mark(mark);
        }
    }

    fn mark(&self, bytes: u32) {
        if let Err(error) = lowat::set(&self.socket, bytes) {
            tracing::trace!(%error, "bytes do not gather");
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let Some(home) = self.home.take_if(|_| self.left == Some(0)) else {
            return;
        };
        // The runtime knows the socket by its descriptor, so a duplicate goes home.
        let marked = if self.batching.mark() > 1 { lowat::set(&self.socket, 1) } else { Ok(()) };
        match marked.and_then(|()| self.socket.as_fd().try_clone_to_owned()) {
            Ok(duplicate) => (home.0)(duplicate.into()),
            Err(error) => {
                tracing::debug!(%error, "an upstream connection is not kept");
                self.home = Some(home);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_socket_goes_home_without_a_mark_and_only_when_its_body_is_over() {
        for (left, goes_home) in [(Some(0), true), (Some(1), false), (None, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut source, _) = listener.accept().await.unwrap();
            let (tell, told) = mpsc::sync_channel(1);
            let home = Home::new(move |socket| tell.send(socket).unwrap());
            let mut intake = Intake::new(socket, left, Some(home));
            let began = Instant::now();
            let later = (1..100).map(|step| began + step * LATE / 2);
            let mark = later.into_iter().find_map(|now| intake.batching.read(100_000, now));
            intake.mark(mark.unwrap());
            drop(intake);
            let socket = told.recv().ok();
            assert_eq!(socket.is_some(), goes_home, "{left:?}");
            if let Some(socket) = socket {
                source.write_all(b"few").await.unwrap();
                let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
                let mut readable = [PollFd::new(&socket, PollFlags::IN)];
                assert_eq!(poll(&mut readable, Some(&patience)).unwrap(), 1);
            }
        }
    }
}
