//! A client with sources of its own whose sound is converted.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body_util::Either;

use crate::channel::Channel;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::SessionBody;
use crate::delivery::Wish;
use crate::delivery::attempt::Question;
use crate::delivery::cut::Cut;
use crate::delivery::first::First;
use crate::delivery::line::Line;
use crate::delivery::live;
use crate::delivery::pipe::Carriage;
use crate::delivery::remuxing::Stream;
use crate::delivery::sessions::Opening;
use crate::delivery::sessions::Role;
use crate::delivery::sessions::Session;
use crate::delivery::shared;
use crate::relay::Closed;

/// A client's stream, of which the first bytes are at hand.
pub(crate) struct Begun {
    stream: Stream,
    first: Option<Bytes>,
}

impl Begun {
    /// The next bytes.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.stream.poll_next(cx, session),
        }
    }

    /// Reads until there are bytes.
    fn poll_first(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Result<(), Error>> {
        let first = ready!(self.stream.poll_next(cx, session));
        let Some(Ok(first)) = first else {
            let closed = shared::closed_by(session.has_ended());
            let why = || shared::not_begun(closed, session.info().source());
            return Poll::Ready(Err(self.stream.failure().unwrap_or_else(why)));
        };
        self.first = Some(first);
        Poll::Ready(Ok(()))
    }
}

impl Delivery {
    /// The answer for a transport stream that begins with `first` and whose sound is converted, once there are
    /// bytes of it; other sources are asked `question`. Cancel safe: dropping it closes what is open.
    ///
    /// # Errors
    /// Why there are none; the session has not begun then.
    pub(in crate::delivery) async fn converted(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        first: First,
        question: Question,
    ) -> Result<Response<Body>, Error> {
        let control = Arc::clone(&wish.control);
        let patience = wish.config.limits.client_timeout;
        let feeding = self.feeding(channel, first, question, (&control, false));
        let (source, line) = feeding.start.source();
        let mut session = self.sessions.enter(Opening {
            channel: Arc::clone(channel),
            source,
            client: Some(wish.client),
            user_agent: wish.user_agent(),
            viewer: Some(wish.viewer),
            started: wish.started,
            control: wish.control,
            slot: line.and_then(Line::lease),
            desk: Some(Arc::clone(&feeding.desk)),
            place: wish.place,
            cut: self.cut.clone(),
            way: "remuxed",
            role: Role::Alone,
        });
        let feed = feeding.begin(session.info().id);
        let mut begun = Box::new(Begun { stream: self.heard(feed, &session), first: None });
        let leave = session.leave().given();
        tokio::select! {
            biased;
            first = poll_fn(|cx| begun.poll_first(cx, &mut session)) => first?,
            () = leave => {
                let is_changed = channel.retired.is_given();
                let closed = if is_changed { Closed::Reloaded } else { Closed::Replaced };
                return Err(shared::not_begun(closed, session.info().source()));
            }
        }
        control.no_hurry();
        control.limit_patience(patience);
        control.end_with(session.leave().clone());
        session.begins();
        let body = SessionBody::new(Carriage::Converted(begun), session);
        Ok(live::head(live::MPEG_TS, Either::Right(body)))
    }
}
