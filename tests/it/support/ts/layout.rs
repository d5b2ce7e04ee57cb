//! The order of packets within a second of a [`super::TsPattern`], which repeats for ever.

/// Pictures a second, and PCRs a second.
pub(super) const RATE: u64 = 25;
/// Transport packets of an audio PES packet; there is one for each picture.
pub(super) const AUDIO_PACKETS: u32 = 2;
/// PAT and PMT come with every second picture: 80 ms apart.
const PSI_EVERY: u64 = 2;

/// See the module.
#[derive(Default)]
pub(super) struct Second {
    /// Every packet.
    pub(super) slots: Vec<Slot>,
    /// Packets a second on PAT, PMT, video, audio 0, audio 1, ...
    pub(super) totals: Vec<u64>,
}

/// A packet's place.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// What it carries.
    pub(super) kind: Kind,
    /// Picture within the second.
    pub(super) picture: u64,
    /// Packets on the same PID before this one in the second.
    pub(super) ordinal: u64,
}

/// What a packet carries.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Pat,
    Pmt,
    Video { part: u32 },
    Audio { track: usize, part: u32 },
    Null,
}

impl Second {
    /// A second with so many packets a picture, audio tracks, and null packets a picture.
    pub(super) fn new(video: u32, audio: usize, nulls: u32) -> Self {
        let mut second = Self { slots: Vec::new(), totals: vec![0; 3 + audio] };
        for picture in 0..RATE {
            for kind in order(picture, video, audio, nulls) {
                let total = second.totals.get_mut(kind.row());
                let ordinal = total.as_ref().map_or(0, |total| **total);
                total.into_iter().for_each(|total| *total += 1);
                second.slots.push(Slot { kind, picture, ordinal });
            }
        }
        second
    }
}

impl Kind {
    /// Its place in [`Second::totals`]; null packets have none.
    pub(super) fn row(self) -> usize {
        match self {
            Self::Pat => 0,
            Self::Pmt => 1,
            Self::Video { .. } => 2,
            Self::Audio { track, .. } => 3 + track,
            Self::Null => usize::MAX,
        }
    }
}

/// The packets of one picture's time: tables, half of the picture, the sound, the other half.
fn order(picture: u64, video: u32, audio: usize, nulls: u32) -> Vec<Kind> {
    let mut order = Vec::new();
    if picture.is_multiple_of(PSI_EVERY) {
        order.extend([Kind::Pat, Kind::Pmt]);
    }
    order.extend((0..video.div_ceil(2)).map(|part| Kind::Video { part }));
    for part in 0..AUDIO_PACKETS {
        order.extend((0..audio).map(|track| Kind::Audio { track, part }));
    }
    order.extend((video.div_ceil(2)..video).map(|part| Kind::Video { part }));
    order.extend((0..nulls).map(|_| Kind::Null));
    order
}
