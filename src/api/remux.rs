//! The conversion of a stream's sound, in the documents of sessions and relays.

use serde::Serialize;

use crate::delivery::remuxing::Status;
use crate::remux::report;
use crate::remux::report::Fate;

/// How a conversion fares.
#[derive(Debug, Serialize)]
pub(super) struct Remux {
    /// The tracks of sound as the stream has them now.
    tracks: Vec<Track>,
    frames: u64,
    bad_frames: u64,
    aac_frames: u64,
    resyncs: u64,
    inserted_seconds: f64,
    dropped_seconds: f64,
    discontinuities: u64,
    scrambled_packets: u64,
    /// How long before it is needed converted sound comes out; nothing before there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    lead_seconds: Option<f64>,
    cpu_seconds: f64,
}

/// One track of sound.
#[derive(Debug, Serialize)]
struct Track {
    pid: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// What it is where it comes from; nothing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<&'static str>,
    /// `converted`, `passed` (AAC already), `undecodable` and `unknown` (passed as well), or `dropped`.
    fate: &'static str,
}

impl Remux {
    pub(super) fn of(status: &Status) -> Self {
        let counts = &status.counts;
        Self {
            tracks: status.tracks.iter().map(Track::of).collect(),
            frames: counts.frames,
            bad_frames: counts.bad_frames,
            aac_frames: counts.aac_frames,
            resyncs: counts.resyncs,
            inserted_seconds: counts.inserted.as_secs_f64(),
            dropped_seconds: counts.dropped.as_secs_f64(),
            discontinuities: counts.discontinuities,
            scrambled_packets: counts.scrambled,
            lead_seconds: status.lead_ms.and_then(seconds),
            cpu_seconds: status.cpu.as_secs_f64(),
        }
    }
}

impl Track {
    fn of(track: &report::Track) -> Self {
        let (codec, fate) = match track.fate {
            Fate::Converted(coding) => (Some(coding.label()), "converted"),
            Fate::Passed => (Some("aac"), "passed"),
            Fate::Undecodable(coding) => (Some(coding.label()), "undecodable"),
            Fate::Unknown(_) => (None, "unknown"),
            Fate::Dropped => (None, "dropped"),
        };
        Self { pid: track.pid, language: track.language.clone(), codec, fate }
    }
}

fn seconds(millis: i64) -> Option<f64> {
    i32::try_from(millis).ok().map(|millis| f64::from(millis) / 1000.0)
}
