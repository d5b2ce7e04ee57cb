//! HLS: a playlist or segment is fetched when a client asks for it; in a playlist every URI becomes
//! a sealed one of this gateway. Who watches is a session of [`viewings`]; what several watch is
//! fetched once ([`flights`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Either;
use tokio::time::timeout;

use crate::channel::Channel;
use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Attempt;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Held;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::hls::flights::Answer;
use crate::delivery::hls::flights::Flights;
use crate::delivery::hls::links::Origin;
use crate::delivery::hls::links::unix_seconds;
use crate::delivery::hls::list::List;
use crate::delivery::hls::lists::ListKey;
use crate::delivery::hls::lists::Listed;
use crate::delivery::hls::renditions::Place;
use crate::delivery::hls::same::Same;
use crate::delivery::hls::segments::Kept;
use crate::delivery::hls::viewings::Viewings;
use crate::delivery::seal::Behind;
use crate::delivery::seal::Sealed;
use crate::delivery::sessions::Opening;
use crate::delivery::sessions::Role;
use crate::lifecycle::Tasks;
use crate::media::m3u8::Variables;
use crate::message::Cookies;
use crate::message::Url;

mod continuous;
mod document;
mod documents;
mod flights;
mod links;
mod list;
mod lists;
mod renditions;
mod same;
mod segments;
mod viewings;

pub(crate) use continuous::Continuous;
pub(crate) use continuous::Reached;
pub(crate) use segments::Reader;
pub(crate) use viewings::Viewing;

/// The media type of playlists (RFC 8216 section 4).
const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// What HLS channels have in common. One for the program.
pub(crate) struct Hls {
    viewings: Viewings,
    /// Playlists, by source and request.
    lists: Flights<ListKey, Listed>,
    segments: Kept,
    /// The beginnings of channels that nobody watches yet.
    firsts: Flights<Same, Result<First, Error>>,
    /// Where segments that are shared are fetched.
    tasks: Tasks,
}

/// The first playlist of a channel that nobody watched.
#[derive(Clone)]
struct First {
    source: usize,
    slot: Arc<Slot>,
    list: Arc<List>,
    cookies: Cookies,
}

impl Answer for Result<First, Error> {
    fn lifetime(&self) -> Option<Duration> {
        None // From now on somebody watches.
    }

    fn bytes(&self) -> usize {
        0
    }

    fn is(&self, _other: &Self) -> bool {
        false
    }
}

impl Hls {
    /// Nobody watches anything. Playlists that are shared take `shared_bytes` at most, and segments
    /// as much again.
    pub(crate) fn new(tasks: Tasks, shared_bytes: usize) -> Self {
        Self {
            viewings: Viewings::new(tasks.clone()),
            lists: Flights::new(shared_bytes),
            segments: Kept::new(tasks.clone(), shared_bytes as u64),
            firsts: Flights::new(1),
            tasks,
        }
    }
}

impl Delivery {
    /// The channel's own playlist. Its client is a session from here on, and for as long as it asks
    /// for more.
    pub(super) async fn playlist(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        if wish.method == Method::HEAD {
            return Ok(playlist_answer(String::new(), wish));
        }
        self.leaves_sound(channel, "it is passed as HLS; ?format=ts asks for one stream");
        let (viewing, list) = match self.hls.viewings.of(channel, &wish.viewer) {
            Some(viewing) => {
                let list = self.list(&viewing, &Place::own(viewing.source()), &wish).await?;
                (viewing, list)
            }
            None => self.first_list(channel, &wish).await?,
        };
        let place = Place::own(list.place.source);
        self.answer_list(&viewing, &place, &list, &Variables::default(), wish)
    }

    /// What a sealed URL leads to: another playlist, or bytes passed through. `now` is the wall
    /// clock, which expiry is measured by.
    ///
    /// # Errors
    /// As [`Delivery::serve`]; [`Error::Forged`] and [`Error::Expired`] before anything is opened.
    pub async fn serve_sealed(
        &self,
        sealed: &Sealed,
        channel: &Arc<Channel>,
        wish: Wish,
        now: SystemTime,
    ) -> Result<Response<Body>, Error> {
        if unix_seconds(now) > u64::from(sealed.expires) {
            return Err(Error::Expired);
        }
        let url = Url::parse(&sealed.url).map_err(|_| Error::Forged)?;
        let home = channel.sources.get(usize::from(sealed.source)).ok_or(Error::Forged)?;
        let viewing = match self.hls.viewings.numbered(sealed.session, channel) {
            Some(viewing) => viewing,
            None => self.come_back(sealed.session, channel, home, &wish).await?,
        };
        viewing.touch();
        match sealed.behind {
            Behind::Playlist if wish.method == Method::HEAD => {
                Ok(playlist_answer(String::new(), wish))
            }
            Behind::Playlist => {
                let mut imported = Variables::default();
                for (name, value) in &sealed.variables {
                    imported.define(name, value).map_err(|_| Error::Forged)?;
                }
                let place = Place { source: home.index, url: Some(url) };
                let list = self.list(&viewing, &place, &wish).await?;
                self.answer_list(&viewing, &place, &list, &imported, wish)
            }
            Behind::Media | Behind::Part | Behind::Key => {
                self.segment(&viewing, home.at(url), sealed.behind, wish).await
            }
            Behind::Document => self.document(&viewing, home, url, wish).await,
        }
    }

    /// Opens the seal of a path segment (its extension already off).
    #[must_use]
    pub fn unseal(&self, text: &str) -> Option<Sealed> {
        self.seal.open(text)
    }

