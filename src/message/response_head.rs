//! The head of a source's answer, re-serialised so that hyper's client reads it as meant.
//!
//! Providers send what hyper refuses (`ICY 200 OK`, more lengths than one, bare line feeds) and
//! hyper hands on what no gateway may (unknown transfer codings, `101`, hop-by-hop fields).
//! [`HeadNormaliser`] takes the bytes as they arrive, absorbs interim heads, mends what has one
//! meaning only and refuses the rest. It never looks at the body.

use http::StatusCode;

use self::framing::Framing;
use crate::message::syntax::Span;
use crate::message::syntax::is_token_byte;
use crate::message::syntax::is_value_byte;
use crate::message::syntax::trim_whitespace;

mod framing;
#[cfg(test)]
mod tests;

/// More connection options than any honest head has.
const CONNECTION_OPTIONS_MAX: usize = 64;

/// How much of an answer's head is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes as received, interim heads and all line ends included, default 32 KiB. This bounds the
    /// caller's buffer too.
    pub head_bytes: usize,
    /// Bytes of the head made for hyper, default 24 KiB: hyper's read buffer of 32 KiB must hold it
    /// whole.
    pub output_bytes: usize,
    /// Field lines of one head, default 256. hyper's `max_headers` must be no less.
    pub fields: usize,
    /// Interim heads before the final one, default 16.
    pub interim_heads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let (head_bytes, output_bytes) = (32 * 1024, 24 * 1024);
        Self { head_bytes, output_bytes, fields: 256, interim_heads: 16 }
    }
}

/// What the bytes so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalised {
    /// The final head is not complete, and nothing is wrong so far.
    Partial,
    /// The final head is there.
    Complete {
        /// Bytes received up to the end of the final head; the body begins there.
        consumed: usize,
        /// The head to give hyper in their place.
        head: Vec<u8>,
    },
}

/// Why an answer's head is not taken. No variant carries bytes of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Neither HTTP/1.0, HTTP/1.1 nor ICY: another version, HTTP/0.9, or no HTTP at all.
    #[error("the answer is not HTTP/1.0, HTTP/1.1 or ICY")]
    Version,
    /// The status line is not `version SP 3DIGIT [SP reason]`, or the status is not one of
    /// 200..=599, 100, 102 and 103.
    #[error("the status line is malformed")]
    Status,
    /// `101`, which weir never asks for.
    #[error("the source switched protocols unasked")]
    Switching,
    /// More interim heads than [`Limits::interim_heads`].
    #[error("too many interim answers")]
    InterimCount,
    /// A field line that begins with whitespace.
    #[error("a field line begins with whitespace")]
    FieldFold,
    /// A field name that is not a token directly followed by a colon.
    #[error("a field name is malformed")]
    FieldName,
    /// A control byte in a field value or a reason phrase.
    #[error("a field value has a control byte")]
    FieldValue,
    /// More fields than [`Limits::fields`].
    #[error("too many fields")]
    FieldCount,
    /// More bytes than [`Limits::head_bytes`], or than [`Limits::output_bytes`] after mending.
    #[error("the head is too long")]
    HeadLength,
    /// Content-Length is no number up to 2^63-1, or more than one.
    #[error("Content-Length is malformed or contradicts itself")]
    ContentLength,
    /// Transfer-Encoding other than one `chunked` on HTTP/1.1, or one `identity`.
    #[error("Transfer-Encoding is not chunked alone")]
    TransferEncoding,
    /// More than 64 connection options.
    #[error("too many connection options")]
    Connection,
}

/// Re-serialises one final head from the bytes of an answer as they arrive.
///
/// Holds 32 bytes for each field; linear time however the bytes are split.
#[derive(Clone, Debug)]
pub struct HeadNormaliser {
    limits: Limits,
    /// Offset of the line that is not complete yet.
    line: usize,
    /// Offset up to which that line is known to hold no line feed.
    searched: usize,
    /// Of the head being read; `None` before its status line.
    status: Option<StatusLine>,
    /// All fields of the head being read but those that `framing` took.
    fields: Vec<Field>,
    fields_seen: usize,
    framing: Framing,
    interim_heads: usize,
}

