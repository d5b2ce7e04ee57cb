//! Opening one source for one client: a slot, a fresh connection, an answer that is a success.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_RANGE;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::Slot;
use crate::channel::Source;
use crate::channel::health::Standing;
use crate::channel::source::Protocol;
use crate::config::Config;
use crate::delivery::Attempt;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Form;
use crate::delivery::Viewer;
use crate::delivery::Wish;
use crate::delivery::hls::Continuous;
use crate::delivery::hls::Reached;
use crate::media::sniff::Container;
use crate::media::sniff::SNIFF_MAX;
use crate::media::sniff::Verdict;
use crate::media::sniff::begins_as_json;
use crate::media::sniff::begins_as_text;
use crate::media::sniff::impostor;
use crate::media::sniff::sniff;
use crate::message::ContentRange;
use crate::message::Cookies;
use crate::message::gzip;
use crate::message::gzip::Coding;
use crate::message::headers::media_type;
use crate::upstream;
use crate::upstream::Answer;
use crate::upstream::Ask;
use crate::upstream::Keep;
use crate::upstream::fetch::status_error;

/// A session that is told to end does so at once; this is for a machine that is not well.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a provider is given to notice that a connection was closed.
const PROVIDER_LAG: Duration = Duration::from_millis(500);

/// Bytes of a key (8216 section 4.3.2.4: AES with 128 bits).
const KEY_LEN: usize = 16;

/// A source that answered; its slot is held for as long as its connection is open.
pub(crate) struct Opened {
    pub(crate) source: usize,
    pub(crate) answer: Answer,
    pub(crate) slot: Slot,
    /// What the first bytes are, where they were looked at.
    pub(crate) container: Container,
    /// The whole body, where a playlist or a document was wanted.
    pub(crate) text: Bytes,
    /// What was made of a playlist where a stream was wanted; the answer's own body is over then.
    pub(crate) stream: Option<Box<Continuous>>,
}

/// What to ask sources for, whichever it becomes.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) want: Want,
    /// What becomes of a playlist where a stream is wanted.
    pub(crate) form: Form,
    /// How far the session has come in playlists that it plays as a stream.
    pub(crate) reached: Arc<Reached>,
    pub(crate) method: Method,
    pub(crate) fields: HeaderMap,
    pub(crate) config: Arc<Config>,
    /// How long a source has to connect, and how long to answer.
    pub(crate) patience: Patience,
    /// Whether its connection may have served others, and may serve more.
    pub(crate) keep: Keep,
    /// Cookies to send, and where those that are set go.
    pub(crate) cookies: Option<Arc<Mutex<Cookies>>>,
    /// Whose other session may have to give its connection up for this; `None`: nobody's.
    pub(crate) viewer: Option<Viewer>,
}

impl Question {
    /// What a live source is asked for this client; other questions change what is different in them.
    pub(crate) fn of(wish: &Wish) -> Self {
        Self {
            want: Want::Live,
            form: wish.form,
            reached: Arc::default(),
            method: Method::GET,
            fields: HeaderMap::new(),
            config: Arc::clone(&wish.config),
            patience: Patience::of(&wish.config),
            keep: Keep::Fresh,
            // A stream is one request; what is made of a playlist is many.
            cookies: (wish.form != Form::Own).then(Arc::default),
            viewer: Some(wish.viewer.clone()),
        }
    }

    /// What an HLS source is asked: over a connection that others use too, with these cookies.
    pub(crate) fn of_hls(wish: &Wish, want: Want, cookies: &Arc<Mutex<Cookies>>) -> Self {
        let cookies = Some(Arc::clone(cookies));
        Self { want, form: Form::Own, keep: want.keep(), cookies, ..Self::of(wish) }
    }
}

/// How long an attempt may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To an open connection.
    pub(crate) connect: Duration,
    /// To the response head, and from there to the first media bytes.
    pub(crate) response: Duration,
}

impl Patience {
    /// As configured.
    pub(crate) fn of(config: &Config) -> Self {
        let failover = &config.failover;
        Self { connect: failover.connect_timeout, response: failover.response_timeout }
    }

