//! Figures of upstream connections: how they are made, and how sessions go over from one to the
//! next.

use crate::metrics::family::Family;
use crate::metrics::histogram::Histogram;
use crate::metrics::histogram::Histograms;

/// How connections are made.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) connections: Family<1>,
    pub(super) attempts_total: Family<3>,
    pub(super) connect_seconds: Histogram,
    pub(super) response_seconds: Histogram,
    pub(super) media_seconds: Histogram,
    pub(super) usable_seconds: Histogram,
}

/// Connections that are kept for the next request.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) idle: Family<0>,
    pub(super) reused_total: Family<0>,
}

/// How sessions go over from one to the next.
#[derive(Debug)]
pub(super) struct Failovers {
    pub(super) failovers_total: Family<2>,
    pub(super) gap_seconds: Histograms,
    pub(super) takeovers_total: Family<1>,
}

/// How often and by how many sessions a slate is shown, as no source plays.
#[derive(Debug)]
pub(super) struct Slates {
    pub(super) slates: Family<0>,
    pub(super) slates_total: Family<2>,
}

impl Slates {
    pub(super) fn new() -> Self {
        let slates =
            Family::gauge("weir_slates", "Sessions that show a slate, as no source plays", []);
        slates.of([]).add(0);
        Self {
            slates,
            slates_total: Family::counter(
                "weir_slates_total",
                "Times that a session has shown a slate, by what was wrong with its sources",
                ["channel", "cause"],
            ),
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        self.slates.write(text);
        self.slates_total.write(text);
    }
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            connections: Family::gauge(
                "weir_upstream_connections",
                "Open connections to sources, by provider or receiver",
                ["provider"],
            ),
            attempts_total: Family::counter(
                "weir_upstream_attempts_total",
                "Attempts to open a source, by outcome",
                ["channel", "source", "outcome"],
            ),
            connect_seconds: Histogram::new(
                "weir_upstream_connect_seconds",
                "From the start of an attempt to an open connection, TLS included",
            ),
            response_seconds: Histogram::new(
                "weir_upstream_response_seconds",
                "From the start of an attempt to the source's response head",
            ),
            media_seconds: Histogram::new(
                "weir_upstream_media_seconds",
                "From the start of an attempt to the source's first media bytes",
            ),
            usable_seconds: Histogram::new(
                "weir_upstream_usable_seconds",
                "From the start of a standby's attempt to bytes that a running stream can go on with",
            ),
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        self.connections.write(text);
        self.attempts_total.write(text);
        self.connect_seconds.write(text);
        self.response_seconds.write(text);
        self.media_seconds.write(text);
        self.usable_seconds.write(text);
    }
}

impl Kept {
    pub(super) fn new() -> Self {
        let kept = Self {
            idle: Family::gauge(
                "weir_upstream_pool_idle",
                "Idle connections that are kept for the next request to the same source",
                [],
            ),
            reused_total: Family::counter(
                "weir_upstream_pool_reused_total",
                "Requests that went out on a kept connection",
                [],
            ),
        };
        // There from the start, so that the first one shows as a rise.
        kept.idle.of([]).add(0);
        kept.reused_total.of([]).add(0);
        kept
    }

    pub(super) fn write(&self, text: &mut String) {
        self.idle.write(text);
        self.reused_total.write(text);
    }
}

impl Failovers {
    pub(super) fn new() -> Self {
        Self {
            failovers_total: Family::counter(
                "weir_failovers_total",
                "Times that a session went over to another connection, by what was wrong with the last one",
                ["channel", "reason"],
            ),
            gap_seconds: Histograms::new(
                "weir_failover_gap_seconds",
                "From the last byte of the active to the first byte of the standby, as the client gets them",
                "reason",
            ),
            takeovers_total: Family::counter(
                "weir_takeovers_total",
                "Connections that a viewer's new request took over from the same viewer's last one",
                ["channel"],
            ),
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        self.failovers_total.write(text);
        self.gap_seconds.write(text);
        self.takeovers_total.write(text);
    }
}
