//! What viewers see while no source plays: why that is, since when, and how often sources are tried
//! again meanwhile.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::channel::Channel;
use crate::delivery::made::Wanted;
use crate::delivery::sessions::Info;
use crate::delivery::sessions::Session;
use crate::delivery::sessions::Shows;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::Tone;
use crate::media::ts::join::Codings;
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

/// What is seen where the client's picture or sound is coded in a way that the built-in picture is not:
/// the same without a time, so that it is rendered once. `cause`: `None` before it is known.
pub(crate) fn clip(cause: Option<&Cause>, channel: &Channel, codings: Codings) -> Wanted {
    let text = cause.map_or_else(
        || "No source of this channel plays. It goes on as soon as one does.".to_owned(),
        ToString::to_string,
    );
    Wanted::Text { title: channel.name.clone(), text, codings }
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
