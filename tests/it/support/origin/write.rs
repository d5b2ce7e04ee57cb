//! Playing a script: steps to bytes on the wire.

use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;

use super::book::Book;
use super::feed::Feed;
use super::feed::Schedule;
use super::script::Chunks;
use super::script::Script;
use super::script::Step;
use super::serve::Inbox;
use crate::support::content::Dice;
use crate::support::eventually::Gate;
use crate::support::ts::PACKET;
use crate::support::wire::Parting;

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection serves the next request.
    Next,
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// The peer has left, nothing more can be written.
    Gone,
}

/// Why a write went no further.
enum Stop {
    /// See [`End`].
    Ended(End),
    /// The gate of the feed has opened.
    Gate,
}

/// Writes one connection's answers.
pub(super) struct Writer<'a, W> {
    half: &'a mut W,
    inbox: &'a Inbox,
    number: usize,
    book: &'a Book,
    slices: Option<(Dice, usize)>,
    chunks: Option<(Chunks, Dice)>,
    give_up_after: Option<Duration>,
    /// Ends a write early when it opens.
    gate: Option<Gate>,
}

impl<'a, W: AsyncWrite + Unpin> Writer<'a, W> {
    pub(super) fn new(half: &'a mut W, inbox: &'a Inbox, number: usize, book: &'a Book) -> Self {
        let (slices, chunks, give_up_after, gate) = (None, None, None, None);
        Self { half, inbox, number, book, slices, chunks, give_up_after, gate }
    }

    /// Plays `script` to its end.
    pub(super) async fn play(&mut self, script: Script) -> End {
        self.chunks = None;
        for step in script.steps {
            match self.step(step).await {
                Ok(()) | Err(Stop::Gate) => {}
                Err(Stop::Ended(end)) => return end,
            }
        }
        End::Close
    }

    async fn step(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Raw(bytes) | Step::LastChunk(bytes) => self.write(&bytes).await?,
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    self.write(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Step::Body(bytes) => self.framed(&bytes).await?,
            Step::Feed(feed) => {
                self.gate = feed.until.clone().filter(|_| feed.cut_at.is_none());
                let fed = self.feed(&feed).await;
                self.gate = None;
                fed?;
            }
            Step::Chunked(chunks) => {
                let seed = if let Chunks::Random { seed, .. } = chunks { seed } else { 0 };
                self.chunks = Some((chunks, Dice::new(seed)));
            }
            Step::Unframed => self.chunks = None,
            Step::Sliced { seed, most } => self.slices = Some((Dice::new(seed), most)),
            Step::Pause(duration) => tokio::time::sleep(duration).await,
            Step::Wait(gate) => tokio::select! {
                () = gate.opened() => {}
                () = self.inbox.left() => return Err(Stop::Ended(End::Gone)),
            },
            Step::Stall => {
                self.inbox.left().await;
                return Err(Stop::Ended(End::Gone));
            }
            Step::GiveUpAfter(duration) => self.give_up_after = Some(duration),
            Step::NextRequest => return Err(Stop::Ended(End::Next)),
            Step::Close => return Err(Stop::Ended(End::Close)),
            Step::Reset => return Err(Stop::Ended(End::Reset)),
        }
        Ok(())
    }

    async fn feed(&mut self, feed: &Feed) -> Result<(), Stop> {
        let schedule = feed.schedule();
        let mut buffer = vec![0; schedule.slice()];
        let mut at = schedule.from;
        let mut end = feed.bytes.map(|bytes| schedule.from.saturating_add(bytes));
        let mut cut = false;
        loop {
            self.until_due(feed, &schedule, at, cut).await?;
            if !cut && feed.until.as_ref().is_some_and(Gate::is_open) {
                let Some(byte) = feed.cut_at else { return Ok(()) };
                let packet = PACKET as u64;
                let stop = at + (byte + packet - at % packet) % packet;
                end = Some(end.map_or(stop, |end| end.min(stop)));
                cut = true;
            }
            let left = end.map_or(u64::MAX, |end| end - at);
            let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            if count == 0 {
                return Ok(());
            }
            feed.content.fill(at, &mut buffer[..count]);
            self.framed(&buffer[..count]).await?;
            at += count as u64;
            // Only a feed without an end asks whether anyone is left to read it: a client may well
            // half-close and wait for the rest.
            if feed.bytes.is_none() && self.inbox.parting().is_some() {
                return Err(Stop::Ended(End::Gone));
            }
        }
    }

    /// Waits until the byte at `at` is due, or for the gate, unless it was `cut` already.
    async fn until_due(
        &mut self,
        feed: &Feed,
        schedule: &Schedule,
        at: u64,
        cut: bool,
    ) -> Result<(), Stop> {
        let Some(due) = schedule.due(at) else { return Ok(()) };
        let endless = feed.bytes.is_none();
        let opened = async {
            match &feed.until {
                Some(gate) if !cut => gate.opened().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(due) => Ok(()),
            () = opened => Ok(()),
            () = self.inbox.left(), if endless => Err(Stop::Ended(End::Gone)),
        }
    }

    /// Writes body bytes in the framing chosen.
    async fn framed(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = match &mut self.chunks {
                None => return self.write(rest).await,
                Some((Chunks::AsWritten, _)) => rest.len(),
                Some((Chunks::Of(most), _)) => rest.len().min((*most).max(1)),
                Some((Chunks::Random { most, .. }, dice)) => rest.len().min(dice.roll(*most)),
            };
            let (chunk, after) = rest.split_at(count);
            let framed = [format!("{count:x}\r\n").as_bytes(), chunk, b"\r\n"].concat();
            self.write(&framed).await?;
            rest = after;
        }
        Ok(())
    }

    /// Writes bytes as they are, in slices if that was chosen.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = self.slices.as_mut().map_or(rest.len(), |(dice, most)| dice.roll(*most));
            let slice = &rest[..rest.len().min(most)];
            let count = self.write_some(slice).await?;
            rest = &rest[count..];
        }
        Ok(())
    }

    async fn write_some(&mut self, slice: &[u8]) -> Result<usize, Stop> {
        let opened = async {
            match &self.gate {
                Some(gate) => gate.opened().await,
                None => std::future::pending().await,
            }
        };
        let impatience = async {
            match self.give_up_after {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        let half = &mut *self.half;
        let written = async {
            let count = half.write(slice).await?;
            half.flush().await.map(|()| count)
        };
        let written = tokio::select! {
            biased;
            written = written => written,
            () = opened => return Err(Stop::Gate),
            () = impatience => {
                self.book.with(self.number, |connection| connection.given_up = true);
                return Err(Stop::Ended(End::Reset));
            }
        };
        match written {
            Ok(count) => {
                self.book.with(self.number, |connection| connection.written += count as u64);
                Ok(count)
            }
            Err(error) => {
                let how = Parting::of(&error).unwrap_or(Parting::Rst);
                self.book.left(self.number, how);
                self.inbox.leave(how);
                Err(Stop::Ended(End::Gone))
            }
        }
    }
}
