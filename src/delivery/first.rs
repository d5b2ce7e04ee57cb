//! What the stream of a live channel begins with.

use std::sync::Arc;

use http::HeaderMap;

use crate::channel::Channel;
use crate::config::Join;
use crate::config::OnExhausted;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::attempt::Playing;
use crate::delivery::attempt::Question;
use crate::delivery::overrides::Choice;
use crate::delivery::slate::Cause;
use crate::delivery::slate::Causes;
use crate::media::sniff::Container;

/// What a feed begins with.
pub(crate) enum First {
    /// A source that plays.
    Source(Playing),
    /// A slate: no source plays, for these causes, and they are to be tried again.
    Slate(Causes),
    /// What somebody wants to be shown: no source is opened.
    Override,
}

impl First {
    /// What the client gets.
    pub(crate) fn container(&self) -> Container {
        match self {
            Self::Source(playing) => playing.container,
            Self::Slate(_) | Self::Override => Container::MpegTs,
        }
    }

    /// The fields of the answer that it is, if it is one.
    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Source(playing) => playing.headers(),
            Self::Slate(_) | Self::Override => None,
        }
    }
}

impl Delivery {
    /// What the stream of `channel` begins with, whoever it is for: what somebody wants to be shown, else
    /// the first source that gives one, else, with `failover.on_exhausted: slate`, a slate. Cancel safe.
    ///
    /// # Errors
    /// As [`Delivery::first_source`], where no slate is to be shown.
    pub(crate) async fn first(
        &self,
        channel: &Arc<Channel>,
        question: &Question,
    ) -> Result<First, Error> {
        let first = match self.overrides.of(&channel.id).map(|wanted| wanted.choice.clone()) {
            Some(Choice::Made(_)) => return Ok(First::Override),
            Some(Choice::Source(source)) => Some(source),
            None => None,
        };
        let asked = Question { first, ..question.clone() };
        let error = match self.first_source(channel, &asked).await {
            Ok(playing) => return Ok(First::Source(playing)),
            Err(error) => error,
        };
        let failover = &question.config.failover;
        if failover.on_exhausted != OnExhausted::Slate || failover.join == Join::Raw {
            return Err(error);
        }
        match &error {
            Error::Exhausted(attempts) => Ok(First::Slate(Causes::of(attempts, failover))),
            Error::Unfit(_) => {
                let mut causes = Causes::default();
                causes.note(0, Cause::Format);
                Ok(First::Slate(causes))
            }
            _ => Err(error),
        }
    }
}
