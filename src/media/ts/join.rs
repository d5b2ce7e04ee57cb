//! The join of two transport streams into one that a client's player takes for a single stream:
//! [`Joiner`] follows what a client is sent, [`Audition`] listens to the source that is to follow.
//! Aligned joins change nothing but where the bytes go over; seamless ones give the standby the
//! client's PIDs, counters and clock (the rule is in `join/time.rs`). A standby that sends the very
//! same packets is gone on with at the byte (`join/replica.rs`).

use std::fmt;
use std::time::Duration;

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::watch;
use crate::media::ts::watch::Position;
use crate::media::ts::watch::Watcher;
use audition::End;
use counters::Sequence;
use rewrite::Rewriter;
use sent::Sent;

pub use audition::Audition;
pub use chain::Chain;
pub use codings::Codings;
pub use codings::PictureCoding;
pub use codings::SoundCoding;
pub use cutter::Cutter;
pub use entry::Entries;
pub use entry::Entry;
pub use onset::Onset;
pub use skip::Arrival;
pub use skip::Departure;

mod access;
mod audition;
mod chain;
mod codings;
mod counters;
mod cutter;
mod entry;
mod lead;
mod mapping;
mod onset;
mod program;
mod queue;
mod replica;
mod rewrite;
mod sent;
mod skip;
mod splice;
#[cfg(test)]
mod tests;
mod time;
mod torn;

/// How a standby's bytes follow the active's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Whole packets follow whole packets, and nothing in them is changed.
    Aligned,
    /// PIDs, counters and clocks go on, from a random access point.
    Seamless,
}

/// Where a client's stream went over to a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seam {
    /// Behind the last byte, in a source that sends the same ones: nothing is lost.
    Byte,
    /// At a whole packet.
    Packet,
    /// At a random access point.
    Picture,
}

impl Seam {
    /// The word for logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Byte => "byte",
            Self::Packet => "packet",
            Self::Picture => "picture",
        }
    }
}

/// Follows the stream that one client is sent, over any number of sources.
///
/// About 1.8 KiB for a usual stream before the first join, 2.5 KiB after it. Hostile tables make it
/// 80 KiB: most of that are two PMTs of 200 streams and 16 unfinished sections. A stream that uses
/// every PID takes 40 KiB more, and packets that wait for the rest of a header 60 KiB more.
pub struct Joiner {
    manner: Manner,
    /// Of the active source.
    watcher: Watcher,
    /// Of the active source.
    cutter: Cutter,
    sent: Sent,
    stage: Stage,
    has_joined: bool,
    /// Something of what the active has sent was left out.
    has_left_out: bool,
}

/// What happens to the active source's packets.
enum Stage {
    /// The client has them as they come, a torn one too.
    Watching,
    /// They are passed whole and as they are.
    Copying(Copying),
    /// They are made the client's.
    Rewriting(Box<Rewriter>),
}

/// Packets passed as they are.
struct Copying {
    counters: Sequence,
    /// Bytes that the client has of the packet that is torn in the cutter.
    torn: usize,
    /// Only what completes a unit is passed.
    is_finishing: bool,
}

impl Joiner {
    /// A joiner before the first byte of the first source.
    #[must_use]
    pub const fn new(manner: Manner) -> Self {
        Self {
            manner,
            watcher: Watcher::new(),
            cutter: Cutter::new(),
            sent: Sent::new(),
            stage: Stage::Watching,
            has_joined: false,
            has_left_out: false,
        }
    }

    /// Takes bytes of the first source, which go to the client untouched. Not to be called after
    /// [`finish`](Self::finish) or [`join`](Self::join).
    pub fn watch(&mut self, bytes: &[u8]) {
        let sent = &mut self.sent;
        self.cutter.push(bytes, |packet| sent.note(packet));
        self.watcher.push(bytes);
    }

    /// What the active source sends, for verdicts and metrics. A new one with each join but that of a
    /// replica: it has seen the source since its audition began.
    #[must_use]
    pub const fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// What was wrong with the active source since this was last called.
    pub const fn take_errors(&mut self) -> watch::Errors {
        self.watcher.take_errors()
    }

    /// Whether a join has happened after which packets are changed or left out: from then on the
    /// active's bytes go through [`pass`](Self::pass), before it through [`watch`](Self::watch).
    #[must_use]
    pub const fn has_joined(&self) -> bool {
        self.has_joined
    }

    /// How many elementary streams the client's PMT names; 0 while it has none.
    #[must_use]
    pub const fn streams(&self) -> usize {
        self.sent.streams()
    }

    /// How the picture and the sound are coded that the client gets.
    #[must_use]
    pub fn codings(&self) -> Codings {
        Codings::of(self.sent.kinds())
    }

    /// An audition that prefers the client's programme where a standby has several.
    #[must_use]
    pub fn audition(&self) -> Audition {
        Audition::beside(self.manner, self.sent.program_number(), self.position())
    }

    /// Whether `standby` can be joined now. A replica that the client waits for can be before its
    /// next random access point.
    #[must_use]
    pub fn can_join(&self, standby: &Audition) -> bool {
        let waits = || standby.replica().is_still_at(self.position());
        standby.is_ready() || (waits() && self.is_continued_by(standby))
    }

    /// Whether `standby` is a replica and has come to the client's place.
    #[must_use]
    pub fn is_continued_by(&self, standby: &Audition) -> bool {
        self.rest_of(standby).is_some()
    }

    /// What a replica has beyond what the client has.
    fn rest_of(&self, standby: &Audition) -> Option<Vec<u8>> {
        let last = [self.cutter.last().as_slice(), self.cutter.torn()];
        standby.replica().rest(self.position(), last, standby.torn())
    }

