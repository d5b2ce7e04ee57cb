//! Whether a transport stream that flows has anything in it: only null packets, a clock that stands
//! still, or scrambled packets are no television.

use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::failover::Reason;
use crate::media::ts::watch::Watcher;

/// How often a stream is looked at, at most.
const INTERVAL: Duration = Duration::from_millis(250);

/// A stream of which this part is scrambled is scrambled: its tables always are clear.
const SCRAMBLED_PERCENT: u64 = 80;

/// Looks at one stream from time to time. A fault counts once it has been there at every look for
/// so long as is asked; a stream that is silent or whose client pauses is not looked at.
#[derive(Debug)]
pub(crate) struct Vital {
    patience: Duration,
    looked: Instant,
    seen: Seen,
    /// The fault at the last look, and how long it has been there.
    fault: Option<(Reason, Duration)>,
}

/// What had passed at a look.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    packets: u64,
    payload: u64,
    scrambled: u64,
    pcr_changes: u64,
}

impl Seen {
    fn of(watcher: &Watcher) -> Self {
        Self {
            packets: watcher.packets(),
            payload: watcher.payload_packets(),
            scrambled: watcher.scrambled_packets(),
            pcr_changes: watcher.pcr_changes(),
        }
    }

    /// What was wrong with all that has passed since `last`.
    fn fault_since(self, last: Self, has_clock: bool) -> Option<Reason> {
        let packets = self.packets - last.packets;
        let payload = self.payload - last.payload;
        let scrambled = self.scrambled - last.scrambled;
        if packets == 0 {
            return None;
        }
        if payload == 0 {
            return Some(Reason::NullPackets);
        }
        if scrambled * 100 >= payload * SCRAMBLED_PERCENT {
            return Some(Reason::Scrambled);
        }
        (has_clock && self.pcr_changes == last.pcr_changes).then_some(Reason::FrozenClock)
    }
}

impl Vital {
    /// Begins with a stream at its first byte; a fault may be there for `patience`.
    pub(crate) fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, looked: now, seen: Seen::default(), fault: None }
    }

    /// Begins anew with another stream.
    pub(crate) fn restart(&mut self, now: Instant) {
        *self = Self::new(self.patience, now);
    }

    /// Bytes have come at `now`: a fault that has been there for too long.
    pub(crate) fn look(&mut self, watcher: &Watcher, now: Instant) -> Option<Reason> {
        let passed = now.saturating_duration_since(self.looked);
        if passed < INTERVAL {
            return None;
        }
        let (last, seen) = (self.seen, Seen::of(watcher));
        (self.looked, self.seen) = (now, seen);
        // After a pause of its own a stream has to show its fault again.
        let passed = passed.min(INTERVAL * 2);
        let fault = seen.fault_since(last, watcher.pcr().is_some());
        let before = self.fault.filter(|(before, _)| Some(*before) == fault);
        let before = before.map_or(Duration::ZERO, |(_, lasted)| lasted);
        self.fault = fault.map(|fault| (fault, before + passed));
        // Said once: after that it has to last as long again.
        self.fault.take_if(|(_, lasted)| *lasted >= self.patience).map(|(fault, _)| fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ts::packet::Header;
    use crate::media::ts::packet::LEN;
    use crate::media::ts::packet::Pcr;
    use crate::media::ts::packet::Pid;

    const PATIENCE: Duration = Duration::from_secs(4);

    /// What is said of a stream of such packets, each tenth of a second, until something is said.
    fn check(seconds: u32, mut packets: impl FnMut(u32, &mut Vec<u8>)) -> Option<(Reason, u32)> {
        let started = Instant::now();
        let (mut watcher, mut vital) = (Watcher::new(), Vital::new(PATIENCE, started));
        (0..seconds * 10).find_map(|tenth| {
            let mut bytes = Vec::new();
            packets(tenth, &mut bytes);
            watcher.push(&bytes);
            let now = started + Duration::from_millis(100) * tenth;
            Some((vital.look(&watcher, now)?, tenth / 10))
        })
    }

    fn packet(pid: u16, tenth: u32, pcr: Option<u64>, out: &mut Vec<u8>) {
        let header = Header::new(Pid::masked(pid), u8::try_from(tenth % 16).unwrap());
        Header { pcr: pcr.map(Pcr::new), ..header }.write(&[0xFF; LEN], out);
    }

    fn scramble(out: &mut [u8]) {
        out.as_chunks_mut::<LEN>().0.iter_mut().for_each(|packet| packet[3] |= 0x80);
    }

    #[test]
    fn a_stream_that_runs_has_no_fault() {
        let verdict = check(60, |tenth, out| {
            packet(0x100, tenth, Some(u64::from(tenth) * 2_700_000), out);
            packet(0x1FFF, 0, None, out);
        });
        assert_eq!(verdict, None);
        // Radio without a clock.
        assert_eq!(check(60, |tenth, out| packet(0x100, tenth, None, out)), None);
    }

    #[test]
    fn each_fault_counts_when_it_has_lasted() {
        let nulls = check(60, |_, out| packet(0x1FFF, 0, None, out));
        assert_eq!(nulls, Some((Reason::NullPackets, 4)));
        let frozen = check(60, |tenth, out| packet(0x100, tenth, Some(7), out));
        assert_eq!(frozen, Some((Reason::FrozenClock, 4)));
        let scrambled = check(60, |tenth, out| {
            for pid in 0x100..0x105 {
                packet(pid, tenth, Some(u64::from(tenth) * 2_700_000), out);
            }
            scramble(out);
            packet(0, tenth, None, out);
        });
        assert_eq!(scrambled, Some((Reason::Scrambled, 4)));
    }

    #[test]
    fn a_fault_that_passes_is_forgotten() {
        let verdict = check(60, |tenth, out| {
            // Three seconds of nulls in every five.
            let pid = if tenth % 50 < 30 { 0x1FFF } else { 0x100 };
            packet(pid, tenth, (pid == 0x100).then_some(u64::from(tenth) * 2_700_000), out);
        });
        assert_eq!(verdict, None);
    }

    #[test]
    fn a_pause_is_no_fault() {
        let started = Instant::now();
        let (mut watcher, mut vital) = (Watcher::new(), Vital::new(PATIENCE, started));
        let mut bytes = Vec::new();
        packet(0x1FFF, 0, None, &mut bytes);
        for minute in 1..=3 {
            watcher.push(&bytes);
            assert_eq!(vital.look(&watcher, started + Duration::from_secs(60) * minute), None);
        }
    }
}
