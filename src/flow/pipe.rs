//! A kernel pipe: where spliced bytes are between the source's socket and the client's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::flow::placeholder;

/// Bytes in a pipe: 64 pages (pipe(7)), or fewer where pieces of a page come.
pub(crate) const LEN: usize = placeholder::LEN_MAX;

/// A pipe and how many bytes are in it. Both ends never block.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty pipe of [`LEN`] bytes, or of the kernel's default size (64 KiB) where it does not
    /// grant more: that costs speed and nothing else.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if let Err(errno) = fcntl_setpipe_size(&writer, LEN) {
            tracing::trace!(%errno, "a pipe keeps its default size");
        }
        Ok(Self { reader, writer, held: 0 })
    }

    /// Bytes that were filled in and not drained.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Moves at most `limit` bytes from `socket` into this pipe. 0 is the end of the stream, and
    /// `WouldBlock` means that the socket has none now, if the pipe was empty.
    pub(crate) fn fill(&mut self, socket: impl AsFd, limit: usize) -> io::Result<usize> {
        let moved = splice(socket, None, &self.writer, None, limit, flags())?;
        self.held += moved;
        Ok(moved)
    }

    /// Moves at most `limit` bytes from this pipe into `socket`.
    pub(crate) fn drain(&mut self, socket: impl AsFd, limit: usize) -> io::Result<usize> {
        let limit = limit.min(self.held);
        let moved = splice(&self.reader, None, socket, None, limit, flags())?;
        self.held -= moved;
        Ok(moved)
    }

    /// Copies all that is held out of the kernel; the pipe is empty then.
    pub(crate) fn take(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.held);
        while self.held > 0 {
            let read = rustix::io::read(&self.reader, spare_capacity(&mut bytes))?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.held = self.held.saturating_sub(read);
        }
        Ok(bytes)
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::NONBLOCK | SpliceFlags::MOVE
}

/// Whether this kernel, this user and this sandbox let bytes be spliced from a socket to a socket.
///
/// # Errors
/// What was refused, for a log line.
pub fn probe() -> Result<(), String> {
    let refused = |call: &'static str| move |error: io::Error| format!("{call}: {error}");
    let mut pipe = Pipe::new().map_err(refused("pipe2"))?;
    let (source, from) = std::os::unix::net::UnixStream::pair().map_err(refused("socketpair"))?;
    let (to, client) = std::os::unix::net::UnixStream::pair().map_err(refused("socketpair"))?;
    io::Write::write_all(&mut &source, b"weir").map_err(refused("write"))?;
    pipe.fill(&from, 4).map_err(refused("splice"))?;
    pipe.drain(&to, 4).map_err(refused("splice"))?;
    let mut bytes = [0; 4];
    io::Read::read_exact(&mut &client, &mut bytes).map_err(refused("read"))?;
    if &bytes == b"weir" { Ok(()) } else { Err("splice: other bytes came out".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn bytes_go_through_and_can_be_taken_out() {
        let (mut source, from) = UnixStream::pair().unwrap();
        let (to, mut client) = UnixStream::pair().unwrap();
        from.set_nonblocking(true).unwrap();
        let mut pipe = Pipe::new().unwrap();
        let dry = pipe.fill(&from, 100).unwrap_err();
        assert_eq!(dry.kind(), io::ErrorKind::WouldBlock);
        source.write_all(b"one two three").unwrap();
        assert_eq!(pipe.fill(&from, 100).unwrap(), 13);
        assert_eq!(pipe.drain(&to, 4).unwrap(), 4);
        assert_eq!(pipe.held(), 9);
        assert_eq!(pipe.take().unwrap(), b"two three");
        assert_eq!(pipe.held(), 0);
        drop(source);
        assert_eq!(pipe.fill(&from, 100).unwrap(), 0, "the end of the stream");
        drop(to);
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"one ");
    }

    #[test]
    fn here_the_kernel_splices() {
        assert_eq!(probe(), Ok(()));
    }
}