#[derive(Clone, Copy, Debug)]
struct StatusLine {
    is_version_11: bool,
    code: StatusCode,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

/// Re-serialises a head of which all bytes are at hand. See [`HeadNormaliser`] for those that
/// arrive in parts.
///
/// # Errors
/// The first thing, in the order of the lines, that makes the head unusable.
pub fn normalise(bytes: &[u8], limits: &Limits) -> Result<Normalised, Malformed> {
    HeadNormaliser::new(*limits).advance(bytes)
}

impl HeadNormaliser {
    /// A normaliser at the first byte of an answer.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            line: 0,
            searched: 0,
            status: None,
            fields: Vec::new(),
            fields_seen: 0,
            framing: Framing::default(),
            interim_heads: 0,
        }
    }

    /// Goes on with `answer`, which must be the bytes given before and those that came since.
    ///
    /// # Errors
    /// The first thing, in the order of the lines, that makes the head unusable. Bytes that cannot
    /// begin a status line are refused at once, other faults when their line is complete. The
    /// normaliser is of no use afterwards.
    pub fn advance(&mut self, answer: &[u8]) -> Result<Normalised, Malformed> {
        loop {
            let begun = answer.get(self.line..).unwrap_or_default();
            if self.status.is_none() && !may_begin_status_line(begun) {
                return Err(Malformed::Version);
            }
            let unsearched = answer.get(self.searched..).unwrap_or_default();
            let Some(length) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = answer.len();
                let is_full = answer.len() >= self.limits.head_bytes;
                return if is_full { Err(Malformed::HeadLength) } else { Ok(Normalised::Partial) };
            };
            let end = self.searched + length;
            if end >= self.limits.head_bytes {
                return Err(Malformed::HeadLength);
            }
            let line = Span { start: self.line, end };
            (self.line, self.searched) = (end + 1, end + 1);
            if let Some(status) = self.take_line(line, answer)? {
                let head = self.serialise(status, answer)?;
                return Ok(Normalised::Complete { consumed: self.line, head });
            }
        }
    }

    /// Takes one line without its LF. Returns the status when it ends the final head.
    fn take_line(&mut self, line: Span, answer: &[u8]) -> Result<Option<StatusLine>, Malformed> {
        let text = line.of(answer);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match self.status {
            None => self.status = Some(parse_status_line(text)?),
            Some(status) if text.is_empty() && status.code.is_informational() => {
                self.interim_heads += 1;
                if self.interim_heads > self.limits.interim_heads {
                    return Err(Malformed::InterimCount);
                }
                self.status = None;
                self.fields.clear();
                self.fields_seen = 0;
                self.framing = Framing::default();
            }
            Some(status) if text.is_empty() => return Ok(Some(status)),
            Some(status) => self.take_field(line.start, text, status)?,
        }
        Ok(None)
    }

    fn take_field(&mut self, at: usize, text: &[u8], status: StatusLine) -> Result<(), Malformed> {
        self.fields_seen += 1;
        if self.fields_seen > self.limits.fields {
            return Err(Malformed::FieldCount);
        }
        if text.starts_with(b" ") || text.starts_with(b"\t") {
            return Err(Malformed::FieldFold);
        }
        let colon = text.iter().position(|byte| *byte == b':').ok_or(Malformed::FieldName)?;
        let (name, value) = text.split_at_checked(colon).ok_or(Malformed::FieldName)?;
        if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
            return Err(Malformed::FieldName);
        }
        let value = value.strip_prefix(b":").unwrap_or(value);
        if !value.iter().all(|byte| is_value_byte(*byte)) {
            return Err(Malformed::FieldValue);
        }
        if !self.framing.take(name, trim_whitespace(value), status.is_version_11)? {
            let name = Span { start: at, end: at + colon };
            let value = Span { start: name.end + 1, end: at + text.len() };
            self.fields.push(Field { name, value });
        }
        Ok(())
    }

    /// The final head for hyper: a canonical status line, the end-to-end fields as they came, then
    /// the framing in its one unambiguous form.
    fn serialise(&self, status: StatusLine, answer: &[u8]) -> Result<Vec<u8>, Malformed> {
        let options = self.connection_options(answer)?;
        let mut head = Vec::with_capacity(self.limits.output_bytes.min(answer.len() + 64));
        // A reason phrase says nothing that the code does not (RFC 9112 section 4).
        let version = if status.is_version_11 { "1.1" } else { "1.0" };
        let reason = status.code.canonical_reason().unwrap_or_default();
        head.extend(format!("HTTP/{version} {} {reason}\r\n", status.code.as_str()).bytes());
        for field in &self.fields {
            let name = field.name.of(answer);
            let is_named = options.iter().any(|option| option.eq_ignore_ascii_case(name));
            if !is_named && !is_hop_by_hop(name) {
                head.extend_from_slice(name);
                head.extend_from_slice(b": ");
                head.extend_from_slice(trim_whitespace(field.value.of(answer)));
                head.extend_from_slice(b"\r\n");
            }
        }
        self.framing.write(status.code, &mut head);
        // The one option that hyper must still see: the source will not take another request, or
        // nobody knows where its answer would begin.
        let closes = options.iter().any(|option| option.eq_ignore_ascii_case(b"close"));
        if closes || !self.framing.is_certain(status.code) {
            head.extend_from_slice(b"Connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        if head.len() > self.limits.output_bytes {
            return Err(Malformed::HeadLength);
        }
        Ok(head)
    }

    /// What the Connection fields list (RFC 9110 section 7.6.1).
    fn connection_options<'a>(&self, answer: &'a [u8]) -> Result<Vec<&'a [u8]>, Malformed> {
        let is_connection =
            |field: &&Field| field.name.of(answer).eq_ignore_ascii_case(b"connection");
        let lists = self.fields.iter().filter(is_connection);
        let options: Vec<_> = lists
            .flat_map(|field| field.value.of(answer).split(|byte| *byte == b','))
            .map(trim_whitespace)
            .filter(|option| !option.is_empty())
            .take(CONNECTION_OPTIONS_MAX + 1)
            .collect();
        if options.len() > CONNECTION_OPTIONS_MAX {
            return Err(Malformed::Connection);
        }
        Ok(options)
    }
}

