//! Relays: `/api/v1/relay/health`, `/metrics`, `/{channel}/status`, and `POST /{channel}/start` and
//! `/stop`. A relay is named by its channel's id.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::api::remux::Remux;
use crate::channel::Catalog;
use crate::channel::Channel;
use crate::channel::Kind;
use crate::config;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::sessions::Info;
use crate::delivery::shared::view::Started;
use crate::delivery::shared::view::View;
use crate::transcode;
use crate::transcode::Cause;

/// A relay whose buffer has got nothing for so long is not well.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// What is asked of the relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Health,
    HealthOf(&'a str),
    Metrics,
    Status(&'a str),
    Start(&'a str),
    Stop(&'a str),
}

/// How all relays are.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    /// `healthy`, or `degraded` where one of them is not.
    status: &'static str,
    running: usize,
    starting: usize,
    clients: usize,
    relays: Vec<HealthOfOne>,
}

/// How one relay is.
#[derive(Debug, Serialize)]
pub(super) struct HealthOfOne {
    channel: String,
    /// `starting`, `healthy` or `silent`; `stopped` where it does not run.
    status: &'static str,
    clients: usize,
    /// Since its buffer has got bytes.
    silent_seconds: f64,
}

/// The figures of all relays.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    relays: usize,
    clients: usize,
    bytes_received: u64,
    bytes_served: u64,
    buffer_bytes: usize,
    each: Vec<Status>,
}

/// One relay.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    channel: String,
    name: String,
    profile: String,
    is_running: bool,
    /// `stopped`, `starting` or `running`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bandwidth: Option<u64>,
    uptime_seconds: u64,
    /// For how long nobody has watched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<usize>,
    switches: u32,
    client_count: usize,
    clients_at_most: usize,
    clients_total: u64,
    bytes_received: u64,
    /// To all clients that it has had.
    bytes_served: u64,
    buffer: Buffer,
    clients: Vec<Client>,
    /// Its FFmpeg, where its profile asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
    /// The conversion of its sound, where its profile asks weir for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remux: Option<Remux>,
}

/// The FFmpeg of a relay.
#[derive(Debug, Serialize)]
pub(super) struct Process {
    state: &'static str,
    pid: Option<u32>,
    starts: u64,
    last_exit: Option<&'static str>,
    frames: u64,
    frames_per_second: f64,
    speed: f64,
    out_seconds: f64,
    cpu_seconds: f64,
    rss_bytes: u64,
    /// What was replaced, because hardware does not work here.
    software: Option<String>,
    /// What it said last; secrets are taken out.
    messages: Vec<String>,
}

/// What a relay's buffer holds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Buffer {
    bytes: usize,
    chunks: usize,
    /// The number of the next chunk.
    sequence: u64,
    /// The numbers of the oldest packet and of the next one.
    first_packet: u64,
    next_packet: u64,
    seconds: f64,
}

/// One client of a relay.
#[derive(Debug, Serialize)]
pub(super) struct Client {
    id: u64,
    client: String,
    user_agent: String,
    seconds: u64,
    bytes: u64,
    /// The number of the packet that it gets next, and how far that is behind the newest one.
    packet: u64,
    lag_bytes: u64,
    last_read_seconds: f64,
    skips: u32,
}

/// What has come of a start or a stop.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    channel: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<usize>,
}

/// What is asked in this path, if it is about relays.
pub(super) fn route(path: &str) -> Option<Route<'_>> {
    let rest = path.strip_prefix("/api/v1/relay/")?;
    Some(match rest.split_once('/') {
        None if rest == "health" => Route::Health,
        None if rest == "metrics" => Route::Metrics,
        Some(("health", channel)) => Route::HealthOf(channel),
        Some((channel, "status")) => Route::Status(channel),
        Some((channel, "start")) => Route::Start(channel),
        Some((channel, "stop")) => Route::Stop(channel),
        _ => return None,
    })
}

impl Route<'_> {
    /// Whether it changes something.
    pub(super) fn is_order(self) -> bool {
        matches!(self, Self::Start(_) | Self::Stop(_))
    }
}

