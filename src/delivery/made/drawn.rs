//! Pictures drawn one by one, each when it is due.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::Instant;

use crate::delivery::made::LEAD;
use crate::delivery::made::PICTURE;
use crate::media::synth::Layout;
use crate::media::synth::Scene;
use crate::media::synth::Synth;

/// Usual bytes of what is taken at a time.
const USUAL: usize = 16 * 1024;

/// A scene at the speed of time. Its clock shows the time of day in UTC, and falls behind where the
/// client pauses. At most [`LEAD`] of pictures are made at a time, 150 kB.
pub(super) struct Drawn {
    synth: Synth,
    /// When the next picture is due.
    due: Instant,
}

impl Drawn {
    /// Begins with what is due since [`LEAD`].
    pub(super) fn new(scene: &Scene, now: Instant) -> Self {
        Self::at_frame(scene, now, frame_of_day(SystemTime::now()))
    }

    fn at_frame(scene: &Scene, now: Instant, first_frame: u64) -> Self {
        let synth = Synth::new(scene, Layout::default(), first_frame);
        Self { synth, due: now.checked_sub(LEAD).unwrap_or(now) }
    }

    /// When the next picture is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// All pictures that are due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.due {
            return None;
        }
        self.due = self.due.max(now.checked_sub(LEAD).unwrap_or(now));
        let mut packets = Vec::with_capacity(USUAL);
        while self.due <= now {
            self.synth.next_picture(&mut packets);
            self.due += PICTURE;
        }
        Some(Bytes::from(packets))
    }
}

/// The picture that is shown at this time of day, from midnight in UTC.
fn frame_of_day(now: SystemTime) -> u64 {
    const DAY: u64 = 86_400_000;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let of_day = u64::try_from(since % u128::from(DAY)).unwrap_or(0); // Always fits.
    of_day * Synth::FRAMES_PER_SECOND / 1000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::media::ts::packet::LEN;
    use crate::media::ts::packet::Packet;
    use crate::media::ts::packet::Pcr;

    /// The last clock reference in `bytes`.
    fn clock(bytes: &[u8]) -> Pcr {
        let (packets, rest) = bytes.as_chunks::<LEN>();
        assert!(rest.is_empty(), "whole packets");
        let clocks = packets.iter().rev().find_map(|packet| Packet::parse(packet)?.pcr());
        clocks.expect("each picture has one")
    }

    #[test]
    fn the_first_pictures_are_there_at_once_and_the_others_in_their_time() {
        let now = Instant::now();
        let mut drawn = Drawn::new(&Scene::default(), now);
        let first = drawn.take(now).unwrap();
        assert_eq!(drawn.take(now), None);
        assert_eq!(drawn.due(), now + PICTURE);
        let second = drawn.take(now + PICTURE).unwrap();
        assert_eq!(clock(&second).since(clock(&first)), (Pcr::HZ / 25).cast_signed());
    }

    #[test]
    fn a_client_that_paused_gets_no_more_than_at_the_beginning() {
        let now = Instant::now();
        let mut drawn = Drawn::new(&Scene::default(), now);
        let first = clock(&drawn.take(now).unwrap());
        let late = now + Duration::from_secs(3600);
        let pictures =
            clock(&drawn.take(late).unwrap()).since(first) / (Pcr::HZ / 25).cast_signed();
        assert_eq!(pictures, 13);
        assert_eq!(drawn.due(), late + PICTURE);
    }

    #[test]
    fn the_clock_shows_the_time_of_day() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(frame_of_day(at(0)), 0);
        assert_eq!(frame_of_day(at(86_400_000 * 20_000 + 3_661_039)), 25 * 3661);
        assert_eq!(frame_of_day(at(86_399_999)), 25 * 86_400 - 1);
    }

    proptest! {
        /// However it is polled, also over the wrap of its clock, a stream is as long as the time that
        /// has passed, within a picture, as long as no pause is longer than the lead.
        #[test]
        fn the_clock_of_the_stream_goes_with_time(
            pauses in prop::collection::vec(1_u64..480, 1..200),
            first in prop_oneof![0_u64..1000, Just((1 << 33) / 3600 - 50)],
        ) {
            let began = Instant::now();
            let mut drawn = Drawn::at_frame(&Scene::default(), began, first);
            let (mut now, mut passed) = (began, 0);
            let mut last = clock(&drawn.take(now).unwrap());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if let Some(bytes) = drawn.take(now) {
                    let next = clock(&bytes);
                    prop_assert!(next.since(last) > 0, "the clock rises");
                    passed += next.since(last);
                    last = next;
                }
                let millis = i64::try_from((now - began).as_millis()).unwrap();
                prop_assert!((millis - passed / 27_000).abs() <= 40, "{millis} {passed}");
            }
        }
    }
}
