//! Serving one client: which source, which way, and what the client gets. Each way to serve is a
//! file here; `Delivery::serve` picks one by the channel's kind.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use http::header::USER_AGENT;
use http::{HeaderMap, Method, Response};
use http_body_util::Either;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::channel::Kind;
use crate::config::Config;
use crate::config::Join;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::feed::Course;
use crate::delivery::feed::Feeding;
use crate::delivery::feed::Start;
use crate::delivery::first::First;
use crate::delivery::hls::Hls;
use crate::delivery::hls::Viewing;
use crate::delivery::line::Line;
use crate::delivery::made::Clips;
use crate::delivery::pipe::Carriage;
use crate::delivery::reading::Extent;
use crate::delivery::reading::Reading;
use crate::delivery::reading::Rest;
use crate::delivery::remuxing::Remuxing;
use crate::delivery::seal::Behind;
use crate::delivery::sessions::Opening;
use crate::delivery::sessions::Role;
use crate::delivery::sessions::Session;
use crate::delivery::shared::Shared;
use crate::flow;
use crate::flow::Control;
use crate::flow::Way;
use crate::lifecycle::Notice;
use crate::lifecycle::Tasks;
use crate::media::m3u8::Unfit;
use crate::media::sniff::Container;
use crate::media::ts::join::Manner;
use crate::metrics::Metrics;
use crate::remux::codec::Coding;
use crate::transcode;
use crate::transcode::Transcoder;
use crate::upstream::Fetcher;

mod attempt;
pub mod cut;
pub mod desk;
mod detect;
mod failover;
pub mod failure;
mod feed;
mod first;
pub mod held;
mod hls;
mod leeway;
mod line;
mod live;
mod loss;
mod made;
pub mod overrides;
mod pace;
pub mod pipe;
mod reading;
pub mod remuxing;
pub mod resume;
pub mod seal;
pub mod sessions;
pub mod shared;
mod silence;
mod slate;
mod timer;
pub mod viewer;
mod vital;
mod vod;

pub use desk::Desk;
pub use failover::Outcome;
pub use failure::{Attempt, Failure};
pub use held::Held;
pub use overrides::Overrides;
pub use pipe::SessionBody;
pub use seal::Seal;
pub use sessions::Sessions;
pub use viewer::Viewer;

/// Characters of a `User-Agent` that are remembered.
const USER_AGENT_MAX: usize = 200;

/// The body of every media answer: bytes at hand, or a session's stream.
pub type Body = Either<Held, SessionBody>;

/// What an answer carries.
#[derive(Clone)]
enum Piece {
    /// A stream or a film: a session of its own, whose viewer may be away for an hour.
    Whole,
    /// One of the many segments, parts and keys of an HLS session: no reason to pause for longer than
    /// `limits.client_timeout`.
    Segment(Arc<Viewing>, Behind),
}

impl Piece {
    fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// What its source is asked in any case.
    fn question(&self, wish: &Wish) -> Question {
        match self {
            Self::Whole => Question { want: Want::File, ..Question::of(wish) },
            Self::Segment(viewing, behind) => {
                let want = if *behind == Behind::Key { Want::Key } else { Want::Segment };
                let question = Question::of_hls(wish, want, &viewing.cookies);
                let mut question = Question { viewer: None, ..question };
                // One that was announced is held back until it is there (8216bis section 6.2.6). A
                // source that holds it for ever must not do so for longer than it may a reload.
                if *behind == Behind::Part {
                    question.patience.response += viewing.patience();
                }
                question
            }
        }
    }
}

/// In which form a client wants a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The one that its sources have.
    #[default]
    Own,
    /// One MPEG transport stream, also from HLS.
    Ts {
        /// Bits per second of the best variant that is taken, where there are several.
        max_bandwidth: u64,
    },
}

/// One client's wish, as far as serving it needs to know.
pub struct Wish {
    /// The form in which the channel is wanted.
    pub form: Form,
    /// GET or HEAD.
    pub method: Method,
    /// The client's own fields; only an allow-list of them ever goes upstream.
    pub headers: HeaderMap,
    /// The path of the request as the client sees it, for relative URLs in playlists.
    pub path: String,
    /// The query of the request without weir's token.
    pub query: Option<String>,
    /// Whose it is.
    pub client: IpAddr,
    /// Who is watching.
    pub viewer: Viewer,
    /// When the request was read.
    pub started: Instant,
    /// The client's socket.
    pub control: Arc<Control>,
    /// What holds the client's place under the limits; dropped when the session ends.
    pub place: Box<dyn std::any::Any + Send + Sync>,
    /// The configuration that the request came in under.
    pub config: Arc<Config>,
}

impl Wish {
    /// What the client calls itself, for whoever looks who watches.
    fn user_agent(&self) -> Option<Box<str>> {
        let text = self.headers.get(USER_AGENT)?.to_str().ok()?;
        Some(text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect())
    }
}

