//! The PES packets of a PID: their headers, lengths and stamps.

use super::FAR;
use super::Reader;
use super::distance;
use crate::oracle::Fault;
use crate::oracle::Rule;
use crate::oracle::item::Header;
use crate::support::ts::PACKET;
use crate::support::ts::TICKS_PER_SECOND;
use crate::support::ts::TIMESTAMPS;
use crate::support::ts::check::continuity::Continuity;
use crate::support::ts::check::packet::Packet;

/// What has gone before on a PID.
#[derive(Clone, Debug, Default)]
pub(super) struct PidState {
    pub(super) continuity: Continuity,
    pub(super) head: Option<Head>,
    /// The PES packet that is open: item, bytes announced with the first six, bytes seen.
    pub(super) open: Option<(usize, usize, usize)>,
    pub(super) decoded: Option<u64>,
    pub(super) highest: Option<u64>,
    pub(super) step: Option<u64>,
}

/// The beginning of a PES packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// The item that it begins in.
    first: usize,
    bytes: Vec<u8>,
    /// Item and place within it of each byte.
    places: Vec<(usize, usize)>,
}

impl Reader<'_> {
    /// Follows the PES packets of a PID.
    pub(super) fn payload(&mut self, packet: &Packet<'_>, state: &mut PidState) {
        let index = self.read.items.len() - 1;
        if packet.start {
            self.end(packet.pid, state);
            state.head = Some(Head { first: index, ..Head::default() });
        }
        let Some(mut head) = state.head.take() else {
            state.open.iter_mut().for_each(|(_, _, seen)| *seen += packet.payload.len());
            return;
        };
        let from = PACKET - packet.payload.len();
        head.bytes.extend_from_slice(packet.payload);
        // The stamps of a PES header lie within its first 19 bytes.
        let wanted = 19_usize.saturating_sub(head.places.len());
        head.places.extend((from..PACKET).take(wanted).map(|place| (index, place)));
        match Header::read(&head.bytes) {
            Header::Foreign => {}
            Header::Short => state.head = Some(head),
            Header::Whole(unit) => {
                let Head { first, bytes, places } = head;
                for (item, place) in &places[Header::stamps(&unit)] {
                    self.read.items[*item].identity[*place] = 0;
                }
                self.read.items[first].unit = Some(unit);
                state.open = Some((first, unit.announced + 6, bytes.len()));
                self.stamps(first, packet.pid, state);
            }
        }
    }

    fn stamps(&mut self, first: usize, pid: u16, state: &mut PidState) {
        let Some(unit) = self.read.items[first].unit else { return };
        // A client pays no heed to what no PMT has listed yet.
        let listed = self.tables.tables.stream(pid).is_some();
        let Some((pts, dts)) = unit.pts.zip(unit.decoded()).filter(|_| listed) else { return };
        let is_data = self.tables.tables.is_data(pid);
        let mut fault = |rule, what| self.read.faults.push(Fault { rule, item: first, pid, what });
        if distance(dts, pts, TIMESTAMPS) < 0 {
            fault(Rule::Stamps, format!("PTS {pts} before its DTS {dts}"));
        }
        if let Some(last) = state.decoded.replace(dts) {
            let step = distance(last, dts, TIMESTAMPS);
            state.step = u64::try_from(step).ok().filter(|step| *step <= TICKS_PER_SECOND);
            if step <= 0 && !(step < -FAR && is_data) {
                fault(Rule::Stamps, format!("DTS {dts} after {last}"));
            }
        }
        // Ten seconds ahead or behind is damage, or a new time line.
        let higher = |highest: &u64| {
            let step = distance(*highest, pts, TIMESTAMPS);
            !(-FAR..=0).contains(&step)
        };
        if state.highest.as_ref().is_none_or(higher) {
            state.highest = Some(pts);
        }
    }

    /// The next PES packet starts: was this one whole?
    fn end(&mut self, pid: u16, state: &mut PidState) {
        state.head = None;
        let Some((first, announced, seen)) = state.open.take() else { return };
        if announced > 6 && announced != seen && self.tables.tables.is_pes(pid) {
            let what = format!("{seen} bytes in a PES packet of {announced}");
            self.read.faults.push(Fault { rule: Rule::Unit, item: first, pid, what });
        }
    }
}
