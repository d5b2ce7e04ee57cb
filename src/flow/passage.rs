//! The body of an answer whose bytes go from the source's socket to the client's beneath hyper.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::flow::Control;
use crate::flow::intake::{Intake, Raw};
use crate::flow::placeholder;
use crate::flow::stage::Vessel;

/// So many bytes at once are more than a television stream has in the time that a lane rests.
const BULK: usize = 64 * 1024;

/// How the bytes of a [`Passage`] move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Unseen: from socket to socket in the kernel while bytes come fast, through a buffer where
    /// that is cheaper, the kernel gives no pipe, or the client's side is no plain TCP.
    Spliced,
    /// Through a buffer that is shown to whoever watches.
    Watched,
}

impl Way {
    /// The word for logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Spliced => "spliced",
            Self::Watched => "watched",
        }
    }
}

/// Reads a source and puts what it gives on its client's stage, one vessel at a time: the next
/// bytes are read once these have been taken, so a slow client slows its own source and no more.
///
/// Memory: a buffer or a pipe of 256 KiB at most while bytes are on their way, nothing but the
/// socket while none are.
#[derive(Debug)]
pub struct Passage {
    /// Bytes that were read before, last first. They are handed on as they are.
    ahead: Vec<Bytes>,
    intake: Intake,
    way: Way,
    control: Arc<Control>,
    /// How often the client has made bytes wait, when it was last looked at.
    waits_over: u32,
}

impl Passage {
    /// Moves what `raw` gives to the client behind `control`.
    #[must_use]
    pub fn new(raw: Raw, way: Way, control: Arc<Control>) -> Self {
        let Raw { socket, mut ahead, left, home } = raw;
        ahead.reverse();
        let intake = Intake::new(socket, left, home);
        Self { ahead, intake, way, control, waits_over: 0 }
    }

    /// How the bytes move.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// When bytes were last read from the source.
    #[must_use]
    pub fn last(&self) -> Instant {
        self.intake.last()
    }

    /// The next bytes, as hyper is to frame them; `watch` is shown those that pass through memory.
    /// `None` is the end of the stream. Cancel safe.
    ///
    /// # Errors
    /// What reading the source's socket says; `UnexpectedEof` when it ends before its length.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        mut watch: impl FnMut(&[u8]),
    ) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(bytes) = self.ahead.pop() {
            watch(&bytes);
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.intake.is_complete() {
            return Poll::Ready(None);
        }
        if self.stage_is_occupied(cx) {
            return Poll::Pending;
        }
        let waits_over = self.control.waits_over();
        if waits_over != self.waits_over {
            self.waits_over = waits_over;
            self.intake.slow_down();
        }
        let splice = self.way == Way::Spliced && self.control.splices();
        let filled = ready!(self.intake.poll_fill(cx, splice));
        Poll::Ready(filled.map(|vessel| vessel.map(|vessel| self.put(vessel, watch))).transpose())
    }

    /// As [`Passage::poll_next`], with `rewrite` between: what it appends is what the client gets
    /// instead of the bytes that it is shown. Cancel safe.
    ///
    /// # Errors
    /// As [`Passage::poll_next`].
    pub fn poll_rewritten(
        &mut self,
        cx: &mut Context<'_>,
        mut rewrite: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if self.stage_is_occupied(cx) {
                return Poll::Pending;
            }
            let mut rewritten = Vec::new();
            let shown = ready!(self.poll_shown(cx, |bytes| rewrite(bytes, &mut rewritten)));
            match shown {
                Some(Ok(())) if rewritten.is_empty() => {}
                Some(Ok(())) => return Poll::Ready(Some(Ok(self.put_rewritten(rewritten)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Shows the next bytes and keeps none of them: nobody is sent them. `None` is the end of the
    /// stream. Cancel safe.
    ///
    /// # Errors
    /// As [`Passage::poll_next`].
    pub fn poll_shown(
        &mut self,
        cx: &mut Context<'_>,
        mut show: impl FnMut(&[u8]),
    ) -> Poll<Option<io::Result<()>>> {
        if let Some(bytes) = self.ahead.pop() {
            show(&bytes);
            return Poll::Ready(Some(Ok(())));
        }
        if self.intake.is_complete() {
            return Poll::Ready(None);
        }
        let filled = ready!(self.intake.poll_fill(cx, false));
        let shown =
            filled.map(|vessel| vessel.map(|vessel| vessel.bytes().into_iter().for_each(show)));
        Poll::Ready(shown.transpose())
    }

    fn put_rewritten(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.len() > placeholder::LEN_MAX {
            return Bytes::from(bytes);
        }
        let placeholder = placeholder::of(bytes.len());
        self.control.stage().put(Vessel::Rest(bytes.into_boxed_slice(), 0));
        placeholder
    }

    fn put(&self, vessel: Vessel, mut watch: impl FnMut(&[u8])) -> Bytes {
        vessel.bytes().into_iter().for_each(&mut watch);
        if vessel.left() >= BULK {
            self.control.stir();
        }
        let placeholder = placeholder::of(vessel.left());
        self.control.stage().put(vessel);
        placeholder
    }

    /// Whether the last bytes are still on their way. Then the task is woken when they are gone and
    /// there is more: by the source if there is none now, else by whoever sends the last of them.
    fn stage_is_occupied(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.control.stage().is_occupied() {
            return false;
        }
        // A client that does not keep up is no reason to be woken by its source, too.
        if self.control.write_waits() || self.intake.poll_ready(cx).is_ready() {
            self.control.stage().want();
        }
        true
    }
}
