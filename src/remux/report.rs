//! What a remux tells of its work.

use std::ops::AddAssign;
use std::time::Duration;

use crate::remux::codec::Coding;

/// How far a remux has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// PAT and PMT have not come: nothing but tables has been appended so far.
    Waiting,
    /// The stream goes out.
    Running,
    /// There is sound, and none of it can be converted or is AAC already. Nothing is appended.
    Refused(Vec<Coding>),
}

/// What has happened since it was last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of the source that were decoded or concealed.
    pub frames: u64,
    /// Of these, frames with a wrong checksum or which no decoder made anything of.
    pub bad_frames: u64,
    /// Access units of AAC that were appended.
    pub aac_frames: u64,
    /// How often the next frame had to be looked for.
    pub resyncs: u64,
    /// Silence that was put in where sound was missing.
    pub inserted: Duration,
    /// Sound that was left out where there was too much of it.
    pub dropped: Duration,
    /// How often the time of the sound did not go on.
    pub discontinuities: u64,
    /// Packets of sound that came scrambled; they are passed as they are.
    pub scrambled: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bad_frames += other.bad_frames;
        self.aac_frames += other.aac_frames;
        self.resyncs += other.resyncs;
        self.inserted += other.inserted;
        self.dropped += other.dropped;
        self.discontinuities += other.discontinuities;
        self.scrambled += other.scrambled;
    }
}

/// One track of sound as the stream has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Where it is.
    pub pid: u16,
    /// Its language as the PMT has it, as `deu`; `None` where it tells none.
    pub language: Option<String>,
    /// What is done with it.
    pub fate: Fate,
}

/// What is done with a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It becomes AAC-LC.
    Converted(Coding),
    /// It is passed as it is: it is AAC already.
    Passed,
    /// It is passed as it is, because this build does not decode it.
    Undecodable(Coding),
    /// It is passed as it is, because nothing is known of its coding, with its stream type.
    Unknown(u8),
    /// It is left out: another language or another track is wanted.
    Dropped,
}
