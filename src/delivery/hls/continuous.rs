//! HLS as one continuous transport stream: playlists are loaded again, segments fetched one after the
//! other, made one stream (`media::ts::join::Chain`) and given out as fast as they are played. It is
//! polled by its client's own task like any upstream connection, and to the failover it is one.

use std::pin::Pin;
use std::sync::Arc;
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
use crate::delivery::attempt::Origin;
use crate::delivery::attempt::Playing;
use crate::delivery::attempt::Question;
use crate::delivery::pace::Pace;
use crate::delivery::timer::poll_until;
use crate::media::m3u8::Follow;
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
use queue::Queue;
use unpacking::Unpacking;

pub(crate) use reached::Reached;

mod ahead;
mod decryption;
mod failing;
mod fetch;
mod queue;
mod reached;
mod unpacking;

/// How far ahead of its time everything is sent, where there is enough of it.
const LEAD: Duration = Duration::from_secs(2);

/// What is later than that, because the client or the source paused, is not made up for.
const LATE_MAX: Duration = Duration::from_secs(10);

/// One stream from the segments of a playlist.
///
/// Memory: what [`Queue`] and [`Chain`] hold, and the media playlist's segments that are to come.
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
    queue: Queue,
    /// Something has been ready.
    has_begun: bool,
    /// Segments in a row that were left out.
    left_out: u32,
    /// When the playlist was last asked for, and failures to load it in a row since.
    asked: Instant,
    failures: u32,
    /// When the source has last sent something, or was asked for it.
    heard: Instant,
    timer: Pin<Box<Sleep>>,
    end: Option<Result<(), Failure>>,
}

/// The media playlist as it was last loaded.
struct List {
    /// When it was asked for, and when it had come.
    began: Instant,
    came: Instant,
    target: Duration,
    has_changed: bool,
    /// What was listed from where the stream began.
    ahead: Duration,
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
    ) -> Result<Playing, Failure> {
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
        // It is loaded again from where it is configured: what that redirects to may hold a token that
        // is good for a while only.
        let own = match source.targets() {
            [own] => own.clone(),
            _ => answer.url.clone(),
        };
        let loaded = Loaded::new(&text, &answer.url, &Variables::default(), now)?;
        let mut stream = Continuous::new(fetch, own, now);
        stream.first(loaded, max_bandwidth)?;
        let begun = std::future::poll_fn(|cx| stream.poll_begun(cx));
        let wait = patience.connect + 2 * patience.response;
        timeout(wait, begun).await.map_err(|_| upstream::Error::NoMedia(wait))??;
        let origin = Origin::Continuous(Box::new(stream));
        let container = Container::MpegTs;
        Ok(Playing { source: source.index, slot: share, container, origin })
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
                came: now,
                target: Duration::ZERO,
                has_changed: false,
                ahead: Duration::ZERO,
            },
            follow,
            chain: Chain::new(),
            pace: Pace::new(LEAD, LATE_MAX),
            stage: Stage::Resting(now),
            segment: None,
            key: None,
            queue: Queue::default(),
            has_begun: false,
            left_out: 0,
            asked: now,
            failures: 0,
            heard: now,
            timer: Box::pin(sleep_until(now)),
            end: None,
        }
    }

    /// Takes the channel's own playlist.
    fn first(&mut self, loaded: Loaded, max_bandwidth: u64) -> Result<(), Failure> {
        match read(&loaded.text).map_err(|_| Failure::NoStart("a playlist that cannot be read"))? {
            Playlist::Media(media) => self.listed(&media, loaded.began),
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
        matches!(self.end, Some(Ok(()))) && self.queue.is_empty()
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
            if let Some(ready) = self.queue.next(now) {
                if let Some(end) = ready.ends {
                    self.fetch.question.reached.note(end);
                }
                return Poll::Ready(Some(Ok(ready.bytes)));
            }
            if self.queue.is_empty()
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
            if !self.queue.is_empty() {
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
            _ if self.end.is_some() || self.queue.is_full() => None,
            Stage::Resting(until) | Stage::Pausing(until) => Some(*until),
            Stage::Reading(_) => Some(self.heard + self.fetch.question.patience.response),
            Stage::Loading(_) | Stage::Opening(_) => None,
        };
        match self.queue.due().into_iter().chain(stage).min() {
            Some(deadline) => poll_until(&mut self.timer, deadline, cx),
            None => Poll::Pending,
        }
    }
}
