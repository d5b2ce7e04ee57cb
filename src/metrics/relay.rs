//! Figures of relays.

use crate::metrics::family::Family;

/// What is counted of relays.
#[derive(Debug)]
pub(super) struct Relays {
    pub(super) relays: Family<1>,
    pub(super) buffer_bytes: Family<1>,
    pub(super) ended_total: Family<2>,
    pub(super) skips_total: Family<1>,
    pub(super) dropped_total: Family<1>,
}

impl Relays {
    pub(super) fn new() -> Self {
        Self {
            relays: Family::gauge("weir_relays", "Relays that run now", ["channel"]),
            buffer_bytes: Family::gauge(
                "weir_relay_buffer_bytes",
                "Bytes in the buffers of relays",
                ["channel"],
            ),
            ended_total: Family::counter(
                "weir_relays_total",
                "Relays that ended, by how they ended",
                ["channel", "end"],
            ),
            skips_total: Family::counter(
                "weir_relay_skips_total",
                "How often clients were too slow and skipped to a random access point",
                ["channel"],
            ),
            dropped_total: Family::counter(
                "weir_relay_dropped_total",
                "Clients that were dropped because they were too slow",
                ["channel"],
            ),
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        self.relays.write(text);
        self.ended_total.write(text);
        self.buffer_bytes.write(text);
        self.skips_total.write(text);
        self.dropped_total.write(text);
    }
}
