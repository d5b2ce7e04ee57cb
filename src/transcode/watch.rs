//! Whether FFmpeg still does something: it is given input, so something must come of it. Pure; time is
//! an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::transcode::status::Cause;

/// Nothing new for so long although input flows.
const STALL: Duration = Duration::from_secs(10);
/// Input that has paused for so long does not flow: what FFmpeg owes for it is counted anew.
const QUIET: Duration = Duration::from_secs(2);

/// What one process has been given and what it has made of it.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// How long the first output may take.
    start: Duration,
    /// Since when input has come without a pause, and when it last did.
    flow: Option<(Instant, Instant)>,
    /// FFmpeg has not taken all that it was offered.
    is_pending: bool,
    /// When something last came of it.
    progress: Option<Instant>,
    /// Somebody behind FFmpeg does not take what it has written.
    is_held: bool,
}

impl Watch {
    /// For a process that may take `start` to its first output.
    pub(super) fn new(start: Duration) -> Self {
        Self { start, flow: None, is_pending: false, progress: None, is_held: false }
    }

    /// There is input for FFmpeg.
    pub(super) fn offered(&mut self, now: Instant) {
        let began = match self.flow {
            Some((began, last)) if now.duration_since(last) <= QUIET || self.is_pending => began,
            _ => now,
        };
        self.flow = Some((began, now));
        self.is_pending = true;
    }

    /// FFmpeg has taken it.
    pub(super) fn taken(&mut self, now: Instant) {
        self.is_pending = false;
        if let Some((_, last)) = &mut self.flow {
            *last = now;
        }
    }

    /// FFmpeg has written something, or got on with what it writes.
    pub(super) fn progressed(&mut self, now: Instant) {
        self.progress = Some(now);
    }

    /// Whether anything ever came of it.
    pub(super) fn has_begun(&self) -> bool {
        self.progress.is_some()
    }

    /// What it has written waits for room: nothing is its fault until [`Watch::released`].
    pub(super) fn held(&mut self) {
        self.is_held = true;
    }

    /// There is room again.
    pub(super) fn released(&mut self, now: Instant) {
        self.is_held = false;
        self.progress = Some(now);
    }

    /// What is wrong, if anything is.
    pub(super) fn look(&self, now: Instant) -> Option<Cause> {
        let (began, last) = self.flow?;
        let flows = self.is_pending || now.duration_since(last) <= QUIET;
        if self.is_held || !flows {
            return None;
        }
        match self.progress {
            None => (now.duration_since(began) >= self.start).then_some(Cause::StartTimeout),
            Some(progress) => {
                let since = progress.max(began);
                (now.duration_since(since) >= STALL).then_some(Cause::Stalled)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> (Watch, Instant) {
        (Watch::new(Duration::from_secs(30)), Instant::now())
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_owed_before_there_is_input() {
        let (watch, start) = watch();
        assert_eq!(watch.look(after(start, 3600)), None);
    }

    #[test]
    fn the_first_output_has_its_own_time() {
        let (mut watch, start) = watch();
        for second in 0..30 {
            watch.offered(after(start, second));
            watch.taken(after(start, second));
            assert_eq!(watch.look(after(start, second)), None);
        }
        watch.offered(after(start, 30));
        assert_eq!(watch.look(after(start, 30)), Some(Cause::StartTimeout));
        watch.progressed(after(start, 30));
        assert_eq!(watch.look(after(start, 30)), None);
    }

    #[test]
    fn input_that_is_not_taken_and_input_that_leads_to_nothing_are_a_stall() {
        let (mut watch, start) = watch();
        watch.offered(start);
        watch.progressed(start);
        assert_eq!(watch.look(after(start, 9)), None);
        assert_eq!(watch.look(after(start, 10)), Some(Cause::Stalled));
        watch.taken(after(start, 10));
        assert_eq!(watch.look(after(start, 12)), Some(Cause::Stalled));
        assert_eq!(watch.look(after(start, 13)), None, "the source has paused");
    }

    #[test]
    fn a_source_that_pauses_is_not_ffmpegs_fault() {
        let (mut watch, start) = watch();
        watch.offered(start);
        watch.progressed(start);
        watch.taken(after(start, 1));
        watch.offered(after(start, 60));
        assert_eq!(watch.look(after(start, 69)), None);
        assert_eq!(watch.look(after(start, 70)), Some(Cause::Stalled));
    }

    #[test]
    fn nor_is_output_that_nobody_takes() {
        let (mut watch, start) = watch();
        watch.offered(start);
        watch.progressed(start);
        watch.held();
        assert_eq!(watch.look(after(start, 600)), None);
        watch.released(after(start, 600));
        assert_eq!(watch.look(after(start, 609)), None);
        assert_eq!(watch.look(after(start, 610)), Some(Cause::Stalled));
    }
}
