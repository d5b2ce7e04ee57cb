//! Fetching playlists for a session: from where it is now, or, where that fails, from another variant
//! or another source.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::channel::Slot;
use crate::channel::Source;
use crate::channel::health::Standing;
use crate::delivery::Attempt;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Wish;
use crate::delivery::attempt::Patience;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::desk::Order;
use crate::delivery::failover::Outcome;
use crate::delivery::hls::flights::Answer;
use crate::delivery::hls::list::List;
use crate::delivery::hls::renditions::Kin;
use crate::delivery::hls::renditions::Named;
use crate::delivery::hls::renditions::Place;
use crate::delivery::hls::same::Same;
use crate::delivery::hls::viewings::Viewing;
use crate::message::Url;

pub(super) type Listed = Result<Arc<List>, Arc<Failure>>;

/// One place of a source as one set of clients sees it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ListKey {
    channel: Same,
    source: usize,
    /// Secret.
    url: String,
    cookies: Option<HeaderValue>,
}

impl ListKey {
    /// The channel's own playlist of a source, for somebody who has no cookies yet.
    pub(super) fn own(channel: &Arc<Channel>, source: usize) -> Option<Self> {
        let url = channel.sources.get(source)?.urls.first()?.to_secret_text();
        Some(Self { channel: Same(Arc::clone(channel)), source, url, cookies: None })
    }
}

impl Answer for Listed {
    fn lifetime(&self) -> Option<Duration> {
        self.as_ref().ok().and_then(|list| list.lifetime)
    }

    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, |list| list.text.len())
    }

    fn is(&self, other: &Self) -> bool {
        matches!((self, other), (Ok(own), Ok(other)) if Arc::ptr_eq(own, other))
    }
}

impl Delivery {
    /// A playlist for a session. Where the place that it is at fails, or a segment of it has failed,
    /// the session goes on from another variant of the same playlist, or else from another source,
    /// until that fails.
    pub(super) async fn list(
        &self,
        viewing: &Arc<Viewing>,
        place: &Place,
        wish: &Wish,
    ) -> Result<Arc<List>, Error> {
        let _answering = viewing.answering();
        let now = viewing.now(place);
        if let Some(order) = viewing.info.desk().and_then(|desk| desk.take_now())
            && let Some(list) = self.list_by_order(viewing, place, order, wish).await
        {
            return Ok(list);
        }
        let mut attempts = Vec::new();
        // The session has gone over with another of its playlists: sound follows the picture, and the
        // picture the sound.
        let source = viewing.source();
        let is_left = now.source != source;
        let is_doubtful = viewing.takes_doubt(now.source) || is_left;
        if !is_doubtful {
            let directives = directives(viewing, place, wish);
            match self.list_here(viewing, &now, directives, wish).await {
                Ok(list) => return Ok(list),
                Err(failure) => attempts.push(Attempt { source: now.source, failure }),
            }
        }
        let began = Instant::now();
        let (others, kin) = viewing.like(place);
        for other in others.iter().filter(|other| !is_left && **other != now) {
            match self.list_here(viewing, other, None, wish).await {
                Ok(list) => {
                    tracing::warn!(
                        channel = %viewing.channel.id, session = viewing.info.id,
                        source = other.source, "session goes on from another variant"
                    );
                    return Ok(list);
                }
                Err(failure) => attempts.push(Attempt { source: other.source, failure }),
            }
        }
        let mut others = others_of(viewing, now.source);
        others.sort_by_key(|other| is_left && other.index != source);
        let like = (place, kin.as_ref());
        if let Some(list) = self
            .list_of_others(viewing, others, like, ("playlist", began, &mut attempts), wish)
            .await
        {
            return Ok(list);
        }
        if is_doubtful {
            match self.list_here(viewing, &now, None, wish).await {
                Ok(list) => return Ok(list),
                Err(failure) => attempts.push(Attempt { source: now.source, failure }),
            }
        }
        Err(Error::Exhausted(attempts))
    }

