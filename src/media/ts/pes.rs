//! PES packet headers (ISO/IEC 13818-1, 2.4.3.6 and 2.4.3.7): [`Pes`] reads one where it lies,
//! [`Header`] writes one, [`shift_timestamps`] moves its PTS and DTS in place. What the payload
//! holds is not looked at.

use crate::media::ts::packet::Pcr;

#[cfg(test)]
mod tests;

/// Bytes up to and including `PES_packet_length`.
const PREFIX_LEN: usize = 6;

/// Bytes up to and including `PES_header_data_length`.
const FIXED_LEN: usize = 9;

/// Bytes of a PTS or DTS in the header.
const TIMESTAMP_LEN: usize = 5;

/// `stream_id` values (table 2-22) that weir itself writes.
pub mod stream_id {
    /// The first audio stream.
    pub const AUDIO: u8 = 0xC0;
    /// The first video stream.
    pub const VIDEO: u8 = 0xE0;
}

/// A presentation or decoding time in ticks of 90 kHz, always below [`Pts::MODULUS`]: it wraps
/// after 26.5 hours, so two of them have a distance ([`Pts::since`]) but no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pts(u64);

impl Pts {
    /// Ticks in a second.
    pub const HZ: u64 = 90_000;
    /// Where the clock starts again at zero: 33 bits.
    pub const MODULUS: u64 = 1 << 33;

    /// `ticks` modulo [`Pts::MODULUS`].
    #[must_use]
    pub const fn new(ticks: u64) -> Self {
        Self(ticks % Self::MODULUS)
    }

    /// Ticks of 90 kHz.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// This instant and `ticks` later, round the wrap.
    #[must_use]
    pub const fn wrapping_add(self, ticks: u64) -> Self {
        Self::new(self.0.wrapping_add(ticks)) // 2^64 is a multiple of the modulus.
    }

    /// Ticks from `earlier` to `self` the short way round the wrap: negative if `self` lies before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        let ahead = self.0.wrapping_sub(earlier.0) % Self::MODULUS;
        if ahead < Self::MODULUS / 2 {
            ahead.cast_signed()
        } else {
            ahead.cast_signed() - Self::MODULUS.cast_signed()
        }
    }

    /// Reads the five bytes of the field. Prefix and marker bits are not checked: players do not
    /// check them either, so a time that is shown must be a time that is read.
    #[must_use]
    pub const fn decode(field: [u8; TIMESTAMP_LEN]) -> Self {
        let [a, b, c, d, e] = field;
        let bits = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        Self((bits >> 3) & (0x7 << 30) | (bits >> 2) & (0x7FFF << 15) | (bits >> 1) & 0x7FFF)
    }

    /// The five bytes of the field, marker bits set, with the four bits of `prefix` before them.
    #[must_use]
    pub const fn encode(self, prefix: u8) -> [u8; TIMESTAMP_LEN] {
        let ticks = self.0;
        let bits = ((ticks & (0x7 << 30)) << 3)
            | ((ticks & (0x7FFF << 15)) << 2)
            | ((ticks & 0x7FFF) << 1)
            | 0x01_0001_0001;
        let [_, _, _, a, b, c, d, e] = bits.to_be_bytes();
        [prefix << 4 | a, b, c, d, e]
    }
}

impl From<Pts> for Pcr {
    /// The same instant in ticks of 27 MHz.
    fn from(pts: Pts) -> Self {
        Self::new(pts.0 * 300)
    }
}

