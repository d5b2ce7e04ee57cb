//! Where a standby's streams go in the layout that the client knows: [`plan`] gives each PID of the
//! standby one for the client, and the tables to announce. Ways that there are go on; other streams
//! match by kind, then language, then order. Where all of both sides match, the clock's place and
//! what decoders are told too, the client's own tables go on; else a new version of its PMT says
//! what there is now.

use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::program::Announced;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::kind;
use crate::media::ts::kind::Kind;
use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Pat;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream;
use crate::media::ts::psi::descriptor_tag;
use places::PidSet;
use places::Places;

mod places;
#[cfg(test)]
mod tests;

/// The way of one PID through the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// In the standby.
    pub(super) from: Pid,
    /// For the client.
    pub(super) to: Pid,
    pub(super) role: Role,
}

/// What a PID is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The clock, and nothing else that the programme names. Programmes of a multiplex share clocks,
    /// so that its payload may be another one's.
    Clock,
    /// Time and date, which are the same for every programme.
    Date,
    Stream(Kind),
}

impl Role {
    pub(super) const fn kind(self) -> Option<Kind> {
        match self {
            Self::Stream(kind) => Some(kind),
            Self::Clock | Self::Date => None,
        }
    }
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
struct Entry<'a> {
    pid: Pid,
    role: Role,
    language: [u8; 4],
    descriptors: &'a [u8],
}

/// Plans how `standby` goes on where the client is, which `counters` have brought packets to.
/// `running` are the standby's ways so far.
pub(super) fn plan(
    sent: &Sent,
    counters: &Sequence,
    running: &[Way],
    standby: &Announced<'_>,
) -> Plan {
    let Some(client) = sent.announced() else { return announce(sent.pat(), standby) };
    let (old, new) = (entries(&client), entries(standby));
    let matches = matches(&old, &new, running);
    let taken = old.iter().map(|entry| entry.pid).chain([client.pmt_pid]);
    let found: Vec<Option<Pid>> = matches.iter().map(|old| Some((*old)?.pid)).collect();
    let mut ways = Places::new(sent, counters, taken).ways(&new, &found);
    let tables_go_on = old.len() == new.len()
        && new.iter().zip(&matches).all(|(entry, old)| {
            old.is_some_and(|old| {
                let (was, is) = (client.pmt.pcr_pid(), standby.pmt.pcr_pid());
                (entry.pid == is) == (old.pid == was)
                    && kind::tells_the_same(old.descriptors, entry.descriptors)
            })
        });
    if tables_go_on {
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
        .map(|Entry { pid, role, .. }| Way { from: pid, to: pid, role })
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

/// All PIDs of a programme: streams in the order of the table, control messages, and the clock's if
/// it is none of these. A PID that is named again is passed over, and so are those of the tables
/// themselves, unless the clock is on the PMT's.
fn entries<'a>(announced: &Announced<'a>) -> Vec<Entry<'a>> {
    let pmt = &announced.pmt;
    let mut passed_over = PidSet::new();
    let tables = [Pid::PAT, announced.pmt_pid, Pid::NULL];
    tables.iter().for_each(|pid| _ = passed_over.insert(*pid));
    let streams = pmt.streams().map(|stream| Entry {
        pid: stream.pid,
        role: Role::Stream(Kind::of(&stream)),
        language: kind::language(&stream),
        descriptors: stream.descriptors,
    });
    let loops = std::iter::once(pmt.descriptors()).chain(pmt.streams().map(|it| it.descriptors));
    let messages = loops.flat_map(psi::descriptors).filter_map(|(tag, data)| {
        let &[a, b, c, d] = data.first_chunk().filter(|_| tag == descriptor_tag::CA)?;
        let role = Role::Stream(Kind::Ecm(u16::from_be_bytes([a, b])));
        let pid = Pid::masked(u16::from_be_bytes([c, d]));
        Some(Entry { pid, role, language: [0; 4], descriptors: &[] })
    });
    let pid = pmt.pcr_pid();
    let clock = Entry { pid, role: Role::Clock, language: [0; 4], descriptors: &[] };
    let mut entries: Vec<Entry<'a>> =
        streams.chain(messages).filter(|entry| passed_over.insert(entry.pid)).collect();
    if passed_over.insert(clock.pid) || clock.pid == announced.pmt_pid {
        entries.push(clock);
    }
    entries
}

/// For each of `new` the one of `old` that it goes on.
fn matches<'o>(
    old: &'o [Entry<'o>],
    new: &[Entry<'_>],
    running: &[Way],
) -> Vec<Option<&'o Entry<'o>>> {
    let mut matches = vec![None; new.len()];
    let mut taken = vec![false; old.len()];
    for (entry, found) in new.iter().zip(&mut matches) {
        let way = running.iter().find(|way| (way.from, way.role) == (entry.pid, entry.role));
        let place = old.iter().zip(&mut taken).find(|(old, taken)| {
            !**taken && way.is_some_and(|way| (way.to, way.role) == (old.pid, old.role))
        });
        if let Some((old, taken)) = place {
            *taken = true;
            *found = Some(old);
        }
    }
    let same_languages: [fn(&Entry<'_>, &Entry<'_>) -> bool; 3] = [
        |a, b| a.language == b.language,
        |a, b| a.language.first_chunk::<3>() == b.language.first_chunk::<3>(),
        |_, _| true,
    ];
    for same_language in same_languages {
        for (entry, found) in new.iter().zip(&mut matches).filter(|(_, found)| found.is_none()) {
            let mut free = old.iter().zip(&mut taken).filter(|(_, taken)| !**taken);
            let place = free.find(|(old, _)| old.role == entry.role && same_language(old, entry));
            if let Some((old, taken)) = place {
                *taken = true;
                *found = Some(old);
            }
        }
    }
    matches
}

/// The next version of the client's PMT, with the standby's streams on the client's PIDs; without
/// those that have no way.
fn new_pmt(client: &Pmt<'_>, standby: &Pmt<'_>, ways: &[Way]) -> Option<Vec<u8>> {
    let way = |pid: Pid| ways.iter().find(|way| way.from == pid);
    let to = |pid: Pid| way(pid).map_or(Pid::NULL, |way| way.to);
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
    let sent = || standby.streams().filter(|stream| way(stream.pid).is_some());
    let descriptors: Vec<Vec<u8>> =
        sent().map(|stream| map_descriptors(stream.descriptors)).collect();
    let streams: Vec<Stream<'_>> = sent()
        .zip(&descriptors)
        .map(|(stream, descriptors)| Stream { pid: to(stream.pid), descriptors, ..stream })
        .collect();
    let version = client.section().version + 1;
    let program = map_descriptors(standby.descriptors());
    Pmt::write(client.program_number(), version, to(standby.pcr_pid()), &program, &streams).ok()
}
