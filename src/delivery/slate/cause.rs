//! Why no source plays, in words for viewers and for metrics.

use std::fmt;
use std::time::Duration;

use crate::config::Failover;
use crate::delivery::Attempt;
use crate::delivery::Failure;
use crate::delivery::failover::Reason;
use crate::upstream::Error;

/// Why a source does not play. In the order of what tells a viewer most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// It refuses the credentials.
    Credentials,
    /// Its provider has no connection left.
    Full,
    /// It sends what is no television, or nothing that a running stream can go on with.
    Format,
    /// It was silent for so long.
    Timeout(Duration),
    /// There is no way to it.
    Connect,
    /// Anything else; what, without a secret.
    Other(String),
}

/// Why each source of a session does not play, as far as it is known. One cause for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Causes(Vec<(usize, Cause)>);

impl Cause {
    /// Of a source that could not be opened, or could not be gone on with.
    pub(crate) fn of(failure: &Failure, failover: &Failover) -> Self {
        match failure {
            Failure::NoSlot(_) => Self::Full,
            Failure::NoStart(_) | Failure::Unfit(_) | Failure::OtherFile(_) => Self::Format,
            Failure::Upstream(error) => Self::of_upstream(error, failover),
        }
    }

    fn of_upstream(error: &Error, failover: &Failover) -> Self {
        match error {
            Error::Resolve(_)
            | Error::Refused
            | Error::Unreachable(_)
            | Error::ConnectTimeout(_)
            | Error::Tls(_)
            | Error::Closed => Self::Connect,
            // What was waited for may have been less, as another source was left.
            Error::ResponseTimeout(_) => Self::Timeout(failover.response_timeout),
            Error::NoMedia(after) if *after == failover.stall_timeout => Self::Timeout(*after),
            Error::NoMedia(_) => Self::Timeout(failover.response_timeout),
            Error::NotMedia(_) | Error::Malformed(_) => Self::Format,
            Error::Status { .. } => match error.outcome() {
                "credentials" => Self::Credentials,
                "limited" => Self::Full,
                _ => Self::Other(error.to_string()),
            },
            Error::Denied(_)
            | Error::NoResources
            | Error::NoPlace(_)
            | Error::Unsendable
            | Error::Redirect(_)
            | Error::Broken(_)
            | Error::Short => Self::Other(error.to_string()),
        }
    }

    /// Of a source that had played.
    pub(crate) fn of_loss(reason: Reason, failover: &Failover) -> Self {
        let what = match reason {
            Reason::Stalled | Reason::Silent => return Self::Timeout(failover.stall_timeout),
            Reason::NullPackets | Reason::FrozenClock | Reason::Scrambled | Reason::NoStart => {
                return Self::Format;
            }
            Reason::Ended => "the source has ended the stream",
            Reason::Short => "the source has cut the stream short",
            Reason::Broken => "the connection to the source broke",
            Reason::Manual | Reason::Failback | Reason::Start => "no source plays",
        };
        Self::Other(what.to_owned())
    }

    /// The word for metrics and logs: one of a fixed list.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Full => "full",
            Self::Format => "format",
            Self::Timeout(_) => "timeout",
            Self::Connect => "connect",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials => f.write_str("Authentication failed for upstream source"),
            Self::Full => f.write_str("All connections of the provider are in use"),
            Self::Format => f.write_str("Unsupported stream format"),
            Self::Timeout(after) if *after == Duration::from_secs(1) => {
                f.write_str("Stream timeout after 1 second")
            }
            Self::Timeout(after) => {
                write!(f, "Stream timeout after {} seconds", after.as_secs_f64())
            }
            Self::Connect => f.write_str("Unable to connect to upstream source"),
            Self::Other(what) => write!(f, "Stream failed: {what}"),
        }
    }
}

impl Causes {
    /// Of the attempts of a first opening.
    pub(crate) fn of(attempts: &[Attempt], failover: &Failover) -> Self {
        let mut causes = Self::default();
        for Attempt { source, failure } in attempts {
            causes.note(*source, Cause::of(failure, failover));
        }
        causes
    }

    /// Remembers why a source does not play; what was known of it before is forgotten.
    pub(crate) fn note(&mut self, source: usize, cause: Cause) {
        match self.0.iter_mut().find(|(known, _)| *known == source) {
            Some((_, last)) => *last = cause,
            None => self.0.push((source, cause)),
        }
    }

    /// A source plays.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The one of all of them that tells a viewer most.
    pub(crate) fn main(&self) -> Cause {
        let main = self.0.iter().map(|(_, cause)| cause).min();
        main.cloned().unwrap_or_else(|| Cause::Other("no source plays".to_owned()))
    }
}

#[cfg(test)]
mod tests;
