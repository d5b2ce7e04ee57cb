//! The small grammars of RFC 9110 section 5 that the parsers here share.

/// Where an element lies in the bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Offset after its last byte.
    pub(super) end: usize,
}

impl Span {
    /// The element itself; empty if `bytes` is shorter than what the span was made from.
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// A byte of a token (RFC 9110 section 5.6.2): methods and field names.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}

/// A byte of a field value or a reason phrase: no control but the horizontal tab.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=0x7e | 0x80..)
}

/// Whether `text` is 1 to `max` letters, digits, points, underscores and hyphens of ASCII: it stands in a
/// path as it is, and is one segment of it.
#[must_use]
pub fn is_plain_name(text: &str, max: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=max).contains(&text.len()) && text.bytes().all(is_plain)
}

/// `bytes` without the optional whitespace (spaces and tabs) around it.
pub(super) fn trim_whitespace(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A run of digits and nothing else, up to 2^63-1: what any file offset can hold.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let number = bytes.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(number).is_ok().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_digits_within_63_bits() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"010"), Some(10));
        assert_eq!(decimal(b"9223372036854775807"), Some(u64::MAX / 2));
        for bad in
            ["", "+1", "-1", "0x1", "1 ", "1,1", "9223372036854775808", "18446744073709551617"]
        {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn whitespace_is_trimmed_at_both_ends_only() {
        assert_eq!(trim_whitespace(b" \ta b\t "), b"a b");
        assert_eq!(trim_whitespace(b" \t "), b"");
        assert_eq!(trim_whitespace(b"\x0ba"), b"\x0ba");
    }
}
