//! Streams through weir's converter, in pieces cut anywhere, and what has to be true of every one.

use std::sync::Arc;

use weir::remux::Codecs;
use weir::remux::Coding;
use weir::remux::Counts;
use weir::remux::Options;
use weir::remux::Remux;
use weir::remux::Stage;
use weir::remux::report::Track;

use crate::oracle::Terms;
use crate::oracle::Verdict;
use crate::oracle::judge;
use crate::support::content::Dice;
use crate::support::content::Digest;
use crate::support::ts::PACKET;

/// How bytes are cut into pieces.
#[derive(Clone, Debug)]
pub(crate) enum Pieces {
    /// Each of so many bytes.
    Of(usize),
    /// By a dice, up to so many bytes.
    Random(Dice, usize),
}

impl Pieces {
    fn next(&mut self) -> usize {
        match self {
            Self::Of(bytes) => *bytes,
            Self::Random(dice, most) => dice.roll(*most),
        }
    }
}

/// What became of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) output: Vec<u8>,
    pub(crate) counts: Counts,
    pub(crate) stage: Stage,
    pub(crate) tracks: Vec<Track>,
}

/// Converts all of `source`.
pub(crate) fn run(
    source: &[u8],
    options: &Options,
    codecs: Arc<dyn Codecs>,
    mut pieces: Pieces,
) -> Run {
    let mut remux = Remux::new(options.clone(), codecs);
    let mut output = Vec::new();
    let mut rest = source;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(pieces.next().min(rest.len()));
        remux.push(piece, &mut output);
        rest = later;
    }
    remux.finish(&mut output);
    let (stage, tracks) = (remux.stage().clone(), remux.tracks());
    Run { output, counts: remux.take_counts(), stage, tracks }
}

/// What the oracle is to hold a run against.
pub(crate) fn terms(options: &Options, codings: Vec<Coding>) -> Terms {
    Terms {
        pcr_offset: (options.pcr_offset.as_nanos() * 27 / 1000) as u64,
        channels: options.channels,
        decodes: codings,
        languages: options.languages.clone(),
        tracks: options.tracks,
    }
}

impl Run {
    /// Judges it, and what it tells of itself; `terms` as asked.
    ///
    /// # Panics
    /// With everything that is wrong.
    #[track_caller]
    pub(crate) fn assert_good(&self, what: &str, source: &[u8], terms: &Terms) -> Verdict {
        let verdict = judge(source, &self.output, terms);
        verdict.assert_clean(what);
        self.assert_counted(what, &verdict);
        verdict
    }

    /// What it has counted is what can be seen.
    ///
    /// # Panics
    /// Where it is not.
    #[track_caller]
    pub(crate) fn assert_counted(&self, what: &str, verdict: &Verdict) {
        let Counts { frames, bad_frames, aac_frames, discontinuities, scrambled, .. } = self.counts;
        let seen = format!("{what}: {:?}, {} breaks", self.counts, verdict.breaks());
        assert_eq!(aac_frames, verdict.aac_frames(), "{seen}");
        assert!(bad_frames <= frames, "{seen}");
        assert!(verdict.breaks() <= discontinuities, "{seen}");
        assert!(scrambled >= verdict.scrambled as u64, "{seen}");
        assert!(self.output.len().is_multiple_of(PACKET), "{seen}");
    }
}

/// However the bytes are cut, the same comes out.
///
/// # Panics
/// Where it does not.
#[track_caller]
pub(crate) fn assert_same_in_pieces(
    what: &str,
    source: &[u8],
    options: &Options,
    codecs: &Arc<dyn Codecs>,
    pieces: &[Pieces],
) -> Run {
    let whole = run(source, options, Arc::clone(codecs), Pieces::Of(usize::MAX));
    for pieces in pieces {
        let cut = run(source, options, Arc::clone(codecs), pieces.clone());
        let digests = (Digest::of(&whole.output), Digest::of(&cut.output));
        assert_eq!(digests.0, digests.1, "{what}, {pieces:?}");
        assert_eq!((whole.counts, &whole.stage), (cut.counts, &cut.stage), "{what}, {pieces:?}");
    }
    whole
}
