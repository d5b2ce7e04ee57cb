//! A standby's packets made the client's: other PIDs, counters, clocks and tables, the same
//! payload. What the client has no use for is left out: packets of other programmes, service
//! information (which speaks of the standby's services, not the client's; TDT and TOT pass), CAT
//! and EMM, packets with transport_error_indicator (the gap in the counter stays), PES packets that
//! begin before a decoder can use them. The counters of a PID are all moved by the same, so that
//! what the standby itself lost or sent twice shows as it did.
//!
//! Left alone: OPCR, which no decoder reads and no multiplexer may change (2.4.3.5), splice
//! countdowns, which count packets, and `DTS_next_AU` and ESCR, which no known receiver reads.

use std::time::Duration;

use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::kind::Kind;
use crate::media::ts::join::mapping;
use crate::media::ts::join::mapping::Way;
use crate::media::ts::join::program::Heard;
use crate::media::ts::join::program::Program;
use crate::media::ts::join::queue::Ahead;
use crate::media::ts::join::queue::Queue;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::join::time;
use crate::media::ts::join::time::First;
use crate::media::ts::join::time::PcrShift;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;
use crate::media::ts::psi;

mod gate;
mod send;

/// Time and date, and time offset (ETSI EN 300 468, 5.2.5): the same for every service.
const TDT: Pid = Pid::masked(0x14);

/// What the joiner knows of a standby when it goes over to it.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) program: Program,
    /// The stream that the join is made for.
    pub(super) lead: Option<Pid>,
    /// Its first times.
    pub(super) first: First,
    /// Its times are scrambled, so that none can be moved.
    pub(super) is_scrambled: bool,
}

/// Rewrites one standby; see the module. 100 bytes, its own tables and the client's, 1 KiB at most
/// each, and 16 bytes for each PID.
#[derive(Debug)]
pub(super) struct Rewriter {
    program: Program,
    routes: Vec<Route>,
    pat: Vec<u8>,
    pmt: Vec<u8>,
    pmt_pid: Pid,
    counters: Sequence,
    /// Ticks of 90 kHz to be added to PTS and DTS.
    shift: u64,
    is_scrambled: bool,
    gap: Duration,
    /// Where the standby has its clock.
    pcr_pid: Pid,
    /// Known from its first PCR on.
    pcr_shift: Option<PcrShift>,
    lead: Option<Pid>,
    /// Until the pictures that precede the random access point in time are over: its PTS.
    point: Option<Pts>,
    queue: Queue,
    /// No new units are begun.
    is_finishing: bool,
}

/// One PID.
#[derive(Clone, Copy, Debug)]
struct Route {
    way: Way,
    state: State,
    /// What is added to its counters, until a packet is left out.
    counter_shift: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been sent.
    Waiting,
    /// The unit that was begun last is sent.
    Passing,
    /// The unit that was begun last is left out.
    Dropping,
}

impl Rewriter {
    /// Goes over to the standby: appends its tables as the client is to know them.
    pub(super) fn new(
        start: Start,
        counters: Sequence,
        gap: Duration,
        sent: &mut Sent,
        out: &mut Vec<u8>,
    ) -> Self {
        let Start { mut program, lead, first, is_scrambled } = start;
        program.reset();
        let mut rewriter = Self {
            program,
            routes: Vec::new(),
            pat: Vec::new(),
            pmt: Vec::new(),
            pmt_pid: Pid::NULL,
            counters,
            shift: 0,
            is_scrambled,
            gap,
            pcr_pid: Pid::NULL,
            pcr_shift: None,
            lead,
            point: first.pts,
            queue: Queue::default(),
            is_finishing: false,
        };
        rewriter.lay_out(sent);
        let way = rewriter.routes.iter().map(|route| route.way).find(|way| lead == Some(way.from));
        if !is_scrambled {
            let kind = way.and_then(|way| way.kind);
            let due = sent.due(way.map(|way| way.to), kind.is_some_and(Kind::is_video));
            rewriter.shift = time::shift(&due, &first, gap);
        }
        rewriter.write_pat(sent, out);
        rewriter.write_pmt(sent, out);
        rewriter
    }

    /// The counters that were sent, for the next join.
    pub(super) fn into_counters(self) -> Sequence {
        self.counters
    }

    /// From now on only what completes a unit passes.
    pub(super) fn finish(&mut self, sent: &mut Sent, out: &mut Vec<u8>) {
        self.is_finishing = true;
        while let Some(waiting) = self.queue.pop() {
            self.pass_now(&waiting.packet, waiting.moved, sent, out);
        }
    }

    /// Takes the next packet, which begins with the sync byte, and appends what the client gets.
    pub(super) fn pass(&mut self, packet: &[u8; LEN], sent: &mut Sent, out: &mut Vec<u8>) {
        let Some(view) = Packet::parse(packet) else { return };
        if self.queue.is_empty() && !self.must_wait(view) {
            match self.queue.changed(packet) {
                None => self.pass_now(packet, None, sent, out),
                Some(packet) => self.pass_now(&packet, None, sent, out),
            }
            return;
        }
        self.queue.push(packet);
        while let Some(front) = self.queue.front() {
            let is_open = front.moved.is_none()
                && Packet::parse(&front.packet).is_some_and(|front| self.must_wait(front));
            let mut times = None;
            if is_open {
                match self.queue.look_ahead(self.shift) {
                    Ahead::Open => return,
                    Ahead::Times(found) => times = Some(found),
                }
            }
            let Some(waiting) = self.queue.pop() else { return };
            self.pass_now(&waiting.packet, times.or(waiting.moved), sent, out);
        }
    }