    /// For a source that is not the last one, asked while a player waits for bytes. Receivers' own
    /// players give up after five seconds without any: one dead source must not use them up.
    pub(crate) fn brisk(self) -> Self {
        Self {
            connect: self.connect.min(Duration::from_millis(1500)),
            response: self.response.min(Duration::from_millis(2500)),
        }
    }
}

/// What a source must show before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// 200, and first bytes that are a stream.
    Live,
    /// An answer to the client's own ranged or conditional request.
    File,
    /// As [`Want::File`], for a segment or a part of one, which is never JSON.
    Segment,
    /// As [`Want::File`]; a body of sixteen bytes is a key, whatever is in it and its label says.
    Key,
    /// 200, and a whole HLS playlist.
    Playlist,
    /// 200, and a whole document of any kind.
    Document,
    /// 200, and media of any kind.
    Anything,
}

impl Want {
    /// How the connection of an HLS source is used for it.
    pub(crate) fn keep(self) -> Keep {
        match self {
            Self::Playlist | Self::Document | Self::Key => Keep::Ahead,
            Self::Live | Self::File | Self::Segment | Self::Anything => Keep::Pooled,
        }
    }
}

impl Delivery {
    /// Opens the first of the channel's sources that shows what is wanted: in their order, those in
    /// their cooldown last. First those whose provider has a free connection, then, within one
    /// `failover.slot_wait` for all of them, those whose provider gets one: at once where the same
    /// viewer's other session has it. Cancel safe.
    pub(crate) async fn first_source(
        &self,
        channel: &Arc<Channel>,
        question: &Question,
    ) -> Result<Opened, Error> {
        let mut attempts = Vec::new();
        let mut full = Vec::new();
        for source in in_order(&channel.sources, Instant::now()) {
            let Some(slot) = source.try_slot() else {
                full.push(source);
                continue;
            };
            match self.first_attempt(channel, source, slot, question).await {
                Ok(opened) => return Ok(opened),
                Err(attempt) => attempts.push(attempt),
            }
        }
        let mut left = self.taken_over(channel, &full, question).await;
        let asked = Instant::now();
        let deadline = asked + question.config.failover.slot_wait;
        while !full.is_empty() {
            let attempted = if let Some((index, slot)) = left.take() {
                let source = full.remove(index);
                self.inherited_attempt(channel, source, slot, question, deadline).await
            } else {
                let freed = timeout_at(deadline, first_slot(&full)).await;
                self.metrics.slot_wait(asked.elapsed());
                let Ok((index, slot)) = freed else { break };
                self.first_attempt(channel, full.remove(index), slot, question).await
            };
            match attempted {
                Ok(opened) => return Ok(opened),
                Err(attempt) => attempts.push(attempt),
            }
        }
        for source in full {
            let failure = Failure::NoSlot(source.connections_max());
            self.note(channel, source, &failure);
            attempts.push(Attempt { source: source.index, failure: Arc::new(failure) });
        }
        let unfit = attempts.iter().find_map(|attempt| match &*attempt.failure {
            Failure::Unfit(unfit) => Some(Error::Unfit(*unfit)),
            _ => None,
        });
        Err(unfit.unwrap_or(Error::Exhausted(attempts)))
    }

    /// The slot that another session of the same viewer has for one of these sources, none of which
    /// has a free one: that session ends. Cancel safe: the slot is free then.
    pub(super) async fn taken_over(
        &self,
        channel: &Channel,
        full: &[&Source],
        question: &Question,
    ) -> Option<(usize, Slot)> {
        let viewer = question.viewer.as_ref()?;
        let budgets: Vec<_> = full.iter().map(|source| source.budget()).collect::<Option<_>>()?;
        let (index, promise) = self.sessions.take_over(viewer, &budgets)?;
        let slot = timeout(TAKEOVER_TIMEOUT, promise).await.ok()?.ok()?;
        self.metrics.takeover(&channel.id);
        Some((index, slot))
    }

    /// A first attempt with a slot whose connection was closed a moment ago. Providers may count that
    /// one for a while still: one that says that it is at its limit is asked again until `deadline`.
    async fn inherited_attempt(
        &self,
        channel: &Arc<Channel>,
        source: &Source,
        mut slot: Slot,
        question: &Question,
        deadline: Instant,
    ) -> Result<Opened, Attempt> {
        loop {
            let attempt = match self.first_attempt(channel, source, slot, question).await {
                Ok(opened) => return Ok(opened),
                Err(attempt) => attempt,
            };
            let again = Instant::now() + PROVIDER_LAG;
            if !attempt.failure.is_limit() || again > deadline {
                return Err(attempt);
            }
            sleep_until(again).await;
            slot = match source.try_slot() {
                Some(slot) => slot,
                None => return Err(attempt),
            };
        }
    }

