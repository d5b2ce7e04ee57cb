//! One elementary stream as a client has been sent it: its times, and how much of a PES packet.

use crate::media::ts::kind::Kind;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::media::ts::pes::Timestamps;

/// Longest time between two units of a stream that is taken for the duration of one, in ticks of
/// 90 kHz.
const DURATION_MAX: i64 = Pts::HZ.cast_signed();

/// A PTS that lies further from the highest one begins a new time line, in ticks of 90 kHz.
const SAME_TIME_LINE: i64 = 5 * Pts::HZ.cast_signed();

/// Bytes of a PES packet that its length does not count.
const PES_PREFIX_LEN: u32 = 6;

/// One elementary stream.
#[derive(Debug)]
pub(in crate::media::ts::join) struct Track {
    pub(super) pid: Pid,
    pub(super) kind: Kind,
    /// The last decoding time.
    pub(super) last: Option<Pts>,
    /// The highest presentation time.
    highest: Option<Pts>,
    /// Ticks of 90 kHz between the last decoding times; 0 where not known.
    steps: [u32; 2],
    pub(super) unit: Unit,
    /// The beginning of a PES packet whose times have not come whole, else empty.
    head: Vec<u8>,
    /// Of the last packet that was looked at.
    pub(super) counter: u8,
}

/// What there is of the PES packet that was begun last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Finished,
    /// Its times are to come.
    Head,
    /// Ends where the next one begins.
    Endless,
    /// So many bytes are to come.
    Left(u32),
}

impl Track {
    /// A stream of which nothing has come. Times on its PID go on from those of what was there
    /// `before`.
    pub(super) fn after(before: Option<&Self>, pid: Pid, kind: Kind) -> Self {
        Self {
            pid,
            kind,
            last: before.and_then(|before| before.last),
            highest: before.and_then(|before| before.highest),
            steps: [0; 2],
            unit: Unit::Finished,
            head: Vec::new(),
            counter: 0,
        }
    }

    /// What one PES packet takes, in ticks of 90 kHz: the shorter of the last two, as one that is
    /// missing makes the time between its neighbours longer. 40 ms while it is not known.
    pub(in crate::media::ts::join) fn duration(&self) -> u64 {
        let known = self.steps.iter().copied().filter(|step| *step > 0).min();
        known.map_or(Pts::HZ / 25, u64::from)
    }

    pub(in crate::media::ts::join) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The beginning of a PES packet whose times have not been sent whole; empty where there is none.
    pub(in crate::media::ts::join) fn head(&self) -> &[u8] {
        if self.unit == Unit::Head { &self.head } else { &[] }
    }

    /// The highest presentation time that was sent.
    pub(in crate::media::ts::join) const fn highest(&self) -> Option<Pts> {
        self.highest
    }

    /// The last decoding time that was sent.
    pub(in crate::media::ts::join) const fn last(&self) -> Option<Pts> {
        self.last
    }

    /// The next decoding time.
    pub(in crate::media::ts::join) fn due(&self) -> Option<Pts> {
        Some(self.last?.wrapping_add(self.duration()))
    }

    /// The first presentation time after all that were sent.
    pub(in crate::media::ts::join) fn due_pts(&self) -> Option<Pts> {
        Some(self.highest?.wrapping_add(self.duration()))
    }

    pub(super) fn note(&mut self, packet: Packet<'_>) {
        let Some(payload) = packet.payload().filter(|_| !self.kind.is_sections()) else { return };
        if packet.scrambling() != 0 {
            self.unit = Unit::Finished;
            return;
        }
        let is_copy = packet.continuity_counter() == self.counter;
        self.counter = packet.continuity_counter();
        if packet.payload_unit_start() {
            self.head.clear();
            self.begin(payload);
            return;
        }
        if is_copy {
            return;
        }
        let len = u32::try_from(payload.len()).unwrap_or(0); // Below 185.
        match self.unit {
            Unit::Head => {
                let mut head = std::mem::take(&mut self.head);
                head.extend_from_slice(payload);
                self.begin(&head);
            }
            Unit::Left(left) if left > len => self.unit = Unit::Left(left - len),
            Unit::Left(_) => self.unit = Unit::Finished,
            Unit::Finished | Unit::Endless => {}
        }
    }

    /// Takes what there is of a PES packet, from its first byte on.
    fn begin(&mut self, bytes: &[u8]) {
        if bytes.len() < Timestamps::end(bytes) {
            self.head = bytes.to_vec();
            self.unit = Unit::Head;
            return;
        }
        let len = u32::try_from(bytes.len()).unwrap_or(0); // Two payloads at most.
        self.unit = match bytes {
            [0, 0, 1, _, 0, 0, ..] => match self.kind {
                Kind::Video(_) | Kind::Audio(_) => Unit::Endless,
                _ => Unit::Finished, // Only video may leave its length out; sound does, too.
            },
            [0, 0, 1, _, a, b, ..] => {
                let whole = u32::from(u16::from_be_bytes([*a, *b])) + PES_PREFIX_LEN;
                if whole > len { Unit::Left(whole - len) } else { Unit::Finished }
            }
            _ => Unit::Finished,
        };
        if let Some(times) = Timestamps::parse(bytes) {
            self.pass(times);
        }
    }

    fn pass(&mut self, times: Timestamps) {
        let dts = times.decoding();
        let step = self.last.map_or(0, |last| dts.since(last));
        if let Some(step) = u32::try_from(step).ok().filter(|_| (1..=DURATION_MAX).contains(&step))
        {
            self.steps = [step, self.steps[0]];
        }
        self.last = Some(dts);
        let ahead = self.highest.map_or(1, |highest| times.pts.since(highest));
        if !(-SAME_TIME_LINE..=0).contains(&ahead) {
            self.highest = Some(times.pts);
        }
    }
}
