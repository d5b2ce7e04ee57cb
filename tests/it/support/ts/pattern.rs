//! A deterministic live transport stream: any packet is a function of its number, so that any byte
//! offset can be generated and verified, and a GOP lasts one second. Tables and headers are true;
//! the elementary streams are start codes and headers followed by letters, so nothing decodes.

use std::fmt;
use std::sync::Arc;

use super::NULL_PID;
use super::PACKET;
use super::TICKS_PER_SECOND;
use super::TIMESTAMPS;
use super::layout::AUDIO_PACKETS;
use super::layout::Kind;
use super::layout::RATE;
use super::layout::Second;
use super::write::access_unit;
use super::write::descriptors_of;
use super::write::finished;
use super::write::head;
use super::write::pcr_field;
use super::write::reorder;
use super::write::section;
use super::write::stamp;
use super::write::stream_type;
use super::write::stuffing;
use crate::support::content::Content;
use crate::support::content::scramble;

/// Ticks of 90 kHz between two pictures.
const FRAME: u64 = TICKS_PER_SECOND / RATE;
/// How far video is decoded after the PCR beside it.
const VIDEO_LEAD: u64 = TICKS_PER_SECOND / 2;
/// How far audio is presented after the PCR beside it.
const AUDIO_LEAD: u64 = TICKS_PER_SECOND * 3 / 10;
/// Elementary stream types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// stream_type 0x1b.
    H264,
    /// stream_type 0x24.
    Hevc,
    /// stream_type 0x02.
    Mpeg2,
    /// stream_type 0x0f.
    Aac,
    /// stream_type 0x06 with DVB's descriptor 0x6a.
    Ac3,
    /// stream_type 0x04.
    Mp2,
}

/// A deterministic transport stream of one programme. Start with [`TsPattern::new`] and change
/// what the test is about.
#[derive(Clone)]
pub(crate) struct TsPattern {
    seed: u32,
    pmt_pid: u16,
    pmt_version: u8,
    video: Option<Track>,
    audio: Vec<Track>,
    video_packets: u32,
    nulls: u32,
    first_pcr: u64,
    second: Arc<Second>,
}

#[derive(Clone)]
struct Track {
    pid: u16,
    codec: Codec,
    language: [u8; 3],
}

impl TsPattern {
    /// H.264 on PID 0x100 and AC-3 ("deu") on 0x101, PMT on 0x1000, about 2 Mbit/s. Streams with
    /// different seeds differ in every audio and video packet.
    pub(crate) fn new(seed: u32) -> Self {
        let pattern = Self {
            seed,
            pmt_pid: 0x1000,
            pmt_version: 0,
            video: Some(Track { pid: 0x100, codec: Codec::H264, language: *b"und" }),
            audio: vec![Track { pid: 0x101, codec: Codec::Ac3, language: *b"deu" }],
            video_packets: 50,
            nulls: 0,
            first_pcr: 10 * TICKS_PER_SECOND,
            second: Arc::default(),
        };
        pattern.laid_out()
    }

    /// Moves the tables and streams: audio track k gets `audio + k`.
    pub(crate) fn pids(mut self, pmt: u16, video: u16, audio: u16) -> Self {
        self.pmt_pid = pmt;
        if let Some(track) = &mut self.video {
            track.pid = video;
        }
        for (track, pid) in self.audio.iter_mut().zip(audio..) {
            track.pid = pid;
        }
        self
    }

    /// Sets version_number of the PMT (5 bits).
    pub(crate) fn pmt_version(mut self, version: u8) -> Self {
        self.pmt_version = version & 0x1f;
        self
    }

    /// Sets the base of the first PCR, in ticks of 90 kHz; it wraps after 2^33.
    pub(crate) fn first_pcr(mut self, ticks: u64) -> Self {
        self.first_pcr = ticks % TIMESTAMPS;
        self
    }

    /// Sets the video codec.
    pub(crate) fn video(mut self, codec: Codec) -> Self {
        self.video = Some(Track { pid: 0x100, codec, language: *b"und" });
        self.laid_out()
    }

    /// Leaves the video out; the first audio track carries the PCR.
    pub(crate) fn radio(mut self) -> Self {
        self.video = None;
        self.laid_out()
    }

