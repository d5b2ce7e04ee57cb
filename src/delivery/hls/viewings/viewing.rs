//! One HLS session: where it plays from, what it was given, and when it was last heard of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::channel::Slot;
use crate::delivery::Error;
use crate::delivery::Viewer;
use crate::delivery::hls::links;
use crate::delivery::hls::list::List;
use crate::delivery::hls::renditions::Kin;
use crate::delivery::hls::renditions::Place;
use crate::delivery::hls::renditions::Renditions;
use crate::delivery::sessions::Info;
use crate::message::Cookies;
use crate::upstream::SetCookies;

/// How long a session lasts without a request before a media playlist has said its target duration,
/// and at least.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_MIN: Duration = Duration::from_secs(6);
const PATIENCE_MAX: Duration = Duration::from_mins(5);

/// Segments in a row that are not there, before another source is tried.
const MISSING_MAX: u32 = 2;

/// One viewer of one channel.
pub(crate) struct Viewing {
    /// What stands in its URLs.
    pub(crate) number: u32,
    pub(crate) channel: Arc<Channel>,
    viewer: Viewer,
    /// Its entry in the list of sessions.
    pub(crate) info: Arc<Info>,
    /// What its source has set; of each origin its own.
    pub(crate) cookies: Arc<Mutex<Cookies>>,
    /// Told when its patience changes.
    paced: Notify,
    /// Guards a few words and what the playlists were; never held across a wait.
    state: Mutex<State>,
}

struct State {
    source: usize,
    /// Of that source. Everybody who watches the channel from it has a share.
    slot: Arc<Slot>,
    asked: Instant,
    patience: Duration,
    /// Answers that are on their way.
    busy: usize,
    /// Segments in a row that were not there.
    missing: u32,
    /// Its last media playlist had no end.
    is_live: bool,
    /// A segment of this source has failed since.
    doubted: Option<usize>,
    renditions: Renditions,
}

impl Viewing {
    /// A session that begins to play `channel` from `source`.
    pub(super) fn new(
        number: u32,
        (channel, viewer): (&Arc<Channel>, &Viewer),
        (source, slot): (usize, Arc<Slot>),
        info: &Arc<Info>,
    ) -> Self {
        let state = State {
            source,
            slot,
            asked: Instant::now(),
            patience: PATIENCE,
            busy: 0,
            missing: 0,
            is_live: false,
            doubted: None,
            renditions: Renditions::default(),
        };
        Self {
            number,
            channel: Arc::clone(channel),
            viewer: viewer.clone(),
            info: Arc::clone(info),
            cookies: Arc::default(),
            paced: Notify::new(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source that it plays from.
    pub(crate) fn source(&self) -> usize {
        self.state().source
    }

    /// The slot that its connections share.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.state().slot)
    }

    /// The same, while it plays from this source.
    pub(in crate::delivery::hls) fn slot_of(&self, source: usize) -> Option<Arc<Slot>> {
        let state = self.state();
        (state.source == source).then(|| Arc::clone(&state.slot))
    }

    /// The source that it plays from, and its slot.
    pub(super) fn place(&self) -> (usize, Arc<Slot>) {
        let state = self.state();
        (state.source, Arc::clone(&state.slot))
    }

    /// It plays from another source.
    pub(super) fn goes_over(&self, source: usize, slot: Arc<Slot>) {
        let mut state = self.state();
        (state.source, state.slot) = (source, slot);
        drop(state);
        self.info.plays(source);
    }

    /// Told when its patience changes. Cancel safe.
    pub(super) async fn paced(&self) {
        self.paced.notified().await;
    }

    /// What its source has set.
    pub(crate) fn cookies(&self) -> MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is given an answer with which these were set.
    pub(in crate::delivery::hls) fn stores(&self, set: &SetCookies) {
        let mut cookies = self.cookies();
        set.iter().for_each(|(url, fields)| cookies.store(url, fields));
    }

    /// Its player has asked for something.
    pub(crate) fn touch(&self) {
        self.state().asked = Instant::now();
    }

    /// Whether its last media playlist had no end.
    pub(in crate::delivery::hls) fn is_live(&self) -> bool {
        self.state().is_live
    }

    /// An answer for it is on its way until the guard is dropped.
    pub(in crate::delivery::hls) fn answering(self: &Arc<Self>) -> Answering {
        self.state().busy += 1;
        Answering(Arc::clone(self))
    }

    /// A segment of this source was there, or was not. Live segments may be gone when a player asks
    /// late; several in a row are a fault.
    pub(in crate::delivery::hls) fn segment_missing(&self, source: usize, is_missing: bool) {
        let mut state = self.state();
        state.missing = if is_missing { state.missing + 1 } else { 0 };
        if state.missing >= MISSING_MAX {
            (state.missing, state.doubted) = (0, Some(source));
        }
    }

    /// A segment of this source has failed.
    pub(in crate::delivery::hls) fn doubt(&self, source: usize) {
        self.state().doubted = Some(source);
    }

    /// Whether a segment of this source has failed since this was last asked.
    pub(in crate::delivery::hls) fn takes_doubt(&self, source: usize) -> bool {
        self.state().doubted.take_if(|doubted| *doubted == source).is_some()
    }

    /// How long it lasts without a request.
    pub(crate) fn patience(&self) -> Duration {
        self.state().patience
    }

    /// Where the playlist that it knows by `place` is fetched from now.
    pub(in crate::delivery::hls) fn now(&self, place: &Place) -> Place {
        self.state().renditions.now(place)
    }

    /// Variants like this one, and what it is.
    pub(in crate::delivery::hls) fn like(&self, place: &Place) -> (Vec<Place>, Option<Kin>) {
        self.state().renditions.like(place)
    }

    /// Whether a client's delivery directives mean the same to the source.
    pub(in crate::delivery::hls) fn takes_directives(&self, place: &Place) -> bool {
        self.state().renditions.takes_directives(place)
    }

    /// What it is given of `list`, which it knows by `place`, and the list that this comes of: where
    /// that one is older than what it has, another.
    pub(in crate::delivery::hls) fn follow(
        &self,
        place: &Place,
        list: &Arc<List>,
    ) -> Result<(String, Arc<List>), Error> {
        let mut state = self.state();
        let Some(target) = list.target else {
            state.renditions.offer(&list.named);
            return Ok((list.text().map_err(links::refused)?.to_owned(), Arc::clone(list)));
        };
        state.is_live = list.is_live();
        let patience = (target * 3).clamp(PATIENCE_MIN, PATIENCE_MAX);
        if std::mem::replace(&mut state.patience, patience) != patience {
            self.paced.notify_one();
        }
        state.renditions.follow(place, list).map_err(links::refused)
    }

    /// What it is known by to requests without its number.
    pub(super) fn key(&self) -> (Arc<str>, Viewer) {
        (Arc::clone(&self.channel.id), self.viewer.clone())
    }

    /// When it ends if nothing is asked for.
    pub(super) fn deadline(&self) -> Instant {
        let state = self.state();
        let since = if state.busy > 0 { Instant::now() } else { state.asked };
        since + state.patience
    }
}

/// An answer that is on its way; see [`Viewing::answering`].
pub(crate) struct Answering(Arc<Viewing>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        state.asked = Instant::now();
    }
}
