//! The packets of one track of sound as they come: what of their payload is sound, where a PES packet's time
//! belongs, and where something is missing. Nothing is collected but a PES header that is cut.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::pes::Pes;
use crate::media::ts::pes::Pts;

/// Longest PES header: its length is 8 bits (ISO/IEC 13818-1, 2.4.3.7).
const HEADER_MAX: usize = 9 + 255;

/// What a packet holds.
pub(super) trait Sink {
    /// A PES packet begins; its time, if it has one, is that of the first frame that begins in it.
    fn begin(&mut self, pts: Option<Pts>);

    /// The next bytes of sound.
    fn bytes(&mut self, bytes: &[u8]);

    /// What comes next does not follow what came last. `is_told`: the stream itself says so; nothing is missing.
    fn lost(&mut self, is_told: bool);
}

/// Takes the packets of a PID; see the module. 750 bytes.
#[derive(Debug)]
pub(super) struct Input {
    /// The last packet with a payload, for its counter and to know it again.
    last: Option<[u8; LEN]>,
    state: State,
    /// What has come of a PES header that is not whole.
    header: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first PES packet.
    Waiting,
    /// In a PES header.
    Header,
    /// In a payload of which so many bytes are left; `None`: nobody knows how many.
    Payload(Option<usize>),
}

impl Input {
    pub(super) fn new() -> Self {
        Self { last: None, state: State::Waiting, header: Vec::with_capacity(HEADER_MAX) }
    }

    /// Takes the next packet, which is neither damaged nor scrambled.
    pub(super) fn push(&mut self, packet: &[u8; LEN], sink: &mut impl Sink) {
        let Some(view) = Packet::parse(packet) else { return };
        if !view.has_payload() {
            return;
        }
        let is_told = view.adaptation().is_some_and(|field| field.discontinuity_indicator());
        if let Some(last) = self.last.as_ref().and_then(Packet::parse) {
            let step = view.continuity_counter().wrapping_sub(last.continuity_counter()) & 0x0F;
            if step == 0 && self.last.as_ref() == Some(packet) {
                return; // A packet may be sent twice (2.4.3.3).
            }
            if is_told {
                self.lose(true, sink);
            } else if step != 1 {
                self.lose(false, sink);
            }
        }
        self.last = Some(*packet);
        let Some(payload) = view.payload() else { return };
        if view.payload_unit_start() {
            self.begin(payload, sink);
        } else {
            self.go_on(payload, sink);
        }
    }

    /// A packet of this PID has come that cannot be used.
    pub(super) fn miss(&mut self, sink: &mut impl Sink) {
        self.lose(false, sink);
        // Whatever its counter was, nothing more than it is missing.
        self.last = None;
    }

    fn lose(&mut self, is_told: bool, sink: &mut impl Sink) {
        // How much of the payload is left is not known any more.
        self.state = match self.state {
            State::Payload(_) => State::Payload(None),
            State::Header | State::Waiting => State::Waiting,
        };
        sink.lost(is_told);
    }

    fn begin(&mut self, payload: &[u8], sink: &mut impl Sink) {
        self.header.clear();
        self.state = State::Header;
        self.go_on(payload, sink);
    }

    fn go_on(&mut self, payload: &[u8], sink: &mut impl Sink) {
        match self.state {
            State::Waiting => {}
            State::Payload(left) => self.take(payload, left, sink),
            State::Header if self.header.is_empty() && Pes::parse(payload).is_some() => {
                self.head(payload, sink);
            }
            State::Header => {
                let room = HEADER_MAX.saturating_sub(self.header.len());
                let (more, rest) = payload.split_at_checked(room).unwrap_or((payload, &[]));
                self.header.extend_from_slice(more);
                let header = std::mem::take(&mut self.header);
                if Pes::parse(&header).is_some() {
                    self.head(&header, sink);
                    if let State::Payload(left) = self.state {
                        self.take(rest, left, sink);
                    }
                    self.header = header;
                    self.header.clear();
                } else if header.len() >= HEADER_MAX || !may_be_header(&header) {
                    self.state = State::Waiting;
                    sink.lost(false);
                } else {
                    self.header = header;
                }
            }
        }
    }

    /// A header is whole, with what follows it.
    fn head(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let Some(pes) = Pes::parse(bytes) else { return };
        if !is_sound(pes.stream_id()) {
            self.state = State::Waiting;
            return;
        }
        sink.begin(pes.pts());
        let header = bytes.len() - pes.payload().len();
        let left = pes.packet_length().map(|len| (usize::from(len) + 6).saturating_sub(header));
        self.take(pes.payload(), left, sink);
    }

    fn take(&mut self, payload: &[u8], left: Option<usize>, sink: &mut impl Sink) {
        let taken = payload.get(..left.unwrap_or(usize::MAX)).unwrap_or(payload);
        self.state = State::Payload(left.map(|left| left - taken.len()));
        if !taken.is_empty() {
            sink.bytes(taken);
        }
    }
}