    /// Begins a session with the channel's playlist, from the source that others watch it from, or
    /// from the first that has one.
    async fn first_list(
        &self,
        channel: &Arc<Channel>,
        wish: &Wish,
    ) -> Result<(Arc<Viewing>, Arc<List>), Error> {
        self.has_place(wish)?;
        let viewings = &self.hls.viewings;
        let number = viewings.number();
        let watched = |viewings: &Viewings| viewings.in_use(channel);
        let joins = async |(source, slot)| {
            let viewing = self.begin(number, channel, (source, slot), wish);
            let list = self.list(&viewing, &Place::own(source), wish).await?;
            Ok((viewing, list))
        };
        if let Some(found) = watched(viewings) {
            return joins(found).await;
        }
        let key = Same(Arc::clone(channel));
        let first = tokio::select! {
            biased;
            first = self.hls.firsts.answer(key, number, || self.first_playlist(channel, wish)) => first?,
            // Somebody has come back to it, with the slot that this may be waiting for.
            found = viewings.until(watched) => return joins(found).await,
        };
        if let Some(key) = ListKey::own(channel, first.source) {
            self.hls.lists.note(key, number, Ok(Arc::clone(&first.list)));
        }
        let viewing = self.begin(number, channel, (first.source, first.slot), wish);
        viewing.cookies().clone_from(&first.cookies);
        Ok((viewing, first.list))
    }

    /// Whether there may be another session, and another one of this client's address: a session costs
    /// memory even while its player asks for nothing.
    fn has_place(&self, wish: &Wish) -> Result<(), Error> {
        let (limits, viewings) = (&wish.config.limits, &self.hls.viewings);
        if viewings.count() >= limits.clients {
            return Err(Error::Full(limits.clients));
        }
        if viewings.count_of(wish.client) >= limits.clients_per_ip {
            return Err(Error::FullForAddress(limits.clients_per_ip));
        }
        Ok(())
    }

    async fn first_playlist(&self, channel: &Arc<Channel>, wish: &Wish) -> Result<First, Error> {
        let cookies = Arc::new(Mutex::new(Cookies::new()));
        let question = Question::of_hls(wish, Want::Playlist, &cookies);
        let Opened { source, answer, slot, text, .. } =
            self.first_source::<Opened>(channel, &question).await?;
        let list = Arc::new(List::new(text, Place::own(source), answer));
        let cookies = cookies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(First { source, slot: Arc::new(slot), list, cookies })
    }

    /// A session that ended while its player paused, or that another weir has begun. Several requests
    /// of the player may be here at the same time: one of them gets a slot, for all.
    async fn come_back(
        &self,
        number: u32,
        channel: &Arc<Channel>,
        source: &Source,
        wish: &Wish,
    ) -> Result<Arc<Viewing>, Error> {
        self.has_place(wish)?;
        let viewings = &self.hls.viewings;
        let found = viewings.until(|viewings| {
            let viewing = || viewings.numbered(number, channel).map(Either::Left);
            let shared = || viewings.shared_slot(channel, source.index).map(Either::Right);
            viewing().or_else(shared)
        });
        // What the player of a session that was left still asks for takes nothing from anybody.
        let slot = async {
            tokio::select! {
                biased;
                found = found => found,
                slot = source.slot() => Either::Right(Arc::new(slot)),
            }
        };
        match timeout(wish.config.failover.slot_wait, slot).await {
            Ok(Either::Left(viewing)) => Ok(viewing),
            Ok(Either::Right(slot)) => Ok(self.begin(number, channel, (source.index, slot), wish)),
            Err(_) => {
                let failure = Arc::new(Failure::NoSlot(source.connections_max()));
                Err(Error::Exhausted(vec![Attempt { source: source.index, failure }]))
            }
        }
    }

    fn begin(
        &self,
        number: u32,
        channel: &Arc<Channel>,
        (source, slot): (usize, Arc<Slot>),
        wish: &Wish,
    ) -> Arc<Viewing> {
        let session = || {
            self.sessions.begin(Opening {
                channel: Arc::clone(channel),
                source,
                client: Some(wish.client),
                user_agent: wish.user_agent(),
                started: wish.started,
                control: Arc::clone(&wish.control),
                viewer: Some(wish.viewer.clone()),
                slot: None,
                desk: Some(Arc::default()),
                // Each of its requests has a place of its own.
                place: Box::new(()),
                cut: self.cut.clone(),
                way: "hls",
                role: Role::Alone,
            })
        };
        self.hls.viewings.begin(number, (channel, &wish.viewer), (source, slot), session)
    }

    fn answer_list(
        &self,
        viewing: &Viewing,
        place: &Place,
        list: &Arc<List>,
        imported: &Variables,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        let (text, list) = viewing.follow(place, list)?;
        let origin = Origin::of(viewing, list.place.source, &list.url, &wish.path)?;
        let text = origin.rewrite(&self.seal, text.as_bytes(), imported, SystemTime::now())?;
        Ok(playlist_answer(text, wish))
    }
}

fn playlist_answer(text: String, wish: Wish) -> Response<Body> {
    text_answer(Bytes::from(text), PLAYLIST, wish)
}

/// The place under the limits is held until the client has the text: a long film's is megabytes.
fn text_answer(text: Bytes, media_type: HeaderValue, wish: Wish) -> Response<Body> {
    wish.control.limit_patience(wish.config.limits.client_timeout);
    let body = Held::new(text, Some(wish.place));
    let mut response = Response::new(Either::Left(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
