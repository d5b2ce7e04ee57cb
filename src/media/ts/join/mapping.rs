//! Where a standby's streams go in the layout that the client knows: [`plan`] gives each PID of the
//! standby one for the client, and the tables to announce. Streams match by kind, then language,
//! then order. Where all of both sides match, the clock's place too, the client's own tables go on;
//! else a new version of its PMT says what there is now.

use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::kind;
use crate::media::ts::join::kind::Kind;
use crate::media::ts::join::program::Announced;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream;
use crate::media::ts::psi::descriptor_tag;

#[cfg(test)]
mod tests;

/// PIDs below are kept for tables (table 2-3; ETSI EN 300 468, 5.1.3), as are those of ATSC from
/// 0x1FF0 on (ATSC A/65, 4.1).
const FREE_PIDS: std::ops::Range<u16> = 0x20..0x1FF0;

/// The way of one PID through the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// In the standby.
    pub(super) from: Pid,
    /// For the client.
    pub(super) to: Pid,
    /// `None` for a PID that holds the clock and nothing else.
    pub(super) kind: Option<Kind>,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) ways: Vec<Way>,
    pub(super) pat: Vec<u8>,
    pub(super) pmt_pid: Pid,
    pub(super) pmt: Vec<u8>,
}

/// One PID of a layout and what is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    pid: Pid,
    kind: Option<Kind>,
    language: [u8; 4],
}

/// Plans how `standby` goes on where the client is, which `counters` have brought packets to.
pub(super) fn plan(sent: &Sent, counters: &Sequence, standby: &Announced<'_>) -> Plan {
    let Some(client) = sent.announced() else { return announce(sent.pat(), standby) };
    let (old, new) = (entries(&client), entries(standby));
    let matches = matches(&old, &new);
    let is_same = old.len() == new.len() && matches.iter().all(Option::is_some);
    let clock_goes_on = is_same
        && new.iter().zip(&matches).all(|(entry, to)| {
            (entry.pid == standby.pmt.pcr_pid()) == (*to == Some(client.pmt.pcr_pid()))
        });
    let mut places = Places { taken: old.iter().map(|entry| entry.pid).collect(), sent, counters };
    places.taken.push(client.pmt_pid);
    let mut ways = places.ways(&new, &matches);
    if clock_goes_on {
        let (pat, pmt) = (client.pat.to_vec(), client.pmt_section.to_vec());
        return Plan { ways, pat, pmt_pid: client.pmt_pid, pmt };
    }
    let Some(pmt) = new_pmt(&client.pmt, &standby.pmt, &ways) else {
        // Only a PMT longer than the standard allows cannot be written again.
        ways.clear();
        let (pat, pmt) = (client.pat.to_vec(), client.pmt_section.to_vec());
        return Plan { ways, pat, pmt_pid: client.pmt_pid, pmt };
    };
    Plan { ways, pat: one_program(&client, client.pat, 1), pmt_pid: client.pmt_pid, pmt }
}

/// The standby's own layout, to a client that has no more than `pat`, if that.
fn announce(pat: &[u8], standby: &Announced<'_>) -> Plan {
    let ways = entries(standby)
        .into_iter()
        .map(|Entry { pid, kind, .. }| Way { from: pid, to: pid, kind })
        .collect();
    let pmt = standby.pmt_section.to_vec();
    let own = one_program(standby, standby.pat, 0);
    let pat = if pat.is_empty() || pat == own { own } else { one_program(standby, pat, 1) };
    Plan { ways, pat, pmt_pid: standby.pmt_pid, pmt }
}

/// The programme's PAT if that lists no other, else one that lists only this, so many versions after
/// `before_section`.
fn one_program(announced: &Announced<'_>, before_section: &[u8], versions: u8) -> Vec<u8> {
    let (Ok(pat), Ok(before)) = (Pat::parse(announced.pat), Pat::parse(before_section)) else {
        return announced.pat.to_vec();
    };
    let is_alone = pat.programs().count() == 1;
    if is_alone && (versions == 0 || announced.pat == before_section) {
        return announced.pat.to_vec();
    }
    let mut programs = pat.programs().filter(|(_, pid)| *pid == announced.pmt_pid);
    let number = announced.pmt.program_number();
    let of_number = programs.clone().find(|(listed, _)| *listed == number);
    let Some(program) = of_number.or_else(|| programs.next()) else {
        return announced.pat.to_vec();
    };
    let version = before.section().version + versions;
    Pat::write(before.transport_stream_id(), version, &[program])
        .unwrap_or_else(|_| announced.pat.to_vec())
}

