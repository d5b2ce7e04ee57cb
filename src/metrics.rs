//! Every metric of weir: name, help and labels in one place, and the text of `/metrics`.
//!
//! Labels come from the configuration and from fixed word lists only, never from a client. Hot
//! paths count into plain atomics and add them here in batches. The registry is our own because
//! the contract has both a gauge `weir_sessions` and a counter `weir_sessions_total`, which
//! OpenMetrics libraries (one family name for both) cannot print.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::family::Family;
use crate::metrics::ffmpeg::Ffmpeg;
use crate::metrics::histogram::Histogram;
use crate::metrics::relay::Relays;
use crate::metrics::remux::Remux;
use crate::metrics::upstream::Attempts;
use crate::metrics::upstream::Failovers;
use crate::metrics::upstream::Kept;
use crate::metrics::upstream::Slates;

pub mod family;
mod ffmpeg;
pub mod histogram;
pub mod process;
mod relay;
mod remux;
mod upstream;

pub use family::Value;
pub use ffmpeg::FfmpegFigures;
pub use remux::RemuxFigures;

/// The side a byte was counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Body bytes read from sources.
    In,
    /// Body bytes handed to clients.
    Out,
}

/// The listener a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The media listener.
    Stream,
    /// The admin listener.
    Admin,
}

/// Every figure weir keeps. One is made at start and shared by all.
#[derive(Debug)]
pub struct Metrics {
    sessions: Family<1>,
    sessions_total: Family<2>,
    bytes_total: Family<1>,
    attempts: Attempts,
    kept: Kept,
    failovers: Failovers,
    relays: Relays,
    slates: Slates,
    ffmpeg: Ffmpeg,
    remux: Remux,
    first_byte_seconds: Histogram,
    slot_wait_seconds: Histogram,
    http_requests_total: Family<2>,
    connections: Family<1>,
    accepted_total: Family<1>,
    ts_errors_total: Family<1>,
    accept_errors_total: Family<0>,
    reloads_total: Family<1>,
    build_info: Family<1>,
}

impl Metrics {
    /// All families, empty.
    #[must_use]
    pub fn new() -> Self {
        let build_info = Family::gauge("weir_build_info", "This program", ["version"]);
        build_info.of([env!("CARGO_PKG_VERSION")]).add(1);
        let accept_errors_total =
            Family::counter("weir_accept_errors_total", "Failed calls of accept", []);
        // There from the start, so that the first error shows as a rise.
        accept_errors_total.of([]).add(0);
        let ts_errors_total = Family::counter(
            "weir_ts_errors_total",
            "Faults in the transport streams that passed, by kind (continuity, sync, transport)",
            ["kind"],
        );
        for kind in ["continuity", "sync", "transport"] {
            ts_errors_total.of([kind]).add(0);
        }
        Self {
            sessions: Family::gauge("weir_sessions", "Sessions being served now", ["channel"]),
            sessions_total: Family::counter(
                "weir_sessions_total",
                "Sessions that ended, by how they ended",
                ["channel", "end"],
            ),
            bytes_total: Family::counter(
                "weir_bytes_total",
                "Body bytes read from sources (in) and handed to clients (out)",
                ["direction"],
            ),
            attempts: Attempts::new(),
            kept: Kept::new(),
            failovers: Failovers::new(),
            relays: Relays::new(),
            slates: Slates::new(),
            ffmpeg: Ffmpeg::new(),
            remux: Remux::new(),
            first_byte_seconds: Histogram::new(
                "weir_first_byte_seconds",
                "From a client's request to its first media byte",
            ),
            slot_wait_seconds: Histogram::new(
                "weir_slot_wait_seconds",
                "Time spent waiting for a free connection of a provider",
            ),
            http_requests_total: Family::counter(
                "weir_http_requests_total",
                "Requests answered",
                ["listener", "status"],
            ),
            connections: Family::gauge("weir_connections", "Open client connections", ["listener"]),
            accepted_total: Family::counter(
                "weir_accepted_total",
                "Client connections accepted",
                ["listener"],
            ),
            ts_errors_total,
            accept_errors_total,
            reloads_total: Family::counter(
                "weir_reloads_total",
                "Configuration reloads, by outcome (applied, refused)",
                ["outcome"],
            ),
            build_info,
        }
    }

