//! `relay`: shared channels, their buffers and their clients.

use std::time::Duration;

use super::forms::Choice;
use super::forms::Count;
use super::forms::Form;
use super::forms::Size;
use super::forms::Span;
use super::mistake::Origin;
use super::units;
use super::walk::Section;
use super::walk::Walk;

/// Shared channels, their buffers and their clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Memory of one relay's buffer in bytes. Default 32MiB, 1MiB to 1GiB.
    pub buffer_bytes: usize,
    /// What is older is not kept. Default 60s, 1s to 1h.
    pub buffer_time: Duration,
    /// Chunks of one relay's buffer, each of up to 64 KiB or 25 ms. Default 8192, 64 to 1000000.
    pub buffer_chunks: usize,
    /// A relay without clients ends after so long. Default 60s, 0s to 24h.
    pub idle_timeout: Duration,
    /// A client of a relay that takes no byte for so long is dropped. Default 10s, 1s to 10m.
    pub client_timeout: Duration,
    /// Where a client begins. Default `keyframe`.
    pub join: JoinAt,
    /// How much a client gets at once when it begins, where the buffer has it; without it the client waits
    /// for as much. Default 0s: what there is from the newest random access point on.
    pub prebuffer: Prebuffer,
    /// A client that is further behind than that is too slow; so is one that is behind by three quarters of
    /// the buffer. Default 15s, 1s to 1h.
    pub lag: Duration,
    /// What becomes of a client that is too slow. Default `skip`.
    pub slow_clients: SlowClients,
    /// FFmpeg processes at once. Default 10, 0 (none) to 1000.
    pub max_processes: usize,
}

/// Where a client of a relay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinAt {
    /// At the newest random access point that the buffer has, so that its first picture is there at once.
    Keyframe,
    /// With what comes next.
    Live,
}

/// How much a client gets at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prebuffer {
    /// What has come in so long.
    Time(Duration),
    /// So many bytes.
    Bytes(usize),
}

/// What becomes of a client that is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowClients {
    /// It goes on from the newest random access point.
    Skip,
    /// It is dropped once it has been too slow for `client_timeout`.
    Drop,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            buffer_bytes: 32 << 20,
            buffer_time: Duration::from_secs(60),
            buffer_chunks: 8192,
            idle_timeout: Duration::from_secs(60),
            client_timeout: Duration::from_secs(10),
            join: JoinAt::Keyframe,
            prebuffer: Prebuffer::Time(Duration::ZERO),
            lag: Duration::from_secs(15),
            slow_clients: SlowClients::Skip,
            max_processes: 10,
        }
    }
}

impl Relay {
    /// Reads `relay`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let span = |min, max| Span { min: Duration::from_secs(min), max: Duration::from_secs(max) };
        let joins = Choice(&[("keyframe", JoinAt::Keyframe), ("live", JoinAt::Live)]);
        let slow = Choice(&[("skip", SlowClients::Skip), ("drop", SlowClients::Drop)]);
        let mut section = root.section(walk, "relay");
        let bytes = Size { min: 1 << 20, max: 1 << 30 };
        let buffer_bytes = section.value(walk, "buffer_bytes", &bytes, default.buffer_bytes);
        let buffer_time = section.value(walk, "buffer_time", &span(1, 3600), default.buffer_time);
        let chunks = Count { min: 64, max: 1_000_000 };
        let buffer_chunks = section.value(walk, "buffer_chunks", &chunks, default.buffer_chunks);
        let idle = span(0, 24 * 3600);
        let idle_timeout = section.value(walk, "idle_timeout", &idle, default.idle_timeout);
        let patience = span(1, 600);
        let client_timeout =
            section.value(walk, "client_timeout", &patience, default.client_timeout);
        let join = section.value(walk, "join", &joins, default.join);
        let (prebuffer, origin) =
            section.placed(walk, "prebuffer", &PrebufferForm, default.prebuffer);
        let lag = section.value(walk, "lag", &span(1, 3600), default.lag);
        let slow_clients = section.value(walk, "slow_clients", &slow, default.slow_clients);
        let processes = Count { min: 0, max: 1000 };
        let max_processes = section.value(walk, "max_processes", &processes, default.max_processes);
        let relay = Self {
            buffer_bytes,
            buffer_time,
            buffer_chunks,
            idle_timeout,
            client_timeout,
            join,
            prebuffer,
            lag,
            slow_clients,
            max_processes,
        };
        if origin != Origin::Default && !relay.has_prebuffer() {
            let text = "a client that begins so far behind is too slow at once; it must be less than half of \
                        `lag`, `buffer_time` and `buffer_bytes`";
            walk.mistake(&origin, &section.path.key("prebuffer"), text);
        }
        section.finish(walk);
        relay
    }

    /// Whether a client can begin so far behind and keep up.
    fn has_prebuffer(&self) -> bool {
        match self.prebuffer {
            Prebuffer::Time(time) => time * 2 <= self.lag.min(self.buffer_time),
            Prebuffer::Bytes(bytes) => bytes * 2 <= self.buffer_bytes,
        }
    }
}

/// A time or a size.
struct PrebufferForm;

impl Form for PrebufferForm {
    type Value = Prebuffer;

    fn noun(&self) -> &'static str {
        "a duration or a size, as 500ms or 256KiB"
    }

    fn read(&self, text: &str) -> Result<Prebuffer, String> {
        let (size, time) = (units::size(text), units::duration(text));
        match (time, size) {
            (Ok(time), _) if time <= Duration::from_mins(10) => Ok(Prebuffer::Time(time)),
            (Err(_), Ok(bytes)) if bytes <= 1 << 29 => Ok(Prebuffer::Bytes(bytes)),
            (Ok(_), _) | (_, Ok(_)) => Err("at most 10m or 512MiB".to_owned()),
            (Err(_), Err(_)) => Err(format!("not {}", self.noun())),
        }
    }

    fn show(&self, value: &Prebuffer) -> String {
        match value {
            Prebuffer::Time(time) => units::show_duration(*time),
            Prebuffer::Bytes(bytes) => units::show_size(*bytes),
        }
    }
}
