//! What a PMT means for everything else: which PID is what, and what is done with its sound.

use std::sync::Arc;

use crate::media::ts::join::Onset;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream as Entry;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::lane::Lane;
use crate::remux::lane::Work;
use crate::remux::options::Options;
use crate::remux::program::Planned;
use crate::remux::program::Program;
use crate::remux::report::Fate;
use crate::remux::report::Stage;
use crate::remux::stream::Clock;
use crate::remux::stream::Role;
use crate::remux::stream::SI_MAX;
use crate::remux::stream::Stream;
use crate::remux::stream::TRACKS_MAX;
use crate::remux::track::Nature;
use crate::remux::track::Track;

impl Stream {
    /// A PMT has come that says something new, or a track has turned out to be something else.
    pub(super) fn plan(
        &mut self,
        pmt: &Pmt<'_>,
        (pmt_pid, section): (Pid, &[u8]),
        out: &mut Vec<u8>,
    ) {
        let decodes = |coding| self.codecs.decodes(coding);
        let nature = |entry: &Entry<'_>| self.nature(entry);
        let is_others = |lane: &&Lane| {
            lane.program != pmt.program_number() && matches!(lane.work, Work::Convert(_))
        };
        let room = TRACKS_MAX.saturating_sub(self.lanes.iter().filter(is_others).count());
        let asked = (&*self.options, room);
        let mut program = Program::plan(pmt, (pmt_pid, section), asked, decodes, nature);
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
        let pids: Vec<Pid> = program.tracks.iter().map(|track| track.pid).collect();
        self.drop_lanes(program.number, &pids);
        for (index, track) in program.tracks.iter().enumerate() {
            self.assign_lane(program.number, index, track, out);
        }
    }

    /// Forgets the lanes of a programme but those of `pids`.
    pub(super) fn drop_lanes(&mut self, program: u16, pids: &[Pid]) {
        let is_gone = |lane: &mut Lane| lane.program == program && !pids.contains(&lane.pid);
        let gone: Vec<Lane> = self.lanes.extract_if(.., is_gone).collect();
        for mut lane in gone {
            self.counts += lane.take_counts();
            if self.role(lane.pid) == Role::Lane {
                self.set_role(lane.pid, Role::Unknown);
            }
        }
    }

    fn assign_lane(&mut self, program: u16, index: usize, track: &Planned, out: &mut Vec<u8>) {
        let pid = track.pid;
        if self.role(pid) == Role::Table || pid.value() <= SI_MAX {
            return;
        }
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
            Fate::Converted(coding) => work(coding, (pid, index), &self.options, &self.codecs),
            Fate::Dropped => Work::Drop,
            _ => Work::Pass,
        };
        self.lanes.push(Lane::new(pid, program, work));
        self.set_role(pid, Role::Lane);
    }

    /// A track is not what its PMT says.
    pub(super) fn plan_again(&mut self, pid: Pid, nature: Nature, number: u16, out: &mut Vec<u8>) {
        let Some(program) = self.program(number) else { return };
        let (section, before) = (program.section.clone(), program.written.clone());
        let pmt_pid = program.pmt_pid;
        let Ok(pmt) = Pmt::parse(&section) else { return };
        let entry = pmt.streams().find(|entry| entry.pid == pid);
        self.natures.retain(|(known, ..)| *known != pid);
        self.natures.extend(entry.map(|entry| (pid, entry.stream_type, nature)));
        // What is said of it goes out before its bytes.
        let mut bytes = Vec::new();
        self.plan(&pmt, (pmt_pid, &section), &mut bytes);
        if self.program(number).is_some_and(|program| program.written != before) {
            self.announce(number, out);
        }
        out.append(&mut bytes);
    }

    /// What a track has turned out to be.
    fn nature(&self, entry: &Entry<'_>) -> Nature {
        let known = |(pid, stream_type, _): &&(Pid, u8, Nature)| {
            (*pid, *stream_type) == (entry.pid, entry.stream_type)
        };
        self.natures.iter().find(known).map_or(Nature::Open, |(_, _, nature)| *nature)
    }
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
