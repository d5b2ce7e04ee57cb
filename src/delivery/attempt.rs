//! Opening one source for one client: a slot, a fresh connection, an answer that is a success.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::channel::Channel;
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
use crate::media::sniff::sniff;
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
    /// Opens the first of the channel's sources that shows what is wanted, in their order. Cancel
    /// safe.
    pub(crate) async fn first_source(
        &self,
        channel: &Channel,
        question: &Question<'_>,
    ) -> Result<Opened, Error> {
        let mut attempts = Vec::new();
        for source in &channel.sources {
            let opened = match self.open(channel, source, question).await {
                Ok(opened) => opened.judge(question, source.protocol).await,
                Err(failure) => Err(failure),
            };
            match opened {
                Ok(accepted) => {
                    self.metrics.upstream_attempt(&channel.id, source.index, "ok");
                    return Ok(accepted);
                }
                Err(failure) => {
                    self.note(channel, source, &failure);
                    attempts.push(Attempt { source: source.index, failure });
                }
            }
        }
        Err(Error::Exhausted(attempts))
    }

    /// One source: a slot of its budget, then its URLs in order (a receiver's stream ports).
    async fn open(
        &self,
        channel: &Channel,
        source: &Source,
        question: &Question<'_>,
    ) -> Result<Opened, Failure> {
        let failover = &question.config.failover;
        let asked = Instant::now();
        let slot = source.slot(failover.slot_wait).await;
        self.metrics.slot_wait(asked.elapsed());
        let slot = slot.ok_or(Failure::NoSlot(source.connections_max()))?;
        let mut last = upstream::Error::Closed;
        for url in source.targets() {
            let ask = Ask {
                url: url.clone(),
                home: source.urls.first().unwrap_or(url).clone(),
                method: question.method.clone(),
                fields: question.fields.clone(),
                own_fields: source.own_fields.clone(),
                user_agent: source.user_agent.clone(),
                authorization: source.authorization.clone(),
                connect_timeout: failover.connect_timeout,
                response_timeout: failover.response_timeout,
                egress: question.config.egress.clone().into(),
            };
            match self.fetcher.fetch(&ask).await {
                Ok(answer) => {
                    return Ok(Opened {
                        source: source.index,
                        answer,
                        slot,
                        container: Container::Unknown,
                        text: Bytes::new(),
                    });
                }
                Err(error) => {
                    tracing::debug!(channel = %channel.id, source = source.index, place = %url, %error, "no answer");
                    last = error;
                }
            }
        }
        Err(last.into())
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
    async fn judge(mut self, question: &Question<'_>, protocol: Protocol) -> Result<Self, Failure> {
        let ok = self.answer.head.status == StatusCode::OK;
        if question.want == Want::File {
            self.must_be_file()?;
            return Ok(self);
        }
        if !ok {
            return Err(status_error(&self.answer.head).into());
        }
        let patience = question.config.failover.response_timeout;
        let deadline = Instant::now() + patience;
        self.container = self.look(deadline).await?;
        match question.want {
            Want::Live => must_be_stream(self.container, protocol)?,
            Want::Playlist => self.read_playlist(question.config, deadline).await?,
            Want::File | Want::Anything => {}
        }
        Ok(self)
    }

    /// Statuses that are an answer to the client's own request pass; the rest is the source's
    /// failure, and so is a page where a file belongs.
    fn must_be_file(&self) -> Result<(), Failure> {
        match self.answer.head.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(()),
            _ => return Err(status_error(&self.answer.head).into()),
        }
        let page = match media_type(&self.answer.head.headers).as_deref() {
            Some("text/html" | "application/xhtml+xml") => "an HTML page",
            Some("application/json" | "application/problem+json") => "a JSON document",
            _ => return Ok(()),
        };
        Err(upstream::Error::NotMedia(page).into())
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
    async fn look(&mut self, deadline: Instant) -> Result<Container, upstream::Error> {
        let asked = Instant::now();
        let mut seen = BytesMut::new();
        loop {
            let next = timeout_at(deadline, self.answer.body.next())
                .await
                .map_err(|_| upstream::Error::NoMedia(deadline.duration_since(asked)))?;
            let frame = next.transpose()?;
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
                Verdict::Media(container) => {
                    self.answer.body.put_back(whole.unwrap_or_else(|()| seen.freeze()));
                    return Ok(container);
                }
                Verdict::NotMedia(what) => return Err(upstream::Error::NotMedia(what)),
            }
        }
    }
}

/// A receiver sends transport streams and nothing else; elsewhere any stream will do.
fn must_be_stream(container: Container, protocol: Protocol) -> Result<(), upstream::Error> {
    let wrong = match container {
        Container::MpegTs => return Ok(()),
        Container::Hls => "an HLS playlist",
        _ if protocol == Protocol::Enigma2 => "bytes that are no transport stream",
        _ => return Ok(()),
    };
    Err(upstream::Error::NotMedia(wrong))
}
