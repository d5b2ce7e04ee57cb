//! Programme specific information (ISO/IEC 13818-1, 2.4.4): [`Pat`] and [`Pmt`] are read from one
//! whole section where it lies and written into a new one. [`Assembler`] brings sections together
//! from packets, [`write_packets`] takes them apart again.

use crate::media::ts::packet::Pid;

mod section;
#[cfg(test)]
mod tests;

pub use section::Assembler;
pub use section::Error;
pub use section::Section;
pub use section::crc32;
pub use section::write_packets;
pub use section::write_section;

/// Most bytes of a PAT or PMT section after its length field (2.4.4.4, 2.4.4.9).
const SECTION_LENGTH_MAX: usize = 1021;

/// `stream_type` values (table 2-34) that weir itself writes.
pub mod stream_type {
    /// AAC in ADTS.
    pub const AAC_ADTS: u8 = 0x0F;
    /// H.264 byte stream.
    pub const H264: u8 = 0x1B;
}

/// `descriptor_tag` values (table 2-45) that weir itself reads or writes.
pub mod descriptor_tag {
    /// Four characters that say whose format this is.
    pub const REGISTRATION: u8 = 0x05;
    /// Conditional access: a system and the PID of its messages.
    pub const CA: u8 = 0x09;
    /// ISO 639 language.
    pub const ISO_639_LANGUAGE: u8 = 0x0A;
    /// Teletext pages (ETSI EN 300 468, 6.2.43).
    pub const TELETEXT: u8 = 0x56;
    /// DVB subtitles (ETSI EN 300 468, 6.2.41).
    pub const SUBTITLING: u8 = 0x59;
}

/// A view of a programme association section: where each programme's PMT is.
#[derive(Clone, Copy, Debug)]
pub struct Pat<'a> {
    section: Section<'a>,
}

impl<'a> Pat<'a> {
    /// Table id of a PAT.
    pub const TABLE_ID: u8 = 0x00;

    /// Reads one whole section; bytes after it are left alone.
    ///
    /// # Errors
    /// What [`Section::parse`] refuses, another table, or a list of programmes that is cut.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Section::parse(bytes)?;
        if section.table_id != Self::TABLE_ID {
            return Err(Error::Table(section.table_id));
        }
        if !section.body.len().is_multiple_of(4) {
            return Err(Error::Body);
        }
        Ok(Self { section })
    }

    /// The section that holds this table, for its version and its number.
    #[must_use]
    pub const fn section(&self) -> Section<'a> {
        self.section
    }

    /// `transport_stream_id`.
    #[must_use]
    pub const fn transport_stream_id(&self) -> u16 {
        self.section.table_id_extension
    }

    /// Programme numbers and their PMT PIDs, without the network information of programme 0.
    pub fn programs(&self) -> impl Iterator<Item = (u16, Pid)> + Clone + use<'a> {
        let (entries, _) = self.section.body.as_chunks();
        entries
            .iter()
            .map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), pid_at([c, d])))
            .filter(|(program_number, _)| *program_number != 0)
    }

    /// Makes a PAT section, CRC included.
    ///
    /// # Errors
    /// [`Error::Length`] for more than 253 programmes.
    pub fn write(
        transport_stream_id: u16,
        version: u8,
        programs: &[(u16, Pid)],
    ) -> Result<Vec<u8>, Error> {
        let mut body = Vec::with_capacity(programs.len() * 4);
        for (program_number, pid) in programs {
            body.extend_from_slice(&program_number.to_be_bytes());
            body.extend_from_slice(&(0xE000 | pid.value()).to_be_bytes());
        }
        write_section(Self::TABLE_ID, transport_stream_id, version, &body, SECTION_LENGTH_MAX)
    }
}

/// A view of a programme map section: the streams of one programme.
#[derive(Clone, Copy, Debug)]
pub struct Pmt<'a> {
    section: Section<'a>,
    pcr_pid: Pid,
    descriptors: &'a [u8],
    streams: &'a [u8],
}

impl<'a> Pmt<'a> {
    /// Table id of a PMT.
    pub const TABLE_ID: u8 = 0x02;

