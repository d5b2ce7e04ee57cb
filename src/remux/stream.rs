//! The packets of a transport stream, one after the other: which are passed, which are changed, and which become
//! something else. What each PID is, is known from PAT and PMTs.

use std::sync::Arc;

use crate::media::ts::join::Onset;
use crate::media::ts::packet;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi::Assembler;
use crate::remux::codec::Codecs;
use crate::remux::lane::Lane;
use crate::remux::lane::Work;
use crate::remux::options::Options;
use crate::remux::probe::Probe;
use crate::remux::program::Planned;
use crate::remux::program::Program;
use crate::remux::report;
use crate::remux::report::Counts;
use crate::remux::report::Stage;
use crate::remux::table::Table;
use crate::remux::track::Nature;

/// Tracks that are converted at once; others are passed as they are.
const TRACKS_MAX: usize = 16;

/// PATs after which the PMTs that have not come are not waited for any more: 500 ms at least.
const PATIENCE: u8 = 5;

/// The highest PID of tables that say what there is (ISO/IEC 13818-1, 2.4.3.3; ETSI EN 300 468, 5.1.3).
const SI_MAX: u16 = 0x1F;

mod beginning;
mod plan;
mod tables;

/// What a PID holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nobody has told.
    Unknown,
    /// It is passed.
    Pass,
    /// PMTs.
    Table,
    /// Sound.
    Lane,
    /// Video that has not begun.
    Gate,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    options: Arc<Options>,
    codecs: Arc<dyn Codecs>,
    stage: Stage,
    roles: Box<[Role]>,
    pat: Assembler,
    /// The last PAT, and what it lists.
    pat_section: Vec<u8>,
    listed: Vec<(u16, Pid)>,
    patience: u8,
    tables: Vec<Table>,
    programs: Vec<(Program, Clock)>,
    lanes: Vec<Lane>,
    gates: Vec<(Pid, Onset)>,
    /// What is looked into before the stream begins, the PMTs that wait for it, and
    /// what has come since.
    probes: Vec<Probe>,
    pending: Vec<(Pid, Vec<u8>)>,
    held: Vec<u8>,
    is_probed: bool,
    /// What tracks have turned out to be, whatever their PMT says.
    natures: Vec<(Pid, u8, Nature)>,
    /// Whether video is let through from its first random access point on: only where the stream begins.
    is_beginning: bool,
    counts: Counts,
    /// Packets so far, round and round.
    packets: u32,
}

/// The clock of a programme as it goes out.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// It is behind the source's.
    is_behind: bool,
    /// That has changed since it went out last.
    jumps: bool,
    has_gone_out: bool,
}

impl Stream {
    pub(super) fn new(options: Options, codecs: Arc<dyn Codecs>) -> Self {
        Self {
            options: Arc::new(options),
            codecs,
            stage: Stage::Waiting,
            roles: vec![Role::Unknown; Pid::COUNT].into_boxed_slice(),
            pat: Assembler::new(),
            pat_section: Vec::new(),
            listed: Vec::new(),
            patience: PATIENCE,
            tables: Vec::new(),
            programs: Vec::new(),
            lanes: Vec::new(),
            gates: Vec::new(),
            probes: Vec::new(),
            pending: Vec::new(),
            held: Vec::new(),
            is_probed: false,
            natures: Vec::new(),
            is_beginning: true,
            counts: Counts::default(),
            packets: 0,
        }
    }

    pub(super) const fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn tracks(&self) -> Vec<report::Track> {
        self.programs
            .iter()
            .flat_map(|(program, _)| program.tracks.iter().map(Planned::report))
            .collect()
    }

    pub(super) fn take_counts(&mut self) -> Counts {
        let mut counts = std::mem::take(&mut self.counts);
        self.lanes.iter_mut().for_each(|lane| counts += lane.take_counts());
        counts
    }

    pub(super) fn lead(&self) -> Option<i64> {
        let of = |lane: &Lane| match &lane.work {
            Work::Convert(track) => track.lead(),
            Work::Pass | Work::Drop => None,
        };
        let lead = self.lanes.iter().find_map(of)?;
        let offset = i64::try_from(self.options.pcr_offset.as_millis()).unwrap_or(0);
        Some(lead.saturating_add(offset.saturating_mul(90)))
    }

