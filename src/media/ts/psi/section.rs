//! Sections in the long form (ISO/IEC 13818-1, 2.4.4.10 and 2.4.4.11): header, CRC-32/MPEG-2, the
//! way from packets to whole sections ([`Assembler`]) and back ([`write_packets`]).

use std::fmt;

use crate::media::ts::packet;
use crate::media::ts::packet::ContinuityCounter;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;

/// Bytes up to and including `section_length`.
const PREFIX_LEN: usize = 3;

/// Bytes after `section_length` that are no body: five of header, four of CRC.
const OVERHEAD_LEN: usize = 9;

/// Longest section that an [`Assembler`] takes: of PAT and PMT (2.4.4.4, 2.4.4.9) and of service
/// information but events (ETSI EN 300 468, 5.1.1).
const LEN_MAX: usize = 1024;

/// Why bytes are not the section that was asked for, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The section ends after the bytes do.
    Cut,
    /// The section is in the short form, without version and CRC.
    ShortForm,
    /// The length of a section or of a loop in it is outside what the standard allows.
    Length(usize),
    /// The CRC does not match.
    Crc,
    /// The section holds the table with this id.
    Table(u8),
    /// A list inside the section does not end where its length says.
    Body,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the section is cut"),
            Self::ShortForm => f.write_str("the section is in the short form"),
            Self::Length(len) => write!(f, "a length of {len} bytes is not allowed"),
            Self::Crc => f.write_str("the CRC does not match"),
            Self::Table(id) => write!(f, "the section holds table {id:#04x}"),
            Self::Body => f.write_str("a list in the section does not end with it"),
        }
    }
}

impl std::error::Error for Error {}

/// A view of one section whose CRC is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// What table it is part of.
    pub table_id: u8,
    /// `transport_stream_id` of a PAT, `program_number` of a PMT.
    pub table_id_extension: u16,
    /// Five bits, changed with the table.
    pub version: u8,
    /// False for a table that is not valid yet.
    pub current_next_indicator: bool,
    /// Which section of the table this is, from 0.
    pub section_number: u8,
    /// The highest of these numbers.
    pub last_section_number: u8,
    /// Everything between the header and the CRC.
    pub body: &'a [u8],
}

impl<'a> Section<'a> {
    /// Reads the section at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// [`Error::Cut`], [`Error::ShortForm`], [`Error::Length`] and [`Error::Crc`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = bytes.get(..len(bytes).ok_or(Error::Cut)?).ok_or(Error::Cut)?;
        let Some((&[table_id, flags, _], rest)) = section.split_first_chunk() else {
            return Err(Error::Cut);
        };
        if flags & 0x80 == 0 {
            return Err(Error::ShortForm);
        }
        if rest.len() < OVERHEAD_LEN {
            return Err(Error::Length(rest.len()));
        }
        if crc32(section) != 0 {
            return Err(Error::Crc);
        }
        let Some((&[a, b, version, section_number, last_section_number], rest)) =
            rest.split_first_chunk()
        else {
            return Err(Error::Cut);
        };
        let Some((body, _)) = rest.split_last_chunk::<4>() else { return Err(Error::Cut) };
        Ok(Self {
            table_id,
            table_id_extension: u16::from_be_bytes([a, b]),
            version: (version >> 1) & 0x1F,
            current_next_indicator: version & 1 != 0,
            section_number,
            last_section_number,
            body,
        })
    }
}

/// CRC-32/MPEG-2 (annex A): over a section with its CRC it is 0.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        let [top, ..] = crc.to_be_bytes();
        let entry = CRC_TABLE.get(usize::from(top ^ byte)).copied().unwrap_or(0); // Has all 256.
        (crc << 8) ^ entry
    })
}

static CRC_TABLE: [u32; 256] = crc_table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the bounds")]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut top = 0_u32;
    while top < 256 {
        let mut crc = top << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
            bit += 1;
        }
        table[top as usize] = crc;
        top += 1;
    }
    table
}

/// Bytes of the section that begins `bytes`, once its length can be read.
fn len(bytes: &[u8]) -> Option<usize> {
    let &[_, high, low] = bytes.first_chunk()?;
    Some(PREFIX_LEN + usize::from(u16::from_be_bytes([high, low]) & 0x0FFF))
}

