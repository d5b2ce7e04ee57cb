//! The sound of a transport stream becomes AAC-LC, and everything else stays as it is: [`Remux`] takes bytes and
//! gives bytes, with no task, no clock and no I/O of its own.
//!
//! # Life of a packet
//! `framing` (packets of 188 bytes) -> `media::ts::join::Cutter` (whole ones) -> `stream` (what its PID is, by
//! `program`, which plans what becomes of a PMT with `sound` and `select`, and `table`, which writes it; `probe`,
//! which looks into sound before) -> as it is, or, of sound, `lane` -> `track`: `input` (PES packets) -> `frames`
//! (access units and their times, by `header`) -> a decoder of `codec` -> `timeline` (when it is due) -> `samples`
//! (gaps, `level`, `resample`) -> an encoder of `codec` -> `output` (ADTS, PES, packets).
//!
//! # What goes out
//! - The stream begins with PAT and PMT, and its video with a random access point. PIDs stay.
//! - Of the PMT only the entries of converted sound are changed, and entries of sound that is left out are missing;
//!   its version is raised when what it says changes.
//! - Of every other packet only the clock reference is changed: it is [`Options::pcr_offset`] less, as converted
//!   sound comes later than it came. Where nothing is converted, not even that.
//! - Each access unit of AAC has a PES packet of its own, where the sound that it was made of was whole. Its time is
//!   that of the source, exact to the tick.
//! - Sound that is missing is silence, of at most 200 ms, or of as long as the clock shows; a longer step of its
//!   time is one of the stream's.
//! - Damaged frames are what the decoder conceals them with, and from the fifth in a row silence.
//! - Scrambled packets pass as they are.

use std::sync::Arc;

use crate::media::ts::join::Cutter;
use framing::Framing;
use stream::Stream;

pub mod codec;
mod frames;
mod framing;
mod header;
mod input;
mod lane;
mod level;
pub mod options;
mod output;
mod probe;
mod program;
pub mod report;
mod resample;
mod samples;
mod select;
pub mod sound;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod timeline;
mod track;

pub use codec::Codecs;
pub use codec::Coding;
pub use options::Options;
pub use report::Counts;
pub use report::Stage;

/// Converts one stream; see the module.
///
/// Memory: 20 KiB, for each track that is converted about 100 KiB and what its decoder and encoder have; at the
/// beginning a picture of at most 256 KiB, and at most 2 MiB while it is looked into sound that may be another
/// coding than its PMT says. Nothing is allocated for a packet once the stream runs, but what
/// an encoder or decoder does itself.
pub struct Remux {
    framing: Framing,
    cutter: Cutter,
    stream: Stream,
}

impl Remux {
    /// Before the first packet.
    #[must_use]
    pub fn new(options: Options, codecs: Arc<dyn Codecs>) -> Self {
        Self {
            framing: Framing::default(),
            cutter: Cutter::new(),
            stream: Stream::new(options, codecs),
        }
    }

    /// Takes the next bytes of the source, cut anywhere, and appends whole packets to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Self { framing, cutter, stream } = self;
        framing.push(bytes, |bytes| cutter.push(bytes, |packet| stream.push(packet, out)));
    }

    /// The source is over: what waits for more of it goes to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { framing, cutter, stream } = self;
        framing.finish(|bytes| cutter.push(bytes, |packet| stream.push(packet, out)));
        stream.finish(out);
    }

    /// How far it has come. Once it is running it stays so.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        self.stream.stage()
    }

    /// The tracks of sound as the stream has them now, of all programmes that it has.
    #[must_use]
    pub fn tracks(&self) -> Vec<report::Track> {
        self.stream.tracks()
    }

    /// What has happened since this was last asked, and begins anew.
    pub fn take_counts(&mut self) -> Counts {
        self.stream.take_counts()
    }

    /// The last AAC's presentation time less the last clock reference, in ticks of 90 kHz: how long before it is
    /// needed sound comes out. `None` before there are both.
    #[must_use]
    pub fn lead(&self) -> Option<i64> {
        self.stream.lead()
    }
}

impl std::fmt::Debug for Remux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remux").field("stage", self.stage()).finish_non_exhaustive()
    }
}
