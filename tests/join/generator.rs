//! Streams made for joining: short groups of pictures whose headers are true (NAL units, sequence
//! and picture headers, frames of sound), filled with letters that name their place, so that every
//! packet can be told from every other. [`Recipe`] says what is in one.

use access_unit::Picture;
use mux::Mux;

use crate::support::ts::TICKS_PER_SECOND;

mod access_unit;
mod mux;
mod pes;
mod tables;

/// Ticks of 90 kHz between two pictures: 25 a second.
pub(crate) const FRAME: u64 = TICKS_PER_SECOND / 25;

/// How groups of pictures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gop {
    /// Each begins with a picture that nothing after it reaches across: I P B P B in decoding order.
    Closed,
    /// Two pictures after each first one lead back into the group before: I B B P B B.
    Open,
}

/// What a video stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VideoCodec {
    H264,
    Hevc,
    Mpeg2,
}

/// What an audio stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AudioCodec {
    /// stream_type 0x81.
    Ac3Atsc,
    /// stream_type 0x06, descriptor 0x6a.
    Ac3Dvb,
    /// stream_type 0x06, descriptor 0x7a.
    Eac3Dvb,
    /// stream_type 0x87.
    Eac3Atsc,
    /// stream_type 0x0f.
    Aac,
    /// stream_type 0x11.
    Latm,
    /// stream_type 0x03.
    Mp2,
}

/// What a stream of data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataKind {
    /// EN 300 472; PES packets without PTS.
    Teletext,
    /// EN 300 743.
    Subtitles,
}

/// Which PID carries the PCR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockPid {
    Video,
    Audio,
    /// One that carries nothing else.
    Own(u16),
}

/// A track besides the video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track<K> {
    pub(crate) pid: u16,
    pub(crate) kind: K,
    pub(crate) language: [u8; 3],
}

/// What a stream is made of. [`Recipe::new`] is a plain one; tests change what they are about.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) seed: u32,
    pub(crate) programme: u16,
    pub(crate) pmt_pid: u16,
    pub(crate) pmt_version: u8,
    pub(crate) video: Option<(u16, VideoCodec, Gop)>,
    pub(crate) audio: Vec<Track<AudioCodec>>,
    pub(crate) data: Vec<Track<DataKind>>,
    pub(crate) clock: ClockPid,
    /// Ticks of 27 MHz.
    pub(crate) first_pcr: u64,
    /// How far video is decoded after the PCR beside it, in ticks of 90 kHz.
    pub(crate) video_lead: u64,
    /// How far sound is heard after the PCR beside it, in ticks of 90 kHz.
    pub(crate) audio_lead: u64,
    /// Pictures of a group: a multiple of 3 where it is open, odd where it is closed.
    pub(crate) pictures: u64,
    /// Packets of a first picture, a P and a B.
    pub(crate) weights: [usize; 3],
    /// Null packets after each picture.
    pub(crate) nulls: usize,
    /// Each so many-th packet with a payload is sent twice.
    pub(crate) copies: Option<u64>,
    /// Each picture is followed by a packet on its PID without payload.
    pub(crate) bare: bool,
    /// The first packet of each sound holds ten bytes of its PES header.
    pub(crate) split: bool,
    /// Pictures between two PMTs.
    pub(crate) tables_every: u64,
    /// From this picture on there is one more track, and a new PMT.
    pub(crate) change: Option<(u64, Track<AudioCodec>)>,
    /// From this picture on the first sound is of another coding, and there is a new PMT.
    pub(crate) recode: Option<(u64, AudioCodec)>,
    /// Video PES packets announce their length.
    pub(crate) bounded: bool,
    /// An SDT and a TDT come with the tables.
    pub(crate) service: bool,
    /// Another programme in the same stream.
    pub(crate) second: Option<Box<Recipe>>,
}

