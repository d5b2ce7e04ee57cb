//! The first bytes of pictures and of frames of sound.

use super::AudioCodec;
use super::DataKind;
use super::Gop;
use super::VideoCodec;

/// What a picture is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) kind: PictureKind,
    /// Pictures from its decoding to its showing.
    pub(super) reorder: u64,
}

/// See [`Picture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureKind {
    /// A random access point.
    First(Gop),
    /// Refers to pictures before it.
    P,
    /// Refers to pictures on both sides.
    B,
    /// A B that refers to the group before.
    Leading,
}

impl Picture {
    /// The picture at a place of its group, in decoding order.
    pub(super) fn at(place: u64, gop: Gop) -> Self {
        let (kind, reorder) = match (gop, place) {
            (Gop::Closed, 0) => (PictureKind::First(gop), 1),
            (Gop::Closed, odd) if odd % 2 == 1 => (PictureKind::P, 2),
            (Gop::Closed, _) => (PictureKind::B, 0),
            (Gop::Open, 0) => (PictureKind::First(gop), 3),
            (Gop::Open, 1 | 2) => (PictureKind::Leading, 0),
            (Gop::Open, third) if third % 3 == 0 => (PictureKind::P, 3),
            (Gop::Open, _) => (PictureKind::B, 0),
        };
        Self { kind, reorder }
    }

    /// Which of the three weights it has.
    pub(super) fn weight(&self) -> usize {
        match self.kind {
            PictureKind::First(_) => 0,
            PictureKind::P => 1,
            PictureKind::B | PictureKind::Leading => 2,
        }
    }

    /// The headers of its access unit.
    pub(super) fn headers(&self, codec: VideoCodec) -> Vec<u8> {
        match codec {
            VideoCodec::H264 => self.h264(),
            VideoCodec::Hevc => self.hevc(),
            VideoCodec::Mpeg2 => self.mpeg2(),
        }
    }

    /// Access unit delimiter, SPS, PPS, SEI, first bytes of a slice: first_mb_in_slice 0 and
    /// slice_type.
    fn h264(&self) -> Vec<u8> {
        let delimiter: &[u8] = &[0, 0, 0, 1, 9, if self.weight() == 0 { 0x10 } else { 0x50 }];
        let sets: &[u8] = &[
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0, 0, 0, 1,
            0x68, 0xcb, 0x83, 0xcb, 0x20,
        ];
        match self.kind {
            PictureKind::First(Gop::Closed) => {
                [delimiter, sets, &[0, 0, 1, 0x65, 0x88, 0x84]].concat()
            }
            PictureKind::First(Gop::Open) => {
                let recovery = [0, 0, 1, 6, 6, 1, 0xc4, 0x80];
                [delimiter, sets, &recovery, &[0, 0, 1, 0x41, 0x88, 0x84]].concat()
            }
            PictureKind::P => [delimiter, &[0, 0, 1, 0x41, 0x9a, 0x24]].concat(),
            PictureKind::B | PictureKind::Leading => {
                [delimiter, &[0, 0, 1, 0x01, 0x9e, 0x24]].concat()
            }
        }
    }

    fn hevc(&self) -> Vec<u8> {
        let delimiter: &[u8] = &[0, 0, 0, 1, 0x46, 1, if self.weight() == 0 { 0x10 } else { 0x50 }];
        let sets: &[u8] = &[
            0, 0, 0, 1, 0x40, 1, 0x0c, 1, 0xff, 0, 0, 0, 1, 0x42, 1, 1, 1, 0x60, 0, 0, 0, 1, 0x44,
            1, 0xc1, 0x72,
        ];
        let slice = |kind: u8| vec![0, 0, 1, kind << 1, 1, 0xaf, 0x41];
        match self.kind {
            PictureKind::First(Gop::Closed) => [delimiter, sets, &slice(19)].concat(),
            PictureKind::First(Gop::Open) => [delimiter, sets, &slice(21)].concat(),
            PictureKind::P => [delimiter, &slice(1)].concat(),
            PictureKind::B => [delimiter, &slice(0)].concat(),
            PictureKind::Leading => [delimiter, &slice(8)].concat(),
        }
    }

    fn mpeg2(&self) -> Vec<u8> {
        let coding = match self.kind {
            PictureKind::First(_) => 1,
            PictureKind::P => 2,
            PictureKind::B | PictureKind::Leading => 3,
        };
        let sequence: &[u8] = &[
            0, 0, 1, 0xb3, 0x14, 0, 0xf0, 0x13, 0xff, 0xff, 0xe0, 0x18, 0, 0, 1, 0xb5, 0x14, 0x8a,
            0, 1, 0, 0,
        ];
        let group = |closed: bool| [0, 0, 1, 0xb8, 0, 8, 0, if closed { 0x40 } else { 0 }];
        // temporal_reference 0, picture_coding_type, vbv_delay 0xffff.
        let picture: &[u8] = &[0, 0, 1, 0, 0, coding << 3 | 7, 0xff, 0xf8];
        let slice: &[u8] = &[0, 0, 1, 0xb5, 0x8f, 0xff, 0xf3, 0x41, 0x80, 0, 0, 1, 1, 0x12];
        match self.kind {
            PictureKind::First(gop) => {
                [sequence, &group(gop == Gop::Closed), picture, slice].concat()
            }
            _ => [picture, slice].concat(),
        }
    }
}

/// The first bytes of a frame of sound.
pub(super) fn sound(codec: AudioCodec) -> &'static [u8] {
    match codec {
        AudioCodec::Ac3Atsc | AudioCodec::Ac3Dvb => &[0x0b, 0x77, 0xaa, 0xaa, 0x14, 0x40, 0x41],
        AudioCodec::Eac3Atsc | AudioCodec::Eac3Dvb => &[0x0b, 0x77, 0x01, 0x5f, 0x34, 0x87, 0x41],
        AudioCodec::Aac => &[0xff, 0xf1, 0x4c, 0x80, 0x28, 0x1f, 0xfc],
        AudioCodec::Latm => &[0x56, 0xe1, 0x50, 0x20, 0x00, 0x11, 0x90],
        AudioCodec::Mp2 => &[0xff, 0xfd, 0x84, 0x04],
    }
}

/// The stream_id of a sound.
pub(super) fn stream_id(codec: AudioCodec) -> u8 {
    match codec {
        AudioCodec::Aac | AudioCodec::Latm | AudioCodec::Mp2 => 0xc0,
        _ => 0xbd,
    }
}

/// The first bytes of data: data_identifier and the first unit.
pub(super) fn data(kind: DataKind) -> &'static [u8] {
    match kind {
        DataKind::Teletext => &[0x10, 0x02, 0x2c],
        DataKind::Subtitles => &[0x20, 0x00, 0x0f],
    }
}