/// A view of a PES packet's beginning, as far as the bytes at hand go.
#[derive(Clone, Copy, Debug)]
pub struct Pes<'a> {
    stream_id: u8,
    packet_length: u16,
    flags: [u8; 2],
    /// The optional fields, `PES_header_data_length` bytes; empty where the stream id has none.
    optional: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Pes<'a> {
    /// Reads the header at the start of `bytes`, usually the payload of a packet with
    /// `payload_unit_start`. `None` when there is no start code or when the header does not end
    /// within `bytes`.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[0, 0, 1, stream_id, a, b], rest) = bytes.split_first_chunk::<PREFIX_LEN>()? else {
            return None;
        };
        let packet_length = u16::from_be_bytes([a, b]);
        if !has_optional_header(stream_id) {
            let flags = [0; 2];
            return Some(Self { stream_id, packet_length, flags, optional: &[], payload: rest });
        }
        let (&[flags_a, flags_b, header_data_length], rest) = rest.split_first_chunk()?;
        // MPEG-2 marks its headers with '10'; anything else is MPEG-1 or damage.
        if flags_a & 0xC0 != 0x80 {
            return None;
        }
        let (optional, payload) = rest.split_at_checked(usize::from(header_data_length))?;
        Some(Self { stream_id, packet_length, flags: [flags_a, flags_b], optional, payload })
    }

    /// What kind of stream, see [`stream_id`].
    #[must_use]
    pub const fn stream_id(&self) -> u8 {
        self.stream_id
    }

    /// Bytes after the length field; `None` when the length is not told, as video may.
    #[must_use]
    pub const fn packet_length(&self) -> Option<u16> {
        if self.packet_length == 0 { None } else { Some(self.packet_length) }
    }

    /// The payload begins with an access unit.
    #[must_use]
    pub const fn data_alignment_indicator(&self) -> bool {
        self.flags[0] & 0x04 != 0
    }

    /// Presentation time of the first access unit that begins in this packet.
    #[must_use]
    pub fn pts(&self) -> Option<Pts> {
        if self.flags[1] & 0x80 == 0 {
            return None;
        }
        self.optional.first_chunk().map(|field| Pts::decode(*field))
    }

    /// Decoding time, present only where it differs from the presentation time.
    #[must_use]
    pub fn dts(&self) -> Option<Pts> {
        if self.flags[1] & 0xC0 != 0xC0 {
            return None;
        }
        self.optional.get(TIMESTAMP_LEN..)?.first_chunk().map(|field| Pts::decode(*field))
    }

    /// What of the payload lies in the bytes that were read.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// What a PES header to be written says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What kind of stream, see [`stream_id`]; one that has the optional header.
    pub stream_id: u8,
    /// The payload begins with an access unit.
    pub data_alignment: bool,
    /// Presentation time.
    pub pts: Option<Pts>,
    /// Decoding time. Written only beside a `pts` that differs from it (2.4.3.7).
    pub dts: Option<Pts>,
}

impl Header {
    /// Appends the header of a packet with `payload_len` bytes of payload to `out`. The length is
    /// left untold (0) when 16 bits do not hold it, which the standard allows for video only.
    pub fn write(&self, payload_len: usize, out: &mut Vec<u8>) {
        let dts = self.dts.filter(|dts| self.pts.is_some_and(|pts| pts != *dts));
        let (flags, prefix, optional_len): (u8, u8, u8) = match (self.pts, dts) {
            (None, _) => (0x00, 0, 0),
            (Some(_), None) => (0x80, 0b0010, 5),
            (Some(_), Some(_)) => (0xC0, 0b0011, 10),
        };
        let length = FIXED_LEN - PREFIX_LEN + usize::from(optional_len) + payload_len;
        let [length_high, length_low] = u16::try_from(length).unwrap_or(0).to_be_bytes();
        let alignment = 0x80 | u8::from(self.data_alignment) << 2;
        out.extend_from_slice(&[0, 0, 1, self.stream_id, length_high, length_low]);
        out.extend_from_slice(&[alignment, flags, optional_len]);
        out.extend(self.pts.iter().flat_map(|pts| pts.encode(prefix)));
        out.extend(dts.iter().flat_map(|dts| dts.encode(0b0001)));
    }
}

/// The times in a PES header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// Presentation time.
    pub pts: Pts,
    /// Decoding time, present only where it differs from the presentation time.
    pub dts: Option<Pts>,
}