    /// The text of `/metrics`: the Prometheus text format 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        self.sessions.write(&mut text);
        self.sessions_total.write(&mut text);
        self.bytes_total.write(&mut text);
        self.attempts.write(&mut text);
        self.kept.write(&mut text);
        self.failovers.write(&mut text);
        self.relays.write(&mut text);
        self.slates.write(&mut text);
        self.ffmpeg.write(&mut text);
        self.remux.write(&mut text);
        self.first_byte_seconds.write(&mut text);
        self.slot_wait_seconds.write(&mut text);
        self.http_requests_total.write(&mut text);
        self.connections.write(&mut text);
        self.accepted_total.write(&mut text);
        self.ts_errors_total.write(&mut text);
        self.accept_errors_total.write(&mut text);
        self.reloads_total.write(&mut text);
        self.build_info.write(&mut text);
        text
    }

    /// Sessions of `channel` that run now.
    #[must_use]
    pub fn sessions(&self, channel: &str) -> Value {
        self.sessions.of([channel])
    }

    /// A session of `channel` ended for the reason `end`.
    pub fn session_ended(&self, channel: &str, end: &'static str) {
        self.sessions_total.of([channel, end]).add(1);
    }

    /// The counter of body bytes in one direction: fetch it once, then add to it.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> Value {
        let word = match direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        self.bytes_total.of([word])
    }

    /// Open upstream connections of one provider or receiver (`none`: sources without one).
    #[must_use]
    pub fn upstream_connections(&self, provider: &str) -> Value {
        self.attempts.connections.of([provider])
    }

    /// One attempt to open source number `source` of `channel` ended with `outcome`.
    pub fn upstream_attempt(&self, channel: &str, source: usize, outcome: &'static str) {
        self.attempts.attempts_total.of([channel, &source.to_string(), outcome]).add(1);
    }

    /// From the start of an attempt to its response head.
    pub fn upstream_response(&self, took: Duration) {
        self.attempts.response_seconds.observe(took);
    }

    /// From the start of an attempt to an open connection.
    pub fn upstream_connect(&self, took: Duration) {
        self.attempts.connect_seconds.observe(took);
    }

    /// From the start of an attempt to the first media bytes.
    pub fn upstream_media(&self, took: Duration) {
        self.attempts.media_seconds.observe(took);
    }

    /// From the start of a standby's attempt to bytes that can be joined.
    pub fn upstream_usable(&self, took: Duration) {
        self.attempts.usable_seconds.observe(took);
    }

    /// Idle connections in the pool.
    #[must_use]
    pub fn pool_idle(&self) -> Value {
        self.kept.idle.of([])
    }

    /// Connections of the pool that were used again.
    #[must_use]
    pub fn pool_reused(&self) -> Value {
        self.kept.reused_total.of([])
    }

    /// A session of `channel` went over to another connection for `reason`, after its client had got
    /// nothing for `gap`.
    pub fn failover(&self, channel: &str, reason: &'static str, gap: Duration) {
        self.failovers.failovers_total.of([channel, reason]).add(1);
        self.failovers.gap_seconds.of(reason).observe(gap);
    }

    /// A viewer's request for `channel` took over the connection of the viewer's last one.
    pub fn takeover(&self, channel: &str) {
        self.failovers.takeovers_total.of([channel]).add(1);
    }

    /// Relays of `channel` that run now; what is counted of them is there from now on, so that the first
    /// one shows as a rise.
    #[must_use]
    pub fn relays(&self, channel: &str) -> Value {
        self.relays.skips_total.of([channel]).add(0);
        self.relays.dropped_total.of([channel]).add(0);
        self.relays.relays.of([channel])
    }

    /// A relay of `channel` ended for the reason `end`.
    pub fn relay_ended(&self, channel: &str, end: &'static str) {
        self.relays.ended_total.of([channel, end]).add(1);
    }

    /// Bytes in the buffers of relays of `channel`.
    #[must_use]
    pub fn relay_buffer(&self, channel: &str) -> Value {
        self.relays.buffer_bytes.of([channel])
    }

    /// Clients of relays of `channel` that were too slow: how often they skipped.
    #[must_use]
    pub fn relay_skips(&self, channel: &str) -> Value {
        self.relays.skips_total.of([channel])
    }

    /// A client of a relay of `channel` was too slow and was dropped.
    pub fn relay_dropped(&self, channel: &str) {
        self.relays.dropped_total.of([channel]).add(1);
    }

    /// A session of `channel` shows a slate because of `cause`.
    pub fn slate(&self, channel: &str, cause: &'static str) {
        self.slates.slates_total.of([channel, cause]).add(1);
    }

    /// Sessions that show a slate now.
    #[must_use]
    pub fn slates(&self) -> Value {
        self.slates.slates.of([])
    }

    /// FFmpeg processes that exist.
    #[must_use]
    pub fn ffmpeg_processes(&self) -> Value {
        self.ffmpeg.processes.of([])
    }

    /// The figures of the FFmpeg of `channel`: fetch them once for a run of it.
    #[must_use]
    pub fn ffmpeg(&self, channel: &str) -> FfmpegFigures {
        self.ffmpeg.of(channel)
    }

    /// The figures of one stream of `channel` whose sound is converted, and which may be of these `codecs`.
    #[must_use]
    pub fn remux(
        &self,
        channel: &str,
        codecs: impl IntoIterator<Item = &'static str>,
    ) -> RemuxFigures {
        self.remux.of(channel, codecs)
    }

    /// From a client's request to its first media byte.
    pub fn first_byte(&self, took: Duration) {
        self.first_byte_seconds.observe(took);
    }

    /// How long a request waited for a provider's slot.
    pub fn slot_wait(&self, took: Duration) {
        self.slot_wait_seconds.observe(took);
    }

    /// A request on `port` was answered with `status`.
    pub fn http_request(&self, port: Port, status: u16) {
        self.http_requests_total.of([port.word(), &status.to_string()]).add(1);
    }

    /// Open client connections of `port`.
    #[must_use]
    pub fn connections(&self, port: Port) -> Value {
        self.connections.of([port.word()])
    }

    /// Faults of one kind in a transport stream.
    pub fn ts_errors(&self, kind: &'static str, count: u64) {
        self.ts_errors_total.of([kind]).add(count);
    }

    /// A connection was accepted on `port`.
    pub fn accepted(&self, port: Port) {
        self.accepted_total.of([port.word()]).add(1);
    }

    /// How often the media listener's accept loop has come round, successful or not: it moves for as
    /// long as the loop lives and somebody knocks.
    #[must_use]
    pub fn accept_rounds(&self) -> i64 {
        self.accepted_total.of([Port::Stream.word()]).get() + self.accept_errors_total.of([]).get()
    }

    /// A call of accept failed.
    pub fn accept_error(&self) {
        self.accept_errors_total.of([]).add(1);
    }

    /// A reload ended; `outcome` is `applied` or `refused`.
    pub fn reload(&self, outcome: &'static str) {
        self.reloads_total.of([outcome]).add(1);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Port {
    /// The value of the `listener` label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Admin => "admin",
        }
    }
}

