use super::*;
use crate::remux::codec::Coding;
use crate::remux::codec::fixtures::MP2;
use crate::remux::codec::fixtures::MP2_CRC;
use crate::remux::codec::fixtures::MP2_MONO;
use crate::remux::codec::fixtures::amplitude;
use crate::remux::codec::fixtures::decoded;
use crate::remux::codec::fixtures::mp2_frames;
use crate::remux::codec::fixtures::survives;

fn decoder() -> Decoder {
    Decoder::new().unwrap()
}

#[test]
fn each_channel_has_its_own_sound() {
    for stream in [MP2, MP2_CRC] {
        let frames = mp2_frames(stream);
        let pcm = decoded(&mut decoder(), frames.iter().copied());
        assert_eq!((pcm.rate, pcm.source_channels, pcm.len()), (48_000, 2, frames.len() * 1152));
        let [left, right] = pcm
            .channels
            .each_ref()
            .map(|channel| [500.0, 700.0].map(|hertz| amplitude(channel, 48_000, hertz)));
        assert!((left[0] - 0.3).abs() < 0.02 && left[1] < 0.02, "{left:?}");
        assert!((right[1] - 0.3).abs() < 0.02 && right[0] < 0.02, "{right:?}");
    }
}

#[test]
fn one_channel_stays_one() {
    let pcm = decoded(&mut decoder(), mp2_frames(MP2_MONO));
    assert_eq!((pcm.rate, pcm.source_channels), (24_000, 1));
    assert!(pcm.channels[1].is_empty());
    let heard = amplitude(&pcm.channels[0], 24_000, 500.0);
    assert!((heard - 0.3).abs() < 0.02, "{heard}");
}

#[test]
fn rate_and_channels_may_change_at_any_frame() {
    let mut decoder = decoder();
    let mut pcm = Pcm::default();
    for _ in 0..2 {
        for (stream, rate, channels) in
            [(MP2, 48_000, 2), (MP2_MONO, 24_000, 1), (MP2_CRC, 48_000, 2)]
        {
            decoder.decode(mp2_frames(stream)[1], &mut pcm).unwrap();
            assert_eq!((pcm.rate, pcm.source_channels, pcm.len()), (rate, channels, 1152));
            assert_eq!(pcm.channels[1].len(), if channels == 2 { 1152 } else { 0 });
        }
    }
}

#[test]
fn every_wrong_bit_under_the_checksum_damages_the_frame() {
    let frame = mp2_frames(MP2_CRC)[2];
    let mut decoder = decoder();
    let mut pcm = Pcm::default();
    decoder.decode(frame, &mut pcm).unwrap();
    let flipped = |bit: usize| {
        let mut frame = frame.to_vec();
        frame[bit / 8] ^= 0x80 >> (bit % 8);
        frame
    };
    // All but the bit that says that there is a checksum; then the allocation alone, 94 bits for two channels.
    for bit in (0..15).chain(16..6 * 8 + 94) {
        assert_eq!(decoder.decode(&flipped(bit), &mut pcm), Err(Damaged), "bit {bit}");
        assert!(pcm.is_empty());
    }
    // A sample in the end is not protected.
    assert_eq!(decoder.decode(&flipped(frame.len() * 8 - 200), &mut pcm), Ok(()));
}

#[test]
fn a_frame_is_as_long_as_its_header_says() {
    let frame = mp2_frames(MP2)[0];
    let mut pcm = Pcm::default();
    for wrong in [&frame[..frame.len() - 1], &frame[..3], &[], &[frame, &[0]].concat(), &[0; 576]] {
        assert_eq!(decoder().decode(wrong, &mut pcm), Err(Damaged));
    }
}

#[test]
fn damaged_frames_do_no_harm() {
    let frames: Vec<_> = [MP2, MP2_CRC, MP2_MONO].into_iter().flat_map(mp2_frames).collect();
    let fine = survives(Coding::Mp2, &frames, 4, 1500);
    assert!((200..1400).contains(&fine), "{fine}");
}

#[test]
fn headers_tell_rate_channels_and_length() {
    let header = |bytes: [u8; 4]| {
        Header::of(&bytes).map(|header| (header.rate, header.channels, header.length))
    };
    assert_eq!(header([0xff, 0xfd, 0xa4, 0x00]), Some((48_000, 2, 576)));
    assert_eq!(header([0xff, 0xfd, 0xa2, 0xc0]), Some((44_100, 1, 627)));
    assert_eq!(header([0xff, 0xfd, 0xe8, 0x40]), Some((32_000, 2, 1728)));
    assert_eq!(header([0xff, 0xf5, 0x80, 0x00]), Some((22_050, 2, 417)));
    assert_eq!(header([0xff, 0xf5, 0x88, 0x00]), Some((16_000, 2, 576)));
    // Free format, a rate that there is not, layer III, MPEG-2.5.
    for wrong in
        [[0xff, 0xfd, 0x04, 0], [0xff, 0xfd, 0xac, 0], [0xff, 0xfb, 0xa4, 0], [0xff, 0xe5, 0xa4, 0]]
    {
        assert_eq!(header(wrong), None);
    }
}
