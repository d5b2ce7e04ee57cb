//! Where a body's bytes wait between the one who read them, above hyper, and the one who writes
//! them, beneath it. One vessel at a time: the next bytes are read when these are with the client.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::flow::pipe::Pipe;
use crate::flow::pool::{Buffer, PooledPipe};

/// Bytes on their way to the client.
#[derive(Debug)]
pub(crate) enum Vessel {
    /// In a buffer of the thread's pool: the usual case, for as long as the client keeps up.
    Buffer(Buffer, Range<usize>),
    /// What a client did not take at once, in a vessel of its own size.
    Rest(Box<[u8]>, usize),
    /// In the kernel.
    Pipe(PooledPipe),
}

impl Vessel {
    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        match self {
            Self::Buffer(_, range) => range.len(),
            Self::Rest(bytes, start) => bytes.len().saturating_sub(*start),
            Self::Pipe(pipe) => pipe.held(),
        }
    }

    /// The bytes that are left, where they are in memory.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Buffer(buffer, range) => Some(buffer.get(range.clone()).unwrap_or_default()),
            Self::Rest(bytes, start) => Some(bytes.get(*start..).unwrap_or_default()),
            Self::Pipe(_) => None,
        }
    }

    /// So many of the bytes in memory were written.
    fn advance(&mut self, count: usize) {
        match self {
            Self::Buffer(_, Range { start, .. }) | Self::Rest(_, start) => *start += count,
            Self::Pipe(_) => {}
        }
    }

    /// Makes a buffer as small as what is left in it: its client takes no more for now, and there
    /// may be thousands of its kind. A pipe stays: there are few, and what is in it costs no copy.
    fn shrink(self) -> Self {
        match self {
            Self::Buffer(buffer, range) => {
                Self::Rest(buffer.get(range).unwrap_or_default().into(), 0)
            }
            small => small,
        }
    }

    /// Takes the bytes out of a pipe that the client's socket cannot be spliced from.
    fn surface(self) -> io::Result<Self> {
        match self {
            Self::Pipe(mut pipe) => {
                let bytes = pipe.get().map(Pipe::take).transpose()?.unwrap_or_default();
                Ok(Self::Rest(bytes.into_boxed_slice(), 0))
            }
            here => Ok(here),
        }
    }
}

/// The vessel of one client connection, if there are bytes in it.
///
/// Memory: nothing while the client keeps up; else what it did not take of 256 KiB at most, or a pipe of
/// as many, of which a thread has 16.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    vessel: Option<Vessel>,
    /// There is more to be had upstream: whoever empties the vessel wakes the task.
    wanted: bool,
}

impl Stage {
    /// Puts a vessel with bytes on the stage, which is empty.
    pub(crate) fn put(&mut self, vessel: Vessel) {
        debug_assert!(self.vessel.is_none(), "the last bytes are still here");
        self.vessel = Some(vessel).filter(|vessel| vessel.left() > 0);
    }

    /// Whether bytes wait here.
    pub(crate) fn is_occupied(&self) -> bool {
        self.vessel.is_some()
    }

    /// What waits here.
    pub(crate) fn vessel(&self) -> Option<&Vessel> {
        self.vessel.as_ref()
    }

    /// Asks for a wake-up once the stage is empty.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// So many bytes of the vessel were written from memory.
    pub(crate) fn wrote(&mut self, count: usize) {
        if let Some(vessel) = &mut self.vessel {
            vessel.advance(count);
        }
        self.clear();
    }

    /// Moves at most `limit` bytes from the pipe on the stage into `socket`, and tells how many.
    pub(crate) fn splice(&mut self, socket: impl AsFd, limit: usize) -> io::Result<usize> {
        let Some(Vessel::Pipe(pipe)) = &mut self.vessel else {
            return Err(io::Error::other("no pipe on the stage"));
        };
        let pipe = pipe.get().ok_or_else(|| io::Error::other("no pipe in the vessel"))?;
        let moved = pipe.drain(socket, limit)?;
        self.clear();
        Ok(moved)
    }

    /// The client takes no more for now.
    pub(crate) fn settle(&mut self) {
        self.vessel = self.vessel.take().map(Vessel::shrink);
    }

    /// The client's socket does not take bytes from a pipe.
    pub(crate) fn surface(&mut self) -> io::Result<()> {
        self.vessel = self.vessel.take().map(Vessel::surface).transpose()?;
        Ok(())
    }

    /// Whether somebody waits for the stage to be empty; asked once.
    pub(crate) fn take_wanted(&mut self) -> bool {
        std::mem::take(&mut self.wanted)
    }

    /// An empty vessel goes back to where it came from.
    fn clear(&mut self) {
        self.vessel.take_if(|vessel| vessel.left() == 0);
    }
}
