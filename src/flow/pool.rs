//! Buffers and pipes that wait for the next bytes: a few on each thread, shared by all its streams,
//! so that a stream owns none while nothing of it is on its way.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};

use crate::flow::pipe::Pipe;
use crate::flow::placeholder;

/// Bytes in a buffer.
pub(crate) const BUFFER_LEN: usize = placeholder::LEN_MAX;

/// Pipes that a thread may have at a time, those of clients that do not keep up included. Beyond
/// them bytes are copied.
const PIPES_MAX: usize = 16;

/// How many of each a thread keeps. A stream needs one at a time and gives it back in the same
/// wake-up unless its client takes no more: two are plenty.
const KEPT_MAX: usize = 2;

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    /// Pipes that this thread has given out. A stream stays on its thread, so they come back here.
    static LENT: Cell<usize> = const { Cell::new(0) };
}

/// [`BUFFER_LEN`] bytes whose content is whatever the last stream left; back in the pool
/// when dropped.
#[derive(Debug)]
pub(crate) struct Buffer(Box<[u8]>);

impl Buffer {
    /// One of this thread's, or a new one, whose pages are made only as they are written.
    pub(crate) fn take() -> Self {
        let kept = BUFFERS.with_borrow_mut(Vec::pop);
        Self(kept.unwrap_or_else(|| vec![0; BUFFER_LEN].into_boxed_slice()))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        keep(&BUFFERS, std::mem::take(&mut self.0));
    }
}

/// An empty pipe at first; back in the pool when dropped empty, closed when not.
#[derive(Debug)]
pub(crate) struct PooledPipe(Option<Pipe>);

impl PooledPipe {
    /// An empty one, or none where this thread has given out [`PIPES_MAX`] or the kernel gives none
    /// (no descriptors left, a limit on pipes).
    pub(crate) fn take() -> Option<Self> {
        if LENT.get() >= PIPES_MAX {
            return None;
        }
        let pipe = match PIPES.with_borrow_mut(Vec::pop) {
            Some(pipe) => pipe,
            None => Pipe::new()
                .inspect_err(|error| tracing::debug!(%error, "no pipe; these bytes are copied"))
                .ok()?,
        };
        LENT.set(LENT.get() + 1);
        Some(Self(Some(pipe)))
    }

    /// The pipe; always there until the drop.
    pub(crate) fn get(&mut self) -> Option<&mut Pipe> {
        self.0.as_mut()
    }

    /// Bytes in it.
    pub(crate) fn held(&self) -> usize {
        self.0.as_ref().map_or(0, Pipe::held)
    }
}

impl Drop for PooledPipe {
    fn drop(&mut self) {
        LENT.set(LENT.get().saturating_sub(1));
        if let Some(pipe) = self.0.take().filter(|pipe| pipe.held() == 0) {
            keep(&PIPES, pipe);
        }
    }
}

/// Keeps `item` on this thread, or drops it where there are enough or the thread is ending.
fn keep<T>(pool: &'static std::thread::LocalKey<RefCell<Vec<T>>>, item: T) {
    let kept = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT_MAX {
            pool.push(item);
        }
    });
    if kept.is_err() {
        tracing::trace!("the thread ends; nothing is kept");
    }
}
