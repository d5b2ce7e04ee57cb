//! What viewers see while no source plays: why that is, since when, and how often sources are tried
//! again meanwhile.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::channel::Channel;
use crate::delivery::sessions::Info;
use crate::delivery::sessions::Session;
use crate::delivery::sessions::Shows;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::Tone;
use crate::metrics::Metrics;
use crate::metrics::Presence;

mod again;
mod cause;
mod clock;

pub(crate) use again::Again;
pub(crate) use cause::Cause;
pub(crate) use cause::Causes;

/// One session's slate, for as long as it is shown: it is counted, and its beginning and end are told.
pub(crate) struct Slate {
    info: Arc<Info>,
    began: Instant,
    _counted: Presence,
}

impl Slate {
    /// Begins because of `cause`.
    pub(crate) fn begin(cause: &Cause, session: &Session, metrics: &Metrics) -> Self {
        let info = Arc::clone(session.info());
        session.shows(Shows::Slate);
        metrics.slate(&info.channel.id, cause.word());
        let (channel, client, word) = (&info.channel.id, info.shown_client(), cause.word());
        tracing::warn!(
            %channel, session = info.id, client, cause = word,
            "slate begins: no source can be played: {cause}"
        );
        Self { info, began: Instant::now(), _counted: Presence::enter(metrics.slates()) }
    }
}

impl Drop for Slate {
    fn drop(&mut self) {
        let (channel, session, client) =
            (&self.info.channel.id, self.info.id, self.info.shown_client());
        let seconds = self.began.elapsed().as_secs();
        tracing::warn!(%channel, session, client, seconds, "slate ends");
    }
}

/// What is seen: the channel's name, what is wrong with its sources, and since when.
pub(crate) fn scene(cause: &Cause, channel: &Channel) -> Scene {
    Scene {
        title: channel.name.clone(),
        text: format!("{cause}\nsince {}", clock::utc(SystemTime::now())),
        palette: Palette::Grey,
        tone: Tone::Silent,
    }
}
