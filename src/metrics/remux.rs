//! Figures of the conversion of sound.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::metrics::family::Family;
use crate::metrics::family::Value;

/// The families.
#[derive(Debug)]
pub(super) struct Remux {
    tracks: Family<2>,
    frames_total: Family<1>,
    bad_frames_total: Family<1>,
    aac_frames_total: Family<1>,
    resyncs_total: Family<1>,
    inserted_seconds_total: Family<1>,
    dropped_seconds_total: Family<1>,
    discontinuities_total: Family<1>,
    scrambled_packets_total: Family<1>,
    lead_seconds: Family<1>,
    cpu_seconds_total: Family<1>,
}

/// The figures of one stream of a channel. What is of now is taken back when this is dropped.
#[derive(Debug)]
pub struct RemuxFigures {
    /// Tracks by the value of the `codec` label, and how many of them are this stream's.
    tracks: BTreeMap<&'static str, (Value, u64)>,
    /// Frames that were decoded or concealed.
    pub frames: Value,
    /// Of these, damaged ones.
    pub bad_frames: Value,
    /// Access units of AAC that came out.
    pub aac_frames: Value,
    /// How often the next frame had to be looked for.
    pub resyncs: Value,
    /// How often the time of the sound did not go on.
    pub discontinuities: Value,
    /// Packets of sound that came scrambled.
    pub scrambled: Value,
    /// How long before it is needed sound comes out, in milliseconds.
    pub lead_ms: Value,
    /// Silence that was put in.
    pub inserted: Time,
    /// Sound that was left out.
    pub dropped: Time,
    /// Processor time.
    pub cpu: Time,
}

/// A time that adds up, of which a figure has the whole milliseconds.
#[derive(Debug)]
pub struct Time {
    value: Value,
    total: Duration,
    counted: u64,
}

impl Time {
    /// Adds some.
    pub fn add(&mut self, time: Duration) {
        self.total += time;
        let millis = u64::try_from(self.total.as_millis()).unwrap_or(u64::MAX);
        if millis > self.counted {
            self.value.add(millis - self.counted);
            self.counted = millis;
        }
    }
}

impl Remux {
    pub(super) fn new() -> Self {
        let counter = |name, help| Family::counter(name, help, ["channel"]);
        Self {
            tracks: Family::gauge(
                "weir_remux_tracks",
                "Tracks of sound that are being converted to AAC, by what they were",
                ["channel", "codec"],
            ),
            frames_total: counter(
                "weir_remux_frames_total",
                "Frames of sound that were decoded or concealed",
            ),
            bad_frames_total: counter(
                "weir_remux_bad_frames_total",
                "Frames of sound that were damaged",
            ),
            aac_frames_total: counter("weir_remux_aac_frames_total", "Frames of AAC that were made"),
            resyncs_total: counter(
                "weir_remux_resyncs_total",
                "How often the next frame of sound had to be looked for",
            ),
            inserted_seconds_total: counter(
                "weir_remux_inserted_seconds_total",
                "Silence that was put in where sound was missing",
            )
            .in_thousandths(),
            dropped_seconds_total: counter(
                "weir_remux_dropped_seconds_total",
                "Sound that was left out where there was too much of it",
            )
            .in_thousandths(),
            discontinuities_total: counter(
                "weir_remux_discontinuities_total",
                "How often the time of the sound did not go on",
            ),
            scrambled_packets_total: counter(
                "weir_remux_scrambled_packets_total",
                "Packets of sound that came scrambled and were passed as they are",
            ),
            lead_seconds: Family::gauge(
                "weir_remux_lead_seconds",
                "How long before its time converted sound comes out: its last PTS less the last PCR",
                ["channel"],
            )
            .in_thousandths(),
            cpu_seconds_total: counter(
                "weir_remux_cpu_seconds_total",
                "Processor time that the conversion of sound has taken",
            )
            .in_thousandths(),
        }
    }

    /// Appends what there is: nothing, until a channel converts.
    pub(super) fn write(&self, text: &mut String) {
        if self.frames_total.is_empty() {
            return;
        }
        self.tracks.write(text);
        for family in [
            &self.frames_total,
            &self.bad_frames_total,
            &self.aac_frames_total,
            &self.resyncs_total,
            &self.inserted_seconds_total,
            &self.dropped_seconds_total,
            &self.discontinuities_total,
            &self.scrambled_packets_total,
            &self.lead_seconds,
            &self.cpu_seconds_total,
        ] {
            family.write(text);
        }
    }

    pub(super) fn of(
        &self,
        channel: &str,
        codecs: impl IntoIterator<Item = &'static str>,
    ) -> RemuxFigures {
        let track = |codec| (codec, (self.tracks.of([channel, codec]), 0));
        let time = |family: &Family<1>| Time {
            value: family.of([channel]),
            total: Duration::ZERO,
            counted: 0,
        };
        RemuxFigures {
            tracks: codecs.into_iter().map(track).collect(),
            frames: self.frames_total.of([channel]),
            bad_frames: self.bad_frames_total.of([channel]),
            aac_frames: self.aac_frames_total.of([channel]),
            resyncs: self.resyncs_total.of([channel]),
            discontinuities: self.discontinuities_total.of([channel]),
            scrambled: self.scrambled_packets_total.of([channel]),
            lead_ms: self.lead_seconds.of([channel]),
            inserted: time(&self.inserted_seconds_total),
            dropped: time(&self.dropped_seconds_total),
            cpu: time(&self.cpu_seconds_total),
        }
    }
}

impl RemuxFigures {
    /// These tracks are converted now, each by the value of its `codec` label.
    pub fn convert(&mut self, codecs: impl Iterator<Item = &'static str>) {
        for (value, count) in self.tracks.values_mut() {
            value.sub(std::mem::take(count));
        }
        for codec in codecs {
            if let Some((value, count)) = self.tracks.get_mut(codec) {
                value.add(1);
                *count += 1;
            }
        }
    }
}

impl Drop for RemuxFigures {
    fn drop(&mut self) {
        self.convert(std::iter::empty());
        // Another stream of the channel says it again soon.
        self.lead_ms.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_taken_back_and_times_add_up() {
        let families = Remux::new();
        let text = || {
            let mut text = String::new();
            families.write(&mut text);
            text
        };
        assert_eq!(text(), "", "nobody converts");
        let mut figures = families.of("tv", ["ac3", "mp2"]);
        figures.convert(["ac3", "ac3", "vorbis"].into_iter());
        (0..1500).for_each(|_| figures.cpu.add(Duration::from_micros(1001)));
        figures.lead_ms.set(-70);
        for line in [
            "weir_remux_tracks{channel=\"tv\",codec=\"ac3\"} 2\n",
            "weir_remux_tracks{channel=\"tv\",codec=\"mp2\"} 0\n",
            "weir_remux_cpu_seconds_total{channel=\"tv\"} 1.501\n",
            "weir_remux_lead_seconds{channel=\"tv\"} -0.070\n",
            "weir_remux_frames_total{channel=\"tv\"} 0\n",
        ] {
            assert!(text().contains(line), "missing {line} in:\n{}", text());
        }
        drop(figures);
        assert!(text().contains("weir_remux_tracks{channel=\"tv\",codec=\"ac3\"} 0\n"));
        assert!(text().contains("weir_remux_lead_seconds{channel=\"tv\"} 0.000\n"));
    }
}