impl Recipe {
    /// H.264 in closed groups of 5 pictures on 0x100, AC-3 (0x06, "deu") on 0x101, PMT on 0x1000:
    /// some 40 packets a group.
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            seed,
            programme: 1,
            pmt_pid: 0x1000,
            pmt_version: 0,
            video: Some((0x100, VideoCodec::H264, Gop::Closed)),
            audio: vec![Track { pid: 0x101, kind: AudioCodec::Ac3Dvb, language: *b"deu" }],
            data: vec![],
            clock: ClockPid::Video,
            first_pcr: 10 * 27_000_000,
            video_lead: TICKS_PER_SECOND / 2,
            audio_lead: TICKS_PER_SECOND * 3 / 10,
            pictures: 5,
            weights: [7, 4, 3],
            nulls: 0,
            copies: None,
            bare: false,
            split: false,
            tables_every: 2,
            change: None,
            recode: None,
            bounded: false,
            service: false,
            second: None,
        }
    }

    /// Sets codec and groups of the video, on the PID it has.
    pub(crate) fn video(mut self, codec: VideoCodec, gop: Gop) -> Self {
        let pid = self.video.map_or(0x100, |(pid, ..)| pid);
        self.video = Some((pid, codec, gop));
        self.pictures = if gop == Gop::Open { 6 } else { 5 };
        self
    }

    /// Leaves the video out; the first audio track carries the PCR.
    pub(crate) fn radio(mut self) -> Self {
        (self.video, self.clock) = (None, ClockPid::Audio);
        self
    }

    /// Replaces the audio tracks, on PIDs from `first` on.
    pub(crate) fn audio(mut self, first: u16, tracks: &[(AudioCodec, &str)]) -> Self {
        self.audio = tracks_of(first, tracks);
        self
    }

    /// Replaces the data tracks, on PIDs from `first` on.
    pub(crate) fn data(mut self, first: u16, tracks: &[(DataKind, &str)]) -> Self {
        self.data = tracks_of(first, tracks);
        self
    }

    /// Moves everything: PMT, video, audio tracks and data tracks in a row.
    pub(crate) fn pids(mut self, pmt: u16, first: u16) -> Self {
        self.pmt_pid = pmt;
        let mut next = first..;
        if let Some((pid, ..)) = &mut self.video {
            *pid = next.next().unwrap_or(first);
        }
        let audio = self.audio.iter_mut().map(|track| &mut track.pid);
        let data = self.data.iter_mut().map(|track| &mut track.pid);
        audio.chain(data).zip(next).for_each(|(pid, new)| *pid = new);
        self
    }

    /// The first `groups` groups of pictures.
    pub(crate) fn make(&self, groups: u64) -> Vec<u8> {
        let mut mux = Mux::new(self);
        (0..groups * self.pictures).for_each(|picture| mux.picture(picture));
        mux.bytes
    }

    /// Offset of the first byte of a group of pictures.
    pub(crate) fn offset_of(&self, group: u64) -> usize {
        self.make(group).len()
    }

    /// What picture `number` in decoding order is.
    fn picture(&self, number: u64) -> Picture {
        let gop = self.video.map_or(Gop::Closed, |(_, _, gop)| gop);
        Picture::at(number % self.pictures, gop)
    }

    /// The PCR at picture `number`, in ticks of 27 MHz.
    fn pcr(&self, number: u64) -> u64 {
        (self.first_pcr + number * FRAME * 300) % (300 << 33)
    }

    /// A time after the PCR at picture `number`, in ticks of 90 kHz.
    fn after(&self, number: u64, ticks: u64) -> u64 {
        (self.pcr(number) / 300 + ticks) % (1 << 33)
    }

    /// The audio tracks at picture `number`.
    fn audio_at(&self, number: u64) -> Vec<Track<AudioCodec>> {
        let later = self.change.iter().filter(|(from, _)| *from <= number).map(|(_, track)| track);
        let mut tracks: Vec<_> = self.audio.iter().chain(later).cloned().collect();
        let recode = self.recode.filter(|(from, _)| *from <= number);
        if let Some((first, (_, kind))) = tracks.first_mut().zip(recode) {
            first.kind = kind;
        }
        tracks
    }

    /// The pictures that come with a new PMT.
    fn changes(&self) -> impl Iterator<Item = u64> {
        let change = self.change.as_ref().map(|(from, _)| *from);
        change.into_iter().chain(self.recode.map(|(from, _)| from))
    }
}

fn tracks_of<K: Copy>(first: u16, tracks: &[(K, &str)]) -> Vec<Track<K>> {
    let track = |(pid, &(kind, language)): (u16, &(K, &str))| {
        let language = language.as_bytes().try_into().expect("three letters");
        Track { pid, kind, language }
    };
    (first..).zip(tracks).map(track).collect()
}
