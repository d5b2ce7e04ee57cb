//! Listens to a standby until a client can go over to it, and keeps what the client is to get first.

use crate::media::ts::join::Manner;
use crate::media::ts::join::access::Verdict;
use crate::media::ts::join::cutter::Cutter;
use crate::media::ts::join::lead::Lead;
use crate::media::ts::join::lead::Look;
use crate::media::ts::join::program::Heard;
use crate::media::ts::join::program::Program;
use crate::media::ts::join::replica::Replica;
use crate::media::ts::join::rewrite::Start;
use crate::media::ts::join::time::First;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::watch::Position;
use crate::media::ts::watch::Watcher;

#[cfg(test)]
mod tests;

/// Most bytes that are kept: 0.8 s of a whole multiplex of 40 Mbit/s, of which all programmes are
/// kept, or 4 s of one programme of 8 Mbit/s.
const HELD_MAX: usize = 4 << 20;

/// Most bytes that are kept while no programme is settled upon.
const EARLY_MAX: usize = 1 << 20;

/// Listens to a standby until it can be joined.
///
/// Keeps the packets from the random access point on, 4 MiB of memory at most, and as many bytes
/// again of a replica, whose memory grows by doubling: 6 MiB. Its tables are 21 KiB at most. A caller
/// that does not join is to stop reading long before. At the bound what is kept is dropped, and the
/// next random access point is waited for: [`is_ready`](Self::is_ready) is false again.
pub struct Audition {
    manner: Manner,
    watcher: Watcher,
    cutter: Cutter,
    replica: Replica,
    hearing: Hearing,
}

/// What a join takes over.
pub(super) struct End {
    /// Of the source.
    pub(super) watcher: Watcher,
    /// Of the source.
    pub(super) cutter: Cutter,
    pub(super) start: Start,
    /// The packets that the client is to get first.
    pub(super) kept: Vec<u8>,
}

/// All of an audition that packets change.
struct Hearing {
    program: Program,
    lead: Option<Lead>,
    /// Whole packets: all while no programme is settled upon, else those from the beginning of the
    /// picture that is looked at.
    kept: Vec<u8>,
    /// The first PCR among them.
    first_pcr: Option<Pcr>,
    /// The last PCR.
    pcr: Option<Pcr>,
    is_ready: bool,
    is_settled: bool,
}

impl Audition {
    /// An audition before the first byte of the standby. Of several programmes it takes the first
    /// with video; [`Joiner::audition`](super::Joiner::audition) knows the client's.
    #[must_use]
    pub const fn new(manner: Manner) -> Self {
        Self::beside(manner, None, None)
    }

    /// An audition for a client of the programme with the number `wanted` that is `at` this position
    /// of the active.
    pub(super) const fn beside(manner: Manner, wanted: Option<u16>, at: Option<Position>) -> Self {
        let hearing = Hearing {
            program: Program::new(wanted),
            lead: None,
            kept: Vec::new(),
            first_pcr: None,
            pcr: None,
            is_ready: false,
            is_settled: false,
        };
        let replica = Replica::of(at);
        Self { manner, watcher: Watcher::new(), cutter: Cutter::new(), replica, hearing }
    }

    /// Takes the next bytes of the standby.
    pub fn push(&mut self, bytes: &[u8]) {
        let (hearing, replica) = (&mut self.hearing, &mut self.replica);
        self.cutter.push(bytes, |packet| {
            replica.push(packet);
            match self.manner {
                Manner::Aligned => hearing.keep_any(packet),
                Manner::Seamless => hearing.listen(packet),
            }
        });
        self.watcher.push(bytes);
    }

    /// Where the client's place is among the standby's packets.
    pub(super) const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// What has come of a packet that is not whole.
    pub(super) fn torn(&self) -> &[u8] {
        self.cutter.torn()
    }

    /// Whether the standby can be joined. Aligned: a whole packet in step has come. Seamless: PAT,
    /// PMT and a random access point of its video; of a programme without video the start of a PES
    /// packet of its first sound; of one without either its PMT. In each case also a PCR, if the PMT
    /// says that there are any and it has not been settled for less. Where the PAT lists programmes
    /// that would be better, their PMTs are waited for until two more PATs have come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.hearing.is_ready && (self.manner == Manner::Aligned || self.hearing.knows_clock())
    }

    /// Bytes kept so far, in step or waiting to be seen.
    #[must_use]
    pub fn held(&self) -> usize {
        self.hearing.kept.len() + self.cutter.torn().len()
    }

    /// Whether packets in step that are no null packets have been seen at all.
    #[must_use]
    pub const fn has_media(&self) -> bool {
        self.watcher.packets() > self.watcher.null_packets()
    }

    /// What the standby has sent.
    #[must_use]
    pub const fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// No random access point has come for too long: the next start of a PES packet of the video is
    /// taken instead, or the one that is being looked at; of a video of which nothing comes, that of
    /// the first sound. The best programme so far is taken, if there is one. Nothing changes for a
    /// standby that is ready.
    pub fn settle(&mut self) {
        self.hearing.settle();
    }

    /// What a join needs.
    pub(super) fn end(self) -> End {
        let Self { watcher, cutter, hearing, .. } = self;
        let (start, kept) = hearing.end();
        End { watcher, cutter, start, kept }
    }
}

