//! Percent-encoding of RFC 3986 section 2.1. `+` is never a space here: that is a habit of forms.

use std::borrow::Cow;

/// `text` with every `%` and two hexadecimal digits replaced by their byte, once. A `%` that begins
/// no such triple stays. Never longer than `text`.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, triple(rest)) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(decoded)
}

/// [`decode`], where the result is UTF-8.
#[must_use]
pub fn decode_text(text: &str) -> Option<Cow<'_, str>> {
    match decode(text) {
        // Nothing was encoded, so the text is what it was.
        Cow::Borrowed(_) => Some(Cow::Borrowed(text)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// Appends `bytes` to `to`, percent-encoding those that `keep` refuses. What `keep` accepts must be
/// ASCII; other bytes are encoded whatever it says.
pub fn encode_into(bytes: &[u8], keep: impl Fn(u8) -> bool, to: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in bytes {
        if byte.is_ascii() && keep(*byte) {
            to.push(char::from(*byte));
        } else {
            to.push('%');
            for digit in [byte >> 4, byte & 15] {
                to.extend(DIGITS.get(usize::from(digit)));
            }
        }
    }
}

/// A byte that stands for itself anywhere in a URL (RFC 3986 section 2.3).
#[must_use]
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn triple(rest: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decoding_happens_once_and_leaves_what_is_no_triple() {
        let cases = [
            ("", ""),
            ("a+b", "a+b"),
            ("1%3a0%3A19", "1:0:19"),
            ("%2525", "%25"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%%41", "%A"),
            ("%c3%A4", "ä"),
            ("%+1", "%+1"),
        ];
        for (text, expected) in cases {
            assert_eq!(decode_text(text).unwrap(), expected);
        }
        assert_eq!(cases.len(), 10);
        assert_eq!(decode_text("%ff"), None);
        assert_eq!(&*decode("%ff%00"), [255, 0]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(bytes in vec(any::<u8>(), 0..64)) {
            let mut text = String::new();
            encode_into(&bytes, is_unreserved, &mut text);
            prop_assert!(text.bytes().all(|byte| is_unreserved(byte) || byte == b'%'));
            prop_assert_eq!(&*decode(&text), bytes);
        }

        #[test]
        fn decoding_never_grows(text in "(%[0-9a-f]{0,2}|.){0,20}") {
            prop_assert!(decode(&text).len() <= text.len());
        }
    }
}
