//! Bits of one NAL unit: fixed and Exp-Golomb codes (ITU-T H.264, 9.1), CAVLC of a block that has
//! at most one coefficient (9.2), emulation prevention (7.4.1.1).

/// A raw byte sequence payload being written.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// Whole bytes.
    bytes: Vec<u8>,
    /// Bits that do not make a byte yet are the lowest of these.
    pending: u64,
    /// How many, below 8 between calls.
    pending_count: u32,
}

/// The kinds of residual block that occur, by the table of their `coeff_token` (table 9-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Luma DC next to blocks without coefficients: nC is 0.
    Luma,
    /// Luma DC next to I_PCM, which counts as 16 coefficients a block: nC is 8 or 16.
    LumaBesidePcm,
    /// Chroma DC in 4:2:0: nC is -1.
    ChromaDc,
}

impl Bits {
    /// Appends the low `count` bits of `value`, at most 32.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        self.pending = self.pending << count | u64::from(value);
        self.pending_count += count;
        while self.pending_count >= 8 {
            self.pending_count -= 8;
            let [.., byte] = (self.pending >> self.pending_count).to_be_bytes();
            self.bytes.push(byte);
        }
    }

    /// Appends an unsigned Exp-Golomb code, ue(v).
    pub(super) fn put_ue(&mut self, value: u32) {
        let code = value + 1;
        let zeros = code.ilog2();
        self.put(0, zeros);
        self.put(code, zeros + 1);
    }

    /// Appends a signed Exp-Golomb code, se(v).
    pub(super) fn put_se(&mut self, value: i32) {
        self.put_ue(value.unsigned_abs() * 2 - u32::from(value > 0));
    }

    /// Appends a block whose first coefficient is `level` and whose others are 0 (7.3.5.3.2).
    pub(super) fn put_coefficient(&mut self, level: i32, block: Block) {
        let size = level.unsigned_abs();
        let (code, count) = match (block, size) {
            (Block::Luma, 0) => (0b1, 1),
            (Block::Luma, 1) => (0b01, 2),
            (Block::Luma, _) => (0b00_0101, 6),
            (Block::LumaBesidePcm, 0) => (0b00_0011, 6),
            (Block::LumaBesidePcm, 1) => (0b00_0001, 6),
            (Block::LumaBesidePcm, _) => (0b00_0000, 6),
            (Block::ChromaDc, 0) => (0b01, 2),
            (Block::ChromaDc, 1) => (0b1, 1),
            (Block::ChromaDc, _) => (0b00_0111, 6),
        };
        self.put(code, count);
        let negative = u32::from(level < 0);
        match size {
            0 => return,
            1 => self.put(negative, 1), // A trailing one is its sign.
            _ => self.put_level(2 * (size - 2) + negative),
        }
        self.put(1, 1); // total_zeros is 0.
    }

    /// `levelCode` of 9.2.2.1 with a suffixLength of 0.
    fn put_level(&mut self, level_code: u32) {
        match level_code {
            0..14 => self.put(1, level_code + 1),
            14..30 => {
                self.put(1, 15);
                self.put(level_code - 14, 4);
            }
            _ => {
                self.put(1, 16);
                self.put(level_code - 30, 12);
            }
        }
    }

    /// Fills the byte with zero bits (pcm_alignment_zero_bit) and gives the bytes to append to.
    pub(super) fn aligned_bytes(&mut self) -> &mut Vec<u8> {
        self.put(0, (8 - self.pending_count) % 8);
        &mut self.bytes
    }

    /// Ends the payload (7.3.2.11) and appends it to `out` as a NAL unit of the byte stream format.
    /// What comes next is another payload.
    pub(super) fn write_nal(&mut self, header: u8, out: &mut Vec<u8>) {
        self.put(1, 1);
        self.aligned_bytes();
        out.extend_from_slice(&[0, 0, 0, 1, header]);
        let mut zeros = 0;
        for byte in self.bytes.drain(..) {
            if zeros == 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            out.push(byte);
            zeros = if byte == 0 { zeros + 1 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(put: impl Fn(&mut Bits)) -> String {
        let mut bits = Bits::default();
        put(&mut bits);
        bits.put(1, 1);
        let text: String = bits.aligned_bytes().iter().map(|byte| format!("{byte:08b}")).collect();
        text.trim_end_matches('0').strip_suffix('1').unwrap_or_default().to_owned()
    }

    #[test]
    fn exp_golomb_codes_are_those_of_table_9_2() {
        let mut seen = 0;
        for (value, code) in [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (8, "0001001")] {
            assert_eq!(bits(|bits| bits.put_ue(value)), code);
            seen += 1;
        }
        for (value, code) in [(0, "1"), (1, "010"), (-1, "011"), (2, "00100"), (-2, "00101")] {
            assert_eq!(bits(|bits| bits.put_se(value)), code);
            seen += 1;
        }
        assert_eq!(seen, 10);
    }

    #[test]
    fn coefficients_are_coded_by_their_size() {
        let cases = [
            (Block::Luma, 0, "1"),
            (Block::Luma, -1, "0111"),
            (Block::Luma, 2, "00010111"),
            (Block::LumaBesidePcm, -8, "000000000000000000011"),
            (Block::LumaBesidePcm, 9, "00000000000000000000100001"),
            (Block::ChromaDc, 1, "101"),
            (Block::ChromaDc, -255, "00011100000000000000010001110111011"),
        ];
        let mut seen = 0;
        for (block, level, code) in cases {
            assert_eq!(bits(|bits| bits.put_coefficient(level, block)), code);
            seen += 1;
        }
        assert_eq!(seen, 7);
    }

    #[test]
    fn start_codes_cannot_occur_inside() {
        let mut unit = Bits::default();
        unit.aligned_bytes().extend_from_slice(&[0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4]);
        let mut out = Vec::new();
        unit.write_nal(0x65, &mut out);
        let escaped = [0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 2, 0, 0, 3, 3, 0, 0, 4, 0x80];
        assert_eq!(out, [[0, 0, 0, 1, 0x65].as_slice(), &escaped].concat());
    }
}
