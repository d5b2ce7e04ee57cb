//! Reaching a source: resolve, check the address, connect, TLS, one request on a fresh or a kept
//! connection, redirects, the response head. Knows one source at a time, never a client.

use std::time::Duration;

use crate::message::response_head::Malformed;

pub mod body;
pub mod connect;
pub mod egress;
mod exchange;
pub mod fetch;
pub mod head_filter;
pub mod pool;
pub mod redirect;
pub mod resolve;
pub mod tls;

pub use body::UpstreamBody;
pub use fetch::{Answer, Ask, Fetcher, Keep, SetCookies};
pub use pool::{Pool, PoolLimits};

/// Why a source could not be reached or read. Which source: the caller's log line says. No variant
/// carries a URL or a byte of what the source sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name does not resolve, or not in time.
    #[error("its name does not resolve ({0})")]
    Resolve(&'static str),
    /// Every address is one that this configuration does not connect to.
    #[error("its address is not allowed ({0})")]
    Denied(egress::Denied),
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// This machine has no descriptor or buffer left for another connection.
    #[error("this machine has no room for another connection")]
    NoResources,
    /// All places of the pool's connections are taken, and none came free in time.
    #[error("no place for another connection after {0:?}")]
    NoPlace(Duration),
    /// No way there, or the connection broke while it was made.
    #[error("unreachable ({0})")]
    Unreachable(std::io::ErrorKind),
    /// No connection in time.
    #[error("no connection after {0:?}")]
    ConnectTimeout(Duration),
    /// The TLS handshake failed: which class, never what the peer said.
    #[error("TLS: {0}")]
    Tls(tls::Failure),
    /// Connected, but no response head in time.
    #[error("no answer after {0:?}")]
    ResponseTimeout(Duration),
    /// Closed or reset before the response head was whole.
    #[error("closed the connection before it answered")]
    Closed,
    /// The response head is not HTTP that can be passed on.
    #[error("its answer is malformed: {0}")]
    Malformed(Malformed),
    /// The URL cannot be written on a request line.
    #[error("its URL cannot be requested")]
    Unsendable,
    /// The source answered, but not with what was asked for.
    #[error("answered {code}")]
    Status {
        /// The status code.
        code: u16,
        /// `Retry-After`, where it gave seconds.
        retry_after: Option<Duration>,
    },
    /// Redirected in a circle, too often, or to nowhere.
    #[error("redirect: {0}")]
    Redirect(redirect::Failure),
    /// A success whose body is no media (an error page, JSON, a playlist where a stream belongs).
    #[error("sent {0} instead of a stream")]
    NotMedia(&'static str),
    /// A success whose first bytes did not come in time (a busy tuner sends 200 and silence).
    #[error("answered, then sent nothing for {0:?}")]
    NoMedia(Duration),
    /// The connection broke while bytes were read.
    #[error("the connection broke ({0})")]
    Broken(std::io::ErrorKind),
    /// The body ended before its length, its last chunk or its TLS close.
    #[error("the body ended early")]
    Short,
}

/// What the caller may do after an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try the next source now.
    NextSource,
    /// The source is at its limit: leave it alone for a while, try the next one.
    CoolDown,
}

impl Error {
    /// What may be done about it.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Status { code: 429 | 456 | 458 | 509, .. } => Retry::CoolDown,
            _ => Retry::NextSource,
        }
    }

    /// What the source asked to be left alone for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What an I/O error while a body is read means.
    #[must_use]
    pub fn from_body(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Short,
            kind => Self::Broken(kind),
        }
    }

    /// The word for metrics and logs: one of a fixed list.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "dns",
            Self::Denied(_) => "denied",
            Self::Refused => "refused",
            Self::NoResources => "no_resources",
            Self::NoPlace(_) => "no_place",
            Self::Unreachable(_) => "unreachable",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::Tls(_) => "tls",
            Self::ResponseTimeout(_) => "response_timeout",
            Self::Closed => "closed",
            Self::Malformed(_) => "malformed",
            Self::Status { code, .. } => match code {
                401 | 403 | 407 => "credentials",
                404 | 410 => "not_found",
                429 | 456 | 458 | 509 => "limited",
                500.. => "server_error",
                _ => "status",
            },
            Self::Redirect(_) => "redirect",
            Self::Unsendable => "unsendable",
            Self::NotMedia(_) => "not_media",
            Self::NoMedia(_) => "silent",
            Self::Broken(_) => "broken",
            Self::Short => "short",
        }
    }

    /// Whether the source simply did not answer in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout(_) | Self::ResponseTimeout(_) | Self::NoMedia(_))
    }
}
