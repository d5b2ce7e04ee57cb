//! Shared channels: one upstream connection for all clients of a channel, through a relay's buffer.
//!
//! starting -> running -> over: the first client begins a relay, whose task opens a source as it would
//! for a client and reads it into the buffer; whoever comes meanwhile waits for the same. It is over when
//! its sources are, when nobody has watched it for `relay.idle_timeout`, when its connection is needed
//! for a client and nobody watches it, when a reload changes the channel, or when somebody stops it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::{Method, Response};
use http_body_util::Either;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::Source;
use crate::channel::health::Standing;
use crate::config;
use crate::delivery::Attempt;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Form;
use crate::delivery::Held;
use crate::delivery::Piece;
use crate::delivery::SessionBody;
use crate::delivery::Wish;
use crate::delivery::attempt::Question;
use crate::delivery::line::Line;
use crate::delivery::live;
use crate::delivery::pipe::Carriage;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Info;
use crate::delivery::sessions::Opening;
use crate::delivery::sessions::Role;
use crate::delivery::viewer::Viewer;
use crate::flow::Control;
use crate::lifecycle::Notice;
use crate::lifecycle::Tasks;
use crate::relay::Buffer;
use crate::relay::Closed;
use crate::relay::Writer;
use crate::transcode;
use converter::Converter;
use files::Files;
use pump::News;
use pump::Pump;
use relay::Buffered;
use relay::Key;
use relay::Relay;
use relay::State;
use relay::instead_of;
use watchers::Watching;

mod client;
mod converter;
mod files;
mod packaged;
mod pump;
mod relay;
pub mod view;
mod watchers;

pub(crate) use client::Client;
pub(super) use client::closed_by;
pub(crate) use watchers::Watchers;

/// How often a client tries again whose relay has ended at the moment at which it came.
const TRIES_MAX: usize = 3;

/// All relays.
pub(crate) struct Shared {
    /// Guards the map; held to look one up, to add or to remove it.
    relays: Mutex<HashMap<Key, Arc<Relay>>>,
    tasks: Tasks,
}

impl Shared {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { relays: Mutex::default(), tasks }
    }

    fn relays(&self) -> MutexGuard<'_, HashMap<Key, Arc<Relay>>> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a relay out, unless somebody watches it after all.
    fn remove(&self, relay: &Arc<Relay>, even_if_watched: bool) -> bool {
        let mut relays = self.relays();
        if !even_if_watched && relay.watchers.none_since().is_none() {
            return false;
        }
        if relays.get(&relay.key).is_some_and(|known| Arc::ptr_eq(known, relay)) {
            relays.remove(&relay.key);
        }
        true
    }
}

impl Delivery {
    /// Answers with the channel's relay, which begins if it does not run.
    pub(super) async fn relayed(
        &self,
        channel: &Arc<Channel>,
        mut wish: Wish,
    ) -> Result<Response<Body>, Error> {
        // A live stream has one variant, and what a playlist has becomes a stream.
        let form = wish.form;
        wish.form = match form {
            Form::Ts { max_bandwidth } if channel.kind() != Some(Kind::Live) => {
                Form::Ts { max_bandwidth }
            }
            Form::Ts { .. } | Form::Own => Form::Ts { max_bandwidth: u64::MAX },
        };
        if wish.method == Method::HEAD {
            return Ok(live::head(live::MPEG_TS, Either::Left(Held::empty())));
        }
        let (relay, info, watching) = match self.watch(channel, &wish).await {
            Err(_) if channel.kind() == Some(Kind::Vod) => {
                // As its source has shown just now.
                wish.form = form;
                return self.vod(channel, wish, Piece::Whole).await;
            }
            watched => watched?,
        };
        let reader = relay.buffer.reader();
        wish.control.no_hurry();
        wish.control.limit_patience(wish.config.relay.client_timeout);
        let control = Arc::clone(&wish.control);
        let session = self.sessions.begin(Opening {
            channel: Arc::clone(channel),
            source: info.source(),
            client: Some(wish.client),
            user_agent: wish.user_agent(),
            started: wish.started,
            control: wish.control,
            viewer: Some(wish.viewer),
            slot: None,
            desk: None,
            place: wish.place,
            cut: self.cut.clone(),
            way: "shared",
            role: Role::Fed { relay: info, cursor: Arc::clone(reader.cursor()) },
        });
        control.end_with(session.leave().clone());
        let client = Client::new(reader, relay, self.metrics.relay_skips(&channel.id), watching);
        let body = SessionBody::new(Carriage::Relayed(Box::new(client)), session);
        Ok(live::head(live::MPEG_TS, Either::Right(body)))
    }

