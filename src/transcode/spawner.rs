//! The thread that starts every FFmpeg and buries those that nobody waits for. The kernel's promise to
//! end a child with its parent (`PR_SET_PDEATHSIG`) holds for the thread that forked it: a thread of
//! the runtime may end while the program goes on, and its children with it. This one ends last, for
//! every child holds on to it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use tokio::process::Child;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::metrics::Presence;
use crate::metrics::Value;
use crate::transcode::Lease;
use crate::transcode::child::kill_group;

/// Pause between two looks whether a killed process is gone.
const LOOK: Duration = Duration::from_millis(5);
/// Looks at processes that were killed, after the program has let go of all of them.
const LAST_LOOKS: u32 = 400;

/// A handle on the thread, which ends when the last one is dropped.
#[derive(Clone)]
pub(super) struct Spawner(Arc<Closing>);

/// Ends the thread when dropped.
struct Closing(Arc<Shared>);

struct Shared {
    /// Held to put something in or to take it out, never while a process is started or waited for.
    desk: Mutex<Desk>,
    /// Something was put on the desk.
    changed: Condvar,
    /// Processes that exist.
    processes: Value,
}

/// What the thread has to do. Everything on it holds a lease, and there are as many of these as
/// processes are allowed and hardware is tried, so it is bounded.
#[derive(Default)]
struct Desk {
    requests: VecDeque<Request>,
    remains: Vec<Remains>,
    is_closed: bool,
}

struct Request {
    command: Command,
    /// Where the pipes and the exit of the child are waited for.
    runtime: Handle,
    lease: Arc<Lease>,
    answer: oneshot::Sender<io::Result<Started>>,
}

/// A process and what it holds; dropped when it is gone.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) child: Child,
    _presence: Presence,
}

/// A process that was killed.
#[derive(Debug)]
struct Remains {
    started: Started,
    /// Given back when the process is gone.
    _lease: Arc<Lease>,
}

impl Spawner {
    /// Starts the thread. `processes` counts what exists.
    pub(super) fn start(processes: Value) -> io::Result<Self> {
        let (desk, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { desk, changed, processes });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("weir-ffmpeg".to_owned()).spawn(move || own.run())?;
        Ok(Self(Arc::new(Closing(shared))))
    }

    /// Has the thread start a process, whose pipes are read on this runtime. When this is dropped
    /// before it answers, the process is killed. Cancel safe.
    pub(super) async fn spawn(&self, command: Command, lease: Arc<Lease>) -> io::Result<Started> {
        let (answer, answered) = oneshot::channel();
        let request = Request { command, runtime: Handle::current(), lease, answer };
        self.0.0.put(|desk| desk.requests.push_back(request));
        answered
            .await
            .map_err(|_| io::Error::other("the thread that starts processes has ended"))?
    }

    /// Buries a process that was killed.
    pub(super) fn bury(&self, started: Started, lease: Arc<Lease>) {
        self.0.0.put(|desk| desk.remains.push(Remains { started, _lease: lease }));
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.put(|desk| desk.is_closed = true);
    }
}

impl Shared {
    fn run(&self) {
        let mut last_looks = 0;
        loop {
            let (requests, mut remains, is_closed) = self.take();
            for request in requests {
                remains.extend(self.answer(request));
            }
            // An error means that somebody else has waited for it.
            remains.retain_mut(|one| matches!(one.started.child.try_wait(), Ok(None)));
            if is_closed && (remains.is_empty() || last_looks == LAST_LOOKS) {
                return;
            }
            last_looks += u32::from(is_closed);
            let has_remains = !remains.is_empty();
            let mut desk = self.lock();
            desk.remains.append(&mut remains);
            let is_idle = |desk: &mut Desk| desk.requests.is_empty() && !desk.is_closed;
            if has_remains {
                drop(self.changed.wait_timeout(desk, LOOK));
            } else {
                let is_idle = |desk: &mut Desk| is_idle(desk) && desk.remains.is_empty();
                drop(self.changed.wait_while(desk, is_idle));
            }
        }
    }

    /// Starts what is asked for; a process that nobody wants any more is killed and left to be buried.
    fn answer(&self, mut request: Request) -> Option<Remains> {
        if request.answer.is_closed() {
            return None;
        }
        let _entered = request.runtime.enter();
        let started = request.command.spawn();
        let presence = || Presence::enter(self.processes.clone());
        let started = started.map(|child| Started { child, _presence: presence() });
        let Err(Ok(unwanted)) = request.answer.send(started) else { return None };
        kill_group(&unwanted.child);
        Some(Remains { started: unwanted, _lease: request.lease })
    }

    fn take(&self) -> (VecDeque<Request>, Vec<Remains>, bool) {
        let mut desk = self.lock();
        (std::mem::take(&mut desk.requests), std::mem::take(&mut desk.remains), desk.is_closed)
    }

    fn put(&self, change: impl FnOnce(&mut Desk)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
