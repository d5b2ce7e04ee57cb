//! The body of a session's answer: carries a source's bytes to one client and notices when either
//! side is done.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::delivery::cut::Cut;
use crate::delivery::feed::Feed;
use crate::delivery::hls::Reader;
use crate::delivery::reading::Reading;
use crate::delivery::remuxing::Begun;
use crate::delivery::sessions::End;
use crate::delivery::sessions::Session;
use crate::delivery::shared::Client;
use crate::lifecycle::Given;

/// What a session's bytes are.
pub(crate) enum Carriage {
    /// A live stream, over any number of sources.
    Live(Box<Feed>),
    /// A file or a part of one.
    File(Box<Reading>),
    /// A segment that others are given too.
    Shared(Reader),
    /// A live stream that others are given too.
    Relayed(Box<Client>),
    /// A live stream, over any number of sources, whose sound is converted.
    Converted(Box<Begun>),
}

/// The body of a session: frames come from the upstream connection when hyper has room for them,
/// so a slow client slows only its own source. Dropping it closes the upstream connections and ends
/// the session, in this order.
///
/// Memory: what its carriage holds.
pub struct SessionBody {
    carriage: Carriage,
    session: Session,
    /// Resolves when the session has to end.
    leave: Given,
}

impl SessionBody {
    pub(crate) fn new(carriage: Carriage, mut session: Session) -> Self {
        let leave = session.leave().given();
        if let Carriage::File(reading) = &carriage {
            reading.begin(&mut session);
        }
        Self { carriage, session, leave }
    }
}

impl Body for SessionBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let me = &mut *self;
        if Pin::new(&mut me.leave).poll(cx).is_ready() {
            let end = me.session.why_leave();
            me.session.ended(end);
            let cut = if end == End::Reloaded { Cut::Reloaded } else { Cut::Replaced };
            return Poll::Ready(Some(Err(cut)));
        }
        let next = match &mut me.carriage {
            Carriage::Live(feed) => feed.poll_next(cx, &mut me.session),
            Carriage::File(reading) => reading.poll_next(cx, &mut me.session),
            Carriage::Shared(reader) => reader.poll_next(cx, &mut me.session),
            Carriage::Relayed(client) => client.poll_next(cx, &mut me.session),
            Carriage::Converted(begun) => begun.poll_next(cx, &mut me.session),
        };
        next.map_ok(|bytes| {
            me.session.passed(bytes.len());
            Frame::data(bytes)
        })
    }

    fn size_hint(&self) -> SizeHint {
        match &self.carriage {
            Carriage::Live(_) | Carriage::Relayed(_) | Carriage::Converted(_) => {
                SizeHint::default()
            }
            Carriage::File(reading) => reading.size_hint(),
            Carriage::Shared(reader) => reader.size_hint(),
        }
    }
}
