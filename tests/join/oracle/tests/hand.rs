//! A stream joined by hand, for breaking.

use std::time::Duration;

use crate::generator::Recipe;
use crate::oracle::Fault;
use crate::oracle::Joined;
use crate::oracle::Part;
use crate::oracle::Source;
use crate::oracle::item::Item;
use crate::support::ts::PACKET;

/// Sets continuity counters so that they go on, as [`Mux`](crate::generator) does.
fn renumber(packets: &mut [u8], before: &[u8]) {
    let mut last = [None; 8192];
    let pid = |packet: &[u8]| usize::from(u16::from_be_bytes([packet[1] & 0x1f, packet[2]]));
    for packet in before.chunks_exact(PACKET) {
        last[pid(packet)] = Some(packet[3] & 0xf);
    }
    for packet in packets.chunks_exact_mut(PACKET) {
        let payload = packet[3] >> 4 & 1;
        let due = last[pid(packet)].map_or(0, |last| (last + payload) % 16);
        packet[3] = packet[3] & 0xf0 | due;
        last[pid(packet)] = Some(due);
    }
}

/// Two sources and the second as it stands in the output.
pub(super) struct Hand {
    pub(super) active: Source,
    pub(super) standby: Source,
    /// Bytes of the active that were sent.
    pub(super) cut: usize,
    /// What came after the cut, its counters still to be set.
    pub(super) rest: Vec<u8>,
    pub(super) complete: bool,
}

impl Hand {
    /// Two groups of `active`, then `standby`, from its second group on, in the place of the third.
    /// `change` changes what the output holds of the standby.
    pub(super) fn new(active: &Recipe, standby: &Recipe, change: impl Fn(&mut Recipe)) -> Self {
        let groups = 2;
        let every = |recipe: &Recipe| Recipe { tables_every: 1, ..recipe.clone() };
        let (active, standby) = (&every(active), &every(standby));
        let mut sent = standby.clone();
        sent.first_pcr = active.first_pcr + active.pictures * 40 * 27_000;
        sent.pmt_pid = active.pmt_pid;
        (sent.programme, sent.pmt_version) = (active.programme, active.pmt_version);
        sent.video = sent.video.zip(active.video).map(|(own, to)| (to.0, own.1, own.2));
        for (track, to) in sent.audio.iter_mut().zip(&active.audio) {
            track.pid = to.pid;
        }
        change(&mut sent);
        let from = sent.offset_of(1);
        Self {
            cut: active.offset_of(groups),
            active: Source::new("active", active.make(3)),
            standby: Source::new("standby", standby.make(3)),
            rest: sent.make(3)[from..].to_vec(),
            complete: false,
        }
    }

    pub(super) fn usual() -> Self {
        let standby = Recipe::new(2).pids(0x30, 0x31);
        Self::new(&Recipe::new(1), &standby, |_| {})
    }

    /// Packets of the rest, for breaking.
    pub(super) fn packet(&mut self, number: usize) -> &mut [u8] {
        &mut self.rest[number * PACKET..(number + 1) * PACKET]
    }

    pub(super) fn remove(&mut self, number: usize) {
        self.rest.drain(number * PACKET..(number + 1) * PACKET);
    }

    /// Numbers of the rest's packets that hold something.
    pub(super) fn find(&self, wanted: impl Fn(&Item) -> bool) -> Vec<usize> {
        let rest = Source::new("rest", self.rest.clone());
        let items = rest.items().iter().enumerate();
        items.filter(|(_, item)| wanted(item)).map(|(number, _)| number).collect()
    }

    /// The faults, counters having been set.
    pub(super) fn faults(mut self) -> Vec<Fault> {
        renumber(&mut self.rest, &self.active.bytes[..self.cut]);
        self.faults_as_it_is(|_| {})
    }

    /// The faults of the output as `change` leaves it.
    pub(super) fn faults_as_it_is(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<Fault> {
        let mut output = self.active.bytes[..self.cut].to_vec();
        output.extend(&self.rest);
        change(&mut output);
        let part = |source, offered, begins, finish| Part {
            source,
            offered,
            begins,
            finish,
            gap: Duration::ZERO,
            settled: false,
        };
        let finish = self.complete.then_some((self.cut, true));
        let parts = vec![
            part(&self.active, self.cut, 0, finish),
            part(&self.standby, self.standby.bytes.len(), self.cut, None),
        ];
        Joined { output, parts }.faults()
    }

    pub(super) fn numbered(mut self) -> Self {
        renumber(&mut self.rest, &self.active.bytes[..self.cut]);
        self
    }
}
