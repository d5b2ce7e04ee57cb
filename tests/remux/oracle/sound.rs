//! Converted sound: PES packets of one frame of AAC each, their times, and when they come.

use super::Fault;
use super::Rule;
use super::Terms;
use super::Verdict;
use super::passed::Own;
use super::stream::Stream;
use super::tables::Tables;
use crate::support::ts::TICKS_PER_SECOND;
use crate::support::ts::TIMESTAMPS;
use crate::support::ts::check::continuity::Continuity;
use crate::support::ts::check::continuity::Step;

/// Sampling frequencies by sampling_frequency_index (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] =
    [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
/// Samples of each channel in a frame.
const FRAME: u64 = 1024;

/// The sound on a PID.
#[derive(Clone, Debug, Default)]
pub(crate) struct Track {
    pub(crate) frames: Vec<Frame>,
}

/// A frame of AAC.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// In ticks of 90 kHz.
    pub(crate) pts: u64,
    /// The PTS less the last PCR before it, in ticks of 90 kHz.
    pub(crate) lead: Option<i64>,
    pub(crate) rate: u32,
    /// The access unit without ADTS.
    pub(crate) unit: Vec<u8>,
}

impl Track {
    /// Frames that do not follow the one before them by one frame, a tick more or less.
    pub(crate) fn breaks(&self) -> impl Iterator<Item = &Frame> {
        self.frames.windows(2).filter_map(|pair| {
            let step = since(pair[1].pts, pair[0].pts);
            let due = FRAME as f64 * TICKS_PER_SECOND as f64 / f64::from(pair[0].rate);
            ((step as f64 - due).abs() > 1.0).then_some(&pair[1])
        })
    }

    /// The least and the middle one of the times between a frame's PCR and its PTS, in ticks.
    pub(crate) fn leads(&self) -> Option<(i64, i64)> {
        let mut leads: Vec<i64> = self.frames.iter().filter_map(|frame| frame.lead).collect();
        leads.sort_unstable();
        Some((*leads.first()?, leads[leads.len() / 2]))
    }
}

/// Ticks from `before` to `at`, the shorter way round.
pub(crate) fn since(at: u64, before: u64) -> i64 {
    let ahead = (at + TIMESTAMPS - before) % TIMESTAMPS;
    if ahead < TIMESTAMPS / 2 { ahead as i64 } else { ahead as i64 - TIMESTAMPS as i64 }
}

/// Judges what the converter has written on PIDs with sound.
pub(crate) fn judge(
    source: &Stream,
    output: &Stream,
    tables: &Tables,
    all: &Own,
    terms: &Terms,
    verdict: &mut Verdict,
) {
    for (pid, own) in all {
        let Some(from) = tables.converted.get(pid) else { continue };
        let clock = tables.clocks.get(pid).copied().unwrap_or(*pid);
        let mut reader =
            Reader { output, pid: *pid, channels: terms.channels, ..Reader::of(verdict, output) };
        reader.read(own, *from, clock);
        let track = reader.track;
        verdict.sound.insert(*pid, track);
    }
    for pid in &tables.pmt_pids {
        let all: Vec<usize> = output.on(*pid).map(|(number, _)| number).collect();
        // Where nothing is converted the source's packets may pass as they are.
        let mut theirs = source.on(*pid);
        let is_passed =
            |number: &usize| theirs.any(|(_, item)| item.bytes == output.items[*number].bytes);
        if all.iter().all(is_passed) {
            continue;
        }
        count(output, *pid, &all, verdict);
    }
}

/// Judges the counters of packets that the converter has written on a PID.
fn count(output: &Stream, pid: u16, own: &[usize], verdict: &mut Verdict) {
    let mut continuity = Continuity::default();
    for number in own {
        let step = continuity.step(&output.items[*number].packet(), false);
        if step != Step::Next {
            let what = format!("{step:?}");
            verdict.faults.push(Fault { rule: Rule::Continuity, packet: *number, pid, what });
        }
    }
}

struct Reader<'a> {
    output: &'a Stream,
    pid: u16,
    channels: u8,
    verdict: &'a mut Verdict,
    track: Track,
}

impl<'a> Reader<'a> {
    fn of(verdict: &'a mut Verdict, output: &'a Stream) -> Self {
        Self { output, pid: 0, channels: 2, verdict, track: Track::default() }
    }

    fn fault(&mut self, rule: Rule, packet: usize, what: impl Into<String>) {
        let fault = Fault { rule, packet, pid: self.pid, what: what.into() };
        self.verdict.faults.push(fault);
    }

