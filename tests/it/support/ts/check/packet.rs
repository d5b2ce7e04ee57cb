//! One packet taken apart (ISO/IEC 13818-1 2.4.3.2 to 2.4.3.5).

use super::super::PACKET;

/// The fields of a transport packet that the judge looks at.
pub(crate) struct Packet<'a> {
    pub(crate) bytes: &'a [u8; PACKET],
    pub(crate) pid: u16,
    /// transport_error_indicator.
    pub(crate) error: bool,
    /// payload_unit_start_indicator.
    pub(crate) start: bool,
    /// transport_scrambling_control is not zero.
    pub(crate) scrambled: bool,
    /// adaptation_field_control says that there is a payload.
    pub(crate) has_payload: bool,
    pub(crate) counter: u8,
    pub(crate) discontinuity: bool,
    pub(crate) random_access: bool,
    /// In ticks of 27 MHz.
    pub(crate) pcr: Option<u64>,
    pub(crate) payload: &'a [u8],
    /// What contradicts the standard.
    pub(crate) malformed: Option<&'static str>,
}

impl<'a> Packet<'a> {
    /// Reads a packet whose first byte is the sync byte.
    pub(crate) fn read(bytes: &'a [u8; PACKET]) -> Self {
        let control = bytes[3] >> 4 & 3;
        let mut packet = Self {
            bytes,
            pid: u16::from_be_bytes([bytes[1] & 0x1f, bytes[2]]),
            error: bytes[1] & 0x80 != 0,
            start: bytes[1] & 0x40 != 0,
            scrambled: bytes[3] >> 6 != 0,
            has_payload: control & 1 == 1,
            counter: bytes[3] & 0xf,
            discontinuity: false,
            random_access: false,
            pcr: None,
            payload: &[],
            malformed: None,
        };
        let after_head = &bytes[4..];
        match control {
            0 => packet.malformed = Some("adaptation_field_control 00 is reserved"),
            1 => packet.payload = after_head,
            _ => packet.adaptation(after_head, control),
        }
        packet
    }

    /// Whether this packet repeats `first` as 2.4.3.3 allows: every byte the same but those of the
    /// PCR.
    pub(crate) fn repeats(&self, first: &[u8; PACKET]) -> bool {
        let pcr = if self.pcr.is_some() { 6..12 } else { 0..0 };
        let same = |at: usize| pcr.contains(&at) || self.bytes[at] == first[at];
        (0..PACKET).all(same)
    }

    fn adaptation(&mut self, after_head: &'a [u8], control: u8) {
        let length = usize::from(after_head[0]);
        // 2.4.3.5: 183 without a payload, 0 to 182 before one.
        let fits = if control == 2 { length == 183 } else { length < 183 };
        let Some((field, payload)) = after_head[1..].split_at_checked(length).filter(|_| fits)
        else {
            self.malformed = Some("adaptation_field_length");
            return;
        };
        self.payload = payload;
        let Some((flags, rest)) = field.split_first() else { return };
        self.discontinuity = flags & 0x80 != 0;
        self.random_access = flags & 0x40 != 0;
        if flags & 0x10 == 0 {
            return;
        }
        let Some(pcr) = rest.first_chunk::<6>() else {
            self.malformed = Some("PCR outside of the adaptation field");
            return;
        };
        let [a, b, c, d, e, f] = *pcr;
        let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let (base, extension) = (bits >> 15, bits & 0x1ff);
        if extension >= 300 {
            self.malformed = Some("program_clock_reference_extension");
            return;
        }
        self.pcr = Some(base * 300 + extension);
    }
}
