//! What the sound of a track is, before it is said what becomes of it: streams that are said to be MPEG audio are
//! AAC in ADTS at times, or another layer than the second.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pts;
use crate::remux::codec::Coding;
use crate::remux::frames::Frames;
use crate::remux::frames::Next;
use crate::remux::input::Input;
use crate::remux::input::Sink;
use crate::remux::track::Nature;

/// Looks into one track. 20 KiB.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) pid: Pid,
    pub(super) stream_type: u8,
    input: Input,
    bytes: Bytes,
}

#[derive(Debug)]
struct Bytes(Frames);

impl Sink for Bytes {
    fn begin(&mut self, _pts: Option<Pts>) {}

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.append(bytes);
    }

    fn lost(&mut self, _is_told: bool) {
        self.0.lose();
    }
}

impl Probe {
    /// Of a track that its PMT says is this coding.
    pub(super) fn new(pid: Pid, stream_type: u8, coding: Coding) -> Self {
        Self { pid, stream_type, input: Input::new(), bytes: Bytes(Frames::new(coding)) }
    }

    /// Takes the next packet, which is neither damaged nor scrambled, and says what is known with it.
    pub(super) fn push(&mut self, packet: &[u8; LEN]) -> Nature {
        self.input.push(packet, &mut self.bytes);
        nature_of(&mut self.bytes.0, |_| {}).unwrap_or(Nature::Open)
    }
}

/// What frames turn out to be, once that is known; each that is whole goes to `each`.
pub(super) fn nature_of(
    frames: &mut Frames,
    mut each: impl FnMut(&crate::remux::frames::Frame<'_>),
) -> Option<Nature> {
    let mut nature = None;
    while let Next::Frame(frame) = frames.next() {
        nature = Some(Nature::AsTold);
        each(&frame);
    }
    if nature.is_none() && frames.is_adts() {
        nature = Some(Nature::Adts);
    } else if nature.is_none() && frames.is_foreign() {
        nature = Some(Nature::Foreign);
    }
    nature
}
