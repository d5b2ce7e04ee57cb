//! Which programme of a transport stream is meant, and its PAT and PMT as they last came (ISO/IEC
//! 13818-1, 2.4.4). Of several programmes it is the one with the number that is wanted, else the
//! first whose PMT comes with video, else the first whose PMT comes.

use crate::media::ts::join::kind::Kind;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Assembler;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;

/// Programmes whose PMTs are listened to at a time while none is settled upon; of a PAT with more
/// the first ones.
const LISTENERS_MAX: usize = 16;

/// What a packet told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing of the programme.
    Nothing,
    /// A PAT that lists the programme, or the first one of all.
    Pat,
    /// The programme's PMT, the same as before.
    SamePmt,
    /// The programme's PMT, and it is new.
    NewPmt,
}

/// Follows PAT and PMT. Holds one section of each, 1 KiB at most, and up to 16 unfinished ones of
/// 4.3 KiB where a multiplex sends such; 200 bytes for a usual stream.
#[derive(Debug)]
pub(super) struct Program {
    wanted: Option<u16>,
    pat_assembler: Assembler,
    pat: Vec<u8>,
    listeners: Vec<Listener>,
    chosen: Option<Chosen>,
}

#[derive(Debug)]
struct Listener {
    program_number: u16,
    pid: Pid,
    assembler: Assembler,
}

#[derive(Debug)]
struct Chosen {
    program_number: u16,
    pid: Pid,
    pmt: Vec<u8>,
    has_video: bool,
}

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
            pat_assembler: Assembler::new(),
            pat: Vec::new(),
            listeners: Vec::new(),
            chosen: None,
        }
    }

    /// PAT and PMT, once both have come.
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

    /// Whether packets of `pid` hold the tables that are listened to.
    pub(super) fn listens_to(&self, pid: Pid) -> bool {
        pid == Pid::PAT || self.listeners.iter().any(|listener| listener.pid == pid)
    }

    /// PIDs on which a section is unfinished, so that packets that begin none matter.
    pub(super) fn amid(&self) -> impl Iterator<Item = Pid> + '_ {
        let amid = |assembler: &Assembler| !assembler.is_idle();
        let pmts = self.listeners.iter().filter(move |listener| amid(&listener.assembler));
        let pat = Some(Pid::PAT).filter(|_| amid(&self.pat_assembler));
        pat.into_iter().chain(pmts.map(|listener| listener.pid))
    }

    /// Forgets unfinished sections: what comes next does not follow what came last.
    pub(super) fn reset(&mut self) {
        self.pat_assembler.reset();
        self.listeners.iter_mut().for_each(|listener| listener.assembler.reset());
    }

    /// Forgets what is unfinished on `pid`.
    pub(super) fn reset_on(&mut self, pid: Pid) {
        if pid == Pid::PAT {
            self.pat_assembler.reset();
        }
        let listeners = self.listeners.iter_mut().filter(|listener| listener.pid == pid);
        listeners.for_each(|listener| listener.assembler.reset());
    }

    /// Takes the next packet. Of several things that one packet tells, the most important counts.
    pub(super) fn push(&mut self, packet: Packet<'_>) -> Heard {
        if packet.transport_error() || packet.scrambling() != 0 {
            return Heard::Nothing;
        }
        let Some(payload) = packet.payload() else { return Heard::Nothing };
        let mut heard = Heard::Nothing;
        if packet.pid() == Pid::PAT {
            let mut assembler = std::mem::take(&mut self.pat_assembler);
            assembler.push(packet.payload_unit_start(), payload, |section| {
                if self.take_pat(section) {
                    heard = Heard::Pat;
                }
            });
            self.pat_assembler = assembler;
            return heard;
        }
        for place in 0..self.listeners.len() {
            let Some(listener) = self.listeners.get_mut(place) else { break };
            if listener.pid != packet.pid() {
                continue;
            }
            let program_number = listener.program_number;
            let mut assembler = std::mem::take(&mut listener.assembler);
            assembler.push(packet.payload_unit_start(), payload, |section| {
                match self.take_pmt(program_number, packet.pid(), section) {
                    Heard::Nothing => {}
                    Heard::SamePmt if heard == Heard::NewPmt => {}
                    new => heard = new,
                }
            });
            if let Some(listener) = self.listeners.get_mut(place) {
                listener.assembler = assembler;
            }
        }
        if heard == Heard::NewPmt {
            self.settle();
        }
        heard
    }

    /// Takes a section of PID 0. True if it says where the programme is.
    fn take_pat(&mut self, section: &[u8]) -> bool {
        if section == self.pat {
            return true;
        }
        let Some(pat) = Pat::parse(section).ok().filter(|pat| is_valid_now(pat.section())) else {
            return false;
        };
        let lists = |number: u16, pid: Pid| pat.programs().any(|entry| entry == (number, pid));
        let goes_on =
            self.chosen.as_ref().is_some_and(|chosen| lists(chosen.program_number, chosen.pid));
        if !goes_on && self.chosen.is_some() && pat.section().last_section_number > 0 {
            return false; // Another section may list it.
        }
        if !goes_on {
            self.chosen = None;
        }
        self.pat.clear();
        self.pat.extend_from_slice(section);
        let wanted =
            self.wanted.filter(|wanted| pat.programs().any(|(number, _)| number == *wanted));
        self.wanted = wanted;
        self.listeners.clear();
        self.listeners.extend(
            pat.programs()
                .filter(|(number, _)| wanted.is_none_or(|wanted| wanted == *number))
                .take(LISTENERS_MAX)
                .map(|(program_number, pid)| Listener {
                    program_number,
                    pid,
                    assembler: Assembler::new(),
                }),
        );
        true
    }

    /// Takes a section of a PMT's PID.
    fn take_pmt(&mut self, listened_for: u16, pid: Pid, section: &[u8]) -> Heard {
        if self.chosen.as_ref().is_some_and(|chosen| chosen.pid == pid && chosen.pmt == section) {
            return Heard::SamePmt;
        }
        let Some(pmt) = Pmt::parse(section).ok().filter(|pmt| is_valid_now(pmt.section())) else {
            return Heard::Nothing;
        };
        // A PID may hold the PMTs of several programmes. Where it should hold one, players do not
        // mind another number in it.
        let number_is_wrong = pmt.program_number() != listened_for;
        if number_is_wrong && self.listeners.len() > 1 {
            return Heard::Nothing;
        }
        let has_video = pmt.streams().any(|stream| Kind::of(&stream).is_video());
        let better = match &self.chosen {
            None => true,
            Some(chosen) if chosen.program_number == listened_for => true,
            Some(chosen) => !chosen.has_video && has_video && self.wanted.is_none(),
        };
        if !better {
            return Heard::Nothing;
        }
        let chosen = Chosen { program_number: listened_for, pid, pmt: section.to_vec(), has_video };
        self.chosen = Some(chosen);
        Heard::NewPmt
    }

    /// Listens to the chosen programme alone once there can be no better one, and stays with it.
    fn settle(&mut self) {
        let Some(chosen) = &self.chosen else { return };
        if chosen.has_video || self.wanted.is_some() || self.listeners.len() == 1 {
            let number = chosen.program_number;
            self.listeners.retain(|listener| listener.program_number == number);
            self.listeners.shrink_to_fit();
            self.wanted = Some(number);
        }
    }
}

/// A table that is announced before its time (2.4.4.5) is not one yet.
const fn is_valid_now(section: psi::Section<'_>) -> bool {
    section.current_next_indicator
}
