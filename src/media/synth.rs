//! A generated television channel: bars, a title, a running clock, a frame counter, a moving marker
//! and a tone, as H.264 and AAC in an MPEG transport stream. It plays the part of a source where
//! there is none, and slates are drawn with it. [`Synth`] makes one picture and its sound at a
//! time; when to send them is the caller's to know.

use crate::media::ts::packet::Pcr;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use h264::Encoder;
use mux::Mux;
use picture::Picture;

pub use picture::Palette;
pub use tone::Tone;

mod cell;
mod font;
mod h264;
mod mux;
mod picture;
#[cfg(test)]
mod tests;
mod tone;

/// Ticks of 90 kHz from one picture to the next.
const PICTURE_TICKS: u64 = Pts::HZ / Synth::FRAMES_PER_SECOND;

/// Ticks of 90 kHz from one audio frame to the next: 1024 samples of 48 kHz.
const AUDIO_TICKS: u64 = 1920;

/// How long before its time each picture and its sound are sent, in ticks of 90 kHz. 200 ms let a
/// decoder receive the longest picture, and all sound under way at once is less than the 3584 bytes
/// that its buffer has for two channels (ISO/IEC 13818-1, 2.4.2.7).
const LEAD_TICKS: u64 = 18_000;

/// What is seen and heard. Characters beyond printable ASCII are drawn as boxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// The large line, also the name of the service. At most 40 characters are used.
    pub title: String,
    /// Sentences below the counter, wrapped between words into four lines of 38 characters; what is
    /// longer is left out. Default: none.
    pub text: String,
    /// Default: blue.
    pub palette: Palette,
    /// Default: silence.
    pub tone: Tone,
}

/// Where things are in the transport stream. The three PIDs must differ from one another and lie
/// between 0x20 and 0x1FFE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Default: 1.
    pub transport_stream_id: u16,
    /// Also the service id. Not 0. Default: 1.
    pub program_number: u16,
    /// Default: 0x1000.
    pub pmt_pid: Pid,
    /// Carries the clock reference as well. Default: 0x100.
    pub video_pid: Pid,
    /// Default: 0x101.
    pub audio_pid: Pid,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            transport_stream_id: 1,
            program_number: 1,
            pmt_pid: Pid::masked(0x1000),
            video_pid: Pid::masked(0x100),
            audio_pid: Pid::masked(0x101),
        }
    }
}

/// The generator of one channel. Everything but the continuity counters follows from the index of
/// the picture, so generators at the same index agree in their clocks. About 100 kB of memory, up to
/// 350 kB with a picture full of text.
#[derive(Debug)]
pub struct Synth {
    picture: Picture,
    encoder: Encoder,
    mux: Mux,
    tone: Tone,
    /// Index of the next picture.
    frame: u64,
    /// Whether the next picture must be an IDR wherever it stands.
    keyframe_due: bool,
    /// The picture being sent; kept for its memory.
    access_unit: Vec<u8>,
}

impl Synth {
    /// Pictures in a second.
    pub const FRAMES_PER_SECOND: u64 = 25;

    /// A generator whose first picture is the one with index `first_frame` on the channel's own
    /// time line, and an IDR. The clock shows the index as a time of day: frames since midnight
    /// give the time. PCR is 0 at index 0, PTS 200 ms ahead of it.
    #[must_use]
    pub fn new(scene: &Scene, layout: Layout, first_frame: u64) -> Self {
        Self {
            picture: Picture::new(scene),
            encoder: Encoder::default(),
            mux: Mux::new(layout, &scene.title),
            tone: scene.tone,
            frame: first_frame,
            keyframe_due: true,
            access_unit: Vec::new(),
        }
    }

    /// Index of the picture that [`Synth::next_picture`] makes.
    #[must_use]
    pub const fn next_frame(&self) -> u64 {
        self.frame
    }

    /// Asks that the next picture is an IDR, preceded by PAT and PMT. Without it that is so for the
    /// first picture and for each whose index is a multiple of 25.
    pub const fn force_keyframe(&mut self) {
        self.keyframe_due = true;
    }

    /// Appends the packets of the next picture and its 40 ms of sound to `out`: 2 to 6 kB, with an IDR
    /// 20 to 100 kB, by the length of the text. Allocates only where a buffer must grow.
    pub fn next_picture(&mut self, out: &mut Vec<u8>) {
        let frame = self.frame;
        let keyframe =
            std::mem::take(&mut self.keyframe_due) || frame.is_multiple_of(Self::FRAMES_PER_SECOND);
        // Every other picture is every 80 ms; a receiver may wait 100 ms for PAT and PMT.
        if keyframe || frame.is_multiple_of(2) {
            self.mux.write_tables(out);
        }
        if keyframe {
            self.mux.write_service(out);
        }

        self.picture.draw(frame);
        self.access_unit.clear();
        if keyframe {
            self.encoder.write_idr(self.picture.cells(), frame, &mut self.access_unit);
        } else {
            self.encoder.write_p(self.picture.cells(), &mut self.access_unit);
        }
        // Both clocks wrap where 64 bits do, so an index of any size gives the right time.
        let now = Pts::new(frame.wrapping_mul(PICTURE_TICKS));
        let pts = now.wrapping_add(LEAD_TICKS);
        self.mux.write_video(&self.access_unit, keyframe, Pcr::from(now), pts, out);

        let (first, count) = audio_frames(frame);
        let pts = Pts::new(first.wrapping_mul(AUDIO_TICKS)).wrapping_add(LEAD_TICKS);
        self.mux.write_audio(self.tone.frame(), count, pts, out);
        self.frame = frame.wrapping_add(1);
    }
}

/// The first audio frame that begins within a picture, and how many do: 15 of them are as long as 8
/// pictures.
const fn audio_frames(picture: u64) -> (u64, usize) {
    let (eights, place) = (picture / 8, picture % 8);
    let first = (place * 15).div_ceil(8);
    let count = if first + 1 < ((place + 1) * 15).div_ceil(8) { 2 } else { 1 };
    (eights.wrapping_mul(15).wrapping_add(first), count)
}
