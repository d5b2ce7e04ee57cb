//! `relay`: the buffers of shared channels.

use std::time::Duration;

use super::forms::Count;
use super::forms::Size;
use super::forms::Span;
use super::walk::Section;
use super::walk::Walk;

/// The buffers of shared channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Memory of one relay's buffer in bytes. Default 32MiB, 1MiB to 1GiB.
    pub buffer_bytes: usize,
    /// A relay without clients ends after so long. Default 60s, 0s to 24h.
    pub idle_timeout: Duration,
    /// A client of a relay that takes no byte for so long is dropped. Default 10s, 1s to 10m.
    pub client_timeout: Duration,
    /// FFmpeg processes at once. Default 10, 0 (none) to 1000.
    pub max_processes: usize,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            buffer_bytes: 32 << 20,
            idle_timeout: Duration::from_secs(60),
            client_timeout: Duration::from_secs(10),
            max_processes: 10,
        }
    }
}

impl Relay {
    /// Reads `relay`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let size = Size { min: 1 << 20, max: 1 << 30 };
        let idle = Span { min: Duration::ZERO, max: Duration::from_hours(24) };
        let patience = Span { min: Duration::from_secs(1), max: Duration::from_mins(10) };
        let processes = Count { min: 0, max: 1000 };
        let mut section = root.section(walk, "relay");
        let relay = Self {
            buffer_bytes: section.value(walk, "buffer_bytes", &size, default.buffer_bytes),
            idle_timeout: section.value(walk, "idle_timeout", &idle, default.idle_timeout),
            client_timeout: section.value(
                walk,
                "client_timeout",
                &patience,
                default.client_timeout,
            ),
            max_processes: section.value(walk, "max_processes", &processes, default.max_processes),
        };
        section.finish(walk);
        relay
    }
}
