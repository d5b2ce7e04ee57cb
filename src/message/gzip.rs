//! The gzip content coding (RFC 9110 section 8.4.1.3, RFC 1952), for texts that have to be read.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// gzip, or `x-gzip`.
    Gzip,
    /// Anything else, or several.
    Other,
}

impl Coding {
    /// What the head of an answer says.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut codings = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Self::Identity,
            (Some(one), None) if one.eq_ignore_ascii_case(b"gzip") => Self::Gzip,
            (Some(one), None) if one.eq_ignore_ascii_case(b"x-gzip") => Self::Gzip,
            _ => Self::Other,
        }
    }
}

/// Why a body is not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is no gzip, damaged, or cut short.
    Damaged,
    /// More than the caller wants.
    TooLong,
}

/// Unpacks `bytes`, which may be several members (RFC 1952 section 2.2). Never makes more than
/// `max` bytes, whatever they claim; at most 64 KiB of memory beside them.
///
/// # Errors
/// See [`Error`].
pub fn unpack(bytes: &[u8], max: usize) -> Result<Vec<u8>, Error> {
    let mut unpacked = Vec::new();
    let mut limited = MultiGzDecoder::new(bytes).take(max as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(|_| Error::Damaged)?;
    if unpacked.len() > max { Err(Error::TooLong) } else { Ok(unpacked) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_out() {
        let text = b"#EXTM3U\n".repeat(1000);
        assert_eq!(unpack(&packed(&text), 8000).unwrap(), text);
        let two = [packed(b"one "), packed(b"two")].concat();
        assert_eq!(unpack(&two, 100).unwrap(), b"one two");
    }

    #[test]
    fn a_bomb_stops_at_its_bound_and_damage_is_noticed() {
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(&bomb, 1 << 20), Err(Error::TooLong));
        let text = packed(b"#EXTM3U\n");
        for cut in 0..text.len() {
            assert_eq!(unpack(&text[..cut], 100), Err(Error::Damaged), "{cut}");
        }
        assert_eq!(unpack(b"#EXTM3U\n", 100), Err(Error::Damaged));
    }

    #[test]
    fn a_head_says_how_its_body_is_coded() {
        let of = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (CONTENT_ENCODING, HeaderValue::from_static(line)));
            Coding::of(&lines.collect())
        };
        assert_eq!(of(&[]), Coding::Identity);
        assert_eq!(of(&["identity"]), Coding::Identity);
        assert_eq!(of(&["GZIP"]), Coding::Gzip);
        assert_eq!(of(&["identity", "x-gzip"]), Coding::Gzip);
        for other in [&["br"][..], &["gzip, gzip"], &["gzip", "br"], &["deflate"]] {
            assert_eq!(of(other), Coding::Other, "{other:?}");
        }
    }
}
