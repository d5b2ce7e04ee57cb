//! Which programme of a transport stream is meant, and its PAT and PMT as they last came (ISO/IEC
//! 13818-1, 2.4.4). Of several programmes it is the one with the number that is wanted, else the
//! first whose PMT comes with video, else with sound, else the first. All that the PAT lists are
//! listened to, as it may list some that are not sent, until one is settled upon: once there can be
//! no better one, or two more PATs have come, by when each PMT that is sent has.

use crate::media::ts::kind::Kind;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Assembler;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;

#[cfg(test)]
mod tests;

/// Most programmes that are listened to: as many as a section of a PAT has room for. Of a PAT of
/// several sections with more these are the lowest numbers.
const LISTED_MAX: usize = 253;

/// Most unfinished sections at a time. One more takes the place of that which nothing has come of
/// for longest.
const UNFINISHED_MAX: usize = 16;

/// PATs that a better programme is waited for after the first.
const PATIENCE: u8 = 2;

/// What a packet told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    /// Nothing of the programme.
    Nothing,
    /// A PAT that lists the programme, or any while none is chosen.
    Pat,
    /// The programme's PMT, the same as before.
    SamePmt,
    /// The programme's PMT, and it is new; or that of a better programme.
    NewPmt,
}

/// Follows PAT and PMT. Holds one section of each and up to 16 unfinished ones, of 1 KiB at most, and
/// 4 bytes for each programme that is listened to: 200 bytes for a usual stream, 21 KiB at most.
#[derive(Debug)]
pub(super) struct Program {
    /// Once settled, the number of the programme.
    wanted: Option<u16>,
    /// PATs that a better programme is still waited for.
    patience: u8,
    pat: Vec<u8>,
    /// The PAT lists no other programme.
    is_alone: bool,
    /// Of the last PAT: transport stream, version and last section.
    table: Option<(u16, u8, u8)>,
    /// Programmes that are listened to, and where their PMTs are.
    listed: Vec<(u16, Pid)>,
    /// What has come of a section, by PID, the latest last.
    unfinished: Vec<(Pid, Assembler)>,
    chosen: Option<Chosen>,
}

#[derive(Debug)]
struct Chosen {
    program_number: u16,
    pid: Pid,
    pmt: Vec<u8>,
    rank: Rank,
}

/// Whether a programme is the one that is wanted, has video, has sound: the greater is the better.
type Rank = [bool; 3];

/// A view of what is known of a programme.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced<'a> {
    /// The section that lists the programme.
    pub(super) pat: &'a [u8],
    pub(super) pmt_pid: Pid,
    /// A section whose CRC is right.
    pub(super) pmt: Pmt<'a>,
    pub(super) pmt_section: &'a [u8],
}

impl Program {
    /// Before the first packet. `wanted` is the number of the programme that is preferred.
    pub(super) const fn new(wanted: Option<u16>) -> Self {
        Self {
            wanted,
            patience: PATIENCE,
            pat: Vec::new(),
            is_alone: false,
            table: None,
            listed: Vec::new(),
            unfinished: Vec::new(),
            chosen: None,
        }
    }

