//! Going over from what the client is fed from to what comes next.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::delivery::failover::Reason;
use crate::delivery::feed::Active;
use crate::delivery::feed::Feed;
use crate::delivery::feed::LEAVE_WITHIN;
use crate::delivery::feed::Leaving;
use crate::delivery::feed::overridden::Next;
use crate::delivery::feed::shown::Shown;
use crate::delivery::feed::standby::Candidate;
use crate::delivery::feed::standby::Standby;
use crate::delivery::sessions::Session;
use crate::delivery::timer::poll_until;
use crate::media::ts::join::Audition;
use crate::media::ts::join::Seam;

impl Feed {
    /// Goes over to the standby: at once, or as soon as a source that still runs has finished the
    /// pictures and sounds that it has begun, so that nothing half is decoded. A replica finishes them
    /// itself.
    pub(super) fn join(&mut self, reason: Reason, session: &mut Session) {
        let is_running =
            self.active.is_some() && !matches!(reason, Reason::Silent | Reason::Stalled);
        if is_running && self.joiner.is_some() && !self.is_replica() {
            let deadline = Instant::now() + LEAVE_WITHIN;
            self.leaving = Some(Leaving { next: Next::Standby(reason), deadline, is_done: false });
        } else {
            self.go_over(reason, session);
        }
    }

    /// Whether the standby sends the same bytes and has those that come next.
    fn is_replica(&self) -> bool {
        let audition = self.standby.as_ref().and_then(Standby::audition);
        let both = self.joiner.as_ref().zip(audition);
        both.is_some_and(|(joiner, audition)| joiner.is_continued_by(audition))
    }

    /// Lets the active finish, then goes over.
    pub(super) fn poll_leaving(&mut self, cx: &mut Context<'_>, session: &mut Session) -> Poll<()> {
        let Some(leaving) = &mut self.leaving else {
            return Poll::Ready(());
        };
        let mut is_done = leaving.is_done || leaving.deadline <= Instant::now();
        if let (Some(active), Some(joiner), false) = (&mut self.active, &mut self.joiner, is_done) {
            let finish = |bytes: &[u8], out: &mut Vec<u8>| is_done |= joiner.finish(bytes, out);
            match active.line.poll_rewritten(cx, finish) {
                Poll::Ready(Some(Ok(bytes))) => {
                    leaving.is_done = is_done;
                    self.ready = Some(bytes);
                    return Poll::Ready(());
                }
                Poll::Ready(_) => {}
                Poll::Pending if is_done => {}
                Poll::Pending => {
                    // The standby goes on being listened to, and says nothing new.
                    let standby = self.standby.as_mut();
                    _ = standby.map(|standby| standby.poll(cx, &self.course, None));
                    ready!(poll_until(&mut self.timer, leaving.deadline, cx));
                }
            }
        }
        match self.leaving.take().map(|leaving| leaving.next) {
            Some(Next::Standby(reason)) => self.go_over(reason, session),
            Some(Next::Override(made)) => self.show_override(*made, session),
            None => {}
        }
        Poll::Ready(())
    }

    /// Goes over to the standby now.
    fn go_over(&mut self, reason: Reason, session: &mut Session) {
        let Some(standby) = self.standby.take() else { return };
        let (generation, source) = (standby.generation, standby.source);
        let Some(Candidate { line, audition, .. }) = standby.into_candidate() else { return };
        let gap = self.given.elapsed();
        let seam = self.join_at(audition, gap);
        session.went_over((source, &line), reason, gap, seam);
        self.causes.clear();
        self.again.rest();
        self.play(Active { generation, shown: Shown::Source(source), line });
    }

    /// Joins the client's stream to what was listened to. Bytes that follow bytes need none.
    pub(super) fn join_at(&mut self, audition: Option<Audition>, gap: Duration) -> Option<Seam> {
        let (joiner, audition) = self.joiner.as_mut().zip(audition)?;
        let mut joined = Vec::new();
        let seam = joiner.join(audition, gap, &mut joined);
        self.ready = Some(Bytes::from(joined)).filter(|joined| !joined.is_empty());
        Some(seam)
    }

    /// The client is fed from this now. Only now is the old one closed.
    pub(super) fn play(&mut self, active: Active) {
        self.active = Some(active);
        self.silence.restart();
        if let Some(vital) = &mut self.vital {
            vital.restart(Instant::now());
        }
    }
}
