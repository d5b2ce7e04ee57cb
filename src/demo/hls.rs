//! The demo's HLS channel: a sliding window of segments, one made every four seconds.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::interval;

use crate::lifecycle::Notice;
use crate::media::synth::Layout;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::synth::Tone;

/// Length of a segment in seconds.
const SECONDS: u64 = 4;

/// Segments in the playlist, and those that were in it a moment ago and may still be asked for.
const LISTED: usize = 5;
const KEPT: usize = LISTED + 3;

/// The segments that can be fetched now: at most [`KEPT`], about 250 kB each.
pub(super) struct Window(Mutex<Segments>);

struct Segments {
    synth: Synth,
    /// Media sequence number of the first kept segment.
    first: u64,
    kept: VecDeque<Bytes>,
}

impl Window {
    /// A window that already has what a playlist needs, made from the pictures before
    /// `next_frame`.
    pub(super) fn new(next_frame: u64) -> Self {
        let scene = Scene {
            title: "Demo HLS".to_owned(),
            text: String::new(),
            palette: Palette::Amber,
            tone: Tone::High,
        };
        let behind = SECONDS * Synth::FRAMES_PER_SECOND * LISTED as u64;
        let synth = Synth::new(&scene, Layout::default(), next_frame.saturating_sub(behind));
        let window = Self(Mutex::new(Segments { synth, first: 0, kept: VecDeque::new() }));
        for _ in 0..LISTED {
            window.grow();
        }
        window
    }

    /// Makes the next segment and drops what nobody can want any more.
    fn grow(&self) {
        let mut segments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut packets = Vec::with_capacity(300 * 1024);
        segments.synth.force_keyframe();
        for _ in 0..SECONDS * Synth::FRAMES_PER_SECOND {
            segments.synth.next_picture(&mut packets);
        }
        segments.kept.push_back(Bytes::from(packets));
        if segments.kept.len() > KEPT {
            segments.kept.pop_front();
            segments.first += 1;
        }
    }

    /// The playlist now.
    pub(super) fn playlist(&self) -> String {
        let segments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = segments.first + segments.kept.len() as u64;
        let start = end.saturating_sub(LISTED as u64).max(segments.first);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SECONDS}\n#EXT-X-MEDIA-SEQUENCE:{start}\n"
        );
        for number in start..end {
            // Writing into a String cannot fail.
            _ = writeln!(text, "#EXTINF:{SECONDS}.000,\n{number}.ts");
        }
        text
    }

    /// The segment with this file name, while it is kept.
    pub(super) fn segment(&self, name: &str) -> Option<Bytes> {
        let number: u64 = name.strip_suffix(".ts")?.parse().ok()?;
        let segments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(number.checked_sub(segments.first)?).ok()?;
        segments.kept.get(index).cloned()
    }
}

/// Keeps the window moving until the program drains.
pub(super) async fn run(window: Arc<Window>, stop: Notice) {
    let mut ticks = interval(Duration::from_secs(SECONDS));
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => window.grow(),
            () = stop.given() => return,
        }
    }
}