/// All PIDs of a programme but its PMT's: streams in the order of the table, control messages, and
/// the clock's if it is none of these. A PID that is named again is passed over, and so are those
/// of the tables themselves.
fn entries(announced: &Announced<'_>) -> Vec<Entry> {
    let pmt = &announced.pmt;
    let tables = [Pid::PAT, announced.pmt_pid, Pid::NULL];
    let mut entries: Vec<Entry> = Vec::new();
    let streams = pmt.streams().map(|stream| Entry {
        pid: stream.pid,
        kind: Some(Kind::of(&stream)),
        language: kind::language(&stream),
    });
    let loops = std::iter::once(pmt.descriptors()).chain(pmt.streams().map(|it| it.descriptors));
    let messages = loops.flat_map(psi::descriptors).filter_map(|(tag, data)| {
        let &[a, b, c, d] = data.first_chunk().filter(|_| tag == descriptor_tag::CA)?;
        let kind = Some(Kind::Ecm(u16::from_be_bytes([a, b])));
        Some(Entry { pid: Pid::masked(u16::from_be_bytes([c, d])), kind, language: [0; 4] })
    });
    let clock = Entry { pid: pmt.pcr_pid(), kind: None, language: [0; 4] };
    for entry in streams.chain(messages).chain(std::iter::once(clock)) {
        if !tables.contains(&entry.pid) && !entries.iter().any(|other| other.pid == entry.pid) {
            entries.push(entry);
        }
    }
    entries
}

/// For each of `new` the PID of `old` that it goes on.
fn matches(old: &[Entry], new: &[Entry]) -> Vec<Option<Pid>> {
    let mut matches = vec![None; new.len()];
    let mut taken = vec![false; old.len()];
    let same_languages: [fn(&Entry, &Entry) -> bool; 3] = [
        |a, b| a.language == b.language,
        |a, b| a.language.first_chunk::<3>() == b.language.first_chunk::<3>(),
        |_, _| true,
    ];
    for same_language in same_languages {
        for (entry, found) in new.iter().zip(&mut matches).filter(|(_, found)| found.is_none()) {
            let mut free = old.iter().zip(&mut taken).filter(|(_, taken)| !**taken);
            let place = free.find(|(old, _)| old.kind == entry.kind && same_language(old, entry));
            if let Some((old, taken)) = place {
                *taken = true;
                *found = Some(old.pid);
            }
        }
    }
    matches
}

/// The PIDs that there are for streams without a match.
struct Places<'a> {
    taken: Vec<Pid>,
    sent: &'a Sent,
    counters: &'a Sequence,
}

impl Places<'_> {
    /// The ways of `entries`, of which some have found a PID.
    fn ways(&mut self, entries: &[Entry], found: &[Option<Pid>]) -> Vec<Way> {
        let mut ways = Vec::with_capacity(entries.len());
        for (entry, found) in entries.iter().zip(found) {
            let to = found.unwrap_or_else(|| self.place(entry));
            self.taken.push(to);
            ways.push(Way { from: entry.pid, to, kind: entry.kind });
        }
        ways
    }

    /// A PID for a stream: one on which the client has had its kind, else the stream's own if the
    /// client has had nothing on it, else the next free one. A stream of another kind on a PID is
    /// taken less well by players than a new PID.
    fn place(&self, entry: &Entry) -> Pid {
        let is_free = |pid: &Pid| FREE_PIDS.contains(&pid.value()) && !self.taken.contains(pid);
        let mut known = self.sent.known().rev();
        let before = known.find(|(pid, kind)| Some(*kind) == entry.kind && is_free(pid));
        if let Some((pid, _)) = before {
            return pid;
        }
        let own = entry.pid.value();
        let all = || (own..FREE_PIDS.end).chain(FREE_PIDS.start..own).map(Pid::masked);
        let is_known = |pid: &Pid| self.sent.known().any(|(known, _)| known == *pid);
        let mut new = all().filter(is_free).filter(|pid| !is_known(pid));
        let unused = new.find(|pid| self.counters.last(*pid).is_none());
        unused.or_else(|| all().find(is_free)).unwrap_or(entry.pid) // A PMT has 400 PIDs at most.
    }
}

/// The next version of the client's PMT, with the standby's streams on the client's PIDs.
fn new_pmt(client: &Pmt<'_>, standby: &Pmt<'_>, ways: &[Way]) -> Option<Vec<u8>> {
    let to = |pid: Pid| ways.iter().find(|way| way.from == pid).map_or(pid, |way| way.to);
    let map_descriptors = |bytes: &[u8]| {
        let mut mapped = Vec::with_capacity(bytes.len());
        for (tag, data) in psi::descriptors(bytes) {
            let start = mapped.len() + 2;
            mapped.extend([tag, u8::try_from(data.len()).unwrap_or(0)]); // It was read from a byte.
            mapped.extend_from_slice(data);
            if tag == descriptor_tag::CA
                && let Some([_, _, a, b]) =
                    mapped.get_mut(start..).and_then(<[u8]>::first_chunk_mut)
            {
                let pid = to(Pid::masked(u16::from_be_bytes([*a, *b]))).value().to_be_bytes();
                [*a, *b] = [*a & 0xE0 | pid[0], pid[1]];
            }
        }
        mapped
    };
    let descriptors: Vec<Vec<u8>> =
        standby.streams().map(|stream| map_descriptors(stream.descriptors)).collect();
    let streams: Vec<Stream<'_>> = standby
        .streams()
        .zip(&descriptors)
        .map(|(stream, descriptors)| Stream { pid: to(stream.pid), descriptors, ..stream })
        .collect();
    let version = client.section().version + 1;
    let program = map_descriptors(standby.descriptors());
    Pmt::write(client.program_number(), version, to(standby.pcr_pid()), &program, &streams).ok()
}
