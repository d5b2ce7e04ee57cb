//! FFmpeg, where the configuration asks for it.

use std::sync::Arc;

use crate::app::Error;
use crate::app::Surroundings;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::transcode::Limits;
use crate::transcode::Place;
use crate::transcode::Transcoder;

/// Whether any channel or receiver has a profile with FFmpeg.
pub(super) fn uses_ffmpeg(config: &Config) -> bool {
    let transcodes = |name: &str| {
        config.profiles.iter().any(|profile| profile.name == name && profile.ffmpeg.is_some())
    };
    config.channels.iter().any(|channel| transcodes(&channel.profile))
        || config.receivers.iter().any(|receiver| transcodes(&receiver.profile))
}

/// FFmpeg for whichever channel asks for it: nothing runs before one does.
pub(super) fn transcoder(
    config: &Config,
    around: &Surroundings,
    metrics: &Arc<Metrics>,
) -> Result<Transcoder, Error> {
    let folder = match around.keeps_state {
        true => config.state_dir.join("ffmpeg"),
        // Of this program alone, however many there are and wherever they were started.
        false => {
            std::env::temp_dir().join(format!("weir-{}-{:p}", std::process::id(), metrics.as_ref()))
        }
    };
    let place = Place { helper: around.helper.clone(), folder };
    let started =
        Transcoder::start(place, Limits::of(config), &around.environment, Arc::clone(metrics));
    started.map_err(Error::Transcoder)
}
