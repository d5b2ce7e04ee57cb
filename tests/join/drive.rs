//! Sources through weir's joiner, in pieces cut anywhere.

use std::time::Duration;

use weir::media::ts::join::Audition;
use weir::media::ts::join::Joiner;
use weir::media::ts::join::Manner;

use crate::oracle::Joined;
use crate::oracle::Part;
use crate::oracle::Source;
use crate::support::content::Dice;

/// A source's turn in a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) source: &'a Source,
    /// Bytes of it that come before it fails.
    pub(crate) bytes: usize,
    /// It does not fail: it is left, its units completed with up to so many bytes more.
    pub(crate) finish: Option<usize>,
    /// Time between the last byte of the source before and its first.
    pub(crate) gap: Duration,
    /// After so many bytes no random access point is waited for any more.
    pub(crate) settle: Option<usize>,
    /// Bytes that come after the audition is ready and before the join.
    pub(crate) held: usize,
}

impl<'a> Turn<'a> {
    /// A source that fails after `bytes`.
    pub(crate) fn new(source: &'a Source, bytes: usize) -> Self {
        Self { source, bytes, finish: None, gap: Duration::from_millis(40), settle: None, held: 0 }
    }

    /// All of it.
    pub(crate) fn whole(source: &'a Source) -> Self {
        Self::new(source, source.bytes.len())
    }
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome<'a> {
    Joined(Joined<'a>),
    /// The standby with this number was never ready.
    NotReady(usize),
}

impl<'a> Outcome<'a> {
    /// The joined stream.
    ///
    /// # Panics
    /// If a standby was not ready.
    pub(crate) fn joined(self, what: &str) -> Joined<'a> {
        match self {
            Self::Joined(joined) => joined,
            Self::NotReady(number) => panic!("{what}: source {number} was never ready"),
        }
    }
}

/// How the bytes are cut into pieces.
#[derive(Clone, Debug)]
pub(crate) enum Pieces {
    /// None is cut.
    Whole,
    /// By a dice, up to so many bytes.
    Random(Dice, usize),
}

impl Pieces {
    /// The length of the next piece; `whole` where none is cut.
    fn next(&mut self, whole: usize) -> usize {
        match self {
            Self::Whole => whole,
            Self::Random(dice, most) => dice.roll(*most),
        }
    }

    /// Gives out the pieces of `bytes` until `take` wants no more.
    fn each(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> bool) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.next(bytes.len()).min(bytes.len()));
            bytes = rest;
            if !take(piece) {
                return;
            }
        }
    }
}

/// Joins the sources of `turns`, one after another.
pub(crate) fn drive<'a>(manner: Manner, turns: &[Turn<'a>], pieces: &mut Pieces) -> Outcome<'a> {
    let mut joiner = Joiner::new(manner);
    let mut output = Vec::new();
    let mut parts: Vec<Part<'a>> = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let begins = output.len();
        let bytes = &turn.source.bytes[..turn.bytes];
        let mut settled = false;
        if number == 0 {
            pieces.each(bytes, |piece| {
                joiner.watch(piece);
                output.extend_from_slice(piece);
                true
            });
        } else {
            let mut audition = Audition::new(manner);
            let mut read = 0;
            // The standby is joined as soon as it can be.
            while read < bytes.len() && !audition.is_ready() {
                if !settled && turn.settle.is_some_and(|after| after <= read) {
                    settled = true;
                    audition.settle();
                }
                let count = pieces.next(188).min(bytes.len() - read);
                audition.push(&bytes[read..read + count]);
                read += count;
            }
            if !audition.is_ready() {
                return Outcome::NotReady(number);
            }
            let held = turn.held.min(bytes.len() - read);
            audition.push(&bytes[read..read + held]);
            joiner.join(audition, turn.gap, &mut output);
            pieces.each(&bytes[read + held..], |piece| {
                joiner.pass(piece, &mut output);
                true
            });
        }
        let finish = turn.finish.map(|more| {
            let at = output.len();
            let end = (turn.bytes + more).min(turn.source.bytes.len());
            let mut done = false;
            pieces.each(&turn.source.bytes[turn.bytes..end], |piece| {
                done = joiner.finish(piece, &mut output);
                !done
            });
            (at, done)
        });
        let (source, offered, gap) = (turn.source, turn.bytes, turn.gap);
        parts.push(Part { source, offered, begins, finish, gap, settled });
    }
    Outcome::Joined(Joined { output, parts })
}
