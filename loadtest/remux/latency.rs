//! How much later sound comes than it came, in the time of the stream: a packet's time is that of its place between
//! two clock references of the source.

use std::io;
use std::path::Path;

use weir::media::ts::packet::LEN;
use weir::media::ts::packet::Packet;
use weir::media::ts::packet::Pcr;
use weir::media::ts::pes::Pes;
use weir::media::ts::pes::Pts;
use weir::media::ts::pes::Timestamps;
use weir::remux::Options;
use weir::remux::Remux;
use weir::remux::codec::AAC_FRAME;

use crate::failover::figures::Quantiles;
use crate::failover::figures::quantiles;

use super::sound::RATE;
use super::sound::Sound;
use super::source::PID;
use super::source::Packets;

/// Samples of an access unit.
const UNIT: i64 = AAC_FRAME as i64;

/// Ticks of the clock reference in a millisecond.
const PER_MILLISECOND: f64 = Pcr::HZ as f64 / 1e3;

/// Of all access units of one stream, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    /// From the packet that completes the source's frame with the last sample that the unit plays.
    pub(crate) added: Quantiles,
    /// From the one with the last sample that it is made of, which is as long as a unit after that: the transform
    /// of each unit overlaps with the next one's (ISO/IEC 14496-3, 4.6.11).
    pub(crate) held: Quantiles,
    /// Its presentation time less the clock reference that goes out at the time: least and median.
    pub(crate) lead: (f64, f64),
}

/// Pushes the file packet by packet and looks at what comes out after each of them.
pub(crate) fn measure(sound: Sound, file: &Path, mut remux: Remux) -> io::Result<Latency> {
    let source = Source::read(sound, file)?;
    let offset = Options::default().pcr_offset.as_secs_f64() * 1e3;
    let (mut added, mut held, mut lead) = (Vec::new(), Vec::new(), Vec::new());
    let mut out = Vec::new();
    let mut packets = Packets::open(file)?;
    for place in 0.. {
        let Some(packet) = packets.next()? else { break };
        out.clear();
        remux.push(&packet, &mut out);
        let Some(now) = source.time(place) else { continue };
        for pts in units(&out) {
            let first = source.sample(pts);
            let since = |sample: i64| Some(now - source.arrival(sample)?);
            added.extend(since(first + UNIT - 1));
            held.extend(since(first + 2 * UNIT - 1));
            lead.push(pts.ticks() as f64 / 90.0 - (now - offset));
        }
    }
    lead.sort_by(f64::total_cmp);
    let at = |place: usize| lead.get(place).copied().unwrap_or_default();
    let lead = (at(0), at(lead.len() / 2));
    Ok(Latency { added: quantiles(added), held: quantiles(held), lead })
}

/// The times of the access units that begin in these packets.
fn units(out: &[u8]) -> impl Iterator<Item = Pts> {
    let packets = out.as_chunks::<LEN>().0.iter().filter_map(Packet::parse);
    packets
        .filter(|packet| packet.pid().value() == PID && packet.payload_unit_start())
        .filter_map(|packet| Some(Timestamps::parse(packet.payload()?)?.pts))
}

/// What the source has where.
struct Source {
    sound: Sound,
    /// The time of its first frame.
    first: Pts,
    /// Places and values of its clock references.
    clock: Vec<(u32, Pcr)>,
    /// Of each frame of sound the place of the packet that completes it.
    frames: Vec<u32>,
}

impl Source {
    fn read(sound: Sound, file: &Path) -> io::Result<Self> {
        let mut source = Self { sound, first: Pts::new(0), clock: vec![], frames: vec![] };
        let mut packets = Packets::open(file)?;
        let mut len = 0;
        for place in 0.. {
            let Some(bytes) = packets.next()? else { break };
            let packet = Packet::parse(&bytes).ok_or_else(|| io::Error::other("no packet"))?;
            source.clock.extend(packet.pcr().map(|pcr| (place, pcr)));
            if packet.pid().value() != PID {
                continue;
            }
            let mut payload = packet.payload().unwrap_or_default();
            if packet.payload_unit_start() {
                let pes = Pes::parse(payload).ok_or_else(|| io::Error::other("no PES packet"))?;
                source.check(len, pes.pts())?;
                payload = pes.payload();
            }
            len += payload.len() as i64;
            while (source.frames.len() as i64 + 1) * sound.frame_len() <= len {
                source.frames.push(place);
            }
        }
        Ok(source)
    }

    /// A PES packet with this time begins behind so many bytes of sound: frames must be where they are thought to be.
    fn check(&mut self, len: i64, pts: Option<Pts>) -> io::Result<()> {
        let pts = pts.ok_or_else(|| io::Error::other("a PES packet without a time"))?;
        if len == 0 {
            self.first = pts;
        }
        let sample = len / self.sound.frame_len() * self.sound.frame_samples();
        let is_right = len % self.sound.frame_len() == 0 && (self.sample(pts) - sample).abs() <= 1;
        if is_right { Ok(()) } else { Err(io::Error::other("frames are not where they should be")) }
    }

    /// Which sample of the source has this time.
    fn sample(&self, pts: Pts) -> i64 {
        pts.since(self.first) * RATE / Pts::HZ as i64
    }

    /// When the frame with a sample was complete, in milliseconds of the stream.
    fn arrival(&self, sample: i64) -> Option<f64> {
        // One before, in the same frame: times are rounded to ticks, and so may be a sample late.
        let frame = (sample - 1).div_euclid(self.sound.frame_samples());
        let frame = usize::try_from(frame).ok()?;
        self.frames.get(frame).and_then(|place| self.time(*place))
    }

    /// When a packet came, in milliseconds. `None` before the first clock reference and behind the last one.
    fn time(&self, place: u32) -> Option<f64> {
        let index = self.clock.partition_point(|(known, _)| *known <= place);
        let (before, from) = self.clock.get(index.checked_sub(1)?)?;
        let (after, to) = self.clock.get(index)?;
        let share = f64::from(place - before) / f64::from(after - before);
        Some((from.ticks() as f64 + to.since(*from) as f64 * share) / PER_MILLISECOND)
    }
}