    /// The playlist of the source that somebody wants the session to go over to, or of the next one.
    async fn list_by_order(
        &self,
        viewing: &Arc<Viewing>,
        place: &Place,
        order: Order,
        wish: &Wish,
    ) -> Option<Arc<List>> {
        let from = viewing.source();
        let others = others_of(viewing, from);
        let wanted: Vec<_> = match order.source {
            Some(wanted) => others.into_iter().filter(|other| other.index == wanted).collect(),
            None => others,
        };
        let otherwise = match order.source {
            Some(wanted) if wanted == from => Outcome::AlreadyThere,
            _ if wanted.is_empty() => Outcome::NothingElse,
            _ => Outcome::Failed,
        };
        let (_, kin) = viewing.like(place);
        let like = (place, kin.as_ref());
        let why = ("manual", Instant::now(), &mut Vec::new());
        let found = self.list_of_others(viewing, wanted, like, why, wish).await;
        let to = |list: &Arc<List>| Outcome::Switched { from, to: list.place.source };
        // Whoever asked may not wait any more.
        order.answer.send(found.as_ref().map_or(otherwise, to)).ok();
        found
    }

    /// The playlist of the first of these sources that has one, to which the session goes over; what
    /// became of those before it goes to `attempts`. `began` is when the client's wait did.
    async fn list_of_others(
        &self,
        viewing: &Arc<Viewing>,
        sources: Vec<&Source>,
        like: (&Place, Option<&Kin>),
        (reason, began, attempts): (&'static str, Instant, &mut Vec<Attempt>),
        wish: &Wish,
    ) -> Option<Arc<List>> {
        for source in sources {
            match self.list_from(viewing, source, like, wish).await {
                Ok((list, slot)) => {
                    self.go_over(viewing, source, slot, (reason, began));
                    return Some(list);
                }
                Err(failure) => attempts.push(Attempt { source: source.index, failure }),
            }
        }
        None
    }

    /// The playlist of another source that can stand for the one at `place`: its own, or that one of
    /// those it names which is most like `kin`.
    async fn list_from(
        &self,
        viewing: &Arc<Viewing>,
        source: &Source,
        (place, kin): (&Place, Option<&Kin>),
        wish: &Wish,
    ) -> Result<(Arc<List>, Arc<Slot>), Arc<Failure>> {
        let slot = self.slot_on(viewing, source)?;
        let list = self.list_at(viewing, &Place::own(source.index), &slot, None, wish).await?;
        if list.target.is_some() || place.url.is_none() {
            return Ok((list, slot));
        }
        let unlike = |named: &Named| kin.map_or(Some(0), |kin| kin.distance(&named.kin));
        let alike = list.named.iter().filter_map(|named| Some((unlike(named)?, &named.place)));
        let Some((_, alike)) = alike.min_by_key(|(distance, _)| *distance) else {
            return Err(Arc::new(Failure::NoStart(
                "it has no playlist like the one that is watched",
            )));
        };
        let list = self.list_at(viewing, alike, &slot, None, wish).await?;
        Ok((list, slot))
    }

    /// A slot of a source: the session's own while it plays from there, that of others who watch it, a
    /// free one, or the session's own where both belong to one provider.
    pub(super) fn slot_on(
        &self,
        viewing: &Viewing,
        source: &Source,
    ) -> Result<Arc<Slot>, Arc<Failure>> {
        if let Some(slot) = viewing.slot_of(source.index) {
            return Ok(slot);
        }
        if let Some(slot) = self.hls.viewings.shared_slot(&viewing.channel, source.index) {
            return Ok(slot);
        }
        if let Some(slot) = source.try_slot() {
            return Ok(Arc::new(slot));
        }
        let own = viewing.channel.sources.get(viewing.source()).and_then(Source::budget);
        let is_same = own.zip(source.budget()).is_some_and(|(own, other)| Arc::ptr_eq(own, other));
        if is_same {
            return Ok(viewing.slot());
        }
        Err(Arc::new(Failure::NoSlot(source.connections_max())))
    }

    fn go_over(
        &self,
        viewing: &Viewing,
        source: &Source,
        slot: Arc<Slot>,
        (reason, began): (&'static str, Instant),
    ) {
        let channel = &viewing.channel;
        let from = viewing.source();
        if from == source.index {
            return; // Another playlist of the session came before.
        }
        self.hls.viewings.go_over(viewing, source.index, slot);
        self.metrics.failover(&channel.id, reason, began.elapsed());
        tracing::warn!(
            channel = %channel.id, session = viewing.info.id, source = source.index, from,
            place = source.place(), reason, "session goes on from another source"
        );
    }

    /// The playlist at `place`, of whose source there is a slot or it fails: the session may play from
    /// another one by now.
    async fn list_here(
        &self,
        viewing: &Arc<Viewing>,
        place: &Place,
        directives: Option<String>,
        wish: &Wish,
    ) -> Listed {
        let slot = self.slot_on(viewing, source_at(viewing, place)?)?;
        self.list_at(viewing, place, &slot, directives, wish).await
    }

    /// The playlist at `place`, shared with others who ask for the same.
    async fn list_at(
        &self,
        viewing: &Arc<Viewing>,
        place: &Place,
        slot: &Arc<Slot>,
        directives: Option<String>,
        wish: &Wish,
    ) -> Listed {
        let channel = &viewing.channel;
        let home = source_at(viewing, place)?;
        let url = place.url.as_ref().or(home.urls.first()).ok_or_else(no_source)?;
        let (url, may_block) = match directives {
            Some(directives) => (extended(url, &directives), true),
            None => (url.clone(), false),
        };
        let key = ListKey {
            channel: Same(Arc::clone(channel)),
            source: place.source,
            url: url.to_secret_text(),
            cookies: viewing.cookies().field(&url),
        };
        let source = home.at(url);
        let ask = || self.fetch(viewing, (place, may_block), &source, slot, wish);
        let list = self.hls.lists.answer(key, viewing.number, ask).await?;
        viewing.stores(&list.set_cookies);
        Ok(list)
    }

    /// Fetches a playlist. One that `may_block` is held back by its source until it has news (8216bis
    /// section 6.2.5.2), at most for three target durations.
    async fn fetch(
        &self,
        viewing: &Viewing,
        (place, may_block): (&Place, bool),
        source: &Source,
        slot: &Arc<Slot>,
        wish: &Wish,
    ) -> Listed {
        // Players give up after about ten seconds, and what they gave up teaches nothing: where there is
        // another source, it has to be asked before.
        let mut patience = Patience::of(&wish.config);
        if viewing.channel.sources.len() > 1 {
            patience = patience.brisk();
        }
        if may_block {
            patience.response += viewing.patience();
        }
        let question = Question::of_hls(wish, Want::Playlist, &viewing.cookies);
        let question = Question { patience, viewer: None, ..question };
        let channel = &viewing.channel;
        match self.attempt(channel, source, Slot::share(slot), &question).await {
            Ok(opened) => {
                self.succeeded(channel, source);
                Ok(Arc::new(List::new(opened.text, place.clone(), opened.answer)))
            }
            Err(failure) => {
                self.failed(channel, source, &failure, &question);
                Err(Arc::new(failure))
            }
        }
    }
}

/// The source of a place.
fn source_at<'a>(viewing: &'a Viewing, place: &Place) -> Result<&'a Source, Arc<Failure>> {
    viewing.channel.sources.get(place.source).ok_or_else(no_source)
}

