//! Whole frames out of the bytes of a track, each with the time that its PES packet gives it. The payload of the
//! PES packets is one string of bytes: frames lie across them, and a packet's time is that of the first frame
//! that begins in it (ISO/IEC 13818-1, 2.4.3.7).

use std::collections::VecDeque;

use crate::media::ts::pes::Pts;
use crate::remux::codec::Coding;
use crate::remux::header;
use crate::remux::header::HEAD_LEN;
use crate::remux::header::Head;

/// Most bytes that wait for their frame to be whole.
const BACKLOG_MAX: usize = 64 * 1024;

/// Most times that wait for their frame to begin.
const MARKS_MAX: usize = 64;

/// Bytes in which no frame is found before it is said that this is another coding.
const FOREIGN_AFTER: usize = 16 * 1024;

/// Cuts frames; see the module. At most 64 KiB and two frames.
#[derive(Debug)]
pub(super) struct Frames {
    coding: Coding,
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins, or is looked for.
    start: usize,
    /// How many bytes were before the buffer.
    base: u64,
    /// Where in the string of bytes a time applies from.
    marks: VecDeque<(u64, Pts)>,
    /// The last frame was followed by another one.
    is_locked: bool,
    /// Frames of E-AC-3 come with additions, so the next head is needed to know where one ends.
    has_additions: bool,
    /// Bytes that were looked at since the last frame.
    skipped: usize,
    resyncs: u64,
    /// ADTS frames that followed one another instead.
    is_adts: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// More bytes are needed.
    More,
    /// A frame.
    Frame(Frame<'a>),
}

/// One access unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Of its first frame.
    pub(super) head: Head,
    pub(super) bytes: &'a [u8],
    pub(super) pts: Option<Pts>,
}

impl Frames {
    pub(super) fn new(coding: Coding) -> Self {
        let marks = VecDeque::with_capacity(MARKS_MAX);
        Self { coding, buffer: Vec::with_capacity(BACKLOG_MAX / 4), marks, ..Self::empty() }
    }

    /// One that nothing comes of, without memory.
    pub(super) const fn empty() -> Self {
        Self {
            coding: Coding::Ac3,
            buffer: Vec::new(),
            start: 0,
            base: 0,
            marks: VecDeque::new(),
            is_locked: false,
            has_additions: false,
            skipped: 0,
            resyncs: 0,
            is_adts: false,
        }
    }

    /// A PES packet begins.
    pub(super) fn mark(&mut self, pts: Pts) {
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        let place = self.base + u64::try_from(self.buffer.len()).unwrap_or(0);
        self.marks.push_back((place, pts));
    }

    /// Appends the next bytes. Bytes that no frame comes of are dropped once there are 64 KiB of them.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.compact();
        if self.buffer.len() + bytes.len() > BACKLOG_MAX {
            self.lose();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// What comes next does not follow: the frame that is not whole is dropped.
    pub(super) fn lose(&mut self) {
        self.base += u64::try_from(self.buffer.len()).unwrap_or(0);
        self.buffer.clear();
        self.start = 0;
        self.unlock();
    }

    /// How often the beginning of a frame had to be looked for, since this was last asked.
    pub(super) fn take_resyncs(&mut self) -> u64 {
        std::mem::take(&mut self.resyncs)
    }

    /// Whether these bytes are frames of ADTS.
    pub(super) const fn is_adts(&self) -> bool {
        self.is_adts
    }

    /// Whether so many bytes have passed without a frame that they are something else.
    pub(super) const fn is_foreign(&self) -> bool {
        self.skipped >= FOREIGN_AFTER
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Next<'_> {
        loop {
            let Some(head) = self.find() else { return Next::More };
            let Some(len) = self.unit_len(head.len) else { return Next::More };
            let place = self.base + u64::try_from(self.start).unwrap_or(0);
            let (start, end) = (self.start, self.start + len);
            self.start = end;
            self.is_locked = true;
            self.skipped = 0;
            if head.is_addition {
                // What it adds to is gone. From now on they are kept together.
                self.has_additions = true;
                continue;
            }
            let pts = self.time_at(place);
            let bytes = self.buffer.get(start..end).unwrap_or_default();
            return Next::Frame(Frame { head, bytes, pts });
        }
    }

    /// Where the next frame begins, with its head, once enough of it has come to be sure.
    fn find(&mut self) -> Option<Head> {
        loop {
            let rest = self.rest();
            if rest.len() < HEAD_LEN {
                return None;
            }
            let Some(head) = header::read(self.coding, rest) else {
                if self.may_be_adts() {
                    return None;
                }
                self.skip();
                continue;
            };
            if rest.len() < head.len {
                return None;
            }
            if self.is_locked {
                return Some(head);
            }
            // A sync word may stand within a frame: another one must follow where this one says.
            let behind = rest.get(head.len..).unwrap_or_default();
            if behind.len() < HEAD_LEN {
                return None;
            }
            if header::read(self.coding, behind).is_some() {
                return Some(head);
            }
            self.skip();
        }
    }

    /// Bytes of the unit that begins with a frame of `len` bytes.
    fn unit_len(&self, len: usize) -> Option<usize> {
        if !self.has_additions {
            return Some(len);
        }
        let mut len = len;
        loop {
            let behind = self.rest().get(len..).unwrap_or_default();
            if behind.len() < HEAD_LEN {
                return None;
            }
            match header::read(self.coding, behind) {
                Some(head) if !head.is_addition => return Some(len),
                None => return Some(len),
                Some(head) if behind.len() < head.len => return None,
                Some(head) => len += head.len,
            }
        }
    }

    /// The time of a frame that begins at `place`: that of the last PES packet before it, once.
    fn time_at(&mut self, place: u64) -> Option<Pts> {
        let mut pts = None;
        while let Some((_, time)) = self.marks.pop_front_if(|(from, _)| *from <= place) {
            pts = Some(time);
        }
        pts
    }

    /// No frame begins here.
    fn skip(&mut self) {
        self.unlock();
        self.start += 1;
        self.skipped = self.skipped.saturating_add(1);
    }

    fn unlock(&mut self) {
        if std::mem::take(&mut self.is_locked) {
            self.resyncs += 1;
        }
    }

    /// Some that are said to be layer II are AAC. Whether more is needed to know it of what begins here.
    fn may_be_adts(&mut self) -> bool {
        if self.coding != Coding::Mp2 || self.is_adts || self.is_locked {
            return false;
        }
        let rest = self.rest();
        let Some(len) = header::adts_len(rest) else { return false };
        let behind = rest.get(len..).unwrap_or_default();
        if behind.len() < HEAD_LEN {
            return true;
        }
        self.is_adts = header::adts_len(behind).is_some();
        false
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Moves what is left to the beginning of the buffer.
    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.base += u64::try_from(self.start).unwrap_or(0);
        self.start = 0;
    }
}

#[cfg(test)]
mod tests;
