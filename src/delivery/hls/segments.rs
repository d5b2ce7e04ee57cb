//! Segments of a live channel that several clients watch: each is fetched once, by a task of its own,
//! and handed to whoever asks while it comes and for three target durations after. One client alone
//! has its segments straight from its source.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::RANGE;
use http::{Method, Response};
use http_body_util::Either;
use tokio::time::{Instant, timeout};
use tracing::Span;

use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::Source;
use crate::delivery::Attempt;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Piece;
use crate::delivery::SessionBody;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::cut::Cut;
use crate::delivery::hls::same::Same;
use crate::delivery::hls::viewings::Viewing;
use crate::delivery::pipe::Carriage;
use crate::delivery::seal::Behind;
use crate::delivery::vod::answer;
use crate::delivery::vod::content_length;
use crate::delivery::vod::missing;
use crate::message::headers::end_to_end_response;
use crate::message::headers::vod_request;
use kept::Filling;
use kept::Key;
use segment::Access;
use segment::Head;

mod kept;
mod room;
mod segment;

pub(super) use kept::Kept;
pub(crate) use segment::Reader;

impl Delivery {
    /// A segment, part or key for a session. Where its source fails, the session's next playlist comes
    /// from elsewhere: nobody else has this very segment.
    pub(super) async fn segment(
        &self,
        viewing: &Arc<Viewing>,
        source: Source,
        behind: Behind,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        let index = source.index;
        let answering = viewing.answering();
        let wish = Wish { place: Box::new((wish.place, answering)), ..wish };
        let piece = Piece::Segment(Arc::clone(viewing), behind);
        let served = self.segment_of(viewing, source, piece, wish).await;
        match &served {
            Err(Error::Exhausted(_)) => viewing.doubt(index),
            Err(Error::Missing(_)) => viewing.segment_missing(index, true),
            Err(_) => {}
            Ok(_) => viewing.segment_missing(index, false),
        }
        served
    }

    /// Shared where others watch the same live channel, else the session's own.
    async fn segment_of(
        &self,
        viewing: &Arc<Viewing>,
        source: Source,
        piece: Piece,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        let slot = self
            .slot_on(viewing, &source)
            .map_err(|failure| Error::Exhausted(vec![Attempt { source: source.index, failure }]))?;
        let source = source.within(slot);
        let only = Arc::new(viewing.channel.only(source, Kind::Vod));
        let fields = vod_request(&wish.headers);
        let is_plain = wish.method == Method::GET && fields.keys().all(|name| name == RANGE);
        if is_plain && viewing.is_live() && self.hls.viewings.is_shared(&viewing.channel) {
            let question = Question { fields, ..piece.question(&wish) };
            match self.shared(viewing, &only, question).await? {
                Access::Shared(reader) => return Ok(self.shared_answer(viewing, reader, wish)),
                Access::Own(opened) => return Ok(self.file(&only, wish, *opened, piece)),
                Access::None => {}
            }
        }
        self.vod(&only, wish, piece).await
    }

    /// A reader of the shared segment, if it can be shared.
    async fn shared(
        &self,
        viewing: &Arc<Viewing>,
        only: &Arc<Channel>,
        question: Question,
    ) -> Result<Access, Error> {
        let Some((source, url)) =
            only.sources.first().and_then(|source| Some((source, source.targets().first()?)))
        else {
            return Ok(Access::None);
        };
        let key = Key {
            channel: Same(Arc::clone(&viewing.channel)),
            source: source.index,
            url: url.to_secret_text(),
            range: question.fields.get(RANGE).cloned(),
            cookies: viewing.cookies().field(url),
        };
        let Some((reader, filling)) = self.hls.segments.join(&key) else { return Ok(Access::None) };
        if let Some(filling) = filling {
            let (delivery, only) = (self.clone(), Arc::clone(only));
            let patience = viewing.patience();
            self.hls.tasks.spawn(Span::none(), async move {
                delivery.fill(filling, &only, &question, patience).await;
            });
        }
        let access = reader.opened().await?;
        if let Access::Shared(reader) = &access {
            viewing.stores(&reader.set_cookies());
        }
        Ok(access)
    }

    /// Fetches a segment, which is kept for as long as others may ask for it. Its slot is free as soon
    /// as it is there, or nobody wants it any more.
    async fn fill(
        &self,
        filling: Filling,
        only: &Arc<Channel>,
        question: &Question,
        patience: Duration,
    ) {
        let began = Instant::now();
        let fetched = async {
            match self.first_source(only, question).await.map_err(missing) {
                Ok(opened) => self.fill_from(&filling, opened, question).await,
                Err(error) => filling.fails(error),
            }
        };
        tokio::select! {
            biased;
            () = fetched => {}
            () = filling.deserted() => {}
        }
        if filling.segment().is_whole() {
            filling.keep(began + patience);
        }
    }

    /// Fills it with the body of an answer, if that can be given to others.
    async fn fill_from(&self, filling: &Filling, mut opened: Opened, question: &Question) {
        let head = &opened.answer.head;
        let headers = end_to_end_response(&head.headers);
        let length = content_length(&headers).filter(|_| head.status.is_success());
        let set_cookies = opened.answer.set_cookies.clone();
        let status = head.status;
        let begins = |length| filling.begins(Head { status, headers, length, set_cookies });
        if !length.is_some_and(begins) {
            // Without a length nobody knows whether there will be room for all of it, and who has read
            // a part has no other way to the rest.
            return filling.segment().is_private(Some(Box::new(opened)));
        }
        let silence = question.config.failover.response_timeout;
        let (segment, body) = (filling.segment(), &mut opened.answer.body);
        let end = loop {
            // What has come is told of when no more is there at once: then there is more to send.
            let next = match poll_fn(|cx| Poll::Ready(body.poll_next(cx))).await {
                Poll::Ready(next) => Ok(next),
                Poll::Pending => {
                    segment.tells();
                    timeout(silence, body.next()).await
                }
            };
            match next {
                Ok(Some(Ok(bytes))) => segment.takes(&bytes),
                Ok(Some(Err(_))) => break Err(Cut::Source),
                Ok(None) => break Ok(()),
                Err(_) => break Err(Cut::Stalled),
            }
        };
        segment.ends(end);
    }

    fn shared_answer(&self, viewing: &Viewing, reader: Reader, wish: Wish) -> Response<Body> {
        wish.control.limit_patience(wish.config.limits.client_timeout);
        let session = self.part(viewing, wish);
        let (status, headers) = reader.head();
        let body = SessionBody::new(Carriage::Shared(reader), session);
        answer(status, headers, Either::Right(body))
    }
}