/// Makes a section of a table of one section, valid now, CRC included. The bit after the syntax
/// indicator is 0 in the tables of ISO/IEC 13818-1 and 1 in all others.
///
/// # Errors
/// [`Error::Length`] when more than `length_max` bytes would follow the length field.
pub fn write_section(
    table_id: u8,
    table_id_extension: u16,
    version: u8,
    body: &[u8],
    length_max: usize,
) -> Result<Vec<u8>, Error> {
    let length = body.len() + OVERHEAD_LEN;
    let Some(field) = u16::try_from(length).ok().filter(|_| length <= length_max.min(0x0FFD))
    else {
        return Err(Error::Length(length));
    };
    let flags = if table_id < 0x04 { 0xB000 } else { 0xF000 };
    let mut section = Vec::with_capacity(PREFIX_LEN + length);
    section.push(table_id);
    section.extend_from_slice(&(flags | field).to_be_bytes());
    section.extend_from_slice(&table_id_extension.to_be_bytes());
    section.extend_from_slice(&[0xC1 | (version & 0x1F) << 1, 0, 0]);
    section.extend_from_slice(body);
    let crc = crc32(&section);
    section.extend_from_slice(&crc.to_be_bytes());
    Ok(section)
}

/// Appends `section` to `out` as packets of its own, the last one filled with stuffing bytes.
pub fn write_packets(pid: Pid, counter: &mut ContinuityCounter, section: &[u8], out: &mut Vec<u8>) {
    let mut rest = section;
    let mut payload_unit_start = true;
    while payload_unit_start || !rest.is_empty() {
        let mut payload = [0xFF; packet::LEN - 4];
        let mut room = payload.iter_mut();
        if payload_unit_start && let Some(pointer_field) = room.next() {
            *pointer_field = 0; // The section follows at once.
        }
        let (taken, left) = rest.split_at_checked(room.len()).unwrap_or((rest, &[]));
        room.zip(taken).for_each(|(to, from)| *to = *from);
        let header =
            packet::Header { payload_unit_start, ..packet::Header::new(pid, counter.advance()) };
        header.write(&payload, out);
        rest = left;
        payload_unit_start = false;
    }
}

/// Gathers the sections of one PID from its packets. Holds at most one unfinished section, 1 KiB.
/// Sections that are longer than those of PAT, PMT and the like may be are passed over.
#[derive(Debug, Default)]
pub struct Assembler {
    /// What of a section has come so far; empty between sections.
    buffer: Vec<u8>,
    /// Of the last packet; of no meaning between sections.
    counter: u8,
}

impl Assembler {
    /// An assembler that waits for the first section to begin.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), counter: 0 }
    }

    /// Whether no section is unfinished: until one begins, no packet is needed.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.buffer.is_empty()
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Drops an unfinished section: what comes next does not follow what came last.
    pub fn reset(&mut self) {
        self.buffer.clear();
    }

    /// Takes the next packet of the PID and hands each section that it completes to `each`,
    /// unchecked and with nothing behind it. A packet within a section that comes again (2.4.3.3) is
    /// passed over; where one is missing, the unfinished section is dropped.
    pub fn push_packet(&mut self, packet: Packet<'_>, each: impl FnMut(&[u8])) {
        let Some(payload) = packet.payload() else { return };
        let (begins, counter) = (packet.payload_unit_start(), packet.continuity_counter());
        let last = std::mem::replace(&mut self.counter, counter);
        if counter == last && !begins {
            return;
        }
        if counter != ContinuityCounter::after(last).advance() {
            self.reset();
        }
        self.push(begins, payload, each);
    }

    /// As [`push_packet`](Self::push_packet), of packets that are known to follow one another.
    pub fn push(&mut self, payload_unit_start: bool, payload: &[u8], mut each: impl FnMut(&[u8])) {
        if !payload_unit_start {
            self.go_on(payload, &mut each);
            return;
        }
        let Some((pointer_field, rest)) = payload.split_first() else { return };
        let Some((end, begin)) = rest.split_at_checked(usize::from(*pointer_field)) else {
            self.reset();
            return;
        };
        self.go_on(end, &mut each);
        let mut rest = begin;
        while let Some(section) = len(rest).and_then(|len| rest.get(..len)) {
            if section.first() == Some(&0xFF) {
                break;
            }
            each(section);
            rest = rest.get(section.len()..).unwrap_or(&[]);
        }
        self.buffer.clear();
        // A table id of 0xFF is stuffing up to the end of the packet.
        if rest.first().is_some_and(|table_id| *table_id != 0xFF) {
            self.append(rest, &mut each);
        }
    }

    /// Goes on with the unfinished section, if there is one.
    fn go_on(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        if !self.is_idle() {
            self.append(bytes, each);
        }
    }

    /// Appends to the section. What follows its end without a new pointer field is stuffing.
    fn append(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first()
            && self.buffer.len() < PREFIX_LEN
        {
            self.buffer.push(*byte);
            rest = behind;
        }
        let Some(len) = len(&self.buffer) else { return };
        if len > LEN_MAX {
            self.reset();
            return;
        }
        let missing = len - self.buffer.len();
        self.buffer.reserve_exact(missing);
        self.buffer.extend_from_slice(rest.get(..missing).unwrap_or(rest));
        if self.buffer.len() == len {
            each(&self.buffer);
            self.reset();
        }
    }
}