    /// Replaces the audio tracks by `tracks` (ISO 639 language codes), from PID 0x101 on.
    pub(crate) fn audio(mut self, tracks: &[(Codec, &str)]) -> Self {
        let track = |(&(codec, language), pid): (&(Codec, &str), u16)| {
            let language = language.as_bytes().try_into().expect("three letters");
            Track { pid, codec, language }
        };
        self.audio = tracks.iter().zip(0x101..).map(track).collect();
        self.laid_out()
    }

    /// Sets how many packets a picture takes (at least 1): the bit rate is about 37.6 kbit/s each.
    pub(crate) fn video_packets(mut self, packets: u32) -> Self {
        self.video_packets = packets.max(1);
        self.laid_out()
    }

    /// Adds null packets after each picture.
    pub(crate) fn nulls(mut self, packets: u32) -> Self {
        self.nulls = packets;
        self.laid_out()
    }

    /// Whether its PMT is on `pid`.
    pub(crate) fn is_pmt_pid(&self, pid: u16) -> bool {
        self.pmt_pid == pid
    }

    /// Packets a second, which is also the distance of random access points.
    pub(crate) fn packets_per_second(&self) -> u64 {
        self.second.slots.len() as u64
    }

    /// Bytes a second in real time.
    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.packets_per_second() * PACKET as u64
    }

    /// Packet `number`, from 0.
    pub(crate) fn packet(&self, number: u64) -> [u8; PACKET] {
        let count = self.packets_per_second();
        let (second, slot) = (number / count, self.second.slots[index(number % count)]);
        let before = self.second.totals.get(slot.kind.row()).map_or(0, |total| second * total);
        let counter = ((before + slot.ordinal) % 16) as u8;
        let place = Place { number, picture: second * RATE + slot.picture, counter };
        let mut packet = [0xff; PACKET];
        match slot.kind {
            Kind::Pat => section(&mut packet, 0, counter, &self.pat()),
            Kind::Pmt => section(&mut packet, self.pmt_pid, counter, &self.pmt()),
            Kind::Video { part } => self.video_packet(&mut packet, part, place),
            Kind::Audio { track, part } => self.audio_packet(&mut packet, track, part, place),
            Kind::Null => {
                head(&mut packet, NULL_PID, false, 1, 0);
                self.fill_letters(number, &mut packet[4..]);
            }
        }
        packet
    }

    /// `count` packets from `first` on.
    pub(crate) fn packets(&self, first: u64, count: usize) -> Vec<u8> {
        self.slice(first * PACKET as u64, count * PACKET)
    }

    fn laid_out(mut self) -> Self {
        let video = if self.video.is_some() { self.video_packets } else { 0 };
        self.second = Arc::new(Second::new(video, self.audio.len(), self.nulls));
        self
    }

    fn pat(&self) -> Vec<u8> {
        let [high, low] = (0xe000 | self.pmt_pid).to_be_bytes();
        finished(0x00, vec![0, 1, 0xc1, 0, 0, 0, 1, high, low])
    }

    fn pmt(&self) -> Vec<u8> {
        let pcr_pid =
            self.video.as_ref().or(self.audio.first()).map_or(NULL_PID, |track| track.pid);
        let [high, low] = (0xe000 | pcr_pid).to_be_bytes();
        let version = 0xc1 | self.pmt_version << 1;
        let mut body = vec![0, 1, version, 0, 0, high, low, 0xf0, 0];
        for track in self.video.iter().chain(&self.audio) {
            let [high, low] = (0xe000 | track.pid).to_be_bytes();
            let descriptors = descriptors_of(track.codec, track.language);
            let length = u8::try_from(descriptors.len()).expect("a few descriptors");
            body.extend([stream_type(track.codec), high, low, 0xf0, length]);
            body.extend(descriptors);
        }
        finished(0x02, body)
    }

    fn video_packet(&self, packet: &mut [u8; PACKET], part: u32, place: Place) {
        let Some(track) = &self.video else { return };
        let Place { number, picture, counter } = place;
        let in_second = picture % RATE;
        let start = part == 0;
        let mut at = if start {
            head(packet, track.pid, true, 3, counter);
            pcr_field(packet, in_second == 0, self.pcr(picture))
        } else if part + 1 == self.video_packets {
            // The last packet of a picture is stuffed, by a length that moves.
            head(packet, track.pid, false, 3, counter);
            stuffing(packet, 2 + in_second as usize)
        } else {
            head(packet, track.pid, false, 1, counter);
            4
        };
        if start {
            let dts = (self.pcr(picture) + VIDEO_LEAD) % TIMESTAMPS;
            let pts = (dts + reorder(in_second) * FRAME) % TIMESTAMPS;
            let mut lead = vec![0, 0, 1, 0xe0, 0, 0, 0x84];
            lead.extend(if pts == dts { vec![0x80, 5] } else { vec![0xc0, 10] });
            lead.extend(stamp(if pts == dts { 2 } else { 3 }, pts));
            if pts != dts {
                lead.extend(stamp(1, dts));
            }
            lead.extend(access_unit(track.codec, in_second));
            packet[at..at + lead.len()].copy_from_slice(&lead);
            at += lead.len();
        }
        self.fill_letters(number, &mut packet[at..]);
    }

    fn audio_packet(&self, packet: &mut [u8; PACKET], track: usize, part: u32, place: Place) {
        let Place { number, picture, counter } = place;
        let (first, track) = (track == 0, &self.audio[track]);
        let last_stuffing = 20 + (picture % RATE) as usize;
        let carries_pcr = first && self.video.is_none() && part == 0;
        let at = if carries_pcr {
            head(packet, track.pid, true, 3, counter);
            pcr_field(packet, true, self.pcr(picture))
        } else if part + 1 == AUDIO_PACKETS {
            head(packet, track.pid, false, 3, counter);
            stuffing(packet, last_stuffing)
        } else {
            head(packet, track.pid, part == 0, 1, counter);
            4
        };
        if part > 0 {
            return self.fill_letters(number, &mut packet[at..]);
        }
        let here = PACKET - at - 6;
        let length = here + (PACKET - 4 - last_stuffing);
        let [high, low] = u16::try_from(length).expect("two packets").to_be_bytes();
        let stream_id = if track.codec == Codec::Ac3 { 0xbd } else { 0xc0 };
        let mut lead = vec![0, 0, 1, stream_id, high, low, 0x84, 0x80, 5];
        lead.extend(stamp(2, (self.pcr(picture) + AUDIO_LEAD) % TIMESTAMPS));
        lead.extend(access_unit(track.codec, 0));
        packet[at..at + lead.len()].copy_from_slice(&lead);
        self.fill_letters(number, &mut packet[at + lead.len()..]);
    }

    /// `@`, the seed, the packet's number, then letters: no byte below 0x20, so no start code; some
    /// of them are 0x47, so a naive search for the sync byte is led astray.
    fn fill_letters(&self, number: u64, into: &mut [u8]) {
        let mut tag = [0; super::trace::TAG];
        super::trace::write_tag(&mut tag, self.seed, number);
        let count = into.len().min(tag.len());
        into[..count].copy_from_slice(&tag[..count]);
        let key = u64::from(self.seed) << 40 ^ number;
        for (word, letters) in into[count..].chunks_mut(8).enumerate() {
            let bytes = scramble(key ^ (word as u64) << 56).to_le_bytes();
            letters.iter_mut().zip(bytes).for_each(|(letter, byte)| *letter = 0x41 + byte % 32);
        }
    }

    fn pcr(&self, picture: u64) -> u64 {
        (self.first_pcr + picture * FRAME) % TIMESTAMPS
    }
}

impl Content for TsPattern {
    fn fill(&self, offset: u64, into: &mut [u8]) {
        let size = PACKET as u64;
        let mut number = offset / size;
        let mut from = index(offset % size);
        let mut rest = into;
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

impl fmt::Debug for TsPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsPattern({:#x})", self.seed)
    }
}

/// Where a packet stands.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    picture: u64,
    counter: u8,
}

/// A remainder as an index.
fn index(value: u64) -> usize {
    usize::try_from(value).expect("a remainder of something small")
}
