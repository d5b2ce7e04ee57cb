//! The packets of a transport stream, one after the other: which are passed, which are changed, and which become
//! something else. What each PID is, is known from PAT and PMTs.

use std::sync::Arc;

use crate::media::ts::join::Onset;
use crate::media::ts::packet;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Assembler;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream as Entry;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::lane::Lane;
use crate::remux::lane::Work;
use crate::remux::options::Options;
use crate::remux::probe::Probe;
use crate::remux::program::Planned;
use crate::remux::program::Program;
use crate::remux::report;
use crate::remux::report::Counts;
use crate::remux::report::Fate;
use crate::remux::report::Stage;
use crate::remux::sound::Sound;
use crate::remux::table::Edition;
use crate::remux::table::Table;
use crate::remux::track::Nature;
use crate::remux::track::Track;

/// Programmes that are looked at. A satellite's multiplex has 30 at most.
const PROGRAMS_MAX: usize = 64;

/// Tracks that are converted at once; others are passed as they are.
const TRACKS_MAX: usize = 32;

/// Bytes after which sound that has not shown what it is, is taken for what its PMT says.
const PROBE_MAX: usize = 2 * 1024 * 1024;

/// PATs after which the PMTs that have not come are not waited for any more: 500 ms at least.
const PATIENCE: u8 = 5;