    fn read(&mut self, own: &[usize], from: usize, clock: u16) {
        count(self.output, self.pid, own, self.verdict);
        let mut unit: Option<(usize, Vec<u8>)> = None;
        for number in own {
            let packet = self.output.items[*number].packet();
            if !packet.has_payload || packet.scrambled {
                continue;
            }
            if *number < from {
                self.fault(Rule::Early, *number, "no PMT has told of it");
            }
            if packet.start {
                if let Some((began, bytes)) = unit.take() {
                    self.unit(began, &bytes, clock);
                }
                unit = Some((*number, Vec::new()));
            }
            match &mut unit {
                Some((_, bytes)) => bytes.extend(packet.payload),
                None => self.fault(Rule::PesHeader, *number, "no PES packet has begun"),
            }
        }
        if let Some((began, bytes)) = unit {
            self.unit(began, &bytes, clock);
        }
    }

    fn unit(&mut self, began: usize, bytes: &[u8], clock: u16) {
        let Some((pts, frame)) = pes(bytes) else {
            let head = &bytes[..bytes.len().min(20)];
            return self.fault(Rule::PesHeader, began, format!("{head:02x?}"));
        };
        let announced = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        if announced + 6 != bytes.len() {
            let what = format!("{announced} bytes, and {} are there", bytes.len() - 6);
            self.fault(Rule::PesLength, began, what);
        }
        let Some(head) = frame.first_chunk::<7>().filter(|head| head[0] == 0xff && head[1] >= 0xf0)
        else {
            return self.fault(Rule::AdtsFrame, began, "no ADTS header");
        };
        let length = u32::from_be_bytes([0, head[3] & 3, head[4], head[5]]) >> 5;
        if length as usize != frame.len() || head[6] & 3 != 0 || length <= 7 {
            let what =
                format!("{} bytes, of {length}, and {} blocks more", frame.len(), head[6] & 3);
            self.fault(Rule::AdtsFrame, began, what);
        }
        let rate = RATES.get(usize::from(head[2] >> 2 & 0xf)).copied();
        let channels = (head[2] & 1) << 2 | head[3] >> 6;
        // MPEG-4, layer 0, no CRC; profile 1 is LC.
        let known = self.track.frames.first().map(|frame| frame.rate);
        let right = head[1] == 0xf1 && head[2] >> 6 == 1 && channels == self.channels;
        let Some(rate) = rate.filter(|rate| right && known.is_none_or(|known| known == *rate))
        else {
            return self.fault(Rule::AdtsHeader, began, format!("{head:02x?}"));
        };
        let before = self.output.items[..began].iter().rev();
        let clocks = before.filter(|item| item.pid == clock).take(2000);
        let pcr = clocks.filter_map(|item| item.pcr).next();
        let lead = pcr.map(|pcr| since(pts, pcr / 300));
        let unit = frame[7..].to_vec();
        self.track.frames.push(Frame { pts, lead, rate, unit });
    }
}

/// The PTS of a PES packet of sound and what it holds (2.4.3.6).
pub(crate) fn pes(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<9>()?;
    let stream_id = head[3] == 0xbd || head[3] & 0xe0 == 0xc0;
    // '10', not scrambled; PTS and no DTS.
    let plain = head[6] & 0xf0 == 0x80 && head[7] >> 6 == 2;
    if head[..3] != [0, 0, 1] || !stream_id || !plain {
        return None;
    }
    let (stamp, _) = rest.split_first_chunk::<5>()?;
    let payload = rest.get(usize::from(head[8])..)?;
    let marked = stamp[0] >> 4 == 2 && stamp[0] & stamp[2] & stamp[4] & 1 == 1;
    (marked && head[8] >= 5).then(|| (ticks(stamp), payload))
}

/// A PTS behind its prefix.
pub(crate) fn ticks(stamp: &[u8; 5]) -> u64 {
    let [a, b, c, d, e] = stamp.map(u64::from);
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

/// Whether the first PES packets on a PID hold MPEG audio of layer II, and not AAC in ADTS or layer III, as real
/// streams have under the same stream_type.
pub(crate) fn is_layer_2(source: &Stream, pid: u16) -> bool {
    let starts = source.on(pid).map(|(_, item)| item.packet()).filter(|packet| packet.start);
    let layers = starts.take(8).filter_map(|packet| {
        let payload = packet.payload;
        let begins = 9 + usize::from(*payload.get(8)?);
        let bytes = payload.get(begins..)?;
        let at = bytes.windows(2).position(|pair| pair[0] == 0xff && pair[1] >= 0xe0)?;
        (!packet.scrambled && payload.starts_with(&[0, 0, 1])).then_some(bytes[at + 1] >> 1 & 3)
    });
    let layers: Vec<u8> = layers.collect();
    2 * layers.iter().filter(|layer| **layer == 2).count() > layers.len()
}