impl std::fmt::Debug for Audition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audition")
            .field("manner", &self.manner)
            .field("watcher", &self.watcher)
            .field("held", &self.held())
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

impl Hearing {
    fn keep_any(&mut self, packet: &[u8; LEN]) {
        self.is_ready = true;
        self.keep(packet);
    }

    fn settle(&mut self) {
        self.is_settled = true;
        if self.lead.is_none() && self.program.announced().is_some() {
            self.program.settle();
            self.lay_out();
        }
        let looks_at = |lead: &Lead| matches!(lead.look, Look::Picture(_));
        self.is_ready |= self.lead.as_ref().is_some_and(looks_at);
    }

    fn listen(&mut self, packet: &[u8; LEN]) {
        // Stuffing of the multiplex has no use once it is late.
        let is_useful = |view: &Packet<'_>| !view.transport_error() && !view.is_null();
        let Some(view) = Packet::parse(packet).filter(is_useful) else { return };
        if self.is_ready {
            // Tables among them are read when the client gets them.
            self.keep(packet);
            return;
        }
        let is_new = self.program.push(view) == Heard::NewPmt || self.lead.is_none();
        if is_new && self.program.is_settled() {
            self.keep(packet);
            self.lay_out();
            return;
        }
        let Some(lead) = &mut self.lead else {
            // What came before is looked at again once a programme is settled upon.
            self.keep(packet);
            return;
        };
        lead.note_begun(view, self.is_settled);
        let is_lead = view.pid() == lead.pid;
        let pcr = view.pcr().filter(|_| view.pid() == lead.pcr_pid);
        if is_lead && view.payload_unit_start() && view.has_payload() {
            if lead.ends_at_point() {
                self.is_ready = true;
                self.keep(packet);
                return;
            }
            self.drop_picture();
        }
        let Some(lead) = &mut self.lead else { return };
        let verdict = if is_lead { lead.take(view, self.is_settled) } else { lead.verdict() };
        if verdict == Verdict::Miss {
            if is_lead {
                self.drop_picture();
            }
            self.pcr = pcr.or(self.pcr);
            return;
        }
        self.keep(packet);
        self.is_ready = verdict == Verdict::Point && !self.kept.is_empty();
    }

    /// Looks at a picture no longer.
    fn drop_picture(&mut self) {
        self.first_pcr = None;
        self.kept.clear();
        if let Some(lead) = &mut self.lead {
            lead.look = Look::Away;
            lead.times = None;
        }
    }

    fn keep(&mut self, packet: &[u8; LEN]) {
        let bound = if self.lead.is_none() && !self.is_ready { EARLY_MAX } else { HELD_MAX };
        if self.kept.len() + LEN > bound {
            self.drop_picture();
            self.kept.shrink_to_fit();
            self.is_ready = false;
            return;
        }
        if self.kept.len() + LEN > self.kept.capacity() {
            let doubled = self.kept.len().max(LEN);
            self.kept.reserve_exact(doubled.min(bound - self.kept.len()));
        }
        self.kept.extend_from_slice(packet);
        let pcr_pid = self.lead.as_ref().map(|lead| lead.pcr_pid);
        let packet = Packet::parse(packet).filter(|packet| Some(packet.pid()) == pcr_pid);
        if let Some(pcr) = packet.and_then(Packet::pcr) {
            self.first_pcr.get_or_insert(pcr);
            self.pcr = Some(pcr);
        }
    }

    /// Whether there is a PCR to go by, or none to wait for.
    fn knows_clock(&self) -> bool {
        let announces_none = self.lead.as_ref().is_some_and(|lead| lead.pcr_pid == Pid::NULL);
        self.pcr.is_some() || announces_none || self.is_settled
    }

    /// A programme is settled upon, or its tables have changed: what was kept is looked at in their
    /// light.
    fn lay_out(&mut self) {
        let is_first = self.lead.is_none();
        self.lead = self.program.announced().map(|announced| Lead::of(&announced.pmt));
        self.is_ready = self.lead.as_ref().is_some_and(|lead| lead.kind.is_none());
        // The clock may be another.
        (self.first_pcr, self.pcr) = (None, None);
        let kept = std::mem::take(&mut self.kept);
        if !is_first {
            return;
        }
        self.program.reset();
        for packet in kept.as_chunks().0 {
            self.listen(packet);
        }
    }

    fn end(self) -> (Start, Vec<u8>) {
        let Self { mut program, lead, kept, first_pcr, pcr, .. } = self;
        // The client's clock goes on from this programme's, whatever else would be better.
        program.settle();
        let packet = kept.first_chunk().and_then(Packet::parse);
        let is_scrambled = packet.is_some_and(|packet| packet.scrambling() != 0);
        let times = lead.as_ref().and_then(|lead| lead.times);
        let first = First {
            dts: times.map(|times| times.decoding()),
            pts: times.map(|times| times.pts),
            pcr: first_pcr.or(pcr),
        };
        let lead = lead.map(|lead| lead.pid);
        (Start { program, lead, first, is_scrambled }, kept)
    }
}