pub(super) fn health(delivery: &Delivery) -> Health {
    let views = delivery.relays();
    let relays: Vec<_> = views.iter().map(HealthOfOne::of).collect();
    let is_well = relays.iter().all(|relay| relay.status != "silent");
    let running = views.iter().filter(|view| view.info.is_some()).count();
    Health {
        status: if is_well { "healthy" } else { "degraded" },
        running,
        starting: views.len() - running,
        clients: views.iter().map(|view| view.clients.0).sum(),
        relays,
    }
}

pub(super) fn health_of(delivery: &Delivery, channel: &Channel) -> HealthOfOne {
    let views = delivery.relays();
    let own = views.iter().find(|view| view.channel.id == channel.id);
    own.map(HealthOfOne::of).unwrap_or_else(|| HealthOfOne {
        channel: channel.id.to_string(),
        status: "stopped",
        clients: 0,
        silent_seconds: 0.0,
    })
}

pub(super) fn figures(delivery: &Delivery) -> Figures {
    let running = delivery.sessions().list();
    let each: Vec<_> = delivery.relays().iter().map(|view| Status::of(view, &running)).collect();
    Figures {
        relays: each.len(),
        clients: each.iter().map(|status| status.client_count).sum(),
        bytes_received: each.iter().map(|status| status.bytes_received).sum(),
        bytes_served: each.iter().map(|status| status.bytes_served).sum(),
        buffer_bytes: each.iter().map(|status| status.buffer.bytes).sum(),
        each,
    }
}

pub(super) fn status(delivery: &Delivery, channel: &Channel) -> Status {
    let views = delivery.relays();
    let own = views.iter().find(|view| view.channel.id == channel.id);
    own.map_or_else(
        || Status::stopped(channel),
        |view| Status::of(view, &delivery.sessions().list()),
    )
}

/// Begins the channel's relay; the sentence is why there is none.
pub(super) async fn start(
    delivery: &Delivery,
    catalog: &Catalog,
    channel: &Arc<Channel>,
) -> Result<Done, (StatusCode, String)> {
    if channel.profile.delivery == config::Delivery::Direct {
        let detail = format!(
            "the profile `{}` of this channel is direct: each of its clients has a connection of its own",
            channel.profile.name
        );
        return Err((StatusCode::CONFLICT, detail));
    }
    if channel.kind() == Some(Kind::Vod) {
        let detail = "this channel is a file: each of its clients has a connection of its own";
        return Err((StatusCode::CONFLICT, detail.to_owned()));
    }
    let started = delivery.start_relay(channel, catalog.config()).await;
    let started = started.map_err(|error| {
        // What passes by itself is no fault of a source.
        let status = match &error {
            Error::Undecodable(_) => StatusCode::NOT_IMPLEMENTED,
            Error::Full(_) | Error::NoProcess(_) | Error::Stopped => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::BAD_GATEWAY,
        };
        (status, error.to_string())
    })?;
    let outcome = match started {
        Started::Now => "started",
        Started::Before => "already_running",
    };
    Ok(Done { channel: channel.id.to_string(), outcome, clients: None })
}

/// Ends the channel's relays.
pub(super) fn stop(delivery: &Delivery, channel: &Channel) -> Done {
    let (relays, clients) = delivery.stop_relays(&channel.id);
    let outcome = if relays == 0 { "not_running" } else { "stopped" };
    Done { channel: channel.id.to_string(), outcome, clients: Some(clients) }
}

impl HealthOfOne {
    fn of(view: &View) -> Self {
        // Where FFmpeg writes files the buffer says nothing.
        let waits = |process: &transcode::Status| process.state == transcode::State::Waiting;
        let has_failed = view.process.as_ref().is_some_and(waits);
        let status = match &view.info {
            None => "starting",
            Some(_) if has_failed || view.level.silence > SILENT_AFTER => "silent",
            Some(_) => "healthy",
        };
        Self {
            channel: view.channel.id.to_string(),
            status,
            clients: view.clients.0,
            silent_seconds: view.level.silence.as_secs_f64(),
        }
    }
}

