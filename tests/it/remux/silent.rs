//! A pattern whose sound every build converts: true MP2 (ISO/IEC 11172-3) with nothing to hear in it.

use crate::support::content::Content;
use crate::support::origin::Feed;
use crate::support::ts::Codec;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

/// Bytes of a frame: 24 ms of one channel, 48 kHz, 32 kbit/s.
const FRAME: u64 = 96;
/// Its header; all bits of its bands are 0.
const HEADER: [u8; 4] = [0xff, 0xfd, 0x14, 0xc0];
/// Ticks of 90 kHz that it lasts.
const FRAME_TICKS: u64 = 2160;
/// Bytes of sound beside each picture, of 40 ms, and how many of them are in the first of two packets.
const BESIDE: u64 = 160;
const FIRST: u64 = 100;
const PICTURE_TICKS: u64 = 3600;

/// A [`TsPattern`] with other sound. Its pictures name their seed and number as there.
#[derive(Clone, Debug)]
pub(crate) struct Silent {
    pattern: TsPattern,
    audio: u16,
    /// The PTS beside the first picture.
    base: u64,
}

impl Silent {
    /// Two with different seeds share neither PIDs nor time base.
    pub(crate) fn new(seed: u32) -> Self {
        let place = 0x400 + u16::try_from(seed % 64).expect("less than 64") * 16;
        let audio = place + 1;
        let pattern = TsPattern::new(seed)
            .video_packets(12)
            .audio(&[(Codec::Mp2, "deu")])
            .pids(place + 0x400, place, audio)
            .first_pcr(u64::from(seed) * 1_234_567);
        let mut first = (0..).map(|number| pattern.packet(number));
        let first = first.find(|packet| is_on(packet, audio)).expect("there is sound");
        Self { audio, base: stamp(&first), pattern }
    }

    /// In real time.
    pub(crate) fn live(self) -> Feed {
        let rate = self.pattern.bytes_per_second();
        Feed::of(self).rate(rate)
    }

    /// The PID of its sound.
    pub(crate) fn audio(&self) -> u16 {
        self.audio
    }

    fn packet(&self, number: u64) -> [u8; PACKET] {
        let packet = self.pattern.packet(number);
        if !is_on(&packet, self.audio) {
            return packet;
        }
        let is_first = packet[1] & 0x40 != 0;
        // The second one follows at once.
        let first = if is_first { packet } else { self.pattern.packet(number - 1) };
        let picture = (stamp(&first) - self.base) / PICTURE_TICKS;
        let begin = picture * BESIDE;
        let mut payload = Vec::new();
        if is_first {
            // The first frame that begins here.
            let pts = self.base + begin.div_ceil(FRAME) * FRAME_TICKS;
            payload.extend([0, 0, 1, 0xc0, 0, BESIDE as u8 + 8, 0x80, 0x80, 5]);
            payload.extend(field(pts));
            payload.extend((begin..begin + FIRST).map(sound));
        } else {
            payload.extend((begin + FIRST..begin + BESIDE).map(sound));
        }
        let mut out = [0xff; PACKET];
        let stuffing = PACKET - 4 - payload.len();
        out[..4].copy_from_slice(&packet[..4]);
        out[3] = 0x30 | packet[3] & 0x0f;
        out[4..6].copy_from_slice(&[stuffing as u8 - 1, 0]);
        out[PACKET - payload.len()..].copy_from_slice(&payload);
        out
    }
}

impl Content for Silent {
    fn fill(&self, offset: u64, into: &mut [u8]) {
        let mut from = usize::try_from(offset % PACKET as u64).expect("within a packet");
        let (mut number, mut rest) = (offset / PACKET as u64, into);
        while !rest.is_empty() {
            let packet = self.packet(number);
            let count = rest.len().min(PACKET - from);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&packet[from..from + count]);
            (number, from, rest) = (number + 1, 0, later);
        }
    }

    fn length(&self) -> Option<u64> {
        None
    }
}

fn is_on(packet: &[u8; PACKET], pid: u16) -> bool {
    u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) == pid
}

/// The PTS of the PES packet that begins in a packet without adaptation field.
fn stamp(packet: &[u8; PACKET]) -> u64 {
    let [a, b, c, d, e] = [13, 14, 15, 16, 17].map(|at| u64::from(packet[at]));
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

fn field(ticks: u64) -> [u8; 5] {
    let part = |shift: u32, bits: u32| (ticks >> shift & ((1 << bits) - 1)) as u8;
    [0x21 | part(30, 3) << 1, part(22, 8), part(15, 7) << 1 | 1, part(7, 8), part(0, 7) << 1 | 1]
}

/// A byte of the elementary stream.
fn sound(at: u64) -> u8 {
    HEADER.get((at % FRAME) as usize).copied().unwrap_or(0)
}

#[test]
fn it_is_a_clean_stream() {
    let silent = Silent::new(5);
    let bytes = silent.slice(0, PACKET * 2000);
    let report = crate::support::ts::TsCheck::of(&bytes);
    report.assert_clean("silence");
    let sound = report.on(silent.audio());
    assert_eq!(sound.stream_type, Some(0x04));
    assert!(sound.pes > 100);
}
