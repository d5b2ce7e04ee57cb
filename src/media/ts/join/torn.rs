//! The rest of a packet of which a client has the beginning only, because its source died amid it.
//! What was sent cannot be taken back, so the packet is completed to do the least damage:
//!
//! - The PID is open: a null packet, else one of a PID that carries nothing.
//! - The header is open: a packet without payload, which takes no continuity counter.
//! - Else the header stands. Stuffing fills it as far as it may, clocks and times that were begun go
//!   on near where they are due, a PES packet that was begun ends at once where it can, and payload
//!   is filled with what a decoder of its kind takes best. A table that was begun becomes the
//!   client's own, which is what it was going to be.
//!
//! The picture or frame of sound that was cut stays cut. FFmpeg 5.1 complains of it once: of H.264
//! ("error while decoding MB") and MPEG-2 ("ac-tex damaged", "Warning MVs not available"), not of
//! HEVC; of AAC, MP2, AC-3 and E-AC-3 where the cut is within a PES packet of sound, whose missing
//! bytes it takes from the next one.

use std::cmp::Ordering;

use crate::media::ts::join::counters::Sequence;
use crate::media::ts::join::sent::Sent;
use crate::media::ts::join::sent::Track;
use crate::media::ts::kind::Kind;
use crate::media::ts::kind::Video;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::packet::SYNC;
use crate::media::ts::pes;
use crate::media::ts::pes::Pts;

#[cfg(test)]
mod tests;

/// The whole packet of which `torn` was sent. `last` is the packet before it; `counters` and `sent`
/// know what came before that.
pub(super) fn complete(
    torn: &[u8],
    last: &[u8; LEN],
    counters: &Sequence,
    sent: &Sent,
) -> [u8; LEN] {
    let has_payload = torn.get(3).is_some_and(|control| control & 0x10 != 0);
    if has_payload && last.starts_with(torn) {
        return *last; // It was being sent a second time (2.4.3.3).
    }
    let mut draft = Draft::new([0xFF; LEN], torn);
    draft.wish(0, SYNC);
    let high = draft.wish(1, 0x1F);
    let low = draft.wish(2, idle_pid(high, counters));
    let pid = Pid::masked(u16::from_be_bytes([high, low]));
    if pid == Pid::NULL {
        draft.wish(3, 0x10);
        return draft.bytes;
    }
    let control = draft.wish(3, 0x20 | counters.last(pid).unwrap_or(0));
    let mut body = 4;
    if control & 0x20 != 0 {
        let room = if control & 0x10 == 0 { 183 } else { 182 };
        let len = usize::from(draft.wish(body, room));
        fill_adaptation(&mut draft, len, sent);
        body += 1 + len;
    }
    if control & 0x10 != 0 {
        let begins = high & 0x40 != 0;
        let track = sent.track(pid).filter(|track| !track.kind().is_sections());
        match track {
            Some(track) => fill_pes(&mut draft, body, begins, track, soon(sent)),
            None if begins => fill_table(&mut draft, body, pid, sent),
            // The rest of a long section: what was begun has the wrong CRC now; nothing follows.
            None => {}
        }
    }
    draft.bytes
}

