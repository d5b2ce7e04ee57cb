//! What stands inside a seal, byte by byte. Every field is as short as it can be without a table
//! that both ends would have to keep. Numbers of unknown size are LEB128: seven bits a byte, the
//! lowest first, the high bit set on all but the last.

use crate::delivery::seal::Behind;
use crate::delivery::seal::Sealed;

/// The low bits of the head: what is behind the URL.
const BEHIND: u8 = 0b0000_1111;
/// The next two: the scheme that is left out of the URL. Neither: the URL is whole.
const HTTP: u8 = 0b0001_0000;
const HTTPS: u8 = 0b0010_0000;
/// There are variables.
const VARIABLES: u8 = 0b0100_0000;
/// The session stands in four bytes.
const WIDE: u8 = 0b1000_0000;

/// From here on a session is longer in LEB128 than in four bytes, or as long.
const WIDE_FROM: u32 = 1 << 21;

/// The bytes of `sealed`; `None` when a length is beyond 32 bits.
///
/// | bytes  | field |
/// |--------|-------|
/// | 1      | head: what is behind it (4 bits), and the flags above |
/// | 1      | source |
/// | 1 to 4 | session: LEB128, or big endian where that is shorter |
/// | 4      | expiry, Unix seconds, big endian |
/// | 1      | length of the channel's id, LEB128 (2 from 128 bytes on) |
/// |        | the channel's id |
/// | 0      | variables, only if there are any: their number, then name and value of each, all texts led by their length, all LEB128 |
/// |        | the URL without `http://` or `https://`, up to the end |
///
/// The fields so take 8 bytes beside the texts, 11 with the largest session, and the seal
/// ([`Keyring::seal`](super::keys::Keyring::seal)) 29 more. 37 bytes are 50 characters, and each
/// character of the id and of the URL beyond its scheme is 4/3 of one.
pub(super) fn write(sealed: &Sealed) -> Option<Vec<u8>> {
    let Sealed { channel, source, behind, session, expires, url, variables } = sealed;
    let (scheme, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (HTTP, rest),
        (_, Some(rest)) => (HTTPS, rest),
        (None, None) => (0, url.as_str()),
    };
    let wide = if *session < WIDE_FROM { 0 } else { WIDE };
    let with = if variables.is_empty() { 0 } else { VARIABLES };
    let mut plain = Vec::with_capacity(16 + channel.len() + rest.len());
    plain.extend([behind_bits(*behind) | scheme | wide | with, *source]);
    match wide {
        0 => write_number(&mut plain, *session),
        _ => plain.extend(session.to_be_bytes()),
    }
    plain.extend(expires.to_be_bytes());
    write_text(&mut plain, channel)?;
    if !variables.is_empty() {
        write_number(&mut plain, u32::try_from(variables.len()).ok()?);
    }
    for (name, value) in variables {
        write_text(&mut plain, name)?;
        write_text(&mut plain, value)?;
    }
    plain.extend_from_slice(rest.as_bytes());
    Some(plain)
}

/// What [`write()`] wrote; `None` for bytes that it cannot have written. Whatever numbers stand in it,
/// nothing is allocated for texts that do not.
pub(super) fn read(plain: &[u8]) -> Option<Sealed> {
    let (&[head, source], mut rest) = plain.split_first_chunk::<2>()?;
    let session = match head & WIDE {
        0 => read_number(&mut rest)?,
        _ => u32::from_be_bytes(read_four(&mut rest)?),
    };
    let expires = u32::from_be_bytes(read_four(&mut rest)?);
    let channel = read_text(&mut rest)?;
    let mut variables = Vec::new();
    if head & VARIABLES != 0 {
        // Each takes two bytes at least, so this ends with them.
        for _ in 0..read_number(&mut rest)? {
            variables.push((read_text(&mut rest)?, read_text(&mut rest)?));
        }
    }
    let scheme = match (head & HTTP, head & HTTPS) {
        (0, 0) => "",
        (_, 0) => "http://",
        (0, _) => "https://",
        _ => return None,
    };
    let url = format!("{scheme}{}", str::from_utf8(rest).ok()?);
    let behind = behind_of(head & BEHIND)?;
    Some(Sealed { channel, source, behind, session, expires, url, variables })
}

/// At most 15.
const fn behind_bits(behind: Behind) -> u8 {
    match behind {
        Behind::Playlist => 0,
        Behind::Media => 1,
        Behind::Part => 2,
        Behind::Key => 3,
        Behind::Document => 4,
    }
}

const fn behind_of(bits: u8) -> Option<Behind> {
    match bits {
        0 => Some(Behind::Playlist),
        1 => Some(Behind::Media),
        2 => Some(Behind::Part),
        3 => Some(Behind::Key),
        4 => Some(Behind::Document),
        _ => None,
    }
}

fn write_text(plain: &mut Vec<u8>, text: &str) -> Option<()> {
    write_number(plain, u32::try_from(text.len()).ok()?);
    plain.extend_from_slice(text.as_bytes());
    Some(())
}

fn read_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(read_number(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    str::from_utf8(text).ok().map(str::to_owned)
}

fn write_number(plain: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        plain.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    plain.push((number & 0x7f) as u8);
}

fn read_number(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        let bits = u32::from(byte & 0x7f);
        // The last of five bytes has room for four bits.
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn read_four(rest: &mut &[u8]) -> Option<[u8; 4]> {
    let (four, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(*four)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_take_as_many_bytes_as_they_need_and_none_is_beyond_32_bits() {
        for (number, length) in
            [(0, 1), (127, 1), (128, 2), (WIDE_FROM - 1, 3), (WIDE_FROM, 4), (u32::MAX, 5)]
        {
            let mut bytes = Vec::new();
            write_number(&mut bytes, number);
            assert_eq!(bytes.len(), length);
            let mut rest = bytes.as_slice();
            assert_eq!((read_number(&mut rest), rest), (Some(number), &[][..]));
        }
        let refused: [&[u8]; 4] =
            [&[], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]];
        for mut bytes in refused {
            assert_eq!(read_number(&mut bytes), None);
        }
    }

    #[test]
    fn what_was_never_written_is_not_read() {
        let good = [0x11, 0, 1, 0, 0, 0, 2, 1, b'c', b'h'];
        let read_with = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            read(&bytes)
        };
        assert_eq!(read(&good).unwrap().url, "http://h");
        assert_eq!(read_with(0, 0x31), None, "two schemes");
        assert_eq!(read_with(0, 0x15), None, "unknown bits");
        assert_eq!(read_with(7, 3), None, "an id beyond the end");
        assert_eq!(read_with(8, 0xff), None, "an id that is no text");
        assert_eq!(read_with(9, 0xff), None, "a URL that is no text");
        assert_eq!(read_with(0, 0x51), None, "variables beyond the end");
        assert!((0..9).all(|length| read(&good[..length]).is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(plain in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(sealed) = read(&plain) {
                // Not always the same bytes: numbers may have been longer than they had to be.
                prop_assert_eq!(read(&write(&sealed).unwrap()), Some(sealed));
            }
        }
    }
}
