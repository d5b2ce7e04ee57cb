//! Whether the first picture of a video stream decodes without anything before it: ITU-T H.264
//! 7.4.1.2.1, ITU-T H.265 7.4.2.4.4, ISO/IEC 13818-2 6.1.1.6.

/// What a player finds where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// No picture in these bytes.
    Nothing,
    /// A picture that decodes alone. `open`: pictures after it may lead to what is missing.
    RandomAccess { open: bool },
    /// Another one.
    Refused(String),
}

/// Where each start code of an elementary stream is followed by its unit, and the unit's first
/// bytes.
pub(crate) fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts =
        (0..bytes.len().saturating_sub(3)).filter(|at| bytes[*at..].starts_with(&[0, 0, 1]));
    starts.map(|at| &bytes[at + 3..])
}

/// Judges the bytes from the first access unit on; `kind` is the stream_type.
pub(crate) fn entry(kind: u8, bytes: &[u8]) -> Entry {
    match kind {
        0x1b => h264(bytes),
        0x24 => hevc(bytes),
        0x01 | 0x02 => mpeg2(bytes),
        // MPEG-4 part 2 and what else there may be is not looked into.
        _ => Entry::RandomAccess { open: true },
    }
}

/// Whether a picture of HEVC refers to one before the random access point that it belongs to.
pub(crate) fn is_skipped_leading(bytes: &[u8]) -> bool {
    let types = units(bytes).map(|unit| unit[0] >> 1 & 0x3f);
    types.into_iter().find(|kind| *kind < 32).is_some_and(|kind| kind == 8 || kind == 9)
}

/// Whether an access unit of HEVC is an IRAP picture.
pub(crate) fn is_irap(bytes: &[u8]) -> bool {
    let types = units(bytes).map(|unit| unit[0] >> 1 & 0x3f);
    types.into_iter().find(|kind| *kind < 32).is_some_and(|kind| (16..=23).contains(&kind))
}

/// The first slice decides: in a pair of fields the second may follow from the first.
fn h264(bytes: &[u8]) -> Entry {
    let (mut sps, mut pps, mut recovery) = (false, false, false);
    for unit in units(bytes) {
        match unit[0] & 0x1f {
            7 => sps = true,
            8 => pps = true,
            6 => recovery |= has_recovery_point(&unescaped(&unit[1..])),
            1..=5 if !sps || !pps => {
                return Entry::Refused("a slice before SPS and PPS".to_owned());
            }
            5 => return Entry::RandomAccess { open: false },
            1 | 2 => {
                let mut bits = Bits::new(&unit[1..]);
                let (_first_mb, slice_type) = (bits.exp_golomb(), bits.exp_golomb());
                if matches!(slice_type % 5, 2 | 4) || recovery {
                    return Entry::RandomAccess { open: true };
                }
                return Entry::Refused(format!("slice_type {slice_type}, no recovery point"));
            }
            _ => {}
        }
    }
    Entry::Nothing
}

/// The first bytes of a unit without emulation prevention (7.4.1.1), up to the next start code.
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    for (at, byte) in unit.iter().enumerate().take(512) {
        match unit[at.saturating_sub(2)..at] {
            [0, 0] if *byte == 3 => {}
            [0, 0] if *byte < 3 => break,
            _ => plain.push(*byte),
        }
    }
    plain
}

/// payloadType 6 among the messages of an SEI unit (7.3.2.3).
fn has_recovery_point(mut rest: &[u8]) -> bool {
    loop {
        let (mut kind, mut size) = (0, 0);
        for value in [&mut kind, &mut size] {
            while let [0xff, after @ ..] = rest {
                (*value, rest) = (*value + 255, after);
            }
            let [last, after @ ..] = rest else { return false };
            (*value, rest) = (*value + usize::from(*last), after);
        }
        if kind == 6 {
            return true;
        }
        let Some(after) = rest.get(size..) else { return false };
        if after.len() < 2 || after[0] == 0x80 {
            return false;
        }
        rest = after;
    }
}

fn hevc(bytes: &[u8]) -> Entry {
    let mut sets = [false; 3];
    for unit in units(bytes) {
        match unit[0] >> 1 & 0x3f {
            set @ 32..=34 => sets[usize::from(set) - 32] = true,
            slice @ 0..=31 if sets != [true; 3] => {
                return Entry::Refused(format!("slice of type {slice} before VPS, SPS and PPS"));
            }
            16..=20 => return Entry::RandomAccess { open: false },
            21 => return Entry::RandomAccess { open: true },
            slice @ 0..=31 => return Entry::Refused(format!("slice of type {slice}, not IRAP")),
            _ => {}
        }
    }
    Entry::Nothing
}

fn mpeg2(bytes: &[u8]) -> Entry {
    let mut sequence = false;
    for unit in units(bytes) {
        match unit[0] {
            0xb3 => sequence = true,
            0x00 if !sequence => {
                return Entry::Refused("a picture before the sequence header".to_owned());
            }
            0x00 => {
                let Some(second) = unit.get(2) else { return Entry::Nothing };
                // temporal_reference has ten bits, picture_coding_type three.
                return match second >> 3 & 7 {
                    1 => Entry::RandomAccess { open: true },
                    coding => Entry::Refused(format!("picture_coding_type {coding}")),
                };
            }
            _ => {}
        }
    }
    Entry::Nothing
}

/// Bits of an H.264 header, whose first bytes hold no emulation prevention.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> u32 {
        let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0xff);
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        u32::from(bit)
    }

    /// ue(v), 9.1.
    fn exp_golomb(&mut self) -> u32 {
        let mut zeros = 0;
        while zeros < 24 && self.bit() == 0 {
            zeros += 1;
        }
        (0..zeros).fold(1, |value, _| value << 1 | self.bit()) - 1
    }
}