impl Timestamps {
    /// Reads the times of the header at the start of `bytes`. Where [`Pes::parse`] needs the whole
    /// header, this does with as much as holds them. `None` when there is no PTS.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[0, 0, 1, stream_id, _, _, marker, flags, header_data_length], rest) =
            bytes.split_first_chunk::<FIXED_LEN>()?
        else {
            return None;
        };
        if !has_optional_header(stream_id) || marker & 0xC0 != 0x80 || flags & 0x80 == 0 {
            return None;
        }
        let len = usize::from(header_data_length);
        let field = |place: usize| {
            let end = (place + 1) * TIMESTAMP_LEN;
            let field = rest.get(..end).filter(|_| end <= len)?.last_chunk()?;
            Some(Pts::decode(*field))
        };
        let has_dts = flags & 0x40 != 0 && len >= 2 * TIMESTAMP_LEN;
        Some(Self { pts: field(0)?, dts: if has_dts { Some(field(1)?) } else { None } })
    }

    /// How long the beginning of a PES packet must be for [`parse`](Self::parse) to read all there
    /// is, as far as `bytes` of it tell: 0 for what begins no PES packet, 19 at most.
    #[must_use]
    pub fn end(bytes: &[u8]) -> usize {
        if bytes.iter().zip([0, 0, 1]).any(|(byte, due)| *byte != due) {
            return 0;
        }
        match *bytes {
            [_, _, _, stream_id, ..] if !has_optional_header(stream_id) => PREFIX_LEN,
            [_, _, _, _, _, _, marker, _, _, ..] if marker & 0xC0 != 0x80 => FIXED_LEN,
            [_, _, _, _, _, _, _, flags, header_data_length, ..] => {
                let wanted = [0, 0, TIMESTAMP_LEN, 2 * TIMESTAMP_LEN];
                let wanted = wanted.get(usize::from(flags >> 6)).copied().unwrap_or(0);
                let room = usize::from(header_data_length) / TIMESTAMP_LEN * TIMESTAMP_LEN;
                FIXED_LEN + wanted.min(room)
            }
            _ => FIXED_LEN,
        }
    }

    /// Both times so many ticks of 90 kHz later.
    #[must_use]
    pub fn moved(&self, ticks: u64) -> Self {
        let moved = |time: Pts| time.wrapping_add(ticks);
        Self { pts: moved(self.pts), dts: self.dts.map(moved) }
    }

    /// The decoding time, which is the presentation time where none is told.
    #[must_use]
    pub fn decoding(&self) -> Pts {
        self.dts.unwrap_or(self.pts)
    }
}

/// Adds `ticks` of 90 kHz to PTS and DTS of the header at the start of `bytes`, modulo 2^33, and sets
/// their marker bits. False, and nothing changed, when [`Timestamps::parse`] reads none.
pub fn shift_timestamps(bytes: &mut [u8], ticks: u64) -> bool {
    let count = match Timestamps::parse(bytes) {
        None => return false,
        Some(Timestamps { dts: None, .. }) => 1,
        Some(_) => 2,
    };
    let fields = bytes.get_mut(FIXED_LEN..).unwrap_or_default();
    for field in fields.as_chunks_mut::<TIMESTAMP_LEN>().0.iter_mut().take(count) {
        let prefix = field[0] >> 4;
        *field = Pts::decode(*field).wrapping_add(ticks).encode(prefix);
    }
    true
}

/// Whether flags and optional fields follow the length. Of these streams payload does (table 2-21).
pub(super) const fn has_optional_header(stream_id: u8) -> bool {
    // program_stream_map, padding, private_stream_2, ECM, EMM, program_stream_directory, DSM-CC,
    // H.222.1 type E.
    !matches!(stream_id, 0xBC | 0xBE | 0xBF | 0xF0 | 0xF1 | 0xFF | 0xF2 | 0xF8)
}