/// Whether `begun`, the start of a line, can still become a status line: raw media (HTTP/0.9) is
/// known by its first byte.
fn may_begin_status_line(begun: &[u8]) -> bool {
    let agrees = |start: &[u8]| begun.iter().zip(start).all(|(one, two)| one == two);
    agrees(b"HTTP/1.") || agrees(b"ICY ")
}

/// Parses `version SP status [SP reason]`, where the version may be SHOUTcast's `ICY`.
fn parse_status_line(line: &[u8]) -> Result<StatusLine, Malformed> {
    let is_space = |byte: &u8| *byte == b' ';
    let mut parts = line.splitn(3, is_space);
    let is_version_11 = match parts.next() {
        Some(b"HTTP/1.1") => true,
        Some(b"HTTP/1.0" | b"ICY") => false,
        _ => return Err(Malformed::Version),
    };
    let code = parts.next().and_then(|code| StatusCode::from_bytes(code).ok());
    let code = code.ok_or(Malformed::Status)?;
    if !parts.next().unwrap_or_default().iter().all(|byte| is_value_byte(*byte)) {
        return Err(Malformed::FieldValue);
    }
    match code.as_u16() {
        101 => Err(Malformed::Switching),
        100 | 102 | 103 | 200..=599 => Ok(StatusLine { is_version_11, code }),
        _ => Err(Malformed::Status),
    }
}

/// Fields that concern this connection only, whether or not Connection lists them.
fn is_hop_by_hop(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] =
        [b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"http2-settings"];
    let is_proxy = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"));
    is_proxy || NAMES.iter().any(|hop| name.eq_ignore_ascii_case(hop))
}
