//! The stream that leads a programme, and whether its pictures are random access points. A video
//! that the PMT names and that is not sent, as with radio services, is none to wait for.

use crate::media::ts::join::access::Scanner;
use crate::media::ts::join::access::Verdict;
use crate::media::ts::kind::Kind;
use crate::media::ts::kind::Video;
use crate::media::ts::packet::Adaptation;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::pes::Pes;
use crate::media::ts::pes::Timestamps;
use crate::media::ts::psi::Pmt;

/// The longest header of a PES packet.
const HEAD_MAX: usize = 9 + 255;

/// Sound whose PES packets have begun so many times without a single packet of the video has none: in
/// a multiplex video comes before the sound that goes with it.
const BEGUN_ALONE: u8 = 5;

/// The stream whose pictures are waited for; of a programme without video the first sound.
pub(super) struct Lead {
    pub(super) pid: Pid,
    pub(super) kind: Option<Kind>,
    pub(super) pcr_pid: Pid,
    pub(super) look: Look,
    /// The first sound, while nothing of the video has come, and PES packets of it that have begun.
    instead: Option<(Pid, Kind)>,
    begun: u8,
    /// Of the last packet with payload.
    counter: u8,
    /// Of the PES packet that is looked at.
    pub(super) times: Option<Timestamps>,
}

/// How far the PES packet that is kept has been looked at.
pub(super) enum Look {
    /// None is kept.
    Away,
    /// Its header is not whole, or all that is known of it.
    Head(Vec<u8>),
    Picture(Scanner),
}

impl Lead {
    pub(super) fn of(pmt: &Pmt<'_>) -> Self {
        let streams = || pmt.streams().map(|stream| (stream.pid, Kind::of(&stream)));
        let video = streams().find(|(_, kind)| kind.is_video());
        let sound = streams().find(|(_, kind)| kind.is_audio());
        let (pid, kind) =
            video.or(sound).map_or((Pid::NULL, None), |(pid, kind)| (pid, Some(kind)));
        Self {
            pid,
            kind,
            pcr_pid: pmt.pcr_pid(),
            look: Look::Away,
            instead: sound.filter(|_| video.is_some()),
            begun: 0,
            counter: 0,
            times: None,
        }
    }

    /// Notes which streams come. Once it `is_settled`, the sound leads instead of a video of which
    /// nothing does.
    pub(super) fn note_begun(&mut self, packet: Packet<'_>, is_settled: bool) {
        let Some((pid, kind)) = self.instead.filter(|_| packet.has_payload()) else { return };
        if packet.pid() == self.pid {
            self.instead = None;
        } else if packet.pid() == pid && packet.payload_unit_start() {
            self.begun = self.begun.saturating_add(1);
            if is_settled && self.begun > BEGUN_ALONE {
                (self.pid, self.kind, self.instead) = (pid, Some(kind), None);
            }
        }
    }

    /// What is known of the PES packet that is looked at before more of it comes.
    pub(super) const fn verdict(&self) -> Verdict {
        if matches!(self.look, Look::Away) { Verdict::Miss } else { Verdict::Open }
    }

    /// The next PES packet begins: whether this one was a random access point.
    pub(super) fn ends_at_point(&mut self) -> bool {
        let Look::Picture(scanner) = &mut self.look else { return false };
        scanner.end() == Verdict::Point
    }

    /// Takes the next packet of the stream.
    pub(super) fn take(&mut self, packet: Packet<'_>, is_settled: bool) -> Verdict {
        let Some(payload) = packet.payload() else { return self.verdict() };
        let begins = packet.payload_unit_start();
        let is_copy = !begins && packet.continuity_counter() == self.counter;
        self.counter = packet.continuity_counter();
        if is_copy {
            return self.verdict();
        }
        if begins {
            let indicator = packet.adaptation().is_some_and(Adaptation::random_access_indicator);
            if packet.scrambling() != 0 {
                return if indicator || is_settled { Verdict::Point } else { Verdict::Miss };
            }
            // Where the pictures are not read, only this says what they are.
            if matches!(self.kind, Some(Kind::Video(Video::Other(_)))) && !indicator && !is_settled
            {
                return Verdict::Miss;
            }
            self.look = Look::Head(Vec::new());
        }
        match &mut self.look {
            Look::Away => Verdict::Miss,
            Look::Head(head) => {
                head.extend_from_slice(payload);
                self.read_head(is_settled)
            }
            Look::Picture(_) if is_settled => Verdict::Point,
            Look::Picture(scanner) => scanner.push(payload),
        }
    }

    /// Goes on once the header is whole.
    fn read_head(&mut self, is_settled: bool) -> Verdict {
        let Look::Head(head) = &self.look else { return Verdict::Miss };
        if head.len() < Timestamps::end(head) {
            return Verdict::Open;
        }
        self.times = Timestamps::parse(head);
        match self.kind {
            Some(Kind::Audio(_)) if self.times.is_none() => Verdict::Miss,
            _ if is_settled => Verdict::Point,
            Some(Kind::Audio(_) | Kind::Video(Video::Other(_))) => Verdict::Point,
            Some(Kind::Video(codec)) => match Pes::parse(head) {
                None if head.len() > HEAD_MAX || Timestamps::end(head) == 0 => Verdict::Miss,
                None => Verdict::Open,
                Some(pes) => {
                    let mut scanner = Scanner::new(codec);
                    let verdict = scanner.push(pes.payload());
                    self.look = Look::Picture(scanner);
                    verdict
                }
            },
            _ => Verdict::Miss,
        }
    }
}
