//! The request head, judged before hyper sees it (RFC 9112 sections 2 to 6).
//!
//! hyper takes heads that a gateway must refuse: no Host or two, bare line feeds, a body with two
//! lengths, any transfer coding that ends in `chunked`. [`HeadScanner`] looks at each byte once,
//! however the head arrives, and lets only the one reading of it through that every parser shares.

use crate::message::authority::Authority;
use crate::message::syntax::Span;
use crate::message::syntax::decimal;
use crate::message::syntax::is_token_byte;
use crate::message::syntax::is_value_byte;
use crate::message::syntax::trim_whitespace;

mod reject;
#[cfg(test)]
mod tests;

pub use reject::Reject;

/// Longer than any registered method; what passes is answered 405 or 501 by the handler.
const METHOD_BYTES_MAX: usize = 32;
/// `HTTP/1.1`.
const VERSION_BYTES: usize = 8;

/// How much of a request head is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The whole head with both its ends, default 16 KiB. This bounds the caller's buffer too.
    pub head_bytes: usize,
    /// The request target, default 16 KiB (http's own limit is just under 64 KiB).
    pub target_bytes: usize,
    /// Field lines, default 100, which is also where hyper stops by default.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, target_bytes: 16 * 1024, fields: 100 }
    }
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The head is not complete, and nothing is wrong with it so far.
    Partial,
    /// The head may go to hyper.
    Complete {
        /// Bytes of the head, from the first byte (an empty line before it included) to the end
        /// of its last CRLF. Body bytes, or the next request, follow.
        length: usize,
        /// What follows the head.
        body: BodyLength,
    },
}

/// How the end of a request's body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body: neither field was sent.
    None,
    /// So many bytes, up to 2^63-1.
    Length(u64),
    /// Chunks up to the last one and its trailer section.
    Chunked,
}

/// Judges one head from its bytes as they arrive. Make a new one for each head.
///
/// Takes constant memory and, however the bytes are split, linear time.
#[derive(Clone, Debug)]
pub struct HeadScanner {
    limits: Limits,
    state: State,
    /// Offset of the first byte that was not looked at yet.
    scanned: usize,
    /// Offset of the first byte of the element that `state` is in.
    mark: usize,
    method: Span,
    target: Span,
    version: Span,
    name: Span,
    fields: usize,
    is_version_11: bool,
    host: Option<Span>,
    body: BodyLength,
}

/// The element that the next byte belongs to.
///
/// Method -> Target -> Version -> StartLineEnd -> FieldStart, then for each field
/// Name -> Value -> FieldEnd -> FieldStart, then HeadEnd. EmptyLine comes before Method at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After the CR of an empty line before the start line (RFC 9112 section 2.2).
    EmptyLine,
    Method,
    Target,
    Version,
    /// After the CR of the start line.
    StartLineEnd,
    /// At the first byte of a line after the start line.
    FieldStart,
    Name,
    Value,
    /// After the CR of a field line.
    FieldEnd,
    /// After the CR of the empty line that ends the head.
    HeadEnd,
}

/// Judges a head of which all bytes are at hand. See [`HeadScanner`] for heads that arrive in parts.
///
/// # Errors
/// The first reason, in the order of the bytes, to refuse the head.
pub fn scan(bytes: &[u8], limits: &Limits) -> Result<Scan, Reject> {
    HeadScanner::new(*limits).advance(bytes)
}

