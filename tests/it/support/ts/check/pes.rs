//! PES packets of one PID (ISO/IEC 13818-1 2.4.3.6, 2.4.3.7): headers, lengths, PTS and DTS.

use super::super::TIMESTAMPS;
use super::packet::Packet;
use super::report::Fault;
use super::report::TsReport;

/// Stream types whose payload units are PES packets, as far as tests meet them.
const PES_TYPES: [u8; 12] = [1, 2, 3, 4, 6, 0x0f, 0x11, 0x1b, 0x24, 0x81, 0x84, 0x87];
/// stream_id values whose header ends after PES_packet_length.
const BARE: [u8; 8] = [0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff];

/// What has gone before on a PID.
#[derive(Clone, Debug, Default)]
pub(super) struct Pes {
    /// The beginning of a PES packet, until its header is whole (at most 264 bytes and a payload).
    head: Option<Vec<u8>>,
    /// Bytes after PES_packet_length: announced (0 for any number of them) and seen.
    open: Option<(u64, u64)>,
    last: Option<Stamps>,
}

/// When a packet came: in which time base, beside which PCR (27 MHz).
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) base: u64,
    pub(super) pcr: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Stamps {
    base: u64,
    pts: u64,
    dts: u64,
}

impl Pes {
    /// Takes the payload of a packet.
    pub(super) fn push(&mut self, packet: &Packet<'_>, time: Time, report: &mut TsReport) {
        if packet.start {
            self.end(packet.pid, report);
            self.head = Some(Vec::new());
        }
        let Some(mut head) = self.head.take() else {
            if let Some((_, seen)) = &mut self.open {
                *seen += packet.payload.len() as u64;
                report.pid(packet.pid).elementary.update(packet.payload);
            }
            return;
        };
        head.extend_from_slice(packet.payload);
        match Header::read(&head) {
            Ok(None) => self.head = Some(head),
            Ok(Some(header)) => {
                self.open = Some((u64::from(header.announced), head.len() as u64 - 6));
                report.pid(packet.pid).elementary.update(&head[header.length..]);
                self.begin(packet.pid, &header, time, report);
            }
            // What is not known to be PES may hold anything else.
            Err(what) => {
                let kind = report.pid(packet.pid).stream_type;
                if kind.is_some_and(|kind| PES_TYPES.contains(&kind)) {
                    report.fault(Fault::PesMalformed, Some(packet.pid), what.to_owned());
                }
            }
        }
    }

    /// A packet was lost: what was collected of a header cannot be completed.
    pub(super) fn lost(&mut self) {
        self.head = None;
    }

    fn begin(&mut self, pid: u16, header: &Header, time: Time, report: &mut TsReport) {
        let index = report.packets - 1;
        match header.stream_id {
            0xe0..=0xef => report.first_video.get_or_insert(index),
            0xc0..=0xdf | 0xbd => report.first_audio.get_or_insert(index),
            _ => &mut 0,
        };
        let counts = report.pid(pid);
        counts.pes += 1;
        let Some(pts) = header.pts else { return };
        let dts = header.dts.unwrap_or(pts);
        let stamps = Stamps { base: time.base, pts, dts };
        counts.first_pts.get_or_insert(pts);
        counts.last_pts = Some(pts);
        counts.last_dts = Some(dts);
        if let Some(pcr) = time.pcr {
            let lead = distance(pcr / 300, dts);
            counts.lead_min = Some(counts.lead_min.map_or(lead, |least| least.min(lead)));
            counts.lead_max = Some(counts.lead_max.map_or(lead, |most| most.max(lead)));
        }
        let before = self.last.replace(stamps).filter(|last| last.base == time.base);
        if let Some(last) = before {
            let step = distance(last.dts, dts);
            counts.dts_step_max = counts.dts_step_max.max(step);
            counts.pts_rewind_max = counts.pts_rewind_max.max(distance(pts, last.pts));
            if step <= 0 {
                let what = format!("DTS {dts} after {}", last.dts);
                report.fault(Fault::DtsNotRising, Some(pid), what);
            }
        }
        if distance(dts, pts) < 0 {
            report.fault(Fault::PtsBeforeDts, Some(pid), format!("PTS {pts}, DTS {dts}"));
        }
    }

    /// The next PES packet starts: was this one whole?
    fn end(&mut self, pid: u16, report: &mut TsReport) {
        if let Some((announced, seen)) = self.open.take()
            && announced != 0
            && announced != seen
        {
            let what = format!("{seen} bytes in a PES packet of {announced}");
            report.fault(Fault::PesLength, Some(pid), what);
        }
        if self.head.take().is_some() {
            report.fault(Fault::PesMalformed, Some(pid), "header cut off".to_owned());
        }
    }
}

struct Header {
    stream_id: u8,
    /// PES_packet_length.
    announced: u16,
    /// Bytes up to the elementary stream.
    length: usize,
    pts: Option<u64>,
    dts: Option<u64>,
}

impl Header {
    /// Reads the beginning of a PES packet; None if more of it is needed.
    fn read(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let prefix = &[0, 0, 1][..bytes.len().min(3)];
        if !bytes.starts_with(prefix) {
            return Err("no packet_start_code_prefix");
        }
        let Some(([_, _, _, stream_id, high, low], rest)) = bytes.split_first_chunk::<6>() else {
            return Ok(None);
        };
        let (stream_id, announced) = (*stream_id, u16::from_be_bytes([*high, *low]));
        if BARE.contains(&stream_id) {
            return Ok(Some(Self { stream_id, announced, length: 6, pts: None, dts: None }));
        }
        let Some(([marker, flags, length], rest)) = rest.split_first_chunk::<3>() else {
            return Ok(None);
        };
        if marker >> 6 != 2 {
            return Err("no '10' after PES_packet_length");
        }
        let length = usize::from(*length);
        let Some(fields) = rest.get(..length) else { return Ok(None) };
        let (pts, dts) = match flags >> 6 {
            0 => (None, None),
            2 => (Some(timestamp(fields, 2)?), None),
            3 => {
                let after = fields.get(5..).unwrap_or(&[]);
                (Some(timestamp(fields, 3)?), Some(timestamp(after, 1)?))
            }
            _ => return Err("PTS_DTS_flags '01' is forbidden"),
        };
        Ok(Some(Self { stream_id, announced, length: 9 + length, pts, dts }))
    }
}

/// Reads 33 bits behind a four-bit `prefix`, with marker bits between.
fn timestamp(bytes: &[u8], prefix: u8) -> Result<u64, &'static str> {
    let Some([a, b, c, d, e]) = bytes.first_chunk::<5>() else {
        return Err("PES_header_data_length leaves no room for its timestamps");
    };
    if a >> 4 != prefix || a & c & e & 1 == 0 {
        return Err("prefix or marker bits of a timestamp");
    }
    let high = u64::from(a >> 1 & 7) << 30;
    let middle = u64::from(*b) << 22 | u64::from(c >> 1) << 15;
    Ok(high | middle | u64::from(*d) << 7 | u64::from(e >> 1))
}

/// From one 33-bit timestamp to another the short way round, in ticks.
fn distance(from: u64, to: u64) -> i64 {
    let ahead = (to + TIMESTAMPS - from) % TIMESTAMPS;
    let ticks = i64::try_from(ahead).expect("33 bits");
    if ahead < TIMESTAMPS / 2 { ticks } else { ticks - (1 << 33) }
}