/// Whether a header may become of these bytes with more of them.
fn may_be_header(bytes: &[u8]) -> bool {
    let is_start = bytes.iter().zip([0, 0, 1]).all(|(byte, due)| *byte == due);
    is_start && bytes.get(6).is_none_or(|flags| flags & 0xC0 == 0x80)
}

/// Audio, private_stream_1 and the extension that DTS and its like use (table 2-22).
const fn is_sound(stream_id: u8) -> bool {
    matches!(stream_id, 0xBD | 0xC0..=0xDF | 0xFA | 0xFD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ts::packet::Header;
    use crate::media::ts::packet::Pid;
    use crate::media::ts::pes;

    #[derive(Debug, PartialEq)]
    enum Seen {
        Begin(Option<u64>),
        Bytes(Vec<u8>),
        Lost(bool),
    }

    #[derive(Default)]
    struct Log(Vec<Seen>);

    impl Sink for Log {
        fn begin(&mut self, pts: Option<Pts>) {
            self.0.push(Seen::Begin(pts.map(Pts::ticks)));
        }

        fn bytes(&mut self, bytes: &[u8]) {
            if let Some(Seen::Bytes(last)) = self.0.last_mut() {
                last.extend_from_slice(bytes);
            } else {
                self.0.push(Seen::Bytes(bytes.to_vec()));
            }
        }

        fn lost(&mut self, is_told: bool) {
            self.0.push(Seen::Lost(is_told));
        }
    }

    /// Packets of one PES packet, each with at most `room` bytes of it.
    fn packets(counter: u8, pes: &[u8], room: usize) -> Vec<[u8; LEN]> {
        let chunks = pes.chunks(room).enumerate().map(|(index, chunk)| {
            let header = Header {
                payload_unit_start: index == 0,
                ..Header::new(Pid::masked(0x44), counter + u8::try_from(index).unwrap())
            };
            let mut out = Vec::new();
            assert!(header.write(chunk, &mut out).is_empty());
            out.try_into().unwrap()
        });
        chunks.collect()
    }

    fn pes(pts: u64, payload: &[u8]) -> Vec<u8> {
        let header = pes::Header {
            stream_id: 0xBD,
            data_alignment: true,
            pts: Some(Pts::new(pts)),
            dts: None,
        };
        let mut out = Vec::new();
        header.write(payload.len(), &mut out);
        out.extend_from_slice(payload);
        out
    }

    fn seen(packets: &[[u8; LEN]]) -> Vec<Seen> {
        let (mut input, mut log) = (Input::new(), Log::default());
        packets.iter().for_each(|packet| input.push(packet, &mut log));
        log.0
    }

    #[test]
    fn the_payload_comes_whole_however_the_header_is_cut() {
        let sound: Vec<u8> = (0..100).collect();
        for room in [1, 3, 8, 9, 13, 14, 15, 50, 184] {
            let packets = packets(3, &pes(90_000, &sound), room);
            let due = vec![Seen::Begin(Some(90_000)), Seen::Bytes(sound.clone())];
            assert_eq!(seen(&packets), due, "{room}");
        }
    }

    #[test]
    fn what_is_behind_the_packets_length_is_no_sound() {
        let mut long = pes(1, &[7; 10]);
        long.extend_from_slice(&[0xFF; 30]);
        let due = vec![Seen::Begin(Some(1)), Seen::Bytes(vec![7; 10])];
        assert_eq!(seen(&packets(0, &long, 20)), due);
        // Where the length is not told, everything is.
        let mut endless = pes(1, &[7; 10]);
        endless[4..6].fill(0);
        assert_eq!(seen(&packets(0, &endless, 20)), due);
    }

    #[test]
    fn a_packet_that_comes_twice_counts_once_and_one_that_is_missing_is_told() {
        let parts = packets(0, &pes(5, &[9; 60]), 20);
        let mut twice = parts.clone();
        twice.insert(1, parts[0]);
        twice.insert(3, parts[1]);
        assert_eq!(seen(&twice), seen(&parts));
        let mut cut = parts.clone();
        cut.remove(1);
        assert_eq!(
            seen(&cut),
            vec![
                Seen::Begin(Some(5)),
                Seen::Bytes(vec![9; 6]),
                Seen::Lost(false),
                Seen::Bytes(vec![9; 34])
            ]
        );
        // The same counter with another content is a loss of sixteen.
        let mut other = parts.clone();
        other.insert(1, {
            let mut packet = parts[0];
            packet[187] = 1;
            packet
        });
        assert!(seen(&other).contains(&Seen::Lost(false)));
    }

    #[test]
    fn nothing_but_sound_in_pes_packets_is_taken() {
        assert_eq!(seen(&packets(0, &[1; 40], 20)), vec![Seen::Lost(false)]);
        let mut video = pes(5, &[9; 60]);
        video[3] = 0xE0;
        assert_eq!(seen(&packets(0, &video, 100)), vec![]);
        assert_eq!(seen(&packets(0, &pes(5, &[9; 60]), 20)[1..]), vec![]);
    }
}
