//! One stream out of the segments of a playlist. Segments that go on where the one before ended are
//! passed with the same PIDs and times; where one does not, by its playlist's word or by its clock, it is
//! joined as another source would be. Continuity counters always go on: packagers begin them anew with
//! each segment, which a player of segments does not mind.

use std::time::Duration;

use crate::media::ts::join::Audition;
use crate::media::ts::join::Joiner;
use crate::media::ts::join::Manner;
use crate::media::ts::join::cutter::Cutter;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;

#[cfg(test)]
mod tests;

/// Bytes at the beginning of a segment in which its clock is looked for.
const LOOK_MAX: usize = 256 * 1024;

/// The longest step of the clock from one segment to the next that is no break. More than the 100 ms of
/// 2.7.2, as packagers are careless; less than a segment.
const STEP_MAX: i64 = 2 * Pcr::HZ.cast_signed();

/// Makes one stream; see the module. It begins with PAT, PMT and a random access point, and has whole
/// packets only.
///
/// Memory: that of a [`Joiner`] that has joined, 256 KiB at the beginning of a segment, and at most
/// 4 MiB while it is listened for where the stream can go on.
#[derive(Debug)]
pub struct Chain {
    joiner: Joiner,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// At the beginning of a segment whose clock has not come.
    Looking(Vec<u8>),
    /// The stream cannot go on yet.
    Listening(Box<Audition>),
    Passing,
}

impl Chain {
    /// Before the first segment.
    #[must_use]
    pub fn new() -> Self {
        let joiner = Joiner::new(Manner::Seamless);
        let audition = Box::new(joiner.audition());
        Self { joiner, stage: Stage::Listening(audition) }
    }

    /// The next segment begins. `is_break`: its playlist says that it does not follow the one before.
    /// What the one before still owes goes to `out`.
    pub fn begin(&mut self, is_break: bool, out: &mut Vec<u8>) {
        self.end(out);
        match &self.stage {
            // What was kept is followed by what does not follow it.
            Stage::Listening(audition) if is_break || !audition.torn().is_empty() => {
                self.listen(out)
            }
            Stage::Listening(_) => {}
            Stage::Looking(_) | Stage::Passing => {
                if is_break || !self.joiner.cutter.torn().is_empty() {
                    self.listen(out);
                } else {
                    self.stage = Stage::Looking(Vec::new());
                }
            }
        }
    }

    /// Takes the next bytes of a segment and appends what the client gets.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.stage {
            Stage::Passing => self.joiner.pass(bytes, out),
            Stage::Looking(head) => {
                head.extend_from_slice(bytes);
                if first_clock(head).is_some() || head.len() >= LOOK_MAX {
                    self.decide(out);
                }
            }
            Stage::Listening(audition) => {
                audition.push(bytes);
                if audition.is_ready() {
                    self.join(out);
                }
            }
        }
    }

    /// No segment will follow, or the next one begins: what waits for more goes to `out`.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match &mut self.stage {
            Stage::Passing => {}
            Stage::Looking(_) => self.decide(out),
            Stage::Listening(audition) => {
                // A segment should begin with a random access point. One without any is passed from a
                // picture on that players may show with faults.
                if audition.has_media() {
                    audition.settle();
                }
                if audition.is_ready() {
                    self.join(out);
                }
            }
        }
    }

    /// The last clock reference that the client was given.
    #[must_use]
    pub fn clock(&self) -> Option<Pcr> {
        self.joiner.sent.clock().last
    }

    /// Whether the beginning of a segment goes on.
    fn decide(&mut self, out: &mut Vec<u8>) {
        let Stage::Looking(head) = std::mem::replace(&mut self.stage, Stage::Passing) else {
            return;
        };
        let goes_on = match (self.joiner.watcher().pcr(), first_clock(&head)) {
            (Some((last_pid, last)), Some((pid, first))) => {
                pid == last_pid && (1..=STEP_MAX).contains(&first.since(last))
            }
            (None, _) | (_, None) => true,
        };
        if goes_on {
            self.joiner.renumber();
            self.joiner.pass(&head, out);
        } else {
            self.listen(out);
            self.push(&head, out);
        }
    }

    fn listen(&mut self, out: &mut Vec<u8>) {
        if self.joiner.has_joined() {
            // What waits in it is whole.
            self.joiner.finish(&[], out);
        }
        self.stage = Stage::Listening(Box::new(self.joiner.audition()));
    }

    fn join(&mut self, out: &mut Vec<u8>) {
        if let Stage::Listening(audition) = std::mem::replace(&mut self.stage, Stage::Passing) {
            self.joiner.join(*audition, Duration::ZERO, out);
        }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// The first clock reference in bytes that begin with a packet, and its PID.
fn first_clock(bytes: &[u8]) -> Option<(Pid, Pcr)> {
    let mut found = None;
    Cutter::new().push(bytes, |packet| {
        let packet = Packet::parse(packet).filter(|packet| !packet.transport_error());
        let clock = |packet: Packet<'_>| Some((packet.pid(), packet.pcr()?));
        found = found.or_else(|| clock(packet?));
    });
    found
}
