//! The programmes of a transport stream, from its first bytes: just enough to say what they consist of.

use crate::media::ts::packet;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi::Assembler;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;

/// Distances between packets: as they are, and with a time code before (M2TS) or parity behind each of them (DVB).
const DISTANCES: [usize; 3] = [packet::LEN, 192, 204];
/// Packets in line that make a place the start of one.
const IN_LINE: usize = 3;
/// Bytes in which a packet may begin that is not found yet.
const SEARCHED: usize = 204 * IN_LINE;
/// Programmes that are waited for.
const PROGRAMS_MAX: usize = 16;

/// Gathers PAT and PMTs from bytes cut anywhere. Holds less than three packets and 17 sections, 18 KiB at most.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// What has come and is not looked at yet.
    rest: Vec<u8>,
    /// From one packet to the next, once it is known.
    distance: Option<usize>,
    pat: Assembler,
    /// The programmes that PATs have listed.
    programs: Vec<Program>,
}

#[derive(Debug)]
struct Program {
    number: u16,
    pid: Pid,
    assembler: Assembler,
    /// Its section, whose CRC is right.
    pmt: Option<Vec<u8>>,
}

impl Tables {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(ahead) = rest.get(at..) {
            let Some(distance) = self.distance else {
                let Some((skipped, distance)) = find(ahead) else { break };
                (at, self.distance) = (at + skipped, Some(distance));
                continue;
            };
            let Some(bytes) = ahead.get(..distance).and_then(<[u8]>::first_chunk) else { break };
            match Packet::parse(bytes) {
                Some(packet) => {
                    self.take(packet);
                    at += distance;
                }
                None => self.distance = None,
            }
        }
        if self.distance.is_none() {
            at = at.max(rest.len().saturating_sub(SEARCHED));
        }
        rest.drain(..at);
        self.rest = rest;
    }

    /// Whether all programmes are known.
    pub(super) fn are_whole(&self) -> bool {
        !self.programs.is_empty() && self.programs.iter().all(|program| program.pmt.is_some())
    }

    /// The PMTs that have come, in the order of the PAT.
    pub(super) fn pmts(&self) -> impl Iterator<Item = Pmt<'_>> {
        let sections = self.programs.iter().filter_map(|program| program.pmt.as_deref());
        sections.filter_map(|section| Pmt::parse(section).ok())
    }

    fn take(&mut self, packet: Packet<'_>) {
        if packet.transport_error() {
            return;
        }
        let programs = &mut self.programs;
        if packet.pid() == Pid::PAT {
            return self.pat.push_packet(packet, |section| list(section, programs));
        }
        // Where there is one programme, players do not mind another number in its PMT.
        let is_alone = programs.len() == 1;
        for program in programs.iter_mut().filter(|program| program.pid == packet.pid()) {
            let Program { number, assembler, pmt, .. } = program;
            assembler.push_packet(packet, |section| {
                // A PID may hold the PMTs of several programmes.
                let is_its_own = |pmt: Pmt<'_>| is_alone || pmt.program_number() == *number;
                if Pmt::parse(section).is_ok_and(is_its_own) {
                    *pmt = Some(section.to_vec());
                }
            });
        }
    }
}

/// Adds the programmes of a PAT that is valid now. Those of several PATs add up: the first one may be empty.
fn list(section: &[u8], programs: &mut Vec<Program>) {
    let Ok(pat) = Pat::parse(section) else { return };
    for (number, pid) in pat.programs().filter(|_| pat.section().current_next_indicator) {
        let is_known = programs.iter().any(|known| (known.number, known.pid) == (number, pid));
        if !is_known && programs.len() < PROGRAMS_MAX {
            programs.push(Program { number, pid, assembler: Assembler::new(), pmt: None });
        }
    }
}

/// Where packets begin in these bytes, and how far they are from one another.
fn find(bytes: &[u8]) -> Option<(usize, usize)> {
    let is_sync = |at: usize| bytes.get(at) == Some(&packet::SYNC);
    let in_line = |at: usize, distance: usize| (0..IN_LINE).all(|n| is_sync(at + n * distance));
    (0..bytes.len()).find_map(|at| {
        let distance = DISTANCES.into_iter().find(|distance| in_line(at, *distance))?;
        Some((at, distance))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::media::ts::packet::ContinuityCounter;
    use crate::media::ts::psi::Stream;
    use crate::media::ts::psi::write_packets;

    /// Two programmes, the second one's PMT over several packets, among packets of a picture.
    fn stream() -> Vec<u8> {
        let (first, second) = (Pid::masked(0x100), Pid::masked(0x200));
        let pat = Pat::write(1, 0, &[(1, first), (2, second)]).unwrap();
        let of = |stream_type, pid, descriptors| Stream {
            stream_type,
            pid: Pid::masked(pid),
            descriptors,
        };
        let one = Pmt::write(1, 0, first, &[], &[of(0x81, 0x101, &b"\x0A\x04eng\0"[..])]).unwrap();
        let many: Vec<_> = (0..40).map(|n| of(0x04, 0x201 + n, &b"\x0A\x04deu\0"[..])).collect();
        let two = Pmt::write(2, 0, second, &[], &many).unwrap();
        let mut counters = [ContinuityCounter::default(); 3];
        let mut out = Vec::new();
        let empty = Pat::write(1, 31, &[]).unwrap();
        write_packets(Pid::PAT, &mut counters[0].clone(), &empty, &mut out);
        for _ in 0..2 {
            for (counter, (pid, section)) in
                counters.iter_mut().zip([(Pid::PAT, &pat), (first, &one), (second, &two)])
            {
                write_packets(pid, counter, section, &mut out);
                out.extend_from_slice(&[&[packet::SYNC, 0x1F, 0xFF, 0x10][..], &[0; 184]].concat());
            }
        }
        out
    }

    fn told(bytes: &[u8], piece: usize) -> Option<Vec<usize>> {
        let mut tables = Tables::default();
        bytes.chunks(piece).for_each(|piece| tables.push(piece));
        assert!(tables.rest.len() <= SEARCHED, "{}", tables.rest.len());
        tables.are_whole().then(|| tables.pmts().map(|pmt| pmt.streams().count()).collect())
    }

    #[test]
    fn all_programmes_are_found_however_the_bytes_are_cut() {
        let bytes = stream();
        for piece in [1, 7, 188, 1000, usize::MAX] {
            assert_eq!(told(&bytes, piece), Some(vec![1, 40]), "{piece}");
            // From the middle of a packet on, and with bytes that are in nobody's way.
            assert_eq!(told(bytes.get(100..).unwrap(), piece), Some(vec![1, 40]), "{piece}");
            let apart: Vec<u8> =
                bytes.chunks(188).flat_map(|packet| [&[1, 2, 3, 4], packet].concat()).collect();
            assert_eq!(told(&apart, piece), Some(vec![1, 40]), "{piece}");
            let torn = [bytes.get(..564).unwrap(), b"torn", &bytes].concat();
            assert_eq!(told(&torn, piece), Some(vec![1, 40]), "{piece}");
        }
    }

    #[test]
    fn what_is_no_stream_has_none_and_is_not_kept() {
        for byte in [0x00, packet::SYNC] {
            assert_eq!(told(&vec![byte; 100_000], 4096), None);
        }
        assert_eq!(told(stream().get(..188 * 4).unwrap(), 188), None, "a PMT is missing");
        assert_eq!(told(&[], 1), None);
    }
}
