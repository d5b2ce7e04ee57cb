//! What is passed: the source's packets, in their order, with another PCR at most.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Fault;
use super::Rule;
use super::Terms;
use super::Verdict;
use super::stream::Item;
use super::stream::Stream;
use super::tables::Count;
use super::tables::Tables;
use crate::support::ts::NULL_PID;

/// Values of a PCR: 33 bits of 90 kHz times 300.
const CLOCK: u64 = (1 << 33) * 300;
/// After so many faults nothing new is learnt.
const ENOUGH: usize = 200;

/// The packets of each PID with converted sound, which the converter has written or counted.
pub(crate) type Own = BTreeMap<u16, Vec<usize>>;

/// Judges all packets but PMTs and converted sound.
pub(crate) fn judge(
    source: &Stream,
    output: &Stream,
    tables: &Tables,
    terms: &Terms,
    verdict: &mut Verdict,
) -> Own {
    let mut walk = Walk::new(source, tables, terms, verdict);
    for (number, item) in output.items.iter().enumerate() {
        let enough = walk.verdict.faults.len() > ENOUGH;
        if enough && !tables.converted.contains_key(&item.pid) {
            continue;
        }
        if let Some(what) = item.packet().malformed {
            walk.malformed(number, item, what);
        }
        if !tables.pmt_pids.contains(&item.pid) {
            walk.item(number, item);
        }
    }
    walk.missing();
    walk.tables();
    let own = walk.own;
    payloads(source, output, tables, verdict);
    own
}

struct Walk<'a> {
    source: &'a Stream,
    tables: &'a Tables,
    terms: &'a Terms,
    verdict: &'a mut Verdict,
    /// Of each PID the source's packets that are still to come, and those that went out.
    coming: BTreeMap<u16, Vec<usize>>,
    next: BTreeMap<u16, usize>,
    gone: BTreeSet<usize>,
    last: usize,
    /// The last packet of each PID that has begun late, as video does that waits for its first picture.
    late: BTreeMap<u16, usize>,
    /// Of each PID the source's packet that went out first, and where it is in the output.
    first: BTreeMap<u16, (usize, usize)>,
    own: Own,
}

impl<'a> Walk<'a> {
    fn new(
        source: &'a Stream,
        tables: &'a Tables,
        terms: &'a Terms,
        verdict: &'a mut Verdict,
    ) -> Self {
        let mut coming: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (number, item) in source.items.iter().enumerate() {
            coming.entry(item.pid).or_default().push(number);
        }
        Self {
            source,
            tables,
            terms,
            verdict,
            coming,
            next: BTreeMap::new(),
            gone: BTreeSet::new(),
            last: 0,
            late: BTreeMap::new(),
            first: BTreeMap::new(),
            own: Own::new(),
        }
    }

    fn fault(&mut self, rule: Rule, packet: usize, pid: u16, what: impl Into<String>) {
        self.verdict.faults.push(Fault { rule, packet, pid, what: what.into() });
    }

    /// A packet that is wrong is passed as any other; the converter writes none.
    fn malformed(&mut self, number: usize, item: &Item, what: &str) {
        let is_source = self.source.on(item.pid).any(|(_, it)| it.is_but_for_pcr(item, true));
        if !is_source {
            self.fault(Rule::Malformed, number, item.pid, what);
        }
    }

    fn item(&mut self, number: usize, item: &Item) {
        let converted = self.tables.converted.contains_key(&item.pid);
        let dropped = self.tables.dropped.contains(&item.pid) && !converted;
        if dropped && item.pcr.is_none() {
            return self.fault(
                Rule::Dropped,
                number,
                item.pid,
                "a packet of a track that is left out",
            );
        }
        // Of sound only scrambled packets are passed, and counted with the rest.
        let sound = converted || dropped;
        let passed = |it: &Item| !sound || it.packet().scrambled;
        let like = |it: &Item| it.is_but_for_pcr(item, sound) && passed(it);
        // Packets with nothing but a PCR are alike but for that.
        let moved = |it: &Item| it.pcr == item.pcr || self.moved(it) == item.pcr;
        let found = self.find(item.pid, |it| like(it) && moved(it));
        if let Some(at) = found.or_else(|| self.find(item.pid, like)) {
            self.verdict.scrambled += usize::from(converted);
            if converted {
                self.own.entry(item.pid).or_default().push(number);
            }
            return self.matched(number, item, at);
        }
        if converted || dropped {
            return if item.pcr.is_some() {
                self.clock_packet(number, item);
            } else if converted {
                self.own.entry(item.pid).or_default().push(number);
            };
        }
        let rule = if item.pid == 0 { Rule::Pat } else { Rule::Passed };
        let what = format!("not the source's: {:02x?}..", &item.bytes[..12]);
        self.fault(rule, number, item.pid, what);
    }

    /// The next of the source's packets on a PID that is the one: one behind all that went out, if there is one, as
    /// packets may be alike.
    fn find(&self, pid: u16, is: impl Fn(&Item) -> bool) -> Option<usize> {
        let coming = self.coming.get(&pid)?;
        let from = self.next.get(&pid).copied().unwrap_or(0);
        let behind = coming.partition_point(|at| *at < self.last).max(from);
        let order = coming[behind..].iter().chain(&coming[from..behind]);
        order.copied().find(|at| is(&self.source.items[*at]))
    }

