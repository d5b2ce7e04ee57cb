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
use crate::media::ts::join::mapping;
use crate::media::ts::join::mapping::Role;
use crate::media::ts::join::mapping::Way;
use crate::media::ts::join::program::Heard;
use crate::media::ts::join::program::Program;
use crate::media::ts::join::queue::Ahead;
use crate::media::ts::join::queue::Queue;
use crate::media::ts::join::queue::Times;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::join::time;
use crate::media::ts::join::time::First;
use crate::media::ts::join::time::PcrShift;
use crate::media::ts::kind::Kind;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;
use crate::media::ts::psi;
use pace::Pace;

mod gate;
mod pace;
mod send;
#[cfg(test)]
mod tests;

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

/// Rewrites one standby; see the module. 352 bytes, its own tables (see [`Program`]) and the client's,
/// 1 KiB at most each, 14 bytes for each PID of the programme, 4 for each that the client has had
/// packets on (32 KiB at most), and what waits in the [`Queue`] (60 KiB at most).
#[derive(Debug)]
pub(super) struct Rewriter {
    program: Program,
    routes: Vec<Route>,
    pace: Pace,
    /// The standby's last PMT came too soon after others to be followed.
    is_behind: bool,
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
            pace: Pace::new(),
            is_behind: false,
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
            let kind = way.and_then(|way| way.role.kind());
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

    /// Of each PID the next packet has the counter after the last that was sent.
    pub(super) fn renumber(&mut self) {
        self.routes.iter_mut().for_each(|route| route.counter_shift = None);
    }

    /// From now on only what completes a unit passes.
    pub(super) fn finish(&mut self, sent: &mut Sent, out: &mut Vec<u8>) {
        self.is_finishing = true;
        while let Some(waiting) = self.queue.pop() {
            self.pass_now(&waiting.packet, waiting.times, sent, out);
        }
    }

    /// Takes the next packet, which begins with the sync byte, and appends what the client gets.
    pub(super) fn pass(&mut self, packet: &[u8; LEN], sent: &mut Sent, out: &mut Vec<u8>) {
        let Some(view) = Packet::parse(packet).filter(|packet| !packet.transport_error()) else {
            return;
        };
        self.pace.tick();
        if self.queue.is_empty() && !self.must_wait(view) {
            let changed = self.queue.changed(packet);
            self.pass_now(changed.as_ref().unwrap_or(packet), Times::Within, sent, out);
            return;
        }
        self.queue.push(packet);
        while let Some(front) = self.queue.front() {
            let is_open = front.times == Times::Within
                && Packet::parse(&front.packet).is_some_and(|front| self.must_wait(front));
            let mut found = None;
            if is_open {
                match self.queue.look_ahead(self.shift) {
                    Ahead::Open => return,
                    Ahead::Times(times) => found = Some(Times::Moved(times)),
                }
            }
            let Some(waiting) = self.queue.pop() else { return };
            self.pass_now(&waiting.packet, found.unwrap_or(waiting.times), sent, out);
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

    /// Passes a packet; `times` are those of the PES packet that it begins.
    fn pass_now(&mut self, packet: &[u8; LEN], times: Times, sent: &mut Sent, out: &mut Vec<u8>) {
        let Some(view) = Packet::parse(packet) else { return };
        let pid = view.pid();
        if let Some(place) = self.routes.iter().position(|route| route.way.from == pid) {
            let role = self.pass_on(place, packet, times, sent, out);
            if role != Some(Role::Clock) {
                return;
            }
            // The clock may be on the PID of the PMT.
        }
        if self.is_finishing {
            // Tables are sent whole, so none is unfinished.
        } else if view.is_null() {
            out.extend_from_slice(packet);
        } else if self.program.listens_to(pid) {
            self.hear(view, sent, out);
        }
    }

    /// Takes a packet of the standby's tables. Of a PMT that changes more often than is followed the
    /// last one counts, once it comes again.
    fn hear(&mut self, packet: Packet<'_>, sent: &mut Sent, out: &mut Vec<u8>) {
        match self.program.push(packet) {
            Heard::Nothing => {}
            Heard::Pat => self.write_pat(sent, out),
            Heard::SamePmt if !self.is_behind => self.write_pmt(sent, out),
            Heard::SamePmt | Heard::NewPmt => {
                self.is_behind = !self.pace.takes();
                if !self.is_behind {
                    self.lay_out(sent);
                    self.write_pat(sent, out);
                }
                self.write_pmt(sent, out);
            }
        }
    }

    /// Passes a packet of a PID that is on its way to the client. Returns what the PID is for.
    fn pass_on(
        &mut self,
        place: usize,
        packet: &[u8; LEN],
        times: Times,
        sent: &mut Sent,
        out: &mut Vec<u8>,
    ) -> Option<Role> {
        let (view, mut route) = (Packet::parse(packet)?, *self.routes.get(place)?);
        if route.way.role == Role::Clock {
            // The payload is for nobody.
            route.state = if view.has_payload() { State::Dropping } else { State::Passing };
        } else if view.payload_unit_start() && view.has_payload() {
            let read = match times {
                Times::Within => view.payload().and_then(Timestamps::parse),
                Times::Moved(read) => read,
            };
            let has_times = self.has_times(&route, view);
            if !self.is_copy(&route, view.continuity_counter(), read, sent) {
                route.state = self.judge(&route, has_times, read, sent);
            }
        }
        if route.state == State::Passing {
            self.send(&mut route, packet, times, sent, out);
        }
        if route.state != State::Passing {
            self.strip(&mut route, view, sent, out);
        }
        if let Some(kept) = self.routes.get_mut(place) {
            *kept = route;
        }
        Some(route.way.role)
    }

    /// Gives every PID of the standby's programme its way. Streams that the programme goes on to
    /// have on the same PID, and of the same kind, go on as they are. Times were moved to suit the
    /// lead: what comes in its place has to suit them as every other stream.
    fn lay_out(&mut self, sent: &Sent) {
        let Some(announced) = self.program.announced() else { return };
        let before = std::mem::take(&mut self.routes);
        let running: Vec<Way> = before.iter().map(|route| route.way).collect();
        let plan = mapping::plan(sent, &self.counters, &running, &announced);
        let date = Way { from: TDT, to: TDT, role: Role::Date };
        let has_date = plan.ways.iter().all(|way| way.from != TDT && way.to != TDT);
        let ways = plan.ways.into_iter().chain(Some(date).filter(|_| has_date));
        self.routes = ways
            .map(|way| {
                let new = Route { way, state: State::Waiting, counter_shift: None };
                before.iter().find(|route| route.way == way).copied().unwrap_or(new)
            })
            .collect();
        let is_led = |route: &Route| Some(route.way.from) == self.lead;
        if let Some(led) = before.iter().find(|route| is_led(route))
            && self.routes.iter().all(|route| route.way != led.way)
        {
            self.lead = None;
        }
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