    /// Reads one whole section; bytes after it are left alone.
    ///
    /// # Errors
    /// What [`Section::parse`] refuses, another table, or a loop that does not end where the
    /// section does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Section::parse(bytes)?;
        if section.table_id != Self::TABLE_ID {
            return Err(Error::Table(section.table_id));
        }
        let (&[a, b, c, d], rest) = section.body.split_first_chunk().ok_or(Error::Body)?;
        let (descriptors, streams) =
            rest.split_at_checked(twelve_bits([c, d])).ok_or(Error::Body)?;
        let pmt = Self { section, pcr_pid: pid_at([a, b]), descriptors, streams };
        // Walked once here, so that `streams` need not report errors of its own.
        let mut walk = Streams(streams);
        walk.by_ref().for_each(drop);
        if walk.0.is_empty() { Ok(pmt) } else { Err(Error::Body) }
    }

    /// The section that holds this table, for its version and its number.
    #[must_use]
    pub const fn section(&self) -> Section<'a> {
        self.section
    }

    /// The programme that the PAT names.
    #[must_use]
    pub const fn program_number(&self) -> u16 {
        self.section.table_id_extension
    }

    /// Which packets carry the clock; [`Pid::NULL`] when none do.
    #[must_use]
    pub const fn pcr_pid(&self) -> Pid {
        self.pcr_pid
    }

    /// The loop of descriptors of the programme as a whole, for [`descriptors`].
    #[must_use]
    pub const fn descriptors(&self) -> &'a [u8] {
        self.descriptors
    }

    /// The elementary streams in the order of the table.
    #[must_use]
    pub const fn streams(&self) -> Streams<'a> {
        Streams(self.streams)
    }

    /// Makes a PMT section, CRC included.
    ///
    /// # Errors
    /// [`Error::Length`] when it would pass 1024 bytes or a loop 1023.
    pub fn write(
        program_number: u16,
        version: u8,
        pcr_pid: Pid,
        descriptors: &[u8],
        streams: &[Stream<'_>],
    ) -> Result<Vec<u8>, Error> {
        let mut body = Vec::with_capacity(SECTION_LENGTH_MAX);
        body.extend_from_slice(&(0xE000 | pcr_pid.value()).to_be_bytes());
        put_loop(descriptors, &mut body)?;
        for stream in streams {
            body.push(stream.stream_type);
            body.extend_from_slice(&(0xE000 | stream.pid.value()).to_be_bytes());
            put_loop(stream.descriptors, &mut body)?;
        }
        write_section(Self::TABLE_ID, program_number, version, &body, SECTION_LENGTH_MAX)
    }
}

/// One elementary stream of a [`Pmt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream<'a> {
    /// What the stream holds, see [`stream_type`].
    pub stream_type: u8,
    /// Where it is.
    pub pid: Pid,
    /// What else is said of it: a loop for [`descriptors`].
    pub descriptors: &'a [u8],
}

impl Stream<'_> {
    /// The first language of its ISO 639 descriptor, three bytes as they stand (`*b"eng"`).
    #[must_use]
    pub fn language(&self) -> Option<[u8; 3]> {
        descriptors(self.descriptors)
            .find(|(tag, _)| *tag == descriptor_tag::ISO_639_LANGUAGE)
            .and_then(|(_, data)| data.first_chunk().copied())
    }
}

/// The streams of a [`Pmt`].
#[derive(Clone, Debug)]
pub struct Streams<'a>(&'a [u8]);

impl<'a> Iterator for Streams<'a> {
    type Item = Stream<'a>;

    fn next(&mut self) -> Option<Stream<'a>> {
        let (&[stream_type, a, b, c, d], rest) = self.0.split_first_chunk()?;
        let (descriptors, rest) = rest.split_at_checked(twelve_bits([c, d]))?;
        self.0 = rest;
        Some(Stream { stream_type, pid: pid_at([a, b]), descriptors })
    }
}

/// The descriptors that stand back to back in `bytes`, as tag and data; one that is cut ends them.
pub fn descriptors(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&[tag, len], after) = rest.split_first_chunk()?;
        let (data, after) = after.split_at_checked(usize::from(len))?;
        rest = after;
        Some((tag, data))
    })
}

fn pid_at(field: [u8; 2]) -> Pid {
    Pid::masked(u16::from_be_bytes(field))
}

fn twelve_bits(field: [u8; 2]) -> usize {
    usize::from(u16::from_be_bytes(field) & 0x0FFF)
}

/// Appends a loop of descriptors after its length, of which the upper two bits must be zero.
fn put_loop(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let Some(len) = u16::try_from(bytes.len()).ok().filter(|len| *len <= 0x3FF) else {
        return Err(Error::Length(bytes.len()));
    };
    out.extend_from_slice(&(0xF000 | len).to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
