//! Which pattern each packet of a spliced stream came from: every audio, video and null packet of a
//! [`super::TsPattern`] names its seed and number in its payload.

use super::PACKET;

/// Bytes of the tag in a packet: `@`, 8 hex digits of seed, `:`, 12 hex digits of number, `;`.
pub(super) const TAG: usize = 23;
/// Runs that a trace keeps; more only count.
const RUNS_MAX: usize = 1000;

/// Packets of one pattern in one stretch, as they left it or with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Seed of the pattern.
    pub(crate) seed: u32,
    /// Number of the first packet.
    pub(crate) first: u64,
    /// Number of the last packet.
    pub(crate) last: u64,
    /// Tagged packets in this run.
    pub(crate) packets: u64,
    /// Packets that came again or too late.
    pub(crate) disorder: u64,
}

/// Follows the tags through a packet-aligned stream. Packets without a tag (tables, torn packets)
/// are passed over. Keeps at most a thousand runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct TsTrace {
    pending: Vec<u8>,
    runs: Vec<Run>,
    switches: u64,
}

impl TsTrace {
    /// Reads on, in any split.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let whole = self.pending.len() / PACKET * PACKET;
        let packets: Vec<u8> = self.pending.drain(..whole).collect();
        packets
            .chunks(PACKET)
            .filter_map(tag_of)
            .for_each(|(seed, number)| self.note(seed, number));
    }

    /// One entry for each stretch of packets from one pattern, in order: two entries after one
    /// failover, and never the same seed again unless the stream moved back.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How often the pattern changed.
    pub(crate) fn switches(&self) -> u64 {
        self.switches
    }

    /// The patterns in the order in which they came.
    pub(crate) fn seeds(&self) -> Vec<u32> {
        self.runs.iter().map(|run| run.seed).collect()
    }

    fn note(&mut self, seed: u32, number: u64) {
        let known = self.runs.len();
        match self.runs.last_mut() {
            Some(run) if run.seed == seed || known == RUNS_MAX => {
                run.packets += 1;
                run.disorder += u64::from(number <= run.last);
                run.last = run.last.max(number);
            }
            before => {
                self.switches += u64::from(before.is_some());
                self.runs.push(Run { seed, first: number, last: number, packets: 1, disorder: 0 });
            }
        }
    }
}

/// The tag of a packet: seed of the pattern and number of the packet.
pub(super) fn tag_of(packet: &[u8]) -> Option<(u32, u64)> {
    packet.windows(TAG).filter(|window| window[0] == b'@').find_map(|window| {
        let tag = std::str::from_utf8(window).ok()?;
        let (seed, number) = tag.strip_prefix('@')?.strip_suffix(';')?.split_once(':')?;
        Some((u32::from_str_radix(seed, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
    })
}

/// Writes the tag of packet `number`.
pub(super) fn write_tag(into: &mut [u8; TAG], seed: u32, number: u64) {
    let digit = |value: u64, place: u32| b"0123456789abcdef"[(value >> (place * 4) & 0xf) as usize];
    into[0] = b'@';
    (0..8).for_each(|at| into[1 + at as usize] = digit(u64::from(seed), 7 - at));
    into[9] = b':';
    (0..12).for_each(|at| into[10 + at as usize] = digit(number, 11 - at));
    into[22] = b';';
}
