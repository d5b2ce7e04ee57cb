//! Where a decoder of one stream of video can begin: what comes before its first random access point is left out.

use crate::media::ts::join::access::Scanner;
use crate::media::ts::join::access::Verdict;
use crate::media::ts::kind::Kind;
use crate::media::ts::kind::Video;
use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::psi::Stream;

/// Most bytes of a picture that are held until it is known whether a decoder can begin with it.
const HELD_MAX: usize = 256 * 1024;

/// Pictures after which one that is no random access point will do: streams of intra refresh have none.
const PICTURES_MAX: u32 = 500;

/// Lets the packets of one PID through from the first random access point on. At most 256 KiB.
#[derive(Debug)]
pub struct Onset {
    codec: Video,
    /// Of the picture that is looked at.
    scanner: Option<Scanner>,
    /// Its packets.
    held: Vec<u8>,
    pictures: u32,
}

impl Onset {
    /// Of a stream of video that can be looked into; `None` for any other.
    #[must_use]
    pub fn of(stream: &Stream<'_>) -> Option<Self> {
        match Kind::of(stream) {
            Kind::Video(codec @ (Video::Mpeg2 | Video::H264 | Video::Hevc)) => {
                Some(Self { codec, scanner: None, held: Vec::new(), pictures: 0 })
            }
            _ => None,
        }
    }

    /// Takes the next packet of the PID. True: the random access point has come, `out` has what was held of it, and
    /// everything that follows goes through.
    pub fn push(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) -> bool {
        let Some(view) = Packet::parse(packet) else { return false };
        if view.transport_error() || view.scrambling() != 0 {
            // It cannot be looked into, and whoever can read it knows where to begin.
            let is_scrambled = view.scrambling() != 0 && !view.transport_error();
            if is_scrambled {
                out.extend_from_slice(packet);
            }
            return is_scrambled;
        }
        if view.payload_unit_start() && view.has_payload() {
            let ended = self.scanner.as_mut().map(Scanner::end);
            if ended == Some(Verdict::Point) {
                return self.open(packet, out);
            }
            self.pictures += 1;
            self.held.clear();
            if self.pictures > PICTURES_MAX {
                return self.open(packet, out);
            }
            self.scanner = Some(Scanner::new(self.codec));
        }
        let Some(scanner) = &mut self.scanner else { return false };
        match scanner.push(view.payload().unwrap_or_default()) {
            Verdict::Point => return self.open(packet, out),
            Verdict::Open if self.held.len() + LEN <= HELD_MAX => {
                self.held.extend_from_slice(packet)
            }
            Verdict::Open | Verdict::Miss => {
                self.scanner = None;
                self.held.clear();
            }
        }
        false
    }

    fn open(&mut self, packet: &[u8; LEN], out: &mut Vec<u8>) -> bool {
        out.append(&mut self.held);
        out.extend_from_slice(packet);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ts::packet::Header;
    use crate::media::ts::packet::Pid;

    const SETS: &[u8] = &[0, 0, 1, 0x67, 0x64, 0, 0, 1, 0x68, 0xEE];

    fn packet(starts: bool, payload: &[u8]) -> [u8; LEN] {
        let header = Header { payload_unit_start: starts, ..Header::new(Pid::masked(0x30), 0) };
        let mut out = Vec::new();
        assert!(header.write(payload, &mut out).is_empty());
        out.try_into().unwrap()
    }

    fn begun() -> Onset {
        let stream = Stream { stream_type: 0x1B, pid: Pid::masked(0x30), descriptors: &[] };
        Onset::of(&stream).unwrap()
    }

    #[test]
    fn what_comes_before_the_first_point_is_left_out() {
        let (mut onset, mut out) = (begun(), Vec::new());
        let miss = [
            packet(false, &[1; 100]),
            packet(true, &[0, 0, 1, 0x41, 0x9A, 1, 1]),
            packet(false, &[2; 100]),
        ];
        assert!(miss.iter().all(|packet| !onset.push(packet, &mut out)));
        assert!(out.is_empty());
        let (head, slice) = (packet(true, SETS), packet(false, &[0, 0, 1, 0x65, 0x88, 0, 0, 1, 9]));
        assert!(!onset.push(&head, &mut out));
        assert!(onset.push(&slice, &mut out));
        assert_eq!(out, [head, slice].concat());
    }

    #[test]
    fn a_stream_without_any_is_not_waited_for_for_ever() {
        let (mut onset, mut out) = (begun(), Vec::new());
        let picture = packet(true, &[0, 0, 1, 0x41, 0x9A, 1, 1]);
        let came = (0..).take_while(|_| !onset.push(&picture, &mut out)).count();
        assert_eq!(came, usize::try_from(PICTURES_MAX).unwrap());
        assert_eq!(out, picture);
        let endless = packet(false, &[0x55; 180]);
        onset = begun();
        onset.push(&packet(true, SETS), &mut Vec::new());
        for _ in 0..10_000 {
            assert!(!onset.push(&endless, &mut Vec::new()));
            assert!(onset.held.len() <= HELD_MAX);
        }
    }

    #[test]
    fn sound_and_strange_video_is_not_looked_into() {
        for stream_type in [0x0F, 0x06, 0x10] {
            let stream = Stream { stream_type, pid: Pid::masked(0x30), descriptors: &[] };
            assert!(Onset::of(&stream).is_none());
        }
        let mut scrambled = packet(true, SETS);
        scrambled[3] |= 0x80;
        assert!(begun().push(&scrambled, &mut Vec::new()));
    }
}
