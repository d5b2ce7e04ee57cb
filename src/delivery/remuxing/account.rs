//! What comes of the conversion of one stream: figures for the metrics and for whoever asks, and the few lines
//! of the log.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::RemuxFigures;
use crate::remux::Counts;
use crate::remux::Remux;
use crate::remux::report::Fate;
use crate::remux::report::Track;

/// How often it is looked whether the tracks are still the same ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tracks that a log line names. A multiplex may have hundreds.
const NAMED_MAX: usize = 16;

/// What is known of a conversion.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The tracks of sound as they were seen last.
    pub tracks: Vec<Track>,
    /// All that has happened since it began.
    pub counts: Counts,
    /// How long before it is needed sound comes out, in milliseconds; `None` before any has.
    pub lead_ms: Option<i64>,
    /// Processor time that it has taken.
    pub cpu: Duration,
}

/// What is known of a conversion, for whoever asks while it runs.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Status>);

impl Ledger {
    /// How it fares.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner().clone()
    }

    fn inner(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the account of one conversion. Dropping it says what has come of it.
#[derive(Debug)]
pub(super) struct Account {
    ledger: Arc<Ledger>,
    figures: RemuxFigures,
    /// What log lines name it by.
    channel: Arc<str>,
    session: u64,
    /// Bits a second of each track.
    bitrate: u32,
    /// When the tracks were last looked at.
    looked: Option<Instant>,
    /// What has been said already.
    has_named: bool,
    has_warned: bool,
    has_scrambled: bool,
}

impl Account {
    /// Nothing has happened. What is known goes to `ledger`.
    pub(super) fn new(
        (channel, session): (Arc<str>, u64),
        bitrate: u32,
        figures: RemuxFigures,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            ledger,
            figures,
            channel,
            session,
            bitrate,
            looked: None,
            has_named: false,
            has_warned: false,
            has_scrambled: false,
        }
    }

    /// The remux has worked for so long.
    pub(super) fn settle(&mut self, remux: &mut Remux, took: Duration, now: Instant) {
        let counts = remux.take_counts();
        self.count(counts, took);
        // Ticks of 90 kHz.
        let lead_ms = remux.lead().map(|lead| lead / 90);
        if let Some(lead_ms) = lead_ms {
            self.figures.lead_ms.set(lead_ms);
        }
        let mut known = self.ledger.inner();
        known.counts += counts;
        known.cpu += took;
        known.lead_ms = lead_ms;
        drop(known);
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_EVERY) {
            let tracks = remux.tracks();
            // Until there are any, they are looked for each time.
            self.looked = (!tracks.is_empty()).then_some(now);
            self.look(tracks);
        }
        if counts.scrambled > 0 && !std::mem::replace(&mut self.has_scrambled, true) {
            let (channel, session) = (&self.channel, self.session);
            tracing::warn!(%channel, session, "sound comes scrambled, and is passed as it is");
        }
    }

    fn count(&mut self, counts: Counts, took: Duration) {
        let figures = &mut self.figures;
        for (value, count) in [
            (&figures.frames, counts.frames),
            (&figures.bad_frames, counts.bad_frames),
            (&figures.aac_frames, counts.aac_frames),
            (&figures.resyncs, counts.resyncs),
            (&figures.discontinuities, counts.discontinuities),
            (&figures.scrambled, counts.scrambled),
        ] {
            if count > 0 {
                value.add(count);
            }
        }
        figures.inserted.add(counts.inserted);
        figures.dropped.add(counts.dropped);
        figures.cpu.add(took);
    }

    /// Takes the tracks as they are now.
    fn look(&mut self, tracks: Vec<Track>) {
        let mut known = self.ledger.inner();
        if known.tracks == tracks {
            return;
        }
        known.tracks.clone_from(&tracks);
        drop(known);
        self.figures.convert(tracks.iter().filter_map(|track| match track.fate {
            Fate::Converted(coding) => Some(coding.label()),
            _ => None,
        }));
        let (channel, session) = (&self.channel, self.session);
        let sound = self.named(&tracks);
        if std::mem::replace(&mut self.has_named, true) {
            // A source may change them at will.
            tracing::debug!(%channel, session, "sound: {sound}");
        } else {
            tracing::info!(%channel, session, "sound: {sound}");
        }
        let cannot = |track: &&Track| matches!(track.fate, Fate::Undecodable(_) | Fate::Unknown(_));
        if let Some(track) = tracks.iter().find(cannot).filter(|_| !self.has_warned) {
            self.has_warned = true;
            let track = self.named(std::slice::from_ref(track));
            tracing::warn!(%channel, session, "a track of sound is not converted: {track}");
        }
    }

    /// Tracks for a log line: `0x44 deu AC-3 -> AAC-LC 192k; 0x45 eng passed (AAC)`.
    fn named(&self, tracks: &[Track]) -> String {
        let mut text = String::new();
        for track in tracks.iter().take(NAMED_MAX) {
            let before = if text.is_empty() { "" } else { "; " };
            // Writing into a String cannot fail.
            _ = write!(text, "{before}{:#x} ", track.pid);
            if let Some(language) = &track.language {
                text.extend(language.chars().filter(|c| c.is_ascii_alphanumeric()).take(3));
                text.push(' ');
            }
            _ = match track.fate {
                Fate::Converted(coding) => {
                    write!(text, "{coding} -> AAC-LC {}k", self.bitrate / 1000)
                }
                Fate::Passed => write!(text, "passed (AAC)"),
                Fate::Undecodable(coding) => {
                    write!(text, "passed ({coding}, which this build does not decode)")
                }
                Fate::Unknown(stream_type) => {
                    write!(text, "passed (unknown, of stream type {stream_type:#x})")
                }
                Fate::Dropped => write!(text, "left out"),
            };
        }
        if tracks.len() > NAMED_MAX {
            _ = write!(text, "; and {} more", tracks.len() - NAMED_MAX);
        }
        text
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.has_named {
            return;
        }
        let Status { counts, cpu, .. } = self.ledger.status();
        let (channel, session) = (&self.channel, self.session);
        let (frames, bad_frames, aac_frames) =
            (counts.frames, counts.bad_frames, counts.aac_frames);
        let (resyncs, discontinuities) = (counts.resyncs, counts.discontinuities);
        let (inserted_ms, dropped_ms) = (millis(counts.inserted), millis(counts.dropped));
        let (scrambled, cpu_ms) = (counts.scrambled, millis(cpu));
        tracing::info!(
            %channel, session, frames, bad_frames, aac_frames, resyncs, inserted_ms, dropped_ms,
            discontinuities, scrambled, cpu_ms, "conversion of sound ends"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::remux::codec::Coding;

    #[test]
    fn tracks_are_named_for_people() {
        let figures = Metrics::new().remux("tv", Coding::ALL.map(Coding::label));
        let account = Account::new(("tv".into(), 1), 192_000, figures, Arc::default());
        let track = |pid, language: &str, fate| Track {
            pid,
            language: Some(language.to_owned()).filter(|language| !language.is_empty()),
            fate,
        };
        let tracks = [
            track(0x44, "deu", Fate::Converted(Coding::Ac3)),
            track(0x45, "eng", Fate::Passed),
            track(0x46, "a\n\u{1b}[1m", Fate::Undecodable(Coding::Eac3)),
            track(0x47, "", Fate::Unknown(0x82)),
            track(0x48, "", Fate::Dropped),
        ];
        assert_eq!(
            account.named(&tracks),
            "0x44 deu AC-3 -> AAC-LC 192k; 0x45 eng passed (AAC); \
             0x46 a1m passed (E-AC-3, which this build does not decode); \
             0x47 passed (unknown, of stream type 0x82); 0x48 left out"
        );
    }
}
