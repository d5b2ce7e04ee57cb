//! Bytes that came and wait for the script: cut into request heads.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use crate::support::wire::Parting;

/// Bytes kept for the script; more are recorded elsewhere but not answered.
const BYTES_MAX: usize = 1 << 20;

/// See the module.
pub(in crate::support::origin) struct Inbox {
    bytes: Mutex<Bytes>,
    parting: watch::Sender<Option<Parting>>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Bytes {
    waiting: Vec<u8>,
    /// How many had come when the first line of the present head was complete.
    first_read: Option<usize>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (parting, changed) = (watch::Sender::new(None), watch::Sender::new(0));
        Self { bytes: Mutex::default(), parting, changed }
    }

    pub(super) fn push(&self, bytes: &[u8]) {
        let mut inbox = self.bytes();
        let room = BYTES_MAX - inbox.waiting.len();
        inbox.waiting.extend(bytes.iter().take(room));
        inbox.note_first_line();
        drop(inbox);
        self.changed.send_modify(|turn| *turn += 1);
    }

    pub(in crate::support::origin) fn leave(&self, how: Parting) {
        self.parting.send_replace(Some(how));
        self.changed.send_modify(|turn| *turn += 1);
    }

    /// How the peer has left.
    pub(in crate::support::origin) fn parting(&self) -> Option<Parting> {
        *self.parting.borrow()
    }

    /// Returns once the peer has left. Cancel safe.
    pub(in crate::support::origin) async fn left(&self) {
        self.parting.subscribe().wait_for(Option::is_some).await.expect("the inbox is alive");
    }

    /// The next request head, with how many bytes had come when its first line was complete; None
    /// once the peer has left without another.
    pub(super) async fn head(&self) -> Option<(Vec<u8>, usize)> {
        self.take(Bytes::head).await
    }

    /// Passes over `count` bytes, or what comes of them.
    pub(super) async fn skip(&self, count: usize) {
        self.take(|bytes| {
            let enough = bytes.waiting.len() >= count;
            enough.then(|| drop(bytes.waiting.drain(..count)))
        })
        .await;
    }

    async fn take<T>(&self, mut look: impl FnMut(&mut Bytes) -> Option<T>) -> Option<T> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let left = self.parting().is_some();
            let found = look(&mut self.bytes());
            if found.is_some() || left {
                return found;
            }
            changes.changed().await.expect("the inbox is alive");
        }
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bytes {
    fn head(&mut self) -> Option<(Vec<u8>, usize)> {
        let length = head_length(&self.waiting)?;
        let first_read = self.first_read.take().unwrap_or(length);
        let head = self.waiting.drain(..length).collect();
        self.note_first_line();
        Some((head, first_read))
    }

    fn note_first_line(&mut self) {
        if self.first_read.is_none() && self.waiting.contains(&b'\n') {
            self.first_read = Some(self.waiting.len());
        }
    }
}

/// Length of the head at the front of `bytes`, its empty line included. Bare line feeds count, so
/// that a malformed request is recorded too.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let crlf = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    let lf = bytes.windows(2).position(|window| window == b"\n\n").map(|at| at + 2);
    crlf.into_iter().chain(lf).min()
}
