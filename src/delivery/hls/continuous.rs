//! HLS as one continuous transport stream: playlists are loaded again, segments fetched one after the
//! other, made one stream (`media::ts::join::Chain`) and given out as fast as they are played. It is
//! polled by its client's own task like any upstream connection, and to the failover it is one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::channel::Channel;
use crate::channel::Lease;
use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Delivery;
use crate::delivery::Failure;
use crate::delivery::Form;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::timer::poll_until;
use crate::media::m3u8::Follow;
use crate::media::m3u8::Media;
use crate::media::m3u8::Multivariant;
use crate::media::m3u8::Piece;
use crate::media::m3u8::Playlist;
use crate::media::m3u8::Variables;
use crate::media::m3u8::read;
use crate::media::sniff::Container;
use crate::media::ts::join::Chain;
use crate::message::Url;
use crate::upstream;
use fetch::Arrived;
use fetch::Fetch;
use fetch::Key;
use fetch::Loaded;
use fetch::Wait;
use pace::Pace;
use unpacking::Unpacking;

mod decryption;
mod fetch;
mod pace;
mod unpacking;

/// Bytes that are had before their time: a source may be slow for as long as they last. 4 s of
/// 8 Mbit/s.
const AHEAD_MAX: usize = 4 * 1024 * 1024;

/// How far ahead of its time everything is sent, where there is enough of it.
const LEAD: Duration = Duration::from_secs(2);

/// What is given out at a time: 30 ms of 8 Mbit/s.
const PART: usize = 32 * 1024;

/// How often a segment or playlist is asked for until it is left, and how long between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Segments in a row that are left out, before their variant or source is.
const LEFT_OUT_MAX: u32 = 3;

/// How often a playlist is loaded again at most.
const RELOAD_MIN: Duration = Duration::from_millis(500);

/// By how much a stream that has fallen behind its playlist's end is played faster, as a divisor.
const HURRY: u32 = 20;

/// One stream from the segments of a playlist.
///
/// Memory: [`AHEAD_MAX`] and what one answer gives at once, the media playlist's segments that are to
/// come, and what [`Chain`] holds.
pub(crate) struct Continuous {
    fetch: Fetch,
    /// Where the media playlists are, in the order in which they are tried, and which one is played.
    variants: Vec<Url>,
    variant: usize,
    /// How many others may be tried before this one has shown a segment.
    untried: usize,
    variables: Variables,
    list: List,
    follow: Follow,
    chain: Chain,
    pace: Pace,
    stage: Stage,
    /// What is being fetched.
    segment: Option<Segment>,
    key: Option<Key>,
    /// What is to be given, and when; its bytes together.
    ready: VecDeque<Ready>,
    held: usize,
    /// Something has been ready.
    has_begun: bool,
    /// Segments in a row that were left out.
    left_out: u32,
    /// Failures to load the playlist in a row.
    failures: u32,
    /// When the source has last sent something, or was asked for it.
    heard: Instant,
    timer: Pin<Box<Sleep>>,
    end: Option<Result<(), Failure>>,
}

/// The end of the last segment that a session was given whole: who opens the same source again goes on
/// behind it, and who opens another one whose list has ended, at the same time of the film. Guards a few
/// words.
#[derive(Debug, Default)]
pub(crate) struct Reached(Mutex<Option<End>>);

#[derive(Clone, Copy, Debug)]
struct End {
    source: usize,
    number: u64,
    /// After the beginning of the list.
    position: Duration,
}

impl Reached {
    fn note(&self, end: End) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Where a list of this source is begun.
    fn follow(&self, source: usize) -> Follow {
        let Some(end) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Follow::new();
        };
        let number = (end.source == source).then(|| end.number.saturating_add(1));
        Follow::after(number, end.position)
    }
}

/// The media playlist as it was last loaded.
struct List {
    began: Instant,
    target: Duration,
    has_changed: bool,
    /// What was listed from where the stream began.
    ahead: Duration,
}

/// Bytes to be given.
struct Ready {
    due: Instant,
    bytes: Bytes,
    /// Of the segment that ends with them.
    ends: Option<End>,
}

struct Segment {
    piece: Piece,
    unpacking: Unpacking,
    tries: u32,
}

enum Stage {
    /// The playlist is loaded then.
    Resting(Instant),
    Loading(Wait<Loaded>),
    /// The segment is asked for again then.
    Pausing(Instant),
    Opening(Wait<Arrived>),
    Reading(Box<Arrived>),
}

