//! One transport packet (ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5): [`Packet`] reads the header and the
//! adaptation field where they lie, [`Header`] writes a packet, the setters rewrite one in place.
//! What a payload holds is for [`psi`](super::psi) and [`pes`](super::pes).

use std::fmt;

#[cfg(test)]
mod tests;

/// Bytes in a transport packet.
pub const LEN: usize = 188;

/// First byte of every transport packet.
pub const SYNC: u8 = 0x47;

/// Bytes after the four of the header: adaptation field and payload share them.
const BODY_LEN: usize = LEN - 4;

/// A packet identifier, 13 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(u16);

impl Pid {
    /// Programme association table.
    pub const PAT: Self = Self(0);
    /// Service description table (ETSI EN 300 468).
    pub const SDT: Self = Self(0x11);
    /// Null packets: no meaning, their continuity counter is undefined.
    pub const NULL: Self = Self(0x1FFF);
    /// How many PIDs there are, for tables indexed by PID.
    pub const COUNT: usize = 0x2000;

    /// The low 13 bits of `value`; the upper three are dropped.
    #[must_use]
    pub const fn masked(value: u16) -> Self {
        Self(value & 0x1FFF)
    }

    /// The number, below [`Pid::COUNT`].
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({:#x})", self.0)
    }
}

/// A programme clock reference in ticks of 27 MHz, always below [`Pcr::MODULUS`]: it wraps after
/// 26.5 hours, so two of them have a distance ([`Pcr::since`]) but no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pcr(u64);

impl Pcr {
    /// Ticks in a second.
    pub const HZ: u64 = 27_000_000;
    /// Where the clock starts again at zero: a 33-bit base of 90 kHz times 300.
    pub const MODULUS: u64 = (1 << 33) * 300;

    /// `ticks` modulo [`Pcr::MODULUS`].
    #[must_use]
    pub const fn new(ticks: u64) -> Self {
        Self(ticks % Self::MODULUS)
    }

    /// Ticks of 27 MHz.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// This instant and `ticks` later, round the wrap.
    #[must_use]
    pub const fn wrapping_add(self, ticks: u64) -> Self {
        Self::new(self.0 + ticks % Self::MODULUS)
    }

    /// Ticks from `earlier` to `self` the short way round the wrap: negative if `self` lies before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        let ahead = (self.0 + Self::MODULUS - earlier.0) % Self::MODULUS;
        if ahead < Self::MODULUS / 2 {
            ahead.cast_signed()
        } else {
            ahead.cast_signed() - Self::MODULUS.cast_signed()
        }
    }

    /// Reads the six bytes of the field. An extension of 300 or more, which the standard does not
    /// allow, is added all the same.
    #[must_use]
    pub const fn decode(field: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = field;
        let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        Self::new((bits >> 15) * 300 + (bits & 0x1FF))
    }

    /// The six bytes of the field, reserved bits set.
    #[must_use]
    pub const fn encode(self) -> [u8; 6] {
        let bits = ((self.0 / 300) << 15) | (0x3F << 9) | (self.0 % 300);
        let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
        [a, b, c, d, e, f]
    }
}

/// A packet's continuity counter as its writer keeps it: one per PID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContinuityCounter(u8);

impl ContinuityCounter {
    /// The counter of a PID whose last packet had the low four bits of `last`, as
    /// [`Packet::continuity_counter`] reads them.
    #[must_use]
    pub const fn after(last: u8) -> Self {
        Self(last.wrapping_add(1) & 0x0F)
    }

    /// The value for the next packet with a payload. A packet without one repeats the value of the
    /// packet before it and takes none from here (2.4.3.3).
    pub const fn advance(&mut self) -> u8 {
        let value = self.0;
        self.0 = (value + 1) & 0x0F;
        value
    }
}

/// A view of one packet.
#[derive(Clone, Copy)]
pub struct Packet<'a>(&'a [u8; LEN]);

