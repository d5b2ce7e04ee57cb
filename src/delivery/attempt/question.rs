//! What is asked of sources, and for how long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Method};

use crate::config::Config;
use crate::delivery::Form;
use crate::delivery::Viewer;
use crate::delivery::Wish;
use crate::delivery::hls::Reached;
use crate::message::Cookies;
use crate::upstream::Keep;

/// What to ask sources for, whichever it becomes.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) want: Want,
    /// What becomes of a playlist where a stream is wanted.
    pub(crate) form: Form,
    /// Whether it is for a relay, which takes nothing but a transport stream.
    pub(crate) is_shared: bool,
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
    /// The source that a first opening tries before all others.
    pub(crate) first: Option<usize>,
}

impl Question {
    /// What a live source is asked for this client; other questions change what is different in them.
    pub(crate) fn of(wish: &Wish) -> Self {
        Self::live(wish.form, &wish.config, wish.viewer.clone())
    }

    /// What a live source is asked for this viewer.
    pub(crate) fn live(form: Form, config: &Arc<Config>, viewer: Viewer) -> Self {
        Self {
            want: Want::Live,
            form,
            is_shared: false,
            reached: Arc::default(),
            method: Method::GET,
            fields: HeaderMap::new(),
            config: Arc::clone(config),
            patience: Patience::of(config),
            keep: Keep::Fresh,
            // A stream is one request; what is made of a playlist is many.
            cookies: (form != Form::Own).then(Arc::default),
            viewer: Some(viewer),
            first: None,
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
