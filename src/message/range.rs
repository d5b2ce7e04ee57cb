//! Byte ranges of RFC 9110 section 14: the client's Range and the source's Content-Range.
//!
//! weir forwards Range as it came; these types serve where it must know what was asked and what
//! was sent: resuming a file from another source, and serving files of its own.

use std::fmt;

use crate::message::syntax::decimal;
use crate::message::syntax::trim_whitespace;

#[cfg(test)]
mod tests;

/// What a position may be at most: 2^63-1.
const POSITION_MAX: u64 = u64::MAX / 2;

/// A valid Range field with the unit `bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteRanges {
    specs: Vec<RangeSpec>,
}

/// One part of a Range field, as asked: nothing is known of the length yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSpec {
    /// `first-last`, both inclusive, `first <= last`.
    Between(u64, u64),
    /// `first-`, up to the end.
    From(u64),
    /// `-length`: so many bytes before the end.
    Suffix(u64),
}

/// Bytes `first` to `last`, both inclusive, that exist: never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// Position of the first byte.
    pub first: u64,
    /// Position of the last byte, not less than `first` and at most 2^63-1.
    pub last: u64,
}

/// A Content-Range field with the unit `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentRange {
    /// `bytes first-last/total`, of a 206. `None` stands for `*`, a length not known yet.
    Part(ByteRange, Option<u64>),
    /// `bytes */total`, of a 416.
    Unsatisfied(u64),
}

impl ByteRanges {
    /// More ranges in one request than this are no player's, and are ignored as a whole.
    pub const COUNT_MAX: usize = 64;

    /// Parses a Range field value. `None` for any other unit, any syntax error and any `last` before
    /// its `first`: such a field is ignored, that is, answered with 200 (section 14.2).
    #[must_use]
    pub fn parse(field: &str) -> Option<Self> {
        let (unit, set) = field.split_once('=')?;
        if !unit.trim_matches([' ', '\t']).eq_ignore_ascii_case("bytes") {
            return None;
        }
        let mut specs = Vec::new();
        for item in set.as_bytes().split(|byte| *byte == b',').map(trim_whitespace) {
            // Recipients must put up with empty list elements (section 5.6.1.2).
            if item.is_empty() {
                continue;
            }
            if specs.len() == Self::COUNT_MAX {
                return None;
            }
            specs.push(RangeSpec::parse(item)?);
        }
        (!specs.is_empty()).then_some(Self { specs })
    }

    /// What was asked, in that order; 1 to [`Self::COUNT_MAX`].
    #[must_use]
    pub fn specs(&self) -> &[RangeSpec] {
        &self.specs
    }

    /// Whether the one range asked for is all bytes from the first on, which players send to live
    /// streams too.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.specs == [RangeSpec::From(0)]
    }

    /// The ranges that exist in `length` bytes, in the order asked; overlaps stay. Empty means 416.
    #[must_use]
    pub fn resolve(&self, length: u64) -> Vec<ByteRange> {
        self.specs.iter().filter_map(|spec| spec.resolve(length)).collect()
    }
}

impl RangeSpec {
    fn parse(item: &[u8]) -> Option<Self> {
        let dash = item.iter().position(|byte| *byte == b'-')?;
        let (first, last) = item.split_at_checked(dash)?;
        let last = last.strip_prefix(b"-")?;
        match (first, last) {
            (b"", length) => Some(Self::Suffix(position(length)?)),
            (first, b"") => Some(Self::From(position(first)?)),
            (first, last) => {
                let (first, last) = (position(first)?, position(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes that this names in `length` bytes; `None` where it names none.
    #[must_use]
    pub fn resolve(self, length: u64) -> Option<ByteRange> {
        let end = length.min(POSITION_MAX).checked_sub(1)?;
        let (first, last) = match self {
            Self::Between(first, last) => (first, last.min(end)),
            Self::From(first) => (first, end),
            Self::Suffix(0) => return None,
            Self::Suffix(suffix) => ((end + 1).saturating_sub(suffix), end),
        };
        (first <= end).then_some(ByteRange { first, last })
    }
}

impl ByteRange {
    /// How many bytes it is; at least 1.
    #[must_use]
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

impl ContentRange {
    /// Parses a Content-Range field value. `None` for any other unit, any syntax error, and ranges
    /// that cannot be (`last` before `first`, or not before `total`).
    #[must_use]
    pub fn parse(field: &str) -> Option<Self> {
        let (unit, rest) = field.trim_matches([' ', '\t']).split_once(' ')?;
        let (range, total) = rest.trim_start_matches(' ').split_once('/')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let total = if total == "*" { None } else { Some(decimal(total.as_bytes())?) };
        if range == "*" {
            return total.map(Self::Unsatisfied);
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (decimal(first.as_bytes())?, decimal(last.as_bytes())?);
        let is_real = first <= last && total.is_none_or(|total| last < total);
        is_real.then_some(Self::Part(ByteRange { first, last }, total))
    }

    /// The length of the whole, if it is told.
    #[must_use]
    pub fn total(self) -> Option<u64> {
        match self {
            Self::Part(_, total) => total,
            Self::Unsatisfied(total) => Some(total),
        }
    }
}

impl fmt::Display for ByteRanges {
    /// As a Range field value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")?;
        let mut separator = '=';
        for spec in &self.specs {
            match spec {
                RangeSpec::Between(first, last) => write!(f, "{separator}{first}-{last}")?,
                RangeSpec::From(first) => write!(f, "{separator}{first}-")?,
                RangeSpec::Suffix(length) => write!(f, "{separator}-{length}")?,
            }
            separator = ',';
        }
        Ok(())
    }
}

impl fmt::Display for ContentRange {
    /// As a Content-Range field value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(ByteRange { first, last }, Some(total)) => {
                write!(f, "bytes {first}-{last}/{total}")
            }
            Self::Part(ByteRange { first, last }, None) => write!(f, "bytes {first}-{last}/*"),
            Self::Unsatisfied(total) => write!(f, "bytes */{total}"),
        }
    }
}

/// A position, where one beyond any length is well-formed too and means "beyond the end".
fn position(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| decimal(digits).unwrap_or(POSITION_MAX))
}
