//! Opening one source for one client: a slot, a fresh connection, an answer that is a success.

use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_RANGE};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::Slot;
use crate::channel::Source;
use crate::channel::source::Protocol;
use crate::config::Config;
use crate::delivery::Attempt;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::media::sniff::Container;
use crate::media::sniff::SNIFF_MAX;
use crate::media::sniff::Verdict;
use crate::media::sniff::impostor;
use crate::media::sniff::sniff;
use crate::message::ContentRange;
use crate::message::headers::media_type;
use crate::upstream;
use crate::upstream::Answer;
use crate::upstream::Ask;
use crate::upstream::fetch::status_error;

/// A source that answered; its slot is held for as long as its connection is open.
pub(crate) struct Opened {
    pub(crate) source: usize,
    pub(crate) answer: Answer,
    pub(crate) slot: Slot,
    /// What the first bytes are, where they were looked at.
    pub(crate) container: Container,
    /// The whole body, where a playlist was wanted.
    pub(crate) text: Bytes,
}

/// What to ask sources for, whichever it becomes.
pub(crate) struct Question<'a> {
    pub(crate) want: Want,
    pub(crate) method: Method,
    pub(crate) fields: HeaderMap,
    pub(crate) config: &'a Config,
}

/// What a source must show before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// 200, and first bytes that are a stream.
    Live,
    /// An answer to the client's own ranged or conditional request.
    File,
    /// 200, and a whole HLS playlist.
    Playlist,
    /// 200, and media of any kind.
    Anything,
}

impl Delivery {
    /// Opens the first of the channel's sources that shows what is wanted, in their order: first
    /// those whose provider has a free connection, then, within one `failover.slot_wait` for all of
    /// them, those whose provider gets one. Cancel safe.
    pub(crate) async fn first_source(
        &self,
        channel: &Channel,
        question: &Question<'_>,
    ) -> Result<Opened, Error> {
        let mut attempts = Vec::new();
        let mut full = Vec::new();
        for source in &channel.sources {
            let Some(slot) = source.try_slot() else {
                full.push(source);
                continue;
            };
            match self.attempt(channel, source, slot, question).await {
                Ok(opened) => return Ok(opened),
                Err(attempt) => attempts.push(attempt),
            }
        }
        let asked = Instant::now();
        let deadline = asked + question.config.failover.slot_wait;
        while !full.is_empty() {
            let freed = timeout_at(deadline, first_slot(&full)).await;
            self.metrics.slot_wait(asked.elapsed());
            let Ok((index, slot)) = freed else {
                break;
            };
            let source = full.remove(index);
            match self.attempt(channel, source, slot, question).await {
                Ok(opened) => return Ok(opened),
                Err(attempt) => attempts.push(attempt),
            }
        }
        for source in full {
            let failure = Failure::NoSlot(source.connections_max());
            self.note(channel, source, &failure);
            attempts.push(Attempt { source: source.index, failure });
        }
        Err(Error::Exhausted(attempts))
    }

    /// One source whose slot is held; its outcome is counted.
    async fn attempt(
        &self,
        channel: &Channel,
        source: &Source,
        slot: Slot,
        question: &Question<'_>,
    ) -> Result<Opened, Attempt> {
        match self.open(channel, source, slot, question).await {
            Ok(opened) => {
                self.metrics.upstream_attempt(&channel.id, source.index, "ok");
                Ok(opened)
            }
            Err(failure) => {
                self.note(channel, source, &failure);
                Err(Attempt { source: source.index, failure })
            }
        }
    }

