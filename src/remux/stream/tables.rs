//! PAT and PMTs: which programmes there are, and what goes out in place of their tables.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::remux::program::Program;
use crate::remux::report::Stage;
use crate::remux::stream::Role;
use crate::remux::stream::SI_MAX;
use crate::remux::stream::Stream;
use crate::remux::table::Edition;
use crate::remux::table::Table;

/// Programmes that are looked at. A satellite's multiplex has 30 at most.
const PROGRAMS_MAX: usize = 64;

/// What came of a section.
enum Taken {
    /// It is the PMT of this programme.
    Known(u16),
    /// It is not for here, and passed.
    Strange,
    /// It is damaged, or not valid yet.
    Damaged,
}

impl Stream {
    /// Takes a section of PID 0.
    pub(super) fn take_pat(&mut self, section: &[u8]) {
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
        if pat.programs().next().is_none() {
            return; // What there was a moment ago is still on its way.
        }
        if pat.section().last_section_number == 0 || self.pat_section.is_empty() {
            self.listed.clear();
        }
        self.pat_section.clear();
        self.pat_section.extend_from_slice(section);
        let room = PROGRAMS_MAX.saturating_sub(self.listed.len());
        self.listed.extend(pat.programs().filter(|(_, pid)| pid.value() > SI_MAX).take(room));
        self.listed.sort_unstable();
        self.listed.dedup();
        self.drop_unlisted();
        for index in 0..self.listed.len() {
            let Some((_, pid)) = self.listed.get(index).copied() else { continue };
            if !self.tables.iter().any(|table| table.pid == pid) {
                self.tables.push(Table::new(pid));
            }
            self.set_role(pid, Role::Table);
        }
    }

    /// Forgets the programmes that are not listed any more, and what their PIDs were.
    fn drop_unlisted(&mut self) {
        let listed = &self.listed;
        let is_listed = |number: u16, pid: Pid| {
            let is_it =
                |entry: &&(u16, Pid)| entry.1 == pid && (entry.0 == number || listed.len() == 1);
            listed.iter().any(|entry| is_it(&entry))
        };
        let gone: Vec<Program> = self
            .programs
            .extract_if(.., |(program, _)| !is_listed(program.number, program.pmt_pid))
            .map(|(program, _)| program)
            .collect();
        let unlisted = |table: &mut Table| !listed.iter().any(|(_, pid)| *pid == table.pid);
        let tables: Vec<Pid> =
            self.tables.extract_if(.., unlisted).map(|table| table.pid).collect();
        tables.into_iter().for_each(|pid| self.set_role(pid, Role::Unknown));
        for program in gone {
            let number = program.number;
            self.drop_lanes(number, &[]);
            program.others.iter().for_each(|pid| self.set_role(*pid, Role::Unknown));
        }
    }

    /// Takes a packet with PMTs.
    pub(super) fn take_table(&mut self, packet: &[u8; LEN], pid: Pid, out: &mut Vec<u8>) {
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
            self.pending.push((pid, section.to_vec()));
            return Taken::Damaged;
        }
        self.plan(&pmt, (pid, section), out);
        Taken::Known(pmt.program_number())
    }

    /// Appends the PMT of a programme between those of the source.
    pub(super) fn announce(&mut self, number: u16, out: &mut Vec<u8>) {
        let Some((program, _)) = self.programs.iter().find(|(program, _)| program.number == number)
        else {
            return;
        };
        let table = self.tables.iter_mut().find(|table| table.pid == program.pmt_pid);
        if let Some(table) = table {
            table.insert(&program.written, out);
        }
    }
}