impl<'a> Packet<'a> {
    /// A view of `bytes`, or `None` when they do not begin with the sync byte.
    #[must_use]
    pub const fn parse(bytes: &'a [u8; LEN]) -> Option<Self> {
        if bytes[0] == SYNC { Some(Self(bytes)) } else { None }
    }

    /// A demodulator could not repair this packet: nothing else in it can be believed.
    #[must_use]
    pub const fn transport_error(self) -> bool {
        self.0[1] & 0x80 != 0
    }

    /// A PES packet begins with the payload, or a section begins within it.
    #[must_use]
    pub const fn payload_unit_start(self) -> bool {
        self.0[1] & 0x40 != 0
    }

    /// What stream the packet belongs to.
    #[must_use]
    pub const fn pid(self) -> Pid {
        Pid::masked(u16::from_be_bytes([self.0[1], self.0[2]]))
    }

    /// `transport_scrambling_control`, two bits: 0 means clear.
    #[must_use]
    pub const fn scrambling(self) -> u8 {
        self.0[3] >> 6
    }

    /// Four bits.
    #[must_use]
    pub const fn continuity_counter(self) -> u8 {
        self.0[3] & 0x0F
    }

    /// Stuffing of the multiplex, to be passed over.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.pid().0 == Pid::NULL.0
    }

    /// The header announces a payload, so that the continuity counter counts this packet. True also
    /// where a malformed adaptation field leaves no room for it and [`Packet::payload`] is `None`.
    #[must_use]
    pub const fn has_payload(self) -> bool {
        self.0[3] & 0x10 != 0
    }

    /// The adaptation field. `None` when there is none or when it claims more bytes than there are.
    #[must_use]
    pub fn adaptation(self) -> Option<Adaptation<'a>> {
        if self.0[3] & 0x20 == 0 {
            return None;
        }
        self.0.get(5..5 + usize::from(self.0[4])).map(Adaptation)
    }

    /// The bytes after header and adaptation field. `None` when the header announces none or when
    /// the adaptation field is malformed.
    #[must_use]
    pub fn payload(self) -> Option<&'a [u8]> {
        if !self.has_payload() {
            return None;
        }
        let adaptation_len = if self.0[3] & 0x20 == 0 { 0 } else { 1 + usize::from(self.0[4]) };
        self.0.get(4 + adaptation_len..)
    }

    /// The clock reference, where this packet carries one.
    #[must_use]
    pub fn pcr(self) -> Option<Pcr> {
        self.adaptation().and_then(Adaptation::pcr)
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("pid", &self.pid())
            .field("payload_unit_start", &self.payload_unit_start())
            .field("continuity_counter", &self.continuity_counter())
            .field("pcr", &self.pcr())
            .finish_non_exhaustive()
    }
}

/// A view of an adaptation field (2.4.3.4), without its length byte. A field of length zero has no
/// flags: each reads as unset.
#[derive(Clone, Copy, Debug)]
pub struct Adaptation<'a>(&'a [u8]);

impl Adaptation<'_> {
    /// The clock or the continuity counter of this PID does not go on from the packet before.
    #[must_use]
    pub fn discontinuity_indicator(self) -> bool {
        self.flags() & 0x80 != 0
    }

    /// A decoder can begin with what starts here.
    #[must_use]
    pub fn random_access_indicator(self) -> bool {
        self.flags() & 0x40 != 0
    }

    /// The clock reference. `None` also when the field is too short for the one it announces.
    #[must_use]
    pub fn pcr(self) -> Option<Pcr> {
        if self.flags() & 0x10 == 0 {
            return None;
        }
        self.0.get(1..)?.first_chunk().map(|field| Pcr::decode(*field))
    }

    fn flags(self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }
}

