//! What opening a source is to give: an answer to be read, or a stream to be played.

use std::sync::Arc;

use crate::channel::Channel;
use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Delivery;
use crate::delivery::Failure;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Playing;
use crate::delivery::attempt::Question;

/// What [`Delivery::first_source`] can give.
pub(crate) trait Opens: Sized + Send {
    /// Opens one source. Cancel safe: dropping it closes what is open, and then frees the slot.
    fn open(
        delivery: &Delivery,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;
}

impl Opens for Opened {
    async fn open(
        delivery: &Delivery,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> Result<Self, Failure> {
        delivery.attempt(channel, source, slot, question).await
    }
}

impl Opens for Playing {
    async fn open(
        delivery: &Delivery,
        channel: &Arc<Channel>,
        source: &Source,
        slot: Slot,
        question: &Question,
    ) -> Result<Self, Failure> {
        delivery.open(channel, source, slot, question).await
    }
}