    fn matched(&mut self, number: usize, item: &Item, at: usize) {
        let place = self.coming[&item.pid].partition_point(|it| *it <= at);
        self.next.insert(item.pid, place);
        self.gone.insert(at);
        // What waits at the beginning comes in one piece.
        let begins = !self.first.contains_key(&item.pid);
        self.first.entry(item.pid).or_insert((at, number));
        let goes_on = self.late.get(&item.pid).is_some_and(|before| before + 1 == number);
        if at < self.last && (begins || goes_on) {
            self.late.insert(item.pid, number);
        } else if at < self.last {
            let what = format!("packet {at} of the source behind packet {}", self.last);
            self.fault(Rule::Order, number, item.pid, what);
        }
        self.last = self.last.max(at);
        let (Some(is), Some(was)) = (item.pcr, self.source.items[at].pcr) else { return };
        let moved = (was + CLOCK - self.terms.pcr_offset) % CLOCK;
        let clock = self.tables.clocks.values().any(|pid| *pid == item.pid);
        if is != moved && (clock || is != was) {
            let what = format!("{is}, where the source has {was}");
            self.fault(Rule::Pcr, number, item.pid, what);
        }
    }

    /// What has to become of a PCR.
    fn moved(&self, item: &Item) -> Option<u64> {
        item.pcr.map(|pcr| (pcr + CLOCK - self.terms.pcr_offset) % CLOCK)
    }

    /// A PCR on a PID whose own packets do not go out.
    fn clock_packet(&mut self, number: usize, item: &Item) {
        let packet = item.packet();
        let Some(at) = self.find(item.pid, |it| self.moved(it) == item.pcr) else {
            return self.fault(Rule::Pcr, number, item.pid, format!("{:?} is new", item.pcr));
        };
        if packet.has_payload {
            self.fault(Rule::ClockPacket, number, item.pid, "with a payload");
        }
        let was = self.source.items[at].packet();
        if packet.discontinuity != was.discontinuity && was.malformed.is_none() {
            self.fault(Rule::ClockPacket, number, item.pid, "discontinuity_indicator");
        }
        self.own.entry(item.pid).or_default().push(number);
        self.matched(number, item, at);
    }

    /// From where the stream begins each PMT comes out.
    fn tables(&mut self) {
        let media = self.first.iter().filter(|(pid, _)| **pid > 0x1f && **pid != NULL_PID);
        let begins = media.map(|(_, first)| *first).min().unwrap_or((usize::MAX, usize::MAX));
        self.verdict.begins = begins.0;
        let from = begins.0.max(self.tables.known);
        for Count { pid, source, output } in &self.tables.counts {
            let due = source.iter().filter(|at| **at > from).count();
            let come = output.iter().filter(|at| **at > begins.1).count();
            if come < due {
                let what = format!("{come} come out of {due}");
                self.fault(Rule::PmtCount, 0, *pid, what);
            }
        }
    }

    /// What of the source's has not gone out and should have.
    fn missing(&mut self) {
        let kept = |(at, item): &(usize, &Item)| {
            let tables = self.tables;
            !self.gone.contains(at)
                && !tables.pmt_pids.contains(&item.pid)
                && (item.pcr.is_some() && !item.packet().scrambled
                    || !(tables.converted.contains_key(&item.pid)
                        || tables.dropped.contains(&item.pid)))
        };
        let left: Vec<(usize, u16)> = (self.source.items.iter().enumerate().filter(kept))
            .map(|(at, item)| (at, item.pid))
            .collect();
        for (at, pid) in left {
            let strange = pid > 0x1f && pid != NULL_PID && !self.tables.listed.contains(&pid);
            let strange = strange && at <= self.tables.patience;
            if at <= self.tables.known || strange || self.is_before_video(at, pid) {
                self.verdict.left_at_start += 1;
            } else {
                self.fault(Rule::Missing, 0, pid, format!("packet {at} of the source"));
            }
        }
    }
}

impl Walk<'_> {
    /// Whether a packet is of video that has not begun, and does not begin here either.
    fn is_before_video(&self, at: usize, pid: u16) -> bool {
        let begins = self.first.get(&pid).is_none_or(|(first, _)| at < *first);
        let packet = self.source.items[at].packet();
        begins && self.tables.videos.contains(&pid) && !(packet.start && packet.random_access)
    }
}

/// Put together, the payloads of each PID that is passed are the end of the source's.
fn payloads(source: &Stream, output: &Stream, tables: &Tables, verdict: &mut Verdict) {
    let other = |pid: u16| {
        tables.pmt_pids.contains(&pid)
            || tables.converted.contains_key(&pid)
            || tables.dropped.contains(&pid)
    };
    let gather = |stream: &Stream| {
        let mut payloads: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for item in stream.items.iter().filter(|item| !other(item.pid)) {
            payloads.entry(item.pid).or_default().extend(item.packet().payload);
        }
        payloads
    };
    let theirs = gather(source);
    for (pid, ours) in gather(output) {
        if !theirs.get(&pid).is_some_and(|theirs| theirs.ends_with(&ours)) {
            let what = format!("{} bytes are not the last of the source's", ours.len());
            verdict.faults.push(Fault { rule: Rule::Payload, packet: 0, pid, what });
        }
    }
}
