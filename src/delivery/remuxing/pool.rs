//! Threads for work that takes longer than a task may. Each session has a [`Seat`] and one piece of work
//! under way at most, which moves to a thread and back: no lock is held while it is worked on, and the queue
//! is never longer than there are seats.
//!
//! The threads are the pool's own and not a runtime's blocking ones: as many as there are cores and no more,
//! whichever lane the work comes from, under a name that shows in `top -H`. They start as they are needed and
//! end with the last seat.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::thread::JoinHandle;

#[cfg(test)]
mod tests;

/// What a thread does.
pub(super) trait Work: Send + 'static {
    /// One piece of it. A panic loses the work, and nothing else.
    fn work(&mut self);
}

/// The threads. Dropping it ends them and waits until they are gone: for what is being worked on, at most.
pub(super) struct Pool<W: Work> {
    shared: Arc<Shared<W>>,
}

/// A session's right to have work done. Dropping it gives up what is under way, which is dropped where it is.
pub(super) struct Seat<W: Work> {
    shared: Arc<Shared<W>>,
    slot: Arc<Slot<W>>,
}

/// The work is lost: it panicked, or there is no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it panicked, or there is no thread for it")]
pub(super) struct Lost;

struct Shared<W> {
    /// Guards all that changes; held to add a piece of work or to take one.
    state: Mutex<State<W>>,
    /// Told when there is work, and when there will be none.
    news: Condvar,
    threads_max: usize,
}

struct State<W> {
    queue: VecDeque<Job<W>>,
    seats: usize,
    /// Those that run, and of these those that wait for work.
    running: usize,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    /// The number of the next thread.
    next: usize,
    is_over: bool,
}

struct Job<W> {
    work: Box<W>,
    slot: Arc<Slot<W>>,
}

/// Where work comes back to.
struct Slot<W>(Mutex<Back<W>>);

struct Back<W> {
    came: Option<Result<Box<W>, Lost>>,
    waker: Option<Waker>,
}

impl<W: Work> Pool<W> {
    /// As many threads at most as there are cores. None runs yet.
    pub(super) fn new() -> Self {
        Self::with_threads(thread::available_parallelism().map_or(1, usize::from))
    }

    fn with_threads(threads_max: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            seats: 0,
            running: 0,
            idle: 0,
            threads: Vec::new(),
            next: 0,
            is_over: false,
        };
        let shared = Shared { state: Mutex::new(state), news: Condvar::new(), threads_max };
        Self { shared: Arc::new(shared) }
    }

    /// One more session.
    pub(super) fn seat(&self) -> Seat<W> {
        self.shared.state().seats += 1;
        let slot = Arc::new(Slot(Mutex::new(Back { came: None, waker: None })));
        Seat { shared: Arc::clone(&self.shared), slot }
    }
}

impl<W: Work> Seat<W> {
    /// Has `work` done. The last one must have come back.
    pub(super) fn submit(&self, work: Box<W>) {
        let mut state = self.shared.state();
        if let Err(error) = self.shared.be_ready(&mut state) {
            drop(state);
            tracing::error!("no thread converts sound: {error}");
            return self.slot.put(Err(Lost));
        }
        state.queue.push_back(Job { work, slot: Arc::clone(&self.slot) });
        drop(state);
        self.shared.news.notify_one();
    }

    /// Ready when the work is done, with the work.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Box<W>, Lost>> {
        let mut back = self.slot.back();
        if let Some(came) = back.came.take() {
            return Poll::Ready(came);
        }
        match &mut back.waker {
            Some(known) => known.clone_from(cx.waker()),
            None => back.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl<W: Work> Drop for Seat<W> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.seats -= 1;
        let is_last = state.seats == 0;
        drop(state);
        if is_last {
            self.shared.news.notify_all();
        }
    }
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_over = true;
        let (threads, jobs) =
            (std::mem::take(&mut state.threads), std::mem::take(&mut state.queue));
        drop(state);
        self.shared.news.notify_all();
        for Job { work, slot } in jobs {
            drop(work);
            slot.put(Err(Lost));
        }
        for thread in threads {
            // What panics in one is caught there.
            thread.join().ok();
        }
    }
}

impl<W: Work> Shared<W> {
    /// There will be a thread for one more piece of work.
    fn be_ready(self: &Arc<Self>, state: &mut State<W>) -> io::Result<()> {
        if state.is_over {
            return Err(io::Error::other("the program ends"));
        }
        if state.queue.len() < state.idle || state.running >= self.threads_max {
            return Ok(());
        }
        // Those that have ended are nobody's any more.
        state.threads.retain(|thread| !thread.is_finished());
        let own = Arc::clone(self);
        let name = format!("weir-remux-{}", state.next % self.threads_max);
        match thread::Builder::new().name(name).spawn(move || own.run()) {
            Ok(thread) => state.threads.push(thread),
            // The others will come to it.
            Err(_) if state.running > 0 => return Ok(()),
            Err(error) => return Err(error),
        }
        state.running += 1;
        state.next = state.next.wrapping_add(1);
        Ok(())
    }

    /// A thread.
    fn run(&self) {
        while let Some(job) = self.next() {
            // Whatever is dropped on the way must not take the thread along either.
            _ = catch_unwind(AssertUnwindSafe(|| job.run()));
        }
    }

    /// The next piece of work, waited for. `None`: the thread ends.
    fn next(&self) -> Option<Job<W>> {
        let mut state = self.state();
        state.idle += 1;
        let job = loop {
            if state.is_over {
                break None;
            }
            if let Some(job) = state.queue.pop_front() {
                break Some(job);
            }
            if state.seats == 0 {
                break None;
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.idle -= 1;
        state.running -= usize::from(job.is_none());
        job
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Work> Job<W> {
    fn run(self) {
        let Self { mut work, slot } = self;
        // Its session may be gone.
        if Arc::strong_count(&slot) == 1 {
            return;
        }
        let done = catch_unwind(AssertUnwindSafe(|| {
            work.work();
            work
        }));
        slot.put(done.map_err(|_| Lost));
    }
}

impl<W> Slot<W> {
    fn put(&self, came: Result<Box<W>, Lost>) {
        let mut back = self.back();
        back.came = Some(came);
        let waker = back.waker.take();
        drop(back);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn back(&self) -> MutexGuard<'_, Back<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Work> fmt::Debug for Pool<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("Pool")
            .field("seats", &state.seats)
            .field("running", &state.running)
            .finish_non_exhaustive()
    }
}