    /// Whether `packet` begins a PES packet with times that must be moved but have not come whole.
    fn must_wait(&self, packet: Packet<'_>) -> bool {
        packet.payload_unit_start()
            && !self.is_finishing
            && Queue::is_needed(packet)
            && self
                .routes
                .iter()
                .find(|route| route.way.from == packet.pid())
                .is_some_and(|route| self.has_times(route, packet))
    }

    /// Passes a packet. `moved` are the times of the PES packet that it begins, if they reach into
    /// packets after it and have been moved there.
    fn pass_now(
        &mut self,
        packet: &[u8; LEN],
        moved: Option<Option<Timestamps>>,
        sent: &mut Sent,
        out: &mut Vec<u8>,
    ) {
        let Some(view) = Packet::parse(packet).filter(|packet| !packet.transport_error()) else {
            return;
        };
        let pid = view.pid();
        if let Some(place) = self.routes.iter().position(|route| route.way.from == pid) {
            self.pass_on(place, packet, moved, sent, out);
        } else if self.is_finishing {
            // Tables are sent whole, so none is unfinished.
        } else if view.is_null() {
            out.extend_from_slice(packet);
        } else if self.program.listens_to(pid) {
            match self.program.push(view) {
                Heard::Nothing => {}
                Heard::Pat => self.write_pat(sent, out),
                Heard::SamePmt => self.write_pmt(sent, out),
                Heard::NewPmt => {
                    self.lay_out(sent);
                    self.write_pat(sent, out);
                    self.write_pmt(sent, out);
                }
            }
        }
    }

    /// Passes a packet of a PID that is on its way to the client.
    fn pass_on(
        &mut self,
        place: usize,
        packet: &[u8; LEN],
        moved: Option<Option<Timestamps>>,
        sent: &mut Sent,
        out: &mut Vec<u8>,
    ) {
        let (Some(view), Some(route)) = (Packet::parse(packet), self.routes.get(place)) else {
            return;
        };
        let mut route = *route;
        if view.payload_unit_start() && view.has_payload() {
            let times = moved.unwrap_or_else(|| view.payload().and_then(Timestamps::parse));
            let has_times = self.has_times(&route, view);
            if !self.is_copy(&route, view.continuity_counter(), times, sent) {
                route.state = self.judge(&route, has_times, times, sent);
            }
        }
        if route.state == State::Passing {
            self.send(&mut route, packet, moved.is_some(), sent, out);
        }
        if route.state != State::Passing {
            self.strip(&mut route, view, sent, out);
        }
        if let Some(kept) = self.routes.get_mut(place) {
            *kept = route;
        }
    }

    /// Gives every PID of the standby's programme its way. Ways that stay go on as they are.
    fn lay_out(&mut self, sent: &Sent) {
        let Some(announced) = self.program.announced() else { return };
        let plan = mapping::plan(sent, &self.counters, &announced);
        let time = Way { from: TDT, to: TDT, kind: Some(Kind::Sections(0)) };
        let has_time = plan.ways.iter().all(|way| way.from != TDT && way.to != TDT);
        let ways = plan.ways.into_iter().chain(Some(time).filter(|_| has_time));
        let before = std::mem::take(&mut self.routes);
        self.routes = ways
            .map(|way| {
                let state = if way.kind.is_none() { State::Passing } else { State::Waiting };
                let new = Route { way, state, counter_shift: None };
                before.iter().find(|route| route.way == way).copied().unwrap_or(new)
            })
            .collect();
        self.pcr_pid = announced.pmt.pcr_pid();
        (self.pat, self.pmt, self.pmt_pid) = (plan.pat, plan.pmt, plan.pmt_pid);
    }

    fn write_pat(&mut self, sent: &mut Sent, out: &mut Vec<u8>) {
        write_table(&mut self.counters, Pid::PAT, &self.pat, sent, out);
    }

    fn write_pmt(&mut self, sent: &mut Sent, out: &mut Vec<u8>) {
        write_table(&mut self.counters, self.pmt_pid, &self.pmt, sent, out);
    }
}

/// Appends a table of the client's.
fn write_table(
    counters: &mut Sequence,
    pid: Pid,
    section: &[u8],
    sent: &mut Sent,
    out: &mut Vec<u8>,
) {
    if section.is_empty() {
        return;
    }
    let start = out.len();
    let mut counter =
        counters.last(pid).map_or_else(ContinuityCounter::default, ContinuityCounter::after);
    psi::write_packets(pid, &mut counter, section, out);
    for packet in out.get(start..).unwrap_or_default().as_chunks::<LEN>().0 {
        counters.set(pid, packet[3] & 0x0F);
        sent.note(packet);
    }
}