/// The highest PID of tables that say what there is (ISO/IEC 13818-1, 2.4.3.3; ETSI EN 300 468, 5.1.3).
const SI_MAX: u16 = 0x1F;

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
    pending: Vec<Vec<u8>>,
    held: Vec<u8>,
    is_probed: bool,
    /// What tracks have turned out to be, whatever their PMT says.
    natures: Vec<(Pid, u8, Nature)>,
    /// Whether video is let through from its first random access point on: only where the stream begins.
    is_beginning: bool,
    counts: Counts,
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

    /// Whether every programme that is listed is known, or will not come.
    fn is_settled(&self) -> bool {
        self.patience == 0 || self.programs.len() >= self.listed.len()
    }

    /// Takes a section of PID 0.
    fn take_pat(&mut self, section: &[u8]) {
        let is_known = section == self.pat_section;
        if is_known && self.patience > 0 {
            self.patience -= 1;
        }
        if is_known {
            return;
        }
        let Some(pat) = Pat::parse(section).ok().filter(|pat| pat.section().current_next_indicator)
        else {
            return;
        };
        if pat.section().last_section_number == 0 || self.pat_section.is_empty() {
            self.listed.clear();
        }
        self.pat_section.clear();
        self.pat_section.extend_from_slice(section);
        let room = PROGRAMS_MAX.saturating_sub(self.listed.len());
        self.listed.extend(pat.programs().filter(|(_, pid)| pid.value() > SI_MAX).take(room));
        self.listed.sort_unstable();
        self.listed.dedup();
        let listed = &self.listed;
        self.tables.retain(|table| listed.iter().any(|(_, pid)| *pid == table.pid));
        for index in 0..self.listed.len() {
            let Some((_, pid)) = self.listed.get(index).copied() else { continue };
            if !self.tables.iter().any(|table| table.pid == pid) {
                self.tables.push(Table::new(pid));
            }
            self.set_role(pid, Role::Table);
        }
    }

    /// Takes a packet with PMTs.
    fn take_table(&mut self, packet: &[u8; LEN], pid: Pid, out: &mut Vec<u8>) {
        let Some(place) = self.tables.iter().position(|table| table.pid == pid) else {
            // A later PAT does not list it any more.
            self.pass_unless_waiting(pid, packet, out);
            return;
        };
        // It is put back: what its sections say changes everything else.
        let mut table = self.tables.swap_remove(place);
        let mut sections: Vec<Vec<u8>> = Vec::new();
        table.gather(packet, |section| sections.push(section.to_vec()));
        for section in &sections {
            let edition = match self.take_section(section, pid, out) {
                Taken::Strange => Edition::Same,
                Taken::Damaged => Edition::Nothing,
                Taken::Known(number) => match self.program(number) {
                    Some(program) if program.written == *section => Edition::Same,
                    Some(program) => Edition::Other(&program.written),
                    None => Edition::Same,
                },
            };
            table.put(section, &edition);
        }
        if self.stage == Stage::Running {
            table.flush(out);
        } else {
            table.discard();
        }
        self.tables.push(table);
    }

    fn program(&self, number: u16) -> Option<&Program> {
        self.programs.iter().map(|(program, _)| program).find(|program| program.number == number)
    }

    /// Takes a section of a PID with PMTs.
    fn take_section(&mut self, section: &[u8], pid: Pid, out: &mut Vec<u8>) -> Taken {
        let known = self.programs.iter().find(|(program, _)| program.section == section);
        if let Some((program, _)) = known {
            return Taken::Known(program.number);
        }
        let pmt = match Pmt::parse(section) {
            Ok(pmt) if pmt.section().current_next_indicator => pmt,
            // It announces what is not yet.
            Ok(_) => return Taken::Damaged,
            Err(psi::Error::Table(_) | psi::Error::ShortForm) => return Taken::Strange,
            Err(_) => return Taken::Damaged,
        };
        // Where there is one programme, players do not mind another number in its PMT.
        let is_listed = self.listed.len() == 1
            || self.listed.iter().any(|listed| *listed == (pmt.program_number(), pid));
        if !is_listed {
            return Taken::Strange;
        }
        if self.must_probe(&pmt) {
            self.pending.push(section.to_vec());
            return Taken::Damaged;
        }
        self.plan(&pmt, section, out);
        Taken::Known(pmt.program_number())
    }

    /// Whether some of the sound has to be looked into before the stream begins.
    fn must_probe(&mut self, pmt: &Pmt<'_>) -> bool {
        if self.stage != Stage::Waiting || self.is_probed {
            return false;
        }
        for entry in pmt.streams() {
            let sound = Sound::of(entry.stream_type, entry.descriptors);
            if let Some(Sound::Convertible(coding @ Coding::Mp2)) = sound
                && self.probes.len() < TRACKS_MAX
            {
                self.probes.push(Probe::new(entry.pid, entry.stream_type, coding));
            }
        }
        !self.probes.is_empty()
    }

    /// Keeps a packet until it is known what the sound is, into which it looks.
    fn probe(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) {
        self.held.extend_from_slice(packet);
        let view = Packet::parse(packet).filter(|view| !view.transport_error());
        if let Some(view) = view
            && let Some(place) = self.probes.iter().position(|probe| probe.pid == view.pid())
            && let Some(probe) = self.probes.get_mut(place)
        {
            let is_clear = view.scrambling() == 0;
            let nature = if is_clear { probe.push(packet) } else { Nature::AsTold };
            if nature != Nature::Open {
                let probe = self.probes.swap_remove(place);
                self.natures.push((probe.pid, probe.stream_type, nature));
            }
        }
        if self.probes.is_empty() || self.held.len() >= PROBE_MAX {
            self.begin(out);
        }
    }

    /// The sound is known as far as it is going to be.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.probes.clear();
        self.is_probed = true;
        for section in std::mem::take(&mut self.pending) {
            let Ok(pmt) = Pmt::parse(&section) else { continue };
            self.plan(&pmt, &section, out);
            self.announce(pmt.program_number(), out);
        }
        let held = std::mem::take(&mut self.held);
        held.as_chunks::<LEN>().0.iter().for_each(|packet| self.push(packet, out));
    }

    /// Appends the PMT of a programme between those of the source.
    fn announce(&mut self, number: u16, out: &mut Vec<u8>) {
        let Some((program, _)) = self.programs.iter().find(|(program, _)| program.number == number)
        else {
            return;
        };
        let is_its = |listed: &&(u16, Pid)| listed.0 == number || self.listed.len() == 1;
        let pid = self.listed.iter().find(is_its).map(|(_, pid)| *pid);
        if let Some(table) = self.tables.iter_mut().find(|table| Some(table.pid) == pid) {
            table.insert(&program.written, out);
        }
    }

    /// What a track has turned out to be.
    fn nature(&self, entry: &Entry<'_>) -> Nature {
        let known = |(pid, stream_type, _): &&(Pid, u8, Nature)| {
            (*pid, *stream_type) == (entry.pid, entry.stream_type)
        };
        self.natures.iter().find(known).map_or(Nature::Open, |(_, _, nature)| *nature)
    }

    /// A PMT has come that says something new, or a track has turned out to be something else.
    fn plan(&mut self, pmt: &Pmt<'_>, section: &[u8], out: &mut Vec<u8>) {
        let codecs = &self.codecs;
        let decodes = |coding| codecs.decodes(coding);
        let mut program =
            Program::plan(pmt, section, &self.options, decodes, |entry| self.nature(entry));
        let number = program.number;
        let place = self.programs.iter().position(|(known, _)| known.number == number);
        let before = place.map(|place| self.programs.swap_remove(place));
        if let Some((before, _)) = &before {
            program.follow(before);
        }
        let mut clock = before.map_or_else(Clock::default, |(_, clock)| clock);
        if self.stage != Stage::Running {
            let undecodable = program.undecodable();
            if !undecodable.is_empty() && self.listed.len() <= 1 {
                self.stage = Stage::Refused(undecodable);
                return;
            }
            self.stage = Stage::Running;
        }
        let is_behind = program.converts() && !self.options.pcr_offset.is_zero();
        clock.jumps |= clock.has_gone_out && clock.is_behind != is_behind;
        clock.is_behind = is_behind;
        self.assign(&program, pmt, out);
        self.programs.push((program, clock));
    }

    /// Gives every PID of a programme what it is from now on.
    fn assign(&mut self, program: &Program, pmt: &Pmt<'_>, out: &mut Vec<u8>) {
        let is_gated = self.is_beginning && program.converts();
        for entry in pmt.streams() {
            if self.role(entry.pid) == Role::Table || entry.pid.value() <= SI_MAX {
                continue;
            }
            if program.tracks.iter().any(|track| track.pid == entry.pid) {
                continue;
            }
            let gate = self.gates.iter().any(|(pid, _)| *pid == entry.pid);
            match Onset::of(&entry).filter(|_| is_gated && self.role(entry.pid) == Role::Unknown) {
                Some(onset) => {
                    self.gates.push((entry.pid, onset));
                    self.set_role(entry.pid, Role::Gate);
                }
                None if gate => {}
                None => self.set_role(entry.pid, Role::Pass),
            }
        }
        self.drop_lanes(program);
        for (index, track) in program.tracks.iter().enumerate() {
            self.assign_lane(program.number, index, track, out);
        }
    }

    /// Forgets the lanes of a programme that are not in its PMT any more.
    fn drop_lanes(&mut self, program: &Program) {
        let is_gone = |lane: &Lane| {
            lane.program == program.number
                && !program.tracks.iter().any(|track| track.pid == lane.pid)
        };
        let gone: Vec<Pid> =
            self.lanes.iter().filter(|lane| is_gone(lane)).map(|lane| lane.pid).collect();
        for lane in &mut self.lanes {
            if gone.contains(&lane.pid) {
                self.counts += lane.take_counts();
            }
        }
        self.lanes.retain(|lane| !gone.contains(&lane.pid));
        for pid in gone {
            if self.role(pid) == Role::Lane {
                self.set_role(pid, Role::Unknown);
            }
        }
    }

    fn assign_lane(&mut self, program: u16, index: usize, track: &Planned, out: &mut Vec<u8>) {
        let pid = track.pid;
        if self.role(pid) == Role::Table || pid.value() <= SI_MAX {
            return;
        }
        let converting =
            self.lanes.iter().filter(|lane| matches!(lane.work, Work::Convert(_))).count();
        let known = self.lanes.iter_mut().find(|lane| lane.pid == pid);
        if let Some(lane) = known {
            lane.program = program;
            let work = match (&track.fate, &mut lane.work) {
                (Fate::Converted(coding), Work::Convert(track)) => {
                    if track.coding() == *coding || track.recode(*coding) {
                        return;
                    }
                    Work::Pass
                }
                (Fate::Dropped, Work::Drop) => return,
                (Fate::Converted(coding), _) => {
                    work(*coding, (pid, index), &self.options, &self.codecs)
                }
                (Fate::Dropped, _) => Work::Drop,
                (_, Work::Pass) => return,
                _ => Work::Pass,
            };
            self.counts += lane.turn(work, out);
            return;
        }
        let work = match track.fate {
            Fate::Converted(coding) if converting < TRACKS_MAX => {
                work(coding, (pid, index), &self.options, &self.codecs)
            }
            Fate::Dropped => Work::Drop,
            _ => Work::Pass,
        };
        self.lanes.push(Lane::new(pid, program, work));
        self.set_role(pid, Role::Lane);
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
                || program.others.iter().any(|(other, _)| *other == pid)
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
                lane.tick(pcr, out);
            }
        }
    }

    /// A track is not what its PMT says.
    fn plan_again(&mut self, pid: Pid, nature: Nature, number: u16, out: &mut Vec<u8>) {
        let Some(program) = self.program(number) else { return };
        let (section, before) = (program.section.clone(), program.written.clone());
        let Ok(pmt) = Pmt::parse(&section) else { return };
        let entry = pmt.streams().find(|entry| entry.pid == pid);
        self.natures.retain(|(known, ..)| *known != pid);
        self.natures.extend(entry.map(|entry| (pid, entry.stream_type, nature)));
        // What is said of it goes out before its bytes.
        let mut bytes = Vec::new();
        self.plan(&pmt, &section, &mut bytes);
        if self.program(number).is_some_and(|program| program.written != before) {
            self.announce(number, out);
        }
        out.append(&mut bytes);
    }
}

/// What came of a section.
enum Taken {
    /// It is the PMT of this programme.
    Known(u16),
    /// It is not for here, and passed.
    Strange,
    /// It is damaged, or not valid yet.
    Damaged,
}

/// What converts a track; it is passed where nothing does.
fn work(
    coding: Coding,
    place: (Pid, usize),
    options: &Arc<Options>,
    codecs: &Arc<dyn Codecs>,
) -> Work {
    match Track::new(coding, place, options, codecs) {
        Some(track) => Work::Convert(Box::new(track)),
        None => Work::Pass,
    }
}
