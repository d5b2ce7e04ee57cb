//! The channel at the bit rate of a real one: filler data behind each picture.

use weir::media::ts::packet;
use weir::media::ts::packet::Packet;
use weir::media::ts::pes::Pes;

use super::Media;
use super::PICTURE;
use super::Picture;
use crate::clock::SECOND;

/// A NAL unit of filler data (ITU-T H.264 7.3.2.7): its start code and its type. What follows is 0xff.
const FILLER: [u8; 5] = [0, 0, 0, 1, 12];

/// PES_packet_length behind the start code and the stream's number (ISO/IEC 13818-1 2.4.3.6).
const LENGTH: std::ops::Range<usize> = 4..6;

impl Media {
    /// The same with so many bits a second. Pictures that are larger than their share stay as they are, and
    /// those behind them get less.
    pub(crate) fn padded(mut self, bits: u64) -> Self {
        let mut total = 0;
        for (index, picture) in (1..).zip(&mut self.pictures) {
            let due = bits * PICTURE * index / 8 / SECOND;
            total += picture.packets.len() as u64;
            let missing = due.saturating_sub(total) / packet::LEN as u64;
            picture.fill(missing as usize);
            total += missing * packet::LEN as u64;
        }
        self
    }
}

impl Picture {
    /// Puts so many packets of filler data behind the video.
    fn fill(&mut self, count: usize) {
        let (begin, end) = self.video;
        let packets = self.packets.get_mut(begin..end).unwrap_or_default();
        let packets = packets.as_chunks_mut::<{ packet::LEN }>().0;
        let Some(pid) = packets.first_mut().map(open_end).filter(|_| count > 0) else { return };
        let mut payload = FILLER.to_vec();
        // The last byte ends the NAL unit.
        payload.resize(count * (packet::LEN - 4) - 1, 0xff);
        payload.push(0x80);
        let (mut rest, mut out) = (payload.as_slice(), Vec::with_capacity(count * packet::LEN));
        while !rest.is_empty() {
            rest = packet::Header::new(pid, 0).write(rest, &mut out);
        }
        self.video.1 += out.len();
        self.packets.splice(end..end, out);
    }
}

/// Leaves the length of the PES packet that begins here open, as video may; answers its PID.
fn open_end(bytes: &mut [u8; packet::LEN]) -> packet::Pid {
    let parsed = Packet::parse(bytes);
    let pid = parsed.map_or(packet::Pid::PAT, Packet::pid);
    let payload = parsed.and_then(Packet::payload).unwrap_or_default();
    if payload.len() >= LENGTH.end && Pes::parse(payload).is_some() {
        let at = packet::LEN - payload.len();
        for byte in bytes.iter_mut().take(at + LENGTH.end).skip(at + LENGTH.start) {
            *byte = 0;
        }
    }
    pid
}
