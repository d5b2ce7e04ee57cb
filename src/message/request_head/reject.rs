//! Why a request head was refused: status, code and text of each reason, in one table.

use std::fmt;

/// Why a request head was refused. No variant carries bytes of the request, so that all of them
/// may be sent back, logged and counted.
///
/// After any of them the connection must be closed: where the next request begins is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// A bare CR or LF where CRLF belongs, or more than one empty line before the start line.
    LineEnd,
    /// The method is not a token followed by one space.
    Method,
    /// The method is longer than any that exists (RFC 9112 section 3).
    MethodLength,
    /// The request line is not `method SP target SP version`, as in HTTP/0.9.
    StartLine,
    /// The target has a byte that belongs percent-encoded.
    Target,
    /// The target is longer than [`Limits::target_bytes`](super::Limits::target_bytes).
    TargetLength,
    /// The target has none of the forms that its method allows (RFC 9112 section 3.2).
    TargetForm,
    /// The version is not `HTTP/digit.digit`.
    VersionSyntax,
    /// A version other than 1.0 and 1.1.
    Version,
    /// CONNECT: weir is no proxy for others' connections.
    Connect,
    /// HTTP/1.1 without Host.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// Host is empty or not `host [":" port]`.
    Host,
    /// The authority of an absolute target is not that of Host.
    HostMismatch,
    /// A field line that begins with whitespace (RFC 9112 section 5.2).
    FieldFold,
    /// A field name that is not a token directly followed by a colon (RFC 9112 section 5.1).
    FieldName,
    /// A control byte in a field value.
    FieldValue,
    /// More fields than [`Limits::fields`](super::Limits::fields).
    FieldCount,
    /// More bytes than [`Limits::head_bytes`](super::Limits::head_bytes).
    HeadLength,
    /// Content-Length is not one canonical number up to 2^63-1.
    ContentLength,
    /// Both Content-Length and Transfer-Encoding (RFC 9112 section 6.1).
    BothLengths,
    /// Transfer-Encoding other than one `chunked` on HTTP/1.1.
    TransferEncoding,
    /// Expect other than `100-continue` (RFC 9110 section 10.1.1).
    Expect,
}

impl Reject {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 23] = [
        Self::LineEnd,
        Self::Method,
        Self::MethodLength,
        Self::StartLine,
        Self::Target,
        Self::TargetLength,
        Self::TargetForm,
        Self::VersionSyntax,
        Self::Version,
        Self::Connect,
        Self::HostMissing,
        Self::HostRepeated,
        Self::Host,
        Self::HostMismatch,
        Self::FieldFold,
        Self::FieldName,
        Self::FieldValue,
        Self::FieldCount,
        Self::HeadLength,
        Self::ContentLength,
        Self::BothLengths,
        Self::TransferEncoding,
        Self::Expect,
    ];

    /// The status to answer with.
    #[must_use]
    pub fn status(self) -> u16 {
        self.facts().0
    }

    /// A stable word of lower-case letters and hyphens, which fits a request target and a metric.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.facts().1
    }

    /// The reason whose [`code`](Self::code) this is.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reject| reject.code() == code)
    }

    fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::LineEnd => (400, "line-end", "each line must end with CR LF"),
            Self::Method => (400, "method", "the method is not a token"),
            Self::MethodLength => (501, "method-length", "the method is not one that exists"),
            Self::StartLine => (400, "start-line", "the request line is malformed"),
            Self::Target => (400, "target", "the target must be percent-encoded"),
            Self::TargetLength => (414, "target-length", "the target is too long"),
            Self::TargetForm => (400, "target-form", "the target must be a path"),
            Self::VersionSyntax => (400, "version-syntax", "the HTTP version is malformed"),
            Self::Version => (505, "version", "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            Self::Connect => (405, "connect", "CONNECT is not offered"),
            Self::HostMissing => (400, "host-missing", "the Host field is missing"),
            Self::HostRepeated => (400, "host-repeated", "there is more than one Host field"),
            Self::Host => (400, "host", "the Host field is malformed"),
            Self::HostMismatch => (400, "host-mismatch", "the target and Host differ"),
            Self::FieldFold => (400, "field-fold", "a field line begins with whitespace"),
            Self::FieldName => (400, "field-name", "a field name is malformed"),
            Self::FieldValue => (400, "field-value", "a field value has a control byte"),
            Self::FieldCount => (431, "field-count", "there are too many fields"),
            Self::HeadLength => (431, "head-length", "the request head is too long"),
            Self::ContentLength => (400, "content-length", "Content-Length is malformed"),
            Self::BothLengths => {
                (400, "both-lengths", "Content-Length and Transfer-Encoding exclude each other")
            }
            Self::TransferEncoding => {
                (501, "transfer-encoding", "the only transfer coding is chunked, on HTTP/1.1")
            }
            Self::Expect => (417, "expect", "the only expectation is 100-continue"),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().2)
    }
}

impl std::error::Error for Reject {}