impl HeadScanner {
    /// A scanner at the first byte of a head.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let none = Span::default();
        Self {
            limits,
            state: State::Method,
            scanned: 0,
            mark: 0,
            method: none,
            target: none,
            version: none,
            name: none,
            fields: 0,
            is_version_11: false,
            host: None,
            body: BodyLength::None,
        }
    }

    /// Goes on with `head`, which must be the bytes given before and those that came since.
    ///
    /// # Errors
    /// The first reason, in the order of the bytes, to refuse the head, as soon as it is visible.
    /// Asked again, the scanner says the same.
    pub fn advance(&mut self, head: &[u8]) -> Result<Scan, Reject> {
        while self.scanned < self.limits.head_bytes {
            let Some(&byte) = head.get(self.scanned) else { return Ok(Scan::Partial) };
            let is_end = self.step(byte, head)?;
            self.scanned += 1;
            if is_end {
                return Ok(Scan::Complete { length: self.scanned, body: self.body });
            }
        }
        Err(if self.state == State::Target { Reject::TargetLength } else { Reject::HeadLength })
    }

    /// Looks at the byte at `scanned`. Returns whether it is the last one of the head.
    fn step(&mut self, byte: u8, head: &[u8]) -> Result<bool, Reject> {
        let at = self.scanned;
        let element = Span { start: self.mark, end: at };
        let is_empty = element.start == element.end;
        let next = match (self.state, byte) {
            (State::Method, b'\r') if at == 0 => State::EmptyLine,
            (State::EmptyLine, b'\n') => State::Method,
            (State::Method, b'\r' | b'\n') if is_empty => return Err(Reject::LineEnd),
            (State::Method, b'\r' | b'\n') => return Err(Reject::StartLine),
            (State::Method, b' ') if !is_empty => {
                self.method = element;
                State::Target
            }
            (State::Method, _) => return self.within_method(byte),
            (State::Target, b' ') if !is_empty => {
                self.target = element;
                State::Version
            }
            (State::Target, _) => return self.within_target(byte),
            (State::Version, b'\r') => {
                self.version = element;
                State::StartLineEnd
            }
            (State::Version, b'\n') => return Err(Reject::LineEnd),
            (State::Version, _) if at - self.mark >= VERSION_BYTES => {
                return Err(Reject::VersionSyntax);
            }
            (State::StartLineEnd, b'\n') => {
                self.judge_start_line(head)?;
                State::FieldStart
            }
            (State::FieldStart, b'\r') => State::HeadEnd,
            (State::FieldStart, b'\n') => return Err(Reject::LineEnd),
            (State::FieldStart, b' ' | b'\t') => return Err(Reject::FieldFold),
            (State::FieldStart, _) if self.fields == self.limits.fields => {
                return Err(Reject::FieldCount);
            }
            (State::FieldStart, _) if is_token_byte(byte) => {
                self.fields += 1;
                self.mark = at;
                self.state = State::Name;
                return Ok(false);
            }
            (State::Name, b':') => {
                self.name = element;
                State::Value
            }
            (State::Name, _) if is_token_byte(byte) => return Ok(false),
            (State::FieldStart | State::Name, _) => return Err(Reject::FieldName),
            (State::Value, b'\r') => State::FieldEnd,
            (State::Value, b'\n') => return Err(Reject::LineEnd),
            (State::Value, _) if !is_value_byte(byte) => return Err(Reject::FieldValue),
            (State::FieldEnd, b'\n') => {
                self.judge_field(Span { start: self.mark, end: at - 1 }, head)?;
                State::FieldStart
            }
            (State::HeadEnd, b'\n') => {
                self.judge_head(head)?;
                return Ok(true);
            }
            (State::EmptyLine | State::StartLineEnd | State::FieldEnd | State::HeadEnd, _) => {
                return Err(Reject::LineEnd);
            }
            (State::Version | State::Value, _) => return Ok(false),
        };
        // The CR that ends a value does not begin an element: `judge_field` needs the value's mark.
        if next != State::FieldEnd {
            self.mark = at + 1;
        }
        self.state = next;
        Ok(false)
    }

    fn within_method(&self, byte: u8) -> Result<bool, Reject> {
        if !is_token_byte(byte) {
            return Err(Reject::Method);
        }
        let is_long = self.scanned - self.mark >= METHOD_BYTES_MAX;
        if is_long { Err(Reject::MethodLength) } else { Ok(false) }
    }

    fn within_target(&self, byte: u8) -> Result<bool, Reject> {
        if matches!(byte, b' ' | b'\r' | b'\n') {
            // Two spaces, or a line of HTTP/0.9.
            return Err(Reject::StartLine);
        }
        if !is_target_byte(byte) {
            return Err(Reject::Target);
        }
        let is_long = self.scanned - self.mark >= self.limits.target_bytes;
        if is_long { Err(Reject::TargetLength) } else { Ok(false) }
    }

    fn judge_start_line(&mut self, head: &[u8]) -> Result<(), Reject> {
        self.is_version_11 = match self.version.of(head) {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                return Err(Reject::Version);
            }
            _ => return Err(Reject::VersionSyntax),
        };
        match (self.method.of(head), self.target.of(head)) {
            (b"CONNECT", _) => Err(Reject::Connect),
            (_, [b'/', ..]) | (b"OPTIONS", b"*") => Ok(()),
            (_, target) => absolute_authority(target).map(drop).ok_or(Reject::TargetForm),
        }
    }

    fn judge_field(&mut self, value: Span, head: &[u8]) -> Result<(), Reject> {
        let name = self.name.of(head);
        let text = trim_whitespace(value.of(head));
        if name.eq_ignore_ascii_case(b"host") {
            if self.host.is_some() {
                return Err(Reject::HostRepeated);
            }
            parse_authority(text).ok_or(Reject::Host)?;
            self.host = Some(value);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.body = match self.body {
                BodyLength::None => BodyLength::Length(canonical_length(text)?),
                BodyLength::Length(_) => return Err(Reject::ContentLength),
                BodyLength::Chunked => return Err(Reject::BothLengths),
            };
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_chunked = self.is_version_11 && text.eq_ignore_ascii_case(b"chunked");
            self.body = match self.body {
                BodyLength::Length(_) => return Err(Reject::BothLengths),
                BodyLength::None if is_chunked => BodyLength::Chunked,
                _ => return Err(Reject::TransferEncoding),
            };
        } else if name.eq_ignore_ascii_case(b"expect") {
            let is_known = text.eq_ignore_ascii_case(b"100-continue");
            return if is_known { Ok(()) } else { Err(Reject::Expect) };
        }
        Ok(())
    }

    fn judge_head(&self, head: &[u8]) -> Result<(), Reject> {
        let Some(host) = self.host else {
            return if self.is_version_11 { Err(Reject::HostMissing) } else { Ok(()) };
        };
        let Some((authority, port)) = absolute_authority(self.target.of(head)) else {
            return Ok(());
        };
        // RFC 9112 section 3.2.2 lets the target win; hyper's callers read Host. One must not choose.
        let host = parse_authority(trim_whitespace(host.of(head))).ok_or(Reject::Host)?;
        if authority.is_same(&host, port) { Ok(()) } else { Err(Reject::HostMismatch) }
    }
}