/// A value of one gauge that is counted while it lives: adds one when made, takes it back when
/// dropped.
#[derive(Debug)]
pub struct Presence(Value);

impl Presence {
    /// Counts one more in `gauge` until dropped.
    #[must_use]
    pub fn enter(gauge: Value) -> Self {
        gauge.add(1);
        Self(gauge)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// Writes the `# HELP` and `# TYPE` lines of one metric.
fn write_header(text: &mut String, name: &str, help: &str, kind: &str) {
    // Writing into a String cannot fail.
    _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Escapes a label value as the text format asks: backslash, quote, line feed.
fn escaped(value: &Arc<str>) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_appears_under_its_contract_name() {
        let metrics = Metrics::new();
        let sessions = Presence::enter(metrics.sessions("orf1"));
        metrics.session_ended("orf1", "client_closed");
        metrics.bytes(Direction::Out).add(5);
        metrics.upstream_connections("acme").add(1);
        metrics.upstream_attempt("a\"b", 0, "ok");
        metrics.first_byte(Duration::from_millis(3));
        metrics.http_request(Port::Stream, 200);
        metrics.accept_error();
        let text = metrics.text();
        let lines = [
            "# TYPE weir_sessions gauge\n",
            "# TYPE weir_sessions_total counter\n",
            "weir_sessions{channel=\"orf1\"} 1\n",
            "weir_sessions_total{channel=\"orf1\",end=\"client_closed\"} 1\n",
            "weir_bytes_total{direction=\"out\"} 5\n",
            "weir_upstream_connections{provider=\"acme\"} 1\n",
            "weir_upstream_attempts_total{channel=\"a\\\"b\",source=\"0\",outcome=\"ok\"} 1\n",
            "weir_first_byte_seconds_bucket{le=\"0.0025\"} 0\n",
            "weir_first_byte_seconds_bucket{le=\"0.005\"} 1\n",
            "weir_first_byte_seconds_bucket{le=\"+Inf\"} 1\n",
            "weir_first_byte_seconds_sum 0.003\n",
            "weir_first_byte_seconds_count 1\n",
            "weir_slot_wait_seconds_count 0\n",
            "weir_upstream_pool_idle 0\n",
            "weir_upstream_response_seconds_count 0\n",
            "weir_http_requests_total{listener=\"stream\",status=\"200\"} 1\n",
            "weir_accept_errors_total 1\n",
            "weir_build_info{version=\"",
        ];
        for line in lines {
            assert!(text.contains(line), "missing {line} in:\n{text}");
        }
        drop(sessions);
        assert!(metrics.text().contains("weir_sessions{channel=\"orf1\"} 0\n"));
    }
}
