//! `failover`: when a source counts as lost and how the next one takes over.

use std::time::Duration;

use super::forms::Choice;
use super::forms::Count;
use super::forms::Span;
use super::walk::Section;
use super::walk::Walk;

/// When a source counts as lost and how the next one takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// Time to connect, TLS included. Default 5s, 100ms to 1m.
    pub connect_timeout: Duration,
    /// Time from the request to the response head. Default 10s, 100ms to 10m.
    pub response_timeout: Duration,
    /// A source that sends nothing for so long, although the client would take it, has stalled. Default 2s, 100ms to
    /// 5m.
    pub stall_timeout: Duration,
    /// The standby is started when the active has been silent for so long. Default 800ms, 50ms to 1m.
    pub hedge_after: Duration,
    /// How the standby's bytes follow the active's. Default `seamless`.
    pub join: Join,
    /// Times through the list of sources before giving up on a stream that runs. Default 3, 0 to 100; with 0 the end of its
    /// source is the end of a stream.
    pub rounds: u32,
    /// A source that failed is not tried first again for so long. Default 30s, 0s to 1h.
    pub cooldown: Duration,
    /// How long a request waits for a free connection of a provider. Default 3s, 0s to 1m.
    pub slot_wait: Duration,
    /// What the client of a live transport stream gets when every source has failed. Default `close`. With `slate`
    /// sources are joined, so `join` is not `raw`, and `rounds` of 0 counts as 1.
    pub on_exhausted: OnExhausted,
}

/// How the standby's bytes follow the active's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Byte after byte, wherever they are.
    Raw,
    /// At the next packet that a decoder can start from.
    Aligned,
    /// Aligned, with clocks and counters carried on.
    Seamless,
}

/// What a client gets when every source has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExhausted {
    /// The end of its stream.
    Close,
    /// Generated picture and sound until a source is back.
    Slate,
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(2),
            hedge_after: Duration::from_millis(800),
            join: Join::Seamless,
            rounds: 3,
            cooldown: Duration::from_secs(30),
            slot_wait: Duration::from_secs(3),
            on_exhausted: OnExhausted::Close,
        }
    }
}

impl Failover {
    /// Reads `failover`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let span = |min_ms, max_secs| Span {
            min: Duration::from_millis(min_ms),
            max: Duration::from_secs(max_secs),
        };
        let joins =
            Choice(&[("raw", Join::Raw), ("aligned", Join::Aligned), ("seamless", Join::Seamless)]);
        let ends = Choice(&[("close", OnExhausted::Close), ("slate", OnExhausted::Slate)]);
        let rounds = Count { min: 0, max: 100 };
        let mut section = root.section(walk, "failover");
        let mut failover = Self {
            connect_timeout: section.value(
                walk,
                "connect_timeout",
                &span(100, 60),
                default.connect_timeout,
            ),
            response_timeout: section.value(
                walk,
                "response_timeout",
                &span(100, 600),
                default.response_timeout,
            ),
            stall_timeout: section.value(
                walk,
                "stall_timeout",
                &span(100, 300),
                default.stall_timeout,
            ),
            hedge_after: section.value(walk, "hedge_after", &span(50, 60), default.hedge_after),
            join: section.value(walk, "join", &joins, default.join),
            rounds: section.value(walk, "rounds", &rounds, default.rounds),
            cooldown: section.value(walk, "cooldown", &span(0, 3600), default.cooldown),
            slot_wait: section.value(walk, "slot_wait", &span(0, 60), default.slot_wait),
            on_exhausted: default.on_exhausted,
        };
        let ends_at;
        (failover.on_exhausted, ends_at) =
            section.placed(walk, "on_exhausted", &ends, default.on_exhausted);
        if (failover.join, failover.on_exhausted) == (Join::Raw, OnExhausted::Slate) {
            let text = "a slate is joined to the stream, and `join: raw` joins nothing; write \
                        `join: seamless`, or `on_exhausted: close`";
            walk.mistake(&ends_at, &section.path.key("on_exhausted"), text);
        }
        section.finish(walk);
        failover
    }
}
