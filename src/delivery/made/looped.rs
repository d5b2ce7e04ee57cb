//! A clip that is played over and over: one stream whose clock goes on, at the speed of its clock.

use bytes::Bytes;
use tokio::time::Instant;

use crate::delivery::made::LEAD;
use crate::delivery::made::PICTURE;
use crate::delivery::pace::Pace;
use crate::media::ts::join::Chain;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pcr;

/// Bytes after which the clock is looked at.
const STEP: usize = 7 * LEN;

/// The most that is given at a time: then it is asked again.
const GIVEN_MAX: usize = 256 * 1024;

/// How long a clip may be, in ticks of its clock.
const LONG: std::ops::RangeInclusive<i64> = Pcr::HZ.cast_signed() / 2..=60 * Pcr::HZ.cast_signed();

/// A transport stream of half a second to a minute that a stream can be made of. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clip(Bytes);

impl Clip {
    /// A clip of these bytes, if they are one: whole packets with a clock that goes on, and a picture or
    /// a sound to begin with.
    pub(crate) fn new(bytes: Bytes) -> Option<Self> {
        let (packets, rest) = bytes.as_chunks::<LEN>();
        let mut clocks = packets.iter().filter_map(|packet| Packet::parse(packet)?.pcr());
        let first = clocks.next()?;
        let is_long = LONG.contains(&clocks.next_back()?.since(first));
        let (mut chain, mut out) = (Chain::new(), Vec::new());
        chain.begin(true, &mut out);
        chain.push(&bytes, &mut out);
        let has_clock = chain.clock().is_some();
        (rest.is_empty() && is_long && has_clock && !out.is_empty()).then_some(Self(bytes))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Plays a clip for ever. Each turn is joined to the one before as another source would be.
///
/// Memory: that of a [`Chain`], beside the clip.
pub(super) struct Looped {
    clip: Clip,
    /// Bytes of this turn that were taken.
    at: usize,
    chain: Chain,
    pace: Pace,
    /// What comes next, and when.
    part: Vec<u8>,
    due: Instant,
}

impl Looped {
    /// Begins at the clip's beginning.
    pub(super) fn new(clip: Clip, now: Instant) -> Self {
        let (at, pace) = (clip.0.len(), Pace::new(LEAD, LEAD));
        let mut looped = Self { clip, at, chain: Chain::new(), pace, part: Vec::new(), due: now };
        looped.cut(now);
        looped
    }

    /// When there is something to take.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// All that is due, and what is within a picture's time: a wakeup costs more.
    pub(super) fn take(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.due {
            return None;
        }
        let mut given = Vec::new();
        while self.due <= now + PICTURE && given.len() < GIVEN_MAX {
            given.append(&mut self.part);
            self.cut(now);
        }
        Some(Bytes::from(given))
    }

    /// The next part. Each turn of a clip gives something, so there always is one.
    fn cut(&mut self, now: Instant) {
        while self.part.is_empty() {
            if self.at >= self.clip.0.len() {
                self.at = 0;
                self.chain.begin(true, &mut self.part);
            }
            let rest = self.clip.0.get(self.at..).unwrap_or_default();
            let next = rest.get(..STEP).unwrap_or(rest);
            self.chain.push(next, &mut self.part);
            self.at += next.len();
        }
        self.due = self.pace.due(self.chain.clock(), now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::media::synth::Layout;
    use crate::media::synth::Scene;
    use crate::media::synth::Synth;
    use crate::media::ts::watch::Watcher;

    /// A clip of so many pictures from `first` on.
    fn clip(first: u64, pictures: u64) -> Option<Clip> {
        let mut synth = Synth::new(&Scene::default(), Layout::default(), first);
        let mut bytes = Vec::new();
        (0..pictures).for_each(|_| synth.next_picture(&mut bytes));
        Clip::new(bytes.into())
    }

    #[test]
    fn what_is_no_clip_is_refused() {
        assert!(clip(0, 50).is_some());
        assert!(clip(0, 5).is_none(), "too short");
        assert!(clip(0, 25 * 70).is_none(), "too long");
        assert!(Clip::new(Bytes::new()).is_none());
        assert!(Clip::new(Bytes::from(vec![0x47; 188 * 100])).is_none());
        let whole = clip(0, 50).unwrap().0;
        assert!(Clip::new(whole.slice(..whole.len() - 1)).is_none(), "a packet is torn");
    }

    proptest! {
        /// However it is polled, and wherever its own clock wraps, the stream has no fault and is as
        /// long as the time that has passed.
        #[test]
        fn turns_make_one_stream_at_the_speed_of_time(
            pauses in prop::collection::vec(1_u64..400, 20..80),
            first in prop_oneof![0_u64..1000, Just((1 << 33) / 3600 - 20)],
            pictures in 30_u64..60,
        ) {
            let began = Instant::now() + Duration::from_secs(3600);
            let mut looped = Looped::new(clip(first, pictures).unwrap(), began);
            let (mut now, mut watcher) = (began, Watcher::new());
            let mut clocks = Vec::new();
            for pause in pauses {
                while let Some(bytes) = looped.take(now) {
                    watcher.push(&bytes);
                    let packets = bytes.as_chunks::<LEN>().0;
                    clocks.extend(packets.iter().filter_map(|packet| Packet::parse(packet)?.pcr()));
                }
                now += Duration::from_millis(pause);
            }
            prop_assert_eq!(watcher.take_errors(), crate::media::ts::watch::Errors::default());
            let steps: Vec<_> = clocks.windows(2).map(|two| two[1].since(two[0])).collect();
            prop_assert!(steps.iter().all(|step| (1..=2_700_000).contains(step)), "{steps:?}");
            let played: i64 = steps.iter().sum::<i64>() / 27_000;
            let passed = i64::try_from((now - began).as_millis()).unwrap();
            prop_assert!((-500..=600).contains(&(played - passed)), "{played} {passed}");
        }
    }

    #[test]
    fn a_client_that_paused_gets_little_more_than_at_the_beginning() {
        let began = Instant::now() + Duration::from_secs(3600);
        let mut looped = Looped::new(clip(7, 50).unwrap(), began);
        let all = |looped: &mut Looped, now| {
            std::iter::from_fn(|| looped.take(now)).map(|bytes| bytes.len()).sum::<usize>()
        };
        let first = all(&mut looped, began);
        let late = all(&mut looped, began + Duration::from_secs(1800));
        assert!(late < 3 * first, "{first} {late}");
    }
}