impl Delivery {
    /// Makes a playlist that a source has answered with a stream that has begun. Cancel safe.
    pub(in crate::delivery) async fn continuous(
        &self,
        (channel, source): (&Arc<Channel>, &Source),
        opened: Opened,
        question: &Question,
        max_bandwidth: u64,
    ) -> Result<Opened, Failure> {
        let Opened { mut answer, slot, text, .. } = opened;
        answer.body.close();
        let question = Question { form: Form::Own, viewer: None, ..question.clone() };
        let (patience, slot) = (question.patience, Arc::new(slot));
        let share = Slot::share(&slot);
        let fetch = Fetch {
            delivery: self.clone(),
            channel: Arc::clone(channel),
            source: source.clone(),
            question,
            slot,
        };
        let now = Instant::now();
        let loaded = Loaded::new(&text, &answer.url, &Variables::default(), now)?;
        let mut stream = Continuous::new(fetch, answer.url.clone(), now);
        stream.first(loaded, max_bandwidth)?;
        let begun = std::future::poll_fn(|cx| stream.poll_begun(cx));
        let wait = patience.connect + 2 * patience.response;
        timeout(wait, begun).await.map_err(|_| upstream::Error::NoMedia(wait))??;
        Ok(Opened {
            source: source.index,
            answer,
            slot: share,
            container: Container::MpegTs,
            text: Bytes::new(),
            stream: Some(Box::new(stream)),
        })
    }
}

impl Continuous {
    fn new(fetch: Fetch, url: Url, now: Instant) -> Self {
        let follow = fetch.question.reached.follow(fetch.source.index);
        Self {
            fetch,
            variants: vec![url],
            variant: 0,
            untried: 0,
            variables: Variables::default(),
            list: List {
                began: now,
                target: Duration::ZERO,
                has_changed: false,
                ahead: Duration::ZERO,
            },
            follow,
            chain: Chain::new(),
            pace: Pace::new(LEAD),
            stage: Stage::Resting(now),
            segment: None,
            key: None,
            ready: VecDeque::new(),
            held: 0,
            has_begun: false,
            left_out: 0,
            failures: 0,
            heard: now,
            timer: Box::pin(sleep_until(now)),
            end: None,
        }
    }

    /// Takes the channel's own playlist.
    fn first(&mut self, loaded: Loaded, max_bandwidth: u64) -> Result<(), Failure> {
        let text = loaded.text.clone();
        match read(&text).map_err(|_| Failure::NoStart("a playlist that cannot be read"))? {
            Playlist::Media(_) => self.loaded(Ok(loaded)),
            Playlist::Multivariant(list) => {
                self.variables = loaded.variables;
                self.choose(&list, max_bandwidth)?;
            }
        }
        Ok(())
    }

    fn choose(&mut self, list: &Multivariant<'_>, max_bandwidth: u64) -> Result<(), Failure> {
        let variants = list.by_preference(max_bandwidth)?;
        self.variants =
            variants.iter().filter_map(|variant| Url::parse(variant.uri).ok()).collect();
        if self.variants.is_empty() {
            return Err(Failure::NoStart("a playlist that names no variant"));
        }
        self.untried = self.variants.len() - 1;
        self.load();
        Ok(())
    }

    /// Its slot, where a budget limits them.
    pub(crate) fn lease(&self) -> Option<Arc<Lease>> {
        self.fetch.slot.held()
    }

