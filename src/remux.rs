//! The sound of a transport stream becomes AAC-LC, and everything else stays as it is. Bytes in, bytes out: no task,
//! no clock, no I/O.

pub mod codec;
pub mod options;
pub mod report;

use std::sync::Arc;

pub use codec::Codecs;
pub use codec::Coding;
pub use options::Options;
pub use report::Counts;
pub use report::Stage;

/// Converts one stream; see the module.
#[derive(Debug)]
pub struct Remux {
    stage: Stage,
}

impl Remux {
    /// Before the first packet.
    #[must_use]
    pub fn new(_options: Options, _codecs: Arc<dyn Codecs>) -> Self {
        Self { stage: Stage::Waiting }
    }

    /// Takes the next bytes of the source, cut anywhere, and appends whole packets to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.stage = Stage::Running;
        out.extend_from_slice(bytes);
    }

    /// The source is over: what waits for more of it goes to `out`.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {}

    /// How far it has come. Once it is running it stays so.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The tracks of sound as the stream has them now, of all programmes that it has.
    #[must_use]
    pub fn tracks(&self) -> Vec<report::Track> {
        Vec::new()
    }

    /// What has happened since this was last asked, and begins anew.
    pub fn take_counts(&mut self) -> Counts {
        Counts::default()
    }

    /// The last AAC's presentation time less the last clock reference, in ticks of 90 kHz: how long before it is
    /// needed sound comes out. `None` before there are both.
    #[must_use]
    pub fn lead(&self) -> Option<i64> {
        None
    }
}