fn no_source() -> Arc<Failure> {
    Arc::new(Failure::NoStart("there is no such source"))
}

/// The delivery directives of the client's request (8216bis section 6.2.5), where they mean to the
/// source what they mean to the client.
fn directives(viewing: &Viewing, place: &Place, wish: &Wish) -> Option<String> {
    let given = wish.query.as_deref()?;
    let directives: Vec<_> = given.split('&').filter(|pair| pair.starts_with("_HLS_")).collect();
    let directives = directives.join("&");
    (!directives.is_empty() && viewing.takes_directives(place)).then_some(directives)
}

/// The URL with more in its query.
pub(super) fn extended(url: &Url, more: &str) -> Url {
    let own = url.query().map(|query| format!("{query}&")).unwrap_or_default();
    url.resolve(&format!("?{own}{more}")).unwrap_or_else(|_| url.clone())
}

/// The other sources of the session's channel, in order from the one behind `source`, those that have
/// just failed last.
fn others_of(viewing: &Viewing, source: usize) -> Vec<&Source> {
    let (before, from) = viewing.channel.sources.split_at_checked(source).unwrap_or_default();
    let mut others: Vec<_> = from.iter().skip(1).chain(before).collect();
    let now = Instant::now();
    others.sort_by_key(|other| other.standing(now) == Standing::Cooling);
    others
}