    /// One source: its URLs in order (a receiver's stream ports) until one shows what is wanted.
    async fn open(
        &self,
        channel: &Channel,
        source: &Source,
        mut slot: Slot,
        question: &Question<'_>,
    ) -> Result<Opened, Failure> {
        let failover = &question.config.failover;
        let mut last = Failure::Upstream(upstream::Error::Closed);
        for url in source.targets() {
            let ask = Ask {
                url: url.clone(),
                // Each stream port of a receiver is configured; a URL from a playlist is not.
                home: source
                    .urls
                    .iter()
                    .find(|own| *own == url)
                    .or(source.urls.first())
                    .unwrap_or(url)
                    .clone(),
                method: question.method.clone(),
                fields: question.fields.clone(),
                own_fields: source.own_fields.clone(),
                user_agent: source.user_agent.clone(),
                authorization: source.authorization.clone(),
                connect_timeout: failover.connect_timeout,
                response_timeout: failover.response_timeout,
                counted: source.is_counted(),
                egress: question.config.egress.clone().into(),
            };
            last = match self.fetcher.fetch(&ask).await {
                Ok(answer) => {
                    let (container, text) = (Container::Unknown, Bytes::new());
                    let mut opened = Opened { source: source.index, answer, slot, container, text };
                    match opened.judge(question, source.protocol).await {
                        Ok(()) => return Ok(opened),
                        Err(failure) => {
                            slot = opened.slot;
                            failure
                        }
                    }
                }
                Err(error) => error.into(),
            };
            tracing::debug!(channel = %channel.id, source = source.index, place = %url, error = %last, "not playable");
            if matches!(last, Failure::Upstream(upstream::Error::NoMedia(_))) {
                // It took the request and has no free tuner: nor will its other ports.
                break;
            }
        }
        Err(last)
    }

    /// One line for a source that failed before the client saw anything of it.
    fn note(&self, channel: &Channel, source: &Source, failure: &Failure) {
        let outcome = match failure {
            Failure::NoSlot(_) => "no_slot",
            Failure::Upstream(error) => error.outcome(),
        };
        self.metrics.upstream_attempt(&channel.id, source.index, outcome);
        tracing::warn!(
            channel = %channel.id,
            source = source.index,
            place = %source.place(),
            outcome,
            "source not playable: {failure}"
        );
    }
}

impl Opened {
    /// Holds the answer against what is wanted.
    async fn judge(&mut self, question: &Question<'_>, protocol: Protocol) -> Result<(), Failure> {
        let patience = question.config.failover.response_timeout;
        let deadline = Instant::now() + patience;
        if question.want == Want::File {
            return self.must_be_file(&question.method, deadline).await;
        }
        if self.answer.head.status != StatusCode::OK {
            return Err(status_error(&self.answer.head).into());
        }
        self.container = self.look(question.want, deadline).await?;
        match question.want {
            Want::Live => must_be_stream(self.container, protocol)?,
            Want::Playlist => self.read_playlist(question.config, deadline).await?,
            Want::File | Want::Anything => {}
        }
        Ok(())
    }

    /// Statuses that are an answer to the client's own request pass; the rest is the source's
    /// failure, and so is a page or a playlist where a file belongs, or a body that does not come.
    async fn must_be_file(&mut self, method: &Method, deadline: Instant) -> Result<(), Failure> {
        let head = &self.answer.head;
        let from_start = match head.status {
            StatusCode::OK => true,
            StatusCode::PARTIAL_CONTENT => starts_at_zero(&head.headers),
            StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(()),
            _ => return Err(status_error(head).into()),
        };
        let media_type = media_type(&head.headers);
        let kind = Kind::from_answer(media_type.as_deref(), false, false);
        if kind == Some(Kind::Hls) {
            return Err(upstream::Error::NotMedia("an HLS playlist").into());
        }
        if method == Method::HEAD {
            return Ok(());
        }
        // The head goes out only once the first bytes are there.
        let Some(first) = self.first_frame(deadline).await? else {
            return Ok(());
        };
        if let Some(what) = impostor(&first, media_type.as_deref()).filter(|_| from_start) {
            return Err(upstream::Error::NotMedia(what).into());
        }
        self.answer.body.put_back(first);
        Ok(())
    }

    /// The next frame of the body, `None` at its end.
    async fn first_frame(&mut self, deadline: Instant) -> Result<Option<Bytes>, upstream::Error> {
        let asked = Instant::now();
        let next = timeout_at(deadline, self.answer.body.next()).await;
        next.map_err(|_| upstream::Error::NoMedia(deadline.duration_since(asked)))?.transpose()
    }

