//! The PIDs that there are for streams which go on none of the client's.

use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::mapping::Entry;
use crate::media::ts::join::mapping::Role;
use crate::media::ts::join::mapping::Way;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::packet::Pid;

/// PIDs below are kept for tables (table 2-3; ETSI EN 300 468, 5.1.3), as are those of ATSC from
/// 0x1FF0 on (ATSC A/65, 4.1).
const FREE_PIDS: std::ops::Range<u16> = 0x20..0x1FF0;

/// PIDs that are in use and that were, 2 KiB. Each place costs a look at twice 128 words at most.
pub(super) struct Places<'a> {
    sent: &'a Sent,
    /// In use now, or not to be used.
    taken: PidSet,
    /// Those and all that the client's PMTs have named or packets have come on.
    met: PidSet,
}

impl<'a> Places<'a> {
    pub(super) fn new(
        sent: &'a Sent,
        counters: &Sequence,
        taken: impl Iterator<Item = Pid>,
    ) -> Self {
        let kept = (0..FREE_PIDS.start).chain(FREE_PIDS.end..=Pid::NULL.value()).map(Pid::masked);
        let mut places = Self { sent, taken: PidSet::new(), met: PidSet::new() };
        kept.chain(taken).for_each(|pid| places.take(pid));
        let known = sent.known().map(|(pid, _)| pid);
        known.chain(counters.pids()).for_each(|pid| _ = places.met.insert(pid));
        places
    }

    fn take(&mut self, pid: Pid) {
        self.taken.insert(pid);
        self.met.insert(pid);
    }

    /// The ways of `entries`, of which some have found a PID.
    pub(super) fn ways(&mut self, entries: &[Entry<'_>], found: &[Option<Pid>]) -> Vec<Way> {
        let mut ways = Vec::with_capacity(entries.len());
        for (entry, found) in entries.iter().zip(found) {
            let to = found.unwrap_or_else(|| self.place(entry));
            self.take(to);
            ways.push(Way { from: entry.pid, to, role: entry.role });
        }
        ways
    }

    /// A PID for a stream: one on which the client has had its kind last, else the stream's own if
    /// the client has had nothing on it, else the next free one. A stream of another kind on a PID
    /// is taken less well by players than a new PID.
    fn place(&self, entry: &Entry<'_>) -> Pid {
        let mut known = self.sent.known().rev();
        let before = known
            .find(|(pid, kind)| Role::Stream(*kind) == entry.role && !self.taken.contains(*pid));
        let unused = || self.met.absent_from(entry.pid);
        // A PMT has room for 202 streams and messages, so there is always one.
        let free = || self.taken.absent_from(entry.pid);
        before.map(|(pid, _)| pid).or_else(unused).or_else(free).unwrap_or(entry.pid)
    }
}

/// PIDs, a bit each: 1 KiB.
pub(super) struct PidSet([u64; Pid::COUNT / 64]);

impl PidSet {
    pub(super) const fn new() -> Self {
        Self([0; Pid::COUNT / 64])
    }

    /// False if it was there before.
    pub(super) fn insert(&mut self, pid: Pid) -> bool {
        let is_new = !self.contains(pid);
        if let Some(word) = self.0.get_mut(usize::from(pid.value() / 64)) {
            *word |= 1 << (pid.value() % 64);
        }
        is_new
    }

    fn contains(&self, pid: Pid) -> bool {
        let word = self.0.get(usize::from(pid.value() / 64)).copied().unwrap_or_default();
        word >> (pid.value() % 64) & 1 != 0
    }

    /// The first PID that is missing, from `start` on and round.
    fn absent_from(&self, start: Pid) -> Option<Pid> {
        let from_start = u64::MAX << (start.value() % 64);
        let first = start.value() / 64;
        let words = self.0.iter().zip(0_u16..).map(|(word, place)| (place, !word));
        // The word of `start` comes twice: its upper bits first, its lower ones last.
        let here = words.clone().filter(|(place, _)| *place == first);
        let upper = here.clone().map(|(place, absent)| (place, absent & from_start));
        let lower = here.map(|(place, absent)| (place, absent & !from_start));
        let above = words.clone().filter(|(place, _)| *place > first);
        let below = words.filter(|(place, _)| *place < first);
        let mut absent = upper.chain(above).chain(below).chain(lower);
        let (place, absent) = absent.find(|(_, absent)| *absent != 0)?;
        let bit = u16::try_from(absent.trailing_zeros()).unwrap_or(0); // Below 64.
        Some(Pid::masked(place * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_found_from_a_place_on_and_round() {
        let mut pids = PidSet::new();
        let absent =
            |pids: &PidSet, start: u16| pids.absent_from(Pid::masked(start)).map(|pid| pid.value());
        assert_eq!(absent(&pids, 0x1FFF), Some(0x1FFF));
        for pid in (0..0x2000).filter(|pid| ![7, 0x45, 0x1FFE].contains(pid)) {
            assert!(pids.insert(Pid::masked(pid)));
            assert!(!pids.insert(Pid::masked(pid)));
        }
        let cases = [(0, 7), (7, 7), (8, 0x45), (0x45, 0x45), (0x46, 0x1FFE), (0x1FFF, 7)];
        assert!(cases.iter().all(|(start, found)| absent(&pids, *start) == Some(*found)));
        [0x45, 0x1FFE].iter().for_each(|pid| _ = pids.insert(Pid::masked(*pid)));
        assert_eq!(absent(&pids, 8), Some(7));
        pids.insert(Pid::masked(7));
        assert_eq!(absent(&pids, 8), None);
    }
}
