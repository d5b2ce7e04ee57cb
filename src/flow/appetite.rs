//! How much to ask a source for at once, and whether a pipe pays. Pure: what reads gave goes in, how
//! to read next comes out.

use crate::flow::pipe;
use crate::flow::pool::BUFFER_LEN;

/// Bytes asked for at once, at first and after the client has made some wait.
const CHUNK_MIN: usize = 64 * 1024;

/// Bytes asked for at once, at most, where they are copied.
const CHUNK_MAX: usize = BUFFER_LEN;

/// From so many bytes at once on a pipe is worth its two calls of the kernel; for fewer, one that
/// copies them is cheaper, all the more as it takes the chunk's size along.
const SPLICE_MIN: usize = 128 * 1024;

/// The longest time without a pipe after one that was filled with fewer, in reads.
const PENALTY_MAX: u8 = 64;

/// Decides how one source is read.
#[derive(Debug)]
pub(crate) struct Appetite {
    /// Bytes to ask for at once: more while they come and the client keeps up.
    chunk: usize,
    /// The kernel does not splice from this source.
    refused: bool,
    /// Reads to go without a pipe, and how many it will be next time.
    rest: u8,
    penalty: u8,
}

impl Appetite {
    /// For a source that nothing is known of.
    pub(crate) fn new() -> Self {
        Self { chunk: CHUNK_MIN, refused: false, rest: 0, penalty: 1 }
    }

    /// Bytes to ask for at once where they are copied.
    pub(crate) fn chunk(&self) -> usize {
        self.chunk
    }

    /// Whether bytes come so fast that a pipe pays; it may be asked for [`pipe::LEN`] of them.
    pub(crate) fn wants_pipe(&self) -> bool {
        self.chunk >= SPLICE_MIN && self.rest == 0 && !self.refused
    }

    /// A read into a buffer gave `count` bytes of the `limit` that it was asked for.
    pub(crate) fn copied(&mut self, count: usize, limit: usize) {
        self.rest = self.rest.saturating_sub(1);
        if count == limit {
            self.chunk = (self.chunk * 2).min(CHUNK_MAX);
        } else if count < self.chunk / 8 {
            self.chunk = (self.chunk / 2).max(CHUNK_MIN);
        }
    }

    /// A pipe was filled with `count` bytes.
    pub(crate) fn spliced(&mut self, count: usize) {
        debug_assert!(count <= pipe::LEN, "more than a pipe holds");
        if count < SPLICE_MIN {
            self.rest = self.penalty;
            self.penalty = (self.penalty * 2).min(PENALTY_MAX);
        } else {
            self.penalty = 1;
        }
    }

    /// The kernel refused to fill a pipe from this source; false when that was known.
    pub(crate) fn refuse_pipes(&mut self) -> bool {
        !std::mem::replace(&mut self.refused, true)
    }

    /// The client has made bytes wait: it is to hold few of them.
    pub(crate) fn slow_down(&mut self) {
        self.chunk = CHUNK_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_source_is_spliced_and_a_slow_one_is_copied() {
        let mut appetite = Appetite::new();
        assert!(!appetite.wants_pipe());
        appetite.copied(CHUNK_MIN, CHUNK_MIN);
        assert!(appetite.wants_pipe());
        appetite.spliced(pipe::LEN);
        assert!(appetite.wants_pipe());
        for _ in 0..10 {
            appetite.copied(1316, appetite.chunk());
        }
        assert_eq!(appetite.chunk(), CHUNK_MIN);
        assert!(!appetite.wants_pipe());
    }

    #[test]
    fn pipes_that_fill_with_little_are_left_alone_for_longer_each_time() {
        let mut appetite = Appetite::new();
        appetite.copied(CHUNK_MIN, CHUNK_MIN);
        let mut rests = Vec::new();
        for _ in 0..8 {
            appetite.spliced(80_000);
            let mut reads = 0;
            while !appetite.wants_pipe() {
                appetite.copied(80_000, appetite.chunk());
                reads += 1;
            }
            rests.push(reads);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 64]);
        appetite.spliced(pipe::LEN);
        appetite.spliced(80_000);
        appetite.copied(80_000, appetite.chunk());
        assert!(appetite.wants_pipe(), "one good pipe and all is forgiven");
    }

    #[test]
    fn a_client_that_makes_bytes_wait_is_given_few_and_a_refusal_is_for_ever() {
        let mut appetite = Appetite::new();
        while appetite.chunk() < CHUNK_MAX {
            appetite.copied(appetite.chunk(), appetite.chunk());
        }
        appetite.slow_down();
        assert_eq!(appetite.chunk(), CHUNK_MIN);
        assert!(appetite.refuse_pipes());
        assert!(!appetite.refuse_pipes());
        appetite.copied(CHUNK_MIN, CHUNK_MIN);
        assert!(!appetite.wants_pipe());
    }
}