    /// Reads a whole playlist, bounded by `limits.playlist_bytes` and the response timeout.
    async fn read_playlist(
        &mut self,
        config: &Config,
        deadline: Instant,
    ) -> Result<(), upstream::Error> {
        if self.answer.head.headers.contains_key(CONTENT_ENCODING) {
            return Err(upstream::Error::NotMedia("a compressed playlist that was not asked for"));
        }
        if self.container != Container::Hls {
            return Err(upstream::Error::NotMedia("a body that is no HLS playlist"));
        }
        let mut text = BytesMut::new();
        let reading = async {
            while let Some(bytes) = self.answer.body.next().await.transpose()? {
                if text.len() + bytes.len() > config.limits.playlist_bytes {
                    return Err(upstream::Error::NotMedia(
                        "a playlist beyond limits.playlist_bytes",
                    ));
                }
                text.extend_from_slice(&bytes);
            }
            Ok(())
        };
        let timeout = upstream::Error::ResponseTimeout(config.failover.response_timeout);
        timeout_at(deadline, reading).await.map_err(|_| timeout)??;
        self.text = text.freeze();
        Ok(())
    }

    /// Reads ahead until the first bytes tell what the body is, and puts them back. At most
    /// [`SNIFF_MAX`] bytes and one frame are held.
    async fn look(&mut self, want: Want, deadline: Instant) -> Result<Container, upstream::Error> {
        let mut seen = BytesMut::new();
        loop {
            let frame = self.first_frame(deadline).await?;
            let ended = frame.is_none();
            let mut whole = match frame {
                // The usual case costs no copy: the first frame decides.
                Some(frame) if seen.is_empty() => Ok(frame),
                Some(frame) => {
                    seen.extend_from_slice(&frame);
                    Err(())
                }
                None => Err(()),
            };
            let verdict = match &whole {
                Ok(frame) => sniff(frame, ended),
                Err(()) => sniff(&seen, ended || seen.len() >= SNIFF_MAX),
            };
            match verdict {
                Verdict::NeedMore => {
                    if let Ok(frame) = &mut whole {
                        seen.extend_from_slice(frame);
                    }
                }
                // A page that was compressed unasked, say.
                Verdict::Media(Container::Unknown) if ended && want == Want::Live => {
                    return Err(upstream::Error::NotMedia("a few bytes of no known kind"));
                }
                Verdict::Media(container) => {
                    self.answer.body.put_back(whole.unwrap_or_else(|()| seen.freeze()));
                    return Ok(container);
                }
                Verdict::NotMedia(what) => return Err(upstream::Error::NotMedia(what)),
            }
        }
    }
}

/// Whether a part is the beginning of its file.
fn starts_at_zero(headers: &HeaderMap) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(ContentRange::parse);
    matches!(range, Some(ContentRange::Part(part, _)) if part.first == 0)
}

/// The first slot that comes free among these sources, none of which has one now. Cancel safe.
async fn first_slot(sources: &[&Source]) -> (usize, Slot) {
    let mut waiting: Vec<_> = sources.iter().map(|source| Box::pin(source.slot())).collect();
    poll_fn(move |cx| {
        let freed =
            waiting.iter_mut().enumerate().find_map(|(index, slot)| match slot.as_mut().poll(cx) {
                Poll::Ready(slot) => Some((index, slot)),
                Poll::Pending => None,
            });
        freed.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// A receiver sends transport streams and nothing else; elsewhere any stream will do.
fn must_be_stream(container: Container, protocol: Protocol) -> Result<(), upstream::Error> {
    let wrong = match container {
        Container::MpegTs | Container::PaddedTs => return Ok(()),
        Container::Hls => "an HLS playlist",
        _ if protocol == Protocol::Enigma2 => "bytes that are no transport stream",
        _ => return Ok(()),
    };
    Err(upstream::Error::NotMedia(wrong))
}