    async fn first_attempt(
        &self,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> Result<Opened, Attempt> {
        match self.open(channel, source, slot, question).await {
            Ok(opened) => {
                self.succeeded(channel, source);
                Ok(opened)
            }
            Err(failure) => {
                self.failed(channel, source, &failure, question);
                Err(Attempt { source: source.index, failure: Arc::new(failure) })
            }
        }
    }

    /// One source, as [`Delivery::attempt`]; a playlist where a stream is wanted is made one.
    pub(crate) async fn open(
        &self,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> Result<Opened, Failure> {
        let opened = self.attempt(channel, source, slot, question).await?;
        match question.form {
            Form::Ts { max_bandwidth }
                if question.want == Want::Live && opened.container == Container::Hls =>
            {
                self.continuous((channel, source), opened, question, max_bandwidth).await
            }
            _ => Ok(opened),
        }
    }

    /// A source has shown what is wanted.
    pub(crate) fn succeeded(&self, channel: &Channel, source: &Source) {
        self.metrics.upstream_attempt(&channel.id, source.index, "ok");
        source.succeeded(Instant::now());
    }

    /// An attempt has failed, before the client saw anything of it.
    pub(crate) fn failed(
        &self,
        channel: &Channel,
        source: &Source,
        failure: &Failure,
        question: &Question,
    ) {
        if let Some(kind) = failure.kind() {
            source.failed(Instant::now(), kind, question.config.failover.cooldown);
        }
        self.note(channel, source, failure);
    }

    /// One source, whose slot is held: its URLs in order (a receiver's stream ports) until one shows
    /// what is wanted. Cancel safe: dropping it closes what is open, and then frees the slot.
    pub(crate) async fn attempt(
        &self,
        channel: &Channel,
        source: &Source,
        mut slot: Slot,
        question: &Question,
    ) -> Result<Opened, Failure> {
        let began = Instant::now();
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
                connect_timeout: question.patience.connect,
                response_timeout: question.patience.response,
                counted: source.is_counted(),
                egress: question.config.egress.clone().into(),
                cookies: question.cookies.clone(),
                keep: question.keep,
            };
            last = match self.fetcher.fetch(&ask).await {
                Ok(answer) => {
                    let (container, text) = (Container::Unknown, Bytes::new());
                    let source_index = source.index;
                    let mut opened = Opened {
                        source: source_index,
                        answer,
                        slot,
                        container,
                        text,
                        stream: None,
                    };
                    match opened.judge(question, source.protocol).await {
                        Ok(()) => {
                            self.metrics.upstream_media(began.elapsed());
                            return Ok(opened);
                        }
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
    pub(super) fn note(&self, channel: &Channel, source: &Source, failure: &Failure) {
        let outcome = failure.outcome();
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
    async fn judge(&mut self, question: &Question, protocol: Protocol) -> Result<(), Failure> {
        let patience = question.patience.response;
        let deadline = Instant::now() + patience;
        if matches!(question.want, Want::File | Want::Segment | Want::Key) {
            return self.must_be_file(question, deadline).await;
        }
        if self.answer.head.status != StatusCode::OK {
            return Err(status_error(&self.answer.head).into());
        }
        if question.want == Want::Document {
            return Ok(self.read_whole(&question.config, deadline).await?);
        }
        if question.want == Want::Playlist {
            return Ok(self.read_playlist(&question.config, deadline).await?);
        }
        let takes_playlist = question.want == Want::Live && question.form != Form::Own;
        // Nobody compresses a stream.
        let is_packed = Coding::of(&self.answer.head.headers) == Coding::Gzip;
        if !(takes_playlist && is_packed) {
            self.container = self.look(question.want, deadline).await?;
        }
        if takes_playlist && (is_packed || self.container == Container::Hls) {
            return Ok(self.read_playlist(&question.config, deadline).await?);
        }
        if question.want == Want::Live {
            must_be_stream(self.container, protocol)?;
        }
        Ok(())
    }

    /// Statuses that are an answer to the client's own request pass; the rest is the source's
    /// failure, and so is a page or a playlist where a file belongs, or a body that does not come.
    async fn must_be_file(
        &mut self,
        question: &Question,
        deadline: Instant,
    ) -> Result<(), Failure> {
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
        let is_coded = Coding::of(&head.headers) != Coding::Identity;
        if question.method == Method::HEAD {
            return Ok(());
        }
        // The head goes out only once the first bytes are there.
        let Some(mut first) = self.first_frame(deadline).await? else {
            return Ok(());
        };
        let is_key = question.want == Want::Key && self.is_key(&mut first, deadline).await?;
        let wrong = match question.want {
            _ if is_key => None,
            // Servers label segments so too; what is a playlist is text, wherever it is cut.
            _ if kind == Some(Kind::Hls) && (is_coded || begins_as_text(&first)) => {
                Some("an HLS playlist")
            }
            _ if !from_start => None,
            // What panels say in place of a segment, whatever they label it.
            Want::Segment if begins_as_json(&first) => Some("a JSON document"),
            _ => impostor(&first, media_type.as_deref()),
        };
        if let Some(what) = wrong {
            return Err(upstream::Error::NotMedia(what).into());
        }
        self.answer.body.put_back(first);
        Ok(())
    }

    /// Whether the whole body, which begins with `first`, is as long as a key. Reads on into `first`
    /// until that is clear, one frame beyond a key's length at most.
    async fn is_key(
        &mut self,
        first: &mut Bytes,
        deadline: Instant,
    ) -> Result<bool, upstream::Error> {
        while first.len() <= KEY_LEN {
            let Some(next) = self.first_frame(deadline).await? else {
                return Ok(first.len() == KEY_LEN);
            };
            *first = [&**first, &*next].concat().into();
        }
        Ok(false)
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
        match Coding::of(&self.answer.head.headers) {
            // Read to its end only if it begins as one.
            Coding::Identity => self.container = self.look(Want::Playlist, deadline).await?,
            Coding::Gzip | Coding::Other => self.container = Container::Hls,
        }
        if self.container != Container::Hls {
            return Err(upstream::Error::NotMedia("a body that is no HLS playlist"));
        }
        self.read_whole(config, deadline).await
    }

    /// Reads the whole body, whatever it is, with the same bounds.
    async fn read_whole(
        &mut self,
        config: &Config,
        deadline: Instant,
    ) -> Result<(), upstream::Error> {
        const TOO_LONG: &str = "a text beyond limits.playlist_bytes";
        let max = config.limits.playlist_bytes;
        let coding = Coding::of(&self.answer.head.headers);
        if coding == Coding::Other {
            let what = "a text compressed in a way that was not asked for";
            return Err(upstream::Error::NotMedia(what));
        }
        let mut text = BytesMut::new();
        let reading = async {
            while let Some(bytes) = self.answer.body.next().await.transpose()? {
                if text.len() + bytes.len() > max {
                    return Err(upstream::Error::NotMedia(TOO_LONG));
                }
                text.extend_from_slice(&bytes);
            }
            Ok(())
        };
        let timeout = upstream::Error::ResponseTimeout(config.failover.response_timeout);
        timeout_at(deadline, reading).await.map_err(|_| timeout)??;
        self.text = match coding {
            Coding::Gzip => gzip::unpack(&text, max).map(Bytes::from).map_err(|error| {
                upstream::Error::NotMedia(match error {
                    gzip::Error::TooLong => TOO_LONG,
                    gzip::Error::Damaged => "a compressed text that is damaged",
                })
            })?,
            Coding::Identity | Coding::Other => text.freeze(),
        };
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

/// Sources in the order to try them.
fn in_order(sources: &[Source], now: Instant) -> Vec<&Source> {
    let mut order: Vec<_> = sources.iter().collect();
    order.sort_by_cached_key(|source| source.standing(now) == Standing::Cooling);
    order
}

/// The first slot that comes free among these sources, none of which has one now. Cancel safe.
pub(crate) async fn first_slot(sources: &[&Source]) -> (usize, Slot) {
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
