//! The reading side of programme specific information (ISO/IEC 13818-1 2.4.4): sections put
//! together from packets, the PAT, the PMT.

use super::crc32;

/// Sections of one PID, put together from payloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    buffer: Vec<u8>,
}

impl Sections {
    /// Takes a payload and returns the sections that it completes; None if its pointer_field points
    /// outside. Holds at most one unfinished section (4 KiB) and a payload.
    pub(crate) fn push(&mut self, payload: &[u8], start: bool) -> Option<Vec<Vec<u8>>> {
        let mut whole = Vec::new();
        if start {
            let (pointer, rest) = payload.split_first()?;
            let (before, after) = rest.split_at_checked(usize::from(*pointer))?;
            if !self.buffer.is_empty() {
                self.buffer.extend_from_slice(before);
                self.take_whole(&mut whole);
            }
            self.buffer = after.to_vec();
        } else if !self.buffer.is_empty() {
            self.buffer.extend_from_slice(payload);
        }
        self.take_whole(&mut whole);
        Some(whole)
    }

    /// Forgets an unfinished section, after a packet was lost.
    pub(crate) fn drop_unfinished(&mut self) {
        self.buffer.clear();
    }

    /// Whether a section has begun and not ended.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn take_whole(&mut self, whole: &mut Vec<Vec<u8>>) {
        while let [table_id, rest @ ..] = self.buffer.as_slice() {
            if *table_id == 0xff {
                // Stuffing up to the end of the payload.
                return self.buffer.clear();
            }
            let [high, low, ..] = *rest else { return };
            let length = 3 + (usize::from(high & 0xf) << 8 | usize::from(low));
            if self.buffer.len() < length {
                return;
            }
            whole.push(self.buffer.drain(..length).collect());
        }
    }
}

/// A section with the long header, its CRC right.
pub(crate) struct Table<'a> {
    /// 0 for a PAT, 2 for a PMT.
    pub(crate) id: u8,
    /// transport_stream_id or program_number.
    pub(crate) extension: u16,
    /// version_number.
    pub(crate) version: u8,
    /// current_next_indicator.
    pub(crate) current: bool,
    /// What stands between the long header and the CRC.
    pub(crate) body: &'a [u8],
}

impl<'a> Table<'a> {
    /// Reads a section; None if it is too short or its CRC is wrong.
    pub(crate) fn read(section: &'a [u8]) -> Option<Self> {
        let (head, rest) = section.split_first_chunk::<8>()?;
        let (body, _crc) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
        (crc32(section) == 0).then_some(Self {
            id: head[0],
            extension: u16::from_be_bytes([head[3], head[4]]),
            version: head[5] >> 1 & 0x1f,
            current: head[5] & 1 == 1,
            body,
        })
    }

    /// As a PAT: the PIDs of the PMTs.
    pub(crate) fn pmt_pids(&self) -> Vec<u16> {
        let entries = self.body.chunks_exact(4).filter(|entry| entry[..2] != [0, 0]);
        entries.map(|entry| pid(entry[2], entry[3])).collect()
    }

    /// As a PMT: the PCR_PID and the streams; None if its lengths contradict one another.
    pub(crate) fn programme(&self) -> Option<Programme> {
        let (head, rest) = self.body.split_first_chunk::<4>()?;
        let info = usize::from(pid(head[2], head[3]) & 0xfff);
        let (_, mut rest) = rest.split_at_checked(info)?;
        let mut streams = Vec::new();
        while let Some((entry, after)) = rest.split_first_chunk::<5>() {
            let length = usize::from(pid(entry[3], entry[4]) & 0xfff);
            let (descriptors, after) = after.split_at_checked(length)?;
            let stream = Stream {
                kind: entry[0],
                pid: pid(entry[1], entry[2]),
                descriptors: descriptors.to_vec(),
            };
            streams.push(stream);
            rest = after;
        }
        rest.is_empty().then_some(Programme { pcr_pid: pid(head[0], head[1]), streams })
    }
}

/// What a PMT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Programme {
    /// PCR_PID.
    pub(crate) pcr_pid: u16,
    /// The elementary streams in the order of the PMT.
    pub(crate) streams: Vec<Stream>,
}

/// An elementary stream of a PMT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// stream_type.
    pub(crate) kind: u8,
    /// elementary_PID.
    pub(crate) pid: u16,
    /// The descriptors, unread.
    pub(crate) descriptors: Vec<u8>,
}

/// 13 bits after three reserved ones.
fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}
