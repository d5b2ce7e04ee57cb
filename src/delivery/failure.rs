//! Why sources gave no stream, and what that means for the client.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::health;
use crate::delivery::resume::Refusal;
use crate::media::m3u8::Unfit;
use crate::remux::codec::Coding;
use crate::upstream;

/// One source that was tried and failed.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The source's index.
    pub source: usize,
    /// Why it gives no stream.
    pub failure: Arc<Failure>,
}

/// Why one source gives no stream.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// All connections of its provider are in use and none came free in time.
    #[error("all {0} connections of its provider are in use")]
    NoSlot(usize),
    /// It sent nothing that a running stream could go on with.
    #[error("{0}")]
    NoStart(&'static str),
    /// It is a playlist that no stream can be made of.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// It does not have the rest of the file that was begun.
    #[error("{0}")]
    OtherFile(#[from] Refusal),
    /// It failed by itself.
    #[error("{0}")]
    Upstream(#[from] upstream::Error),
}

/// What the client may make of it that no source could be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A limit was reached, a provider's or this machine's: it may pass, after so long.
    MayPass(Duration),
    /// No source answered in time.
    Silent,
    /// The sources are refused, broken or not there.
    Broken,
}

/// How long a client should wait for a provider's connection, and for room on this machine.
const SLOT_WAIT: Duration = Duration::from_secs(3);

/// How long to leave a source alone that is at its limit and does not say for how long.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// Judges all failed attempts together: one limit is enough for hope, a silence must be all of them.
#[must_use]
pub fn outlook(attempts: &[Attempt]) -> Outlook {
    if let Some(wait) = attempts.iter().filter_map(|attempt| attempt.failure.may_pass()).min() {
        return Outlook::MayPass(wait);
    }
    let silent = |attempt: &Attempt| matches!(&*attempt.failure, Failure::Upstream(error) if error.is_timeout());
    if attempts.iter().all(silent) { Outlook::Silent } else { Outlook::Broken }
}

impl Failure {
    /// The word for metrics and logs: one of a fixed list.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NoSlot(_) => "no_slot",
            Self::NoStart(_) => "no_start",
            Self::Unfit(_) => "unfit",
            Self::OtherFile(_) => "other_file",
            Self::Upstream(error) => error.outcome(),
        }
    }

    /// As the end of a stream that had begun.
    pub(super) fn into_upstream(self) -> upstream::Error {
        match self {
            Self::Upstream(error) => error,
            Self::NoStart(what) => upstream::Error::NotMedia(what),
            Self::NoSlot(_) | Self::Unfit(_) | Self::OtherFile(_) => {
                upstream::Error::NotMedia("segments that are no transport stream")
            }
        }
    }

    /// Whether its provider says that it is at its limit, and not for how long.
    pub(super) fn is_limit(&self) -> bool {
        let Self::Upstream(error) = self else { return false };
        error.retry() == upstream::Retry::CoolDown && error.retry_after().is_none()
    }

    /// What it says about the source; `None` where it was not the source's doing.
    pub(super) fn kind(&self) -> Option<health::Kind> {
        let error = match self {
            Self::NoSlot(_)
            | Self::Unfit(_)
            | Self::OtherFile(_)
            | Self::Upstream(upstream::Error::NoResources | upstream::Error::NoPlace(_)) => {
                return None;
            }
            Self::NoStart(_) => return Some(health::Kind::Ordinary),
            Self::Upstream(error) => error,
        };
        Some(match error.outcome() {
            "limited" => health::Kind::Limited(error.retry_after()),
            "credentials" => health::Kind::Credentials,
            "not_found" => health::Kind::Gone,
            _ => health::Kind::Ordinary,
        })
    }

    /// How long to wait where waiting may help.
    fn may_pass(&self) -> Option<Duration> {
        match self {
            Self::NoSlot(_)
            | Self::Upstream(upstream::Error::NoResources | upstream::Error::NoPlace(_)) => {
                Some(SLOT_WAIT)
            }
            Self::Upstream(error) if error.retry() == upstream::Retry::CoolDown => {
                Some(error.retry_after().unwrap_or(COOL_DOWN))
            }
            Self::Upstream(_) | Self::NoStart(_) | Self::Unfit(_) | Self::OtherFile(_) => None,
        }
    }
}

/// Kinds of sound, for a sentence: `AC-3 and MP2`.
pub(super) fn codings(codings: &[Coding]) -> String {
    codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(" and ")
}

/// All failures in the order they happened, for a sentence.
pub(super) fn listed(attempts: &[Attempt]) -> String {
    let said =
        attempts.iter().map(|Attempt { source, failure }| format!("source {source}: {failure}"));
    said.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Failure {
        upstream::Error::Status { code, retry_after: None }.into()
    }

    #[test]
    fn failures_are_judged_together() {
        let timeout = || upstream::Error::ResponseTimeout(Duration::from_secs(10)).into();
        let later =
            upstream::Error::Status { code: 429, retry_after: Some(Duration::from_secs(7)) };
        let cases: [(Vec<Failure>, Outlook); 12] = [
            (vec![upstream::Error::Refused.into()], Outlook::Broken),
            (vec![status(401)], Outlook::Broken),
            (vec![status(403)], Outlook::Broken),
            (vec![status(404)], Outlook::Broken),
            (vec![status(404), upstream::Error::Refused.into()], Outlook::Broken),
            (vec![status(500)], Outlook::Broken),
            (vec![timeout()], Outlook::Silent),
            (vec![timeout(), upstream::Error::Refused.into()], Outlook::Broken),
            (vec![Failure::NoSlot(1), timeout()], Outlook::MayPass(SLOT_WAIT)),
            (vec![upstream::Error::NoResources.into()], Outlook::MayPass(SLOT_WAIT)),
            (vec![status(429), status(500)], Outlook::MayPass(COOL_DOWN)),
            (vec![later.into(), status(458)], Outlook::MayPass(Duration::from_secs(7))),
        ];
        for (failures, expected) in cases {
            let attempts: Vec<_> = failures
                .into_iter()
                .enumerate()
                .map(|(source, failure)| Attempt { source, failure: Arc::new(failure) })
                .collect();
            assert_eq!(outlook(&attempts), expected, "{}", listed(&attempts));
        }
    }
}