impl Status {
    fn stopped(channel: &Channel) -> Self {
        Self {
            channel: channel.id.to_string(),
            name: channel.name.clone(),
            profile: channel.profile.name.clone(),
            is_running: false,
            state: "stopped",
            max_bandwidth: None,
            uptime_seconds: 0,
            idle_seconds: None,
            session: None,
            source: None,
            switches: 0,
            client_count: 0,
            clients_at_most: 0,
            clients_total: 0,
            bytes_received: 0,
            bytes_served: 0,
            buffer: Buffer::default(),
            clients: Vec::new(),
            process: None,
            remux: None,
        }
    }

    fn of(view: &View, running: &[Arc<Info>]) -> Self {
        let (first_packet, next_packet) = view.level.packets;
        let fed = view
            .info
            .iter()
            .flat_map(|relay| running.iter().filter(move |session| session.is_fed_by(relay)));
        let clients: Vec<_> = fed.filter_map(|info| Client::of(info, view)).collect();
        let (client_count, clients_at_most, clients_total) = view.clients;
        Self {
            is_running: view.info.is_some(),
            state: if view.info.is_some() { "running" } else { "starting" },
            max_bandwidth: view.max_bandwidth,
            uptime_seconds: view.age.as_secs(),
            idle_seconds: view.idle.map(|idle| idle.as_secs()),
            session: view.info.as_ref().map(|info| info.id),
            source: view.info.as_ref().and_then(|info| info.playing()),
            switches: view.info.as_ref().map_or(0, |info| info.switches()),
            client_count,
            clients_at_most,
            clients_total,
            bytes_received: view.bytes,
            bytes_served: view.served,
            buffer: Buffer {
                bytes: view.level.bytes,
                chunks: view.level.chunks,
                sequence: view.level.sequence,
                first_packet,
                next_packet,
                seconds: view.level.age.as_secs_f64(),
            },
            clients,
            process: view.process.as_ref().map(Process::of),
            remux: view.remux.as_ref().map(Remux::of),
            ..Self::stopped(&view.channel)
        }
    }
}

impl Process {
    fn of(status: &transcode::Status) -> Self {
        let progress = &status.progress;
        Self {
            state: status.state.word(),
            pid: status.pid,
            starts: status.starts,
            last_exit: status.last_exit.map(Cause::word),
            frames: progress.frame,
            frames_per_second: progress.fps,
            speed: progress.speed,
            out_seconds: progress.out_time.as_secs_f64(),
            cpu_seconds: status.cpu.as_secs_f64(),
            rss_bytes: status.rss_bytes,
            software: status.software.clone(),
            messages: status.messages.clone(),
        }
    }
}

impl Client {
    fn of(info: &Info, view: &View) -> Option<Self> {
        let level = &view.level;
        let cursor = info.cursor()?;
        Some(Self {
            id: info.id,
            client: info.client.map(|client| client.to_string()).unwrap_or_default(),
            user_agent: info.user_agent.as_deref().unwrap_or_default().to_owned(),
            seconds: info.started.elapsed().as_secs(),
            bytes: info.bytes.load(Ordering::Relaxed),
            packet: cursor.packet(),
            lag_bytes: level.behind(cursor.packet()),
            last_read_seconds: cursor.since_read().as_secs_f64(),
            skips: cursor.skips(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_is_asked() {
        let cases = [
            ("/api/v1/relay/health", Some(Route::Health)),
            ("/api/v1/relay/health/orf1", Some(Route::HealthOf("orf1"))),
            ("/api/v1/relay/metrics", Some(Route::Metrics)),
            ("/api/v1/relay/orf1/status", Some(Route::Status("orf1"))),
            ("/api/v1/relay/orf1/start", Some(Route::Start("orf1"))),
            ("/api/v1/relay/orf1/stop", Some(Route::Stop("orf1"))),
            ("/api/v1/relay/orf1", None),
            ("/api/v1/relay/orf1/else", None),
            ("/api/v1/relay", None),
        ];
        for (path, expected) in cases {
            assert_eq!(route(path), expected, "{path}");
            assert_eq!(
                expected.is_some_and(Route::is_order),
                path.ends_with("start") || path.ends_with("stop")
            );
        }
    }
}