    /// PAT and PMT of the best programme so far, once both have come.
    pub(super) fn announced(&self) -> Option<Announced<'_>> {
        let chosen = self.chosen.as_ref()?;
        let pmt = Pmt::parse(&chosen.pmt).ok()?; // It was parsed when it came.
        Some(Announced { pat: &self.pat, pmt_pid: chosen.pid, pmt, pmt_section: &chosen.pmt })
    }

    /// The last PAT, also while no PMT has come; empty before the first.
    pub(super) fn pat(&self) -> &[u8] {
        &self.pat
    }

    /// The number that a PAT lists the programme under.
    pub(super) fn program_number(&self) -> Option<u16> {
        self.chosen.as_ref().map(|chosen| chosen.program_number)
    }

    /// Whether there is a programme and no better one is waited for.
    pub(super) const fn is_settled(&self) -> bool {
        self.chosen.is_some() && self.patience == 0
    }

    /// Stays with the best programme so far, or with the first whose PMT comes, for as long as PATs
    /// list its number.
    pub(super) fn settle(&mut self) {
        self.patience = 0;
        self.wanted = self.program_number();
        if let Some(number) = self.wanted {
            self.listed.retain(|(listed, _)| *listed == number);
            self.listed.shrink_to_fit();
            self.drop_unheard();
        }
    }

    /// Whether packets of `pid` hold the tables that are listened to.
    pub(super) fn listens_to(&self, pid: Pid) -> bool {
        pid == Pid::PAT || self.listed.iter().any(|(_, listed)| *listed == pid)
    }

    /// PIDs on which a section is unfinished, so that packets that begin none matter.
    pub(super) fn amid(&self) -> impl Iterator<Item = Pid> + '_ {
        self.unfinished.iter().map(|(pid, _)| *pid)
    }

    /// Forgets unfinished sections: what comes next does not follow what came last.
    pub(super) fn reset(&mut self) {
        self.unfinished.clear();
    }

    /// Forgets what is unfinished on `pid`.
    pub(super) fn reset_on(&mut self, pid: Pid) {
        self.unfinished.retain(|(unfinished, _)| *unfinished != pid);
    }

    /// Takes the next packet. Of several things that one packet tells, the most important counts.
    pub(super) fn push(&mut self, packet: Packet<'_>) -> Heard {
        let pid = packet.pid();
        if packet.transport_error() || packet.scrambling() != 0 || !self.listens_to(pid) {
            return Heard::Nothing;
        }
        let place = self.unfinished.iter().position(|(unfinished, _)| *unfinished == pid);
        let mut assembler =
            place.map_or_else(Assembler::new, |place| self.unfinished.remove(place).1);
        let mut heard = Heard::Nothing;
        assembler.push_packet(packet, |section| {
            let told =
                if pid == Pid::PAT { self.take_pat(section) } else { self.take_pmt(pid, section) };
            heard = heard.max(told);
        });
        if !assembler.is_idle() && self.listens_to(pid) {
            if self.unfinished.len() == UNFINISHED_MAX {
                self.unfinished.remove(0);
            }
            self.unfinished.push((pid, assembler));
        }
        heard
    }

    /// Takes a section of PID 0.
    fn take_pat(&mut self, section: &[u8]) -> Heard {
        if self.is_settled() && section == self.pat {
            return Heard::Pat;
        }
        let Some(pat) = Pat::parse(section).ok().filter(|pat| is_valid_now(pat.section())) else {
            return Heard::Nothing;
        };
        let is_whole = pat.section().last_section_number == 0;
        let goes_on = self.chosen.as_ref().is_some_and(|chosen| {
            pat.programs().any(|entry| entry == (chosen.program_number, chosen.pid))
        });
        if !goes_on && !is_whole && self.is_settled() {
            return Heard::Nothing; // Another section may list it.
        }
        if !goes_on && is_whole {
            self.chosen = None;
        }
        if goes_on || self.chosen.is_none() {
            self.pat.clear();
            self.pat.extend_from_slice(section);
        }
        self.list(pat);
        Heard::Pat
    }

    /// Listens to what a PAT lists. The sections of one table add up.
    fn list(&mut self, pat: Pat<'_>) {
        let section = pat.section();
        let is_whole = section.last_section_number == 0;
        let table = (section.table_id_extension, section.version, section.last_section_number);
        let is_repeated = self.table.replace(table) == Some(table);
        if is_whole || !is_repeated {
            self.listed.clear();
        }
        self.is_alone = is_whole && pat.programs().count() == 1;
        self.listed.extend(pat.programs());
        self.listed.sort_unstable();
        self.listed.dedup();
        self.listed.truncate(LISTED_MAX);
        let is_wanted = |&(number, _): &(u16, Pid)| self.wanted == Some(number);
        if self.listed.iter().any(is_wanted) {
            if self.patience == 0 {
                self.listed.retain(is_wanted);
            }
        } else if is_whole {
            self.wanted = None;
        }
        self.drop_unheard();
        if is_repeated && section.section_number == 0 && self.patience > 0 {
            self.patience -= 1;
            if self.patience == 0 {
                self.settle();
            }
        }
    }

    /// Takes a section of a PMT's PID.
    fn take_pmt(&mut self, pid: Pid, section: &[u8]) -> Heard {
        if self.chosen.as_ref().is_some_and(|chosen| chosen.pid == pid && chosen.pmt == section) {
            return Heard::SamePmt;
        }
        let Some(pmt) = Pmt::parse(section).ok().filter(|pmt| is_valid_now(pmt.section())) else {
            return Heard::Nothing;
        };
        // A PID may hold the PMTs of several programmes. Where there is one programme, players do
        // not mind another number in its PMT.
        let mut numbers =
            self.listed.iter().filter(|(_, at)| *at == pid).map(|(number, _)| *number);
        let number = numbers.find(|number| self.is_alone || *number == pmt.program_number());
        let Some(program_number) = number else { return Heard::Nothing };
        let has = |is: fn(Kind) -> bool| pmt.streams().any(|stream| is(Kind::of(&stream)));
        let is_wanted = self.wanted == Some(program_number);
        let rank = [is_wanted, has(Kind::is_video), has(Kind::is_audio)];
        let is_better = self
            .chosen
            .as_ref()
            .is_none_or(|chosen| chosen.program_number == program_number || chosen.rank < rank);
        if !is_better {
            return Heard::Nothing;
        }
        self.chosen = Some(Chosen { program_number, pid, pmt: section.to_vec(), rank });
        self.find_in_pat(program_number, pid);
        let is_best = match (self.wanted, rank) {
            (Some(_), [is_wanted, ..]) => is_wanted,
            (None, [_, has_video, _]) => has_video,
        };
        if is_best || self.is_alone || self.patience == 0 {
            self.settle();
        }
        Heard::NewPmt
    }

    /// If the programme is listed in a section of the PAT that came before the last one, one that
    /// lists it alone takes its place until that comes again.
    fn find_in_pat(&mut self, program_number: u16, pid: Pid) {
        let Ok(pat) = Pat::parse(&self.pat) else { return };
        let program = (program_number, pid);
        if !pat.programs().any(|entry| entry == program)
            && let Ok(own) =
                Pat::write(pat.transport_stream_id(), pat.section().version, &[program])
        {
            self.pat = own;
        }
    }

    /// Forgets what is unfinished of that which is not listened to any more.
    fn drop_unheard(&mut self) {
        let mut unfinished = std::mem::take(&mut self.unfinished);
        unfinished.retain(|(pid, _)| self.listens_to(*pid));
        self.unfinished = unfinished;
    }
}

/// A table that is announced before its time (2.4.4.5) is not one yet.
const fn is_valid_now(section: psi::Section<'_>) -> bool {
    section.current_next_indicator
}
