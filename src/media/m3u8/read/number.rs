//! Numbers as sources write them: none of them overflows.

use std::time::Duration;

use crate::media::m3u8::ByteRange;

/// The longest duration that is believed.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A decimal integer; what follows it does not count. The greatest number for one beyond 64 bits.
pub(super) fn integer(text: &str) -> Option<u64> {
    let digits = leading_digits(text.trim_start());
    let digit = |byte: u8| u64::from(byte - b'0');
    (!digits.is_empty()).then(|| {
        digits
            .bytes()
            .fold(0_u64, |number, byte| number.saturating_mul(10).saturating_add(digit(byte)))
    })
}

/// Seconds with any number of decimals, of which nine count; at most a day.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let seconds = integer(text)?;
    let text = text.trim_start();
    let decimals = text.get(leading_digits(text).len()..).and_then(|rest| rest.strip_prefix('.'));
    let decimals = leading_digits(decimals.unwrap_or_default());
    let mut digits =
        decimals.bytes().map(|byte| u64::from(byte - b'0')).chain(std::iter::repeat(0));
    let nanoseconds = (0..9).fold(0, |number, _| number * 10 + digits.next().unwrap_or_default());
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds)).min(DAY))
}

/// Width and height.
pub(super) fn resolution(text: &str) -> Option<(u64, u64)> {
    let (width, height) = text.split_once(['x', 'X'])?;
    Some((integer(width)?, integer(height)?))
}

/// A length and an offset, `otherwise` where there is none.
pub(super) fn byte_range(text: &str, otherwise: u64) -> Option<ByteRange> {
    let (length, offset) = text.split_once('@').unwrap_or((text, ""));
    Some(ByteRange { length: integer(length)?, offset: integer(offset).unwrap_or(otherwise) })
}

fn leading_digits(text: &str) -> &str {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(integer("12 x"), Some(12));
        assert_eq!(integer("-1"), None);
        assert_eq!(integer(""), None);
        assert_eq!(integer("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(resolution("640x360"), Some((640, 360)));
        assert_eq!(resolution("640"), None);
        assert_eq!(byte_range("10@5", 7), Some(ByteRange { offset: 5, length: 10 }));
        assert_eq!(byte_range("10", 7), Some(ByteRange { offset: 7, length: 10 }));
        assert_eq!(byte_range("@5", 7), None);
    }

    #[test]
    fn durations_are_exact_and_at_most_a_day() {
        assert_eq!(duration(" 9.009,"), Some(Duration::from_millis(9009)));
        assert_eq!(duration("4"), Some(Duration::from_secs(4)));
        assert_eq!(duration("0.12345678999"), Some(Duration::from_nanos(123_456_789)));
        assert_eq!(duration("1."), Some(Duration::from_secs(1)));
        for text in ["-1", ".5", "inf", "NaN", ""] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("99999999999999999999.9"), Some(DAY));
    }
}