    /// Where the client is in its source, if it has all that the source has sent.
    fn position(&self) -> Option<Position> {
        self.watcher.position().filter(|_| !self.has_left_out)
    }

    /// Takes bytes of the active source after a join and appends what the client is to get: whole
    /// packets. Any cut of the bytes gives the same. Before a join they are watched and appended as
    /// they are.
    pub fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let sent = &mut self.sent;
        match &mut self.stage {
            Stage::Watching => {
                self.cutter.push(bytes, |packet| sent.note(packet));
                out.extend_from_slice(bytes);
            }
            Stage::Copying(copying) => {
                self.cutter.push(bytes, |packet| copying.pass(packet, sent, out));
            }
            Stage::Rewriting(rewriter) => {
                self.cutter.push(bytes, |packet| rewriter.pass(packet, sent, out));
            }
        }
        self.watcher.push(bytes);
    }

    /// Takes the last bytes of a source that still runs and is about to be left, and appends only
    /// what completes units that have begun: the torn packet, PES packets, sections. Packets that
    /// begin new ones are left out. True once nothing is unfinished: the client's decoders have
    /// nothing half. Only [`join`](Self::join) and this may follow.
    ///
    /// A section whose end shares its packet with the beginning of the next is left unfinished.
    pub fn finish(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let sent = &mut self.sent;
        match &mut self.stage {
            Stage::Watching => {
                let counters = Sequence::after(&self.watcher);
                let torn = self.cutter.torn().len();
                self.stage = Stage::Copying(Copying { counters, torn, is_finishing: true });
            }
            Stage::Copying(copying) => copying.is_finishing = true,
            Stage::Rewriting(rewriter) => rewriter.finish(sent, out),
        }
        self.pass(bytes, out);
        self.has_left_out = true;
        let torn = matches!(&self.stage, Stage::Copying(Copying { torn: 1.., .. }));
        !torn && !self.sent.is_amid_unit()
    }

    /// Goes over to `standby`, which should be [ready](Self::can_join). Appends the rest of a torn
    /// packet, the tables and what `standby` has kept. `gap` is the time since the last byte of the
    /// active. A replica's bytes go on as the active's did. What `standby` has kept, 4 MiB at most, is
    /// held until it is in `out`, so that both are in memory at once.
    ///
    /// If the active's bytes were out of step when it ended, nothing says where the client is in a
    /// packet: what follows begins at once with a whole one, at which its demultiplexer finds its
    /// step again. What a source that came by a join leaves of its last packet was never sent.
    ///
    /// A PES packet of video is taken for one picture. Where it holds several, it must begin with
    /// the random access point, and pictures behind that in it pass whatever they refer to; where a
    /// picture takes several, those without PTS go the way of the one before. A PES packet of sound
    /// that was cut is left short: its decoder loses a frame of it, and one of the next.
    pub fn join(&mut self, standby: Audition, gap: Duration, out: &mut Vec<u8>) -> Seam {
        if let Some(rest) = self.rest_of(&standby) {
            self.pass(&rest, out);
            return Seam::Byte;
        }
        let counters = self.end_packets(out);
        self.sent.close_all();
        let End { watcher, cutter, start, kept } = standby.end();
        let sent = &mut self.sent;
        self.stage = match self.manner {
            Manner::Aligned => Stage::Copying(Copying { counters, torn: 0, is_finishing: false }),
            Manner::Seamless => {
                Stage::Rewriting(Box::new(Rewriter::new(start, counters, gap, sent, out)))
            }
        };
        for packet in kept.as_chunks::<LEN>().0 {
            match &mut self.stage {
                Stage::Watching => {}
                Stage::Copying(copying) => copying.pass(packet, sent, out),
                Stage::Rewriting(rewriter) => rewriter.pass(packet, sent, out),
            }
        }
        (self.watcher, self.cutter) = (watcher, cutter);
        (self.has_joined, self.has_left_out) = (true, false);
        match self.manner {
            Manner::Aligned => Seam::Packet,
            Manner::Seamless => Seam::Picture,
        }
    }

    /// The counters of the active go on, whatever they are in its next packets.
    fn renumber(&mut self) {
        if let Stage::Rewriting(rewriter) = &mut self.stage {
            rewriter.renumber();
        }
    }

    /// Completes the packet that the client has in part. Returns the last counters that it has.
    fn end_packets(&mut self, out: &mut Vec<u8>) -> Sequence {
        let torn = self.cutter.torn();
        let (mut counters, had) = match std::mem::replace(&mut self.stage, Stage::Watching) {
            Stage::Watching => (Sequence::after(&self.watcher), torn.len()),
            Stage::Copying(Copying { counters, torn, .. }) => (counters, torn),
            Stage::Rewriting(rewriter) => (rewriter.into_counters(), 0),
        };
        if had > 0 {
            let last = self.cutter.last();
            let packet = torn::complete(torn, last, &counters, &self.sent);
            out.extend_from_slice(packet.get(had..).unwrap_or_default());
            counters.note(&packet);
            self.sent.note(&packet);
        }
        counters
    }
}

impl Copying {
    fn pass(&mut self, packet: &[u8; LEN], sent: &mut Sent, out: &mut Vec<u8>) {
        let torn = std::mem::take(&mut self.torn);
        // What is torn must be completed, whatever it is.
        let passes = torn > 0
            || !self.is_finishing
            || Packet::parse(packet).is_some_and(|packet| sent.needs(packet));
        if passes {
            out.extend_from_slice(packet.get(torn..).unwrap_or_default());
            self.counters.note(packet);
            sent.note(packet);
        }
    }
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joiner")
            .field("manner", &self.manner)
            .field("watcher", &self.watcher)
            .field("streams", &self.streams())
            .field("has_joined", &self.has_joined)
            .finish_non_exhaustive()
    }
}