/// What the header and adaptation field of a packet to be written say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The stream.
    pub pid: Pid,
    /// Set on the packet that begins a PES packet or a section.
    pub payload_unit_start: bool,
    /// Low four bits count; see [`ContinuityCounter`].
    pub continuity_counter: u8,
    /// Sets the discontinuity_indicator.
    pub discontinuity: bool,
    /// Sets the random_access_indicator.
    pub random_access: bool,
    /// The clock reference to carry.
    pub pcr: Option<Pcr>,
}

impl Header {
    /// A plain header: nothing but the stream and its counter.
    #[must_use]
    pub const fn new(pid: Pid, continuity_counter: u8) -> Self {
        Self {
            pid,
            payload_unit_start: false,
            continuity_counter,
            discontinuity: false,
            random_access: false,
            pcr: None,
        }
    }

    /// Appends one packet to `out` and returns what of `payload` did not fit. A payload too short
    /// for the packet is preceded by a stuffed adaptation field; an empty one makes a packet
    /// without payload, whose counter must not have been advanced.
    pub fn write<'p>(&self, payload: &'p [u8], out: &mut Vec<u8>) -> &'p [u8] {
        let flags = (u8::from(self.discontinuity) << 7)
            | (u8::from(self.random_access) << 6)
            | (u8::from(self.pcr.is_some()) << 4);
        let pcr_len = if self.pcr.is_some() { 6 } else { 0 };
        let wanted_len = if flags == 0 { 0 } else { 2 + pcr_len };
        let (taken, rest) =
            payload.split_at_checked(BODY_LEN - wanted_len).unwrap_or((payload, &[]));

        let start = out.len();
        let [high, low] = self.pid.value().to_be_bytes();
        let adaptation_len = BODY_LEN - taken.len();
        let control = u8::from(adaptation_len > 0) << 5 | u8::from(!taken.is_empty()) << 4;
        out.extend_from_slice(&[
            SYNC,
            u8::from(self.payload_unit_start) << 6 | high,
            low,
            control | (self.continuity_counter & 0x0F),
        ]);
        if let Some(field_len) = adaptation_len.checked_sub(1) {
            out.push(u8::try_from(field_len).unwrap_or(0)); // At most 183.
            if field_len > 0 {
                out.push(flags);
                out.extend(self.pcr.iter().flat_map(|pcr| pcr.encode()));
            }
            out.resize(start + 4 + adaptation_len, 0xFF);
        }
        out.extend_from_slice(taken);
        rest
    }
}

/// Moves the packet to another PID.
pub const fn set_pid(packet: &mut [u8; LEN], pid: Pid) {
    let [high, low] = pid.value().to_be_bytes();
    packet[1] = packet[1] & 0xE0 | high;
    packet[2] = low;
}

/// Overwrites the continuity counter with the low four bits of `value`.
pub const fn set_continuity_counter(packet: &mut [u8; LEN], value: u8) {
    packet[3] = packet[3] & 0xF0 | value & 0x0F;
}

/// Sets the discontinuity_indicator. False, and nothing changed, when the packet has no flags.
pub fn set_discontinuity(packet: &mut [u8; LEN]) -> bool {
    let has_flags = Packet(packet).adaptation().is_some_and(|field| !field.0.is_empty());
    if has_flags {
        packet[5] |= 0x80;
    }
    has_flags
}

/// The payload, to be changed in place: empty where [`Packet::payload`] is `None`.
pub fn payload_mut(packet: &mut [u8; LEN]) -> &mut [u8] {
    let len = Packet(packet).payload().map_or(0, <[u8]>::len);
    packet.get_mut(LEN - len..).unwrap_or_default()
}

/// Overwrites the clock reference. False, and nothing changed, when the packet carries none.
pub fn set_pcr(packet: &mut [u8; LEN], pcr: Pcr) -> bool {
    if Packet(packet).pcr().is_none() {
        return false;
    }
    // A PCR that was read follows the length and the flags of the adaptation field.
    let Some(field) = packet.get_mut(6..).and_then(<[u8]>::first_chunk_mut) else { return false };
    *field = pcr.encode();
    true
}