    /// A relay that runs, and the right to it.
    async fn watch(
        &self,
        channel: &Arc<Channel>,
        wish: &Wish,
    ) -> Result<(Arc<Relay>, Arc<Info>, Watching), Error> {
        let Form::Ts { max_bandwidth } = wish.form else { return Err(Error::NotAcceptable("ts")) };
        for _ in 0..TRIES_MAX {
            let viewer = wish.viewer.clone();
            let question = || Question { is_shared: true, ..Question::of(wish) };
            let (relay, watching) = self.enter(channel, max_bandwidth, viewer, question);
            match relay.settled().await {
                State::Running(info) => return Ok((relay, info, watching)),
                State::Failed(error) => return Err(error),
                State::Starting | State::Over => {}
            }
        }
        Err(Error::Exhausted(Vec::new()))
    }

    /// The channel's relay, watched by `viewer` from now on. One that does not run begins, and asks its
    /// sources what `question` says.
    fn enter(
        &self,
        channel: &Arc<Channel>,
        max_bandwidth: u64,
        viewer: Viewer,
        question: impl FnOnce() -> Question,
    ) -> (Arc<Relay>, Watching) {
        let key = Key { channel: Arc::clone(&channel.identity), max_bandwidth };
        let mut relays = self.shared.relays();
        let known = relays.get(&key).filter(|relay| relay.is_open());
        if let Some(relay) = known.or_else(|| instead_of(&relays, &key)) {
            let watching = relay.watchers.enter(viewer.clone());
            // It may have been told to leave a moment ago; from now on it is not.
            if relay.is_open() {
                return (Arc::clone(relay), watching);
            }
        }
        let question = question();
        let (buffer, writer) = Buffer::new(question.config.relay.clone());
        let relay = Arc::new(Relay {
            key: key.clone(),
            channel: Arc::clone(channel),
            buffer,
            watchers: Watchers::new(),
            state: watch::Sender::new(State::Starting),
            stop: Notice::new(),
            began: Instant::now(),
            idle_timeout: question.config.relay.idle_timeout,
            served: AtomicU64::new(0),
            monitor: OnceLock::new(),
            files: OnceLock::new(),
            buffered: Buffered::new(self.metrics.relay_buffer(&channel.id)),
        });
        let watching = relay.watchers.enter(viewer);
        relays.insert(key, Arc::clone(&relay));
        drop(relays);
        let task = self.clone().run(Arc::clone(&relay), question, writer);
        self.shared.tasks.spawn(Span::none(), task);
        (relay, watching)
    }

    /// The task of a relay, from its beginning to its end.
    async fn run(self, relay: Arc<Relay>, question: Question, writer: Writer) {
        let opening = tokio::select! {
            biased;
            opened = self.open_pump(&relay, question, writer) => opened.map(Some),
            () = self.unwanted(&relay, false) => Ok(None),
            () = relay.stop.given() => Err(Error::Stopped),
        };
        match opening {
            Ok(Some(pump)) => self.drive(&relay, pump).await,
            Ok(None) => _ = relay.state.send_replace(State::Over),
            Err(error) => _ = relay.state.send_replace(State::Failed(error)),
        }
        self.shared.remove(&relay, true);
    }

    /// Opens the first source that plays.
    async fn open_pump(
        &self,
        relay: &Relay,
        question: Question,
        writer: Writer,
    ) -> Result<Pump, Error> {
        let channel = &relay.channel;
        let converter = self.converter(relay)?;
        if let Some(converter) = &converter {
            // A relay is opened once.
            _ = relay.monitor.set(Arc::clone(converter.monitor()));
        }
        let files = relay.files.get().cloned();
        let first = self.first(channel, &question).await?;
        // Nobody waits behind it, so it is always ready.
        let control = Arc::new(Control::new(question.config.limits.client_timeout));
        let patience = question.config.failover.response_timeout;
        let feeding = self.feeding(channel, first, question, (&control, false));
        let (source, line) = feeding.start.source();
        let session = self.sessions.begin(Opening {
            channel: Arc::clone(channel),
            source,
            client: None,
            user_agent: None,
            started: relay.began,
            control,
            viewer: None,
            slot: line.and_then(Line::lease),
            desk: Some(Arc::clone(&feeding.desk)),
            place: Box::new(()),
            cut: self.cut.clone(),
            way: line.map_or("made", Line::way),
            role: Role::Relay(Arc::clone(&relay.watchers)),
        });
        let feed = feeding.begin(session.info().id);
        let stream = self.heard(feed, &session);
        Ok(Pump::new((stream, session), writer, (converter, files), patience))
    }

