//! The last continuity counter of each PID and the rule by which the next one is judged (ISO/IEC
//! 13818-1, 2.4.3.3), in a table that grows with the PIDs that are seen.

use crate::media::ts::packet::Pid;
use crate::media::ts::watch::head::Head;

/// PIDs in a page. Streams of one programme use 2 to 5 pages of this size, multiplexes of 40 to 60
/// PIDs 9 to 16; with 32 the pages together are a third smaller and their index twice as large.
const PAGE_LEN: usize = 64;

/// Pages for all PIDs.
const PAGES: usize = Pid::COUNT / PAGE_LEN;

/// In the index, a page that is not there: larger than any place in the list of pages.
const ABSENT: u8 = u8::MAX;

/// One PID: the last counter in the low four bits and what is to be said of it above them. Zero is
/// a PID that was not seen.
type Slot = u8;

/// A counter is known.
const SEEN: Slot = 0x80;

/// Another packet with the last counter would not be its one duplicate.
const NO_DUPLICATE: Slot = 0x40;

/// The next counter may be any: packets were lost, which has been counted.
const PARDON: Slot = 0x20;

/// The counter itself.
const COUNTER: Slot = 0x0F;

/// The table: 152 bytes, and 64 on the heap for each page of PIDs in use. At most 8 KiB of these,
/// as the list of pages grows by doubling from 4 to 128.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Counters {
    /// Where in `pages` the page of 64 successive PIDs is.
    index: [u8; PAGES],
    pages: Vec<[Slot; PAGE_LEN]>,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self { index: [ABSENT; PAGES], pages: Vec::new() }
    }

    /// Takes the usual packet: of a PID seen before, with a payload and the counter that is due.
    /// False, and nothing changed, for any other.
    #[inline]
    pub(super) fn advance(&mut self, head: Head<'_>) -> bool {
        let Some(slot) = self.slot(head.pid()) else { return false };
        let counter = head.continuity_counter();
        if *slot != SEEN | (counter.wrapping_sub(1) & COUNTER) {
            return false;
        }
        *slot = SEEN | counter;
        true
    }

    /// Takes any packet that can be believed, but no null packet. False if its counter is wrong.
    pub(super) fn judge(&mut self, head: Head<'_>, discontinuity: bool) -> bool {
        if self.slot(head.pid()).is_none() {
            self.open_page(head.pid());
        }
        let Some(slot) = self.slot(head.pid()) else { return true }; // There is one now.
        let before = *slot;
        let counter = head.continuity_counter();
        let repeated = before & COUNTER == counter;
        *slot = SEEN | counter;
        if !head.has_payload() {
            // Neither counts nor may stand between a packet and its duplicate.
            *slot |= NO_DUPLICATE;
        }
        if before & SEEN == 0 || before & PARDON != 0 || discontinuity {
            return true;
        }
        if !head.has_payload() {
            return repeated;
        }
        if repeated {
            *slot |= NO_DUPLICATE;
            return before & NO_DUPLICATE == 0;
        }
        counter == (before + 1) & COUNTER
    }

    /// The next packet of `pid` may have any counter.
    pub(super) fn pardon(&mut self, pid: Pid) {
        if let Some(slot) = self.slot(pid) {
            *slot |= PARDON;
        }
    }

    /// The next packet of every PID may have any counter.
    pub(super) fn pardon_all(&mut self) {
        // Where nothing was seen the bit says nothing.
        self.pages.as_flattened_mut().iter_mut().for_each(|slot| *slot |= PARDON);
    }

    pub(super) fn last(&self, pid: Pid) -> Option<u8> {
        let (page, place) = split(pid);
        let page = usize::from(*self.index.get(page)?);
        let slot = *self.pages.get(page)?.get(place)?;
        (slot & SEEN != 0).then_some(slot & COUNTER)
    }

    /// PIDs in rising order, each with its last counter.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Pid, u8)> + '_ {
        (0..=Pid::NULL.value())
            .map(Pid::masked)
            .filter_map(|pid| self.last(pid).map(|counter| (pid, counter)))
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.pages.capacity() * PAGE_LEN
    }

    fn open_page(&mut self, pid: Pid) {
        let place = u8::try_from(self.pages.len()).unwrap_or(ABSENT); // Below PAGES, 128.
        if let Some(page) = self.index.get_mut(split(pid).0) {
            *page = place;
            self.pages.push([0; PAGE_LEN]);
        }
    }

    #[inline]
    fn slot(&mut self, pid: Pid) -> Option<&mut Slot> {
        let (page, place) = split(pid);
        let page = usize::from(*self.index.get(page)?);
        self.pages.get_mut(page)?.get_mut(place)
    }
}

/// Which page a PID is on, and where on it.
#[inline]
fn split(pid: Pid) -> (usize, usize) {
    let pid = usize::from(pid.value());
    (pid / PAGE_LEN, pid % PAGE_LEN)
}