    /// Whether the playlist has an end and all before it was given.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.end, Some(Ok(()))) && self.ready.is_empty()
    }

    /// The next bytes, when they are due; `None` behind the last segment of a list that has ended. The
    /// error is why the source can be played no longer.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, upstream::Error>>> {
        loop {
            self.work(cx);
            let now = Instant::now();
            if let Some(ready) = self.ready.pop_front_if(|ready| ready.due <= now) {
                self.held -= ready.bytes.len();
                if let Some(end) = ready.ends {
                    self.fetch.question.reached.note(end);
                }
                return Poll::Ready(Some(Ok(ready.bytes)));
            }
            if self.ready.is_empty()
                && let Some(end) = &mut self.end
            {
                let failure = std::mem::replace(end, Ok(())).err();
                return Poll::Ready(failure.map(|failure| Err(failure.into_upstream())));
            }
            ready!(self.poll_deadline(cx));
        }
    }

    /// Whether there is something to give.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            self.work(cx);
            if !self.ready.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = &mut self.end {
                let end = std::mem::replace(end, Ok(()));
                return Poll::Ready(end.and(Err(Failure::NoStart("a playlist without segments"))));
            }
            ready!(self.poll_deadline(cx));
        }
    }

    /// Ready when something may have become due.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stage = match &self.stage {
            _ if self.end.is_some() || self.is_full() => None,
            Stage::Resting(until) | Stage::Pausing(until) => Some(*until),
            Stage::Reading(_) => Some(self.heard + self.fetch.question.patience.response),
            Stage::Loading(_) | Stage::Opening(_) => None,
        };
        let due = self.ready.front().map(|ready| ready.due);
        match due.into_iter().chain(stage).min() {
            Some(deadline) => poll_until(&mut self.timer, deadline, cx),
            None => Poll::Pending,
        }
    }

    fn is_full(&self) -> bool {
        self.held >= AHEAD_MAX
    }

    /// Fetches ahead for as long as there is room and nothing has to be waited for.
    fn work(&mut self, cx: &mut Context<'_>) {
        if self.is_full() {
            // Its silence is ours.
            self.heard = Instant::now();
        }
        while !self.is_full() && self.end.is_none() && self.poll_step(cx).is_ready() {}
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        match &mut self.stage {
            Stage::Resting(until) if now < *until => return Poll::Pending,
            Stage::Resting(_) => self.load(),
            Stage::Loading(loading) => {
                let loaded = ready!(loading.as_mut().poll(cx));
                self.loaded(loaded);
            }
            Stage::Pausing(until) if now < *until => return Poll::Pending,
            Stage::Pausing(_) => self.ask(),
            Stage::Opening(opening) => {
                let arrived = ready!(opening.as_mut().poll(cx));
                self.arrived(arrived);
            }
            Stage::Reading(arrived) => match arrived.poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.heard = now;
                    self.take(&bytes);
                }
                Poll::Ready(Some(Err(error))) => self.segment_fails(error.into()),
                Poll::Ready(None) => self.segment_ends(),
                Poll::Pending => {
                    let patience = self.fetch.question.patience.response;
                    if now < self.heard + patience {
                        return Poll::Pending;
                    }
                    self.segment_fails(upstream::Error::NoMedia(patience).into());
                }
            },
        }
        Poll::Ready(())
    }

    fn load(&mut self) {
        if let Some(url) = self.variants.get(self.variant) {
            self.stage = Stage::Loading(self.fetch.list(url, &self.variables));
        }
    }

    fn loaded(&mut self, loaded: Result<Loaded, Failure>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => return self.load_fails(failure),
        };
        match read(&loaded.text) {
            Ok(Playlist::Media(media)) => self.listed(&media, loaded.began),
            Ok(Playlist::Multivariant(_)) | Err(_) => {
                self.load_fails(Failure::NoStart("a playlist that is no media playlist"));
            }
        }
    }

    fn listed(&mut self, media: &Media<'_>, began: Instant) {
        let has_changed = match self.follow.take(media) {
            Ok(has_changed) => has_changed,
            Err(unfit) => return self.variant_fails(unfit.into()),
        };
        self.failures = 0;
        let target = media.target_duration;
        if !self.has_begun && has_changed {
            let ahead = self.follow.left();
            // The next segment may be listed a whole target duration after the last.
            let lead = if media.is_ended { LEAD } else { LEAD.min(ahead.saturating_sub(target)) };
            self.pace = Pace::new(lead);
            self.list.ahead = ahead;
        }
        self.list = List { began, target, has_changed, ..self.list };
        self.go_on();
    }

    /// What comes next: a segment, the end, or the playlist once more.
    fn go_on(&mut self) {
        let now = Instant::now();
        let age = now.saturating_duration_since(self.list.began);
        let is_live = !self.follow.is_ended();
        if is_live && age > (self.list.target * 3).max(Duration::from_secs(3)) {
            // The client has paused: what is listed here may be gone.
            return self.load();
        }
        if let Some(piece) = self.follow.next_piece() {
            let mut out = Vec::new();
            self.chain.begin(piece.is_break, &mut out);
            self.give(out);
            self.segment = Some(Segment { piece, unpacking: Unpacking::default(), tries: 0 });
            self.ask();
        } else if is_live {
            let wait = if self.list.has_changed { self.list.target } else { self.list.target / 2 };
            self.stage = Stage::Resting((self.list.began + wait.max(RELOAD_MIN)).max(now));
        } else {
            let mut out = Vec::new();
            self.chain.end(&mut out);
            self.give(out);
            self.end = Some(Ok(()));
        }
    }

    /// Asks for the segment, or for what is left of it.
    fn ask(&mut self) {
        if let Some(Segment { piece, unpacking, .. }) = &self.segment {
            let arriving = self.fetch.segment(piece, unpacking.taken(), self.key.as_ref());
            self.stage = Stage::Opening(arriving);
        }
    }

    fn arrived(&mut self, arrived: Result<Arrived, Failure>) {
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(failure) => return self.segment_fails(failure),
        };
        if let Some(Segment { piece, unpacking, .. }) = &mut self.segment
            && let (Some(cipher), Some(key)) = (&piece.cipher, &arrived.key)
        {
            unpacking.decrypt(key.bytes, cipher.iv);
            self.key = Some(key.clone());
        }
        self.heard = Instant::now();
        self.stage = Stage::Reading(Box::new(arrived));
    }

    /// Takes bytes of the segment.
    fn take(&mut self, bytes: &Bytes) {
        for part in bytes.chunks(PART) {
            let Some(segment) = &mut self.segment else { return };
            let mut out = Vec::with_capacity(part.len() + 1024);
            match segment.unpacking.push(part) {
                Ok(clear) => self.chain.push(clear, &mut out),
                Err(failure) => return self.segment_fails(failure),
            }
            self.give(out);
        }
    }

    fn segment_ends(&mut self) {
        let Some(mut segment) = self.segment.take() else { return };
        let mut out = Vec::new();
        match segment.unpacking.end() {
            Ok(clear) => self.chain.push(clear, &mut out),
            Err(failure) => {
                self.segment = Some(segment);
                return self.segment_fails(failure);
            }
        }
        self.give(out);
        let Piece { number, start, duration, .. } = segment.piece;
        let source = self.fetch.source.index;
        // A live list begins nowhere.
        let is_film = self.follow.is_ended();
        let position = if is_film { start.saturating_add(duration) } else { Duration::ZERO };
        let end = End { source, number, position };
        match self.ready.back_mut() {
            Some(last) => last.ends = Some(end),
            None => self.fetch.question.reached.note(end),
        }
        self.pace.segment_ends(segment.piece.duration);
        (self.left_out, self.untried) = (0, self.variants.len() - 1);
        let room = self.list.ahead + 2 * self.list.target;
        if !self.follow.is_ended() && self.follow.left() > room {
            self.pace.hurry(segment.piece.duration / HURRY);
        }
        self.go_on();
    }

    /// `out` is to be given when its time has come.
    fn give(&mut self, out: Vec<u8>) {
        if out.is_empty() {
            return;
        }
        let due = self.pace.due(self.chain.clock(), Instant::now());
        self.held += out.len();
        self.has_begun = true;
        self.ready.push_back(Ready { due, bytes: Bytes::from(out), ends: None });
    }

    fn load_fails(&mut self, failure: Failure) {
        self.failures += 1;
        if !self.has_begun || self.failures >= TRIES {
            return self.variant_fails(failure);
        }
        self.stage =
            Stage::Resting(Instant::now() + PAUSE.max(self.list.target / 4).min(3 * PAUSE));
    }

    /// The segment is asked for again, or left out, or its variant is.
    fn segment_fails(&mut self, failure: Failure) {
        let Some(segment) = &mut self.segment else { return };
        segment.tries += 1;
        if !self.has_begun || matches!(failure, Failure::Unfit(_)) {
            return self.variant_fails(failure);
        }
        let is_gone = failure.outcome() == "not_found";
        if segment.tries < TRIES && !is_gone {
            self.stage = Stage::Pausing(Instant::now() + PAUSE);
            return;
        }
        self.segment = None;
        self.left_out += 1;
        if self.left_out >= LEFT_OUT_MAX {
            return self.variant_fails(failure);
        }
        tracing::warn!(
            channel = %self.fetch.channel.id, source = self.fetch.source.index,
            "a segment is left out: {failure}"
        );
        self.follow.breaks();
        self.go_on();
    }

    /// Goes over to the next variant, or ends.
    fn variant_fails(&mut self, failure: Failure) {
        let segment = self.segment.take();
        let Some(untried) = self.untried.checked_sub(1) else {
            self.end = Some(Err(failure));
            return;
        };
        tracing::warn!(
            channel = %self.fetch.channel.id, source = self.fetch.source.index,
            "the stream goes on from another variant: {failure}"
        );
        self.untried = untried;
        self.variant = (self.variant + 1) % self.variants.len();
        (self.left_out, self.failures) = (0, 0);
        // What has come of a segment in part is not given twice.
        let again = segment.filter(|segment| segment.unpacking.taken() == 0);
        self.follow.changes(again.map(|segment| segment.piece.number));
        self.load();
    }
}
