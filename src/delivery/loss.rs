//! Why the connection that fed a client is no good any more, and what the client and the log are told
//! if nothing takes its place.

use crate::delivery::cut::Cut;
use crate::delivery::failover::Reason;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::upstream;

/// The loss of a connection that bytes had come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    reason: Reason,
    /// For logs; says more than the reason where the connection broke.
    word: &'static str,
}

impl From<Reason> for Loss {
    fn from(reason: Reason) -> Self {
        Self { reason, word: reason.word() }
    }
}

impl From<&upstream::Error> for Loss {
    fn from(error: &upstream::Error) -> Self {
        let reason = match error {
            upstream::Error::Short => Reason::Short,
            _ => Reason::Broken,
        };
        Self { reason, word: error.outcome() }
    }
}

impl Loss {
    /// Why it is left.
    pub(crate) fn reason(self) -> Reason {
        self.reason
    }

    /// Nothing takes its place: the session ends with it, and the client's body is cut, except where
    /// the source ended it in good order.
    pub(crate) fn end(self, session: &mut Session) -> Option<Cut> {
        let (end, cut) = match self.reason {
            Reason::Ended => (End::SourceEnded, None),
            Reason::Stalled => (End::SourceStalled, Some(Cut::Stalled)),
            _ => (End::SourceFailed(self.word), Some(Cut::Source)),
        };
        session.ended(end);
        cut
    }
}