    /// Takes the next packet, which begins with the sync byte.
    pub(super) fn push(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.probe(packet, out);
            return;
        }
        let Some(view) = Packet::parse(packet) else { return };
        let pid = view.pid();
        self.packets = self.packets.wrapping_add(1);
        if view.transport_error() && self.role(pid) != Role::Lane {
            // Nothing in it can be believed, but it has its place in the stream.
            self.pass_unless_waiting(pid, packet, out);
            return;
        }
        if pid == Pid::PAT {
            let mut pat = std::mem::take(&mut self.pat);
            pat.push_packet(view, |section| self.take_pat(section));
            self.pat = pat;
            out.extend_from_slice(packet);
            return;
        }
        if view.is_null() {
            self.pass_unless_waiting(pid, packet, out);
            return;
        }
        match self.role(pid) {
            Role::Table => self.take_table(packet, pid, out),
            _ if self.stage != Stage::Running => self.pass_unless_waiting(pid, packet, out),
            Role::Unknown if !self.is_settled() && pid.value() > SI_MAX => {}
            Role::Unknown | Role::Pass | Role::Gate | Role::Lane => {
                self.take_stream(packet, view, out);
            }
        }
    }

    /// The source is over.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.begin(out);
        }
        self.lanes.iter_mut().for_each(|lane| lane.finish(out));
    }

    /// What a PID holds.
    fn role(&self, pid: Pid) -> Role {
        self.roles.get(usize::from(pid.value())).copied().unwrap_or(Role::Unknown)
    }

    fn set_role(&mut self, pid: Pid, role: Role) {
        if let Some(slot) = self.roles.get_mut(usize::from(pid.value())) {
            *slot = role;
        }
    }

    fn pass_unless_waiting(&self, pid: Pid, packet: &[u8; LEN], out: &mut Vec<u8>) {
        let is_table = pid.value() <= SI_MAX;
        if self.stage == Stage::Running || (is_table && self.stage == Stage::Waiting) {
            out.extend_from_slice(packet);
        }
    }

    fn program(&self, number: u16) -> Option<&Program> {
        self.programs.iter().map(|(program, _)| program).find(|program| program.number == number)
    }

    /// Whether every programme that is listed is known, or will not come.
    fn is_settled(&self) -> bool {
        self.patience == 0 || self.programs.len() >= self.listed.len()
    }

    /// Takes a packet of a stream, or of a PID that nobody has told of.
    fn take_stream(&mut self, packet: &[u8; LEN], view: Packet<'_>, out: &mut Vec<u8>) {
        let pid = view.pid();
        let mut changed = *packet;
        let clock = view.pcr().and_then(|pcr| self.take_clock(pid, pcr));
        if let Some((pcr, jumps)) = clock {
            packet::set_pcr(&mut changed, pcr);
            if jumps {
                packet::set_discontinuity(&mut changed);
            }
        }
        match self.role(pid) {
            Role::Lane => {
                let Some(lane) = self.lanes.iter_mut().find(|lane| lane.pid == pid) else { return };
                let told = view.adaptation().is_some_and(|field| field.discontinuity_indicator());
                let clock = view
                    .pcr()
                    .map(|own| clock.map_or((own, told), |(pcr, jumps)| (pcr, jumps || told)));
                let number = lane.program;
                if let Some(nature) = lane.push(&changed, clock, out) {
                    self.plan_again(pid, nature, number, out);
                }
            }
            Role::Gate => {
                let gate = self.gates.iter_mut().find(|(gate, _)| *gate == pid);
                if gate.is_none_or(|(_, onset)| onset.push(&changed, out)) {
                    self.gates.retain(|(gate, _)| *gate != pid);
                    self.set_role(pid, Role::Pass);
                    self.is_beginning = false;
                }
            }
            Role::Unknown | Role::Pass | Role::Table => out.extend_from_slice(&changed),
        }
        if let Some(pcr) = view.pcr() {
            self.tick(pid, pcr, out);
        }
    }

    /// What becomes of a clock reference, and whether it jumps because of that; `None`: nothing.
    fn take_clock(&mut self, pid: Pid, pcr: Pcr) -> Option<(Pcr, bool)> {
        let is_of = |program: &Program| {
            program.pcr_pid == pid
                || program.others.contains(&pid)
                || program.tracks.iter().any(|track| track.pid == pid)
        };
        let (program, clock) = self.programs.iter_mut().find(|(program, _)| is_of(program))?;
        let is_its_own = program.pcr_pid == pid;
        let jumps = is_its_own && std::mem::take(&mut clock.jumps);
        clock.has_gone_out |= is_its_own;
        let offset = self.options.pcr_offset.as_micros();
        let offset = u64::try_from(offset).unwrap_or(0).saturating_mul(Pcr::HZ / 1_000_000);
        let pcr = if clock.is_behind {
            pcr.wrapping_add(Pcr::MODULUS - offset % Pcr::MODULUS)
        } else {
            pcr
        };
        (clock.is_behind || jumps).then_some((pcr, jumps))
    }

    /// The clock of some programmes is here.
    fn tick(&mut self, pid: Pid, pcr: Pcr, out: &mut Vec<u8>) {
        for lane in &mut self.lanes {
            let is_its_clock = |(program, _): &(Program, Clock)| {
                program.pcr_pid == pid && program.number == lane.program
            };
            if self.programs.iter().any(is_its_clock) {
                lane.tick(pcr, self.packets, out);
            }
        }
    }
}
