//! The documents of the admin listener: the only types that are serialized.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::channel::Channel;
use crate::channel::Kind;
use crate::delivery::sessions::Info;

/// One session.
#[derive(Debug, Serialize)]
pub(super) struct Session {
    id: u64,
    channel: String,
    source: usize,
    way: &'static str,
    client: String,
    seconds: u64,
    bytes: u64,
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

/// One source of a channel.
#[derive(Debug, Serialize)]
pub(super) struct SourceView {
    index: usize,
    place: String,
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
        Self {
            id: info.id,
            channel: info.channel.id.to_string(),
            source: info.source,
            way: info.way,
            client: info.client.to_string(),
            seconds: info.started.elapsed().as_secs(),
            bytes: info.bytes.load(Ordering::Relaxed),
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
        let sources = channel.sources.iter();
        Self {
            id: channel.id.to_string(),
            name: channel.name.clone(),
            kind,
            profile: channel.profile.name.clone(),
            sources: sources
                .map(|source| SourceView { index: source.index, place: source.place() })
                .collect(),
            sessions: running.iter().filter(|info| info.channel.id == channel.id).count(),
        }
    }
}
