//! The slices of one write: what hyper gave, with the bytes on the stage in place of a placeholder.

use std::io::IoSlice;

/// Slices sent in one call. hyper writes a handful at a time (a head, a chunk's size, its bytes, its
/// end); what goes beyond is left for the next call.
const SLICES_MAX: usize = 16;

/// Slices put together for one call of the kernel.
#[derive(Debug)]
pub(crate) struct Gather<'a> {
    slices: [IoSlice<'a>; SLICES_MAX],
    count: usize,
    /// Where the stage's bytes begin, and how many of them there are.
    stage: (usize, usize),
}

impl<'a> Gather<'a> {
    /// `slices`, in which `(place, staged)` stands for the placeholder at that index. Slices behind
    /// a placeholder that is longer than what is staged are left out.
    pub(crate) fn new(slices: &'a [IoSlice<'_>], (place, staged): (usize, &'a [u8])) -> Self {
        let mut gather = Self { slices: [IoSlice::new(&[]); SLICES_MAX], count: 0, stage: (0, 0) };
        for (index, slice) in slices.iter().enumerate() {
            if index != place {
                gather.push(slice);
                continue;
            }
            let length = staged.len().min(slice.len());
            gather.stage = (gather.length(), length);
            gather.push(staged.get(..length).unwrap_or_default());
            if length < slice.len() {
                break;
            }
        }
        gather
    }

    /// What to send.
    pub(crate) fn slices(&self) -> &[IoSlice<'a>] {
        self.slices.get(..self.count).unwrap_or_default()
    }

    /// Bytes in all.
    pub(crate) fn length(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// How many of the first `wrote` bytes are the stage's.
    pub(crate) fn of_stage(&self, wrote: usize) -> usize {
        let (start, length) = self.stage;
        wrote.saturating_sub(start).min(length)
    }

    fn push(&mut self, bytes: &'a [u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(slot) = self.slices.get_mut(self.count) {
            *slot = IoSlice::new(bytes);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_bytes_stand_where_the_placeholder_was() {
        let given = [IoSlice::new(b"5\r\n"), IoSlice::new(b"....."), IoSlice::new(b"\r\n")];
        let gather = Gather::new(&given, (1, b"hello"));
        let sent: Vec<u8> =
            gather.slices().iter().flat_map(|slice| slice.iter().copied()).collect();
        assert_eq!(sent, b"5\r\nhello\r\n");
        let of_stage: Vec<_> = (0..=sent.len()).map(|wrote| gather.of_stage(wrote)).collect();
        assert_eq!(of_stage, [0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 5]);
    }

    #[test]
    fn nothing_overtakes_bytes_that_are_not_staged() {
        let given = [IoSlice::new(b"....."), IoSlice::new(b"\r\n")];
        let gather = Gather::new(&given, (0, b"hel"));
        assert_eq!(gather.length(), 3);
    }
}
