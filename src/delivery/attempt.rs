//! Opening one source for one client: a slot, a fresh connection, an answer that is a success.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::channel::Budget;
use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::Slot;
use crate::channel::Source;
use crate::channel::health::Standing;
use crate::delivery::Attempt;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Form;
use crate::delivery::detect;
use crate::media::sniff::Container;
use crate::upstream;
use crate::upstream::Answer;
use crate::upstream::Ask;

mod judge;
mod opens;
mod playing;
mod question;

pub(crate) use opens::Opens;
pub(crate) use playing::Origin;
pub(crate) use playing::Playing;
pub(crate) use question::Patience;
pub(crate) use question::Question;
pub(crate) use question::Want;

/// A session that is told to end does so at once; this is for a machine that is not well.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a provider is given to notice that a connection was closed.
const PROVIDER_LAG: Duration = Duration::from_millis(500);

/// A source that answered; its slot is held for as long as its connection is open.
pub(crate) struct Opened {
    pub(crate) source: usize,
    pub(crate) answer: Answer,
    pub(crate) slot: Slot,
    /// What the first bytes are, where they were looked at.
    pub(crate) container: Container,
    /// The whole body, where a playlist or a document was wanted.
    pub(crate) text: Bytes,
}

impl Delivery {
    /// Opens the first of the channel's sources that shows what is wanted: in their order, those in
    /// their cooldown last. First those whose provider has a free connection, then, within one
    /// `failover.slot_wait` for all of them, those whose provider gets one: at once where the same
    /// viewer's other session has it. Cancel safe.
    pub(crate) async fn first_source<O: Opens>(
        &self,
        channel: &Arc<Channel>,
        question: &Question,
    ) -> Result<O, Error> {
        let mut attempts = Vec::new();
        let mut full = Vec::new();
        for source in in_order(&channel.sources, question.first, Instant::now()) {
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
        let promised = self.sessions.take_over(viewer, &budgets_of(full)?);
        self.handed_over(channel, promised?).await
    }

    /// As [`Delivery::taken_over`], of a relay that nobody watches.
    pub(super) async fn left_over(
        &self,
        channel: &Channel,
        full: &[&Source],
    ) -> Option<(usize, Slot)> {
        let promised = self.sessions.take_idle(&budgets_of(full)?);
        self.handed_over(channel, promised?).await
    }

    async fn handed_over(
        &self,
        channel: &Channel,
        (index, promise): (usize, oneshot::Receiver<Slot>),
    ) -> Option<(usize, Slot)> {
        let slot = timeout(TAKEOVER_TIMEOUT, promise).await.ok()?.ok()?;
        self.metrics.takeover(&channel.id);
        Some((index, slot))
    }

    /// A first attempt with a slot whose connection was closed a moment ago. Providers may count that
    /// one for a while still: one that says that it is at its limit is asked again until `deadline`.
    async fn inherited_attempt<O: Opens>(
        &self,
        channel: &Arc<Channel>,
        source: &Source,
        mut slot: Slot,
        question: &Question,
        deadline: Instant,
    ) -> Result<O, Attempt> {
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

    async fn first_attempt<O: Opens>(
        &self,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> Result<O, Attempt> {
        match O::open(self, channel, source, slot, question).await {
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

    /// One source, as [`Delivery::attempt`]; a playlist where a stream is wanted is made one, and so is
    /// what comes from nowhere.
    pub(crate) async fn open(
        &self,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> Result<Playing, Failure> {
        if let Some(made) = source.made() {
            return self.make(channel, source, made, slot, question).await;
        }
        let opened = self.attempt(channel, source, slot, question).await?;
        match question.form {
            Form::Ts { max_bandwidth }
                if question.want == Want::Live && opened.container == Container::Hls =>
            {
                self.continuous((channel, source), opened, question, max_bandwidth).await
            }
            _ => {
                if question.is_shared {
                    must_be_shareable(channel, &opened)?;
                }
                Ok(opened.into())
            }
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
        let mut last = match source.made() {
            Some(_) => Failure::NoStart("it is made here, as a live stream only"),
            None => Failure::Upstream(upstream::Error::Closed),
        };
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
                    let mut opened = Opened { source: source.index, answer, slot, container, text };
                    match opened.judge(question, &source.protocol).await {
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

/// `None` where one of them has none.
fn budgets_of<'a>(sources: &[&'a Source]) -> Option<Vec<&'a Arc<Budget>>> {
    sources.iter().map(|source| source.budget()).collect()
}

/// Whether clients can have it together. What nobody knew of the channel before is known now.
fn must_be_shareable(channel: &Channel, opened: &Opened) -> Result<(), Failure> {
    if channel.kind().is_none() {
        detect::learn(channel, opened);
    }
    if channel.kind() == Some(Kind::Vod) {
        return Err(Failure::NoStart("a file, which each client is given for itself"));
    }
    if opened.container != Container::MpegTs {
        let what = "a stream that is no MPEG transport stream, which a shared channel must be";
        return Err(Failure::NoStart(what));
    }
    Ok(())
}

/// Sources in the order to try them.
fn in_order(sources: &[Source], first: Option<usize>, now: Instant) -> Vec<&Source> {
    let mut order: Vec<_> = sources.iter().collect();
    order.sort_by_cached_key(|source| {
        (first != Some(source.index), source.standing(now) == Standing::Cooling)
    });
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
