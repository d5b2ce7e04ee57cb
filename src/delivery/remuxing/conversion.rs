//! The remux of one stream, which works on a thread of the pool: bytes are gathered, sent there with the remux
//! itself, and come back with it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rustix::time::ClockId;
use rustix::time::clock_gettime;
use tokio::time::Instant;

use crate::delivery::remuxing::account::Account;
use crate::delivery::remuxing::pool::Lost;
use crate::delivery::remuxing::pool::Seat;
use crate::delivery::remuxing::pool::Work;
use crate::remux::Codecs;
use crate::remux::Options;
use crate::remux::Remux;
use crate::remux::Stage;

/// Bytes that a thread is given at once, or what one read of a source gave.
const BATCH: usize = 64 * 1024;

/// Reads that they may have come in.
const READS_MAX: usize = 256;

/// Converts one stream. While its remux is away nothing more is taken.
///
/// Memory: what the remux holds, and once or twice [`BATCH`].
pub(super) struct Conversion {
    seat: Seat<Batch>,
    /// `None`: it is with a thread, or lost.
    batch: Option<Box<Batch>>,
    is_lost: bool,
    account: Account,
    options: Options,
    codecs: Arc<dyn Codecs>,
}

/// What moves to a thread and back.
pub(super) struct Batch {
    remux: Remux,
    /// The next bytes of the source.
    input: Vec<Bytes>,
    /// How many these are.
    held: usize,
    /// The source is over.
    is_last: bool,
    /// What has come of them.
    out: Vec<u8>,
    /// Processor time of the last work.
    took: Duration,
}

impl Conversion {
    /// Before the first bytes.
    pub(super) fn new(
        seat: Seat<Batch>,
        account: Account,
        options: Options,
        codecs: Arc<dyn Codecs>,
    ) -> Self {
        let batch = Batch {
            remux: Remux::new(options.clone(), Arc::clone(&codecs)),
            input: Vec::new(),
            held: 0,
            is_last: false,
            out: Vec::new(),
            took: Duration::ZERO,
        };
        Self { seat, batch: Some(Box::new(batch)), is_lost: false, account, options, codecs }
    }

    /// Begins anew: with another source, after the last one was refused.
    pub(super) fn renew(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.remux = Remux::new(self.options.clone(), Arc::clone(&self.codecs));
        }
    }

    /// Ready when it takes more, and when what was sent is done.
    ///
    /// # Errors
    /// When the remux is lost; it is for ever.
    pub(super) fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<Result<(), Lost>> {
        if self.is_lost {
            return Poll::Ready(Err(Lost));
        }
        if self.batch.is_some() {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.seat.poll(cx)) {
            Ok(batch) => {
                let batch = self.batch.insert(batch);
                self.account.settle(&mut batch.remux, batch.took, Instant::now());
                Poll::Ready(Ok(()))
            }
            Err(Lost) => {
                self.is_lost = true;
                Poll::Ready(Err(Lost))
            }
        }
    }

    /// How far it has come. `None` while it is away.
    pub(super) fn stage(&self) -> Option<&Stage> {
        self.batch.as_ref().map(|batch| batch.remux.stage())
    }

    /// Bytes that have come of the last ones and were not taken.
    pub(super) fn made(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.out.len())
    }

    /// What has come of the bytes since this was last asked, if anything has.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let out = &mut self.batch.as_mut()?.out;
        (!out.is_empty()).then(|| Bytes::from(std::mem::take(out)))
    }

    /// Gathers bytes of the source; false once it is to be sent with what it has.
    pub(super) fn push(&mut self, bytes: Bytes) -> bool {
        let Some(batch) = &mut self.batch else { return false };
        batch.held += bytes.len();
        batch.input.push(bytes);
        batch.held < BATCH && batch.input.len() < READS_MAX
    }

    /// Sends what was gathered to a thread. False where that is nothing.
    pub(super) fn send(&mut self) -> bool {
        let Some(mut batch) = self.batch.take_if(|batch| batch.held > 0 || batch.is_last) else {
            return false;
        };
        // Converted sound is smaller than what it was, and one allocation is enough then.
        batch.out.reserve(batch.held);
        self.seat.submit(batch);
        true
    }

    /// The source is over: what it makes of the rest of it is still to come.
    pub(super) fn finish(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.is_last = true;
        }
        self.send();
    }
}

impl Work for Batch {
    fn work(&mut self) {
        let began = thread_time();
        for bytes in self.input.drain(..) {
            self.remux.push(&bytes, &mut self.out);
        }
        self.held = 0;
        if std::mem::take(&mut self.is_last) {
            self.remux.finish(&mut self.out);
        }
        self.took = thread_time().saturating_sub(began);
    }
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
