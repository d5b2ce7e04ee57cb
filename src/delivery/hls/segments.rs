//! Segments of a live channel that several clients watch: each is fetched once, by a task of its own,
//! and handed to whoever asks while it comes and for three target durations after. One client alone
//! has its segments straight from its source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::RANGE;
use http::{HeaderValue, Method, Response};
use http_body_util::Either;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Span;

use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::Source;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Piece;
use crate::delivery::SessionBody;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::cut::Cut;
use crate::delivery::hls::viewings::Viewing;
use crate::delivery::pipe::Carriage;
use crate::delivery::seal::Behind;
use crate::delivery::vod::answer;
use crate::delivery::vod::content_length;
use crate::lifecycle::Tasks;
use crate::message::headers::end_to_end_response;
use crate::message::headers::vod_request;
use segment::Head;
use segment::Segment;

mod segment;

pub(crate) use segment::Reader;

/// What segments are known by.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    channel: Arc<str>,
    source: usize,
    /// Secret.
    url: String,
    range: Option<HeaderValue>,
    cookies: Option<HeaderValue>,
}

/// The segments that are shared now. At most `bytes_max`.
pub(super) struct Segments {
    /// Guards the map and the sum; held to look up, add and remove.
    kept: Mutex<Kept>,
    bytes_max: u64,
    tasks: Tasks,
}

#[derive(Default)]
struct Kept {
    segments: HashMap<Key, Arc<Segment>>,
    /// Of segments whose length is known.
    bytes: u64,
}

impl Segments {
    /// None yet.
    pub(super) fn new(tasks: Tasks, bytes_max: usize) -> Self {
        Self { kept: Mutex::default(), bytes_max: bytes_max as u64, tasks }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment behind `key`, and whether it still has to be fetched.
    fn segment(&self, key: &Key) -> (Arc<Segment>, bool) {
        let mut kept = self.kept();
        if let Some(segment) = kept.segments.get(key) {
            return (Arc::clone(segment), false);
        }
        let segment = Arc::new(Segment::new());
        kept.segments.insert(key.clone(), Arc::clone(&segment));
        (segment, true)
    }

    /// Makes room for a segment that is about to come. False where there is none.
    fn makes_room(&self, length: u64) -> bool {
        let mut kept = self.kept();
        let fits = kept.bytes.saturating_add(length) <= self.bytes_max;
        if fits {
            kept.bytes += length;
        }
        fits
    }

    /// Whoever reads it may finish; nobody else is given it.
    fn forget(&self, key: &Key, segment: &Arc<Segment>, length: u64) {
        let mut kept = self.kept();
        if kept.segments.get(key).is_some_and(|known| Arc::ptr_eq(known, segment)) {
            kept.segments.remove(key);
        }
        kept.bytes -= length;
    }
}

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
        let source = source.within(viewing.slot());
        let only = Arc::new(viewing.channel.only(source, Kind::Vod));
        let fields = vod_request(&wish.headers);
        let is_plain = wish.method == Method::GET && fields.keys().all(|name| name == RANGE);
        if is_plain
            && viewing.is_live()
            && self.hls.viewings.is_shared(&viewing.channel)
            && let Some(reader) =
                self.shared(viewing, &only, Question { fields, ..piece.question(&wish) }).await?
        {
            return Ok(self.shared_answer(viewing, reader, wish));
        }
        self.vod(&only, wish, piece).await
    }

    /// A reader of the shared segment; `None` where it cannot be shared.
    async fn shared(
        &self,
        viewing: &Arc<Viewing>,
        only: &Arc<Channel>,
        question: Question,
    ) -> Result<Option<Reader>, Error> {
        let Some((source, url)) =
            only.sources.first().and_then(|source| Some((source, source.targets().first()?)))
        else {
            return Ok(None);
        };
        let key = Key {
            channel: Arc::clone(&only.id),
            source: source.index,
            url: url.to_secret_text(),
            range: question.fields.get(RANGE).cloned(),
            cookies: viewing.cookies().field(url),
        };
        let (segment, is_new) = self.hls.segments.segment(&key);
        let reader = Reader::new(&segment);
        if is_new {
            let (delivery, only) = (self.clone(), Arc::clone(only));
            let patience = viewing.patience();
            self.hls.segments.tasks.spawn(Span::none(), async move {
                delivery.fill(&segment, &key, &only, &question, patience).await;
            });
        }
        reader.opened().await
    }

    /// Fetches a segment and keeps it for as long as others may ask for it.
    async fn fill(
        &self,
        segment: &Arc<Segment>,
        key: &Key,
        only: &Arc<Channel>,
        question: &Question,
        patience: Duration,
    ) {
        let began = Instant::now();
        let segments = &self.hls.segments;
        let length = match self.first_source(only, question).await {
            Ok(opened) => self.fill_from(segment, opened, question).await,
            Err(error) => {
                segment.fails(error);
                None
            }
        };
        if length.is_some() && segment.is_whole() {
            let stopping = segments.tasks.stopping();
            tokio::select! {
                () = sleep_until(began + patience) => {}
                () = stopping => {}
            }
        }
        segments.forget(key, segment, length.unwrap_or_default());
    }

    /// Answers the room that it takes, if it can be given to others.
    async fn fill_from(
        &self,
        segment: &Segment,
        mut opened: Opened,
        question: &Question,
    ) -> Option<u64> {
        let head = &opened.answer.head;
        let headers = end_to_end_response(&head.headers);
        let length = content_length(&headers)
            .filter(|length| head.status.is_success() && self.hls.segments.makes_room(*length));
        let Some(length) = length else {
            segment.is_private();
            return None;
        };
        segment.begins(Head { status: head.status, headers, length });
        let silence = question.config.failover.response_timeout;
        let end = loop {
            match timeout(silence, opened.answer.body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    if !segment.takes(bytes) {
                        break Err(Cut::Source);
                    }
                }
                Ok(Some(Err(_))) => break Err(Cut::Source),
                Ok(None) => break Ok(()),
                Err(_) => break Err(Cut::Stalled),
            }
        };
        segment.ends(end);
        Some(length)
    }

    fn shared_answer(&self, viewing: &Viewing, reader: Reader, wish: Wish) -> Response<Body> {
        wish.control.limit_patience(wish.config.limits.client_timeout);
        let session = self.part(viewing, wish);
        let (status, headers) = reader.head();
        let body = SessionBody::new(Carriage::Shared(reader), session);
        answer(status, headers, Either::Right(body))
    }
}
