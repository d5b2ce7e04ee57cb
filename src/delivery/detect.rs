//! A channel whose kind nobody knows yet: ask without Range, look at the answer, remember. The
//! answer is used where it already is what the client wanted.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, RANGE};
use http::{Method, Response};

use crate::channel::Channel;
use crate::channel::Kind;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Form;
use crate::delivery::Piece;
use crate::delivery::Wish;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Origin;
use crate::delivery::attempt::Playing;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::first::First;
use crate::media::sniff::Container;
use crate::message::headers::media_type;

impl Delivery {
    /// Serves a channel while finding out what it is.
    pub(super) async fn detect(
        &self,
        channel: &Arc<Channel>,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        let question = Question { want: Want::Anything, ..Question::of(&wish) };
        let first = match wish.method {
            Method::GET => self.first(channel, &question).await?,
            _ => First::Source(self.first_source(channel, &question).await?),
        };
        let opened = match first {
            First::Source(Playing { origin: Origin::Answer(answer), source, slot, container }) => {
                Opened { source, answer: *answer, slot, container, text: Bytes::new() }
            }
            // It is made, and says nothing of the channel's other sources.
            first if wish.method == Method::GET => {
                let question = Question { want: Want::Live, ..question };
                return self.stream(channel, wish, first, question).await;
            }
            _ => return self.live(channel, wish).await,
        };
        let kind = learn(channel, &opened);
        let plain = wish.method == Method::GET && !wish.headers.contains_key(RANGE);
        match kind {
            Kind::Live if wish.method == Method::GET => {
                let question = Question { want: Want::Live, ..question };
                self.stream(channel, wish, First::Source(opened.into()), question).await
            }
            Kind::Vod if plain => Ok(self.file(channel, wish, opened, Piece::Whole)),
            // Asked again, now rightly; the first connection is closed before the second opens.
            kind => {
                drop(opened);
                match kind {
                    Kind::Live => self.live(channel, wish).await,
                    Kind::Vod => self.vod(channel, wish, Piece::Whole).await,
                    Kind::Hls if wish.form == Form::Own => self.playlist(channel, wish).await,
                    Kind::Hls => self.live(channel, wish).await,
                }
            }
        }
    }
}

/// Remembers what a source's answer shows of its channel.
pub(super) fn learn(channel: &Channel, opened: &Opened) -> Kind {
    let kind = kind_of(opened);
    channel.learn(kind);
    tracing::info!(channel = %channel.id, source = opened.source, ?kind, "kind learned from the source's answer");
    kind
}

fn kind_of(opened: &Opened) -> Kind {
    let container = opened.container;
    if container == Container::Hls {
        return Kind::Hls;
    }
    let headers = &opened.answer.head.headers;
    let sized = headers.contains_key(CONTENT_LENGTH);
    let ranges = headers.get(ACCEPT_RANGES).is_some_and(|value| value.as_bytes() == b"bytes");
    match Kind::from_answer(media_type(headers).as_deref(), sized, ranges) {
        Some(Kind::Hls) | None if container.is_file() => Kind::Vod,
        Some(Kind::Hls) | None => Kind::Live,
        Some(kind) => kind,
    }
}
