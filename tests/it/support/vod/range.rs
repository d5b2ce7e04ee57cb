//! The Range field (RFC 9110 14.1, 14.2).

/// More ranges than this are not worth serving: the field is ignored.
const PARTS_MAX: usize = 50;

/// What a Range field comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The field does not count: the whole.
    Everything,
    /// First and last byte of each part that can be had, in the order asked for.
    Parts(Vec<(u64, u64)>),
    /// No part can be had.
    Unsatisfiable,
}

/// Reads the field for a representation of `length` bytes.
pub(super) fn parse(value: &str, length: u64) -> Asked {
    let Some((unit, set)) = value.split_once('=') else { return Asked::Everything };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Everything;
    }
    let mut parts = Vec::new();
    let specs: Vec<&str> = set.split(',').map(str::trim).filter(|spec| !spec.is_empty()).collect();
    if specs.is_empty() || specs.len() > PARTS_MAX {
        return Asked::Everything;
    }
    for spec in specs {
        match one(spec, length) {
            // One broken range makes the whole field invalid.
            None => return Asked::Everything,
            Some(part) => parts.extend(part),
        }
    }
    if parts.is_empty() { Asked::Unsatisfiable } else { Asked::Parts(parts) }
}

/// A range-spec: None if it is invalid, Some(None) if it cannot be satisfied.
fn one(spec: &str, length: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        let first = length.saturating_sub(suffix);
        return Some((suffix > 0 && length > 0).then(|| (first, length - 1)));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some((first < length).then(|| (first, last.min(length - 1))))
}

/// Digits of any number; beyond 64 bits all are alike.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}
