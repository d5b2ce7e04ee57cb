//! Figures of FFmpeg processes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::metrics::family::Family;
use crate::metrics::family::Value;

/// The families.
#[derive(Debug)]
pub(super) struct Ffmpeg {
    pub(super) processes: Family<0>,
    pub(super) starts_total: Family<1>,
    pub(super) exits_total: Family<2>,
    pub(super) cpu_seconds_total: Family<1>,
    pub(super) rss_bytes: Family<1>,
}

/// The figures of one channel. What its process takes is taken back when this is dropped.
#[derive(Debug)]
pub struct FfmpegFigures {
    /// Processes that were started.
    pub starts: Value,
    /// By the value of the `cause` label.
    exits: [(&'static str, Value); CAUSES.len()],
    cpu_ms: Value,
    rss: Value,
    taken: Mutex<Taken>,
}

/// What has been put into the families.
#[derive(Debug, Default)]
struct Taken {
    /// The process that the next two are of.
    pid: u32,
    /// Its processor time so far.
    cpu: Duration,
    /// Its memory now.
    rss_bytes: u64,
    /// Processor time of all processes.
    all_cpu: Duration,
}

/// Every value of the `cause` label, so that a first one shows as a rise.
const CAUSES: [&str; 11] = [
    "ended",
    "stopped",
    "crashed",
    "signal",
    "start_timeout",
    "stalled",
    "no_output",
    "garbage",
    "quota",
    "disk_full",
    "missing",
];

impl Ffmpeg {
    pub(super) fn new() -> Self {
        let ffmpeg = Self {
            processes: Family::gauge("weir_ffmpeg_processes", "FFmpeg processes that exist", []),
            starts_total: Family::counter(
                "weir_ffmpeg_starts_total",
                "FFmpeg processes started",
                ["channel"],
            ),
            exits_total: Family::counter(
                "weir_ffmpeg_exits_total",
                "FFmpeg processes that ended, by why",
                ["channel", "cause"],
            ),
            cpu_seconds_total: Family::counter(
                "weir_ffmpeg_cpu_seconds_total",
                "User and system time of FFmpeg processes, looked at once a second",
                ["channel"],
            )
            .in_thousandths(),
            rss_bytes: Family::gauge(
                "weir_ffmpeg_rss_bytes",
                "Resident memory of FFmpeg processes, looked at once a second",
                ["channel"],
            ),
        };
        ffmpeg.processes.of([]).add(0);
        ffmpeg
    }

    /// Appends what there is: without a channel that has an FFmpeg, the number of processes alone.
    pub(super) fn write(&self, text: &mut String) {
        self.processes.write(text);
        if self.starts_total.is_empty() {
            return;
        }
        self.starts_total.write(text);
        self.exits_total.write(text);
        self.cpu_seconds_total.write(text);
        self.rss_bytes.write(text);
    }

    pub(super) fn of(&self, channel: &str) -> FfmpegFigures {
        FfmpegFigures {
            starts: self.starts_total.of([channel]),
            exits: CAUSES.map(|cause| (cause, self.exits_total.of([channel, cause]))),
            cpu_ms: self.cpu_seconds_total.of([channel]),
            rss: self.rss_bytes.of([channel]),
            taken: Mutex::default(),
        }
    }
}

impl FfmpegFigures {
    /// The process `pid` has taken so much time, and so much memory is its own now. Answers the time
    /// of all processes so far.
    pub fn usage(&self, pid: u32, cpu: Duration, rss_bytes: u64) -> Duration {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.pid != pid {
            (taken.pid, taken.cpu) = (pid, Duration::ZERO);
        }
        let more = cpu.saturating_sub(taken.cpu);
        self.cpu_ms.add(u64::try_from(more.as_millis()).unwrap_or_default());
        self.rss.add(rss_bytes);
        self.rss.sub(taken.rss_bytes);
        (taken.cpu, taken.rss_bytes) = (taken.cpu.max(cpu), rss_bytes);
        taken.all_cpu += more;
        taken.all_cpu
    }

    /// The process has ended for `cause`, a word of the label.
    pub fn ended(&self, cause: &str) {
        if let Some((_, value)) = self.exits.iter().find(|(word, _)| *word == cause) {
            value.add(1);
        }
        self.forget();
    }

    fn forget(&self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.rss.sub(std::mem::take(&mut taken.rss_bytes));
        taken.pid = 0;
    }
}

impl Drop for FfmpegFigures {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_up_over_processes_and_is_taken_back() {
        let families = Ffmpeg::new();
        let figures = families.of("tv");
        figures.usage(7, Duration::from_millis(1500), 1000);
        figures.usage(7, Duration::from_millis(2000), 3000);
        let text = |families: &Ffmpeg| {
            let mut text = String::new();
            families.write(&mut text);
            text
        };
        assert!(text(&families).contains("weir_ffmpeg_cpu_seconds_total{channel=\"tv\"} 2.000\n"));
        assert!(text(&families).contains("weir_ffmpeg_rss_bytes{channel=\"tv\"} 3000\n"));
        figures.ended("stalled");
        let all = figures.usage(8, Duration::from_millis(500), 10);
        assert_eq!(all, Duration::from_millis(2500));
        drop(figures);
        let text = text(&families);
        for line in [
            "weir_ffmpeg_processes 0\n",
            "weir_ffmpeg_cpu_seconds_total{channel=\"tv\"} 2.500\n",
            "weir_ffmpeg_rss_bytes{channel=\"tv\"} 0\n",
            "weir_ffmpeg_exits_total{channel=\"tv\",cause=\"stalled\"} 1\n",
            "weir_ffmpeg_exits_total{channel=\"tv\",cause=\"crashed\"} 0\n",
        ] {
            assert!(text.contains(line), "missing {line} in:\n{text}");
        }
    }
}
