//! The multiplex of the generated channel: PAT, PMT and SDT, one video and one audio stream, each
//! with its continuity counter. Knows nothing of what the streams show.

use crate::media::synth::Layout;
use crate::media::ts::packet;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes;
use crate::media::ts::pes::Pts;
use crate::media::ts::psi;

/// Most characters of a service name.
const NAME_CHARS_MAX: usize = 40;

/// A table of one section with the counter of its PID.
#[derive(Debug)]
struct Table {
    pid: Pid,
    section: Vec<u8>,
    counter: ContinuityCounter,
}

impl Table {
    /// `section` is `Err` only where it would be too long, which none of these can be.
    fn new(pid: Pid, section: Result<Vec<u8>, psi::Error>) -> Self {
        let section = section.unwrap_or_default();
        Self { pid, section, counter: ContinuityCounter::default() }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        psi::write_packets(self.pid, &mut self.counter, &self.section, out);
    }
}

/// Writes packets; see the module.
#[derive(Debug)]
pub(super) struct Mux {
    pat: Table,
    pmt: Table,
    sdt: Table,
    video_pid: Pid,
    video_counter: ContinuityCounter,
    audio_pid: Pid,
    audio_counter: ContinuityCounter,
    /// The PES packet being sent; kept for its memory.
    pes: Vec<u8>,
}

impl Mux {
    /// A multiplex of one programme that calls itself `name`.
    pub(super) fn new(layout: Layout, name: &str) -> Self {
        let Layout { transport_stream_id, program_number, pmt_pid, video_pid, audio_pid } = layout;
        let streams = [
            psi::Stream { stream_type: psi::stream_type::H264, pid: video_pid, descriptors: &[] },
            psi::Stream {
                stream_type: psi::stream_type::AAC_ADTS,
                pid: audio_pid,
                // One language and audio_type 0, undefined.
                descriptors: b"\x0A\x04eng\0",
            },
        ];
        let pat = psi::Pat::write(transport_stream_id, 0, &[(program_number, pmt_pid)]);
        let pmt = psi::Pmt::write(program_number, 0, video_pid, &[], &streams);
        Self {
            pat: Table::new(Pid::PAT, pat),
            pmt: Table::new(pmt_pid, pmt),
            sdt: Table::new(Pid::SDT, service_description(layout, name)),
            video_pid,
            video_counter: ContinuityCounter::default(),
            audio_pid,
            audio_counter: ContinuityCounter::default(),
            pes: Vec::new(),
        }
    }

    /// Appends PAT and PMT.
    pub(super) fn write_tables(&mut self, out: &mut Vec<u8>) {
        self.pat.write(out);
        self.pmt.write(out);
    }

    /// Appends the SDT.
    pub(super) fn write_service(&mut self, out: &mut Vec<u8>) {
        self.sdt.write(out);
    }

    /// Appends a picture, with `pcr` in its first packet.
    pub(super) fn write_video(
        &mut self,
        access_unit: &[u8],
        random_access: bool,
        pcr: Pcr,
        pts: Pts,
        out: &mut Vec<u8>,
    ) {
        self.start_pes(pes::stream_id::VIDEO, pts, access_unit.len());
        self.pes.extend_from_slice(access_unit);
        let first = packet::Header {
            random_access,
            pcr: Some(pcr),
            ..packet::Header::new(self.video_pid, 0)
        };
        write_pes(first, &mut self.video_counter, &self.pes, out);
    }

    /// Appends `count` times the same frame of sound as one PES packet.
    pub(super) fn write_audio(&mut self, frame: &[u8], count: usize, pts: Pts, out: &mut Vec<u8>) {
        self.start_pes(pes::stream_id::AUDIO, pts, frame.len() * count);
        for _ in 0..count {
            self.pes.extend_from_slice(frame);
        }
        let first = packet::Header::new(self.audio_pid, 0);
        write_pes(first, &mut self.audio_counter, &self.pes, out);
    }

    fn start_pes(&mut self, stream_id: u8, pts: Pts, payload_len: usize) {
        self.pes.clear();
        let header = pes::Header { stream_id, data_alignment: true, pts: Some(pts), dts: None };
        header.write(payload_len, &mut self.pes);
    }
}

/// Appends the packets of one PES packet, of which `first` begins with its own flags.
fn write_pes(
    first: packet::Header,
    counter: &mut ContinuityCounter,
    pes: &[u8],
    out: &mut Vec<u8>,
) {
    let mut header = packet::Header { payload_unit_start: true, ..first };
    let mut rest = pes;
    while !rest.is_empty() {
        header.continuity_counter = counter.advance();
        rest = header.write(rest, out);
        header = packet::Header::new(header.pid, 0);
    }
}

/// An SDT of one running service (ETSI EN 300 468, 5.2.3 and 6.2.33).
fn service_description(layout: Layout, name: &str) -> Result<Vec<u8>, psi::Error> {
    /// service_description_section of the actual transport stream.
    const TABLE_ID: u8 = 0x42;
    /// Kept for private and temporary use.
    const ORIGINAL_NETWORK_ID: u16 = 0xFF01;
    const SERVICE_DESCRIPTOR: u8 = 0x48;
    /// Advanced codec SD digital television.
    const SERVICE_TYPE: u8 = 0x16;
    const PROVIDER: &[u8] = b"weir";

    let mut text = Vec::new();
    if !name.is_ascii() {
        text.push(0x15); // UTF-8 (annex A.2).
    }
    let shown = name.trim().chars().filter(|character| !character.is_control());
    text.extend_from_slice(shown.take(NAME_CHARS_MAX).collect::<String>().as_bytes());

    let mut data = vec![SERVICE_TYPE];
    for string in [PROVIDER, &text] {
        data.push(u8::try_from(string.len()).unwrap_or(0)); // At most 161.
        data.extend_from_slice(string);
    }
    let data_len = u8::try_from(data.len()).unwrap_or(0); // At most 168.

    let mut body = Vec::new();
    body.extend_from_slice(&ORIGINAL_NETWORK_ID.to_be_bytes());
    body.push(0xFF);
    body.extend_from_slice(&layout.program_number.to_be_bytes());
    body.push(0xFC); // Neither EIT.
    // running_status 4, running, and in the clear.
    body.extend_from_slice(&(0x8000 | (u16::from(data_len) + 2)).to_be_bytes());
    body.extend_from_slice(&[SERVICE_DESCRIPTOR, data_len]);
    body.extend_from_slice(&data);
    psi::write_section(TABLE_ID, layout.transport_stream_id, 0, &body, 1021)
}