    /// What makes another stream of the channel's, if its profile asks for it.
    fn converter(&self, relay: &Relay) -> Result<Option<Converter>, Error> {
        let channel = &relay.channel;
        let Some(ffmpeg) = &channel.profile.ffmpeg else { return Ok(None) };
        let Some(transcoder) = self.transcoder.get() else {
            return Err(Error::Ffmpeg(
                "FFmpeg could not be made ready; the log says why".to_owned(),
            ));
        };
        match transcoder.try_begin(&channel.id, ffmpeg) {
            Ok(transcode) => {
                if let Some(playlist) = transcode.playlist() {
                    let folder = transcode.folder().to_owned();
                    let files = Files::new(folder, playlist.to_owned(), ffmpeg);
                    relay.files.get_or_init(|| Arc::new(files));
                }
                Ok(Some(Converter::begin(transcode)))
            }
            Err(transcode::Error::TooMany(max)) => Err(Error::NoProcess(max)),
            Err(error) => Err(Error::Ffmpeg(error.to_string())),
        }
    }

    /// Reads until there is an end.
    async fn drive(&self, relay: &Arc<Relay>, mut pump: Pump) {
        let info = Arc::clone(pump.info());
        let mut has_begun = false;
        loop {
            let news = tokio::select! {
                biased;
                news = poll_fn(|cx| pump.poll(cx, has_begun)) => news,
                () = info.leave().given() => News::Closed(left(relay)),
                () = relay.stop.given() => News::Closed(Closed::Stopped),
                never = relay.tend() => match never {},
                () = self.unwanted(relay, has_begun) => {
                    pump.ended(End::Idle);
                    News::Closed(Closed::Stopped)
                }
            };
            match news {
                News::Begun => {
                    has_begun = true;
                    relay.state.send_replace(State::Running(Arc::clone(&info)));
                }
                News::NoStart(why) => {
                    let failure = Arc::new(Failure::NoStart(why));
                    let attempt = Attempt { source: info.source(), failure };
                    pump.ended(End::SourceFailed("no_start"));
                    relay.state.send_replace(State::Failed(Error::Exhausted(vec![attempt])));
                    return;
                }
                News::NoProcess(why) => {
                    pump.ended(End::SourceFailed("ffmpeg"));
                    relay.state.send_replace(State::Failed(Error::Ffmpeg(why)));
                    return;
                }
                News::NoStream(error) => {
                    pump.ended(End::SourceFailed("no_start"));
                    relay.state.send_replace(State::Failed(error));
                    return;
                }
                News::Closed(closed) => {
                    // Whoever comes now begins another one.
                    self.shared.remove(relay, true);
                    relay.buffer.close(closed);
                    pump.ended(client::end_of(closed).0);
                    let failed = || State::Failed(not_begun(closed, info.source()));
                    relay.state.send_replace(if has_begun { State::Over } else { failed() });
                    return;
                }
            }
        }
    }

    /// Resolves when nobody has watched the relay for as long as it may be kept then; once it does, nobody
    /// can.
    async fn unwanted(&self, relay: &Arc<Relay>, has_begun: bool) {
        loop {
            let Some(since) = relay.watchers.none_since() else {
                relay.watchers.deserted().await;
                continue;
            };
            if has_begun {
                tokio::select! {
                    () = sleep_until(since + relay.idle_timeout) => {}
                    () = self.shared.tasks.stopping() => {}
                }
            }
            if relay.watchers.none_since() == Some(since) && self.shared.remove(relay, false) {
                return;
            }
        }
    }

    /// Whether the clients of a channel share a connection now. Where that is up to weir they do once only
    /// one is left: whoever comes later can have it too.
    pub(super) fn shares(&self, channel: &Channel) -> bool {
        match channel.profile.delivery {
            config::Delivery::Direct => false,
            config::Delivery::Shared => true,
            config::Delivery::Auto => {
                let now = Instant::now();
                let is_good = |source: &&Source| source.standing(now) != Standing::Cooling;
                let source = channel.sources.iter().find(is_good).or(channel.sources.first());
                let budget = source.and_then(Source::budget);
                budget.is_some_and(|budget| budget.used() + 2 > budget.max())
            }
        }
    }
}

/// What those are told who wait for a stream that has ended before they could begin.
pub(super) fn not_begun(closed: Closed, source: usize) -> Error {
    let why = match closed {
        Closed::Complete | Closed::Ended => "it ended before there was a picture or sound",
        Closed::Failed(_) => "it broke before there was a picture or sound",
        Closed::Silent => "it went silent before there was a picture or sound",
        Closed::Replaced => "its connection was needed for something else",
        Closed::Reloaded => "a reload has changed the channel",
        Closed::Stopped => return Error::Stopped,
    };
    let failure = Arc::new(Failure::NoStart(why));
    Error::Exhausted(vec![Attempt { source, failure }])
}

/// Why a relay is told to leave.
fn left(relay: &Relay) -> Closed {
    if relay.channel.retired.is_given() { Closed::Reloaded } else { Closed::Replaced }
}
