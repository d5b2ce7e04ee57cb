//! AES-128 segments made clear: CBC over the whole resource with PKCS #7 padding (8216bis section
//! 5.2).

use aes::Aes128;
use cbc::Decryptor;
use cbc::cipher::Array;
use cbc::cipher::BlockModeDecrypt;
use cbc::cipher::KeyIvInit;

/// Bytes of a block, of a key and of a vector.
pub(super) const BLOCK: usize = 16;

/// Decrypts one segment. 200 bytes.
pub(super) struct Decryption {
    mode: Decryptor<Aes128>,
    /// A block that is not whole, or the last whole one, which may be padding.
    held: [u8; BLOCK],
    held_len: usize,
}

impl Decryption {
    pub(super) fn new(key: [u8; BLOCK], iv: [u8; BLOCK]) -> Self {
        let mode = Decryptor::new(&Array(key), &Array(iv));
        Self { mode, held: [0; BLOCK], held_len: 0 }
    }

    /// Takes the next bytes and appends what they are in the clear, as far as it is certain that they
    /// are not the padding at the end.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.held.get(..self.held_len).unwrap_or_default());
        out.extend_from_slice(bytes);
        let whole = (out.len() - start).saturating_sub(1) / BLOCK * BLOCK;
        let keep = out.split_off(start + whole);
        self.held_len = keep.len();
        self.held.iter_mut().zip(keep).for_each(|(to, from)| *to = from);
        let clear = out.get_mut(start..).unwrap_or_default();
        self.mode.decrypt_blocks(Array::slice_as_chunks_mut(clear).0);
    }

    /// Whether what has come does not end with a block.
    pub(super) const fn is_amid_block(&self) -> bool {
        !matches!(self.held_len, 0 | BLOCK)
    }

    /// Appends the last block without its padding. Packagers that do not pad are forgiven: a block
    /// without padding is given whole. Of one that is not whole nothing is.
    pub(super) fn end(mut self, out: &mut Vec<u8>) {
        if self.held_len != BLOCK {
            return;
        }
        let block = Array::cast_slice_from_core_mut(std::slice::from_mut(&mut self.held));
        self.mode.decrypt_blocks(block);
        let count = self.held.last().map_or(0, |last| usize::from(*last));
        let (clear, padding) = self.held.split_at(BLOCK.saturating_sub(count));
        let is_padding =
            (1..=BLOCK).contains(&count) && padding.iter().all(|byte| usize::from(*byte) == count);
        out.extend_from_slice(if is_padding { clear } else { &self.held });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '%s' TEXT | openssl enc -aes-128-cbc -K 000102…0f -iv 101112…1f | xxd -p`
    const KEY: [u8; BLOCK] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const IV: [u8; BLOCK] = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];

    fn clear(bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
        let (mut decryption, mut out) = (Decryption::new(KEY, IV), Vec::new());
        bytes.chunks(piece).for_each(|bytes| decryption.push(bytes, &mut out));
        let is_whole = !decryption.is_amid_block();
        decryption.end(&mut out);
        (out, is_whole)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex
            .chars()
            .map(|digit| u8::from_str_radix(digit.encode_utf8(&mut [0; 4]), 16).unwrap());
        digits.collect::<Vec<_>>().chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
    }

    #[test]
    fn what_openssl_has_encrypted_is_clear_in_any_pieces() {
        let cases = [
            ("", "0a940bb5416ef045f1c39458c653ea5a"),
            (
                "sixteen bytes ..",
                "4b91e7c8a24806f308fd366b22426004c5b02668b4791461aee034e1c0697ec2",
            ),
            (
                "forty bytes that are a few blocks ......",
                "a9bec9e40710f319351028a6efe02ca9f683fdf7794c01d1b6ee1628df3dd78693a1e78f7eca074e077682a3bc5c472c",
            ),
        ];
        for (text, hex) in cases {
            for piece in [1, 7, 16, 17, 100] {
                assert_eq!(clear(&bytes(hex), piece), (text.as_bytes().to_vec(), true), "{piece}");
            }
        }
    }

    #[test]
    fn a_segment_without_padding_is_whole_and_one_without_its_end_is_not() {
        let hex = "a9bec9e40710f319351028a6efe02ca9f683fdf7794c01d1b6ee1628df3dd78693a1e78f7eca074e077682a3bc5c472c";
        let mut unpadded = bytes(hex);
        unpadded.truncate(2 * BLOCK);
        assert_eq!(clear(&unpadded, 5), (b"forty bytes that are a few block".to_vec(), true));
        unpadded.truncate(2 * BLOCK - 3);
        assert_eq!(clear(&unpadded, 5), (b"forty bytes that".to_vec(), false));
        assert_eq!(clear(&[], 5), (Vec::new(), true));
    }
}