/// Bytes of which the first stand. The others are stuffing until something else is wished.
struct Draft<B> {
    bytes: B,
    fixed: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Draft<B> {
    fn new(stuffing: B, fixed: &[u8]) -> Self {
        let mut bytes = stuffing;
        bytes.as_mut().iter_mut().zip(fixed).for_each(|(to, from)| *to = *from);
        Self { bytes, fixed: fixed.len() }
    }

    /// Sets a byte if it is open. Returns what it is then; beyond the end nothing is changed.
    fn wish(&mut self, place: usize, value: u8) -> u8 {
        match self.bytes.as_mut().get_mut(place) {
            Some(byte) if place >= self.fixed => *byte = value,
            Some(byte) => return *byte,
            None => {}
        }
        value
    }

    fn fill(&mut self, places: std::ops::Range<usize>, value: u8) {
        places.for_each(|place| _ = self.wish(place, value));
    }

    /// Sets what is open of a number whose bytes order as it does: `wish` if what stands allows it,
    /// else the nearest.
    fn steer<const N: usize>(
        &mut self,
        place: usize,
        wish: [u8; N],
        least: [u8; N],
        most: [u8; N],
    ) {
        let fixed = self.fixed.saturating_sub(place).min(N);
        let stands = self.bytes.as_ref().get(place..place + fixed).unwrap_or_default();
        let value = match stands.cmp(wish.get(..fixed).unwrap_or_default()) {
            Ordering::Equal => wish,
            Ordering::Greater => least,
            Ordering::Less => most,
        };
        for (place, byte) in (place..).zip(value) {
            self.wish(place, byte);
        }
    }

    fn steer_pts(&mut self, place: usize, wish: Pts, prefix: u8) {
        // A prefix that stands stays, be it right or wrong.
        let prefix = self.wish(place, prefix << 4) >> 4;
        let (least, most) = (Pts::new(0), Pts::new(Pts::MODULUS - 1));
        self.steer(place, wish.encode(prefix), least.encode(prefix), most.encode(prefix));
    }
}

/// The low byte of a PID that no packet had, with the upper bits that stand.
fn idle_pid(high: u8, counters: &Sequence) -> u8 {
    (0..=u8::MAX)
        .rev()
        .find(|low| {
            let pid = Pid::masked(u16::from_be_bytes([high, *low]));
            counters.last(pid).is_none()
        })
        .unwrap_or(u8::MAX)
}

/// Fills an adaptation field of `len` bytes after its length.
fn fill_adaptation(draft: &mut Draft<[u8; LEN]>, len: usize, sent: &Sent) {
    const PCR_FLAG: u8 = 0x10;
    /// OPCR, splice countdown, private data, extension. Zeros are a value for the first two and a
    /// length for the others.
    const OTHER_FIELDS: u8 = 0x0F;
    if len == 0 {
        return;
    }
    let flags = draft.wish(5, 0);
    let mut place = 6;
    if flags & PCR_FLAG != 0 {
        let clock = sent.clock();
        let due = clock.last.map_or(Pcr::new(0), |last| last.wrapping_add(clock.step));
        let most = Pcr::new(Pcr::MODULUS - 1);
        draft.steer(place, due.encode(), Pcr::new(0).encode(), most.encode());
        place += 6;
    }
    let stuffing = if flags & OTHER_FIELDS == 0 { 0xFF } else { 0 };
    draft.fill(place..(5 + len).min(LEN), stuffing);
}

/// Fills a packet that begins a section: with the rest of the client's own table where that is what
/// was begun, since tables repeat. Else what was begun has the wrong CRC now.
fn fill_table(draft: &mut Draft<[u8; LEN]>, body: usize, pid: Pid, sent: &Sent) {
    let pointer_field = draft.wish(body, 0);
    let pmt = sent.announced().filter(|announced| announced.pmt_pid == pid);
    let known = if pid == Pid::PAT { sent.pat() } else { pmt.map_or(&[][..], |it| it.pmt_section) };
    let start = body + 1;
    let stands = draft.bytes.get(start..draft.fixed).unwrap_or_default();
    // A longer section than this packet has room for is dropped when the next one begins.
    let room = LEN.saturating_sub(start).min(known.len());
    let is_known = stands.iter().zip(known).all(|(stands, known)| stands == known);
    if pointer_field == 0 && is_known {
        (start..)
            .zip(known.iter().take(room))
            .for_each(|(place, byte)| _ = draft.wish(place, *byte));
    }
}

/// A time for a stream that has had none: half a second after the clock.
fn soon(sent: &Sent) -> Pts {
    let clock = sent.clock().last.map_or(0, Pcr::ticks);
    Pts::new(clock / 300).wrapping_add(Pts::HZ / 2)
}

/// Fills the payload of a PES stream from `body` on. A header may have begun in packets before.
fn fill_pes(draft: &mut Draft<[u8; LEN]>, body: usize, begins: bool, track: &Track, soon: Pts) {
    let room = draft.bytes.get(body..).unwrap_or_default();
    let stands = room.get(..draft.fixed.saturating_sub(body)).unwrap_or(room);
    let head = if begins { &[] } else { track.head() };
    let mut pes = Draft::new(vec![0xFF; head.len() + room.len()], &[head, stands].concat());
    let payload =
        if begins || !head.is_empty() { fill_pes_header(&mut pes, track, soon) } else { 0 };
    let places = payload.max(pes.fixed)..pes.bytes.len();
    match track.kind() {
        // CABAC takes zeros for what is most probable, and goes on with that to the end of the
        // picture. Emulation prevention keeps them from ending the slice (ISO/IEC 14496-10, 7.4.1).
        Kind::Video(Video::H264 | Video::Hevc) => {
            let end = places.end;
            places.zip([3, 0, 0].iter().cycle()).for_each(|(at, value)| _ = pes.wish(at, *value));
            if end > payload {
                pes.wish(end - 1, 0x80); // Zeros at the end would not count.
            }
        }
        // Zeros end a slice, and complete a frame of sound without a sync word.
        Kind::Video(_) | Kind::Audio(_) => pes.fill(places, 0x00),
        _ => pes.fill(places, 0xFF),
    }
    let filled = pes.bytes.get(head.len()..).unwrap_or_default();
    let room = draft.bytes.get_mut(body..).unwrap_or_default();
    room.iter_mut().zip(filled).for_each(|(to, from)| *to = *from);
}

/// Fills the header of a PES packet, which ends with this packet if its length is open. Returns
/// where its payload begins.
fn fill_pes_header(pes: &mut Draft<Vec<u8>>, track: &Track, soon: Pts) -> usize {
    const PADDING_STREAM: u8 = 0xBE;
    const FIXED_LEN: usize = 9;
    let whole = pes.bytes.len();
    let left = |from: usize| u8::try_from(whole.saturating_sub(from)).unwrap_or(u8::MAX);
    for (place, value) in [0, 0, 1].into_iter().enumerate() {
        pes.wish(place, value);
    }
    let stream_id = pes.wish(3, PADDING_STREAM);
    pes.wish(4, 0);
    pes.wish(5, left(6));
    if !pes::has_optional_header(stream_id) {
        return 6;
    }
    pes.wish(6, 0x80);
    let flags = pes.wish(7, 0);
    let len = pes.wish(8, left(FIXED_LEN));
    let dts = track.due().unwrap_or(soon);
    match flags >> 6 {
        0b10 => pes.steer_pts(FIXED_LEN, dts, 0b0010),
        0b11 => {
            pes.steer_pts(FIXED_LEN, track.due_pts().unwrap_or(dts), 0b0011);
            pes.steer_pts(FIXED_LEN + 5, dts, 0b0001);
        }
        _ => {}
    }
    FIXED_LEN + usize::from(len)
}
