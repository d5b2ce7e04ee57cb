//! What a segment is when it arrives: made clear, and judged by its first bytes.

use crate::delivery::Failure;
use crate::delivery::hls::continuous::decryption::BLOCK;
use crate::delivery::hls::continuous::decryption::Decryption;
use crate::media::m3u8::Unfit;
use crate::media::sniff::Container;
use crate::media::sniff::Verdict;
use crate::media::sniff::sniff;
use crate::upstream;

/// Unpacks one segment, whatever number of answers it takes to get it.
#[derive(Default)]
pub(super) struct Unpacking {
    /// Bytes of it that have come, as they come.
    taken: u64,
    decryption: Option<Decryption>,
    /// Where it ended amid a block.
    short_at: Option<u64>,
    /// Bytes by which it cannot be judged yet.
    head: Vec<u8>,
    is_judged: bool,
    clear: Vec<u8>,
}

impl Unpacking {
    /// It is encrypted, with this key and vector.
    pub(super) fn decrypt(&mut self, key: [u8; BLOCK], iv: [u8; BLOCK]) {
        if self.taken == 0 {
            self.decryption = Some(Decryption::new(key, iv));
        }
    }

    /// Bytes of it that have come.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the next bytes and answers those that are known to be of a transport stream.
    ///
    /// # Errors
    /// [`Failure::Unfit`], and [`upstream::Error::NotMedia`].
    pub(super) fn push<'b>(&'b mut self, bytes: &'b [u8]) -> Result<&'b [u8], Failure> {
        self.taken += bytes.len() as u64;
        let Some(decryption) = &mut self.decryption else {
            return if self.is_judged { Ok(bytes) } else { self.judge(bytes, false) };
        };
        self.clear.clear();
        decryption.push(bytes, &mut self.clear);
        self.cleared(false)
    }

    /// All of it has come; what was held back. What ends amid a block goes on with what is to come, or,
    /// if that is nothing, has ended all the same.
    ///
    /// # Errors
    /// As [`Unpacking::push`], and [`upstream::Error::Short`].
    pub(super) fn end(&mut self) -> Result<&[u8], Failure> {
        self.clear.clear();
        let is_amid_block = self.decryption.as_ref().is_some_and(Decryption::is_amid_block);
        if is_amid_block && self.short_at.replace(self.taken) != Some(self.taken) {
            return Err(upstream::Error::Short.into());
        }
        if let Some(decryption) = self.decryption.take() {
            decryption.end(&mut self.clear);
        }
        self.cleared(true)
    }

    fn cleared(&mut self, is_end: bool) -> Result<&[u8], Failure> {
        if self.is_judged {
            return Ok(&self.clear);
        }
        let clear = std::mem::take(&mut self.clear);
        self.judge(&clear, is_end)
    }

    fn judge(&mut self, bytes: &[u8], is_end: bool) -> Result<&[u8], Failure> {
        self.head.extend_from_slice(bytes);
        let what = match sniff(&self.head, is_end) {
            Verdict::NeedMore => return Ok(&[]),
            Verdict::Media(Container::MpegTs) => {
                self.is_judged = true;
                self.clear = std::mem::take(&mut self.head);
                return Ok(&self.clear);
            }
            Verdict::Media(Container::Mp4) => return Err(Unfit::FragmentedMp4.into()),
            Verdict::Media(Container::MpegAudio | Container::Adts | Container::Ac3) => {
                return Err(Unfit::PackedAudio.into());
            }
            Verdict::Media(_) => "a segment that is no transport stream",
            Verdict::NotMedia(what) => what,
        };
        Err(upstream::Error::NotMedia(what).into())
    }
}

#[cfg(test)]
mod tests {
    use aes::Aes128;
    use cbc::Encryptor;
    use cbc::cipher::Array;
    use cbc::cipher::BlockModeEncrypt;
    use cbc::cipher::KeyIvInit;

    use super::*;

    fn stream(packets: usize) -> Vec<u8> {
        let packet = |number: usize| {
            let mut packet = vec![number.to_le_bytes()[0]; 188];
            packet[0] = 0x47;
            packet
        };
        (0..packets).flat_map(packet).collect()
    }

    fn unpacked(bytes: &[u8], piece: usize) -> Result<Vec<u8>, String> {
        let (mut unpacking, mut out) = (Unpacking::default(), Vec::new());
        for bytes in bytes.chunks(piece) {
            let clear = unpacking.push(bytes).map_err(|failure| failure.to_string())?;
            out.extend_from_slice(clear);
        }
        assert_eq!(unpacking.taken(), bytes.len() as u64);
        out.extend_from_slice(unpacking.end().map_err(|failure| failure.to_string())?);
        Ok(out)
    }

    #[test]
    fn a_transport_stream_passes_in_any_pieces() {
        for packets in [1, 2, 40] {
            let stream = stream(packets);
            for piece in [1, 188, 5000] {
                assert!(unpacked(&stream, piece).unwrap() == stream, "{packets} in {piece}");
            }
        }
    }

    #[test]
    fn what_ends_amid_a_block_is_gone_on_with() {
        let (key, iv) = ([7; BLOCK], [9; BLOCK]);
        let stream = stream(20);
        let mut bytes = stream.clone();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        let padding = u8::try_from(bytes.len() - stream.len()).unwrap();
        bytes[stream.len()..].fill(padding);
        let mut mode = Encryptor::<Aes128>::new(&Array(key), &Array(iv));
        mode.encrypt_blocks(Array::slice_as_chunks_mut(&mut bytes).0);
        let (first, rest) = bytes.split_at(bytes.len() - 30);
        for rest in [rest, &[]] {
            let (mut unpacking, mut out) = (Unpacking::default(), Vec::new());
            unpacking.decrypt(key, iv);
            out.extend_from_slice(unpacking.push(first).unwrap());
            assert!(unpacking.end().is_err());
            unpacking.decrypt(key, iv);
            out.extend_from_slice(unpacking.push(rest).unwrap());
            out.extend_from_slice(unpacking.end().unwrap());
            assert!(if rest.is_empty() { stream.starts_with(&out) } else { stream == out });
        }
    }

    #[test]
    fn what_is_none_is_named() {
        let mut mp4 = b"\x00\x00\x00\x18styp".to_vec();
        mp4.resize(600, 0);
        let cases: [(&[u8], &str); 4] = [
            (&mp4, "its segments are fragmented MP4"),
            (b"ID3\x04\x00\x00\x00\x00\x00\x00 and more", "its segments are packed audio"),
            (b"<html>gone</html>", "an HTML or XML page"),
            (b"", "an empty body"),
        ];
        for (bytes, words) in cases {
            let error = unpacked(bytes, 700).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
