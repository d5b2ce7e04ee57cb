//! The documents of the admin listener: the only types that are serialized.

use std::sync::atomic::Ordering;

use serde::Serialize;
use tokio::time::Instant;

use crate::api::remux::Remux;
use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::health::Standing;

use crate::delivery::sessions::Info;
use crate::delivery::sessions::Shows;

/// One session.
#[derive(Debug, Serialize)]
pub(super) struct Session {
    id: u64,
    channel: String,
    /// `null` while no source plays.
    source: Option<usize>,
    switches: u32,
    /// How its bytes move; `slate` or `override` while no source plays.
    way: &'static str,
    client: String,
    user_agent: String,
    seconds: u64,
    bytes: u64,
    /// The conversion of its sound, where that is done for it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    remux: Option<Remux>,
}

/// One channel, without a word of where it comes from but the host.
#[derive(Debug, Serialize)]
pub(super) struct ChannelView {
    id: String,
    name: String,
    kind: &'static str,
    profile: String,
    sources: Vec<SourceView>,
    sessions: usize,
}

/// What came of a manual failover.
#[derive(Debug, Serialize)]
pub(super) struct Switches {
    pub(super) channel: String,
    pub(super) clients: Vec<Switched>,
}

/// What came of it for one client.
#[derive(Debug, Serialize)]
pub(super) struct Switched {
    pub(super) client_id: u64,
    pub(super) outcome: &'static str,
    pub(super) detail: &'static str,
    /// The source it was played from.
    pub(super) from: usize,
    /// The source it plays from now, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<usize>,
}

/// One source of a channel.
#[derive(Debug, Serialize)]
pub(super) struct SourceView {
    index: usize,
    place: String,
    /// `good`, `cooling` after a failure, or on `probation` after that.
    standing: &'static str,
}

/// The whole program in a line.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) version: &'static str,
    pub(super) phase: &'static str,
    pub(super) sessions: usize,
    pub(super) channels: usize,
    pub(super) receivers: usize,
    pub(super) uptime_seconds: u64,
}

impl Session {
    pub(super) fn of(info: &Info) -> Self {
        let way = match info.shows() {
            Shows::Source => info.way,
            Shows::Slate => "slate",
            Shows::Override => "override",
        };
        Self {
            id: info.id,
            channel: info.channel.id.to_string(),
            source: info.playing(),
            switches: info.switches(),
            way,
            client: info.client.map(|client| client.to_string()).unwrap_or_default(),
            user_agent: info.user_agent.as_deref().unwrap_or_default().to_owned(),
            seconds: info.started.elapsed().as_secs(),
            bytes: info.bytes.load(Ordering::Relaxed),
            remux: info.remux().as_ref().map(Remux::of),
        }
    }
}

impl ChannelView {
    pub(super) fn of(channel: &Channel, running: &[std::sync::Arc<Info>]) -> Self {
        let kind = match channel.kind() {
            Some(Kind::Live) => "live",
            Some(Kind::Vod) => "vod",
            Some(Kind::Hls) => "hls",
            None => "auto",
        };
        let (sources, now) = (channel.sources.iter(), Instant::now());
        Self {
            id: channel.id.to_string(),
            name: channel.name.clone(),
            kind,
            profile: channel.profile.name.clone(),
            sources: sources
                .map(|source| SourceView {
                    index: source.index,
                    place: source.place(),
                    standing: match source.standing(now) {
                        Standing::Good => "good",
                        Standing::Cooling => "cooling",
                        Standing::Probation => "probation",
                    },
                })
                .collect(),
            sessions: running.iter().filter(|info| info.channel.id == channel.id).count(),
        }
    }
}