/// Why a client gets no stream.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Every source was tried; what each said, in the order they were tried.
    #[error("no source can be played: {}", failure::listed(.0))]
    Exhausted(Vec<Attempt>),
    /// No source has the file: 404, or 410 where the last one says so.
    #[error("the file is not there")]
    Missing(u16),
    /// Somebody has stopped the relay that it waits for.
    #[error("somebody has stopped this channel's relay")]
    Stopped,
    /// FFmpeg, which the profile asks for, does not make a stream of it.
    #[error("{0}")]
    Ffmpeg(String),
    /// As many FFmpeg processes as may run do: `relay.max_processes`.
    #[error("{0} FFmpeg processes are running, which is relay.max_processes")]
    NoProcess(usize),
    /// The profile asks for sound to be converted, and this build decodes none that there is.
    #[error(
        "the sound is {}, which this build does not decode: build weir with `--features libav`, or set \
         `audio.via: ffmpeg` in the profile", failure::codings(.0)
    )]
    Undecodable(Arc<[Coding]>),
    /// The conversion of sound has failed before there were bytes.
    #[error("the conversion of its sound has failed; the log says why")]
    Remux,
    /// The client wants a form that the channel is not delivered in.
    #[error("this channel is delivered as {0}")]
    NotAcceptable(&'static str),
    /// The client wants one stream of a playlist that none can be made of.
    #[error("this channel is delivered as hls, and not as ts: {0}")]
    Unfit(Unfit),
    /// As many HLS sessions as clients are allowed.
    #[error("all {0} places are taken (limits.clients)")]
    Full(usize),
    /// As many HLS sessions as one address may have.
    #[error("this address has all {0} places that it may have (limits.clients_per_ip)")]
    FullForAddress(usize),
    /// A playlist that cannot be rewritten.
    #[error("the source's playlist cannot be passed on: {0}")]
    Playlist(&'static str),
    /// A sealed URL that was not made here, or was changed.
    #[error("this URL was not made by this gateway")]
    Forged,
    /// A sealed URL whose time is over.
    #[error("this URL has expired")]
    Expired,
}

/// Serves clients. One for the program.
#[derive(Clone)]
pub struct Delivery {
    fetcher: Fetcher,
    sessions: Sessions,
    overrides: Overrides,
    clips: Clips,
    /// Set once a channel's profile asks for FFmpeg.
    transcoder: Arc<OnceLock<Transcoder>>,
    metrics: Arc<Metrics>,
    seal: Arc<Seal>,
    hls: Arc<Hls>,
    shared: Arc<Shared>,
    remuxing: Arc<Remuxing>,
    /// Whether the kernel lets bytes be spliced.
    splices: bool,
    /// Cancelled when the grace of a stop is over, so that sessions know who ended them.
    cut: Notice,
}

impl Delivery {
    /// Wires the parts; starts nothing. HLS clients of one channel share answers of `shared_bytes` at
    /// most.
    #[must_use]
    pub fn new(
        fetcher: Fetcher,
        metrics: Arc<Metrics>,
        seal: Arc<Seal>,
        shared_bytes: usize,
        tasks: &Tasks,
    ) -> Self {
        let sessions = Sessions::new(Arc::clone(&metrics));
        let splices = match flow::pipe::probe() {
            Ok(()) => true,
            Err(why) => {
                tracing::info!("bodies are copied, not spliced: {why}");
                false
            }
        };
        let cut = tasks.cut_notice();
        let hls = Arc::new(Hls::new(tasks.clone(), shared_bytes));
        let shared = Arc::new(Shared::new(tasks.clone()));
        let overrides = Overrides::default();
        let clips = Clips::new(None, tasks.clone());
        let transcoder = Arc::default();
        Self {
            fetcher,
            sessions,
            overrides,
            clips,
            transcoder,
            metrics,
            seal,
            hls,
            shared,
            remuxing: Arc::new(Remuxing::new()),
            splices,
            cut,
        }
    }

    /// The same, with clips of images and texts that are rendered once and kept in `folder`.
    #[must_use]
    pub fn keeping_clips(self, folder: PathBuf, tasks: &Tasks) -> Self {
        Self { clips: Clips::new(Some(folder), tasks.clone()), ..self }
    }

    /// From now on clips are rendered with this program.
    pub fn render_with(&self, program: PathBuf) {
        self.clips.render_with(program);
    }

    /// From now on there is FFmpeg for the channels whose profiles ask for it; the first one stands.
    pub fn transcode_with(&self, transcoder: Transcoder) {
        self.transcoder.get_or_init(|| transcoder);
    }

    /// Whether there is.
    #[must_use]
    pub fn transcodes(&self) -> bool {
        self.transcoder.get().is_some()
    }

    /// Resolves when what FFmpeg had is given back, once its channels are over; see
    /// [`Transcoder::at_rest`].
    pub async fn at_rest(&self) {
        if let Some(transcoder) = self.transcoder.get() {
            transcoder.at_rest().await;
        }
    }

    /// What processes may take from now on.
    pub fn limit_processes(&self, limits: transcode::Limits) {
        if let Some(transcoder) = self.transcoder.get() {
            transcoder.set_limits(limits);
        }
    }

    /// Who watches what.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What channels show instead of their sources.
    #[must_use]
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Answers `wish` with `channel`. The answer is made only once a source has shown that it has
    /// what was asked for. Cancel safe: dropping it closes whatever is open upstream.
    ///
    /// # Errors
    /// See [`Error`]; nothing has been sent to the client then.
    pub async fn serve(&self, channel: &Arc<Channel>, wish: Wish) -> Result<Response<Body>, Error> {
        if Self::is_packaged(channel) {
            return Err(Error::NotAcceptable("hls"));
        }
        match channel.kind() {
            Some(Kind::Vod) => self.vod(channel, wish, Piece::Whole).await,
            Some(Kind::Hls) if wish.form == Form::Own => self.playlist(channel, wish).await,
            _ if self.shares(channel) => self.relayed(channel, wish).await,
            Some(Kind::Live) => self.live(channel, wish).await,
            Some(Kind::Hls) => self.live(channel, wish).await,
            None => self.detect(channel, wish).await,
        }
    }

    /// The body of a live session that begins with `first`; other sources are asked `question`.
    fn live_body(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        first: First,
        question: Question,
    ) -> SessionBody {
        wish.control.no_hurry();
        let control = Arc::clone(&wish.control);
        let feeding = self.feeding(channel, first, question, (&control, true));
        let desk = Some(Arc::clone(&feeding.desk));
        let (source, line) = feeding.start.source();
        let session = self.session(channel, wish, source, line, desk, Piece::Whole);
        let feed = feeding.begin(session.info().id);
        SessionBody::new(Carriage::Live(Box::new(feed)), session)
    }

    /// What feeds a client that begins with `first`, or, where `is_client` is false, somebody who reads
    /// the bytes.
    fn feeding(
        &self,
        channel: &Arc<Channel>,
        first: First,
        question: Question,
        (control, is_client): (&Arc<Control>, bool),
    ) -> Feeding {
        let container = first.container();
        let manner = match question.config.failover.join {
            _ if container != Container::MpegTs => None,
            Join::Raw => None,
            Join::Aligned => Some(Manner::Aligned),
            Join::Seamless => Some(Manner::Seamless),
        };
        let way = if manner.is_some() { Way::Watched } else { self.way() };
        let course = Course {
            delivery: self.clone(),
            channel: Arc::clone(channel),
            question,
            container,
            control: Arc::clone(control),
            way: is_client.then_some(way),
        };
        let start = match first {
            First::Source(playing) => {
                let source = playing.source;
                Start::Source(source, Box::new(Line::new(playing, course.way, control)))
            }
            First::Slate(causes) => Start::Slate(causes),
            First::Override => Start::Override,
        };
        Feeding { course, manner, start, desk: Arc::default() }
    }

    /// The body of a file, or of a part of one, from a source that was opened. `rest` is how it goes
    /// on where that breaks.
    fn file_body(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        opened: Opened,
        (extent, rest): (Extent, Option<Rest>),
        piece: Piece,
    ) -> SessionBody {
        let patience = wish.config.failover.response_timeout;
        let source = opened.source;
        let line = Line::new(opened, Some(self.way()), &wish.control);
        let session = self.session(channel, wish, source, Some(&line), None, piece);
        let reading = Reading::new((source, line), extent, patience, rest);
        SessionBody::new(Carriage::File(Box::new(reading)), session)
    }

    /// How bytes move that nobody has to see.
    fn way(&self) -> Way {
        if self.splices { Way::Spliced } else { Way::Watched }
    }

    /// Begins a session: from here on it has a place in the list, and its end is logged. Without a
    /// `line` no source plays.
    fn session(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
        source: usize,
        line: Option<&Line>,
        desk: Option<Arc<Desk>>,
        piece: Piece,
    ) -> Session {
        if let Piece::Segment(viewing, _) = piece {
            return self.part(&viewing, wish);
        }
        let control = Arc::clone(&wish.control);
        let session = self.sessions.begin(Opening {
            channel: Arc::clone(channel),
            source,
            client: Some(wish.client),
            user_agent: wish.user_agent(),
            viewer: Some(wish.viewer),
            started: wish.started,
            control: wish.control,
            slot: line.and_then(Line::lease),
            desk,
            place: wish.place,
            cut: self.cut.clone(),
            way: line.map_or("made", Line::way),
            role: Role::Alone,
        });
        control.end_with(session.leave().clone());
        session
    }

    /// Begins an answer that is a part of an HLS session.
    fn part(&self, viewing: &Viewing, wish: Wish) -> Session {
        let control = Arc::clone(&wish.control);
        let session = self.sessions.part(&viewing.info, wish.control, wish.place, self.cut.clone());
        control.end_with(session.leave().clone());
        session
    }
}
