//! Whether and how the rest of a file may be fetched by another request (RFC 9110, 13.1.5, 14.2 and
//! 15.3.7): what the first answer said of the file, what is asked, and what is accepted. A different
//! file is never spliced on.

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::message::range::ByteRange;
use crate::message::range::ContentRange;

/// A file as its first answer described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Original {
    /// The part that the client is sent.
    part: ByteRange,
    /// Bytes of the whole file.
    total: u64,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// Why an answer is not the rest of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no 206: the source ignores Range, or the file has changed.
    #[error("does not send the rest of the file, but answers {0}")]
    Status(u16),
    /// It does not say what part it is, or sends another.
    #[error("sends another part of the file than was asked for")]
    Part,
    /// The whole is of another length.
    #[error("has a file of another length")]
    Length,
    /// The validators differ.
    #[error("has another version of the file")]
    Version,
}

impl Original {
    /// What an answer says of its file; `None` where it says too little to find its rest, or where
    /// its body is not the file's own bytes (several parts, a coding).
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let (part, total) = match status {
            StatusCode::OK => {
                let total: u64 = text(headers, &CONTENT_LENGTH)?.parse().ok()?;
                (ByteRange { first: 0, last: total.checked_sub(1)? }, total)
            }
            StatusCode::PARTIAL_CONTENT => content_range(headers)?,
            _ => return None,
        };
        let field = |name| headers.get(name).cloned();
        Some(Self { part, total, etag: field(ETAG), last_modified: field(LAST_MODIFIED) })
    }

    /// The fields that ask for what is left after `passed` bytes.
    pub(crate) fn request(&self, passed: u64) -> HeaderMap {
        let first = self.part.first + passed;
        let range = if self.part.last + 1 == self.total {
            format!("bytes={first}-")
        } else {
            format!("bytes={first}-{}", self.part.last)
        };
        let mut fields = HeaderMap::new();
        if let Ok(range) = HeaderValue::from_str(&range) {
            fields.insert(RANGE, range);
        }
        // Only a strong validator may stand there (13.1.5); whether a date is one, nobody can tell
        // without comparing clocks.
        let strong = self.etag.clone().filter(|etag| !etag.as_bytes().starts_with(b"W/"));
        if let Some(etag) = strong {
            fields.insert(IF_RANGE, etag);
        }
        fields
    }

    /// Whether an answer to [`Original::request`] is what is left after `passed` bytes.
    ///
    /// # Errors
    /// In what it is not.
    pub(crate) fn check(
        &self,
        passed: u64,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        if status != StatusCode::PARTIAL_CONTENT {
            return Err(Refusal::Status(status.as_u16()));
        }
        let (part, total) = content_range(headers).ok_or(Refusal::Part)?;
        if total != self.total {
            return Err(Refusal::Length);
        }
        let wanted = ByteRange { first: self.part.first + passed, last: self.part.last };
        if part != wanted || headers.contains_key(CONTENT_ENCODING) {
            return Err(Refusal::Part);
        }
        let same = |own: &Option<HeaderValue>, name| match (own, headers.get(name)) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        if same(&self.etag, ETAG) && same(&self.last_modified, LAST_MODIFIED) {
            Ok(())
        } else {
            Err(Refusal::Version)
        }
    }
}

fn content_range(headers: &HeaderMap) -> Option<(ByteRange, u64)> {
    match ContentRange::parse(text(headers, &CONTENT_RANGE)?)? {
        ContentRange::Part(part, Some(total)) => Some((part, total)),
        ContentRange::Part(_, None) | ContentRange::Unsatisfied(_) => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        fields.iter().map(field).collect()
    }

    fn whole(fields: &[(&'static str, &str)]) -> Option<Original> {
        let mut all = headers(fields);
        all.insert(CONTENT_LENGTH, "1000".parse().unwrap());
        Original::of(StatusCode::OK, &all)
    }

    #[test]
    fn the_rest_is_asked_for_with_the_validator_of_the_first_answer() {
        let strong = whole(&[("etag", "\"a\""), ("last-modified", "yesterday")]).unwrap();
        let fields = strong.request(400);
        assert_eq!(fields[RANGE], "bytes=400-");
        assert_eq!(fields[IF_RANGE], "\"a\"");
        let weak = whole(&[("etag", "W/\"a\"")]).unwrap();
        assert!(!weak.request(400).contains_key(IF_RANGE));

        let part = headers(&[("content-range", "bytes 100-199/1000")]);
        let part = Original::of(StatusCode::PARTIAL_CONTENT, &part).unwrap();
        assert_eq!(part.request(0)[RANGE], "bytes=100-199");
        assert_eq!(part.request(99)[RANGE], "bytes=199-199");
        let tail = headers(&[("content-range", "bytes 100-999/1000")]);
        let tail = Original::of(StatusCode::PARTIAL_CONTENT, &tail).unwrap();
        assert_eq!(tail.request(50)[RANGE], "bytes=150-");
    }

    #[test]
    fn an_answer_that_says_too_little_has_no_rest() {
        assert_eq!(Original::of(StatusCode::OK, &headers(&[])), None);
        assert_eq!(Original::of(StatusCode::OK, &headers(&[("content-length", "0")])), None);
        assert_eq!(whole(&[("content-encoding", "gzip")]), None);
        for range in ["bytes 0-9/*", "bytes */10", "lines 0-9/10", "bytes 5-4/10"] {
            let part = headers(&[("content-range", range)]);
            assert_eq!(Original::of(StatusCode::PARTIAL_CONTENT, &part), None, "{range}");
        }
        let parts = headers(&[("content-type", "multipart/byteranges; boundary=x")]);
        assert_eq!(Original::of(StatusCode::PARTIAL_CONTENT, &parts), None);
    }

    #[test]
    fn only_the_rest_of_the_same_file_is_accepted() {
        let original = whole(&[("etag", "\"a\""), ("last-modified", "monday")]).unwrap();
        let check = |status: u16, fields: &[(&'static str, &str)]| {
            original.check(400, StatusCode::from_u16(status).unwrap(), &headers(fields))
        };
        let range = ("content-range", "bytes 400-999/1000");
        assert_eq!(check(206, &[range]), Ok(()));
        assert_eq!(check(206, &[range, ("etag", "\"a\""), ("last-modified", "monday")]), Ok(()));
        assert_eq!(check(206, &[range, ("etag", "\"b\"")]), Err(Refusal::Version));
        assert_eq!(check(206, &[range, ("last-modified", "tuesday")]), Err(Refusal::Version));
        assert_eq!(check(200, &[]), Err(Refusal::Status(200)));
        assert_eq!(check(416, &[]), Err(Refusal::Status(416)));
        assert_eq!(check(206, &[]), Err(Refusal::Part));
        let other = |range| check(206, &[("content-range", range)]);
        assert_eq!(other("bytes 400-999/1001"), Err(Refusal::Length));
        assert_eq!(other("bytes 0-999/1000"), Err(Refusal::Part));
        assert_eq!(other("bytes 400-998/1000"), Err(Refusal::Part));
        assert_eq!(other("bytes 400-999/*"), Err(Refusal::Part));
    }
}