/// What a target may hold: RFC 3986, and of the rest only `[ ] ^ { | }`, which players send raw in
/// option suffixes and queries and which no parser takes for anything else.
///
/// Refused although `http::Uri` takes some of it: `"` and the backtick (only in one of path and
/// query), `\` (a slash to browsers), `#` (cut off without a word), `<`, `>` and all beyond ASCII.
/// weir's own URLs are percent-encoded, so that no player has a reason to send these.
const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'`')
}

/// The authority of an absolute target and the default port of its scheme. `None` for other forms,
/// user information and malformed authorities.
fn absolute_authority(target: &[u8]) -> Option<(Authority<'_>, u16)> {
    let after = |scheme: &[u8]| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let (rest, port) = match after(b"http://") {
        Some(rest) => (rest, 80),
        None => (after(b"https://")?, 443),
    };
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?')).next()?;
    Some((parse_authority(authority)?, port))
}

fn parse_authority(text: &[u8]) -> Option<Authority<'_>> {
    Authority::parse(std::str::from_utf8(text).ok()?).ok()
}

/// A length in the one form that all parsers read alike: no sign, no leading zero.
fn canonical_length(text: &[u8]) -> Result<u64, Reject> {
    let is_padded = text.len() > 1 && text.starts_with(b"0");
    decimal(text).filter(|_| !is_padded).ok_or(Reject::ContentLength)
}
