//! Content-Length and Transfer-Encoding of an answer, reduced to at most one of them.

use http::StatusCode;

use super::Malformed;
use crate::message::syntax::decimal;
use crate::message::syntax::trim_whitespace;

/// What the fields read so far say of the body's end (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    coding: Coding,
}

#[derive(Clone, Copy, Debug, Default)]
enum Coding {
    #[default]
    Unnamed,
    /// `identity`, which changes nothing and which RFC 9112 no longer knows.
    Identity,
    Chunked,
}

impl Framing {
    /// Takes the field if it is one of the two, and says whether it was.
    ///
    /// # Errors
    /// A length that is none or contradicts another; any coding that is not alone, known and
    /// allowed by the version.
    pub(super) fn take(
        &mut self,
        name: &[u8],
        value: &[u8],
        is_version_11: bool,
    ) -> Result<bool, Malformed> {
        if name.eq_ignore_ascii_case(b"content-length") {
            // Equal repetitions, as several fields or as one list, may collapse (section 6.3).
            for item in value.split(|byte| *byte == b',') {
                let length = decimal(trim_whitespace(item)).ok_or(Malformed::ContentLength)?;
                if *self.length.get_or_insert(length) != length {
                    return Err(Malformed::ContentLength);
                }
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coding = match self.coding {
                Coding::Unnamed if value.eq_ignore_ascii_case(b"identity") => Coding::Identity,
                Coding::Unnamed if is_version_11 && value.eq_ignore_ascii_case(b"chunked") => {
                    Coding::Chunked
                }
                _ => return Err(Malformed::TransferEncoding),
            };
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether nobody can take the body for longer or shorter than we do. Where the fields contradict
    /// each other or the status, what follows may be the rest of this answer (section 6.3).
    pub(super) fn is_certain(self, code: StatusCode) -> bool {
        match (self.coding, self.length) {
            (Coding::Unnamed, None | Some(0)) => true,
            (Coding::Identity | Coding::Chunked, Some(_)) => false,
            (_, _) => code != StatusCode::NO_CONTENT,
        }
    }

    /// Writes the one field that holds: a coding overrides a length. None at all where the status
    /// has no body that it could frame.
    pub(super) fn write(self, code: StatusCode, head: &mut Vec<u8>) {
        match (self.coding, self.length) {
            (_, _) if code == StatusCode::NO_CONTENT => {}
            (Coding::Chunked, _) if code == StatusCode::NOT_MODIFIED => {}
            (Coding::Chunked, _) => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            (_, Some(length)) => head.extend(format!("Content-Length: {length}\r\n").bytes()),
            (_, None) => {}
        }
    }
}
